"""Coverage, separation and overlap: values, gradients and the laws they obey."""

import numpy as np
import pytest

import naive
from cases import (CASES, TEMPERATURES, assert_gradient, assert_zero_gradient, bound, farthest,
                   make, wide)
from minimlp import coverage, overlap, prototypes, relative_error, separation, softmin

GENERIC = [case for case in CASES if case.name in ("line", "plane", "space", "seven dimensions")]
EPS32 = np.finfo(np.float32).eps
# No step is right for central differences there: the gradient is 1e-6 of the value, or turns
# within 1e-6 of a tie.  The complex step, which has no step to choose, still checks them.
BLUNT = {("coverage", "equal prototypes", 1e-6), ("separation", "equal pairs", 1e-3)}
every_case = pytest.mark.parametrize("case", CASES, ids=str)
generic = pytest.mark.parametrize("case", GENERIC, ids=str)
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def points(case, dtype=np.float64):
    params, x, _ = make(case, dtype=dtype)
    return prototypes(params), x


def offsets_of(case):
    return np.random.default_rng(5).normal(0, 1, case.units)


def responses(case):
    return np.random.default_rng(6).uniform(0, 1, (case.samples, case.units))


def dyadic(*arrays):
    """Rounded to multiples of 1/1024, so that a translation by 1000 is exact."""
    return [np.round(a * 1024) / 1024 for a in arrays]


@every_case
@every_temperature
@pytest.mark.parametrize("with_offsets", [False, True])
def test_softmin_equals_the_loops(case, temperature, with_offsets):
    p, x = points(case)
    offsets = offsets_of(case) if with_offsets else None
    values, gradient, nearest, distance = softmin(p, x, temperature, offsets)
    expected = naive.softmin(p, x, temperature, offsets)
    limit = bound(1e-12, farthest(x, p), temperature)
    assert relative_error(values, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit
    at_nearest = np.sqrt(np.sum((x - p[nearest]) ** 2, axis=1))
    assert relative_error(distance, at_nearest) <= 1e-12


@every_case
def test_nearest_attains_the_minimum(case):
    p, x = points(case)
    _, _, nearest, _ = softmin(p, x, 0.02)
    for i in range(case.samples):
        squares = [naive.squared_distance(x[i], q) for q in p]
        assert squares[nearest[i]] - min(squares) <= 4 * np.spacing(min(squares))


@generic
def test_nearest_counts_the_offsets(case):
    p, x = points(case)
    offsets = offsets_of(case)
    nearest = softmin(p, x, 0.02, offsets)[2]
    assert nearest.tolist() == naive.softmin(p, x, 0.02, offsets)[2]
    assert nearest.tolist() != softmin(p, x, 0.02)[2].tolist()


def test_nearest_of_equals_is_the_first():
    x, p = np.array([[0.5], [2.0]]), np.array([[-1.0], [1.0], [1.0], [1.0]])
    assert softmin(p, x, 0.02)[2].tolist() == [1, 1]


@every_case
@every_temperature
def test_coverage_equals_the_loops(case, temperature):
    p, x = points(case)
    value, gradient = coverage(p, x, temperature)
    expected = naive.coverage(p, x, temperature)
    limit = bound(1e-12, farthest(x, p), temperature)
    assert relative_error(value, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit


@every_case
@every_temperature
def test_separation_equals_the_loops(case, temperature):
    p, _ = points(case)
    value, gradient = separation(p, temperature)
    expected = naive.separation(p, temperature)
    limit = bound(1e-12, farthest(p, p), temperature)
    assert relative_error(value, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit


@every_case
def test_overlap_equals_the_loops(case):
    hidden = responses(case)
    value, gradient = overlap(hidden)
    expected = naive.overlap(hidden)
    assert relative_error(value, expected[0]) <= 1e-12
    assert relative_error(gradient, expected[1]) <= 1e-12


@every_case
@every_temperature
def test_gradient_of_coverage(case, temperature):
    p, x = points(case)
    assert_gradient(lambda p: coverage(p, x, temperature), p,
                    bound(0, farthest(x, p), temperature),
                    central=("coverage", case.name, temperature) not in BLUNT)


@every_case
@every_temperature
def test_gradient_of_softmin_with_offsets(case, temperature):
    p, x = points(case)
    offsets = offsets_of(case)

    def function(p):
        values, gradient, _, _ = softmin(p, x, temperature, offsets)
        return values.mean(), gradient

    assert_gradient(function, p, bound(0, farthest(x, p), temperature))


@every_case
@every_temperature
def test_gradient_of_separation(case, temperature):
    p, _ = points(case)
    function = lambda p: separation(p, temperature)
    if np.any(naive.separation(p, temperature)[1]):
        assert_gradient(function, p, bound(0, farthest(p, p), temperature),
                        central=("separation", case.name, temperature) not in BLUNT)
    else:
        assert_zero_gradient(function, p)


@every_case
def test_gradient_of_overlap(case):
    if case.units > 1:
        assert_gradient(overlap, responses(case))
    else:
        assert_zero_gradient(overlap, responses(case))


@every_case
@pytest.mark.parametrize("temperature", [0.02, 1.0, 100.0])
def test_float32_stays_float32_and_agrees_with_float64(case, temperature):
    p, x = points(case, np.float32)
    p64, x64 = wide(p, x)
    near, apart = farthest(x, p), farthest(p, p)
    values, gradient, _, distance = softmin(p, x, temperature)
    results = {
        "softmin": (values, softmin(p64, x64, temperature)[0], near),
        "softmin gradient": (gradient, softmin(p64, x64, temperature)[1], near),
        "distance": (distance, softmin(p64, x64, temperature)[3], 0),
        "coverage": (coverage(p, x, temperature)[0], coverage(p64, x64, temperature)[0], near),
        "separation": (separation(p, temperature)[0], separation(p64, temperature)[0], apart),
        "separation gradient": (separation(p, temperature)[1], separation(p64, temperature)[1],
                                apart)}
    for name, (narrow, expected, square) in results.items():
        assert narrow.dtype == np.float32, name
        assert relative_error(narrow, expected) <= bound(1e-5, square, temperature, EPS32), name


@every_case
def test_overlap_in_float32_stays_float32_and_agrees_with_float64(case):
    hidden = responses(case).astype(np.float32)
    value, gradient = overlap(hidden)
    expected = overlap(*wide(hidden))
    assert value.dtype == gradient.dtype == np.float32
    assert relative_error(value, expected[0]) <= 1e-5
    assert relative_error(gradient, expected[1]) <= 1e-5


@every_case
@every_temperature
def test_softmin_lies_between_the_least_cost_and_tau_log_m_below(case, temperature):
    p, x = points(case)
    values = softmin(p, x, temperature)[0]
    least = np.array([min(naive.squared_distance(a, q) for q in p) for a in x])
    slack = 4 * np.spacing(np.maximum(least, temperature * np.log(case.units)))
    assert (values <= least + slack).all()
    assert (values >= least - temperature * np.log(case.units) - slack).all()


@every_temperature
def test_softmin_reaches_its_lower_bound_for_equal_prototypes(temperature):
    x, p = np.array([[0.5], [-0.25]]), np.full((3, 1), 1.0)
    expected = (x[:, 0] - 1) ** 2 - temperature * np.log(3)
    assert relative_error(softmin(p, x, temperature)[0], expected) <= 1e-12


@every_case
@every_temperature
def test_coverage_is_homogeneous_of_degree_two(case, temperature):
    p, x = points(case)
    scaled, through = coverage(3 * p, 3 * x, 9 * temperature)
    value, gradient = coverage(p, x, temperature)
    limit = bound(1e-12, farthest(x, p), temperature)
    if case.shift:              # 3 p rounds there, before the distances are taken
        limit += 4 * np.spacing(3 * case.shift) * np.sqrt(9 * farthest(x, p)) / abs(9 * value)
        limit += 4 * np.spacing(3 * case.shift) * np.sqrt(9 * farthest(x, p)) / temperature
    assert relative_error(scaled, 9 * value) <= limit
    assert relative_error(through, 3 * gradient) <= limit


@generic
def test_duplicated_data_leave_every_loss(case):
    p, x = points(case)
    hidden = responses(case)
    value, gradient = coverage(p, np.repeat(x, 3, axis=0), 0.02)
    assert relative_error(value, coverage(p, x, 0.02)[0]) <= 1e-12
    assert relative_error(gradient, coverage(p, x, 0.02)[1]) <= 1e-12
    assert relative_error(overlap(np.repeat(hidden, 3, axis=0))[0], overlap(hidden)[0]) <= 1e-12


@every_case
@every_temperature
def test_duplicated_prototypes_lower_coverage_by_tau_log_2(case, temperature):
    p, x = points(case)
    single, double = coverage(p, x, temperature)[0], coverage(np.tile(p, (2, 1)), x, temperature)[0]
    scale = max(abs(single), temperature)
    assert abs(single - double - temperature * np.log(2)) <= 1e-12 * scale


@every_temperature
@pytest.mark.parametrize("units", [2, 5])
def test_separation_is_one_for_coincident_prototypes(units, temperature):
    value, gradient = separation(np.full((units, 3), 0.7), temperature)
    assert value == pytest.approx(1, rel=1e-12)
    assert not gradient.any()


@every_temperature
@pytest.mark.parametrize("dimensions", [1, 3])
def test_separation_is_one_over_e_at_distance_root_tau(dimensions, temperature):
    p = np.zeros((2, dimensions))
    p[1] = np.sqrt(temperature / dimensions)
    assert separation(p, temperature)[0] == pytest.approx(np.exp(-1), rel=1e-12)


@pytest.mark.parametrize("units", [2, 5])
def test_overlap_is_one_where_every_unit_answers_one(units):
    value, gradient = overlap(np.ones((3, units)))
    assert value == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(gradient, 2 / (units * 3), rtol=1e-12)


def test_overlap_of_very_narrow_units_does_not_cancel():
    hidden = np.array([[1e-20, 1.0, 3e-20], [1e-15, 1e-18, 1.0]])
    value, gradient = overlap(hidden)
    assert value == pytest.approx((4e-20 + 1e-15 + 1e-18) / 6, rel=1e-12)
    np.testing.assert_allclose(gradient, np.array([[1, 4e-20, 1], [1, 1, 1.001e-15]]) / 6,
                               rtol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_a_single_unit_has_no_separation_and_no_overlap(dimensions):
    value, gradient = separation(np.full((1, dimensions), 0.3), 0.02)
    assert value == 0 and gradient.shape == (1, dimensions) and not gradient.any()
    value, gradient = overlap(np.full((4, 1), 0.9))
    assert value == 0 and gradient.shape == (4, 1) and not gradient.any()


@generic
@pytest.mark.parametrize("temperature", [0.02, 1.0])
def test_order_of_units_and_samples_does_not_matter(case, temperature):
    p, x = points(case)
    hidden = responses(case)
    random = np.random.default_rng(1)
    units, samples = random.permutation(case.units), random.permutation(case.samples)
    pairs = [(coverage(p, x, temperature), coverage(p[units], x[samples], temperature), units),
             (separation(p, temperature), separation(p[units], temperature), units),
             (overlap(hidden), overlap(hidden[:, units]), (slice(None), units)),
             (overlap(hidden), overlap(hidden[samples]), samples)]
    for (value, gradient), (permuted, moved), order in pairs:
        assert relative_error(permuted, value) <= 1e-12
        assert relative_error(moved, gradient[order]) <= 1e-12


@generic
@every_temperature
def test_translation_changes_no_bit(case, temperature):
    p, x = dyadic(*points(case))
    for here, there in ((coverage(p, x, temperature), coverage(p + 1000, x + 1000, temperature)),
                        (separation(p, temperature), separation(p + 1000, temperature))):
        assert here[0] == there[0]
        assert (here[1] == there[1]).all()


@generic
def test_coverage_tends_to_the_mean_nearest_distance_and_to_a_pull_to_the_mean(case):
    p, x = points(case)
    squares = ((x[:, None] - p) ** 2).sum(axis=2)
    assert coverage(p, x, 1e-6)[0] == pytest.approx(squares.min(axis=1).mean(), abs=1e-6)
    pull = 2 * (p - x.mean(axis=0)) / case.units
    assert relative_error(coverage(p, x, 1e9)[1], pull) <= 1e-7
