"""Contrasts of a study's rows, paired over seeds, size by size; a diverged run counts as the worst of its size."""

import numpy as np

from .verdicts import Contrast, compare, worst

METRICS = ("fit_error", "reconstruction_error", "specialization_ratio", "expelled_fraction")
LARGER_IS_BETTER = {"specialization_ratio", "recovered", "memorised"}


def metric_table(rows, metric, column="mask"):
    """{size: {column's value: {seed: value}}}; diverged runs get the worst value at their size."""
    table = {}
    for size in dict.fromkeys(row["size"] for row in rows):
        values = {(row[column], row["seed"]): np.nan if row[metric] is None else row[metric]
                  for row in rows if row["size"] == size}
        for (name, seed), value in worst(values, metric in LARGER_IS_BETTER).items():
            table.setdefault(size, {}).setdefault(name, {})[seed] = value
    return table


def means(rows, column="mask"):
    """Mean of every metric over seeds, by size and by mask or whatever else the column names."""
    return [{"size": size, "mask": name, "metric": metric, "mean": float(np.mean(list(values.values())))}
            for metric in METRICS for size, by_name in metric_table(rows, metric, column).items()
            for name, values in by_name.items()]


def paired(rows, metric, ours, theirs, expected="better", factor=1.0, bound=0.0, column="mask"):
    """The metric under `ours` less factor times that under `theirs`, at the sizes where both were run."""
    larger, comparisons = metric in LARGER_IS_BETTER, []
    for size, by_name in metric_table(rows, metric, column).items():
        if {ours, theirs} <= {*by_name}:
            a, b = (np.array(list(by_name[name].values())) for name in (ours, theirs))
            comparisons.append(compare(a - factor * b, size, bound, larger))
    scaled = theirs if factor == 1 else f"{factor:g} x {theirs}" if factor > 1 else f"{theirs} / {1 / factor:g}"
    limit = f", bound {bound:g}" if bound else ""
    return Contrast(f"{metric}: {ours} - {scaled}{limit}", expected, larger, comparisons)


def bounded(rows, metric, ours, bound, expected="better", column="mask"):
    """The metric under `ours` held against a bound, at the sizes where it was run."""
    larger = metric in LARGER_IS_BETTER
    comparisons = [compare(list(by_name[ours].values()), size, bound, larger)
                   for size, by_name in metric_table(rows, metric, column).items() if ours in by_name]
    return Contrast(f"{metric}: {ours}, bound {bound:g}", expected, larger, comparisons)
