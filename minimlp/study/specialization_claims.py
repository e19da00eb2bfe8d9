"""The claims A1 to A8 (paper A), and ours on the start and on balanced coverage: paired over seeds, by size."""

import numpy as np

from .contrasts import LARGER_IS_BETTER, METRICS, arrays, as_measured, beyond, bounded, filled, paired
from .verdicts import Contrast, claim, compare

MASKS = ("none", "coverage", "separation", "overlap", "coverage+separation",
         "coverage+overlap", "separation+overlap", "coverage+separation+overlap")
UNTRAINED = "untrained"                 # in place of a mask, for the start
ERROR_RATIO, FIT_BOUND = 5, 1e-3        # what the claim on balanced coverage asks for
ROUND_OFF = np.finfo(float).eps ** 2    # a fit error below it says nothing
FIT, ERROR, USAGE, EXPELLED = METRICS


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
    ours = [balanced_claim(rows)] if {"balanced", "coverage"} <= {row["mask"] for row in rows} else []
    return [*claims_on_each_loss(rows), *claims_on_their_interplay(rows), *ours]


def claims_on_each_loss(rows):
    """A1 to A4."""
    return [
        claim("A1", "coverage gives the lowest reconstruction error at every size",
              [paired(rows, ERROR, "coverage", other) for other in ("none", "separation", "overlap")],
              "the losses' formulas and all settings"),
        claim("A2", "coverage raises the specialization ratio over the standard baseline",
              [paired(rows, USAGE, "coverage", "none"), factorial(rows, USAGE, "coverage", "better")],
              "the factorial contrast"),
        claim("A3", "separation is mixed: better at some sizes, worse at others",
              [paired(rows, ERROR, "separation", "none")],
              "holds if better somewhere and worse somewhere", expect_mixed=True),
        claim("A4", "overlap is harmful at every size",
              [paired(rows, ERROR, "overlap", "none", "worse"), factorial(rows, ERROR, "overlap", "worse")],
              "the factorial contrast"),
    ]


def claims_on_their_interplay(rows):
    """A5 to A8."""
    largest = max(row["size"] for row in rows)
    at_largest = [row for row in rows if row["size"] == largest]

    def moved(rows):
        return [paired(rows, EXPELLED, "overlap", "none", "worse"), paired(rows, EXPELLED, "coverage", "none")]

    return [
        claim("A5", "overlap-active runs fit the data as well as overlap-free ones",
              [factorial(rows, FIT, "overlap", "better", float(np.log10(2)), log10_error,
                         "log10 fit_error: masks with overlap - without, bound log10 2")],
              "'as well' means a geometric mean less than twice as large"),
        claim("A6", "overlap pushes prototypes out of the hull; coverage pulls them in", moved(rows),
              "separation's part is judged by the temperature sweep"),
        claim("A7", f"overlap pushes prototypes out and coverage pulls them in at the largest size (here {largest})",
              moved(at_largest), "the figure's message as two contrasts"),
        claim("A8", "a repulsive loss needs a compatible attractor",
              [paired(rows, ERROR, "coverage+overlap", "overlap"),
               paired(rows, ERROR, "coverage+separation", "separation")],
              "the principle as two contrasts: adding coverage to each repulsive loss"),
    ]


def factorial(rows, metric, loss, expected, bound=0.0, scale=np.asarray, label=None):
    """The mean of scale(metric) over the masks with the loss less that over those without, where all were run."""
    larger, comparisons = metric in LARGER_IS_BETTER, []
    halves = [[mask for mask in MASKS if (loss in mask) == there] for there in (True, False)]
    for size, by_mask in as_measured(rows, metric).items():
        if {*MASKS} <= {*by_mask}:
            values = arrays(filled({mask: by_mask[mask] for mask in MASKS}, metric))
            on, off = (scale([values[mask] for mask in masks]).mean(axis=0) for masks in halves)
            found = compare(on - off, size, bound, larger)
            with_loss = [value for mask in halves[0] for value in by_mask[mask].values()]
            comparisons.append(beyond(found, with_loss, expected) if bound else found)
    return Contrast(label or f"{metric}: masks with {loss} - without", expected, larger, comparisons)


def log10_error(values):
    return np.log10(np.maximum(values, ROUND_OFF))


def untrained_claim(rows):
    """Whether training under coverage improves on the start, from rows with the mask UNTRAINED among them."""
    return claim("A9 (ours)", "coverage improves on the untrained start: a lower reconstruction error, a higher "
                 "specialization ratio", [paired(rows, metric, "coverage", UNTRAINED) for metric in (ERROR, USAGE)],
                 "all of it: prototypes start at random over the range of the data")


def balanced_claim(rows):
    """The claim on balanced coverage with its verdict, from rows of size, mask, seed and the metrics."""
    return claim("balanced", f"balanced coverage: reconstruction error at least {ERROR_RATIO}x below "
                 f"coverage's, specialization ratio above it, fit error below {FIT_BOUND:g}",
                 [paired(rows, ERROR, "balanced", "coverage", factor=1 / ERROR_RATIO),
                  paired(rows, USAGE, "balanced", "coverage"),
                  bounded(rows, FIT, "balanced", FIT_BOUND)], "all of it")
