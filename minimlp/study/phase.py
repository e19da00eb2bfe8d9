"""Phase diagrams: coefficient x temperature for each loss, and separation beside coverage (ours).

Three questions: from which coefficient on does a loss drive prototypes out (or fetch them), at
each temperature; where does separation's push balance coverage's pull; and does separation help
beside coverage, once its temperature is tied to the data by the law tau ~ (range/N)^2?
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from .. import checks
from ..dispatch import train
from ..gaussian import Params
from .contrasts import LARGER_IS_BETTER, METRICS, as_measured, beyond, metric_table
from .frontier import estimate_frontier, off_by, predicted_frontier
from .records import diverged_runs
from .specialization import StudyConfig, TrainingConfig, is_result, measured
from .temperature import BASELINE, LEVEL, ONE, RANGE, estimate_onset
from .verdicts import Contrast, as_dicts, claim, compare, worst

PAIR = "coverage+separation"
DIAGRAMS = ("coverage", "separation", "overlap", "balanced", PAIR)
NONE, CLAIM = "none", "claim"       # the runs beside the diagrams
COLUMNS = ("diagram", "size", "temperature", "coefficient", "seed", *METRICS, "marginal_error", "diverged")
ATTRACTORS = ("coverage", "balanced")
# the frontiers of each diagram: over which baseline, and by how much of the prototypes
LEVELS = {**dict.fromkeys(ATTRACTORS, ((NONE, ONE),)),
          **dict.fromkeys(("separation", "overlap"), ((NONE, ONE), (NONE, LEVEL))),
          PAIR: (("coverage", ONE), ("coverage", LEVEL), (NONE, 0.0))}
FIRST = StudyConfig.balanced_temperatures[0]        # of balanced coverage's annealing
TYPICAL_WEIGHT = 4.0                # mean |w| of the study's start
ERROR_FACTOR = 1.1                  # 'reconstructs no worse': less than this times coverage's error
ENOUGH = 20                         # the size from which the second claim speaks
RATIOS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)      # all that were tried
RATIO = 0.05                        # chosen on seeds 0 to 9: the largest gain averaged over the sizes
CHOICE_SEEDS = 10                   # so these never judge
DECADES = 1e12                      # of a temperature or coefficient, at most, and its inverse at least


@dataclass(frozen=True)
class PhaseConfig(TrainingConfig):
    """Settings of `minimlp phase`; as `StudyConfig`, with a grid.

    Attributes
    ----------
    sizes : tuple of int
        N = M of the diagrams.
    losses : tuple of str
        Which diagrams: "coverage", "separation", "overlap", "balanced", "coverage+separation".
    temperatures : tuple of float
        tau, in the squared units of x, of coverage and separation; for overlap 2/w^2 of the start's typical width.
    balanced_temperatures : tuple of float
        The last tau of balanced coverage's annealing; fewer, as its runs take many times as long.
    coefficients : tuple of float
        lambda; beside coverage that of separation.
    coefficient, coverage_temperature : float
        Of coverage where separation stands beside it, and lambda of both in the claim.
    ratio : float
        c of separation's temperature in the claim, tau = c (range/N)^2.
    ratios : tuple of float
        The ones shown for the choice, on the diagrams' seeds.
    claim_sizes : tuple of int
    fresh_seeds : int
        How many seeds judge the claim: those after the diagrams' and after the ten of the choice.
    """

    sizes: tuple = (10, 20, 50)
    losses: tuple = DIAGRAMS
    temperatures: tuple = tuple(float(f"{t:.4g}") for t in 10.0 ** (np.arange(-10, 3) / 2))
    coefficients: tuple = tuple(float(f"{t:.4g}") for t in 10.0 ** (np.arange(-8, 3) / 2))
    balanced_temperatures: tuple = tuple(float(f"{t:.4g}") for t in 10.0 ** np.arange(-5, 2))
    coverage_temperature: float = 0.02
    ratio: float = RATIO
    ratios: tuple = RATIOS
    claim_sizes: tuple = (3, 5, 10, 20, 50, 100)
    fresh_seeds: int = 30
    command = "phase"

    def __post_init__(self):
        super().__post_init__()
        checked = {name: lambda value, name=name: in_decades(name, value)
                   for name in ("temperatures", "balanced_temperatures", "coefficients", "ratios")}
        checked |= {"losses": lambda name: checks.choice("losses", name, DIAGRAMS),
                    "claim_sizes": lambda size: checks.count("claim_sizes", size)}
        for name, check in checked.items():
            values = checks.distinct(name, getattr(self, name), check)
            object.__setattr__(self, name, values if name in ("losses", "claim_sizes") else tuple(sorted(values)))
        checks.temperature("coverage_temperature", self.coverage_temperature)
        in_decades("ratio", self.ratio)
        checks.count("fresh_seeds", self.fresh_seeds, most=10**5)

    def temperatures_of(self, name):
        """Those of a diagram's map."""
        return self.balanced_temperatures if name == "balanced" else self.temperatures

    def fresh_range(self):
        first = max(CHOICE_SEEDS, self.first_seed + self.seeds)
        return range(first, first + self.fresh_seeds)

    def tied(self, ratio, size):
        """tau = c (range/N)^2; without separation for c = 0."""
        return ratio * (RANGE / size) ** 2

    def runs(self):
        cells = [(NONE, size, BASELINE, 0.0) for size in self.sizes]
        cells += [(name, size, tau, weight) for name in self.losses for size in self.sizes
                  for tau, weight in self.cells(name)]
        runs = [(*cell, seed) for cell in cells for seed in self.seed_range()]
        for size in self.claim_sizes:
            for seeds, ratios in ((self.seed_range(), (0.0, *self.ratios)), (self.fresh_range(), (0.0, self.ratio))):
                runs += [(CLAIM, size, self.tied(ratio, size), self.coefficient, seed)
                         for ratio in ratios for seed in seeds]
        return [dict(zip(COLUMNS[:5], run)) for run in runs]

    def cells(self, name):
        """(temperature, coefficient) of a diagram; coefficient 0 is its own baseline."""
        grid = [(tau, weight) for tau in self.temperatures_of(name) for weight in self.coefficients]
        if name == "overlap":           # whose start differs from temperature to temperature
            return [(tau, 0.0) for tau in self.temperatures] + grid
        return [(BASELINE, 0.0)] + grid if name == PAIR else grid

    def is_record(self, run, record):
        return is_result(record["result"]) and len(bytes.fromhex(record["params_sha256"])) == 32

    def execute(self, run):
        """The metrics, and the digest of the parameters: `training` gives them again in milliseconds."""
        training, x = self.training(run)
        digest = hashlib.sha256(training.params.to_vector().tobytes()).hexdigest()
        return {"result": measured(training, x)["result"], "params_sha256": digest}

    def training(self, run):
        """The training of one run: (training, x)."""
        size, seed = run["size"], run["seed"]
        x, y = self.samples(size, seed)
        start = self.start(x, seed)
        if run["diagram"] == "overlap":
            start = rescaled(start, np.sqrt(2 / run["temperature"]) / TYPICAL_WEIGHT)
        coefficients, temperatures = self.objective_of(run)
        return train(start, x, y, coefficients, temperatures, self.steps, self.rate,
                     backend=self.backend), x

    def objective_of(self, run):
        """Coefficients and temperatures of a run, by loss."""
        name, tau, weight = (run[column] for column in ("diagram", "temperature", "coefficient"))
        if name in (PAIR, CLAIM):
            pair = {"separation": weight} if tau else {}
            return ({"coverage": self.coefficient, **pair},
                    {"coverage": self.coverage_temperature, **dict.fromkeys(pair, tau)})
        if not weight:
            return {}, {}
        temperatures = {"overlap": {}, "balanced": {name: (FIRST, tau)}}
        return {name: weight}, temperatures.get(name, {name: tau})


def in_decades(name, value):
    """A number that a map's axis can show."""
    if not 1 / DECADES <= checks.positive(name, value) <= DECADES:
        raise checks.InputError(f"{name} = {value}: expected at least {1 / DECADES:g} and at most {DECADES:g}")
    return float(value)


def rescaled(params, factor):
    """Units narrower by a factor, about the same prototypes: w and b times it."""
    return Params(factor * params.w, factor * params.b, params.v, params.c)


def csv_rows(rows):
    """Rows as results.csv has them."""
    return rows


class Maps:
    """The metrics of the diagrams as arrays, from a study's rows; a diverged run counts as the worst of its map.

    Parameters
    ----------
    rows : list of dict
    config : PhaseConfig
    """

    def __init__(self, rows, config):
        self.config, self.found = config, {}
        for row in rows:
            place = row["temperature"], row["coefficient"], row["seed"]
            self.found.setdefault((row["diagram"], row["size"]), {})[place] = row

    def values(self, name, size, metric):
        """{(temperature, coefficient, seed): value} of one diagram at one size."""
        return worst({place: np.nan if row[metric] is None else row[metric]
                      for place, row in self.found[name, size].items()}, metric in LARGER_IS_BETTER)

    def grid(self, name, size, metric):
        """(seeds, temperatures, coefficients)."""
        values = self.values(name, size, metric)
        return np.array([[[values[tau, weight, seed] for weight in self.config.coefficients]
                          for tau in self.config.temperatures_of(name)] for seed in self.config.seed_range()])

    def baseline(self, name, size, metric, against=NONE):
        """(seeds, temperatures) of the runs a diagram is held against."""
        if name == "overlap" or against != NONE:
            values = self.values(name, size, metric)
        else:
            values = self.values(NONE, size, metric)
        return np.array([[values[tau if name == "overlap" else BASELINE, 0.0, seed]
                          for tau in self.config.temperatures_of(name)] for seed in self.config.seed_range()])

    def excess(self, name, size, against=NONE):
        """Expelled fraction less the baseline's (seeds, temperatures, coefficients)."""
        return (self.grid(name, size, "expelled_fraction")
                - self.baseline(name, size, "expelled_fraction", against)[:, :, None])


def frontiers(maps):
    """Every frontier of every diagram at every size, with its prediction where there is one.

    Parameters
    ----------
    maps : Maps

    Returns
    -------
    list of dict
        "diagram", "size", "against" (the baseline), "level", "temperatures", what `estimate_frontier` found,
        "predicted", and "ratio" (`off_by`) where separation reaches the mean spacing, tau >= (range/N)^2.
        For an attractor the excess counts how many prototypes fewer are outside.
    """
    config, found = maps.config, []
    for name in config.losses:
        temperatures = config.temperatures_of(name)
        for size in config.sizes:
            predicted = predicted_frontier(size, temperatures, config.coverage_temperature,
                                           config.coefficient) if name == PAIR else None
            reaching = [k for k, tau in enumerate(temperatures) if tau >= config.tied(1.0, size)]
            for against, level in LEVELS[name]:
                excess = maps.excess(name, size, against) * (-1 if name in ATTRACTORS else 1)
                line = estimate_frontier(np.array(config.coefficients), excess, 1 / size if level == ONE else level)
                found.append({"diagram": name, "size": size, "against": against, "level": level,
                              "temperatures": list(temperatures), **line, "predicted": predicted,
                              "ratio": predicted and off_by([line["coefficient"][k] for k in reaching],
                                                            [predicted[k] for k in reaching])})
    return found


def best_cells(maps):
    """The cell of each map with the highest specialization ratio, and the one with the lowest error.

    Means over the seeds by which they were picked, so somewhat too good.

    Returns
    -------
    list of dict
        "diagram", "size", "by", "temperature", "coefficient" and the means of both metrics there.
    """
    config, found = maps.config, []
    for name in config.losses:
        for size in config.sizes:
            usage, error = (maps.grid(name, size, metric).mean(axis=0)
                            for metric in ("specialization_ratio", "reconstruction_error"))
            for by, cell in (("specialization_ratio", np.argmax(usage)), ("reconstruction_error", np.argmin(error))):
                k, l = np.unravel_index(cell, usage.shape)
                found.append({"diagram": name, "size": size, "by": by, "temperature": config.temperatures_of(name)[k],
                              "coefficient": config.coefficients[l], "specialization_ratio": float(usage[k, l]),
                              "reconstruction_error": float(error[k, l])})
    return found


def laws(rows, config):
    """tau* ~ N^exponent of separation at each coefficient, alone and beside coverage, by one prototype.

    Returns
    -------
    list of dict
        "diagram", "coefficient" and what `temperature.estimate_onset` gives.
    """
    found = []
    for name, base in (("separation", NONE), (PAIR, PAIR)):
        for weight in config.coefficients if name in config.losses else ():
            chosen = [row for row in rows if (row["diagram"], row["coefficient"]) in ((name, weight), (base, 0.0))]
            found.append({"diagram": name, "coefficient": weight, **estimate_onset(chosen, ONE)})
    return found


def gains(rows, config, seeds, ratio, metric, factor=1.0):
    """{size: separation at tau = c (range/N)^2 beside coverage, less factor x coverage alone (seeds,)}."""
    return {size: np.array([by_tau[config.tied(ratio, size)][seed] - factor * by_tau[BASELINE][seed]
                            for seed in seeds])
            for size, by_tau in metric_table(of_the_claim(rows, seeds), metric, "temperature").items()}


def of_the_claim(rows, seeds):
    return [row for row in rows if row["diagram"] == CLAIM and row["seed"] in seeds]


def explored(rows, config):
    """What each ratio gave on the seeds that it was chosen by: mean differences from coverage alone."""
    table = []
    for ratio in config.ratios:
        means = {metric: gains(rows, config, config.seed_range(), ratio, metric) for metric in METRICS[1:]}
        table.append({"ratio": ratio, "sizes": [{"size": size, **{
            metric: float(differences[size].mean()) for metric, differences in means.items()}}
            for size in config.claim_sizes]})
    return table


def price(rows, config):
    """How many prototypes more separation puts outside beside coverage, on the fresh seeds: judged by no claim."""
    more = gains(rows, config, config.fresh_range(), config.ratio, "expelled_fraction")
    found = [compare(size * fraction, size) for size, fraction in more.items()]
    return [{"size": c.size, "mean": c.mean, "low": c.low, "high": c.high} for c in found]


def claims(rows, config):
    """Whether separation helps beside coverage, judged on the fresh seeds.

    Parameters
    ----------
    rows : list of dict
    config : PhaseConfig

    Returns
    -------
    list of Claim
    """
    seeds = config.fresh_range()
    usage = gains(rows, config, seeds, config.ratio, "specialization_ratio")
    error = gains(rows, config, seeds, config.ratio, "reconstruction_error", ERROR_FACTOR)
    measured = as_measured(of_the_claim(rows, seeds), "reconstruction_error", "temperature")

    def contrasts(least):
        return [Contrast("specialization_ratio: both - coverage", "better", True,
                         [compare(d, size, larger_is_better=True) for size, d in usage.items() if size >= least]),
                Contrast(f"reconstruction_error: both - {ERROR_FACTOR:g} coverage", "better", False,
                         [beyond(compare(d, size), list(measured[size][config.tied(config.ratio, size)].values()))
                          for size, d in error.items() if size >= least])]

    statement = (f"with tau = {config.ratio:g} (range/N)^2, separation beside coverage raises the specialization "
                 "ratio over coverage alone and leaves the reconstruction error no worse, ")
    ours = (f"all of it; 'no worse' means less than {ERROR_FACTOR:g} times coverage's error; seeds "
            f"{seeds[0]} to {seeds[-1]}; the ratio {RATIO:g} was chosen on 0 to {CHOICE_SEEDS - 1}")
    return [claim("P1", statement + "at every size", contrasts(1), ours),
            claim("P2", statement + f"from N = {ENOUGH} on", contrasts(ENOUGH), ours + ", the least size too")]


def summary(rows, config, log):
    """What summary.json holds: identity, the claims, what was tried, frontiers, laws, diverged runs."""
    maps = Maps(rows, config)
    return {**config.identity(),
            "claims": as_dicts(claims(rows, config)),
            "price": price(rows, config),
            "explored": explored(rows, config),
            "frontiers": frontiers(maps),
            "best": best_cells(maps),
            "laws": laws(rows, config),
            "diverged": diverged_runs(rows, COLUMNS[:5])}
