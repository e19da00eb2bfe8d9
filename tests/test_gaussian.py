"""The network: responses, prototypes, the backward pass and the parameters' round trips."""

import numpy as np
import pytest

import naive
from cases import CASES, assert_gradient, assert_zero_gradient, make, wide
from minimlp import InputError, Params, backward, forward, init_params, prototypes, relative_error
from minimlp.gaussian import prototypes_backward

GENERIC = [case for case in CASES if case.name in ("line", "plane", "space", "seven dimensions")]
# w x + b cancels to 1000 eps there, in float32 too much for 1e-5.
CENTRED = [case for case in CASES if not case.shift]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
generic = pytest.mark.parametrize("case", GENERIC, ids=str)
centred = pytest.mark.parametrize("case", CENTRED, ids=str)


def functional(x, d_output, d_hidden):
    """A linear function of output and hidden, whose gradient is `backward` alone."""
    def function(params):
        output, hidden = forward(params, x)
        value = (d_output * output).sum() + (d_hidden * hidden).sum()
        return value, backward(params, x, hidden, d_output, d_hidden)
    return function


def sensitivities(case):
    random = np.random.default_rng(7)
    return random.normal(size=case.samples), random.normal(size=(case.samples, case.units))


@every_case
def test_forward_equals_the_loops(case):
    params, x, _ = make(case)
    output, hidden = forward(params, x)
    expected_output, expected_hidden = naive.forward(params, x)
    assert hidden.shape == (case.samples, case.units)
    assert relative_error(hidden, expected_hidden) <= 1e-12
    assert relative_error(output, expected_output) <= 1e-12


@every_case
def test_prototypes_equal_the_loops(case):
    params, _, _ = make(case)
    assert relative_error(prototypes(params), naive.prototypes(params)) <= 1e-12


@generic
def test_a_unit_answers_one_at_its_prototype_and_exp_minus_half_one_deviation_away(case):
    params, _, _ = make(case)
    away = np.zeros(case.dimensions)
    away[-1] = 1.0
    p = prototypes(params)
    at = forward(params, p)[1].diagonal()
    beside = forward(params, p + away / params.w[:, None])[1].diagonal()
    np.testing.assert_allclose(at, 1.0, rtol=1e-12)
    np.testing.assert_allclose(beside, np.exp(-0.5), rtol=1e-12)


@centred
def test_float32_stays_float32_and_agrees_with_float64(case):
    params, x, _ = make(case, dtype=np.float32)
    d_output, d_hidden = (a.astype(np.float32) for a in sensitivities(case))
    output, hidden = forward(params, x)
    gradient = backward(params, x, hidden, d_output, d_hidden)
    params64, x64, d_output64, d_hidden64 = wide(params, x, d_output, d_hidden)
    output64, hidden64 = forward(params64, x64)
    gradient64 = backward(params64, x64, hidden64, d_output64, d_hidden64)

    assert {a.dtype for a in (output, hidden, prototypes(params), *gradient)} == {np.dtype("f4")}
    assert relative_error(output, output64) <= 1e-5
    assert relative_error(hidden, hidden64) <= 1e-5
    assert relative_error(prototypes(params), prototypes(params64)) <= 1e-5
    assert relative_error(gradient.to_vector(), gradient64.to_vector()) <= 1e-5


@every_case
def test_backward_is_the_gradient_of_output_and_hidden(case):
    params, x, _ = make(case)
    assert_gradient(functional(x, *sensitivities(case)), params)


@generic
@pytest.mark.parametrize("field", Params._fields)
def test_each_field_of_backward_alone_is_its_gradient(case, field):
    params, x, _ = make(case)
    function = functional(x, *sensitivities(case))

    def restricted(theta):
        value, gradient = function(params._replace(**{field: theta}))
        return value, getattr(gradient, field)

    assert_gradient(restricted, getattr(params, field))


@generic
def test_d_hidden_left_out_is_zero(case):
    params, x, _ = make(case)
    d_output, _ = sensitivities(case)
    hidden = forward(params, x)[1]
    without = backward(params, x, hidden, d_output)
    zero = backward(params, x, hidden, d_output, np.zeros_like(hidden))
    assert without.to_vector().tobytes() == zero.to_vector().tobytes()


def test_stranded_units_have_no_gradient():
    case = next(case for case in CASES if case.name == "all stranded")
    params, x, _ = make(case)
    d_output, d_hidden = sensitivities(case)
    function = functional(x, d_output, d_hidden)
    for field in ("w", "b", "v"):
        assert_zero_gradient(lambda theta: (
            function(params._replace(**{field: theta}))[0],
            getattr(function(params._replace(**{field: theta}))[1], field)),
            getattr(params, field))


@every_case
def test_prototypes_backward_is_the_gradient_through_the_prototypes(case):
    params, _, _ = make(case)
    g = np.random.default_rng(8).normal(size=(case.units, case.dimensions))

    def function(params):
        p = prototypes(params)
        return (g * p).sum(), prototypes_backward(params, p, g)

    gradient = function(params)[1]
    assert not gradient.v.any() and not gradient.c.any()
    assert_gradient(function, params)


@generic
def test_a_loss_of_the_prototypes_conserves_its_invariant(case):
    params, _, _ = make(case)
    p = prototypes(params)
    g = np.random.default_rng(9).normal(size=p.shape)
    gradient = prototypes_backward(params, p, g)
    drift = params.w * gradient.w + np.einsum("jk,jk->j", params.b, gradient.b)
    assert np.abs(drift).max() <= 1e-12 * np.abs(params.w * gradient.w).max()


@generic
@pytest.mark.parametrize("kind", [float, complex])
def test_to_vector_and_from_vector_are_inverse(case, kind):
    params = Params(*(a.astype(kind) for a in make(case)[0]))
    if kind is complex:
        params = Params(*(a + 1j * np.cos(a.real) for a in params))
    back = Params.from_vector(params.to_vector(), like=params)
    for a, b in zip(params, back):
        assert a.shape == b.shape and a.dtype == b.dtype and (a == b).all()


def test_the_vector_holds_w_then_b_then_v_then_c():
    params = Params(w=np.array([1.0, 2.0]), b=np.array([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]),
                    v=np.array([9.0, 10.0]), c=np.array(11.0))
    assert params.to_vector().tolist() == list(range(1, 12))


@generic
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load_are_inverse(case, dtype, tmp_path):
    params, _, _ = make(case, dtype=dtype)
    params.save(tmp_path / "params.npz")
    for a, b in zip(params, Params.load(tmp_path / "params.npz")):
        assert a.shape == b.shape and a.dtype == b.dtype and (a == b).all()


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 nor this"])
def test_what_is_no_file_of_params_is_refused_by_name(content, tmp_path):
    (tmp_path / "params.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"params\.npz: holds no Params$"):
        Params.load(tmp_path / "params.npz")


def test_init_params_keeps_its_ranges():
    params = init_params(np.zeros((2, 3)), 500, seed=0)
    p = prototypes(params)
    assert 2 <= np.abs(params.w).min() < 2.1 and 5.9 < np.abs(params.w).max() <= 6
    assert 0.4 < np.mean(params.w > 0) < 0.6
    assert -1 <= p.min() < -0.98 and 0.98 < p.max() <= 1
    assert 0.9 < params.v.std() * np.sqrt(500) < 1.1
    assert params.c == 0 and params.c.shape == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_params_follows_the_type_and_dimension_of_x(dtype):
    params = init_params(np.zeros((4, 3), dtype), 5, seed=0)
    assert [a.shape for a in params] == [(5,), (5, 3), (5,), ()]
    assert {a.dtype for a in params} == {np.dtype(dtype)}


def test_init_params_draws_sizes_signs_prototypes_and_output_weights_in_this_order():
    params = init_params(np.zeros((4, 2)), 5, seed=[3, 4, 1])
    random = np.random.default_rng([3, 4, 1])
    w = random.uniform(2, 6, 5)
    w = w * random.choice([-1.0, 1.0], 5)
    b = -w[:, None] * random.uniform(-1, 1, (5, 2))
    v = random.normal(0, 1 / np.sqrt(5), 5)
    assert (params.w == w).all() and (params.b == b).all() and (params.v == v).all()


def test_init_params_repeats_for_a_seed_and_changes_with_it():
    x = np.zeros((4, 2))
    first, again, other = (init_params(x, 5, seed).to_vector() for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert (first[:-1] != other[:-1]).all()


@pytest.mark.parametrize("p", [[0.5, -1.0], [[0.5, 2.0], [-1.0, 0.0]]])
def test_units_made_at_prototypes_have_them(p):
    params = Params.at(p, [2, -3])
    np.testing.assert_allclose(prototypes(params), np.reshape(p, (2, -1)), rtol=1e-15)
    np.testing.assert_array_equal(forward(params, np.zeros((1, params.b.shape[1])))[0], 0)
