"""The feature learning study: alpha from 1e-4 to 10, and the claims C1 to C6 (paper C).

A run is one seed of one setting: every alpha and both starts on the same samples, W_0,
validation and test points, so that all is paired across alpha.  Settings are ours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import checks
from .. import feature_learning as fl
from .. import risk_flow
from ..mixture import mixture, separability
from ..two_layer import forward
from .config import Config
from .records import is_amount
from .strength_claims import claims, findings
from .verdicts import as_dicts

STARTS = ("plain", "antisymmetric")
METRICS = ("time", "error", "standard_error", "zeros", "unit_angle", "angle", "linear_error",
           "over_alignment", "over_fitting")
OF_TRAINING = ("risk", "steps", "reached")
OF_RUN = ("family", "alphas", "stops", "samples", "width", "sigma", "angle", "separability", "mean_angle",
          "class_norm")
COLUMNS = ("family", "setting", "seed", "start", "alpha", "stop", "level", *METRICS,
           "separability", "final_risk", "failed")
DATA, VALIDATION, TEST, START = range(4)        # streams of a seed
FRAMES = 60
DEMONSTRATION = ("x", "y", "s_plus", "alphas",
                 *(f"{name} {k}" for k in range(3) for name in ("times", "w", "v")))


class Setting(NamedTuple):
    """One setting of the study.

    Attributes
    ----------
    name : str
    family : {"separable", "noisy", "transfer"}
        "transfer": of C6 alone.
    size, dimensions, width : int
        n, d and h.
    sigma, angle : float
        Noise; angle between s_plus and s_minus.  kappa is 1.
    """

    name: str
    family: str
    size: int
    dimensions: int
    width: int
    sigma: float
    angle: float


SEPARABLE = (Setting("separable 0.10", "separable", 20, 20, 16, 0.10, 0.0),
             Setting("separable 0.15", "separable", 20, 20, 16, 0.15, 0.0),
             Setting("separable 0.12, 60 deg", "separable", 40, 20, 16, 0.12, np.pi / 3))
NOISY = (Setting("noisy 0.3", "noisy", 40, 20, 16, 0.3, 0.0),
         Setting("noisy 0.5", "noisy", 40, 20, 16, 0.5, 0.0),
         Setting("noisy 0.7", "noisy", 40, 20, 16, 0.7, 0.0),
         Setting("noisy 0.5, 60 deg", "noisy", 40, 20, 16, 0.5, np.pi / 3))
TRANSFER = tuple(Setting(f"n {n}, h {h}", "transfer", n, 20, h, 0.5, 0.0)
                 for n in (20, 40, 80) for h in (8, 16, 32) if (n, h) != (40, 16))
KAPPA = 1.0
FAMILIES = ("separable", "noisy", "transfer")
ALPHAS = tuple(float(f"{alpha:.4g}") for alpha in 10.0 ** np.linspace(-4, 1, 13))


@dataclass(frozen=True)
class StrengthConfig(Config):
    """Settings of `minimlp strength`.

    Attributes
    ----------
    settings : tuple of Setting
    alphas : rising tuple of float
        Scales of the start; the feature learning strength is their inverse.
    seeds, first_seed : int
    targets : falling tuple of float
        Training risks to stop at; the last one ends a training.
    validation_levels : falling tuple of float
        Validation risks to stop at.
    validation_points, test_points : int
    tolerance, most, longest : float, int, float
        See `minimlp.train_to_risk`.
    backend : {"numpy", "cpu"}
    """

    settings: tuple = SEPARABLE + NOISY + TRANSFER
    alphas: tuple = ALPHAS
    seeds: int = 20
    first_seed: int = 0
    targets: tuple = (0.6, 0.3, 0.1, 0.03)
    validation_levels: tuple = (0.3, 0.1)
    validation_points: int = 100
    test_points: int = 5000
    tolerance: float = 1e-6
    most: int = 20_000
    longest: float = 2000.0
    backend: str = "numpy"
    command = "strength"

    def __post_init__(self):
        object.__setattr__(self, "settings", tuple(Setting(*s) for s in self.settings))
        checks.distinct("settings", (s.name for s in self.settings), str)
        for setting in self.settings:
            checked(setting)
        object.__setattr__(self, "alphas", tuple(sorted(checks.distinct(
            "alphas", self.alphas, lambda alpha: risk_flow.scale("alphas", alpha)))))
        self.check_seeds()
        checks.count("validation_points", self.validation_points, least=2)
        checks.count("test_points", self.test_points, least=2, most=10**7)
        if checks.positive("tolerance", self.tolerance) > risk_flow.LOOSEST:
            raise checks.InputError(f"tolerance = {self.tolerance}: expected at most {risk_flow.LOOSEST:g}")
        checks.count("most", self.most)
        checks.positive("longest", self.longest)
        risk_flow.checked_levels((), self.targets, self.validation_levels, ())
        checks.choice("backend", self.backend, ("numpy", "cpu"))
        if self.backend == "cpu":
            risk_flow.compiled_flow()

    @property
    def stops(self):
        """(kind, level) of each stop; the level of growth is alpha, here nan."""
        return (("growth", None), *(("training", level) for level in self.targets),
                *(("validation", level) for level in self.validation_levels))

    def runs(self):
        return [{"setting": s.name, "size": s.size * s.width, "seed": seed}
                for s in self.settings for seed in self.seed_range()]

    def setting(self, name):
        return next(s for s in self.settings if s.name == name)

    def sample(self, setting, size, seed, stream):
        return mixture(size, setting.dimensions, KAPPA, setting.sigma, [seed, stream], setting.angle)

    def start(self, setting, alpha, seed, start):
        return risk_flow.balanced_start(setting.width, setting.dimensions, alpha, [seed, START],
                                        start == "antisymmetric")

    def descend(self, params, data, validation, alpha, times=()):
        return risk_flow.train_to_risk(params, data.x, data.y, self.targets, validation[:2],
                                       self.validation_levels, (alpha,), times, tolerance=self.tolerance,
                                       most=self.most, longest=self.longest, backend=self.backend)

    def execute(self, run):
        """All alphas and both starts of a seed: every metric as (alphas, stops)."""
        setting, seed = self.setting(run["setting"]), run["seed"]
        data = self.sample(setting, setting.size, seed, DATA)
        validation = self.sample(setting, self.validation_points, seed, VALIDATION)
        test = self.sample(setting, self.test_points, seed, TEST)
        sums = [fl.class_sum(data.x, data.y, label) for label in (1, -1)]
        result = {**self.told(setting),
                  "separability": separability(data.x, data.y),
                  "mean_angle": float(np.mean([fl.angle_between(total, s) for total, s in zip(
                      sums, (data.s_plus, -data.s_minus))])),
                  "class_norm": float(max(map(np.linalg.norm, sums)))}
        for start in STARTS:
            table = {name: [] for name in (*METRICS, *OF_TRAINING)}
            for alpha in self.alphas:
                descent = self.descend(self.start(setting, alpha, seed, start), data, validation, alpha)
                stops = [measured(stop, data, test, setting, self.backend) for stop in descent.stops]
                for name in METRICS:
                    table[name].append([stop[name] for stop in stops])
                table["risk"].append(descent.risk)
                table["steps"].append(descent.steps)
                table["reached"].append(int(descent.reached))
            result[start] = table
        return {"result": result}

    def told(self, setting):
        """What a record says of its setting and of the stops."""
        return {"family": setting.family, "alphas": list(self.alphas), "stops": list(map(list, self.stops)),
                "samples": setting.size, "width": setting.width, "sigma": setting.sigma, "angle": setting.angle}

    def is_record(self, run, record):
        result, told = record["result"], self.told(self.setting(run["setting"]))
        if set(result) != {*OF_RUN, *STARTS} or any(result[name] != told[name] for name in told) or not all(
                is_amount(result[name]) for name in ("mean_angle", "class_norm")):
            return False
        shape = len(self.alphas), len(self.stops)
        tables = [result[start] for start in STARTS]
        numbers = [np.array(table[name], dtype=float) for table in tables for name in METRICS]
        return all(set(table) == {*METRICS, *OF_TRAINING} for table in tables) and all(
            array.shape == shape and not np.isinf(array).any() for array in numbers) and all(
            np.shape(table[name]) == shape[:1] for table in tables for name in OF_TRAINING) and all(
            np.nanmin(np.array(table["error"], dtype=float), initial=0) >= 0 for table in tables)

    def demonstration(self):
        """Trainings to look at, at the smallest, a middle and the largest alpha, for an npz file.

        Of the first seed of a setting: x, y, s_plus, alphas; for each alpha, times (T,) and
        the parameters w (T, h, d) and v (T, h); the last time of each is where it stopped.
        """
        setting = next((s for s in self.settings if s.name == SEPARABLE[1].name), self.settings[0])
        seed, alphas = self.first_seed, [self.alphas[k] for k in (0, 2 * (len(self.alphas) - 1) // 3, -1)]
        data = self.sample(setting, setting.size, seed, DATA)
        validation = self.sample(setting, self.validation_points, seed, VALIDATION)
        arrays = {"x": data.x, "y": data.y, "s_plus": data.s_plus, "alphas": np.array(alphas)}
        for k, alpha in enumerate(alphas):
            start = self.start(setting, alpha, seed, "plain")
            times = np.linspace(0, self.descend(start, data, validation, alpha).time, FRAMES)[1:]
            stops = [s for s in self.descend(start, data, validation, alpha, times).stops
                     if s.kind == "time"]
            arrays |= {f"times {k}": np.concatenate([[0], times]),
                       f"w {k}": np.array([start.w, *(s.params.w for s in stops)]),
                       f"v {k}": np.array([start.v, *(s.params.v for s in stops)])}
        return arrays


def checked(setting):
    """Refuses a setting that can't be run: what the mixture and both starts refuse, and d = 1,
    where there is no angle to tell."""
    checks.choice("family", setting.family, FAMILIES)
    checks.count("dimensions", setting.dimensions, least=2)
    mixture(setting.size, setting.dimensions, KAPPA, setting.sigma, 0, setting.angle)
    risk_flow.balanced_start(setting.width, setting.dimensions, 1.0, 0, antisymmetric=True)


def measured(stop, data, test, setting, backend):
    """Every metric at one stop; None where it was not reached or a class has no unit alive."""
    result = dict.fromkeys(METRICS)
    if not np.isfinite(stop.time):
        return result
    found = fl.network_error(outputs(stop.params, test.x, backend), test.y)
    result |= {"time": stop.time, "error": found.error,
               "standard_error": found.standard_error, "zeros": found.zeros}
    both = []
    for label, s in ((1, data.s_plus), (-1, -data.s_minus)):
        psi = fl.alignment(stop.params, data.x, data.y, label)
        if np.isnan(psi).all():
            return result
        v = fl.effective_predictor(stop.params, data.x, data.y, label)
        total = fl.class_sum(data.x, data.y, label)
        geometry = v, total, s, KAPPA, setting.sigma
        both.append([np.nanmean(np.arccos(np.clip(psi, -1, 1))), fl.angle_between(v, total),
                     fl.linear_error(v, s, KAPPA, setting.sigma), fl.over_alignment(*geometry),
                     fl.over_fitting(*geometry)])
    return result | dict(zip(METRICS[4:], map(float, np.mean(both, axis=0))))


def outputs(params, x, backend):
    """f of the test points, by the backend."""
    if backend == "numpy":
        return forward(params, x)[0]
    from ..kernels import flow
    return flow.outputs(np.ascontiguousarray(np.vstack([params.w.T, params.v])), x)


def csv_rows(rows):
    """Rows as results.csv has them: one for each stop of each training."""
    for row in rows:
        for start in STARTS:
            table = row[start]
            for a, alpha in enumerate(row["alphas"]):
                for k, (kind, level) in enumerate(row["stops"]):
                    yield {**{name: row[name] for name in ("family", "setting", "seed", "separability")},
                           "start": start, "alpha": alpha, "stop": kind,
                           "level": alpha if kind == "growth" else level,
                           **{name: table[name][a][k] for name in METRICS},
                           "final_risk": table["risk"][a], "failed": int(table["reached"][a] == 0)}


def summary(rows, config, log):
    """What summary.json holds: identity, claims, curves, what the controls take, failed runs."""
    return {**config.identity(), "claims": as_dicts(claims(rows)), **findings(rows), "diverged": failures(rows)}


def failures(rows):
    """The trainings that met a limit before their target, with the risk that they reached."""
    return [{"setting": row["setting"], "seed": row["seed"], "start": start, "alpha": alpha, "risk": risk}
            for row in rows for start in STARTS
            for alpha, risk, reached in zip(row["alphas"], row[start]["risk"], row[start]["reached"])
            if not reached]
