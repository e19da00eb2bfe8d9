"""Contrasts of a study's rows, paired over seeds, size by size; a diverged run counts as the worst of its size.

Held against a bound, or a multiple of another's, a diverged run is beyond it.
"""

from dataclasses import replace

import numpy as np

from .verdicts import Contrast, compare, worst

METRICS = ("fit_error", "reconstruction_error", "specialization_ratio", "expelled_fraction")
LARGER_IS_BETTER = {"specialization_ratio", "recovered", "memorised"}


def as_measured(rows, metric, column="mask"):
    """{size: {column's value: {seed: value}}}, seeds rising; nan where a run diverged."""
    table = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        value = np.nan if row[metric] is None else row[metric]
        table.setdefault(row["size"], {}).setdefault(row[column], {})[row["seed"]] = value
    return table


def metric_table(rows, metric, column="mask"):
    """As measured, but that diverged runs get the worst value at their size."""
    return {size: filled(by_name, metric) for size, by_name in as_measured(rows, metric, column).items()}


def filled(by_name, metric):
    """{name: {seed: value}} with the worst value for nan."""
    values = worst({(name, seed): value for name, by_seed in by_name.items() for seed, value in by_seed.items()},
                   metric in LARGER_IS_BETTER)
    return {name: {seed: values[name, seed] for seed in by_seed} for name, by_seed in by_name.items()}


def arrays(by_name):
    """{name: values (S,)}, of the seeds that all of them have, in one order."""
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in by_name.values())))
    return {name: np.array([by_seed[seed] for seed in seeds]) for name, by_seed in by_name.items()}


def means(rows, column="mask"):
    """Mean of every metric over seeds, by size and by mask or whatever else the column names; None if all diverged."""
    return [{"size": size, "mask": name, "metric": metric, "mean": mean} for metric in METRICS
            for size, by_name in mean_table(rows, metric, column).items() for name, mean in by_name.items()]


def mean_table(rows, metric, column="mask"):
    """{size: {column's value: mean over seeds}}; None where all runs diverged."""
    table = {}
    for size, by_name in as_measured(rows, metric, column).items():
        full = filled(by_name, metric)
        table[size] = {name: float(np.mean(list(full[name].values()))) for name in by_name}
        table[size] |= {name: None for name, values in by_name.items() if np.isnan(list(values.values())).all()}
    return table


def beyond(comparison, measured, expected="better"):
    """The comparison with a bound; where a run diverged, nan in what was measured, it can't be as claimed."""
    if not np.isnan(measured).any():
        return comparison
    return replace(comparison, verdict="worse" if expected == "better" else "open")


def paired(rows, metric, ours, theirs, expected="better", factor=1.0, bound=0.0, column="mask"):
    """The metric under `ours` less factor times that under `theirs`, at the sizes where both were run."""
    larger, comparisons = metric in LARGER_IS_BETTER, []
    for size, by_name in as_measured(rows, metric, column).items():
        if {ours, theirs} <= {*by_name}:
            full = filled(by_name, metric)
            values = arrays({name: full[name] for name in (ours, theirs)})
            found = compare(values[ours] - factor * values[theirs], size, bound, larger)
            with_bound = beyond(found, list(by_name[ours].values()), expected)
            comparisons.append(found if (factor, bound) == (1, 0) else with_bound)
    scaled = theirs if factor == 1 else f"{factor:g} x {theirs}" if factor > 1 else f"{theirs} / {1 / factor:g}"
    limit = f", bound {bound:g}" if bound else ""
    return Contrast(f"{metric}: {ours} - {scaled}{limit}", expected, larger, comparisons)


def bounded(rows, metric, ours, bound, expected="better", column="mask"):
    """The metric under `ours` held against a bound, at the sizes where it was run."""
    larger, comparisons = metric in LARGER_IS_BETTER, []
    for size, by_name in as_measured(rows, metric, column).items():
        if ours in by_name:
            found = compare(list(filled(by_name, metric)[ours].values()), size, bound, larger)
            comparisons.append(beyond(found, list(by_name[ours].values()), expected))
    return Contrast(f"{metric}: {ours}, bound {bound:g}", expected, larger, comparisons)
