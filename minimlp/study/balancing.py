"""Balanced coverage against coverage at the study's nominal settings: runs, and the claim (ours)."""

from dataclasses import dataclass

import numpy as np

from .. import checks
from ..annealing import ITERATIONS, TEMPERATURES, train_balanced
from ..gaussian import init_params
from .specialization import TrainingConfig, measured, metric_table
from .verdicts import Contrast, claim, compare

MASKS = ("coverage", "balanced")
ERROR_RATIO, FIT_BOUND = 5, 1e-3        # what the claim asks for


@dataclass(frozen=True)
class BalancingConfig(TrainingConfig):
    """Settings; those of the study, and how balanced coverage is annealed.

    Attributes
    ----------
    coverage_temperature : float
        tau of coverage, in the squared units of x.
    balanced_temperatures : pair of float
        tau of balanced coverage at the first and the last step.
    iterations : int
        Of Sinkhorn, at each step.
    """

    coverage_temperature: float = 0.02
    balanced_temperatures: tuple = TEMPERATURES["balanced"]
    iterations: int = ITERATIONS
    command = "balancing"

    def __post_init__(self):
        super().__post_init__()
        checks.temperature("coverage_temperature", self.coverage_temperature)
        checks.temperature_range("balanced_temperatures", self.balanced_temperatures)
        checks.count("iterations", self.iterations)

    def runs(self):
        return [{"size": size, "mask": mask, "seed": seed} for size in self.sizes
                for mask in MASKS for seed in self.seed_range()]

    def execute(self, run):
        size, seed = run["size"], run["seed"]
        if run["mask"] == "coverage":
            training, x = self.train(size, seed, "coverage", {"coverage": self.coverage_temperature})
            return measured(training, x)
        x, y = self.samples(size, seed)
        start = init_params(x, size, [seed, size, 1])
        training, errors = train_balanced(
            start, x, y, {"balanced": self.coefficient}, {"balanced": self.balanced_temperatures},
            self.steps, self.rate, self.iterations, backend=self.backend)
        record = measured(training, x)
        record["result"]["marginal_error"] = float(errors[-1])
        return record


def contrasts(rows):
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


def balancing_claim(rows):
    """The claim with its verdict, from rows of size, mask, seed and the metrics."""
    return claim("balanced", f"balanced coverage: reconstruction error at least {ERROR_RATIO}x below "
                 f"coverage's, specialization ratio above it, fit error below {FIT_BOUND:g}",
                 contrasts(rows), "all of it")
