"""Balanced coverage against coverage, sizes 3 to 100, ten seeds: table and verdicts.

    python benchmarks/balanced.py [results.csv [setting=value ...]]

Settings are those of `BalancingConfig`, such as first_seed=10 or "balanced_temperatures=(0.3, 1e-4)".
"""

import ast
import csv
import sys
import time

import numpy as np

from minimlp.study.balancing import MASKS, BalancingConfig, balancing_claim
from minimlp.study.specialization import METRICS, metric_table


def literal(text):
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text


def main(path=None, *settings):
    config = BalancingConfig(**{name: literal(value) for name, value in (s.split("=") for s in settings)})
    print(config)
    rows, seconds = [], time.perf_counter()
    for run in config.runs():
        rows.append({**run, **config.execute(run)["result"]})
    print(f"{len(rows)} runs in {time.perf_counter() - seconds:.0f} s")
    for metric in METRICS:
        for size, by_mask in metric_table(rows, metric).items():
            means = {mask: np.mean(list(by_mask[mask].values())) for mask in MASKS}
            print(f"{metric:22} N = {size:3}  " + "  ".join(f"{m} {v:.3g}" for m, v in means.items()))
    errors = [row["marginal_error"] for row in rows if row["mask"] == "balanced"]
    print(f"marginal error at the last step: median {np.median(errors):.2g}, largest {max(errors):.2g}; "
          f"diverged runs: {sum(row['diverged'] for row in rows)}")
    verdict = balancing_claim(rows)
    for contrast in verdict.contrasts:
        print(f"{contrast.label}: {contrast.verdict}")
        for c in contrast.comparisons:
            print(f"  N = {c.size:3}  mean {c.mean:.3g} [{c.low:.3g}, {c.high:.3g}]  median {c.median:.3g}  "
                  f"p {c.p:.3g}  {c.verdict}{' flagged' if c.flagged else ''}")
    print(f"verdict: {verdict.verdict}")
    if path:
        columns = ("size", "mask", "seed", *METRICS, "diverged", "marginal_error")
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
