"""The claims A1 to A8 (paper A), and ours on balanced coverage: paired over seeds, by size."""

import numpy as np

from .verdicts import Contrast, claim, compare, worst

MASKS = ("none", "coverage", "separation", "overlap", "coverage+separation",
         "coverage+overlap", "separation+overlap", "coverage+separation+overlap")
METRICS = ("fit_error", "reconstruction_error", "specialization_ratio", "expelled_fraction")
LARGER_IS_BETTER = {"specialization_ratio"}
ERROR_RATIO, FIT_BOUND = 5, 1e-3        # what the claim on balanced coverage asks for


def metric_table(rows, metric, column="mask"):
    """{size: {column's value: {seed: value}}}; diverged runs get the worst value at their size."""
    table = {}
    for size in dict.fromkeys(row["size"] for row in rows):
        values = {(row[column], row["seed"]): np.nan if row[metric] is None else row[metric]
                  for row in rows if row["size"] == size}
        for (name, seed), value in worst(values, metric in LARGER_IS_BETTER).items():
            table.setdefault(size, {}).setdefault(name, {})[seed] = value
    return table


def masks_contrast(rows, metric, expected, ours, theirs, bound=0.0, scale=np.asarray, label=None):
    """Paired over seeds: the mean of scale(metric) over masks `ours` less that over `theirs`."""
    comparisons = []
    larger = metric in LARGER_IS_BETTER
    for size, by_mask in metric_table(rows, metric).items():
        if not {*ours, *theirs} <= {*by_mask}:
            continue
        means = [scale([list(by_mask[mask].values()) for mask in masks]).mean(axis=0)
                 for masks in (ours, theirs)]
        comparisons.append(compare(means[0] - means[1], size, bound, larger))
    label = label or f"{metric}: {' and '.join(ours)} - {' and '.join(theirs)}"
    return Contrast(label, expected, larger, comparisons)


def log10_error(values):
    return np.log10(np.maximum(values, 1e-300))


def claims(rows):
    """The claims A1 to A8 with their verdicts, from the study's rows; ours where its mask was run.

    Parameters
    ----------
    rows : list of dict
        As `run_study` returns them.

    Returns
    -------
    list of Claim
    """
    def contrast(metric, expected, mask, baseline="none"):
        return masks_contrast(rows, metric, expected, [mask], [baseline])

    def factorial(metric, expected, loss, **options):
        on = [mask for mask in MASKS if loss in mask]
        off = [mask for mask in MASKS if loss not in mask]
        return masks_contrast(rows, metric, expected, on, off, **options)

    largest = max(row["size"] for row in rows)
    at_largest = [row for row in rows if row["size"] == largest]
    error, usage, expelled = METRICS[1:]
    ours = [balanced_claim(rows)] if {"balanced", "coverage"} <= {row["mask"] for row in rows} else []
    return [
        claim("A1", "coverage gives the lowest reconstruction error at every size",
              [contrast(error, "better", "coverage", other)
               for other in ("none", "separation", "overlap")],
              "the losses' formulas and all settings"),
        claim("A2", "coverage raises the specialization ratio over the standard baseline",
              [contrast(usage, "better", "coverage"),
               factorial(usage, "better", "coverage", label=f"{usage}: masks with coverage - without")],
              "the factorial contrast"),
        claim("A3", "separation is mixed: better at some sizes, worse at others",
              [contrast(error, "better", "separation")],
              "holds if better somewhere and worse somewhere", expect_mixed=True),
        claim("A4", "overlap is harmful at every size",
              [contrast(error, "worse", "overlap"),
               factorial(error, "worse", "overlap", label=f"{error}: masks with overlap - without")],
              "the factorial contrast"),
        claim("A5", "overlap-active runs fit the data as well as overlap-free ones",
              [factorial("fit_error", "better", "overlap", bound=float(np.log10(2)), scale=log10_error,
                         label="log10 fit_error: masks with overlap - without, bound log10 2")],
              "'as well' means a geometric mean less than twice as large"),
        claim("A6", "overlap pushes prototypes out of the hull; coverage pulls them in",
              [contrast(expelled, "worse", "overlap"), contrast(expelled, "better", "coverage")],
              "separation's part is judged by the temperature sweep"),
        claim("A7", f"the prototype positions at the largest size (here {largest}) show it",
              [masks_contrast(at_largest, expelled, "worse", ["overlap"], ["none"]),
               masks_contrast(at_largest, expelled, "better", ["coverage"], ["none"])],
              "the figure's message as two contrasts"),
        claim("A8", "a repulsive loss needs a compatible attractor",
              [contrast(error, "better", "coverage+overlap", "overlap"),
               contrast(error, "better", "coverage+separation", "separation")],
              "the principle as two contrasts: adding coverage to each repulsive loss"),
    ] + ours


def balanced_contrasts(rows):
    """What the claim asks for, at each size."""
    def paired(metric, factor=1.0, larger=False, label=None):
        comparisons = []
        for size, by_mask in metric_table(rows, metric).items():
            ours, theirs = (np.array(list(by_mask[mask].values())) for mask in ("balanced", "coverage"))
            comparisons.append(compare(ours - factor * theirs, size, larger_is_better=larger))
        return Contrast(label or f"{metric}: balanced - coverage", "better", larger, comparisons)

    fits = [compare(list(by_mask["balanced"].values()), size, FIT_BOUND)
            for size, by_mask in metric_table(rows, "fit_error").items()]
    return [paired("reconstruction_error", 1 / ERROR_RATIO,
                   label=f"reconstruction_error: balanced - coverage / {ERROR_RATIO}"),
            paired("specialization_ratio", larger=True),
            Contrast(f"fit_error: balanced, bound {FIT_BOUND:g}", "better", False, fits)]


def balanced_claim(rows):
    """The claim on balanced coverage with its verdict, from rows of size, mask, seed and the metrics."""
    return claim("balanced", f"balanced coverage: reconstruction error at least {ERROR_RATIO}x below "
                 f"coverage's, specialization ratio above it, fit error below {FIT_BOUND:g}",
                 balanced_contrasts(rows), "all of it")
