"""Repair by splitting: one act on planted networks, training with acts, the study's claims, the command."""

import csv
import json

import numpy as np
import pytest

from minimlp import (InputError, Params, coverage, forward, init_params, inner_hessian, prototypes, repair,
                     specialization_ratio, split_neuron, train, train_with_repair, uniform_samples)
from minimlp.cli import main
from minimlp.landscape import incoming
from minimlp.repair import between, handed_over, planned
from minimlp.study import repairing
from minimlp.study.repairing import ARMS, TEMPERATURES, RepairConfig
from minimlp.study.runner import run_study
from minimlp.study.store import RunLog

SMALL = RepairConfig(sizes=(4,), seeds=2, steps=20)
STUDY = ["repair", "--sizes", "3,4", "--seeds", "2", "--steps", "30", "--jobs", "1", "--backend", "numpy"]


def planted(d=1):
    """Four samples near the origin and two far out; one prototype among the four, one at the two, one stranded."""
    random = np.random.default_rng(d)
    x = 0.3 * random.uniform(-1, 1, (6, d))
    x[4:, 0] += 1
    p = np.zeros((3, d))
    p[1, 0], p[2, 0] = 1.0, -9.0
    params = Params.at(p, np.array([2.0, -1.5, 0.7]))._replace(v=np.array([0.8, -0.6, 0.5]), c=np.array(0.1))
    return params, x, np.sin(3 * x[:, 0]) + 0.5


@pytest.mark.parametrize("d", [1, 2, 7])
def test_the_stranded_unit_becomes_half_of_the_busiest(d):
    params, x, y = planted(d)
    act = repair(params, x, y, epsilon=1e-3)
    without = handed_over(params, x, [2])
    h = inner_hessian(without, x, y, 0)
    values, vectors = np.linalg.eigh(h)
    u, e = incoming(act.params), vectors[:, 0]
    assert act.births == 1 and act.ascents == int(values[0] >= 0)
    assert np.allclose((u[0] + u[2]) / 2, incoming(params)[0], atol=1e-15)
    assert np.allclose(u[0] - u[2], 2e-3 * e * np.sign((u[0] - u[2]) @ e), atol=1e-15)
    assert np.array_equal(u[1], incoming(params)[1])
    assert act.params.v[0] == act.params.v[2] == without.v[0] / 2
    moved = -(params.b[0] + 1e-3 * e[1:]) / (params.w[0] + 1e-3 * e[0])
    assert min(np.abs(prototypes(act.params)[[0, 2]] - moved).max(axis=1)) < 1e-15
    wide = split_neuron(without._replace(w=params.w[:2], b=params.b[:2], v=without.v[:2]), 0, [0.5, 0.5])
    assert np.allclose(forward(wide, x)[0], forward(without, x)[0], atol=1e-15)
    assert act.before == pytest.approx(np.mean((forward(params, x)[0] - y) ** 2), rel=1e-14)
    assert act.after == pytest.approx(np.mean((forward(act.params, x)[0] - y) ** 2), rel=1e-14)
    started = np.mean((forward(without, x)[0] - y) ** 2)
    assert act.after - started == pytest.approx(0.5 * values[0] * 1e-6, rel=0.05)


def test_nothing_dead_nothing_changes():
    x, y = uniform_samples(5, 0)
    params = init_params(x, 5, 1)._replace(b=None)
    params = params._replace(b=-params.w[:, None] * x)
    act = repair(params, x, y)
    assert act.births == act.ascents == 0 and act.before == act.after
    assert act.params.to_vector().tobytes() == params.to_vector().tobytes()


def single(*arrays):
    return [Params(*(np.float32(a) for a in array)) if isinstance(array, Params) else np.float32(array)
            for array in arrays]


def test_single_precision_stays_so():
    act = repair(*single(*planted()))
    assert act.births == 1 and {array.dtype for array in act.params} == {np.dtype("f4")}
    x, y = uniform_samples(5, 0)
    params, x, y = single(Params.at(x, np.full(5, 2.0)), x, y)
    assert repair(params, x, y).params.to_vector().tobytes() == params.to_vector().tobytes()
    training, acts = train_with_repair(*single(*problem()), {"coverage": 0.1}, {"coverage": 0.02}, 40)
    assert sum(act.births for act in acts.values()) > 0 and training.params.w.dtype == np.float32


@pytest.mark.parametrize("where", [0.0, 50.0])
def test_a_single_unit_lives_wherever_it_is(where):
    x, y = uniform_samples(4, 0)
    params = Params.at([where], [1.0])
    assert repair(params, x, y).params.to_vector().tobytes() == params.to_vector().tobytes()


def test_births_look_for_the_busiest_again_and_share_its_samples():
    assert planned(np.array([0, 5, 4, 0, 0])) == [(0, 1), (3, 2), (4, 0)]
    assert planned(np.array([0, 1, 1])) == []                   # nobody serves more than one
    assert planned(np.array([2, 0, 0, 0])) == [(1, 0)]          # then all serve one
    assert planned(np.array([0, 3, 3])) == [(0, 1)]             # the first of equals


def test_units_that_are_not_born_again_stay_as_they_are():
    x, y = uniform_samples(2, 0)
    params = Params.at([0.0, 5.0, 6.0, 7.0], np.ones(4))._replace(v=np.arange(1.0, 5.0))
    act = repair(params, x, y)
    assert act.births == 1
    assert np.array_equal(act.params.v[2:], params.v[2:]) and np.array_equal(act.params.b[2:], params.b[2:])


def test_a_twin_that_goes_is_handed_over_exactly():
    """Two units alike: undoing their split leaves the function as it is."""
    x, y = uniform_samples(6, 0)
    params = Params.at([0.2, 0.2, -0.5], [3.0, -3.0, 2.0])._replace(v=np.array([0.3, 0.9, 1.0]))
    after = handed_over(params, x, [1])
    assert after.v == pytest.approx([1.2, 0.0, 1.0], rel=1e-14)
    assert np.allclose(forward(after, x)[0], forward(params, x)[0], atol=1e-15)


@pytest.mark.parametrize("width", [0.3, 6.0])
def test_what_is_handed_over_is_the_nearest_that_one_heir_can_answer(width):
    params, x, _ = planted()
    params = params._replace(w=np.array([2.0, -1.5, width]), b=np.array([[0.0], [1.5], [width]]))
    given, lost = handed_over(params, x, [2]), forward(params, x)[1][:, 2] * params.v[2]
    heard = forward(params, x)[1]
    cosines = heard[:, :2].T @ lost / np.linalg.norm(heard[:, :2], axis=0)
    heir = int(np.argmax(cosines))
    share = heard[:, 2] @ heard[:, heir] / (heard[:, heir] @ heard[:, heir])
    assert (share < 1) == (width == 6.0)
    assert np.flatnonzero(given.v != params.v).tolist() == [heir, 2]
    left = lost - heard[:, heir] * (given.v - params.v)[heir]
    assert np.linalg.norm(left) < np.linalg.norm(lost)
    if share < 1:                                                       # the projection
        assert abs(left @ heard[:, heir]) < 1e-15
        assert (given.v - params.v)[heir] == pytest.approx(share * params.v[2])
    else:                                                               # never more than it was
        assert (given.v - params.v)[heir] == params.v[2]


@pytest.mark.parametrize("d", [1, 3])
def test_under_coverage_halves_part_where_a_variance_exceeds_half_the_temperature(d):
    random = np.random.default_rng(d)
    x = random.normal(size=(40, d))
    variances, axes = np.linalg.eigh((x - x.mean(axis=0)).T @ (x - x.mean(axis=0)) / 40)
    for tau, sign in ((2.1 * variances[-1], 1), (1.9 * variances[-1], -1)):
        rise = [coverage(x.mean(axis=0) + np.outer([1, -1], s * axes[:, -1]), x, tau)[0] for s in (0.0, 1e-3)]
        assert (rise[1] - rise[0]) / 1e-6 == pytest.approx(1 - 2 * variances[-1] / tau, rel=1e-3)
        assert np.sign(rise[1] - rise[0]) == sign


def test_a_random_direction_is_of_length_epsilon_and_told_by_its_seed():
    params, x, y = planted()
    one, same, other = (repair(params, x, y, 0.2, "random", seed).params for seed in (1, 1, 2))
    assert np.array_equal(one.b, same.b) and not np.array_equal(one.b, other.b)
    assert np.linalg.norm(incoming(one)[0] - incoming(one)[2]) == pytest.approx(0.4)


@pytest.mark.parametrize("bad, message", [
    (dict(params=3), "params = 3"), (dict(epsilon=0), "epsilon = 0"),
    (dict(direction="down"), "direction = 'down'"),
    (dict(seed=-1), "seed = -1"), (dict(y=np.ones(2)), "y has shape"), (dict(x=np.full((6, 1), np.nan)), "x"),
    (dict(params=Params.at([0.0], [0.0])), r"params.w\[0\] = 0"), (dict(epsilon=1e300), "epsilon = 1e.300"),
    (dict(params=planted()[0]._replace(w=np.full(3, 1e-60))), "the prototypes -b/w holds")])
def test_bad_input(bad, message):
    params, x, y = planted()
    with pytest.raises(InputError, match=message):
        repair(**{"params": params, "x": x, "y": y, **bad})


def problem(size=10):
    x, y = uniform_samples(size, [0, size, 0])
    return init_params(x, size, [0, size, 1]), x, y


def test_training_without_acts_is_plain_training():
    start, x, y = problem()
    training, acts = train_with_repair(start, x, y, {"coverage": 0.1}, {"coverage": 0.02}, 30, acts=())
    plain = train(start, x, y, {"coverage": 0.1}, {"coverage": 0.02}, 30)
    assert acts == {} and training.steps == 30
    assert training.params.to_vector().tobytes() == plain.params.to_vector().tobytes()


def test_segments_are_trainings_with_acts_between():
    start, x, y = problem()
    losses = {"coverage": 0.1}, {"coverage": 0.02}
    training, acts = train_with_repair(start, x, y, *losses, 40, acts=(0.25, 0.5), every=5)
    now = start
    for k, steps in enumerate((10, 10, 20)):
        if k:
            act = repair(now, x, y)
            assert act.births == acts[10 * k].births > 0 and act.after == acts[10 * k].after
            now = act.params
            assert np.array_equal(training.trajectory[2 * k], now.to_vector())
        now = train(now, x, y, *losses, steps).params
    assert training.params.to_vector().tobytes() == now.to_vector().tobytes()
    assert training.steps == 40 and training.trajectory.shape == (9, 31)
    assert np.array_equal(training.trajectory[-1], now.to_vector()) and sorted(acts) == [10, 20]


def test_the_control_starts_adam_anew_and_repairs_nothing():
    start, x, y = problem()
    losses = {"coverage": 0.1}, {"coverage": 0.02}
    training, acts = train_with_repair(start, x, y, *losses, 40, acts=(0.5,), direction=None)
    half = train(start, x, y, *losses, 20).params
    assert acts == {}
    assert np.array_equal(training.params.w, train(half, x, y, *losses, 20).params.w)


def test_a_temperature_goes_on_where_it_was():
    schedule, whole = {"coverage": (0.3, 1e-3), "separation": 0.02}, np.geomspace(0.3, 1e-3, 21)
    parts = [np.geomspace(*between(schedule, a, b, 20)["coverage"], b - a + 1) for a, b in ((0, 12), (12, 20))]
    assert np.allclose(np.concatenate([parts[0], parts[1][1:]]), whole, rtol=1e-14)
    assert between(schedule, 3, 5, 20)["separation"] == 0.02


@pytest.mark.parametrize("pair", [tuple, list, np.array])
def test_a_pair_of_temperatures_may_come_as_any_sequence(pair):
    start, x, y = problem(8)
    ends = [train_with_repair(start, x, y, {"coverage": 1.0}, {"coverage": form((1.0, 0.01))}, 60, acts=(0.5,),
                              direction=None)[0].params for form in (tuple, pair)]
    assert all(map(np.array_equal, *ends))


def test_repair_uses_more_prototypes_than_coverage_alone():
    start, x, y = problem(8)
    plain, mended = (train_with_repair(start, x, y, {"coverage": 0.1}, {"coverage": 1e-3}, 400, acts=acts)[0]
                     for acts in ((), (0.5, 0.7)))
    assert specialization_ratio(prototypes(mended.params), x) > specialization_ratio(prototypes(plain.params), x)


@pytest.mark.parametrize("rate", [1e60, 1e200])
def test_a_run_that_diverges_says_so(rate):
    start, x, y = problem()
    training, _ = train_with_repair(start, x, y, {"coverage": 0.1}, {"coverage": 0.02}, 20, rate)
    assert training.diverged


@pytest.mark.parametrize("bad, message", [
    (dict(acts=(0.5, 0.2)), r"acts\[1\] = 0.2"), (dict(acts=(0,)), r"acts\[0\] = 0"),
    (dict(acts=0.5), "acts = 0.5"), (dict(acts=(1.0,)), r"acts\[0\] = 1"),
    (dict(every=7), "every = 7: does not divide 24"), (dict(steps=-1), "steps"),
    (dict(direction="up"), "direction = 'up'"), (dict(temperatures={"coverage": (0.1, -1)}), r"\[1\] = -1"),
    (dict(temperatures=3), "temperatures = 3"), (dict(epsilon=-1), "epsilon = -1")])
def test_bad_training_settings_are_named(bad, message):
    start, x, y = problem()
    arguments = {"coefficients": {"coverage": 0.1}, "temperatures": {"coverage": 0.02}, "steps": 40}
    with pytest.raises(InputError, match=message):
        train_with_repair(start, x, y, **{**arguments, **bad})


def test_complex_data_are_named_and_not_cut():
    start, x, y = problem()
    with pytest.raises(InputError, match="type complex128"):
        train_with_repair(start, x + 1j, y, {"coverage": 0.1}, {"coverage": 0.02}, 10)


def test_no_steps_no_acts():
    start, x, y = problem()
    training, acts = train_with_repair(start, x, y, {}, {}, 0)
    assert acts == {} and np.array_equal(training.params.w, start.w)


GOOD = {**{base + kind: values for base in TEMPERATURES for kind, values in (
    ("", (1.0, 0.5)), (", restarted", (1.0, 0.5)), (", repaired", (0.1, 0.8)),
    (", repaired at random", (0.2, 0.8)))},
    "balanced coverage": (0.08, 0.82)}


def table(fit=1e-5, **changed):
    """Rows with this reconstruction error and specialization ratio for each arm, and a little noise."""
    random, rows = np.random.default_rng(0), []
    arms = {**GOOD, **{f"coverage, {name}".replace("_", " ") if name != "balanced" else "balanced coverage": values
                       for name, values in changed.items()}}
    for size in (3, 10):
        for seed in range(10):
            noise = 1e-3 * random.normal()
            for arm, (error, usage) in arms.items():
                rows.append({"size": size, "arm": arm, "seed": seed, "fit_error": fit,
                             "reconstruction_error": error + noise * ("random" in arm),
                             "specialization_ratio": usage + noise, "expelled_fraction": 0.0})
    return rows


@pytest.mark.parametrize("changed, verdicts", [
    ({}, ["holds"] * 6),
    ({"repaired": (1.1, 0.4)}, ["mixed", "mixed", "mixed", "holds", "holds", "mixed"]),
    ({"repaired": (0.17, 0.8), "repaired_at_random": (0.3, 0.8)},
     ["holds", "holds", "mixed", "holds", "holds", "holds"]),
    ({"repaired": (0.1, 0.76)}, ["holds", "holds", "mixed", "holds", "holds", "holds"]),
    ({"balanced": (0.01, 0.95)}, ["holds", "holds", "mixed", "mixed", "mixed", "holds"]),
    ({"balanced": (0.01, 0.95), "fit": 0.1}, ["holds", "holds", "fails", "fails", "fails", "holds"]),
    ({"fit": 0.1}, ["holds", "holds", "mixed", "mixed", "mixed", "holds"])])
def test_the_claims_on_planted_tables(changed, verdicts):
    claims = repairing.claims(table(**changed))
    assert [claim.name for claim in claims] == ["R1", "R2", *(f"R3 ({base})" for base in TEMPERATURES), "R4"]
    assert [claim.verdict for claim in claims] == verdicts


def test_the_direction_can_fail_to_matter():
    rows = table()
    for row in rows:
        row["reconstruction_error"] = 0.1
    assert repairing.claims(rows)[-1].verdict == "not shown"


def test_arms_start_alike_and_plain_coverage_is_the_study_s():
    from minimlp.study.specialization import StudyConfig
    log = RunLog(SMALL.identity())
    rows = run_study(SMALL, log=log)
    assert [row["arm"] for row in rows] == [arm for arm in ARMS for _ in range(2)]
    study = StudyConfig(sizes=(4,), seeds=2, steps=20)
    theirs = study.execute({"size": 4, "seed": 1, "mask": "coverage"})
    ours = log[{"size": 4, "arm": "coverage", "seed": 1}]
    assert ours["params"] == theirs["params"]
    assert ours["result"] == {**theirs["result"], "births": 0, "ascents": 0, "rise": None}
    born = {row["arm"] for row in rows if row["births"]}
    assert born == {arm for arm in ARMS if "repaired" in arm}


@pytest.mark.parametrize("damage", [
    lambda r: r.update(births=-1), lambda r: r.update(ascents=10 ** 6), lambda r: r.pop("rise"),
    lambda r: r.update(rise=float("nan")), lambda r: r.update(births=0), lambda r: r.update(fit_error="x")])
def test_a_record_that_the_study_cannot_have_written_is_refused(damage):
    run = {"size": 4, "arm": "coverage, repaired", "seed": 0}
    record, accepts = SMALL.execute(run), SMALL.acceptance()
    assert record["result"]["births"] > 0 and accepts(run, record)
    damage(record["result"])
    try:
        assert not accepts(run, record)
    except KeyError:
        pass


@pytest.mark.parametrize("settings, message", [
    ({"acts": (0.7, 0.3)}, r"acts\[1\] = 0.3"), ({"epsilon": 0}, "epsilon = 0"),
    ({"coverage_temperature": 0}, "coverage_temperature = 0"),
    ({"annealed_temperatures": 0.1}, r"annealed_temperatures = 0.1")])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        RepairConfig(**settings)


def test_the_command_writes_table_verdicts_and_figures_and_resumes(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*STUDY, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(f"\nR{k}" in printed for k in range(1, 5)) and "no negative eigenvalue" in printed
    files = ["runs.jsonl", "results.csv", "summary.json", "repair.png", "controls.png", "positions.png"]
    listed = [line.strip() for line in printed.split("\nwrote\n")[1].splitlines()]
    assert listed == [str(out / name) for name in files]
    rows = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert len(rows) == 2 * len(ARMS) * 2 and list(rows[0]) == list(repairing.COLUMNS)
    assert len(json.loads((out / "summary.json").read_text())["claims"]) == 6
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    lines = before["runs.jsonl"].splitlines(keepends=True)
    (out / "runs.jsonl").write_bytes(b"".join(lines[:-5]) + b'{"torn')
    assert main([*STUDY, "--resume", "--out", str(out)]) == 0
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} <= {"runs.jsonl"}       # seconds differ
    assert main([*STUDY, "--out", str(out)]) == 2
    assert main([*STUDY, "--acts", "0.9,0.1", "--out", str(tmp_path / "other")]) == 2


def test_diverging_settings_are_a_result_and_not_an_error(tmp_path, capsys):
    assert main([*STUDY, "--rate", "1e200", "--out", str(tmp_path / "out")]) == 0
    assert "diverged runs: 52" in capsys.readouterr().out
