"""The temperature sweep: separation alone, from a short reach to a long one (paper A, A6).

Beside claim A6 for separation, the question that the paper leaves open: at which
temperature tau* does expulsion begin, and does it follow tau* ~ (range/N)^2 (E5)?
The definition of tau* and its estimate are ours.
"""

from dataclasses import dataclass

import numpy as np

from .. import checks
from ..loss import STRUCTURAL
from .contrasts import METRICS, as_measured, beyond, metric_table
from .records import diverged_runs
from .specialization import TrainingConfig, measured
from .verdicts import RESAMPLES, Contrast, as_dicts, claim, compare

COLUMNS = ("size", *STRUCTURAL, "separation_temperature", "seed", *METRICS, "diverged")
LEVEL = 0.1                     # expelled excess at which expulsion counts as begun
ONE = "one prototype"           # a level of 1/N
OTHER_LEVELS = (0.05, 0.2, ONE) # shown beside it
BASELINE = 0.0                  # the temperature that stands for 'no separation'
RANGE = 2.0                     # of x ~ U(-1, 1)


@dataclass(frozen=True)
class SweepConfig(TrainingConfig):
    """Settings of `minimlp sweep`; as `StudyConfig`, with a list of temperatures.

    Attributes
    ----------
    temperatures : tuple of float
        tau of separation, in the squared units of x; the standard baseline runs beside them.
    """

    sizes: tuple = (3, 10, 30, 100)
    temperatures: tuple = tuple(float(f"{t:.4g}") for t in 10.0 ** (np.arange(-15, 4) / 3))
    command = "sweep"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "temperatures", tuple(sorted(checks.distinct(
            "temperatures", self.temperatures,
            lambda tau: checks.temperature("temperatures", tau)))))

    def runs(self):
        return [{"size": size, "temperature": tau, "seed": seed} for size in self.sizes
                for tau in (BASELINE, *self.temperatures) for seed in self.seed_range()]

    def execute(self, run):
        mask = "separation" if run["temperature"] else "none"
        temperatures = {"separation": run["temperature"]} if run["temperature"] else {}
        training, x = self.train(run["size"], run["seed"], mask, temperatures)
        return measured(training, x)


def csv_rows(rows):
    """Rows as results.csv has them; the baseline has separation 0 and no temperature."""
    return [{**row, **dict.fromkeys(STRUCTURAL, 0), "separation": int(row["temperature"] > 0),
             "separation_temperature": row["temperature"] or None} for row in rows]


def expelled_excess(rows):
    """{size: (temperatures (T,), expelled fraction less the baseline's, (seeds, T))}."""
    excess = {}
    for size, by_tau in metric_table(rows, "expelled_fraction", "temperature").items():
        taus = sorted(tau for tau in by_tau if tau != BASELINE)
        seeds = list(by_tau[BASELINE])
        excess[size] = np.array(taus), np.array(
            [[by_tau[tau][seed] - by_tau[BASELINE][seed] for tau in taus] for seed in seeds])
    return excess


def onset(temperatures, excess, level=LEVEL):
    """The temperature above which the excess stays over the level, log-interpolated.

    Parameters
    ----------
    temperatures : array (T,)
        Increasing.
    excess : array (..., T)
        Expelled fraction less the baseline's, averaged over seeds.
    level : float

    Returns
    -------
    array (...)
        tau*, in the squared units of x; nan where the excess is over the level at every
        temperature, or under it at the largest.
    """
    under = excess <= level
    last = excess.shape[-1] - 1 - np.argmax(under[..., ::-1], axis=-1)      # last one under it
    return crossing(temperatures, excess, level, last,
                    under.any(axis=-1) & (last < excess.shape[-1] - 1))


def crossing(grid, values, level, here, defined):
    """Where values (..., G) over a logarithmic grid (G,) cross the level after index here; else nan."""
    here = np.where(defined, here, 0)
    there = np.minimum(here + 1, values.shape[-1] - 1)
    low = np.take_along_axis(values, here[..., None], -1)[..., 0]
    high = np.take_along_axis(values, there[..., None], -1)[..., 0]
    share = (level - low) / np.where(defined, high - low, 1)
    logs = np.log(grid)
    return np.where(defined, np.exp(logs[here] + share * (logs[there] - logs[here])), np.nan)


def estimate_onset(rows, level=LEVEL):
    """tau* at each size and the exponent of tau* ~ N^exponent, with 95 % bootstrap intervals.

    Parameters
    ----------
    rows : list of dict
    level : float or "one prototype"
        The expelled excess at which expulsion counts as begun: a share of the
        prototypes, or one of them, 1/N.

    Returns
    -------
    dict
        "sizes": for each size tau*, low, high (None where it is not reached, in over 2.5 %
        of the resamples for the interval) and ratio, tau* / (range/N)^2; "exponent", "low",
        "high", fitted over the sizes with an interval ("fitted"); "verdict" on tau* ~ N^-2.
    """
    random = np.random.default_rng(0)
    table, resampled = [], []
    for size, (taus, excess) in expelled_excess(rows).items():
        share = 1 / size if level == ONE else level
        picks = random.integers(0, len(excess), (RESAMPLES, len(excess)))
        samples = onset(taus, excess[picks].mean(axis=1), share)
        tau = none_if_nan(float(onset(taus, excess.mean(axis=0), share)))
        table.append({"size": size, "tau": tau, **interval(samples),
                      "ratio": None if tau is None else tau * (size / RANGE) ** 2})
        resampled.append(samples)
    fitted = [k for k, row in enumerate(table) if row["tau"] and row["low"]]
    sizes = [table[k]["size"] for k in fitted]
    result = {"level": level, "sizes": table, "fitted": sizes,
              "exponent": None, "low": None, "high": None}
    if len(sizes) > 1:
        result["exponent"] = float(exponent(sizes, np.array([table[k]["tau"] for k in fitted])))
        result |= interval(exponent(sizes, np.array([resampled[k] for k in fitted])))
    return {**result, "verdict": law_verdict(result)}


def exponent(sizes, onsets):
    """Least-squares slope of log tau* against log N: of onsets (S,), or of each column of (S, R)."""
    log_size = np.log(sizes) - np.mean(np.log(sizes))
    return log_size @ np.log(onsets) / (log_size @ log_size)


def law_verdict(result):
    """Whether the exponent is -2: 'holds' if its interval holds -2 and is under 1 wide."""
    if result["exponent"] is None or result["low"] is None:
        return "not shown"
    inside = result["low"] <= -2 <= result["high"]
    narrow = result["high"] - result["low"] < 1
    return ("holds" if narrow else "not shown") if inside else "fails"


def interval(samples):
    missing = np.isnan(samples).mean()
    if missing > 0.025:
        return {"low": None, "high": None}
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def none_if_nan(value):
    return None if np.isnan(value) else value


def claims(rows):
    """Claim A6 for separation: no expulsion at the smallest temperature, expulsion at the largest.

    Parameters
    ----------
    rows : list of dict

    Returns
    -------
    list of Claim
    """
    excess = expelled_excess(rows)
    first, last = next(iter(excess.values()))[0][[0, -1]]
    measured = as_measured(rows, "expelled_fraction", "temperature")
    at_least = [beyond(compare(d[:, 0], size, bound=LEVEL), list(measured[size][first].values()))
                for size, (_, d) in excess.items()]
    at_most = [compare(d[:, -1], size) for size, (_, d) in excess.items()]
    return [claim("A6 (separation)", "separation expels at large temperature only",
                  [Contrast(f"expelled_fraction: tau = {first:g} - none, bound {LEVEL:g}", "better", False, at_least),
                   Contrast(f"expelled_fraction: tau = {last:g} - none", "worse", False, at_most)],
                  f"'no expulsion' means under {LEVEL:g} more of the prototypes than without")]


def summary(rows, config, log):
    """What summary.json holds: identity, the claim, tau* at each level, diverged runs."""
    return {**config.identity(),
            "claims": as_dicts(claims(rows)),
            "onset": [estimate_onset(rows, level) for level in (LEVEL, *OTHER_LEVELS)],
            "diverged": diverged_runs(rows, ("size", "temperature", "seed"))}
