"""The splitting study: its problems, what counts as observed, verdicts on planted cases, resume."""

import json

import numpy as np
import pytest

from minimlp import InputError, Params
from minimlp.cli import main
from minimlp.landscape import derivatives
from minimlp.splitting import judged
from minimlp.study import plateau, plateau_runs
from minimlp.study.plateau import SplitConfig, joined, tally
from minimlp.study.runner import run_study
from minimlp.study.store import RunLog

SMALL = ["split", "--widths", "1", "--seeds", "1", "--growth-seeds", "1", "--jobs", "1"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("split") / "out"
    assert main([*SMALL, "--out", str(out)]) == 0
    return out


def test_the_command_writes_table_claims_and_figures(study, capsys):
    summary = json.loads((study / "summary.json").read_text())
    assert [claim["name"] for claim in summary["claims"]] == ["B1", "B2", "B3", "B4", "B5", "B6 (ours)"]
    assert summary["disagreements"] == [] and summary["inertia_law"]["disagrees"] == 0
    assert summary["points"]["kinds"]["minimum"] >= 10
    for name in ("plane.png", "surface.png", "eigenvalues.png", "growth.png"):
        assert (study / name).read_bytes()[:4] == b"\x89PNG"
    lines = (study / "results.csv").read_text().splitlines()
    assert lines[0] == ",".join(plateau.COLUMNS)
    assert len(lines) - 1 == sum(row["count"] for row in summary["contingency"]) + sum(
        line.split(",")[5] == "1" for line in lines[1:])


def test_resume_redraws_the_same_bytes(study, capsys):
    names = ("results.csv", "summary.json", "plane.png", "growth.png")
    before = {name: (study / name).read_bytes() for name in names}
    assert main([*SMALL, "--resume", "--out", str(study)]) == 0
    assert {name: (study / name).read_bytes() for name in names} == before
    printed = capsys.readouterr().out
    assert "B1: " in printed and "centred Gaussian units" in printed and "disagreements: 0" in printed


def test_two_processes_find_the_same(study):
    config = SplitConfig(widths=(1,), seeds=1, growth_seeds=1)
    with RunLog(config.identity(), study, True, config.acceptance()) as log:
        one = run_study(config, log=log)
    assert json.dumps(run_study(config, jobs=2)) == json.dumps(one)


def test_problems_have_noise_and_more_samples_than_parameters():
    for run in SplitConfig(widths=(4, plateau.WIDEST), seeds=1).runs():
        if run["part"] == "split":
            _, params, x, y = plateau_runs.problem(run)
            assert params.to_vector().size < len(x) == 40
            assert run["width"] > 4 or 0.01 < derivatives(params, x, y)[0] < 0.2


def test_coefficients_lie_in_their_regions():
    random, seen = np.random.default_rng(0), set()
    for _ in range(50):
        for region, mu in plateau_runs.coefficient_sets(random):
            p, q, zeros = np.sum(mu > 0), np.sum(mu < 0), np.sum(mu == 0)
            assert abs(mu.sum() - 1) < 1e-12
            assert {"simplex": q == 0 == zeros, "one positive": p == 1 and q == len(mu) - 1,
                    "sure saddle": p >= 2 and q >= 1 and zeros == 0, "zero": zeros == 1 and q == 0}[region]
            seen.add((region, len(mu)))
    assert len(seen) == 11


@pytest.mark.parametrize("wrong", ["minimum", "saddle"])
def test_observed_does_not_ask_the_table(wrong, monkeypatch):
    """With a table that always says the same, what is observed stays what it was, and contradicts it."""
    run = {"network": "tanh", "bias": False, "dimensions": 1, "width": 1, "seed": 0}
    random, x, y, points = plateau_runs.stationary_points(run)
    point = next(point for point in points if point.kind == "minimum")
    sets = list(plateau_runs.coefficient_sets(random))
    before = [plateau_runs.case(point, x, y, 0, region, mu) for region, mu in sets]
    assert {"minimum", "saddle"} == {case["observed"] for case in before}
    for module in ("splitting", "study.plateau_runs"):
        monkeypatch.setattr(f"minimlp.{module}.plateau_table", lambda inertia, mu: wrong)
    after = [plateau_runs.case(point, x, y, 0, region, mu) for region, mu in sets]
    assert [case["observed"] for case in after] == [case["observed"] for case in before]
    assert any(plateau.disagrees(case) for case in after)


def test_points_with_vanishing_h_vanish():
    run = {"network": "sigmoid", "bias": True, "dimensions": 2, "width": 1, "seed": 3}
    [point] = plateau_runs.vanishing_run(run)
    assert point["kind"] == "minimum" and len(point["cases"]) == 3
    for case in point["cases"]:
        assert case["inertia"] == (0, 0, 3) and case["verdict"] == "saddle"
        assert case["observed"] in ("saddle", "undecided")
    assert any(case["observed"] == "saddle" for case in point["cases"])


def test_symmetric_samples_look_alike_along_every_axis():
    x = plateau_runs.symmetric_samples(np.array([[1.0, 2.0, 3.0]]))
    assert x.shape == (48, 3) and np.allclose(x.T @ x, 48 * 14 / 3 * np.eye(3)) and np.allclose(x.sum(axis=0), 0)


def test_a_centred_unit_is_centred():
    rows = plateau_runs.centred_run({"dimensions": 1, "seed": 1})
    assert [row["k"] for row in rows] == [2, 3, 4]
    for row in rows:
        assert row["bias_row"] < 1e-12 and row["verdict"] == "saddle" and row["descends"] == 1


def cases(predicted, observed, points, region="simplex", inertia=(1, 0, 0), kind="minimum"):
    case = {"unit": 0, "region": region, "k": 2, "inertia": inertia, "predicted": predicted, "observed": observed,
            "verdict": predicted}
    return [({"part": "split", "seed": k, "found": None}, 0, {"kind": kind}, case) for k in range(points)]


def by_table(case):
    return case["predicted"]


@pytest.mark.parametrize("planted, verdict", [
    (cases("minimum", "minimum", 50), "holds"), (cases("minimum", "minimum", 49), "not shown"),
    (cases("minimum", "minimum", 50) + cases("minimum", "saddle", 1), "fails"),
    (cases("saddle", "saddle", 50) + cases("saddle", "minimum", 1), "fails"),
    (cases("minimum", "minimum", 50) + cases("minimum", "undecided", 5), "holds"),
    (cases("minimum", "minimum", 50) + cases("minimum", "undecided", 6), "not shown"),
    (cases("minimum", "undecided", 50), "not shown"),
    (cases("minimum", "minimum", 300) + cases("undecided", "saddle", 1), "holds"), ([], "not shown")])
def test_tally_of_planted_cases(planted, verdict):
    part = tally("planted", planted, by_table, 50)
    assert part["verdict"] == verdict and part["cases"] == len(planted)
    assert part["wrong"] == sum({c[3]["observed"], c[3]["predicted"]} == {"minimum", "saddle"} for c in planted)


def test_a_case_that_should_be_a_saddle_and_is_a_minimum_is_wrong_whatever_the_table_says():
    assert tally("B4", cases("minimum", "minimum", 100), lambda case: "saddle", 100)["verdict"] == "fails"
    [row] = cases("saddle", "minimum", 1)
    assert plateau.disagrees(row[3]) and plateau.disagrees({**row[3], "predicted": "minimum"})      # its verdict does
    assert not plateau.disagrees({**row[3], "observed": "undecided"})


def test_the_limit_is_clopper_and_pearsons():
    assert tally("", cases("saddle", "saddle", 100), by_table, 1)["failing_points_at_most"] == pytest.approx(
        1 - 0.025 ** 0.01)


def test_joined():
    assert joined([{"verdict": "holds"}] * 2) == "holds"
    assert joined([{"verdict": "holds"}, {"verdict": "not shown"}]) == "not shown"
    assert joined([{"verdict": "fails"}, {"verdict": "not shown"}]) == "fails"


def rows_of(*observed):
    case = {"unit": 0, "region": "simplex", "k": 2, "inertia": (1, 0, 0), "predicted": "minimum",
            "verdict": "minimum", "inertia_law": None, "inner": [1.0]}
    return [{"part": "split", "network": "tanh", "bias": False, "dimensions": 1, "width": 1, "seed": seed,
             "found": [{"kind": "minimum", "traces": [], "cases": [{**case, "observed": seen}]}]}
            for seed, seen in enumerate(observed)]


def test_disagreements_name_their_seed():
    rows = rows_of("minimum", "saddle", "undecided")
    [found] = plateau.disagreements(rows)
    assert found["seed"] == 1 and found["network"] == "tanh" and found["observed"] == "saddle"
    assert plateau.contingency(rows) == [
        {"kind": "minimum", "region": "simplex", "inner": "+", "predicted": "minimum", "observed": seen, "count": 1}
        for seen in ("minimum", "saddle", "undecided")]


def growth_rows(splitting, random_split, new_unit):
    values = dict(zip(plateau.METHODS, (splitting, random_split, new_unit)))
    return [{"part": "growth", "task": "wave", "seed": seed, "found": [
        {"method": method, "values": [10.0 ** (level + 0.01 * seed * (method == "splitting"))] * 400}
        for method, level in values.items()]} for seed in range(8)]


@pytest.mark.parametrize("levels, verdict", [((-2, -1, -1), "holds"), ((-1, -2, -2), "fails"), ((-2, -1, -3), "mixed")])
def test_growth_claim_of_planted_losses(levels, verdict):
    assert plateau.growth_claim(growth_rows(*levels)).verdict == verdict


def test_inner_class():
    assert [plateau.inner_class(inertia) for inertia in ((2, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (2, 0, 1),
                                                         (0, 0, 1))] == ["+", "-", "+-", "+-", "0", "0"]


def test_radial_problems_are_paper_as_network():
    run = {"network": "isotropic", "bias": True, "dimensions": 2, "width": 3, "seed": 0}
    assert isinstance(plateau_runs.problem(run)[1], Params)


@pytest.mark.parametrize("bad, message", [
    (dict(seeds=0), "seeds = 0"), (dict(widths=()), "widths is empty"), (dict(widths=(1, 1)), "widths: 1 is given"),
    (dict(widths=(0,)), "widths = 0"), (dict(widths=(8,)), "widths = 8: expected at least 1 and at most 7"), (dict(growth_seeds=0), "growth_seeds = 0"), (dict(first_seed=-1), "first_seed")])
def test_bad_settings(bad, message):
    with pytest.raises(InputError, match=message):
        SplitConfig(**bad)


def test_a_foreign_record_is_not_accepted():
    config = SplitConfig(widths=(1,), seeds=1, growth_seeds=1)
    accepts, run = config.acceptance(), config.runs()[0]
    assert accepts(run, {"result": {"found": []}}) and not accepts(run, {"result": {"found": 3}})
    assert not accepts(run, {"result": {"found": [{"kind": "minimum"}]}})
    with pytest.raises(TypeError):                      # which the log takes as a line that is not its own
        accepts(run, {"result": {"found": [1]}})
    assert not accepts({**run, "seed": 5}, {"result": {"found": []}})


def test_judged_and_public_form_agree():
    run = {"network": "gaussian", "bias": False, "dimensions": 1, "width": 1, "seed": 0}
    _, x, y, points = plateau_runs.stationary_points(run)
    point = next(point for point in points if point.kind == "minimum")
    from minimlp import classify_split
    for mu in ([0.5, 0.5], [2.0, -1.0]):
        assert judged(point, x, y, 0, np.array(mu)).verdict == classify_split(point.params, x, y, 0, mu).verdict
