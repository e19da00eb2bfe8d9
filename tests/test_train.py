"""Training: Adam by hand, the callback, divergence and repeatability."""

from inspect import signature
from math import sqrt

import numpy as np
import pytest

from cases import CASES, make
from minimlp import InputError, loss, objective, relative_error, train, transport
from minimlp.train import adam, train as reference

CASE = next(case for case in CASES if case.name == "plane")
WEIGHTS = {"coverage": 0.1, "separation": 0.2, "overlap": 0.3}
TEMPERATURES = {"coverage": 0.1, "separation": 0.2}


every_backend = pytest.mark.parametrize("backend", ["numpy", "cpu"])


def problem(dtype=np.float64):
    return *make(CASE, dtype=dtype), WEIGHTS, TEMPERATURES


def slope(theta):
    """Gradient of theta_0^4 + theta_1^2."""
    return [4 * theta[0] ** 3, 2 * theta[1]]


def test_the_first_three_steps_of_adam_by_hand():
    theta, moments = np.array([1.5, -0.75]), (0.0, 0.0, 0)
    expected, m, u = [1.5, -0.75], [0.0, 0.0], [0.0, 0.0]
    for t in (1, 2, 3):
        g = slope(expected)
        for k in (0, 1):
            m[k] = 0.9 * m[k] + 0.1 * g[k]
            u[k] = 0.999 * u[k] + 0.001 * g[k] ** 2
            step = m[k] / (1 - 0.9 ** t) / (sqrt(u[k] / (1 - 0.999 ** t)) + 1e-8)
            expected[k] -= 0.25 * step
        theta, moments = adam(theta, np.array(slope(theta)), moments, rate=0.25)
        assert relative_error(theta, expected) <= 1e-12
    assert moments[2] == 3


@pytest.mark.parametrize("gradient", [1e-9, -1e-8, 3e-6, 5.0, -1e5])
def test_the_first_step_has_the_size_of_the_rate_until_the_gradient_nears_epsilon(gradient):
    theta, _ = adam(np.zeros(1), np.array([gradient]), (0.0, 0.0, 0), rate=0.5)
    assert theta[0] == pytest.approx(-0.5 * gradient / (abs(gradient) + 1e-8), rel=1e-12)


@every_backend
def test_three_steps_of_training_by_hand(backend):
    params, x, y, weights, temperatures = problem()
    theta = params.to_vector().tolist()
    m, u = [0.0] * len(theta), [0.0] * len(theta)
    for t in (1, 2, 3):
        at = params.from_vector(np.array(theta), like=params)
        gradient = objective(at, x, y, weights, temperatures)[1].to_vector().tolist()
        for k, g in enumerate(gradient):
            m[k] += 0.1 * (g - m[k])
            u[k] += 0.001 * (g * g - u[k])
            theta[k] -= 0.05 * m[k] / (1 - 0.9 ** t) / (sqrt(u[k] / (1 - 0.999 ** t)) + 1e-8)
    result = train(*problem(), steps=3, rate=0.05, backend=backend)
    assert relative_error(result.params.to_vector(), theta) <= 1e-12


def test_the_default_is_2000_steps_at_a_rate_of_a_hundredth():
    result = train(*problem())
    explicit = train(*problem(), steps=2000, rate=0.01)
    assert result.steps == 2000
    assert result.params.to_vector().tobytes() == explicit.params.to_vector().tobytes()


def test_the_reference_has_the_defaults_of_the_public_form():
    public = dict(signature(train).parameters)
    assert public.pop("backend").default == "numpy"
    own = dict(signature(reference).parameters)
    assert own.pop("objective").default is loss.objective
    assert own.pop("sinkhorn").default is transport.sinkhorn
    assert [(p.name, p.default) for p in public.values()] == [
        (p.name, p.default) for p in own.values()]


@every_backend
def test_the_result_holds_value_and_terms_of_its_params_and_training_lowers_the_value(backend):
    params, x, y, *rest = problem()
    result = train(*problem(), steps=50, backend=backend)
    value, _, terms = objective(result.params, x, y, *rest)
    assert result.value == value and result.terms == terms
    assert result.value < objective(params, x, y, *rest)[0]
    assert result.steps == 50 and result.diverged is False


@every_backend
def test_an_extra_loss_is_trained_on(backend):
    params, x, y, _, temperatures = problem()
    pull = lambda p: ((p * p).mean(), 2 * p / p.size)
    result = train(params, x, y, {"pull": 50.0}, temperatures, steps=100, extra={"pull": pull},
                   backend=backend)
    without = train(params, x, y, {}, temperatures, steps=100, backend=backend)
    assert result.terms["pull"] < 0.5 * pull(-without.params.b / without.params.w[:, None])[0]


@every_backend
def test_the_callback_sees_every_step_from_the_start_to_the_end_with_its_params(backend):
    seen = []
    result = train(*problem(), steps=4, callback=lambda *call: seen.append(call), backend=backend)
    params, x, y, *rest = problem()
    assert [call[0] for call in seen] == [0, 1, 2, 3, 4]
    assert (seen[0][1].to_vector() == params.to_vector()).all()
    assert (seen[-1][1].to_vector() == result.params.to_vector()).all()
    for step, at, value, terms in seen:
        shorter = train(*problem(), steps=step, backend=backend)
        assert (shorter.params.to_vector() == at.to_vector()).all()
        assert (value, terms) == (shorter.value, shorter.terms)
        assert value == objective(at, x, y, *rest)[0]


@every_backend
def test_a_callback_that_returns_true_stops_the_training_there(backend):
    result = train(*problem(), steps=10, callback=lambda step, *_: step == 3, backend=backend)
    three = train(*problem(), steps=3, backend=backend)
    assert result.steps == 3 and not result.diverged
    assert result.params.to_vector().tobytes() == three.params.to_vector().tobytes()


@every_backend
def test_the_start_is_not_changed(backend):
    params, *rest = problem()
    before = [a.copy() for a in params]
    result = train(params, *rest, steps=3, backend=backend)
    assert all((a == b).all() for a, b in zip(params, before))
    assert not any(np.shares_memory(a, b) for a, b in zip(params, result.params))


@every_backend
@pytest.mark.parametrize("rate", [1e155, 1e200, 1e300])
def test_a_run_that_overflows_is_reported_with_its_last_finite_params(rate, backend):
    result = train(*problem(), steps=20, rate=rate, backend=backend)
    before = train(*problem(), steps=result.steps, rate=rate, backend=backend)
    assert result.diverged and 0 <= result.steps < 20
    assert np.isfinite(result.params.to_vector()).all() and np.isfinite(result.value)
    assert not before.diverged
    assert (before.params.to_vector() == result.params.to_vector()).all()
    assert result.terms == before.terms


@every_backend
def test_a_start_that_overflows_is_reported_at_step_zero(backend):
    params, x, y, *rest = problem()
    calls = []
    result = train(params, x, 1e200 * y, *rest, steps=5, callback=lambda *call: calls.append(call),
                   backend=backend)
    assert result.diverged and result.steps == 0 and not calls
    assert (result.params.to_vector() == params.to_vector()).all()


@every_backend
@pytest.mark.parametrize("slope", [np.inf, np.nan, 1e200], ids=str)
def test_a_gradient_whose_square_is_not_finite_is_a_divergence(slope, backend):
    params, x, y, _, temperatures = problem()
    cliff = lambda p: (0.0, np.full(p.shape, slope))
    result = train(params, x, y, {"cliff": 1.0}, temperatures, steps=5, extra={"cliff": cliff},
                   backend=backend)
    assert np.isfinite(result.value) and result.diverged and result.steps == 0


@every_backend
def test_no_steps_return_the_start(backend):
    params, x, y, *rest = problem()
    result = train(params, x, y, *rest, steps=0, backend=backend)
    assert result.steps == 0 and not result.diverged
    assert (result.params.to_vector() == params.to_vector()).all()
    assert result.value == objective(params, x, y, *rest)[0]


@every_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_input_gives_the_same_bits_in_its_own_type(dtype, backend):
    one, two = (train(*problem(dtype), steps=20, backend=backend) for _ in range(2))
    assert {a.dtype for a in one.params} == {np.dtype(dtype)}
    assert one.params.to_vector().tobytes() == two.params.to_vector().tobytes()
    assert (one.value, one.terms) == (two.value, two.terms)


@every_backend
@pytest.mark.parametrize("steps, every", [(6, 1), (6, 2), (7, 3), (2, 5), (0, 1)])
def test_the_trajectory_holds_the_params_every_so_many_steps(steps, every, backend):
    result = train(*problem(), steps=steps, every=every, backend=backend)
    assert result.trajectory.shape == (steps // every + 1, result.params.to_vector().size)
    for row, at in zip(result.trajectory, range(0, steps + 1, every)):
        there = train(*problem(), steps=at, backend=backend).params
        assert row.tobytes() == there.to_vector().tobytes()


@every_backend
def test_without_every_there_is_no_trajectory_and_with_it_the_same_training(backend):
    without = train(*problem(), steps=9, backend=backend)
    with_it = train(*problem(), steps=9, every=4, backend=backend)
    assert without.trajectory is None
    assert without.params.to_vector().tobytes() == with_it.params.to_vector().tobytes()
    assert (without.value, without.terms) == (with_it.value, with_it.terms)


@every_backend
def test_the_trajectory_ends_where_a_callback_stops_the_training(backend):
    result = train(*problem(), steps=9, every=2, callback=lambda step, *_: step == 5,
                   backend=backend)
    assert result.steps == 5 and len(result.trajectory) == 3


@every_backend
def test_the_rows_of_a_trajectory_are_not_one_array(backend):
    result = train(*problem(), steps=2, every=1, backend=backend)
    first = result.trajectory[0].copy()
    result.trajectory[1:] = 0
    assert (result.trajectory[0] == first).all() and result.params.to_vector().any()


@every_backend
def test_the_trajectory_of_a_diverged_run_ends_with_its_last_finite_params(backend):
    result = train(*problem(), steps=20, rate=1e155, every=1, backend=backend)
    assert result.diverged and len(result.trajectory) == result.steps + 1
    assert (result.trajectory[-1] == result.params.to_vector()).all()


@every_backend
def test_the_trajectory_of_a_run_that_never_was_finite_has_no_rows(backend):
    params, x, y, *rest = problem()
    result = train(params, x, 1e200 * y, *rest, steps=5, every=2, backend=backend)
    assert result.diverged and result.trajectory.shape == (0, params.to_vector().size)


@pytest.mark.parametrize("every, fragment", [(-1, "every = -1"), (2.5, "every = 2.5"),
                                             (True, "every = True")])
def test_every_that_is_no_count_is_refused(every, fragment):
    with pytest.raises(InputError, match=fragment):
        train(*problem(), steps=1, every=every)
