"""Repair by splitting against coverage and balanced coverage: runs, and the claims R1 to R4 (ours)."""

from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np

from .. import checks
from ..repair import ACTS, EPSILON, moved_by, segments, train_with_repair
from .contrasts import METRICS, bounded, means, paired
from .records import diverged_runs
from .specialization import FRAME_STEPS, TrainingConfig, is_record, measured
from .verdicts import as_dicts, claim

REPAIRS = ("births", "ascents", "rise")
COLUMNS = ("size", "arm", "seed", *METRICS, *REPAIRS, "diverged")
ERROR_RATIO, USAGE_BOUND, FIT_BOUND = 2, 0.05, 1e-3     # what 'balanced coverage's quality' allows


class Arm(NamedTuple):
    """What is trained: the loss, its temperature by the setting's name, and what happens at the acts."""

    loss: str
    temperature: str
    acts: bool
    direction: str


KINDS = {"": (False, None), ", restarted": (True, None), ", repaired": (True, "inner Hessian"),
         ", repaired at random": (True, "random")}
TEMPERATURES = {"coverage": "coverage_temperature", "cold coverage": "cold_temperature",
                "annealed coverage": "annealed_temperatures"}
ARMS = {**{base + kind: Arm("coverage", temperature, *how) for base, temperature in TEMPERATURES.items()
           for kind, how in KINDS.items()},
        "balanced coverage": Arm("balanced", "annealed_temperatures", False, None)}
SHOWN = ("coverage", "cold coverage", "cold coverage, repaired", "balanced coverage")   # in the demonstration


@dataclass(frozen=True)
class RepairConfig(TrainingConfig):
    """Settings of `minimlp repair`; those of the study, and how repair is done.

    Attributes
    ----------
    coverage_temperature : float
        tau of coverage, the study's, in the squared units of x.
    cold_temperature : float
        tau of cold coverage; the last of the annealed ones.
    annealed_temperatures : pair of float
        tau of annealed and of balanced coverage at the first and the last step.
    acts : tuple of float
        When there is an act of repair, as shares of the steps.
    epsilon : float
        How far the copies move in (w, b).
    """

    coverage_temperature: float = 0.02
    cold_temperature: float = 1e-3
    annealed_temperatures: tuple = (0.3, 1e-3)
    acts: tuple = ACTS
    epsilon: float = EPSILON
    command = "repair"

    def __post_init__(self):
        super().__post_init__()
        checks.temperature("coverage_temperature", self.coverage_temperature)
        checks.temperature("cold_temperature", self.cold_temperature)
        object.__setattr__(self, "annealed_temperatures", checks.temperature_range(
            "annealed_temperatures", self.annealed_temperatures))
        segments(self.acts, self.steps)
        moved_by(self.epsilon)

    def is_record(self, run, record):
        return is_repair_record(record, run["size"])

    def runs(self):
        return [{"size": size, "arm": arm, "seed": seed} for size in self.sizes
                for arm in ARMS for seed in self.seed_range()]

    def execute(self, run):
        (training, acts), x = self.train_arm(run["size"], run["seed"], run["arm"])
        record = measured(training, x)
        record["result"] |= counted(acts)
        return record

    def train_arm(self, size, seed, name, every=0):
        """One training from the study's start: ((training, acts), x)."""
        arm, (x, y) = ARMS[name], self.samples(size, seed)
        coefficients, temperatures = {arm.loss: self.coefficient}, {arm.loss: getattr(self, arm.temperature)}
        return train_with_repair(
            self.start(x, seed), x, y, coefficients, temperatures, self.steps, self.rate,
            self.acts if arm.acts else (), self.epsilon, arm.direction, [seed, size, 2], every, self.backend), x

    def demonstration(self):
        """Whole trainings of the first seed at about twenty units: arrays for an npz file.

        x, steps (T,) and the steps of the acts; for each arm that is shown its prototypes (T, M),
        at an act the repaired ones.
        """
        size = min(self.sizes, key=lambda size: abs(size - 20))
        cuts = segments(self.acts, self.steps)
        every = max(gcd(*cuts, FRAME_STEPS), 1)
        arrays = {"acts": np.array(cuts[1:-1], int), "steps": np.arange(0, self.steps + 1, every)}
        for name in SHOWN:
            (training, _), x = self.train_arm(size, self.first_seed, name, every)
            frames = training.trajectory
            arrays |= {"x": x, name: -frames[:, size:2 * size] / frames[:, :size]}
        return arrays


def counted(acts):
    """How many births there were, how many without a negative eigenvalue, and how much they raised the fit."""
    rises = [act.after - act.before for act in acts.values() if act.births]
    return {"births": sum(act.births for act in acts.values()),
            "ascents": sum(act.ascents for act in acts.values()),
            "rise": float(np.mean(rises)) if rises else None}


def is_repair_record(record, size):
    """Whether a record read back has the shape of `execute`'s."""
    result = dict(record["result"])
    births, ascents, rise = (result.pop(name) for name in REPAIRS)
    return (type(births) is int and type(ascents) is int and 0 <= ascents <= births
            and (rise is None if births == 0 else type(rise) is float and np.isfinite(rise))
            and is_record({**record, "result": result}, size))


def csv_rows(rows):
    """Rows as results.csv has them."""
    return rows


def quality(rows, arm):
    """The contrasts that together say 'as good as balanced coverage'."""
    return [paired(rows, "reconstruction_error", arm, "balanced coverage", factor=ERROR_RATIO, column="arm"),
            paired(rows, "specialization_ratio", arm, "balanced coverage", bound=-USAGE_BOUND, column="arm"),
            bounded(rows, "fit_error", arm, FIT_BOUND, column="arm")]


def claims(rows):
    """The claims R1 to R4 with their verdicts, from the study's rows.

    Parameters
    ----------
    rows : list of dict
        As `run_study` returns them.

    Returns
    -------
    list of Claim
    """
    controls = [(f"{base}, repaired", base + other) for base in TEMPERATURES for other in ("", ", restarted")]
    directions = [(f"{base}, repaired", f"{base}, repaired at random") for base in TEMPERATURES]

    def contrasts(metric, pairs):
        return [paired(rows, metric, *pair, column="arm") for pair in pairs]

    level = (f"reconstruction error at most {ERROR_RATIO} times balanced's, specialization ratio lower by "
             f"{USAGE_BOUND:g} at most, fit error below {FIT_BOUND:g}")
    return [
        claim("R1", "repair by splitting lowers coverage's reconstruction error at every size",
              contrasts("reconstruction_error", controls), "all of it"),
        claim("R2", "repair by splitting raises coverage's specialization ratio at every size",
              contrasts("specialization_ratio", controls), "all of it"),
        *(claim(f"R3 ({base})", f"{base}, repaired, reaches balanced coverage's quality: {level}",
                quality(rows, f"{base}, repaired"), "all of it") for base in TEMPERATURES),
        claim("R4", "the inner Hessian's direction matters: a lower reconstruction error than a random one's",
              contrasts("reconstruction_error", directions), "all of it"),
    ]


def repairs(rows):
    """By size and arm with births: their mean number, the share without descent, the median rise of the fit."""
    found = []
    for size in dict.fromkeys(row["size"] for row in rows):
        for arm in ARMS:
            own = [row for row in rows if (row["size"], row["arm"]) == (size, arm) and row["births"]]
            births = sum(row["births"] for row in own)
            if births:
                of = sum((row["size"], row["arm"]) == (size, arm) for row in rows)
                found.append({"size": size, "arm": arm, "births": births / of,
                              "ascents": sum(row["ascents"] for row in own) / births,
                              "rise": float(np.median([row["rise"] for row in own]))})
    return found


def demonstration(config, log):
    """The config's demonstration, from the log's folder where it has been made before."""
    return log.arrays("demonstration.npz", config.demonstration, ("x", "acts", "steps", *SHOWN))


def summary(rows, config, log):
    """What summary.json holds: identity, claims, means by size and arm, births, diverged runs."""
    return {**config.identity(),
            "claims": as_dicts(claims(rows)),
            "expelled_at_start": {size: 2 / (size + 1) for size in config.sizes},
            "means": means(rows, "arm"), "repairs": repairs(rows),
            "diverged": diverged_runs(rows, ("size", "arm", "seed"))}
