"""The feature learning study: runs that resume, verdicts on planted tables, figures."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import minimlp
from minimlp import feature_learning as fl
from minimlp import plots_strength
from minimlp.study import curves, strength, strength_claims as claims, strength_report
from minimlp.study.runner import run_study
from minimlp.study.store import RunLog, csv_text
from minimlp.study.strength import METRICS, Setting, StrengthConfig

ALPHAS = tuple(10.0 ** np.arange(-4, 2))
STOPS = [["growth", None], ["training", 0.3], ["training", 0.1], ["validation", 0.3]]
TINY = StrengthConfig(settings=(Setting("a", "separable", 6, 4, 4, 0.15, 0.0),
                                Setting("b", "noisy", 8, 4, 4, 0.4, 0.5),
                                Setting("c", "transfer", 6, 4, 2, 0.4, 0.0)),
                      alphas=(0.01, 0.1, 1.0), seeds=2, targets=(0.5, 0.4), validation_levels=(0.5,),
                      validation_points=10, test_points=50, backend="cpu")


def planted(error, family="noisy", setting="planted", **others):
    """Rows whose metrics (S, A) are the same at every stop; those not given are 0.1."""
    error = np.asarray(error, dtype=float)
    rows = []
    for seed in range(len(error)):
        table = {name: np.full((len(ALPHAS), len(STOPS)), 0.1) for name in METRICS}
        table["zeros"][:] = 0.0
        for name, values in {"error": error, **others}.items():
            values = np.asarray(values, dtype=float)[seed]
            table[name][:] = values if values.ndim == 2 else values[:, None]
        table = {name: array.tolist() for name, array in table.items()}
        table |= {"risk": [0.1] * len(ALPHAS), "steps": [9] * len(ALPHAS), "reached": [1] * len(ALPHAS)}
        rows.append({"setting": setting, "seed": seed, "size": 1, "family": family, "alphas": list(ALPHAS),
                     "stops": STOPS, "samples": 20, "width": 8, "sigma": 0.5, "angle": 0.0,
                     "separability": -0.1, "mean_angle": 0.4, "class_norm": 10.0,
                     "plain": table, "antisymmetric": table})
    return rows


def noise(scale, seeds=12, seed=0):
    return scale * np.random.default_rng(seed).normal(size=(seeds, len(ALPHAS)))


def parabola(place, seeds=12):
    """Error curves with their optimum at 10^place."""
    return 0.05 + 0.01 * (np.log10(ALPHAS) - place) ** 2 + noise(1e-4, seeds)


def verdict_of(found, name):
    return next(claim.verdict for claim in found if claim.name == name)


@pytest.mark.parametrize("error, verdict", [
    (parabola(-1.2), "holds"),
    (0.05 + 0.01 * np.arange(6) + noise(1e-3), "mixed"),              # least at an end
    (0.05 + 0.01 * np.arange(6)[::-1] + noise(1e-3), "mixed"),
], ids=["a U", "rising", "falling"])
def test_u_shape(error, verdict):
    found = claims.u_shape("C1", "", np.array(ALPHAS), {"planted": error})
    assert found.verdict == verdict


def test_an_optimum_that_is_noise_gains_nothing_on_the_other_half():
    """Of 5 % two-sided, half may seem gains; chosen and judged on the same seeds, many more do."""
    def significant(gain):
        return gain.mean() > 2.09 * gain.std(ddof=1) / np.sqrt(len(gain))

    ours, same = [], []
    for seed in range(400):
        error = noise(1.0, 20, seed)
        ours += map(significant, curves.arms(error)[:2])
        same.append(significant(error[:, 0] - error[:, np.argmin(error.mean(axis=0))]))
    assert np.mean(ours) < 0.045 < np.mean(same)


def test_arms_by_hand():
    error = np.array([[3.0, 1, 5], [4.0, 2, 6], [3.0, 1, 5], [4.0, 2, 7]])
    left, right, places = curves.arms(error)
    assert left.tolist() == [2, 2, 2, 2] and right.tolist() == [4, 4, 4, 5] and places == [1, 1]


def test_controls_weigh_the_zeros():
    rows = planted(np.full((4, 6), 0.2), zeros=np.full((4, 6), 0.1))
    assert np.allclose(claims.test_error(rows, "plain"), 0.2)
    assert np.allclose(claims.test_error(rows, "f = 0 half an error"), 0.15)
    arms = list(claims.remaining("planted", planted(parabola(-1.2), zeros=0 * parabola(0))))
    assert all(arm["share"] == pytest.approx(1) for arm in arms)


def test_the_share_of_an_arm_that_a_control_leaves():
    error = parabola(-1.0)
    gain = error - error.min(axis=1, keepdims=True)
    rows = planted(error, zeros=gain)           # half an error halves every gain
    arms = [arm for arm in claims.remaining("planted", rows) if arm["control"] == "f = 0 half an error"]
    for arm in arms:
        assert arm["low"] <= arm["share"] <= arm["high"] and arm["share"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("power, verdict", [(0.5, "holds"), (0.2, "mixed"), (-0.5, "mixed")])
def test_alignment_law(power, verdict):
    angle = np.array(ALPHAS) ** power * np.exp(noise(0.02)) / 10
    time = np.maximum(2 * np.log(1 / np.array(ALPHAS)), 0) + noise(0.01)
    found = claims.alignment_law({"planted": planted(parabola(0), unit_angle=angle, time=time)}, "noisy")
    assert found.verdict == verdict
    exponent = found.contrasts[1].comparisons[0]
    assert exponent.mean == pytest.approx(power, abs=0.01)
    assert found.contrasts[2].comparisons[0].mean == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("turn, verdict", [(2.0, "better"), (9.0, "worse")])
def test_inheritance(turn, verdict):
    angle = np.empty((12, len(ALPHAS), len(STOPS)))
    angle[:, :, 0] = np.radians(3) + 0.001 * np.arange(6) + noise(1e-5)
    angle[:, :, 1:] = angle[:, :, :1] + np.radians(turn)
    found = claims.inheritance({"planted": planted(parabola(0), angle=angle)}, "noisy")
    assert found.contrasts[0].comparisons[0].verdict == verdict
    assert found.contrasts[0].comparisons[0].mean == pytest.approx(turn)


def test_excess_error_and_its_wrong_way_steps():
    falling, rising = 0.6 - 0.1 * np.arange(6) + noise(1e-3), 0.1 * np.arange(6) + noise(1e-3)
    good = claims.excess_error({"a": planted(rising, over_alignment=falling, over_fitting=rising)}, "noisy")
    assert good.verdict == "holds" and good.ours.endswith("none")
    bump = falling.copy()
    bump[:, 3] += 0.15                          # up from the third alpha, down after
    spoilt = claims.excess_error({"a": planted(rising, over_alignment=bump, over_fitting=rising)}, "noisy")
    assert spoilt.verdict == "holds in the mean" and "OA a from alpha 0.01" in spoilt.ours
    wrong = claims.excess_error({"a": planted(rising, over_alignment=rising, over_fitting=falling)}, "noisy")
    assert wrong.verdict == "fails"


@pytest.mark.parametrize("shift, verdict", [(0.0, "holds"), (1.5, "fails")])
def test_matched_stops(shift, verdict):
    error = np.stack([parabola(-1.5)] * 3 + [parabola(-1.5 + shift)], -1)
    found = claims.matched_stops({"planted": planted(error)}, "noisy")
    comparison = found.contrasts[0].comparisons[0]
    assert found.verdict == verdict
    assert comparison.low <= comparison.mean <= comparison.high
    assert comparison.mean == pytest.approx(shift, abs=0.05)


def test_matched_stops_without_an_optimum_inside_are_not_tested():
    rising = 0.01 * np.arange(6) + noise(1e-4)
    assert claims.matched_stops({"planted": planted(rising)}, "noisy").verdict == "not tested"


@pytest.mark.parametrize("error", [parabola(-3.7), parabola(0.7), 0.1 + noise(1e-3)],
                         ids=["near the left end", "near the right end", "by chance"])
def test_matched_stops_whose_optimum_could_not_shift_or_is_not_surely_inside_are_not_tested(error):
    assert claims.matched_stops({"planted": planted(error)}, "noisy").verdict == "not tested"


@pytest.mark.parametrize("place, tested", [(-3.6, False), (-3.0, True), (0.6, False), (0.0, True)])
def test_an_optimum_less_than_half_a_decade_from_an_end_is_not_compared(place, tested):
    logs = np.linspace(-4, 1, 13)
    error = 0.05 + 0.01 * (logs - place) ** 2 + 1e-5 * np.random.default_rng(0).normal(size=(12, 13))
    assert (claims.optimum_shift("planted", 10 ** logs, error, error) is not None) == tested


def test_a_class_without_a_living_unit_leaves_the_law_of_phase_1_to_the_other_seeds():
    angle = np.sqrt(np.array(ALPHAS)) + noise(1e-4)
    angle[:4, 2] = np.nan
    rows = planted(parabola(0), unit_angle=angle, time=-2 * np.log(ALPHAS) + noise(1e-3))
    found = claims.alignment_law({"planted": rows}, "noisy")
    assert [c.seeds for contrast in found.contrasts for c in contrast.comparisons] == [12] * 3
    assert "alpha" in found.contrasts[0].comparisons[0].size


def test_stops_that_were_not_met_are_counted_and_left_out():
    error = np.stack([parabola(-1.5)] * 4, -1)
    error[:, -1, 3] = np.nan                    # no seed meets the validation risk at the largest alpha
    error[0, 0, 3] = np.nan
    found = claims.matched_stops({"planted": planted(error)}, "noisy")
    assert found.verdict == "holds" and "not met: 13" in found.ours
    assert found.contrasts[0].comparisons[0].seeds == 11
    assert "alpha 0.0001 to 1" in found.contrasts[0].comparisons[0].size


def cells_of(power_n, power_h):
    rows = []
    for n in (20, 40, 80):
        for h in (8, 16, 32):
            place = power_n * np.log10(n / 40) + power_h * np.log10(h / 16) - 1.5
            name = f"n {n}, h {h}" if (n, h) != (40, 16) else "noisy 0.5"
            cell = planted(parabola(place), "transfer" if "n" in name[:1] and "h" in name else "noisy", name)
            rows += [{**row, "samples": n, "width": h} for row in cell]
    return rows


@pytest.mark.parametrize("powers, verdict", [((-1, -0.5), "holds"), ((0, -0.5), "mixed"), ((0, 0.2), "fails")])
def test_transfer_law(powers, verdict):
    rows = cells_of(*powers)
    found = claims.transfer_law(rows)
    assert found.verdict == verdict
    assert len(claims.transfer(rows)) == 9
    for comparison, power in zip(found.contrasts[0].comparisons, powers):
        assert comparison.mean == pytest.approx(power, abs=0.05)
        assert comparison.low - 1e-12 <= comparison.mean <= comparison.high + 1e-12        # without noise all three are alike


def test_optimum_is_the_vertex_of_a_parabola_or_an_end():
    logs = np.linspace(-4, 1, 13)
    for place in (-3.1, -1.77, 0.4):
        assert curves.optimum(logs, (logs - place) ** 2) == pytest.approx(place)
    assert curves.optimum(logs, logs) == -4 and curves.optimum(logs, -logs) == 1
    assert curves.optimum(logs, np.zeros(13)) == -4


def test_common_keeps_alphas_that_most_seeds_reached():
    values = np.ones((8, 4))
    values[:3, 3] = np.nan                      # five in eight: too few
    values[0, 1] = np.nan
    kept, seeds = curves.common(values)
    assert kept.tolist() == [True, True, True, False] and seeds.tolist() == [False] + [True] * 7


def test_rank_correlation_and_slope_agree_with_scipy():
    values = noise(1.0, 5)
    values[0, :2] = 0.3                         # a tie
    for row, rank, slope in zip(values, curves.spearman(np.log(ALPHAS), values),
                                curves.slopes(np.log(ALPHAS), values)):
        assert rank == pytest.approx(stats.spearmanr(ALPHAS, row).statistic)
        assert slope == pytest.approx(stats.linregress(np.log(ALPHAS), row).slope)


def test_equivalence_verdicts():
    tight = 0.5 + 0.01 * np.random.default_rng(0).normal(size=20)
    assert curves.within(tight, "", 0.5, 0.1).verdict == "better"
    assert curves.within(tight, "", 0.9, 0.1).verdict == "worse"
    assert curves.within(tight, "", 0.6, 0.1).verdict == "open"


def test_nominal_study_has_three_settings_in_each_family_thirteen_alphas_and_twenty_seeds():
    config = StrengthConfig()
    assert len(config.alphas) == 13 and config.seeds == 20
    assert (config.alphas[0], config.alphas[-1]) == (1e-4, 10.0)
    families = [setting.family for setting in config.settings]
    assert min(families.count("separable"), families.count("noisy")) >= 3
    rows = {(s.size, s.width) for s in config.settings if s.family == "transfer"} | {(40, 16)}
    assert len({n for n, _ in rows}) == len({h for _, h in rows}) == 3 and len(rows) == 9


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("strength") / "out"
    with RunLog(TINY.identity(), out) as log:
        rows = run_study(TINY, log=log)
    return rows, out


def table(rows):
    return csv_text(strength.COLUMNS, list(strength.csv_rows(rows)))


def test_rows_are_the_same_with_two_jobs_and_after_a_resume(study):
    rows, out = study
    assert table(run_study(TINY, jobs=2)) == table(rows)
    path = out / "runs.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"\n".join(whole.splitlines()[:3]) + b"\n{half a li")
    try:
        with RunLog(TINY.identity(), out, True, TINY.acceptance()) as log:
            assert len(log.records) == 2
            assert table(run_study(TINY, log=log)) == table(rows)
    finally:
        path.write_bytes(whole)


def test_backends_agree(study):
    rows, _ = study
    config = replace(TINY, backend="numpy", settings=TINY.settings[:1], seeds=1, tolerance=1e-8)
    ours, theirs = rows[0]["plain"], run_study(config)[0]["plain"]
    for name in METRICS:
        np.testing.assert_allclose(np.array(ours[name], dtype=float), np.array(theirs[name], dtype=float),
                                   rtol=2e-3, atol=1e-9, err_msg=name)


def test_every_alpha_and_start_has_the_same_samples(study):
    """What is stored is what one training gives that is set up by hand."""
    rows, _ = study
    row = next(row for row in rows if row["setting"] == "b" and row["seed"] == 1)
    setting = TINY.settings[1]
    data = minimlp.mixture(8, 4, 1.0, 0.4, [1, 0], 0.5)
    validation, test = minimlp.mixture(10, 4, 1.0, 0.4, [1, 1], 0.5), minimlp.mixture(50, 4, 1.0, 0.4, [1, 2], 0.5)
    start = minimlp.balanced_start(4, 4, 1.0, [1, 3], antisymmetric=True)
    run = minimlp.train_to_risk(start, data.x, data.y, (0.5, 0.4), validation[:2], (0.5,), (1.0,), backend="cpu")
    stored = row["antisymmetric"]
    assert stored["time"][2][2] == run.stops[2].time and row["separability"] == minimlp.separability(data.x, data.y)
    output = minimlp.two_layer.forward(run.stops[2].params, test.x)[0]
    assert stored["error"][2][2] == np.mean(test.y * output <= 0)
    v = fl.effective_predictor(run.stops[2].params, data.x, data.y)
    other = fl.effective_predictor(run.stops[2].params, data.x, data.y, -1)
    both = [fl.linear_error(v, data.s_plus, 1.0, 0.4), fl.linear_error(other, -data.s_minus, 1.0, 0.4)]
    assert stored["linear_error"][2][2] == pytest.approx(np.mean(both), rel=1e-14)
    assert setting.name == row["setting"]


def test_parts_add_up_in_the_stored_table(study):
    for row in study[0]:
        for start in strength.STARTS:
            error, aligned, fitted = (np.array(row[start][name], dtype=float) for name in (
                "linear_error", "over_alignment", "over_fitting"))
            there = np.isfinite(error)
            assert (aligned[there] >= 0).all() and (fitted[there] >= 0).all()
            np.testing.assert_allclose((aligned + fitted + fl.bayes_error(1.0, row["sigma"]))[there],
                                       error[there], rtol=1e-12)


def test_failed_trainings_are_listed_with_their_risk_and_are_no_data_points():
    config = StrengthConfig(settings=TINY.settings[:1], alphas=(1e-4, 1.0), seeds=2, targets=(0.5, 1e-3),
                            validation_points=10, test_points=50, longest=60.0, backend="cpu")
    rows = run_study(config)
    failed = strength.failures(rows)
    assert failed and all(1e-3 < run["risk"] < 0.5 for run in failed)
    for run in failed:
        row = next(row for row in rows if row["seed"] == run["seed"])
        assert row[run["start"]]["error"][config.alphas.index(run["alpha"])][2] is None
    lines = [line for line in strength.csv_rows(rows) if line["failed"]]
    assert len(lines) == len(failed) * len(config.stops)


def test_summary_is_json_without_nan_and_figures_are_drawn_again_alike(study):
    rows, out = study
    with RunLog(TINY.identity(), out, True, TINY.acceptance()) as log:
        summary = strength.summary(rows, TINY, log)
        json.dumps(summary, allow_nan=False)
        first, second = ([path.read_bytes() for path in plots_strength.strength_figures(TINY, rows, summary, log)]
                         for _ in range(2))
    assert first == second
    assert {claim["name"][:2] for claim in summary["claims"]} >= {"C1", "C2", "C3", "C4", "C5"}
    assert all(content[:4] in (b"\x89PNG", b"GIF8") for content in first)


DAMAGES = {
    "a metric that is missing": lambda record: record["result"]["plain"].pop("angle"),
    "an alpha too few": lambda record: record["result"]["plain"]["error"].pop(),
    "a negative error": lambda record: record["result"]["plain"]["error"][0].__setitem__(2, -0.1),
    "a metric that is text": lambda record: record["result"]["plain"]["time"][0].__setitem__(2, "soon"),
    "a start that is missing": lambda record: record["result"].pop("antisymmetric"),
    "a setting that is not there": lambda record: record["run"].update(setting="z"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_record_that_the_study_cannot_have_written_is_refused(damage, study):
    path = study[1] / "runs.jsonl"
    whole = path.read_text()
    lines = whole.splitlines()
    at = next(k for k, line in enumerate(lines) if '"setting": "a"' in line and k)
    record = json.loads(lines[at])
    damage(record)
    lines[at] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n")
    try:
        with pytest.raises(minimlp.InputError, match=f"line {at + 1}"):
            RunLog(TINY.identity(), path.parent, True, TINY.acceptance()).__enter__()
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("settings, message", [
    ({"alphas": ()}, "alphas is empty"), ({"alphas": (0.0, 1.0)}, "alphas = 0.0"),
    ({"alphas": (1.0, 1.0)}, "alphas: 1.0 is given twice"), ({"seeds": 0}, "seeds = 0"),
    ({"targets": (0.1, 0.3)}, "target = .*falling"), ({"targets": ()}, "target is empty"),
    ({"validation_levels": (0.1, 0.3)}, "validation_levels"), ({"backend": "gpu"}, "backend = 'gpu'"),
    ({"test_points": 1}, "test_points = 1"), ({"test_points": 10**8}, "test_points = 100000000"),
    ({"tolerance": 0}, "tolerance = 0"),
    ({"settings": TINY.settings[:1] * 2}, "settings: a is given twice"),
    ({"settings": [TINY.settings[0]._replace(width=1)]}, "width = 1: an antisymmetric"),
    ({"settings": [TINY.settings[0]._replace(dimensions=1)]}, "dimensions = 1"),
    ({"settings": [TINY.settings[0]._replace(size=1)]}, "size = 1"),
    ({"settings": [TINY.settings[0]._replace(sigma=0.0)]}, "sigma = 0.0"),
    ({"settings": [TINY.settings[0]._replace(family="loud")]}, "family = 'loud'"),
])
def test_bad_settings_are_named_with_their_value(settings, message):
    with pytest.raises(minimlp.InputError, match=message):
        StrengthConfig(**settings)


def test_identity_tells_studies_apart():
    assert TINY.identity() != replace(TINY, alphas=(0.01, 1.0)).identity()
    assert json.loads(json.dumps(TINY.identity()))["command"] == "strength"


def test_tables_tell_what_the_summary_holds(study):
    rows, out = study
    with RunLog(TINY.identity(), out, True, TINY.acceptance()) as log:
        text = strength_report.tables(strength.summary(rows, TINY, log))
    assert text.count("separability") == 1 and "OA" in text
    planted_text = strength_report.tables(claims.findings(planted(parabola(-1.2)) + cells_of(-1, -0.5)))
    assert "both controls" in planted_text and "100% [100%, 100%]" in planted_text
    assert planted_text.count("\nplain") == 9
