"""Growing: each way adds one unit, keeps its budget, and the best split is the best of all."""

import numpy as np
import pytest

from minimlp import (InputError, TwoLayer, find_stationary_point, grow, init_params, inner_hessian,
                     split_neuron, uniform_samples)
from minimlp.evidence import along
from minimlp.growing import HALVINGS, LENGTH, METHODS, best_split, descend
from minimlp.landscape import derivatives, positions, value_and_gradient, with_vector


@pytest.fixture(scope="module")
def trained():
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (40, 1))
    y = np.sin(3 * x[:, 0]) + x[:, 0] ** 2 + 0.05 * random.normal(size=40)
    start = TwoLayer(random.normal(size=(2, 1)), random.normal(size=2), random.normal(size=2), np.zeros(()), "tanh")
    return descend(start, x, y, "square", 400)[0], x, y


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("evaluations", [2, 60])
def test_one_unit_more_and_no_gradient_more(method, evaluations, trained):
    params, x, y = trained
    grown = grow(params, x, y, method=method, evaluations=evaluations, seed=1)
    assert grown.params.v.shape == (3,) and grown.values.shape == (evaluations,)
    assert grown.values[-1] == derivatives(grown.params, x, y)[0]
    assert (grown.unit is None) == (method == "new unit") and (grown.promise is None) == (method != "splitting")
    again = grow(params, x, y, method=method, evaluations=evaluations, seed=1)
    assert np.array_equal(again.values, grown.values)
    if evaluations == 60:
        assert grown.values[-1] < derivatives(params, x, y)[0] and np.all(np.diff(grown.values[HALVINGS + 2:]) <= 0)


def test_the_budget_counts_every_gradient(trained):
    params, x, y = trained
    seen = []
    import minimlp.growing as growing
    original = growing.value_and_gradient
    try:
        growing.value_and_gradient = lambda *arguments: seen.append(1) or original(*arguments)
        _, values = descend(params, x, y, "square", 25)
    finally:
        growing.value_and_gradient = original
    assert len(values) == 25 and len(seen) < 25 + 20        # L-BFGS may finish a line search


@pytest.mark.parametrize("signed", [False, True])
def test_the_best_split_promises_the_most_and_keeps_it(signed):
    """Both kinds of split are best somewhere."""
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = 1.5 * random.normal(size=(40, 2))
        y = np.tanh(x @ [1.0, -0.5]) + 0.3 * random.normal(size=40)
        start = TwoLayer(np.array([[1.0, -0.5]]), None, np.ones(1), None, "tanh")
        params = find_stationary_point(start, x, y).params
        unit, mu, direction, promise = best_split(params, x, y, "square")
        if (mu[0] == 2) == signed:
            break
    eigenvalues = np.linalg.eigvalsh(inner_hessian(params, x, y, 0))
    assert (mu[0] == 2) == signed and unit == 0 and promise > 0
    assert promise == pytest.approx(max(-eigenvalues[0] / 4, eigenvalues[-1] / 5), rel=1e-12)
    wide, s = split_neuron(params, unit, mu), 1e-3
    move = np.zeros(wide.to_vector().size)
    a = np.array([-mu[1], mu[0]]) / np.linalg.norm(mu)
    move[positions(wide)[0][unit:unit + 2]] = np.outer(a, direction)
    _, gradient, hessian = derivatives(wide, x, y)
    assert abs(mu @ a) < 1e-15 and np.linalg.norm(move) == pytest.approx(1)
    assert -0.5 * move @ hessian @ move == pytest.approx(promise, rel=1e-6)
    fall = derivatives(wide, x, y)[0] - derivatives(with_vector(wide, wide.to_vector() + s * move), x, y)[0]
    assert fall == pytest.approx(promise * s * s, rel=0.1)


def test_the_first_move_of_a_split_does_not_raise_the_loss(trained):
    """Inputs ten times as large make 0.1 a long move."""
    params, x, y = trained
    params, x = params._replace(w=params.w / 10), 10 * x
    value = derivatives(params, x, y)[0]
    unit, mu, direction, _ = best_split(params, x, y, "square")
    whole = along(split_neuron(params, unit, mu), *first_move(params, unit, mu, direction), LENGTH)
    assert derivatives(whole, x, y)[0] > value
    grown = grow(params, x, y, method="splitting", evaluations=HALVINGS + 3)
    assert grown.values[0] == value and grown.values.max() <= value


def first_move(params, unit, mu, direction):
    wide = split_neuron(params, unit, mu)
    move = np.zeros(wide.to_vector().size)
    move[positions(wide)[0][unit:unit + 2]] = np.outer(np.array([-mu[1], mu[0]]) / np.linalg.norm(mu), direction)
    return move, 0 * move


def test_a_radial_network_grows_too():
    x, y = uniform_samples(20, 0)
    params = init_params(x, 3, 1)
    for method in METHODS:
        grown = grow(params, x, y, method=method, evaluations=20, seed=0)
        assert grown.params.b.shape == (4, 1) and grown.values[-1] < derivatives(params, x, y)[0]


def test_value_and_gradient_are_those_of_derivatives(trained):
    params, x, y = trained
    value, gradient = value_and_gradient(params, x, y)
    assert value == pytest.approx(derivatives(params, x, y)[0], rel=1e-14)
    assert np.allclose(gradient, derivatives(params, x, y)[1], atol=1e-14)


@pytest.mark.parametrize("bad, message", [
    (dict(method="luck"), "method = 'luck'"), (dict(evaluations=1), "evaluations = 1"),
    (dict(seed=-1), "seed = -1"), (dict(loss="x"), "loss = 'x'"), (dict(params=3), "params = 3")])
def test_bad_input(bad, message, trained):
    params, x, y = trained
    with pytest.raises(InputError, match=message):
        grow(**{"params": params, "x": x, "y": y, **bad})


def test_relu_is_refused(trained):
    params, x, y = trained
    with pytest.raises(InputError, match="relu"):
        grow(params._replace(activation="relu"), x, y, method="new unit")
