"""The study of reading samples out of the weights: arms x sizes x seeds, and the claims D1 to D4 (ours)."""

import hashlib
from dataclasses import dataclass

import numpy as np

from .. import checks, gaussian, images
from ..dispatch import forward, implementation, prototypes
from ..images import ARMS, LEVELS
from ..loss import objective
from ..metrics import pairing, reconstruction_error, specialization_ratio
from .config import Config
from .contrasts import bounded, mean_table, metric_table, paired
from .records import are_parameters, as_lists, diverged_runs, is_amount
from .verdicts import as_dicts, claim, compare

METRICS = ("error", "recovered", "specialization_ratio", "memorised", "fit_error", "own_error", "marginal_error")
NOISE = tuple(f"error_noise_{level:g}" for level in LEVELS)
COLUMNS = ("size", "arm", "seed", *METRICS, *NOISE, "diverged")
START, NOISE_STREAM = 1, 2          # streams of a seed and size; 0 draws the labels
ERROR_RATIO, HALF, SHARE, CLAIMED_LEVEL = 5, 0.5, 0.9, 0.1      # what the claims ask for


@dataclass(frozen=True)
class ImagesConfig(Config):
    """Settings of `minimlp images` (all ours).

    Attributes
    ----------
    data : str, optional
        An npy or csv file of samples (N, d); left out, patches of the photograph.
    region : {"face", "flag"}
        Of the photograph.
    sizes : tuple of int
        N, with M = N.  Of the photograph square numbers, of a file evenly spaced rows; left
        out, 25, 49 and 100, or all rows.
    seeds, first_seed : int
        Seeds first_seed, ..., first_seed + seeds - 1: of start, labels and noise.
    steps : int
    rate, coefficient : float
        Adam's step size; lambda of the structural loss.
    coverage_temperature, first_temperature : float
        tau of coverage, and at the first step of an annealed loss, in the squared units of
        the scaled samples (see `images.Scaling`).
    last_distance : float
        The root of tau at the last step, in mean distances to the nearest other sample.
    backend : str
    """

    data: str = None
    region: str = "face"
    sizes: tuple = ()
    seeds: int = 10
    first_seed: int = 0
    steps: int = 2000
    rate: float = 0.01
    coefficient: float = 10.0
    coverage_temperature: float = 0.02
    first_temperature: float = 0.3
    last_distance: float = 0.03
    backend: str = "numpy"
    command = "images"

    def __post_init__(self):
        checks.choice("region", self.region, images.CENTRES)
        rows = None if self.data is None else images.read_samples(self.data)
        sizes = self.sizes or ((25, 49, 100) if rows is None else (len(rows),))
        sizes = checks.distinct("sizes", sizes, lambda size: checked_size(size, rows))
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "samples", {size: self.chosen(rows, size) for size in sizes})
        self.check_seeds()
        checks.count("steps", self.steps, least=0)
        for name in ("rate", "coefficient", "last_distance"):
            checks.positive(name, getattr(self, name))
        for name in ("coverage_temperature", "first_temperature"):
            checks.temperature(name, getattr(self, name))
        implementation(objective, self.backend)

    def chosen(self, rows, size):
        """The samples (size, d) of that size."""
        if rows is None:
            return images.patches(size, self.region)
        return images.spread_out(f"data = {self.data}", rows[np.linspace(0, len(rows) - 1, size).round().astype(int)])

    def runs(self):
        return [{"size": size, "arm": arm, "seed": seed} for size in self.sizes
                for arm in ARMS for seed in self.seed_range()]

    def identity(self):
        """As of any study; instead of a file's name, which can change, a hash of its samples."""
        found = super().identity()
        found["settings"]["data"] = {str(size): hashlib.sha256(x.tobytes()).hexdigest()[:16]
                                     for size, x in self.samples.items()}
        return found

    def is_record(self, run, record):
        return is_record(record, self.samples[run["size"]].shape)

    def labels(self, size, seed):
        """y: -1 or 1 at random, to be memorised."""
        return np.random.default_rng([seed, size, 0]).choice([-1.0, 1.0], size)

    def execute(self, run):
        size, seed = run["size"], run["seed"]
        x, y = self.samples[size], self.labels(size, seed)
        training, scaling = images.memorise(
            x, y, run["arm"], [seed, size, START], self.coefficient, self.coverage_temperature,
            self.first_temperature, self.last_distance, self.steps, self.rate, self.backend)
        return measured(training, scaling, x, y, [seed, size, NOISE_STREAM])


def checked_size(size, rows):
    """A size that the pairing can manage and the data have."""
    if rows is None:
        images.side_of("sizes", size)
        return size
    size = checks.count("sizes", size, least=2)
    if size > len(rows):
        raise checks.InputError(f"sizes = {size}: the data hold {len(rows)} samples")
    if size > images.MOST_SAMPLES:
        raise checks.InputError(f"sizes = {size}: at most {images.MOST_SAMPLES}, for pairing samples and "
                                "prototypes takes time N^3; --sizes takes so many, evenly spaced")
    return size


def measured(training, scaling, x, y, seed):
    """The record of a training: what can be read out, after noise too, and its parameters."""
    params = training.params
    with np.errstate(all="ignore"):
        p = scaling.back(gaussian.prototypes(params))
    values, limit = np.concatenate([params.to_vector(), p.ravel()]), checks.LARGEST["f8"] / 10     # noise is added
    diverged = training.diverged or not np.all(np.abs(values) < limit)
    result = {**dict.fromkeys((*METRICS, *NOISE)), "recovered": 0.0}
    if not diverged:
        nearest, (_, distance) = images.nearest_other(x), pairing(p, x)
        result |= {"error": float(distance.mean() / nearest.mean()),
                   "recovered": float(np.mean(distance < nearest / 2)),
                   "specialization_ratio": specialization_ratio(p, x),
                   "memorised": float(np.mean(forward(params, scaling.into(x))[0] * y > 0)),
                   "fit_error": float(training.terms["fit"]),
                   "own_error": float(distance.mean()), "marginal_error": training.marginal_error,
                   **dict(zip(NOISE, (noisy_error(params, scaling, x, level, seed) / float(nearest.mean())
                                      for level in LEVELS)))}
    return {"result": {**result, "diverged": int(diverged)},
            "params": as_lists(params)}


def noisy_error(params, scaling, x, level, seed):
    """The reconstruction error in the units of x after noise of that level."""
    return reconstruction_error(scaling.back(prototypes(images.disturbed(params, level, seed))), x)


def is_record(record, shape):
    """Whether a record read back has the shape of `measured`'s."""
    result = record["result"]
    if set(result) != {*METRICS, *NOISE, "diverged"} or result["diverged"] not in (0, 1):
        return False
    numbers = [result[name] for name in (*METRICS, *NOISE) if name not in ("recovered", "marginal_error")]
    if result["diverged"]:
        fine = numbers == [None] * len(numbers)
    else:
        fine = all(map(is_amount, numbers))
    error = result["marginal_error"]
    return fine and (error is None or is_amount(error)) and 0 <= result["recovered"] <= 1 and are_parameters(
        record["params"], *shape)


def csv_rows(rows):
    """Rows as results.csv has them."""
    return [{name: row[name] for name in COLUMNS} for row in rows]


def claims(rows):
    """The claims D1 to D4 with their verdicts.

    Parameters
    ----------
    rows : list of dict
        As `run_study` returns them.

    Returns
    -------
    list of Claim
    """
    noisy = f"error_noise_{CLAIMED_LEVEL:g}"
    ours = "all of it; errors in mean distances to the nearest other sample"

    def beside(metric, other, factor=1.0):
        return paired(rows, metric, "balanced", other, factor=factor, column="arm")

    def held(metric, arm, bound, expected="better"):
        return bounded(rows, metric, arm, bound, expected, "arm")

    return [
        claim("D1", f"balanced coverage reads the samples out of the weights: mean error below 1/{ERROR_RATIO} of "
              f"coverage's and below half of the distance to the nearest other sample, more than {SHARE:.0%} of "
              "them recovered",
              [beside("error", "coverage", 1 / ERROR_RATIO), held("error", "balanced", HALF),
               held("recovered", "balanced", SHARE)], ours),
        claim("D2", "annealing alone does not do it: balanced coverage has a smaller error than annealed coverage "
              "and recovers more samples",
              [beside("error", "coverage annealed"), beside("recovered", "coverage annealed")], ours),
        claim("D3", "without a structural loss the samples cannot be read out: mean error above half of the distance "
              "to the nearest other sample, fewer than half of them recovered",
              [held("error", "none", HALF, "worse"), held("recovered", "none", HALF, "worse")], ours),
        claim("D4", f"with balanced coverage it withstands noise of {CLAIMED_LEVEL:.0%} on every weight: mean error "
              "still below half of the distance to the nearest other sample",
              [held(noisy, "balanced", HALF)], ours)]


def readout(rows):
    """Means over seeds by size and arm, for the table; a diverged run counts as worst, None if all did."""
    tables = {metric: mean_table(rows, metric, "arm")
              for metric in ("error", "own_error", "recovered", "specialization_ratio", "memorised", "fit_error")}
    found = []
    for size, by_arm in metric_table(rows, "error", "arm").items():
        for arm, values in by_arm.items():
            error, told = compare(list(values.values()), size), tables["error"][size][arm] is not None
            found.append({"size": size, "arm": arm, "low": error.low if told else None,
                          "high": error.high if told else None,
                          **{metric: table[size][arm] for metric, table in tables.items()}})
    return found


def summary(rows, config, log):
    """What summary.json holds: identity, claims, means by size and arm, distances, diverged runs."""
    return {**config.identity(),
            "claims": as_dicts(claims(rows)),
            "readout": readout(rows),
            "nearest_other": {size: float(images.nearest_other(x).mean()) for size, x in config.samples.items()},
            "diverged": diverged_runs(rows, ("size", "arm", "seed"))}
