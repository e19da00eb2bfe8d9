"""Balanced coverage (E16): against loops, exact assignments and another library; its gradient, laws and twins."""

import inspect

import numpy as np
import pytest
from numba import config
from scipy.optimize import linear_sum_assignment

import minimlp
import naive
from cases import CASES, bound, farthest, make, wide
from minimlp import (InputError, balanced, check_gradient, coverage, prototypes, relative_error,
                     sinkhorn, transport)
from minimlp.kernels import gpu_twins
from minimlp.kernels import transport as cpu_twin
from minimlp.kernels.simd import TILE
from test_kernels import ON_DEVICE, SIMULATED

EPS32 = np.finfo(np.float32).eps
GENERIC = [case for case in CASES if case.name in ("line", "plane", "space", "seven dimensions")]
SMALL = bool(config.DISABLE_JIT) or SIMULATED
TWINS = [pytest.param(cpu_twin, id="cpu")]
if ON_DEVICE:
    TWINS.append(pytest.param(gpu_twins, id="gpu", marks=pytest.mark.gpu))
if SMALL:                   # compiled code overflows without a word
    cpu_twin.SERIAL = 0     # so that few samples come in several parts too
    pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
every_case = pytest.mark.parametrize("case", CASES, ids=str)
generic = pytest.mark.parametrize("case", GENERIC, ids=str)
every_twin = pytest.mark.parametrize("twin", TWINS)


def points(case, dtype=np.float64):
    params, x, _ = make(case, dtype=dtype)
    return prototypes(params), x


def offsets_of(units, dtype=np.float64, scale=0.1):
    return np.random.default_rng(5).normal(0, scale, units).astype(dtype)


def cloud(count, dimensions, seed=0):
    return np.random.default_rng([seed, count, dimensions]).uniform(-1, 1, (count, dimensions))


def squares(p, x):
    return ((x[:, None] - p) ** 2).sum(axis=2)


def cooled(p, x, last):
    """Balanced coverage at a low temperature, by way of higher ones."""
    offsets = None
    for temperature in np.geomspace(1, last, 60):
        value, gradient, offsets, error = sinkhorn(p, x, temperature, offsets, 200, 0.0)
    assert error < 1e-9
    return value, gradient


@every_case
@pytest.mark.parametrize("temperature", [1e-3, 0.02, 1.0, 100.0])
@pytest.mark.parametrize("with_offsets", [False, True])
@pytest.mark.parametrize("iterations", [1, 4])
def test_sinkhorn_equals_the_loops(case, temperature, with_offsets, iterations):
    p, x = points(case)
    offsets = offsets_of(case.units) if with_offsets else None
    value, gradient, following, error = sinkhorn(p, x, temperature, offsets, iterations, 0.0)
    expected = naive.sinkhorn(p, x, temperature, offsets, iterations)
    limit = bound(1e-12, farthest(x, p), temperature)
    scale = max(farthest(x, p), temperature)
    assert abs(value - expected[0]) <= 1e-12 * scale
    assert relative_error(gradient, expected[1]) <= limit
    assert np.abs(following - expected[2]).max() <= 1e-12 * scale
    assert abs(error - expected[3]) <= limit


def test_it_stops_at_the_tolerance():
    p, x = cloud(7, 2), cloud(9, 2, seed=1)
    errors = [sinkhorn(p, x, 0.1, None, iterations, 0.0)[3] for iterations in range(1, 40)]
    assert sinkhorn(p, x, 0.1, None, 1000, 1e-3)[3] == next(error for error in errors if error <= 1e-3)


# The gradient, at convergence.

def converged(x, temperature):
    return lambda p: balanced(p, x, temperature, None, 1000, 1e-13)[:2]


@generic
@pytest.mark.parametrize("temperature", [0.5, 2.0, 100.0])
def test_the_envelope_gradient_is_that_of_all_iterations_once_they_have_converged(case, temperature):
    p, x = points(case)
    report = check_gradient(converged(x, temperature), p)
    assert not report.zero
    assert report.errors["complex"] <= 1e-12, str(report)
    assert report.errors["central"] <= 1e-7, str(report)


@pytest.mark.parametrize("units, dimensions", [(1, 2), (3, 1), (9, 3)])
def test_the_gradient_at_other_numbers_of_prototypes_than_samples(units, dimensions):
    p, x = cloud(units, dimensions), cloud(5, dimensions, seed=1)
    report = check_gradient(converged(x, 0.5), p)
    assert report.errors["complex"] <= 1e-12 and report.errors["central"] <= 1e-7, str(report)


def test_before_convergence_the_gradient_is_off_in_proportion_to_the_marginal_error():
    p, x = cloud(7, 2), cloud(7, 2, seed=1)
    errors, off = [], []
    for iterations in (4, 8, 16, 32):
        errors.append(sinkhorn(p, x, 0.2, None, iterations, 0.0)[3])
        report = check_gradient(lambda p: sinkhorn(p, x, 0.2, None, iterations, 0.0)[:2], p)
        off.append(report.errors["complex"])
    assert off[0] > 0.01 and off[-1] < 1e-4 and errors[0] > 1000 * errors[-1]
    ratios = np.divide(off, errors)
    assert ratios.max() < 2 * ratios.min()


def test_from_converged_offsets_one_iteration_gives_the_complex_step():
    p, x = cloud(6, 2), cloud(8, 2, seed=1)
    value, gradient, offsets = balanced(p, x, 0.1)
    moved = p.astype(complex)
    moved[2, 1] += 1e-30j
    step, _, _, error = sinkhorn(moved, x, 0.1, offsets, 1)
    assert error < 1e-10
    assert abs(step.imag / 1e-30 - gradient[2, 1]) <= 1e-10 * np.abs(gradient).max()
    assert abs(step.real - value) <= 1e-12 * value


# Exact answers.

def test_at_a_low_temperature_it_sorts():
    p, x = cloud(9, 1, seed=2), cloud(9, 1, seed=3)
    value, gradient = cooled(p, x, 2e-4)
    partner = np.empty_like(x)
    partner[p[:, 0].argsort()] = np.sort(x, axis=0)
    assert value - 2e-4 * np.log(9) == pytest.approx(np.mean((p - partner) ** 2), rel=1e-9)
    assert relative_error(gradient, 2 / 9 * (p - partner)) <= 1e-9


@pytest.mark.parametrize("samples, units, dimensions", [(8, 8, 2), (8, 8, 5), (4, 8, 3), (9, 3, 2)])
def test_at_a_low_temperature_it_is_the_best_assignment(samples, units, dimensions):
    p, x = cloud(units, dimensions, seed=4), cloud(samples, dimensions, seed=5)
    value, gradient = cooled(p, x, 2e-4)
    copies = max(samples, units)
    i, j = np.repeat(np.arange(samples), copies // samples), np.repeat(np.arange(units), copies // units)
    rows, columns = linear_sum_assignment(squares(p, x)[i][:, j])
    i, j = i[rows], j[columns]
    pi = np.zeros((samples, units))
    np.add.at(pi, (i, j), 1 / copies)
    entropy = np.sum(pi[pi > 0] * np.log(samples * units * pi[pi > 0]))
    exact = np.einsum("ij,ij->", pi, squares(p, x))
    assert value == pytest.approx(exact + 2e-4 * entropy, rel=1e-9)
    expected = 2 * (pi.sum(axis=0)[:, None] * p - np.einsum("ij,ik->jk", pi, x))
    assert relative_error(gradient, expected) <= 1e-7


@generic
def test_at_a_high_temperature_it_is_the_mean_over_all_pairs(case):
    p, x = points(case)
    value, gradient, _ = balanced(p, x, 1e6)
    assert value == pytest.approx(squares(p, x).mean(), rel=1e-5)
    assert relative_error(gradient, 2 / case.units * (p - x.mean(axis=0))) <= 1e-5


@pytest.mark.parametrize("samples, units", [(7, 7), (5, 9)])
def test_it_is_the_other_library_s_plan(samples, units):
    ot = pytest.importorskip("ot")
    p, x, temperature = cloud(units, 3), cloud(samples, 3, seed=1), 0.1
    value, gradient, _ = balanced(p, x, temperature, iterations=10_000, tolerance=1e-13)
    pi = ot.sinkhorn(np.full(samples, 1 / samples), np.full(units, 1 / units), squares(p, x), temperature,
                     method="sinkhorn_log", numItermax=10_000, stopThr=1e-14)
    primal = np.sum(pi * squares(p, x)) + temperature * np.sum(pi * np.log(samples * units * pi))
    assert value == pytest.approx(primal, rel=1e-10)
    expected = 2 * (p / units - np.einsum("ij,ik->jk", pi, x))
    assert relative_error(gradient, expected) <= 1e-10


@generic
def test_the_dual_value_is_the_primal_one(case):
    p, x = points(case)
    value, _, g = balanced(p, x, 0.3, tolerance=1e-13)
    f = minimlp.softmin(p, x, 0.3, g)[0] + 0.3 * np.log(case.units)
    log_ratio = (f[:, None] + g - squares(p, x)) / 0.3          # of pi to 1 / (N M)
    pi = np.exp(log_ratio) / log_ratio.size
    assert value == pytest.approx(np.sum(pi * squares(p, x)) + 0.3 * np.sum(pi * log_ratio), rel=1e-12)
    np.testing.assert_allclose(pi.sum(axis=0), 1 / case.units, rtol=1e-12)
    np.testing.assert_allclose(pi.sum(axis=1), 1 / case.samples, rtol=1e-12)


# Laws.

@generic
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_is_homogeneous_of_degree_two(case, temperature):
    p, x = points(case)
    value, gradient, offsets, error = sinkhorn(p, x, temperature, None, 20, 0.0)
    scaled, through, moved, same = sinkhorn(3 * p, 3 * x, 9 * temperature, None, 20, 0.0)
    assert relative_error(scaled, 9 * value) <= 1e-12
    assert relative_error(through, 3 * gradient) <= 1e-11
    assert relative_error(moved, 9 * offsets) <= 1e-11
    assert abs(same - error) <= 1e-12


@generic
def test_translation_changes_no_bit(case):
    p, x = (np.round(a * 1024) / 1024 for a in points(case))
    here, there = (sinkhorn(p + shift, x + shift, 0.1, None, 20, 0.0) for shift in (0, 1000))
    for a, b in zip(here, there):
        assert np.all(a == b)


@generic
def test_order_of_units_and_samples_does_not_matter(case):
    p, x = points(case)
    random = np.random.default_rng(1)
    units, samples = random.permutation(case.units), random.permutation(case.samples)
    value, gradient, offsets, _ = sinkhorn(p, x, 0.1, None, 20, 0.0)
    permuted, moved, shifted, _ = sinkhorn(p[units], x[samples], 0.1, None, 20, 0.0)
    assert relative_error(permuted, value) <= 1e-12
    assert relative_error(moved, gradient[units]) <= 1e-11
    assert relative_error(shifted, offsets[units]) <= 1e-11


@generic
def test_duplicates_leave_the_value(case):
    """Prototypes too, unlike in coverage: two in one place receive half each."""
    p, x = points(case)
    value, gradient, _ = balanced(p, x, 0.3, tolerance=1e-13)
    data = balanced(p, np.repeat(x, 3, axis=0), 0.3, tolerance=1e-13)
    units = balanced(np.tile(p, (2, 1)), x, 0.3, tolerance=1e-13)
    assert relative_error(data[0], value) <= 1e-12 and relative_error(units[0], value) <= 1e-12
    assert relative_error(data[1], gradient) <= 1e-11
    assert relative_error(units[1], np.tile(gradient / 2, (2, 1))) <= 1e-11


@generic
def test_samples_and_prototypes_can_change_places(case):
    p, x = points(case)
    assert relative_error(balanced(p, x, 0.3)[0], balanced(x, p, 0.3)[0]) <= 1e-10


@generic
def test_the_pulls_add_up_to_one_between_the_means(case):
    p, x = points(case)
    gradient = balanced(p, x, 0.3)[1]
    assert relative_error(gradient.sum(axis=0), 2 * (p.mean(axis=0) - x.mean(axis=0))) <= 1e-9


@generic
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_lies_above_coverage_and_rises_to_there_with_the_iterations(case, temperature):
    p, x = points(case)
    values = [sinkhorn(p, x, temperature, None, iterations, 0.0)[0] for iterations in range(1, 12)]
    assert values[0] == pytest.approx(coverage(p, x, temperature)[0] + temperature * np.log(case.units))
    assert np.all(np.diff(values) >= -4 * np.spacing(values[-1])) and values[-1] > values[0]


def test_stranded_prototypes_are_pulled_as_hard_as_any():
    x = cloud(6, 2)
    p = np.vstack([x[:3], x[3:] + 10])
    gradient = balanced(p, x, 1.0, iterations=5000, tolerance=1e-6)[1]
    np.testing.assert_allclose(gradient[3:], 2 / 6 * 10, rtol=0.1)
    assert np.abs(coverage(p, x, 1.0)[1][3:]).max() < 1e-60


def test_one_prototype_or_one_sample_is_balanced_at_once():
    for p, x in ((cloud(1, 2), cloud(5, 2)), (cloud(5, 2), cloud(1, 2, seed=1))):
        value, gradient, _, error = sinkhorn(p, x, 0.1, None, 2)
        assert error <= 1e-12
        assert value == pytest.approx(squares(p, x).mean(), rel=1e-12)
        assert relative_error(gradient, 2 / len(p) * (p - x.mean(axis=0))) <= 1e-12


# Offsets, iterations, types, input.

def test_the_offsets_of_a_result_start_the_next_call_where_it_ended():
    p, x = cloud(7, 2), cloud(9, 2, seed=1)
    one = sinkhorn(p, x, 0.1, None, 5, 0.0)
    split = sinkhorn(p, x, 0.1, sinkhorn(p, x, 0.1, None, 2, 0.0)[2], 3, 0.0)
    for a, b in zip(one, split):
        assert np.all(a == b)
    assert sinkhorn(p, x, 0.1, balanced(p, x, 0.1)[2], 1)[3] <= 1e-10


@generic
def test_float32_stays_float32_and_agrees_with_float64(case):
    p, x = points(case, np.float32)
    result = sinkhorn(p, x, 0.5, None, 30, 0.0)
    expected = sinkhorn(*wide(p, x), 0.5, None, 30, 0.0)
    assert {a.dtype for a in result[:3]} == {np.dtype(np.float32)}
    limit = bound(1e-5, farthest(x, p), 0.5, EPS32)
    assert relative_error(result[0], expected[0]) <= limit
    assert relative_error(result[1], expected[1]) <= limit
    assert np.abs(result[2] - expected[2]).max() <= 1e-5 * farthest(x, p)
    assert balanced(p, x, 0.5)[1].dtype == np.float32


def test_marginals_that_are_not_met_are_an_error_that_says_how_far_off_they_are():
    p, x = cloud(20, 1), cloud(20, 1, seed=1)
    error = sinkhorn(p, x, 1e-6, None, 50)[3]
    assert error > 1e-3
    with pytest.raises(InputError, match=f"temperature = 1e-06: after 50 iterations the marginal error "
                                         f"is {error:.2g}, more than the tolerance 1e-10"):
        balanced(p, x, 1e-6, iterations=50)
    with pytest.raises(InputError, match="more than the tolerance 0.0001"):
        balanced(p.astype(np.float32), x.astype(np.float32), 1e-6, iterations=50)


def test_one_dimensional_points_may_be_flat():
    p, x = cloud(4, 1), cloud(5, 1, seed=1)
    value, gradient, offsets = balanced(p[:, 0], x[:, 0], 0.3)
    assert gradient.shape == offsets.shape == (4,)
    assert value == balanced(p, x, 0.3)[0]


P, X = cloud(3, 2), cloud(4, 2)


@pytest.mark.parametrize("function", [balanced, sinkhorn])
@pytest.mark.parametrize("arguments, message", [
    ({"temperature": 0}, "temperature = 0"), ({"temperature": -0.1}, "temperature = -0.1"),
    ({"temperature": np.nan}, "temperature = nan"), ({"temperature": "1"}, "temperature = '1'"),
    ({"x": X[:, :1]}, r"prototypes has shape \(3, 2\)"), ({"x": X[:0]}, r"x has shape \(0, 2\)"),
    ({"x": X * np.nan}, r"x\[0, 0\] = nan"), ({"prototypes": P * np.inf}, r"prototypes\[0, 0\] = -?inf"),
    ({"offsets": np.zeros(4)}, r"offsets has shape \(4,\)"),
    ({"offsets": [0, 0, np.nan]}, r"offsets\[2\] = nan"),
    ({"iterations": 0}, "iterations = 0"), ({"iterations": 2.5}, "iterations = 2.5"),
    ({"tolerance": -1}, "tolerance = -1"), ({"tolerance": np.nan}, "tolerance = nan"),
    ({"backend": "tpu"}, "backend = 'tpu'")])
def test_bad_input_is_named(function, arguments, message):
    with pytest.raises(InputError, match=message):
        function(**{"prototypes": P, "x": X, "temperature": 1.0, **arguments})


# The twins.

TWIN_SHAPES = [(1, 1, 1), (9, 17, 2)] if SIMULATED else [(1, 1, 1), (9, 17, 2), (3, TILE + 1, 1)] if SMALL else [
    (1, 1, 1), (7, 1, 2), (1, 9, 3), (5, 3, 1), (9, 17, 2), (600, 65, 1), (65, 1030, 3), (513, 512, 8)]


@every_twin
@pytest.mark.parametrize("shape", TWIN_SHAPES, ids=str)
@pytest.mark.parametrize("temperature", [0.02, 1.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
@pytest.mark.parametrize("with_offsets", [False, True], ids=["", "offsets"])
def test_sinkhorn_equals_the_reference(twin, shape, temperature, dtype, with_offsets):
    samples, units, dimensions = shape
    p, x = cloud(units, dimensions).astype(dtype), cloud(samples, dimensions, seed=1).astype(dtype)
    offsets = offsets_of(units, dtype) if with_offsets else None
    value, gradient, following, error = twin.sinkhorn(p, x, temperature, offsets, 3, 0.0)
    offsets64 = None if offsets is None else offsets.astype(float)
    expected = transport.sinkhorn(*wide(p, x), temperature, offsets64, 3, 0.0)
    base, eps = (1e-12, np.finfo(float).eps) if dtype == np.float64 else (1e-5, EPS32)
    limit = bound(base, farthest(x, p), temperature, eps)
    assert np.asarray(value).dtype == gradient.dtype == following.dtype == dtype
    assert abs(value - expected[0]) <= base * farthest(x, p)
    assert relative_error(gradient, expected[1]) <= limit
    assert np.abs(following - expected[2]).max() <= base * farthest(x, p)
    assert abs(error - expected[3]) <= limit


@every_twin
def test_a_twin_stops_and_refuses_as_the_reference_does(twin):
    p, x = cloud(3, 2), cloud(5, 2, seed=1)
    result, expected = twin.balanced(p, x, 10.0, None, 30), transport.balanced(p, x, 10.0, None, 30)
    for a, b in zip(result, expected):
        assert relative_error(a, b) <= 1e-12
    assert twin.sinkhorn(p, x, 1.0, None, 30, 1e-2)[3] == pytest.approx(
        transport.sinkhorn(p, x, 1.0, None, 30, 1e-2)[3], rel=1e-9)
    with pytest.raises(InputError, match="temperature = 1e-05: after 3 iterations"):
        twin.balanced(p, x, 1e-5, None, 3)


@every_twin
@pytest.mark.parametrize("name", ["sinkhorn", "balanced"])
def test_a_twin_has_the_parameters_of_the_reference(twin, name):
    function, reference = getattr(twin, name), getattr(transport, name)
    assert inspect.signature(function) == inspect.signature(reference)
    assert function.__doc__.startswith(f"See transport.{name}.")


@pytest.mark.skipif(SMALL, reason="nothing runs in parallel")
def test_the_same_bits_whatever_the_number_of_threads():
    import numba
    p, x = cloud(300, 2), cloud(400, 2, seed=1)
    before, results = numba.get_num_threads(), []
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(threads)
        results.append(cpu_twin.sinkhorn(p, x, 0.1, None, 3, 0.0))
    numba.set_num_threads(before)
    for result in results[1:]:
        assert all(np.all(a == b) for a, b in zip(result, results[0]))


@every_twin
@pytest.mark.parametrize("dtype, temperature", [(np.float64, 1e-30), (np.float64, 1e-21), (np.float32, 1e-12)])
def test_a_temperature_lost_in_rounding_does_not_pass_for_converged(twin, dtype, temperature):
    """f and g then stop moving at once, wherever they are."""
    p, x = cloud(9, 2).astype(dtype), cloud(9, 2, seed=1).astype(dtype)
    for function in (transport.sinkhorn, twin.sinkhorn):
        assert function(p, x, temperature, None, 3, 0.0)[3] > 1
    with pytest.raises(InputError, match="marginal error"):
        twin.balanced(p, x, temperature, None, 5 if SIMULATED else 50)


@every_twin
def test_a_marginal_error_is_at_most_two(twin):
    p, x = 1e10 * cloud(5, 1), cloud(5, 1, seed=1)
    errors = [function(p, x, 1e-3, None, 2, 0.0)[3] for function in (transport.sinkhorn, twin.sinkhorn)]
    assert all(0 <= error <= 2 for error in errors)
    assert transport.marginal_error(np.nan, np.ones(2), np.ones(2), 1.0) == 2
