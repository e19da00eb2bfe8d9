"""Phase diagrams: frontiers on planted maps, the predicted balance, the claim on planted tables, the command."""

import json

import numpy as np
import pytest

from minimlp import InputError, Params, forces, init_params, prototypes, train, uniform_samples
from minimlp.cli import main
from minimlp.study import frontier, phase
from minimlp.study.phase import Maps, PhaseConfig
from minimlp.study.runner import run_study
from minimlp.study.contrasts import METRICS
from minimlp.study.specialization import measured
from minimlp.study.store import RunLog

SMALL = {"sizes": (3, 4), "seeds": 2, "steps": 10, "temperatures": (0.001, 0.1), "coefficients": (0.01, 0.1, 1.0),
         "claim_sizes": (3, 20), "ratios": (0.05, 0.1), "fresh_seeds": 2, "balanced_temperatures": (0.01,)}
COMMAND = ["phase", "--sizes", "3,4", "--seeds", "2", "--steps", "10", "--temperatures", "0.1,0.001", "--jobs", "1",
           "--balanced-temperatures", "0.01",
           "--coefficients", "0.01,0.1,1", "--claim-sizes", "3", "--fresh-seeds", "2", "--backend", "numpy"]
WEIGHTS = np.array([0.01, 0.1, 1.0, 10.0])


@pytest.mark.parametrize("excess, expected, state", [
    ([0.0, 0.2, 0.4, 0.6], 10 ** -1.5, "crossed"), ([0.0, 0.0, 0.4, 0.0], 10 ** -0.75, "crossed"),
    ([0.0, 0.0, 0.0, 0.1], np.nan, "never"), ([0.2, 0.0, 0.4, 0.6], np.nan, "always"),
    ([0.05, 0.1, 0.2, 0.2], 0.1, "crossed")])
def test_frontier_is_the_first_crossing_in_log_lambda(excess, expected, state):
    np.testing.assert_allclose(frontier.frontier(WEIGHTS, np.array(excess), 0.1), expected, rtol=1e-12)
    assert frontier.state(np.array(excess), 0.1) == state


def test_estimated_frontier_by_temperature_with_its_interval():
    random = np.random.default_rng(0)
    rising = np.array([[0.0] * 4, [0.0, 0.2, 0.4, 0.6], [0.3] * 4])
    found = frontier.estimate_frontier(WEIGHTS, rising + random.normal(0, 0.01, (10, 3, 1)), 0.1)
    assert found["state"] == ["never", "crossed", "always"]
    assert found["coefficient"][0] is None and found["coefficient"][2] is None
    assert found["low"][1] < found["coefficient"][1] < found["high"][1] and found["low"][0] is None
    np.testing.assert_allclose(found["coefficient"][1], 10 ** -1.5, rtol=0.1)
    np.testing.assert_allclose([found["low"][1], found["high"][1]], 10 ** -1.5, rtol=0.2)


@pytest.mark.parametrize("size, tau, coverage_tau", [(2, 0.3, 0.02), (7, 0.02, 0.1), (20, 1.0, 0.02)])
def test_forces_on_the_outermost_prototype_are_those_of_the_losses(size, tau, coverage_tau):
    x = (2 / size * np.arange(size))[:, None]
    params = Params.at(x, np.full(size, 3.0))
    direct = forces(params, x, {"coverage": coverage_tau, "separation": tau})
    push, pull = frontier.outermost_forces(size, tau, coverage_tau)
    np.testing.assert_allclose(direct["separation"].direct[-1, 0], push, rtol=1e-12)
    np.testing.assert_allclose(direct["coverage"].direct[-1, 0], -pull, rtol=1e-12)
    [balance] = frontier.predicted_frontier(size, [tau], coverage_tau, 0.1)
    np.testing.assert_allclose(0.1 * pull, balance * push, rtol=1e-12)


def test_the_predicted_frontier_has_a_wall_a_floor_and_a_rise():
    small, floor, large = (np.array(frontier.predicted_frontier(800, taus, 0.02, 0.1)) for taus in (
        (1e-7, 2e-7), (1e-3, 3e-3, 1e-2, 0.03), (1e3, 1e4)))
    square = (2 / 800) ** 2
    np.testing.assert_allclose(floor, 0.338 * 0.1 * 2 * np.sqrt(0.02), rtol=0.01)
    np.testing.assert_allclose(small[0] / small[1], 0.5 * np.exp(square / 1e-7 - square / 2e-7), rtol=1e-6)
    np.testing.assert_allclose(large[1] / large[0], 10, rtol=0.01)


def test_no_prediction_where_nothing_pushes():
    assert frontier.predicted_frontier(3, [1e-5, 1.0], 0.02, 0.1)[0] is None
    assert frontier.predicted_frontier(1, [1.0], 0.02, 0.1) == [None]


def test_how_far_a_prediction_is_off():
    assert frontier.off_by([None, 1.0], [1.0, None]) is None
    found = frontier.off_by([1.0, 8.0, None], [2.0, 4.0, 3.0])
    assert found == {"mean": pytest.approx(1.0), "least": 0.5, "most": 2.0}


def planted(usage, error, spread=0.01, sizes=(3, 20)):
    """Coverage at ratio 0.5 and error 1; with separation so much more at each size."""
    config = PhaseConfig(**{**SMALL, "claim_sizes": sizes, "seeds": 10, "fresh_seeds": 10})
    random, rows = np.random.default_rng(0), []
    for size, more, worse in zip(sizes, usage, error):
        for seed in range(20):
            fresh = seed >= 10          # only those may count
            for tau, gains in ((0.0, (0, 0)), (config.tied(0.05, size), (more, worse)),
                               (config.tied(0.1, size), (0.4, 0.0))):
                noise = spread * random.normal() * (tau > 0)
                rows.append({"diagram": "claim", "size": size, "temperature": tau, "coefficient": 0.1, "seed": seed,
                             "specialization_ratio": 0.5 + (gains[0] + noise if fresh else -0.3 * (tau > 0)),
                             "reconstruction_error": 1.0 + (gains[1] + noise if fresh else 5.0 * (tau > 0)),
                             "expelled_fraction": 0.0, "fit_error": 0.0, "diverged": 0})
    return rows, config


@pytest.mark.parametrize("usage, error, everywhere, from_twenty", [
    ((0.1, 0.1), (0.0, 0.05), "holds", "holds"),
    ((-0.04, 0.2), (0.0, 0.0), "not shown", "holds"),
    ((0.01, 0.2), (0.0, 0.0), "holds in the mean", "holds"),
    ((-0.1, 0.1), (0.0, 0.0), "mixed", "holds"),
    ((0.1, 0.1), (0.0, 0.2), "mixed", "mixed"),
    ((0.1, -0.1), (0.0, 0.2), "mixed", "fails"),
    ((-0.1, -0.1), (0.2, 0.2), "fails", "fails")])
def test_the_claim_on_planted_tables(usage, error, everywhere, from_twenty):
    spread = 0.1 if abs(usage[0]) < 0.1 else 0.001
    claims = phase.claims(*planted(usage, error, spread))
    assert [claim.verdict for claim in claims] == [everywhere, from_twenty]


def test_the_choice_is_shown_on_the_seeds_that_do_not_judge():
    table = phase.explored(*planted((0.1, 0.1), (0.0, 0.0)))
    assert [row["ratio"] for row in table] == [0.05, 0.1]
    for cell in table[0]["sizes"]:
        assert cell["specialization_ratio"] == pytest.approx(-0.3)
        assert cell["reconstruction_error"] == pytest.approx(5.0)


def test_the_price_counts_prototypes_on_the_seeds_that_judge():
    rows, config = planted((0.1, 0.1), (0.0, 0.0))
    for row in rows:
        row["expelled_fraction"] = (0.1 if row["seed"] >= 10 else 0.7) * (row["temperature"] > 0)
    assert [cell["mean"] for cell in phase.price(rows, config)] == pytest.approx([0.3, 2.0])


def test_exploration_and_judgement_share_no_seed():
    for settings in ({}, {"seeds": 4}, {"seeds": 20}, {"first_seed": 30}):
        config = PhaseConfig(**settings)
        assert not {*config.seed_range(), *range(10)} & {*config.fresh_range()}
        assert len(config.fresh_range()) == 30
    config = PhaseConfig()
    assert config.tied(0.05, 20) == pytest.approx(5e-4)
    runs = config.runs()
    assert len({json.dumps(run) for run in runs}) == len(runs)
    assert all(sum(run["diagram"] == name for run in runs) >= 2000 for name in phase.DIAGRAMS)


def test_a_start_of_another_width_keeps_its_prototypes():
    x, y = uniform_samples(20, [0, 20, 0])
    start = init_params(x, 20, [0, 20, 1])
    config = PhaseConfig(steps=0)
    for tau in (1e-4, 0.125, 10.0):
        training, _ = config.training({"diagram": "overlap", "size": 20, "temperature": tau, "coefficient": 0.1,
                                       "seed": 0})
        np.testing.assert_allclose(prototypes(training.params), prototypes(start), rtol=1e-12)
        np.testing.assert_allclose(training.params.w, start.w * np.sqrt(2 / tau) / 4, rtol=1e-12)
        np.testing.assert_array_equal(training.params.v, start.v)


RUNS = [("none", 0.0, 0.0, {}, {}), ("coverage", 0.1, 0.3, {"coverage": 0.3}, {"coverage": 0.1}),
        ("separation", 0.1, 0.3, {"separation": 0.3}, {"separation": 0.1}),
        ("balanced", 0.1, 0.3, {"balanced": 0.3}, {"balanced": (0.3, 0.1)}),
        ("overlap", 0.125, 0.3, {"overlap": 0.3}, {}), ("overlap", 0.125, 0.0, {}, {}),
        ("coverage+separation", 0.0, 0.0, {"coverage": 0.1}, {"coverage": 0.02}),
        ("coverage+separation", 0.5, 0.3, {"coverage": 0.1, "separation": 0.3},
         {"coverage": 0.02, "separation": 0.5}),
        ("claim", 0.0, 0.1, {"coverage": 0.1}, {"coverage": 0.02}),
        ("claim", 0.5, 0.1, {"coverage": 0.1, "separation": 0.1}, {"coverage": 0.02, "separation": 0.5})]


@pytest.mark.parametrize("name, tau, weight, coefficients, temperatures", RUNS)
def test_each_run_trains_what_its_diagram_says(name, tau, weight, coefficients, temperatures):
    run = {"diagram": name, "size": 4, "temperature": tau, "coefficient": weight, "seed": 1}
    x, y = uniform_samples(4, [1, 4, 0])
    start = init_params(x, 4, [1, 4, 1])
    expected = train(start, x, y, coefficients, temperatures, steps=10)
    assert PhaseConfig(**SMALL).execute(run)["result"] == measured(expected, x)["result"]


def test_maps_hold_each_run_against_its_baseline_and_a_diverged_one_as_the_worst():
    config = PhaseConfig(**{**SMALL, "sizes": (4,), "losses": ("overlap", "separation", "coverage+separation")})
    rows = [{**run, **dict.fromkeys(METRICS, run["temperature"] + 10 * run["coefficient"] + 100 * run["seed"]),
             "diverged": 0} for run in config.runs()]
    for row in rows:
        if row["diagram"] == "none":
            row["expelled_fraction"] = 1.0
        if (row["diagram"], row["temperature"], row["coefficient"], row["seed"]) == ("overlap", 0.1, 0.01, 0):
            row.update(dict.fromkeys(METRICS), diverged=1)
    maps = Maps(rows, config)
    taus, weights = np.array(config.temperatures), np.array(config.coefficients)
    expected = taus[:, None] + 10 * weights
    np.testing.assert_allclose(maps.grid("separation", 4, "fit_error")[1], expected + 100)
    np.testing.assert_allclose(maps.excess("separation", 4)[1], expected + 99)
    np.testing.assert_allclose(maps.excess("coverage+separation", 4, "coverage")[1], expected)
    np.testing.assert_allclose(maps.excess("coverage+separation", 4, "none")[1], expected + 99)
    np.testing.assert_allclose(maps.excess("overlap", 4)[1], np.broadcast_to(10 * weights, (2, 3)))
    assert maps.grid("overlap", 4, "fit_error")[0, 1, 0] == np.max(maps.grid("overlap", 4, "fit_error"))
    assert maps.grid("overlap", 4, "specialization_ratio")[0, 1, 0] == 0.001
    cells = {(cell["diagram"], cell["by"]): (cell["temperature"], cell["coefficient"])
             for cell in phase.best_cells(maps)}
    assert cells["separation", "specialization_ratio"] == (0.1, 1.0)
    assert cells["separation", "reconstruction_error"] == (0.001, 0.01)


@pytest.mark.parametrize("settings, message", [
    ({"losses": ("covrage",)}, "losses = 'covrage'"), ({"losses": ()}, "losses is empty"),
    ({"temperatures": (0.1, -1.0)}, "temperatures = -1"), ({"temperatures": (0.1, 0.1)}, "0.1 is given twice"),
    ({"coefficients": (0.0,)}, "coefficients = 0"), ({"coefficients": (float("inf"),)}, "coefficients = inf"),
    ({"ratio": 0}, "ratio = 0"), ({"ratios": (-1,)}, "ratios = -1"), ({"claim_sizes": (0,)}, "claim_sizes = 0"),
    ({"fresh_seeds": 0}, "fresh_seeds = 0"), ({"sizes": (2.5,)}, "sizes = 2.5"),
    ({"coverage_temperature": 0}, "coverage_temperature = 0"),
    ({"balanced_temperatures": (0,)}, "balanced_temperatures = 0"), ({"ratio": 1e-160}, "ratio = 1e-160"),
    ({"temperatures": (1e150,)}, "temperatures = 1e.150"), ({"coefficients": (1e300,)}, "coefficients = 1e.300")])
def test_bad_settings_are_named_with_their_value(settings, message):
    with pytest.raises(InputError, match=message):
        PhaseConfig(**settings)


@pytest.mark.parametrize("change", [{"params_sha256": "00"}, {"result": {}}])
def test_a_record_of_another_shape_is_not_taken(change):
    config = PhaseConfig(**SMALL)
    run = config.runs()[0]
    record, accepts = config.execute(run), config.acceptance()
    assert accepts(run, record) and not accepts(run, {**record, **change})
    assert not accepts({**run, "seed": 99}, record)


def test_the_command_writes_maps_frontiers_and_claims_and_redraws_the_same(tmp_path, capsys):
    out = tmp_path / "phase"
    losses = ["--losses", "balanced,coverage+separation", "--sizes", "3", "--out", str(out)]
    assert main([*COMMAND, *losses]) == 0
    printed = capsys.readouterr().out
    assert "\nP2: " in "\n" + printed and "least lambda with one prototype more out" in printed
    figures = ("phase.png", "balanced.png", "coverage_separation.png", "frontier.png")
    names = ("runs.jsonl", "results.csv", "summary.json", *figures)
    assert [line.strip() for line in printed.split("\nwrote\n")[1].splitlines()] == [str(out / n) for n in names]
    lines = (out / "results.csv").read_text().splitlines()
    assert lines[0] == ",".join(phase.COLUMNS)
    summary = json.loads((out / "summary.json").read_text())
    assert [len(line["state"]) for line in summary["frontiers"]] == [1, 2, 2, 2] and len(summary["laws"]) == 3
    before = {name: (out / name).read_bytes() for name in names}
    log = (out / "runs.jsonl").read_bytes()
    (out / "runs.jsonl").write_bytes(log[:len(log) // 2])
    assert main([*COMMAND, *losses, "--resume"]) == 0
    for name in names[1:]:
        assert (out / name).read_bytes() == before[name], name


@pytest.mark.parametrize("losses", ["coverage", "overlap", "balanced"])
def test_one_diagram_alone_with_one_temperature(losses, tmp_path):
    arguments = [*COMMAND, "--losses", losses, "--out", str(tmp_path / "out"), "--seeds", "1", "--sizes", "3"]
    assert main([*arguments, "--temperatures", "0.1", "--coefficients", "0.1"]) == 0


def test_the_stored_digest_is_that_of_the_parameters_trained_again():
    config = PhaseConfig(**{**SMALL, "losses": ("separation",)})
    log = RunLog(config.identity())
    run_study(config, log=log)
    run = config.runs()[-1]
    assert log[run]["params_sha256"] == config.execute(run)["params_sha256"]


def test_rows_are_the_same_on_a_dask_cluster():
    distributed = pytest.importorskip("distributed")
    config = PhaseConfig(**{**SMALL, "sizes": (3,), "losses": ("separation",)})
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  dashboard_address=None) as cluster, distributed.Client(cluster) as client:
        assert run_study(config, executor=client.get_executor()) == run_study(config)
