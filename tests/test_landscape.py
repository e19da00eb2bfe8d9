"""Gradient and Hessian of either network by the complex step; stationary points of every kind."""

import numpy as np
import pytest

from minimlp import InputError, Params, TwoLayer, find_stationary_point, gaussian, init_params, relative_error
from minimlp.activations import ACTIVATIONS
from minimlp.landscape import derivatives, positions, stationary_point, unit_derivatives, with_vector
from minimlp.two_layer import backward, forward

H = 1e-30
SHAPES = [(9, 3, 2), (7, 1, 1), (1, 4, 3), (5, 2, 4)]
BIASES = [(False, False), (False, True), (True, False), (True, True)]


def ridge(name, units, dimensions, biases=(True, True), seed=1):
    random = np.random.default_rng(seed)
    return TwoLayer(random.normal(size=(units, dimensions)), random.normal(size=units) if biases[0] else None,
                    random.normal(size=units), np.array(0.3) if biases[1] else None, name)


def data(samples, dimensions, loss="square"):
    random = np.random.default_rng(2)
    x, y = random.normal(size=(samples, dimensions)), random.normal(size=samples)
    return x, np.sign(y) if loss == "logistic" else y


def networks(units, dimensions):
    yield from (ridge(name, units, dimensions, biases) for name in ACTIVATIONS for biases in BIASES)
    x = np.zeros((1, dimensions))
    yield init_params(x, units, 3)._replace(c=np.array(0.2))


@pytest.mark.parametrize("loss", ["square", "logistic"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_and_hessian_agree_with_the_complex_step(shape, loss):
    samples, units, dimensions = shape
    x, y = data(samples, dimensions, loss)
    for params in networks(units, dimensions):
        theta = params.to_vector()
        value, gradient, hessian = derivatives(params, x, y, loss)
        steps = [derivatives(with_vector(params, theta + 1j * H * unit), x, y, loss) for unit in np.eye(len(theta))]
        assert relative_error(gradient, np.array([step[0].imag / H for step in steps])) <= 1e-12
        assert relative_error(hessian, np.array([step[1].imag / H for step in steps])) <= 1e-12
        assert relative_error(hessian, hessian.T) <= 1e-14 and np.ndim(value) == 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_is_that_of_the_networks_own_backward_pass(shape):
    samples, units, dimensions = shape
    x, y = data(samples, dimensions)
    for params in networks(units, dimensions):
        if isinstance(params, Params):
            output, hidden = gaussian.forward(params, x)
            theirs = gaussian.backward(params, x, hidden, 2 / samples * (output - y)).to_vector()
        else:
            output, responses = forward(params, x)
            theirs = backward(params, x, responses, 2 / samples * (output - y))
        assert relative_error(derivatives(params, x, y)[1], theirs) <= 1e-13


def test_unit_derivatives_of_the_radial_unit_agree_with_the_complex_step():
    x, params = data(6, 3)[0], init_params(np.zeros((1, 3)), 4, 5)
    hidden, slope, curvature = unit_derivatives(params, x)
    assert relative_error(hidden, gaussian.forward(params, x)[1]) <= 1e-15
    for k, unit in enumerate(np.eye(4)):
        there = params._replace(w=params.w + 1j * H * unit[0], b=params.b + 1j * H * unit[1:])
        step = unit_derivatives(there, x)
        assert relative_error(slope[..., k], step[0].imag / H) <= 1e-12
        assert relative_error(curvature[..., k], step[1].imag / H) <= 1e-12


def test_inner_second_derivatives_by_the_formula_of_the_notation():
    """E11: D^2 h = h [[(z.x)^2 - |x|^2, (z.x) z^T - x^T], [., z z^T - I]]."""
    x, params = data(5, 2)[0], init_params(np.zeros((1, 2)), 3, 5)
    _, _, curvature = unit_derivatives(params, x)
    for i in range(5):
        for j in range(3):
            z = params.w[j] * x[i] + params.b[j]
            h, row = np.exp(-z @ z / 2), (z @ x[i]) * z - x[i]
            expected = h * np.block([[np.array([[(z @ x[i]) ** 2 - x[i] @ x[i]]]), row[None]],
                                     [row[:, None], np.outer(z, z) - np.eye(2)]])
            assert relative_error(curvature[i, j], expected) <= 1e-13


def test_positions_find_their_entries():
    for params in networks(3, 2):
        theta = params.to_vector()
        u, v = positions(params)
        assert np.array_equal(theta[v], params.v) and (params.c is None or theta[-1] == params.c)
        columns = [params.w.reshape(3, -1)] + ([] if params.b is None else [params.b.reshape(3, -1)])
        assert np.array_equal(theta[u], np.column_stack(columns))
        assert len({*u.ravel(), *v}) == u.size + v.size


def noisy(params, samples=40, seed=5):
    random = np.random.default_rng(seed)
    x = 1.5 * random.normal(size=(samples, 2))
    return x, forward(params, x)[0] + 0.2 * random.normal(size=samples)


@pytest.mark.parametrize("name", ["gaussian", "tanh", "sigmoid", "softplus"])
def test_a_minimum_is_found_to_the_tolerance_and_nothing_near_is_lower(name):
    start = ridge(name, 2, 2, (False, False))._replace(v=np.array([1.5, -1.0]))
    x, y = noisy(start)
    point = find_stationary_point(start, x, y)
    assert point.kind == "minimum" and point.gradient_norm <= 1e-10 and point.margin > 1e-7
    assert point.eigenvalues[0] > 0 and point.value < derivatives(start, x, y)[0]
    theta, random = point.params.to_vector(), np.random.default_rng(1)
    for _ in range(50):
        near = with_vector(start, theta + 1e-3 * random.normal(size=theta.size))
        assert derivatives(near, x, y)[0] > point.value


def test_saddles_are_found_and_said_to_be():
    start, random, kinds = ridge("gaussian", 2, 2, (True, True), seed=0), np.random.default_rng(0), []
    x, y = noisy(start)
    for _ in range(20):
        there = with_vector(start, start.to_vector() + 0.7 * random.normal(size=9))
        point = find_stationary_point(there, x, y, saddle=True)
        kinds.append(point.kind)
        if point.kind == "saddle":
            assert point.gradient_norm <= 1e-10 and point.eigenvalues[0] < 0 < point.eigenvalues[-1]
    assert kinds.count("saddle") >= 3


def test_kinds_of_points_by_hand():
    """One linear-looking unit: f = v tanh(0 x) is 0 everywhere, so w is free where v = 0."""
    x, y = np.array([[1.0], [-1.0]]), np.array([0.0, 0.0])
    params = TwoLayer(np.array([[0.0]]), None, np.array([0.0]), None, "tanh")
    assert stationary_point(params, x, y).kind == "degenerate"
    params = TwoLayer(np.array([[0.0]]), None, np.array([0.0]), None, "tanh")
    x, y = np.array([[1.0], [-1.0]]), np.array([1.0, -1.0])        # L = 1 - 2 v w + ...
    point = stationary_point(params, x, y)
    assert point.kind == "saddle" and np.allclose(point.eigenvalues, [-2, 2])
    moved = params._replace(v=np.array([0.5]))
    assert stationary_point(moved, x, y).kind == "not stationary"


def test_a_search_that_leaves_for_infinity_says_so():
    """Separable data under the logistic loss have no minimum."""
    x, y = np.array([[1.0], [2.0], [-1.0]]), np.array([1.0, 1.0, -1.0])
    start = TwoLayer(np.array([[1.0]]), None, np.array([1.0]), None, "tanh")
    point = find_stationary_point(start, x, y, "logistic", steps=30)
    assert point.kind in ("not stationary", "degenerate")


@pytest.mark.parametrize("bad, message", [
    (lambda p, x, y: (3, x, y), "params = 3"), (lambda p, x, y: (p, x * np.nan, y), r"x\[0, 0\] = nan"),
    (lambda p, x, y: (p, x, y[:, None]), "y has shape"), (lambda p, x, y: (p, x[:, :1], y), "params.w has shape"),
    (lambda p, x, y: (p._replace(v=p.v[:1]), x, y), "params.v has shape"),
    (lambda p, x, y: (p._replace(activation="elu"), x, y), "params.activation = 'elu'"),
    (lambda p, x, y: (p, x, y, "cubic"), "loss = 'cubic'"),
    (lambda p, x, y: (p, x, y, "logistic"), "logistic loss takes -1 and 1"),
    (lambda p, x, y: (p._replace(w=p.w + 1j), x, y), "params.w has type complex"),
    (lambda p, x, y: (p, x, y, "square", False, 0), "steps = 0")])
def test_bad_input(bad, message):
    params = ridge("tanh", 2, 2)
    with pytest.raises(InputError, match=message):
        find_stationary_point(*bad(params, *data(5, 2)))
