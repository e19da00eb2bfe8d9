"""The specialization study: sizes x masks x seeds, and the claims A1 to A8 (paper A) and A9 (ours)."""

from dataclasses import dataclass

import numpy as np

from .. import checks
from ..data import TARGETS, uniform_samples
from ..dispatch import implementation, init_params, prototypes, train
from ..gaussian import forward
from ..loss import STRUCTURAL, fit, objective
from ..metrics import (expelled_fraction, hull_distance, reconstruction_error,
                       specialization_ratio)
from ..train import ITERATIONS, Training
from .config import Config
from .contrasts import METRICS, means
from .records import are_parameters, as_lists, diverged_runs, is_amount
from .specialization_claims import MASKS, UNTRAINED, claims, untrained_claim
from .verdicts import RESAMPLES, as_dicts

COLUMNS = ("size", *STRUCTURAL, "seed", *METRICS, "marginal_error", "diverged")
DEMONSTRATION = ("x", "y", "steps", *MASKS[:4], *("moves " + mask for mask in MASKS[:4]))
MOST_SAMPLES = 10**5    # more would fill the memory for hours
FRAME_STEPS = 10        # a frame of the demonstration every so many steps


def mask_name(text):
    """The mask's own name, whatever the order of its losses: 'overlap+coverage'."""
    losses = str(text).split("+")
    for loss in losses:
        if text != "none" and loss not in STRUCTURAL:
            raise checks.InputError(f"mask {text!r}: unknown loss {loss!r}, expected 'none' or "
                                    f"{', '.join(STRUCTURAL)} joined by +")
    return text if text == "none" else "+".join(loss for loss in STRUCTURAL if loss in losses)


@dataclass(frozen=True)
class TrainingConfig(Config):
    """Settings that all studies of one-dimensional trainings share (the nominal ones are ours)."""

    sizes: tuple = (3, 5, 10, 20, 50, 100)
    seeds: int = 10
    first_seed: int = 0
    steps: int = 2000
    rate: float = 0.01
    coefficient: float = 0.1
    target: str = "sin"
    backend: str = "numpy"
    iterations = ITERATIONS     # of Sinkhorn at each step

    def __post_init__(self):
        object.__setattr__(self, "sizes", checks.distinct(
            "sizes", self.sizes, lambda size: checks.count("sizes", size, most=MOST_SAMPLES)))
        self.check_seeds()
        checks.count("steps", self.steps, least=0)
        checks.positive("rate", self.rate)
        checks.positive("coefficient", self.coefficient)
        checks.choice("target", self.target, TARGETS)
        implementation(objective, self.backend)

    def samples(self, size, seed):
        return uniform_samples(size, [seed, size, 0], self.target)

    def is_record(self, run, record):
        return is_record(record, run["size"])

    def start(self, x, seed):
        """The parameters that training starts from, whatever the losses."""
        return init_params(x, len(x), [seed, len(x), 1])

    def coefficients_of(self, mask):
        """{loss: lambda} of a mask's losses."""
        return {} if mask == "none" else dict.fromkeys(mask.split("+"), self.coefficient)

    def train(self, size, seed, mask, temperatures, every=0):
        """One training, as the study starts and runs it: (training, x)."""
        x, y = self.samples(size, seed)
        return train(self.start(x, seed), x, y, self.coefficients_of(mask), temperatures, self.steps, self.rate,
                     every=every, iterations=self.iterations, backend=self.backend), x


@dataclass(frozen=True)
class StudyConfig(TrainingConfig):
    """Settings of `minimlp study`.

    Attributes
    ----------
    sizes : tuple of int
        N, with M = N.
    masks : tuple of str
        Active losses joined by +, or "none".
    seeds, first_seed : int
        Seeds first_seed, ..., first_seed + seeds - 1.
    steps : int
    rate, coefficient : float
        Adam's step size; lambda of every active loss.
    coverage_temperature, separation_temperature : float
        tau, in the squared units of x.
    balanced_temperatures : pair of float
        tau of balanced coverage at the first and the last step.
    iterations : int
        Of Sinkhorn at each step.
    target : {"sin", "identity", "random"}
    backend : str
    """

    masks: tuple = MASKS
    coverage_temperature: float = 0.02
    separation_temperature: float = 0.001
    balanced_temperatures: tuple = (0.3, 1e-3)
    iterations: int = ITERATIONS
    command = "study"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "masks", checks.distinct("masks", self.masks, mask_name))
        checks.temperature("coverage_temperature", self.coverage_temperature)
        checks.temperature("separation_temperature", self.separation_temperature)
        object.__setattr__(self, "balanced_temperatures", checks.temperature_range(
            "balanced_temperatures", self.balanced_temperatures))
        checks.count("iterations", self.iterations)

    @property
    def temperatures(self):
        return {"coverage": self.coverage_temperature, "separation": self.separation_temperature,
                "balanced": self.balanced_temperatures}

    def runs(self):
        return [{"size": size, "mask": mask, "seed": seed} for size in self.sizes
                for mask in self.masks for seed in self.seed_range()]

    def execute(self, run):
        training, x = self.train(run["size"], run["seed"], run["mask"], self.temperatures)
        return measured(training, x)

    def demonstration(self):
        """Whole trainings to look at, at about twenty units: arrays for an npz file.

        x, y and steps (T,) of the seed with the most typical start; for each single loss and none its parameters
        (T, P), as `Params.to_vector` orders them; and "moves " + mask (seeds, 2): of the
        prototypes seen outside the hull between two frames, how many moved towards it,
        and how many there were.
        """
        size = min(self.sizes, key=lambda size: abs(size - 20))
        seed = min(self.seed_range(), key=lambda seed: self.untypical(size, seed))
        x, y = self.samples(size, seed)
        arrays = {"x": x, "y": y, "steps": np.arange(0, self.steps + 1, FRAME_STEPS)}
        for mask in MASKS[:4]:
            runs = [self.frames(size, other, mask) for other in self.seed_range()]
            arrays[mask] = runs[seed - self.first_seed][0]
            arrays["moves " + mask] = np.array([moves(distances) for _, distances in runs])
        return arrays

    def untypical(self, size, seed):
        """How far the share of prototypes that start outside is from its mean, 2 / (N + 1)."""
        x, _ = self.samples(size, seed)
        p = prototypes(self.start(x, seed))
        return abs(expelled_fraction(p, x) - 2 / (size + 1))

    def frames(self, size, seed, mask):
        """Every tenth step of one training: parameters (T, P), distances to the hull (T, M)."""
        training, x = self.train(size, seed, mask, self.temperatures, FRAME_STEPS)
        frames = training.trajectory.reshape(-1, 3 * size + 1)
        p = -frames[:, size:2 * size] / frames[:, :size]
        distances = hull_distance(p.ravel(), x) if len(p) else p         # a run may diverge at once
        return frames, distances.reshape(-1, size)


def untrained(config):
    """The rows of the networks as they start, which no mask changes: what a training is held against."""
    rows = []
    for size in config.sizes:
        for seed in config.seed_range():
            x, y = config.samples(size, seed)
            start = config.start(x, seed)
            error, _ = fit(forward(start, x)[0], y)
            rows.append({"size": size, "mask": UNTRAINED, "seed": seed,
                         **measured(Training(start, error, {"fit": error}, 0, False), x)["result"]})
    return rows


def moves(distances):
    """How many prototypes outside the hull moved towards it until the next frame, of how many."""
    outside = distances[:-1] > 0
    return np.sum(outside & (distances[1:] < distances[:-1])), np.sum(outside)


def measured(training, x):
    """The record of a training: metrics of its last prototypes, and its parameters."""
    params = training.params
    with np.errstate(all="ignore"):
        p = -params.b / params.w[:, None]
    diverged = training.diverged or not np.all(np.abs(p) < checks.LARGEST["f8"])
    result = dict.fromkeys(METRICS)
    if not diverged:
        result = {"fit_error": float(training.terms["fit"]),
                  "reconstruction_error": reconstruction_error(p, x),
                  "specialization_ratio": specialization_ratio(p, x),
                  "expelled_fraction": expelled_fraction(p, x)}
    return {"result": {**result, "diverged": int(diverged), "marginal_error": training.marginal_error},
            "params": as_lists(params)}


def is_record(record, size):
    """Whether a record read back has the shape of `measured`'s."""
    result, params = record["result"], record["params"]
    return are_parameters(params, size) and is_result(result) and (
        result["diverged"] == 1 or bool(np.all(params["w"])))


def is_result(result):
    """Whether it holds the metrics, or none of them for a run that diverged."""
    if set(result) != {*METRICS, "diverged", "marginal_error"} or result["diverged"] not in (0, 1):
        return False
    metrics, error = [result[metric] for metric in METRICS], result["marginal_error"]
    fine = metrics == [None] * len(METRICS) if result["diverged"] else all(map(is_amount, metrics))
    return fine and (error is None or is_amount(error))


def csv_rows(rows):
    """Rows as results.csv has them: the losses as 0 or 1."""
    return [{**row, **{loss: int(loss in row["mask"]) for loss in STRUCTURAL}} for row in rows]


def demonstration(config, log):
    """The config's demonstration, from the log's folder where it has been made before."""
    return log.arrays("demonstration.npz", config.demonstration, DEMONSTRATION)


def inward_share(demonstration):
    """Under Adam: the share of moves from outside the hull that go towards it, by mask.

    Pooled over seeds, with a 95 % bootstrap interval over seeds; None where none was outside.
    """
    shares = {}
    for mask in MASKS[:4]:
        counts = demonstration["moves " + mask]
        picks = np.random.default_rng(0).integers(0, len(counts), (RESAMPLES, len(counts)))
        inward, outside = np.moveaxis(counts[picks].sum(axis=1), -1, 0)
        resampled = inward[outside > 0] / outside[outside > 0]
        low, high = np.percentile(resampled, [2.5, 97.5]) if len(resampled) else (None, None)
        inward, outside = counts.sum(axis=0)
        shares[mask] = {"moves": int(outside), "share": inward / outside if outside else None,
                        "low": low, "high": high}
    return shares


def summary(rows, config, log):
    """What summary.json holds: identity, claims, means by size and mask (the untrained start's too), moves under Adam,
    the largest marginal error of balanced coverage at the last step, diverged runs."""
    with_start = [*rows, *untrained(config)]
    ours = [untrained_claim(with_start)] if "coverage" in config.masks else []
    marginal_errors = [row["marginal_error"] for row in rows if row["marginal_error"] is not None]
    return {**config.identity(),
            "claims": as_dicts([*claims(rows), *ours]),
            "expelled_at_start": {size: 2 / (size + 1) for size in config.sizes},
            "means": means(with_start),
            "inward_share": inward_share(demonstration(config, log)),
            "largest_marginal_error": max(marginal_errors, default=None),
            "diverged": diverged_runs(rows, ("size", "mask", "seed"))}
