"""Balanced coverage in the objective, in training and in the study: twins, schedules, the claim."""

from itertools import combinations

import numpy as np
import pytest

import minimlp
from minimlp import (InputError, balanced, check_gradient, objective, prototypes, reconstruction_error,
                     relative_error, sinkhorn, specialization_ratio, train)
from minimlp.kernels import gpu_twins, training
from minimlp.kernels.simd import TILE
from minimlp.loss import PAIRED
from minimlp.study import StudyConfig, run_study
from minimlp.study.specialization import is_record, mask_name
from minimlp.study.specialization_claims import balanced_claim, claims
from minimlp.train import train as reference_train
from test_kernels import ON_DEVICE, SIMULATED, SMALL, assert_same_training, start

MASKS = [(*mask, "balanced") for size in range(4) for mask in combinations(PAIRED, size)]
WARM = {"coverage": 0.4, "separation": 0.3, "balanced": 0.5}
FALLING = {"coverage": (0.5, 0.02), "separation": (0.01, 0.1), "balanced": (0.3, 0.01)}
SHAPES = [(8, 8, 1), (5, 17, 3), (9, 2, 2), (1, 4, 1), (7, 1, 2)]
if SMALL:
    SHAPES = [(6, 5, 1), (3, 6, 2)]
    pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
TWINS = [pytest.param(training, id="cpu")]
if ON_DEVICE:
    TWINS.append(pytest.param(gpu_twins, id="gpu", marks=pytest.mark.gpu))
every_mask = pytest.mark.parametrize("mask", MASKS, ids="+".join)
every_twin = pytest.mark.parametrize("twin", TWINS)


def weights(mask):
    return dict.fromkeys(mask, 0.1)


def both(twin, problem, coefficients, steps, rate=0.01, temperatures=FALLING, **options):
    return [module_train(*problem, coefficients, temperatures, steps, rate, **options)
            for module_train in (twin.train, reference_train)]


# The objective.

@every_mask
@pytest.mark.parametrize("shape", [(5, 4, 1), (4, 5, 3)], ids=str)
def test_gradient_of_the_objective(mask, shape):
    """Where Sinkhorn stops, at a marginal error of 1e-10, the gradient is right to some 1e-10."""
    params, x, y = start(*shape)
    report = check_gradient(lambda params: objective(params, x, y, weights(mask), WARM), params)
    assert report.errors["complex"] <= 1e-9 and report.errors["central"] <= 1e-7, str(report)


@every_mask
@pytest.mark.parametrize("backend", ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)] if ON_DEVICE else ["cpu"])
@pytest.mark.parametrize("dtype, limit", [(np.float64, 1e-11), (np.float32, 1e-4)], ids=["f8", "f4"])
def test_the_objective_of_the_twins(mask, backend, dtype, limit):
    shape = (3, 5, 2) if SMALL else (7, 9, 3)
    value, gradient, terms = objective(*start(*shape, dtype), weights(mask), WARM, backend=backend)
    expected = objective(*start(*shape, dtype), weights(mask), WARM)
    assert set(terms) == {"fit", *mask} and list(terms) == list(expected[2])
    assert relative_error(value, expected[0]) <= limit
    assert relative_error(gradient.to_vector(), expected[1].to_vector()) <= limit


def test_the_objective_s_term_is_balanced_coverage():
    params, x, y = start(7, 9, 3)
    value, _, terms = objective(params, x, y, {"balanced": 0.3}, WARM)
    assert terms["balanced"] == balanced(prototypes(params), x, 0.5)[0]
    assert value == terms["fit"] + 0.3 * terms["balanced"]
    without = objective(params, x, y, {}, {})
    assert objective(params, x, y, {"balanced": 0.0}, {})[::2] == without[::2]


def test_an_objective_whose_marginals_can_not_be_met_says_how_nearly_they_are():
    with pytest.raises(InputError, match=r"temperature = 1e-06: after 1000 iterations the marginal error is \d"):
        objective(*start(8, 8, 1), {"balanced": 0.1}, {"balanced": 1e-6})


# Training.

@every_twin
@every_mask
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_training_is_that_of_the_reference(twin, mask, shape):
    ours, theirs = both(twin, start(*shape), weights(mask), 2 if SIMULATED else 6 if SMALL else 100)
    assert_same_training(ours, theirs)
    assert ours.marginal_error == pytest.approx(theirs.marginal_error, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("shape", [(7, TILE + 20, 1), (TILE + 20, 5, 2)], ids=str)
def test_training_with_more_than_a_tile_holds(shape):
    assert_same_training(*both(training, start(*shape), weights(MASKS[-1]), 2, iterations=2))


@every_twin
def test_training_in_single_precision(twin):
    ours, theirs = both(twin, start(6, 5, 2, np.float32), weights(MASKS[-1]), 10)
    assert ours.params.w.dtype == np.float32
    assert_same_training(ours, theirs, 1e-4)


@every_twin
@pytest.mark.parametrize("options", [{"every": 3}, {"callback": lambda step, *_: step == 7},
                                     {"iterations": 1}], ids=["every", "callback", "iterations"])
def test_training_that_is_watched_or_stopped(twin, options):
    ours, theirs = both(twin, start(6, 5, 2), weights(MASKS[-1]), 12, **options)
    assert_same_training(ours, theirs)
    assert ours.steps == (7 if "callback" in options else 12)
    if "every" in options:
        assert relative_error(ours.trajectory, theirs.trajectory) <= 1e-11
    assert ours.marginal_error == pytest.approx(theirs.marginal_error, rel=1e-6)


@every_twin
def test_training_with_a_loss_of_the_users_own(twin):
    pull = {"pull": lambda p: ((p * p).mean(), 2 * p / p.size)}
    assert_same_training(*both(twin, start(6, 5, 2), {"pull": 5.0, **weights(MASKS[-1])}, 10, extra=pull))


def test_a_callback_and_chunks_leave_no_trace(monkeypatch):
    def bits(**options):
        return training.train(*start(6, 5, 2), weights(MASKS[-1]), FALLING, 8, **options).params.to_vector().tobytes()
    whole = bits()
    assert bits(callback=lambda *_: False) == whole
    monkeypatch.setattr(training, "MOST", 3)
    assert bits() == whole


def test_divergence_comes_at_the_same_step_with_the_same_last_params():
    steps = []
    for weight in np.geomspace(1e154, 1e156, 5):
        ours, theirs = both(training, start(6, 5, 2), {"balanced": float(weight)}, 20, 0.1)
        steps.append((theirs.steps, theirs.diverged))
        assert (ours.steps, ours.diverged) == steps[-1]
        assert relative_error(ours.params.to_vector(), theirs.params.to_vector()) <= 1e-9
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)
        assert ours.marginal_error == pytest.approx(theirs.marginal_error, rel=1e-6)
    assert steps[0] == (20, False) and steps[-1] == (0, True)


def test_a_training_that_diverges_on_its_way_goes_back_a_step_with_its_offsets():
    """Two prototypes part, and the force between them grows until its square overflows."""
    x, y = np.array([[-1.0], [0.3], [1.0]]), np.zeros(3)
    params = minimlp.Params(*(np.array(a, float) for a in ([3, 4], [[0], [0.001]], [1, 1], 0)))
    steps = []
    for weight in np.geomspace(0.1, 20, 9) * 1e154:
        ours, theirs = both(training, (params, x, y), {"separation": float(weight), "balanced": 0.1}, 12, 0.001,
                            {"separation": 0.001, "balanced": (0.3, 0.01)}, iterations=1)
        steps.append((theirs.steps, theirs.diverged))
        assert (ours.steps, ours.diverged) == steps[-1]
        assert ours.terms["balanced"] == pytest.approx(theirs.terms["balanced"], rel=1e-9)
    assert any(0 < step < 12 for step, _ in steps)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize("rate", [1e39, 1e308])
def test_a_single_precision_training_that_diverges_is_reported(backend, rate):
    training = train(*start(7, 7, 1, np.float32), {"balanced": 0.1}, {"balanced": 0.1}, 30, rate, backend=backend)
    assert training.diverged and training.steps == 0 and np.isfinite(training.params.to_vector()).all()


@pytest.mark.parametrize("loss", ["coverage", "separation"])
def test_every_temperature_may_fall_or_rise(loss):
    problem = start(6, 5, 2)
    given = [train(*problem, {loss: 0.1}, {loss: kind(FALLING[loss])}, 5).value for kind in (tuple, list, np.array)]
    assert given[0] == given[1] == given[2]
    ours, theirs = both(training, problem, {loss: 0.1}, 60)
    assert_same_training(ours, theirs)
    assert theirs.terms == objective(theirs.params, *problem[1:], {loss: 0.1}, {loss: FALLING[loss][1]})[2]
    constant = train(*problem, {loss: 0.1}, {loss: 0.02}, 60).params.to_vector()
    same = train(*problem, {loss: 0.1}, {loss: (0.02, 0.02)}, 60).params.to_vector()
    assert constant.tobytes() == same.tobytes() != theirs.params.to_vector().tobytes()


def test_training_follows_the_temperatures_with_the_offsets_of_the_step_before():
    params, x, y = start(8, 8, 1)
    seen, taus, offsets = [], np.geomspace(0.5, 0.02, 6), None
    training = train(params, x, y, {"balanced": 0.3}, {"balanced": (0.5, 0.02)}, 5, iterations=4,
                     callback=lambda *state: seen.append(state))
    assert len(seen) == 6 and training.steps == 5
    for (step, at, value, terms), tau in zip(seen, taus):
        balance, _, offsets, error = sinkhorn(prototypes(at), x, tau, offsets, 4, 0.0)
        assert terms["balanced"] == pytest.approx(balance, rel=1e-12)
        assert value == pytest.approx(terms["fit"] + 0.3 * balance, rel=1e-12)
    assert training.marginal_error == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_offsets_of_a_compiled_training_are_those_of_sinkhorn(shape):
    params, x, y = start(*shape)
    trainer = training.Trainer(params, x, y, {"balanced": 0.1}, {"balanced": (0.3, 0.1)}, 2, 0.01, 4)
    trainer.advance(1)
    expected = sinkhorn(prototypes(params), x, 0.3, None, 4, 0.0)[2]
    assert np.abs(trainer.balance.offsets[0] - expected).max() <= 1e-12


@pytest.mark.parametrize("backend", ["numpy"] if SMALL else ["numpy", "cpu"])
def test_training_brings_every_prototype_to_its_own_sample(backend):
    x = np.linspace(-0.9, 0.9, 8)[:, None]
    params, y = minimlp.init_params(x, 8, 1), np.sin(np.pi * x[:, 0])
    training = train(params, x, y, {"balanced": 0.1}, {"balanced": (0.3, 1e-3)}, 1000, backend=backend)
    p = prototypes(training.params)
    assert reconstruction_error(p, x) < 0.05 < reconstruction_error(prototypes(params), x)
    assert specialization_ratio(p, x) == 1 and training.marginal_error < 0.05
    assert training.terms["fit"] < 1e-2


@pytest.mark.parametrize("arguments, message", [
    ({"temperatures": {"coverage": 0.1}}, r"temperatures\['balanced'\] is missing"),
    ({"temperatures": {"balanced": (0.1, 0)}}, r"temperatures\['balanced'\]\[1\] = 0"),
    ({"temperatures": {"balanced": (0.1, 0.2, 0.3)}}, r"temperatures\['balanced'\] = \(0.1, 0.2, 0.3\)"),
    ({"temperatures": {"balanced": 0.1, "overlap": 1}}, r"temperatures\['overlap'\]"),
    ({"iterations": 0}, "iterations = 0"), ({"iterations": 2.5}, "iterations = 2.5")])
def test_bad_settings_of_a_training_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        train(*start(6, 5, 2), **{"coefficients": {"balanced": 0.1}, "temperatures": {"balanced": 0.1}, **arguments})


def test_an_objective_takes_no_pair_of_temperatures():
    with pytest.raises(InputError, match=r"temperatures\['balanced'\] = \(0.1, 0.2\): expected a number"):
        objective(*start(6, 5, 2), {"balanced": 0.1}, {"balanced": (0.1, 0.2)})


# The study.

def planted(error=0.1, usage=0.3, fit=0.0, spread=0.01):
    """Coverage at error 1, ratio 0.5; balanced coverage so much of it, above it, and at this fit."""
    random, rows = np.random.default_rng(0), []
    for size in (3, 10):
        for seed in range(10):
            noise = spread * random.normal()
            common = {"size": size, "seed": seed}
            rows.append({**common, "mask": "coverage", "reconstruction_error": 1.0,
                         "specialization_ratio": 0.5, "fit_error": 0.5})
            rows.append({**common, "mask": "balanced", "reconstruction_error": error + noise,
                         "specialization_ratio": 0.5 + usage + noise, "fit_error": abs(fit + 0.01 * noise)})
    return rows


@pytest.mark.parametrize("table, verdict, contrasts", [
    ({}, "holds", ["holds", "holds", "holds"]),
    ({"error": 0.19, "spread": 0.001}, "holds", ["holds", "holds", "holds"]),
    ({"error": 0.21, "spread": 0.001}, "mixed", ["fails", "holds", "holds"]),
    ({"usage": -0.1}, "mixed", ["holds", "fails", "holds"]),
    ({"fit": 0.002}, "mixed", ["holds", "holds", "fails"]),
    ({"error": 0.3, "usage": -0.1, "fit": 0.01}, "fails", ["fails", "fails", "fails"])])
def test_the_claim_on_planted_tables(table, verdict, contrasts):
    claim = balanced_claim(planted(**table))
    assert claim.verdict == verdict
    assert [contrast.verdict for contrast in claim.contrasts] == contrasts


def test_a_diverged_run_counts_as_the_worst():
    rows = planted()
    for row in rows:
        if row["mask"] == "balanced" and row["seed"] == 0:
            row["reconstruction_error"] = None
    by_size = balanced_claim(rows).contrasts[0].comparisons
    assert [round(c.mean, 2) for c in by_size] == [round((9 * 0.1 + 1) / 10 - 0.2, 2)] * 2


def test_the_study_takes_the_mask_in_any_combination():
    assert mask_name("balanced+coverage") == "coverage+balanced"
    config = StudyConfig(sizes=(4,), seeds=2, steps=15, masks=("none", "coverage", "balanced", "overlap+balanced"))
    rows = run_study(config)
    for row in rows:
        assert (row["marginal_error"] is None) == ("balanced" not in row["mask"])
        record = config.execute({name: row[name] for name in ("size", "mask", "seed")})
        assert is_record(record, 4) and record["result"]["fit_error"] == row["fit_error"]
    x, y = minimlp.uniform_samples(4, [1, 4, 0])
    params = minimlp.init_params(x, 4, [1, 4, 1])
    expected = train(params, x, y, {"balanced": 0.1}, {"balanced": (0.3, 1e-3)}, 15)
    mine = next(row for row in rows if (row["mask"], row["seed"]) == ("balanced", 1))
    assert (mine["fit_error"], mine["marginal_error"]) == (expected.terms["fit"], expected.marginal_error)
    assert [claim.name for claim in claims(rows)][-1] == "balanced"
    for left_out in ("balanced", "coverage"):
        assert "balanced" not in [claim.name for claim in claims([row for row in rows if row["mask"] != left_out])]


@pytest.mark.parametrize("settings, message", [
    ({"balanced_temperatures": (0.1, -1)}, r"balanced_temperatures\[1\] = -1"),
    ({"balanced_temperatures": (3,)}, r"balanced_temperatures = \(3,\)"), ({"iterations": 0}, "iterations = 0"),
    ({"balanced_temperatures": 0.1}, "balanced_temperatures = 0.1")])
def test_bad_settings_of_the_study_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        StudyConfig(**settings)
