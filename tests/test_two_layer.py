"""Activations and the two-layer network (E9): every derivative by the complex step, laws, edge cases."""

import numpy as np
import pytest

import minimlp
from minimlp import gaussian, relative_error
from minimlp.activations import ACTIVATIONS
from minimlp.two_layer import TwoLayer, backward, forward, unit_derivatives

H = 1e-30
EXTREME = np.array([1e3, -1e3, 750.0, -750.0, 40.0, -40.0, 0.5, 0.0, -0.0])
Z = np.concatenate([np.random.default_rng(0).uniform(-6, 6, 60), EXTREME])
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
every_bias = pytest.mark.parametrize("biases", [(False, False), (False, True), (True, False), (True, True)],
                                     ids=["no bias", "c", "b", "b and c"])


def network(name, biases=(True, True), units=3, dimensions=2, seed=1):
    random = np.random.default_rng(seed)
    return TwoLayer(w=random.normal(size=(units, dimensions)),
                    b=random.normal(size=units) if biases[0] else None,
                    v=random.normal(size=units), c=np.array(0.3) if biases[1] else None,
                    activation=name)


def data(samples=9, dimensions=2):
    random = np.random.default_rng(2)
    return random.normal(size=(samples, dimensions)), random.normal(size=samples)


@every_activation
def test_derivatives_agree_with_the_complex_step(name):
    phi = ACTIVATIONS[name]
    with np.errstate(all="raise", under="ignore"):
        value, slope, curvature = phi(Z)
        step = phi(Z + 1j * H)
    for exact, derivative in ((step[0].imag / H, slope), (step[1].imag / H, curvature)):
        told = np.abs(derivative) > 1e-250              # below, h times it underflows
        assert np.isfinite(derivative).all()
        np.testing.assert_allclose(derivative[told], exact[told], rtol=1e-12)
        assert np.abs(exact[~told]).max(initial=0) < 1e-240
    assert np.isfinite(value).all() and value.shape == slope.shape == curvature.shape == Z.shape


def test_activations_by_hand():
    by_hand = {"gaussian": (np.exp(-0.5), -np.exp(-0.5), 0), "tanh": (np.tanh(1), np.cosh(1) ** -2,
                                                                   -2 * np.tanh(1) * np.cosh(1) ** -2),
               "sigmoid": (1 / (1 + np.exp(-1)),), "softplus": (np.log(1 + np.e), 1 / (1 + np.exp(-1))),
               "relu": (1, 1, 0)}
    for name, expected in by_hand.items():
        for ours, theirs in zip(ACTIVATIONS[name](np.array([1.0])), expected):
            assert ours[0] == pytest.approx(theirs, rel=1e-14, abs=1e-16), name


@every_activation
def test_tails_keep_their_digits(name):
    value, slope, curvature = (a[0] for a in ACTIVATIONS[name](np.array([-40.0])))
    small = np.exp(-40.0)
    expected = {"gaussian": (np.exp(-800), 40 * np.exp(-800), 1599 * np.exp(-800)),
                "tanh": (-1, 4 * small ** 2, 8 * small ** 2), "sigmoid": (small,) * 3,
                "softplus": (small,) * 3, "relu": (0, 0, 0)}[name]
    np.testing.assert_allclose((value, slope, curvature), expected, rtol=1e-12)


@every_activation
@every_bias
@pytest.mark.parametrize("shape", [(9, 3, 2), (7, 1, 1), (1, 4, 3), (5, 2, 4)], ids=str)
def test_gradient_agrees_with_the_complex_step(name, biases, shape):
    samples, units, dimensions = shape
    params, (x, y) = network(name, biases, units, dimensions), data(samples, dimensions)
    theta = params.to_vector()

    def loss(theta):
        return (forward(TwoLayer.from_vector(theta, params), x)[0] ** 3 * y).sum()

    output, responses = forward(params, x)
    gradient = backward(params, x, responses, 3 * output ** 2 * y)
    steps = np.array([loss(theta + 1j * H * unit).imag / H for unit in np.eye(len(theta))])
    assert relative_error(gradient, steps) <= 1e-12


@every_activation
@every_bias
def test_unit_derivatives_agree_with_the_complex_step(name, biases):
    params, (x, _) = network(name, biases), data()
    hidden, slope, curvature = unit_derivatives(params, x)
    u = params.incoming()
    for k in range(u.shape[1]):
        moved = u + 1j * H * np.eye(u.shape[1])[k]
        there = params._replace(w=moved[:, :2], b=moved[:, 2] if biases[0] else None)
        step = unit_derivatives(there, x)
        assert relative_error(slope[..., k], step[0].imag / H) <= 1e-12
        assert relative_error(curvature[..., k], step[1].imag / H + 0 * curvature[..., k]) <= 1e-12 \
            or not curvature.any()
    assert np.array_equal(hidden, forward(params, x)[1][0])


@every_bias
def test_vector_and_back(biases):
    params = network("tanh", biases)
    theta = params.to_vector()
    again = TwoLayer.from_vector(theta, like=params)
    assert len(theta) == 3 * 2 + 3 * biases[0] + 3 + biases[1]
    assert [a is None for a in again] == [a is None for a in params]
    assert np.array_equal(again.to_vector(), theta) and again.activation == "tanh"
    assert np.array_equal(again.w, params.w) and np.array_equal(again.v, params.v)


def test_output_by_hand():
    params = TwoLayer(np.array([[1.0, 2.0]]), np.array([-1.0]), np.array([3.0]), np.array(0.5), "relu")
    output, (hidden, slope, _) = forward(params, np.array([[2.0, 1.0], [0.0, 0.0]]))
    assert output.tolist() == [3 * 3 + 0.5, 0.5]
    assert hidden.tolist() == [[3], [0]] and slope.tolist() == [[1], [0]]


def test_in_one_dimension_the_gaussian_case_is_the_gaussian_mlp():
    x, y = minimlp.uniform_samples(12, seed=0)
    one = minimlp.init_params(x, 5, 1)._replace(c=np.array(0.2))
    two = TwoLayer(one.w[:, None], one.b[:, 0], one.v, one.c, "gaussian")
    output, hidden = gaussian.forward(one, x)
    ours, responses = forward(two, x)
    assert relative_error(ours, output) <= 1e-15 and relative_error(responses[0], hidden) <= 1e-15
    theirs = gaussian.backward(one, x, hidden, y)
    gradient = TwoLayer.from_vector(backward(two, x, responses, y), like=two)
    for a, b in zip((gradient.w[:, 0], gradient.b, gradient.v, gradient.c),
                    (theirs.w, theirs.b[:, 0], theirs.v, theirs.c)):
        assert relative_error(a, b) <= 1e-14


@every_activation
def test_the_order_of_units_and_samples_does_not_matter(name):
    params, (x, _) = network(name), data()
    output, _ = forward(params, x)
    turned = params._replace(w=params.w[::-1], b=params.b[::-1], v=params.v[::-1])
    assert relative_error(forward(turned, x)[0], output) <= 1e-15
    assert relative_error(forward(params, x[::-1])[0][::-1], output) <= 1e-15
