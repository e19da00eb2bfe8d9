"""The splitting study: hundreds of stationary points, every kind of split, and claims B1 to B6 (paper B)."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from .. import checks
from ..growing import METHODS
from .config import Config
from .plateau_runs import PARTS, REGIONS
from .store import key
from .verdicts import Contrast, as_dicts, claim, compare

NETWORKS = ("gaussian", "tanh", "sigmoid", "softplus")      # of ridge units; "isotropic": paper A's
TASKS = ("wave", "teacher")
CLASSES = ("+", "-", "+-", "0")         # H positive, negative, indefinite, neither for sure
COLUMNS = ("network", "bias", "dimensions", "width", "seed", "vanishing", "point", "kind", "unit", "inner",
           "region", "k", "predicted", "observed", "verdict")
CASE = ("unit", "region", "k", "inertia", "inner", "predicted", "observed", "verdict", "inertia_law")
ENOUGH = {"minimum": 300, "saddle": 100, "definite": 50}    # under these a claim is 'not shown'
WIDEST = 7              # beyond it there are more parameters than samples, and minima interpolate
EVALUATIONS = (100, 200, 300, 400)      # of the gradient, where the methods of growing are compared


@dataclass(frozen=True)
class SplitConfig(Config):
    """Settings of `minimlp split`.

    Attributes
    ----------
    seeds, first_seed : int
        Of the problems, for each kind of network, bias, dimension and width.
    widths : tuple of int
        M.
    growth_seeds : int
        Of the comparison of ways to add a unit.
    """

    seeds: int = 10
    first_seed: int = 0
    widths: tuple = (1, 2, 3, 4)
    growth_seeds: int = 20
    command = "split"
    backend = "numpy"

    def __post_init__(self):
        self.check_seeds()
        checks.count("growth_seeds", self.growth_seeds, most=10**5)
        object.__setattr__(self, "widths", checks.distinct(
            "widths", self.widths, lambda width: checks.count("widths", width, most=WIDEST)))

    def runs(self):
        """Splits of found points, of points with H = 0, of centred units; then growing."""
        seeds = self.seed_range()
        kinds = [(network, bias, d) for network in NETWORKS for bias in (False, True) for d in (1, 2)]
        kinds += [("isotropic", True, d) for d in (1, 2, 3)]
        networks = [{"network": network, "bias": bias, "dimensions": d, "width": width, "seed": seed}
                    for network, bias, d in kinds for width in self.widths for seed in seeds]
        return ([{"part": "split", **run} for run in networks]
                + [{"part": "vanishing", **run} for run in networks if run["width"] == 1]
                + [{"part": "centred", "dimensions": d, "seed": seed} for d in (1, 2, 3) for seed in seeds]
                + [{"part": "growth", "task": task, "seed": seed} for task in TASKS
                   for seed in range(self.growth_seeds)])

    def execute(self, run):
        return {"result": {"found": PARTS[run["part"]](run)}}

    def is_record(self, run, record):
        found = record["result"]["found"]
        return isinstance(found, list) and all(
            FOUND[run["part"]] <= set(item) and all(set(CASE) <= set(case) for case in item.get("cases", ()))
            for item in found)


# the least that a record of each part holds
FOUND = {"split": {"kind", "cases", "theta", "traces"}, "vanishing": {"kind", "cases", "theta", "traces"},
         "centred": {"dimensions", "k", "region", "verdict", "descends"}, "growth": {"method", "values"}}


def of_part(rows, part):
    return [row for row in rows if row["part"] == part]


def inner_class(inertia):
    """Of H: "+" and "-" definite, "+-" indefinite, "0" where a zero leaves it open."""
    positive, negative, zeros = inertia
    if positive and negative:
        return "+-"
    return "0" if zeros else "+" if positive else "-"


def cases(rows, part="split", kind=None):
    """(row, number of the point, point, case) of every split, of points of that kind."""
    for row in of_part(rows, part):
        for number, point in enumerate(row["found"]):
            for case in point["cases"] if kind in (None, point["kind"]) else ():
                yield row, number, point, case


def csv_rows(rows):
    """A row for each split of each unit of each point."""
    return [{**row, "vanishing": int(part == "vanishing"), "point": number, "kind": point["kind"],
             "inner": inner_class(case["inertia"]), **{name: case[name] for name in (
                 "unit", "region", "k", "predicted", "observed", "verdict")}}
            for part in ("split", "vanishing") for row, number, point, case in cases(rows, part)]


def contingency(rows):
    """Counts by kind of point, region of mu, class of H, predicted and observed."""
    counts = Counter((point["kind"], case["region"], inner_class(case["inertia"]), case["predicted"],
                      case["observed"]) for _, _, point, case in cases(rows))
    names = ("kind", "region", "inner", "predicted", "observed")
    return [{**dict(zip(names, cell)), "count": count} for cell, count in sorted(counts.items())]


def disagrees(case, *said):
    """Whether what was observed contradicts the claims, `classify_split` or anything else that was said."""
    return any({what, case["observed"]} == {"minimum", "saddle"}
               for what in (case["predicted"], case["verdict"], *said))


def disagreements(rows):
    """Every case that contradicts the table, with all that is needed to run it again."""
    return [{**{name: row[name] for name in ("network", "bias", "dimensions", "width", "seed")},
             "point": number, "kind": point["kind"], "part": part, **case}
            for part in ("split", "vanishing") for row, number, point, case in cases(rows, part)
            if disagrees(case)]


def points_found(rows):
    """How many points of each kind, and how many definite H of each sign at minima."""
    kinds = Counter(point["kind"] for row in of_part(rows, "split") for point in row["found"])
    inner = Counter()
    for row in of_part(rows, "split"):
        for point in row["found"]:
            if point["kind"] == "minimum":
                inner.update(inner_class(inertia) for inertia in
                             {case["unit"]: case["inertia"] for case in point["cases"]}.values())
    return {"kinds": dict(kinds), "inner": {name: inner[name] for name in CLASSES}}


def tally(name, chosen, expected, enough):
    """A part of a claim: in how many of these cases is observed what is expected, by point.

    It fails by a single contradiction; it holds if there are enough points and at most a tenth of
    the cases is undecided.  Cases of one point depend on each other, so the upper limit is for the
    share of points with any failure (Clopper and Pearson, 95 %).
    """
    from scipy import stats

    points, failed, wrong, undecided, total = set(), set(), 0, 0, 0
    for row, number, _, case in chosen:
        point = (key({name: row[name] for name in row if name != "found"}), number)
        total += 1
        if "undecided" in (case["predicted"], case["observed"]):
            undecided += 1
            continue
        points.add(point)
        if disagrees(case, expected(case)):
            failed.add(point)
            wrong += 1
    limit = stats.binomtest(len(failed), len(points)).proportion_ci(method="exact").high if points else 1.0
    verdict = ("fails" if failed else "holds" if len(points) >= enough and undecided <= total / 10
               else "not shown")
    return {"name": name, "cases": total, "points": len(points), "enough": enough, "wrong": wrong,
            "undecided": undecided, "failing_points_at_most": float(limit), "verdict": verdict}


def joined(parts):
    """One verdict of several: 'fails' if any does, 'holds' if all do."""
    verdicts = {part["verdict"] for part in parts}
    return "fails" if "fails" in verdicts else "holds" if verdicts == {"holds"} else "not shown"


def geometric_claims(rows):
    """Claims B1 to B5 from the splits: dicts of name, statement, verdict, parts and what is ours."""
    minima, saddles = list(cases(rows, kind="minimum")), list(cases(rows, kind="saddle"))

    def of(found, inner=None, regions=REGIONS[:3]):
        return [c for c in found if c[3]["region"] in regions
                and inner in (None, inner_class(c[3]["inertia"]))]

    names = {"+": "positive definite", "-": "negative definite", "+-": "indefinite"}
    definite, by_table = ENOUGH["definite"], lambda case: case["predicted"]
    always = {"saddle": lambda case: "saddle", "minimum": lambda case: "minimum"}
    mixed = [tally(f"{names[sign]}: {what} where mu is {region}", of(minima, sign, (region,)),
                   always[what], definite)
             for sign, region, what in (("+", "simplex", "minimum"), ("+", "one positive", "saddle"),
                                        ("-", "simplex", "saddle"), ("-", "one positive", "minimum"))]
    return [
        of_parts("B1", "the signs of H and of the coefficients decide: local minimum or saddle",
                  [tally("all minima", of(minima), by_table, ENOUGH["minimum"])]
                  + [tally(names[sign], of(minima, sign), by_table, definite) for sign in names],
                  "the margins, and what counts as observed"),
        of_parts("B2", "a plateau from a minimum is a mixture (H definite) or of saddles alone (H indefinite)",
                  mixed + [tally("indefinite: saddles alone", of(minima, "+-"), always["saddle"], definite)],
                  "three numbers of copies, one draw of coefficients in each region"),
        of_parts("B3", "a sure-saddle region of coefficients exists whatever the sign of H",
                  [tally(names[sign], of(minima, sign, ("sure saddle",)), always["saddle"], definite)
                   for sign in names], "as B2"),
        of_parts("B4", "splitting a saddle gives saddles only",
                  [tally("all coefficients", of(saddles, regions=REGIONS), always["saddle"], ENOUGH["saddle"])],
                  "how saddles were searched for"),
        of_parts("B5", "a plateau always holds saddles, at a zero coefficient, even where H vanishes",
                  [tally("minima", of(minima, regions=("zero",)), always["saddle"], ENOUGH["minimum"]),
                   tally("H = 0 by construction", [c for c in cases(rows, "vanishing", "minimum")
                                                   if c[3]["region"] == "zero"], always["saddle"], definite)],
                  "the way down, and the minima with H = 0"),
    ]


def of_parts(name, statement, parts, ours):
    """A claim that holds if all of its parts do."""
    return {"name": name, "statement": statement, "verdict": joined(parts), "parts": parts, "ours": ours}


def growth_values(rows):
    """{task: {method: losses (seeds, evaluations)}}."""
    table = {}
    for row in of_part(rows, "growth"):
        for grown in row["found"]:
            table.setdefault(row["task"], {}).setdefault(grown["method"], []).append(grown["values"])
    return {task: {method: np.array(values) for method, values in by_method.items()}
            for task, by_method in table.items()}


def growth_claim(rows):
    """After B6: growing by the inner Hessian ends lower than the two other ways."""
    contrasts = []
    for task, values in growth_values(rows).items():
        ours = np.log10(values[METHODS[0]])
        for other in METHODS[1:]:
            differences = ours - np.log10(values[other])
            contrasts.append(Contrast(
                f"log10 loss, {task}: {METHODS[0]} - {other} (N: gradients)", "better", False,
                [compare(differences[:, n - 1], n) for n in EVALUATIONS]))
    return claim("B6 (ours)", "to grow by the inner Hessian ends lower than to grow by a random split or a new unit",
                 contrasts, "the claim, tasks, budget and the way of training; four points of the same trainings")


def centred_table(rows):
    """Of centred Gaussian units, by dimension, sign of H_ww and k: how many descend (E13)."""
    table = {}
    for row in of_part(rows, "centred"):
        for found in row["found"]:
            cell = table.setdefault((found["dimensions"], found["region"], found["k"]),
                                    {"units": 0, "descend": 0, "proved": 0})
            cell["units"] += 1
            cell["descend"] += found["descends"]
            cell["proved"] += found["verdict"] == "saddle"
    return [{"dimensions": d, "region": region, "k": k, **cell}
            for (d, region, k), cell in sorted(table.items())]


def gaussian_units(rows):
    """E13: the largest trace of a bias block over the size of H, and the classes of H."""
    traces, inner = [], Counter()
    for row, _, point, case in cases(rows):
        if row["network"] in ("gaussian", "isotropic") and row["bias"] and case["region"] == "simplex" \
                and case["k"] == 2:
            inner[inner_class(case["inertia"])] += 1
    for row in of_part(rows, "split"):
        traces += [trace for point in row["found"] for trace in point["traces"] if trace is not None]
    return {"units": len(traces), "largest_trace": max(traces, default=None),
            "inner": {name: inner[name] for name in CLASSES}}


def summary(rows, config, log):
    """What summary.json holds: identity, claims, contingency table, the points, E13, growing."""
    law = Counter(str(case["inertia_law"]) for _, _, _, case in cases(rows))
    growth = {task: {method: np.log10(values[:, [n - 1 for n in EVALUATIONS]]).mean(axis=0).tolist()
                     for method, values in by_method.items()} for task, by_method in growth_values(rows).items()}
    return {**config.identity(), "points": points_found(rows),
            "claims": [*geometric_claims(rows), *as_dicts([growth_claim(rows)])],
            "contingency": contingency(rows), "disagreements": disagreements(rows),
            "inertia_law": {"agrees": law["True"], "disagrees": law["False"], "open": law["None"]},
            "gaussian": gaussian_units(rows), "centred": centred_table(rows),
            "growth": {"evaluations": EVALUATIONS, "mean_log10_loss": growth}}
