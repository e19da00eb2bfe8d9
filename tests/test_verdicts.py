"""Verdicts on planted tables: one size, all sizes, the claims, and where expulsion begins."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from minimlp.study import specialization, temperature
from minimlp.study.contrasts import METRICS, bounded, means, metric_table, paired
from minimlp.study.specialization import MASKS, StudyConfig
from minimlp.study.temperature import ONE, SweepConfig, estimate_onset, onset
from minimlp.study.verdicts import Contrast, claim, compare, over_sizes, worst

LOW = [-1.2, -0.8, -1.0, -1.1, -0.9]
HIGH = [-d for d in LOW]
AROUND = [-1.0, 1.0, -0.5, 0.5, 0.1]


@pytest.mark.parametrize("differences, options, verdict", [
    (LOW, {}, "better"),
    (HIGH, {}, "worse"),
    (AROUND, {}, "open"),
    (LOW, {"larger_is_better": True}, "worse"),
    (HIGH, {"larger_is_better": True}, "better"),
    (AROUND, {"larger_is_better": True}, "open"),
    (HIGH, {"bound": 2.0}, "better"),
    (HIGH, {"bound": 1.0}, "open"),
    (LOW, {"bound": -2.0}, "worse"),
    (LOW, {"bound": -2.0, "larger_is_better": True}, "better"),
    ([-1.0] * 5, {}, "better"),
    ([0.0] * 5, {}, "open"),
])
def test_one_size_is_better_worse_or_open(differences, options, verdict):
    assert compare(differences, **options).verdict == verdict


def test_the_verdict_goes_by_the_mean_and_is_flagged_where_the_median_disagrees():
    found = compare([-0.1] * 6 + [9.0] * 4)
    assert found.verdict == "worse" and found.flagged
    assert found.mean == pytest.approx(3.54) and found.median == pytest.approx(-0.1)
    assert not compare(LOW).flagged
    assert compare(np.add([-0.1] * 6 + [9.0] * 4, 5), bound=5.0).flagged
    assert not compare([-0.1] * 6 + [9.0] * 4, bound=5.0).flagged


def test_one_seed_is_open_and_has_no_interval():
    found = compare([-5.0], size=3)
    assert (found.verdict, found.low, found.high) == ("open", None, None)
    assert (found.size, found.seeds, found.mean, found.median, found.p) == (3, 1, -5.0, -5.0, 1.0)


def sign_flip_p(differences):
    """The share of all sign patterns whose mean is at least as far from 0."""
    means = [abs(np.mean(np.array(signs) * differences))
             for signs in product([1, -1], repeat=len(differences))]
    return np.mean(np.array(means) >= abs(np.mean(differences)) * (1 - 1e-12))


@pytest.mark.parametrize("bound", [0.0, 0.3])
@pytest.mark.parametrize("seeds, seed", [(2, 0), (5, 0), (5, 1), (10, 0), (10, 1), (10, 2)])
def test_p_value_is_that_of_all_sign_flips(seeds, seed, bound):
    d = np.random.default_rng(seed).normal(0.4, 1, seeds)
    assert compare(d, bound=bound).p == pytest.approx(sign_flip_p(d - bound), rel=1e-12)


@pytest.mark.parametrize("seeds", [5, 10])
def test_smallest_p_value_is_two_of_all_sign_flips(seeds):
    assert compare(np.linspace(1, 2, seeds)).p == pytest.approx(2 / 2 ** seeds)


@pytest.mark.parametrize("seeds, seed", [(4, 0), (10, 1), (30, 2)])
def test_interval_is_that_of_the_bootstrapped_mean(seeds, seed):
    d = np.random.default_rng(seed).normal(0.4, 1, seeds)
    picks = np.random.default_rng(99).integers(0, seeds, (40_000, seeds))
    low, high = np.quantile(d[picks].mean(axis=1), [0.025, 0.975])
    found = compare(d)
    tolerance = 0.1 * d.std(ddof=1) / np.sqrt(seeds)
    assert found.low == pytest.approx(low, abs=tolerance)
    assert found.high == pytest.approx(high, abs=tolerance)


def test_same_differences_give_the_same_numbers():
    d = np.random.default_rng(0).normal(size=20)
    assert compare(d) == compare(list(d))


def planted(verdicts, expected="better", larger_is_better=False):
    """A contrast with these verdicts; '+' and '-' are open ones with that sign of the mean."""
    means = {"better": 1.0 if larger_is_better else -1.0,
             "worse": -1.0 if larger_is_better else 1.0, "+": 1.0, "-": -1.0, "0": 0.0}
    one = compare(AROUND)
    return Contrast("", expected, larger_is_better, [
        replace(one, mean=means[v], verdict=v if v in ("better", "worse") else "open")
        for v in verdicts])


OUTCOMES = [
    (["better", "better"], "holds"),
    (["better", "-"], "holds in the mean"),
    (["-", "-"], "holds in the mean"),
    (["better", "worse"], "mixed"),
    (["better", "+", "worse"], "mixed"),
    (["worse", "worse"], "fails"),
    (["worse", "-"], "fails"),
    (["better", "+"], "not shown"),
    (["better", "0"], "not shown"),
    (["+", "+"], "not shown"),
    ([], "not tested"),
]
MIRROR = {"better": "worse", "worse": "better", "+": "-", "-": "+", "0": "0"}


@pytest.mark.parametrize("verdicts, outcome", OUTCOMES)
def test_over_sizes_each_outcome(verdicts, outcome):
    assert over_sizes([planted(verdicts)]) == outcome
    assert planted(verdicts).verdict == outcome


@pytest.mark.parametrize("verdicts, outcome", OUTCOMES)
def test_over_sizes_a_claim_may_expect_worse(verdicts, outcome):
    mirrored = [MIRROR[v] for v in verdicts]
    assert over_sizes([planted(mirrored, expected="worse")]) == outcome


@pytest.mark.parametrize("verdicts, outcome", OUTCOMES)
def test_over_sizes_a_quantity_may_be_better_when_large(verdicts, outcome):
    turned = [MIRROR[v] if v in "+-" else v for v in verdicts]
    assert over_sizes([planted(turned, larger_is_better=True)]) == outcome
    worse = [v if v in "+-" else MIRROR[v] for v in verdicts]
    assert over_sizes([planted(worse, "worse", larger_is_better=True)]) == outcome


def test_sign_of_the_mean_is_taken_against_the_bound():
    one = compare([0.5, 1.5, 1.1], bound=1.2)
    assert one.verdict == "open"
    assert over_sizes([Contrast("", "better", False, [one])]) == "holds in the mean"
    assert over_sizes([Contrast("", "worse", False, [one])]) == "not shown"


def test_contrasts_are_judged_together():
    together = [planted(["better"]), planted(["better"], "worse")]
    assert over_sizes(together) == "mixed"
    assert over_sizes([planted(["better"]), planted(["worse"], "worse")]) == "holds"
    assert over_sizes([planted(["better"]), planted([])]) == "holds"


@pytest.mark.parametrize("verdicts, outcome", [
    (["better", "worse"], "holds"),
    (["better", "better"], "fails"),
    (["worse", "worse"], "fails"),
    (["better", "-"], "not shown"),
    (["worse", "-"], "not shown"),
    (["+", "+"], "not shown"),
    ([], "not tested"),
])
def test_a_claim_may_expect_a_mixture(verdicts, outcome):
    assert claim("A", "", [planted(verdicts)], "", expect_mixed=True).verdict == outcome


@pytest.mark.parametrize("verdicts, outcome", OUTCOMES)
def test_a_claim_has_the_verdict_of_its_contrasts(verdicts, outcome):
    found = claim("A", "", [planted(verdicts), planted([])], "")
    assert found.verdict == outcome
    assert [contrast.comparisons for contrast in found.contrasts] == [
        planted(verdicts).comparisons][:len(verdicts)]


@pytest.mark.parametrize("larger_is_better, last", [(False, 7.0), (True, -2.0)])
def test_a_diverged_run_counts_as_the_worst_there_is(larger_is_better, last):
    values = {"a": 7.0, "b": np.nan, "c": -2.0, "d": np.inf}
    assert worst(values, larger_is_better) == {"a": 7.0, "b": last, "c": -2.0, "d": last}


def measured_rows(**by_mask):
    """Rows at one size, an error by mask and seed; None where it diverged."""
    return [{"size": 3, "mask": mask, "seed": seed, **dict.fromkeys(METRICS, value)}
            for mask, values in by_mask.items() for seed, value in enumerate(values)]


@pytest.mark.parametrize("lost, verdict", [((), "better"), ((2,), "worse"), ((0, 1, 2, 3), "worse")])
def test_a_diverged_run_is_beyond_a_bound_and_any_multiple(lost, verdict):
    rows = measured_rows(ours=[None if k in lost else 1e-6 for k in range(4)], theirs=[1.0, 1.1, 1.0, 1.2])
    for found in (bounded(rows, FIT, "ours", 1e-3), paired(rows, FIT, "ours", "theirs", factor=0.5),
                  paired(rows, FIT, "ours", "theirs", bound=-0.1)):
        assert [c.verdict for c in found.comparisons] == [verdict]


def test_means_of_runs_that_all_diverged_are_not_told():
    found = means(measured_rows(ours=[None, None], theirs=[1.0, None]))
    assert {(row["mask"], row["mean"]) for row in found} == {("ours", None), ("theirs", 1.0)}


def test_differences_are_paired_by_seed_whatever_the_order_of_the_rows():
    rows = measured_rows(ours=[1.0, 2.0, 3.0], theirs=[1.5, 2.5, 3.5])
    for order in permutations(rows):
        found, = paired(order, FIT, "ours", "theirs").comparisons
        assert (found.mean, found.low, found.high) == (-0.5, -0.5, -0.5)


def test_an_equivalence_has_the_expected_sign_within_its_margin():
    for mean, verdict in ((0.45, "holds in the mean"), (0.55, "not shown"), (-0.45, "holds in the mean"),
                          (-0.55, "not shown")):
        one = compare([mean - 1, mean + 1])
        assert over_sizes([Contrast("", "better", False, [one], margin=0.5)]) == verdict


def test_runs_that_all_diverged_differ_by_nothing():
    assert worst({1: np.nan, 2: np.nan}) == {1: 0.0, 2: 0.0}


SIZES, SEEDS = (3, 5), range(4)
# What each active loss adds to a metric, by size; fit_error is multiplied.
EFFECTS = {
    "reconstruction_error": {"coverage": (-0.5, -0.5), "separation": (-0.1, 0.1),
                             "overlap": (0.5, 0.5)},
    "specialization_ratio": {"coverage": (0.2, 0.2), "overlap": (-0.1, -0.1)},
    "expelled_fraction": {"coverage": (-0.2, -0.2), "overlap": (0.3, 0.3)},
    "fit_error": {"overlap": (1.5, 1.5)},
}
BASE = {"reconstruction_error": 2.0, "specialization_ratio": 0.6, "expelled_fraction": 0.4,
        "fit_error": 1e-3}


def rows_with(effects=None, masks=MASKS):
    """The study's rows; effects by (metric, loss) replace the planted ones."""
    random = np.random.default_rng(0)
    table = {metric: dict(losses) for metric, losses in EFFECTS.items()}
    for (metric, loss), values in (effects or {}).items():
        table[metric][loss] = values
    rows = []
    for (k, size), mask, seed in product(enumerate(SIZES), masks, SEEDS):
        row = {"size": size, "mask": mask, "seed": seed, "diverged": 0, "marginal_error": None}
        for metric in METRICS:
            added = [values[k] for loss, values in table[metric].items() if loss in mask]
            noise = 1 + 0.01 * random.normal()
            row[metric] = noise * (BASE[metric] * np.prod(added) if metric == "fit_error"
                                   else BASE[metric] + sum(added))
        rows.append(row)
    return rows


def verdicts(rows):
    return {c.name: c.verdict for c in specialization.claims(rows)}


def test_claims_hold_on_rows_planted_so():
    assert verdicts(rows_with()) == dict.fromkeys(
        ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"], "holds")


def test_a3_holds_because_its_contrast_is_mixed():
    found = {c.name: c for c in specialization.claims(rows_with())}["A3"]
    assert [contrast.verdict for contrast in found.contrasts] == ["mixed"]
    assert [c.verdict for c in found.contrasts[0].comparisons] == ["better", "worse"]


ERROR, USAGE, EXPELLED, FIT = ("reconstruction_error", "specialization_ratio",
                               "expelled_fraction", "fit_error")


@pytest.mark.parametrize("name, effects, verdict", [
    ("A1", {(ERROR, "coverage"): (1.0, 1.0)}, "fails"),
    ("A1", {(ERROR, "coverage"): (-0.5, 1.0)}, "mixed"),
    ("A1", {(ERROR, "separation"): (-1.0, -1.0)}, "mixed"),
    ("A2", {(USAGE, "coverage"): (-0.2, -0.2)}, "fails"),
    ("A2", {(USAGE, "coverage"): (0.2, -0.2)}, "mixed"),
    ("A3", {(ERROR, "separation"): (-0.1, -0.1)}, "fails"),
    ("A3", {(ERROR, "separation"): (0.1, 0.1)}, "fails"),
    ("A4", {(ERROR, "overlap"): (-0.5, -0.5)}, "fails"),
    ("A4", {(ERROR, "overlap"): (0.5, -0.5)}, "mixed"),
    ("A5", {(FIT, "overlap"): (4.0, 4.0)}, "fails"),
    ("A5", {(FIT, "overlap"): (0.1, 1.9)}, "holds"),
    ("A5", {(FIT, "overlap"): (1.9, 2.1)}, "mixed"),
    ("A6", {(EXPELLED, "overlap"): (-0.3, -0.3), (EXPELLED, "coverage"): (0.2, 0.2)}, "fails"),
    ("A6", {(EXPELLED, "overlap"): (-0.3, -0.3)}, "mixed"),
    ("A6", {(EXPELLED, "coverage"): (0.2, 0.2)}, "mixed"),
    ("A7", {(EXPELLED, "overlap"): (0.3, -0.3), (EXPELLED, "coverage"): (-0.2, 0.2)}, "fails"),
    ("A7", {(EXPELLED, "overlap"): (-0.3, 0.3), (EXPELLED, "coverage"): (0.2, -0.2)}, "holds"),
    ("A8", {(ERROR, "coverage"): (1.0, 1.0)}, "fails"),
    ("A8", {(ERROR, "coverage"): (-0.5, 1.0)}, "mixed"),
])
def test_a_claim_follows_its_effect_where_the_rows_are_planted_otherwise(name, effects, verdict):
    assert verdicts(rows_with(effects))[name] == verdict


def test_without_effects_no_claim_is_shown_but_that_overlap_fits_as_well():
    none = {(metric, loss): (1.0, 1.0) if metric == FIT else (0.0, 0.0)
            for metric, losses in EFFECTS.items() for loss in losses}
    exact = [{**row, **BASE} for row in rows_with(none)]
    assert verdicts(exact) == {**dict.fromkeys(["A1", "A2", "A3", "A4", "A6", "A7", "A8"],
                                               "not shown"), "A5": "holds"}


def test_claims_without_their_masks_are_not_tested():
    assert set(verdicts(rows_with(masks=MASKS[:1])).values()) == {"not tested"}
    singles = verdicts(rows_with(masks=MASKS[:4]))
    assert [name for name, verdict in singles.items() if verdict == "not tested"] == ["A5", "A8"]
    assert [name for name, verdict in singles.items() if verdict == "holds"] == [
        "A1", "A2", "A3", "A4", "A6", "A7"]


def test_a_size_without_its_masks_is_left_out_of_the_contrast():
    rows = [row for row in rows_with() if row["size"] == 3 or row["mask"] != "coverage"]
    found = {c.name: c for c in specialization.claims(rows)}["A1"]
    assert [[c.size for c in contrast.comparisons] for contrast in found.contrasts] == [[3]] * 3


def test_differences_are_paired_over_seeds():
    rows = rows_with()
    for row in rows:
        row["reconstruction_error"] += 100 * row["seed"]
    assert verdicts(rows) == verdicts(rows_with())
    assert verdicts(rows[::-1]) == verdicts(rows)


@pytest.mark.parametrize("name, metric, differences", [
    ("A1", ERROR, [2 - 1, 2 - 4, 2 - 8]),
    ("A2", USAGE, [2 - 1, (2 + 16 + 32 + 128) / 4 - (1 + 4 + 8 + 64) / 4]),
    ("A3", ERROR, [4 - 1]),
    ("A4", ERROR, [8 - 1, (8 + 32 + 64 + 128) / 4 - (1 + 2 + 4 + 16) / 4]),
    ("A5", FIT, [((3 + 5 + 6 + 7) / 4 - (0 + 1 + 2 + 4) / 4) * np.log10(2)]),
    ("A6", EXPELLED, [8 - 1, 2 - 1]),
    ("A7", EXPELLED, [8 - 1, 2 - 1]),
    ("A8", ERROR, [32 - 8, 16 - 4]),
])
def test_a_claim_compares_the_masks_it_speaks_of(name, metric, differences):
    """Each mask has its own power of 2, so that a difference shows what was subtracted."""
    rows = [{**row, metric: 2.0 ** MASKS.index(row["mask"])} for row in rows_with()]
    found = {c.name: c for c in specialization.claims(rows)}[name]
    sizes = SIZES[1:] if name == "A7" else SIZES
    assert [[c.size for c in contrast.comparisons] for contrast in found.contrasts] == [
        list(sizes)] * len(differences)
    for contrast, difference in zip(found.contrasts, differences):
        assert [c.mean for c in contrast.comparisons] == pytest.approx([difference] * len(sizes))


def diverge(rows, size, mask, seed):
    for row in rows:
        if (row["size"], row["mask"], row["seed"]) == (size, mask, seed):
            row |= {**dict.fromkeys(METRICS), "diverged": 1}
    return rows


@pytest.mark.parametrize("metric, extreme", [(ERROR, max), (FIT, max), (EXPELLED, max),
                                             (USAGE, min)])
def test_a_diverged_run_has_the_worst_metric_of_its_size(metric, extreme):
    rows = diverge(rows_with(), 3, "coverage", 1)
    others = [row[metric] for row in rows if row["size"] == 3 and not row["diverged"]]
    assert metric_table(rows, metric)[3]["coverage"][1] == extreme(others)


def test_a_diverged_run_can_cost_a_claim_its_verdict():
    rows = rows_with()
    assert verdicts(rows)["A1"] == "holds"
    for seed in SEEDS[1:]:
        rows = diverge(rows, 5, "coverage", seed)
    assert verdicts(rows)["A1"] != "holds"


class PlantedLog:
    """Stands for a study's log that holds a demonstration already."""

    moves = {"none": [[0, 0], [0, 0]], "coverage": [[3, 4], [3, 4]],
             "separation": [[1, 2], [0, 2]], "overlap": [[0, 5], [0, 0]]}

    def arrays(self, name, make, names):
        return {"moves " + mask: np.array(counts) for mask, counts in self.moves.items()}


def test_summary_lists_diverged_runs_and_gives_each_mean():
    rows = diverge(rows_with(), 5, "overlap", 2)
    config = StudyConfig(sizes=SIZES, seeds=4)
    found = specialization.summary(rows, config, PlantedLog())
    assert found["diverged"] == [{"size": 5, "mask": "overlap", "seed": 2}]
    assert len(found["means"]) == len(METRICS) * len(SIZES) * (len(MASKS) + 1)          # and the untrained start's
    told = {c["name"]: c["verdict"] for c in found["claims"]}
    assert told == verdicts(rows) | {"A9 (ours)": told["A9 (ours)"]}
    assert found["expelled_at_start"] == {3: 0.5, 5: 1 / 3}
    mean, = [row["mean"] for row in found["means"]
             if (row["size"], row["mask"], row["metric"]) == (3, "none", ERROR)]
    assert mean == pytest.approx(np.mean(
        [row[ERROR] for row in rows if (row["size"], row["mask"]) == (3, "none")]))


def test_the_untrained_start_is_measured_as_a_training_is():
    config = StudyConfig(sizes=(5,), masks=("none", "coverage"), seeds=2, steps=0)
    for row in specialization.untrained(config):
        trained = config.execute({"size": 5, "mask": "none", "seed": row["seed"]})["result"]
        assert {name: row[name] for name in trained} == trained and row["mask"] == "untrained"


@pytest.mark.parametrize("error, usage, verdict", [
    (0.5, 0.5, "holds"), (2.0, 0.5, "mixed"), (2.0, 2.0, "fails")])
def test_the_claim_on_the_untrained_start(error, usage, verdict):
    """With a start that is as good as coverage, but for these factors."""
    rows = rows_with(masks=("coverage",))
    start = [{**row, "mask": "untrained", ERROR: row[ERROR] / error, USAGE: row[USAGE] * usage} for row in rows]
    assert specialization.untrained_claim(rows + start).verdict == verdict


def test_inward_share_pools_moves_over_seeds():
    found = specialization.inward_share(PlantedLog().arrays("", None, None))
    assert found["none"] == {"moves": 0, "share": None, "low": None, "high": None}
    assert found["coverage"] == {"moves": 8, "share": 0.75, "low": 0.75, "high": 0.75}
    assert found["separation"] == {"moves": 4, "share": 0.25, "low": 0.0, "high": 0.5}
    assert found["overlap"] == {"moves": 5, "share": 0.0, "low": 0.0, "high": 0.0}


def test_moves_counts_those_from_outside_that_come_nearer():
    distances = np.array([[0.0, 2.0, 1.0, 1.0], [1.0, 1.0, 1.0, 2.0], [0.0, 0.0, 0.5, 3.0]])
    assert specialization.moves(distances) == (4, 7)


TAUS = 10.0 ** np.arange(-4, 1.5, 0.5)


@pytest.mark.parametrize("crossing", [3e-4, 0.02, 0.5, 7.0])
@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
def test_onset_is_exact_where_the_excess_is_linear_in_log_temperature(crossing, level):
    excess = level + 0.3 * np.log(TAUS / crossing)
    assert onset(TAUS, excess, level) == pytest.approx(crossing, rel=1e-12)


@pytest.mark.parametrize("excess", [
    [0.0, 0.05, 0.1], [0.2, 0.3, 0.4], [0.0, 0.4, 0.0], [0.2, 0.3, 0.1]],
    ids=["never over", "always over", "back under at the end", "only the last under"])
def test_onset_is_undefined_where_the_excess_does_not_come_to_stay_over_the_level(excess):
    assert np.isnan(onset(np.array([0.01, 0.1, 1.0]), np.array(excess), 0.1))


def test_onset_is_the_last_crossing():
    taus = np.array([0.001, 0.01, 0.1, 1.0, 10.0])
    assert onset(taus, np.array([0.0, 0.4, 0.0, 0.2, 0.3]), 0.1) == pytest.approx(10 ** -0.5)


def test_onset_takes_many_curves_at_once():
    taus = np.array([0.01, 0.1, 1.0])
    found = onset(taus, np.array([[0.0, 0.2, 0.3], [0.0, 0.0, 0.2], [0.0, 0.0, 0.0]]), 0.1)
    np.testing.assert_allclose(found, [10 ** -1.5, 10 ** -0.5, np.nan])


def sweep_rows(crossings, level=0.1, shift=0.0, seeds=6):
    """Rows whose mean excess crosses the level at the planted temperature of each size.

    `shift` moves the crossing of single seeds up and down, in units of log tau.
    """
    rows = []
    for (size, crossing), seed in product(crossings.items(), range(seeds)):
        share = 1 / size if level == ONE else level
        factor = np.exp(shift * (seed - (seeds - 1) / 2))
        for tau in (0.0, *TAUS):
            excess = share + 0.05 * np.log(tau / (crossing * factor)) if tau else 0
            rows.append({"size": size, "temperature": tau, "seed": seed,
                         **dict.fromkeys(METRICS, 0.0), "diverged": 0,
                         "expelled_fraction": 0.4 + 0.01 * seed + excess})
    return rows


def law(exponent, sizes=(3, 10, 30), at=0.3):
    return {size: at * (2 / size) ** -exponent for size in sizes}


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2, ONE])
@pytest.mark.parametrize("shift", [0.02, 0.2])
def test_planted_inverse_square_law_is_recovered_and_holds(shift, level):
    found = estimate_onset(sweep_rows(law(-2), level, shift), level)
    assert found["exponent"] == pytest.approx(-2, abs=1e-9)
    assert found["verdict"] == "holds" and found["level"] == level
    assert found["fitted"] == [3, 10, 30]
    for row in found["sizes"]:
        assert row["tau"] == pytest.approx(0.3 * (2 / row["size"]) ** 2, rel=1e-9)
        assert row["ratio"] == pytest.approx(0.3, rel=1e-9)
        assert row["low"] < row["tau"] < row["high"]
        assert row["high"] / row["low"] == pytest.approx(np.exp(2.7 * shift), rel=0.1)


@pytest.mark.parametrize("exponent", [-1.0, -3.0])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_another_planted_law_fails(shift, exponent):
    found = estimate_onset(sweep_rows(law(exponent, sizes=(3, 6, 12)), shift=shift))
    assert found["exponent"] == pytest.approx(exponent, abs=1e-9)
    assert found["verdict"] == "fails"
    assert found["low"] <= exponent + 1e-9 and found["high"] >= exponent - 1e-9


def test_a_wide_interval_shows_nothing():
    found = estimate_onset(sweep_rows(law(-2, sizes=(10, 12)), shift=0.3))
    assert found["low"] < -2 < found["high"] and found["high"] - found["low"] > 1
    assert found["verdict"] == "not shown"


def test_sizes_without_an_onset_are_left_out_of_the_fit():
    found = estimate_onset(sweep_rows({**law(-2), 100: 1e3, 200: 1e-9}, shift=0.1))
    assert [row["size"] for row in found["sizes"]] == [3, 10, 30, 100, 200]
    for row in found["sizes"][3:]:
        assert (row["tau"], row["low"], row["high"], row["ratio"]) == (None,) * 4
    assert found["fitted"] == [3, 10, 30]
    assert found["exponent"] == pytest.approx(-2, abs=1e-9) and found["verdict"] == "holds"


@pytest.mark.parametrize("crossings", [{10: 0.01}, {10: 0.01, 30: 1e3}, {10: 1e3, 30: 1e3}])
def test_fewer_than_two_onsets_give_no_exponent(crossings):
    found = estimate_onset(sweep_rows(crossings))
    assert (found["exponent"], found["low"], found["high"]) == (None, None, None)
    assert found["verdict"] == "not shown"


def test_an_onset_that_resamples_often_miss_has_no_interval():
    rows = sweep_rows({10: 1.0})
    for row in rows:
        if row["seed"] < 2 and row["temperature"]:
            row["expelled_fraction"] -= 0.3 * (row["temperature"] == TAUS[-1])
    row = estimate_onset(rows)["sizes"][0]
    assert row["tau"] is not None and row["low"] is None and row["high"] is None


def test_onset_estimates_are_the_same_each_time():
    rows = sweep_rows(law(-2), shift=0.2)
    assert estimate_onset(rows) == estimate_onset(rows)


@pytest.mark.parametrize("smallest, largest, verdict", [
    (0.0, 0.5, "holds"), (0.05, 0.3, "holds"), (0.5, 0.5, "mixed"), (0.0, -0.5, "mixed"),
    (0.5, -0.5, "fails")])
def test_separation_must_expel_at_the_largest_temperature_alone(smallest, largest, verdict):
    random = np.random.default_rng(0)
    rows = [{"size": size, "temperature": tau, "seed": seed, "diverged": 0,
             "expelled_fraction": 0.5 + excess + 0.001 * random.normal()}
            for size, (tau, excess), seed in product(
                SIZES, [(0.0, 0.0), (0.001, smallest), (1.0, largest)], SEEDS)]
    found, = temperature.claims(rows)
    assert found.verdict == verdict


def test_summary_of_the_sweep_has_every_level_and_lists_diverged_runs():
    rows = sweep_rows(law(-2))
    rows[3] |= {**dict.fromkeys(METRICS), "diverged": 1}
    config = SweepConfig(sizes=(3, 10, 30), seeds=6, temperatures=tuple(TAUS))
    found = temperature.summary(rows, config, PlantedLog())
    assert [estimate["level"] for estimate in found["onset"]] == [0.1, 0.05, 0.2, ONE]
    assert found["diverged"] == [
        {name: rows[3][name] for name in ("size", "temperature", "seed")}]
