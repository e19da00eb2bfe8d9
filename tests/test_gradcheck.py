"""The gradient checker: what it passes, what it catches and whom it names."""

import numpy as np
import pytest

from cases import CASES, make
from minimlp import InputError, Params, check_gradient, objective, relative_error

CASE = next(case for case in CASES if case.name == "space")
WEIGHTS = {"coverage": 0.1, "separation": 0.7, "overlap": 0.3}
TEMPERATURES = {"coverage": 0.5, "separation": 0.3}
PARAMS, X, Y = make(CASE)
GRID = np.random.default_rng(3).uniform(-1, 1, (4, 3))
every_loss = pytest.mark.parametrize("loss", ["fit", *WEIGHTS])


def right(params):
    return objective(params, X, Y, WEIGHTS, TEMPERATURES)


def combine(a, factor, b):
    return Params(*(one + factor * other for one, other in zip(a, b)))


def own_gradient(params, loss):
    """The gradient of one loss, without its coefficient."""
    fit = objective(params, X, Y, {}, {})[1]
    if loss == "fit":
        return fit
    return combine(objective(params, X, Y, {loss: 1.0}, TEMPERATURES)[1], -1.0, fit)


def too_much(loss, factor):
    """The objective with `factor` times the gradient of one loss too much."""
    def function(params):
        value, gradient, terms = right(params)
        return value, combine(gradient, factor, own_gradient(params, loss)), terms
    return function


def wrong_at(position, factor):
    """The objective with one coordinate of its gradient times `factor`."""
    def function(params):
        value, gradient, terms = right(params)
        vector = gradient.to_vector()
        vector[position] *= factor
        return value, Params.from_vector(vector, like=params), terms
    return function


def smooth(theta):
    """sum exp(sin(2 theta)): every derivative is of order 1."""
    value = np.exp(np.sin(2 * theta))
    return value.sum(), 2 * np.cos(2 * theta) * value


def cubic(theta):
    return (theta ** 3).sum(), 3 * theta ** 2


@pytest.mark.parametrize("function, theta", [(right, PARAMS), (smooth, GRID), (cubic, GRID),
                                             (cubic, GRID[0]), (cubic, np.array(0.7))])
def test_a_right_gradient_passes_by_both_methods(function, theta):
    report = check_gradient(function, theta)
    assert set(report.errors) == {"central", "complex"}
    assert report.errors["complex"] <= 1e-12 and report.errors["central"] <= 1e-7
    assert report.error == report.errors["complex"]
    assert report.term is None and not report.zero and report.notes == []


@pytest.mark.parametrize("field", Params._fields)
def test_a_coordinate_wrong_by_a_twentieth_of_a_percent_is_caught_and_named(field):
    gradient = right(PARAMS)[1]
    k = np.abs(np.ravel(getattr(gradient, field))).argmax()
    index = np.unravel_index(k, np.shape(getattr(gradient, field)))
    before = PARAMS._fields.index(field)
    position = sum(a.size for a in PARAMS[:before]) + k
    report = check_gradient(wrong_at(position, 1.0005), PARAMS)
    size = abs(gradient.to_vector()[position])
    expected = 5e-4 * size / np.abs(gradient.to_vector()).max()
    assert expected > 1e-7
    assert report.worst == (f"{field}[{', '.join(map(str, index))}]" if index else field)
    assert report.analytic == pytest.approx(1.0005 * report.numeric, rel=1e-9)
    assert report.errors["complex"] == pytest.approx(expected, rel=1e-6)
    assert report.errors["central"] == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("position, name", [(0, "w[0]"), (4, "w[4]"), (5, "b[0, 0]"),
                                            (14, "b[3, 0]"), (19, "b[4, 2]"), (20, "v[0]"),
                                            (25, "c")])
def test_the_worst_coordinate_is_named_by_field_and_index(position, name):
    assert check_gradient(wrong_at(position, -3.0), PARAMS).worst == name


def test_the_worst_coordinate_of_an_array_is_named_by_its_index():
    def function(theta):
        value, gradient = smooth(theta)
        gradient[2, 1] += 0.5
        return value, gradient

    assert check_gradient(function, GRID).worst == "theta[2, 1]"
    assert check_gradient(lambda theta: (theta ** 2, 3 * theta), np.array(1.0)).worst == "theta"


@pytest.mark.parametrize("theta, function", [(PARAMS, right), (GRID, smooth)])
def test_a_gradient_wrong_by_a_twentieth_of_a_percent_overall_is_caught(theta, function):
    def scaled(theta):
        value, gradient, *terms = function(theta)
        if isinstance(gradient, Params):
            return value, Params(*(1.0005 * a for a in gradient)), *terms
        return value, 1.0005 * gradient, *terms

    report = check_gradient(scaled, theta)
    assert report.errors["complex"] == pytest.approx(5e-4, rel=1e-6)
    assert report.errors["central"] == pytest.approx(5e-4, rel=1e-2)


@every_loss
@pytest.mark.parametrize("times", [-1, -2], ids=["dropped", "sign flipped"])
def test_a_wrong_term_is_caught_and_named_with_its_factor(loss, times):
    factor = times * WEIGHTS.get(loss, 1.0)
    report = check_gradient(too_much(loss, factor), PARAMS)
    assert report.error > 1e-6
    assert report.term == loss
    assert report.explained > 0.99
    assert report.factor == pytest.approx(factor, rel=1e-4)
    assert f"wrong term: {loss}" in str(report)


@every_loss
@pytest.mark.parametrize("field", ["w", "b"])
def test_a_term_that_is_missing_from_one_field_only_is_named_too(loss, field):
    def function(params):
        value, gradient, terms = right(params)
        lacking = combine(gradient, -WEIGHTS.get(loss, 1.0), own_gradient(params, loss))
        return value, gradient._replace(**{field: getattr(lacking, field)}), terms

    report = check_gradient(function, PARAMS)
    assert report.term == loss and report.explained > 0.99
    assert report.factor == pytest.approx(-WEIGHTS.get(loss, 1.0), rel=1e-4)


def test_an_error_that_is_like_no_term_blames_none():
    noise = Params.from_vector(np.random.default_rng(1).normal(size=26), like=PARAMS)

    def function(params):
        value, gradient, terms = right(params)
        return value, combine(gradient, 0.1, noise), terms

    report = check_gradient(function, PARAMS)
    assert report.error > 1e-2
    assert report.term is None and 0 < report.explained < 0.5


def test_two_terms_with_the_same_gradient_are_not_told_apart():
    def function(theta):
        value, gradient = smooth(theta)
        return 3 * value, gradient, {"once": value, "twice": 2 * value}

    report = check_gradient(function, GRID)
    assert report.error > 1e-2 and report.term is None


def test_two_wrong_terms_blame_no_single_one():
    def function(params):
        value, gradient, terms = too_much("fit", -1.0)(params)
        size = [np.linalg.norm(own_gradient(params, name).to_vector())
                for name in ("fit", "overlap")]
        return value, combine(gradient, size[0] / size[1], own_gradient(params, "overlap")), terms

    report = check_gradient(function, PARAMS)
    assert report.error > 1e-2
    assert report.explained < 0.99


def test_a_function_without_terms_blames_none():
    report = check_gradient(lambda params: too_much("fit", -1.0)(params)[:2], PARAMS)
    assert report.error > 1e-2 and report.term is None


def absolute(theta):
    return np.abs(theta).sum(), np.sign(theta)


def converting(theta):
    value = sum(float(t) ** 2 for t in theta.ravel())
    return value, 2 * theta


def partly_absolute(theta):
    return (theta * np.abs(theta)).sum(), 2 * np.abs(theta)


@pytest.mark.parametrize("function, reason", [(absolute, "real value"),
                                              (converting, "refuses complex input"),
                                              (partly_absolute, "disagrees")])
def test_a_function_that_is_not_complex_safe_falls_back_to_central_differences(function, reason):
    theta = np.array([0.5, -0.75, 1.25])
    report = check_gradient(function, theta)
    assert set(report.errors) == {"central"}
    assert report.error == report.errors["central"] <= 1e-7
    assert len(report.notes) == 1 and "no complex step" in report.notes[0]
    assert reason in report.notes[0] and report.notes[0] in str(report)


def test_the_fallback_still_catches_a_wrong_gradient():
    report = check_gradient(lambda theta: (absolute(theta)[0], 1.0005 * np.sign(theta)),
                            np.array([0.5, -0.75]))
    assert report.error == pytest.approx(5e-4, rel=1e-2)


def steep(theta):
    return np.sin(20 * theta).sum(), 20 * np.cos(20 * theta)


def test_a_right_gradient_of_a_steep_function_passes():
    report = check_gradient(steep, np.array([0.3, -0.2]))
    assert report.errors["complex"] <= 1e-12 and report.errors["central"] <= 1e-7


def test_a_wrong_gradient_that_a_coarse_step_happens_to_confirm_is_caught():
    # The central difference of sin(20 t) with step 0.1 is the derivative times sin(2) / 2.
    def wrong(theta):
        value, gradient = steep(theta)
        return value, gradient * np.sin(2) / 2

    report = check_gradient(wrong, np.array([0.3, -0.2]))
    error = 1 - np.sin(2) / 2
    assert report.error == pytest.approx(error, rel=1e-6)
    assert report.errors["central"] == pytest.approx(error, rel=1e-2)
    assert report.errors["complex"] == pytest.approx(error, rel=1e-6)


def test_a_coarse_step_is_not_trusted_without_a_complex_step_either():
    def wrong(theta):
        value, gradient = steep(theta.real)
        return value, gradient * np.sin(2) / 2

    report = check_gradient(wrong, np.array([0.3, -0.2]))
    assert set(report.errors) == {"central"}
    assert report.error == pytest.approx(1 - np.sin(2) / 2, rel=1e-6)


@pytest.mark.parametrize("factor", [1.0, 5.0])
def test_a_small_slope_on_a_large_value_is_not_taken_for_zero(factor):
    def nearly_flat(theta):
        size = np.abs(theta)
        return 1 + 1e-8 * (size ** 1.5).sum(), factor * 1.5e-8 * np.sign(theta) * size ** 0.5

    report = check_gradient(nearly_flat, np.array([0.3, -0.2]))
    assert not report.zero and report.error == pytest.approx(factor - 1, abs=1e-3)


def test_the_step_is_taken_as_floating_point_rounded_it():
    report = check_gradient(lambda theta: (theta.sum(), np.ones(1)), np.array([0.3]))
    assert len(report.step_errors) == 10 and report.step_errors.max() == 0


def test_a_nan_in_the_gradient_is_an_infinite_error_at_its_place():
    def function(theta):
        value, gradient = smooth(theta)
        gradient[1, 2] = np.nan
        return value, gradient

    report = check_gradient(function, GRID)
    assert report.error == report.errors["central"] == np.inf
    assert report.worst == "theta[1, 2]" and np.isnan(report.analytic)


@pytest.mark.parametrize("shape", [(12,), (3, 4), (4, 1), (4, 3, 1), ()])
def test_a_gradient_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match="gradient has shape"):
        check_gradient(lambda theta: (theta.sum(), np.ones(shape)), GRID)


def test_a_field_of_another_shape_is_refused():
    def function(params):
        value, gradient, terms = right(params)
        return value, gradient._replace(b=gradient.b.T), terms

    with pytest.raises(InputError, match="gradient has shape"):
        check_gradient(function, PARAMS)


@pytest.mark.parametrize("theta", [np.zeros(0), np.ones(2, complex), np.ones(2, np.float16),
                                   np.array([1.0, np.nan]), [[1.0], [1.0, 2.0]],
                                   np.ma.array([1.0, 2.0], mask=[0, 1])])
def test_a_theta_that_cannot_be_probed_is_refused(theta):
    with pytest.raises(InputError, match="theta"):
        check_gradient(cubic, theta)


def test_a_large_theta_is_sampled_and_tried_along_directions():
    theta = np.random.default_rng(4).uniform(-1, 1, 450)
    report = check_gradient(cubic, theta)
    assert set(report.errors) == {"central", "complex", "directions"}
    assert report.errors["complex"] <= 1e-12
    assert report.errors["central"] <= 1e-7 and report.errors["directions"] <= 1e-7
    assert report.notes == ["400 of 450 coordinates, sampled"]


def test_a_theta_of_400_coordinates_is_checked_in_full():
    report = check_gradient(cubic, np.linspace(-1, 1, 400))
    assert set(report.errors) == {"central", "complex"} and report.notes == []


def test_directions_catch_what_the_sampled_coordinates_miss():
    theta = np.random.default_rng(4).uniform(0.5, 1, 450)
    touched = set()

    def recording(at):
        moved = np.flatnonzero(at != theta)
        if len(moved) == 1:
            touched.add(int(moved[0]))
        return cubic(at)

    check_gradient(recording, theta, seed=5)
    missed = sorted(set(range(450)) - touched)
    assert len(missed) == 50

    def wrong(at):
        value, gradient = cubic(at)
        gradient[missed[0]] *= -1
        return value, gradient

    report = check_gradient(wrong, theta, seed=5)
    assert report.errors["complex"] <= 1e-12
    assert report.errors["directions"] > 1e-3
    assert check_gradient(wrong, theta, seed=6).errors["directions"] > 1e-3


@pytest.mark.parametrize("function", [smooth, cubic])
def test_float32_agrees_to_float32(function):
    report = check_gradient(function, GRID.astype(np.float32))
    assert report.errors["complex"] <= 1e-5
    assert report.errors["central"] <= 1e-5


def test_a_zero_gradient_is_reported_as_zero():
    report = check_gradient(lambda theta: (0.0 * theta.sum(), np.zeros_like(theta)), GRID)
    assert report.zero and set(report.errors.values()) == {0.0}
    assert "zero" in str(report)


def test_a_gradient_that_should_be_zero_is_caught_by_its_size():
    def function(theta):
        gradient = np.zeros_like(theta)
        gradient[3, 0] = -0.25
        return 0.0 * theta.sum(), gradient

    report = check_gradient(function, GRID)
    assert report.zero and report.error == 0.25
    assert report.worst == "theta[3, 0]"


def test_a_zero_gradient_given_for_a_slope_is_a_relative_error_of_one():
    report = check_gradient(lambda theta: (smooth(theta)[0], np.zeros_like(theta)), GRID)
    assert not report.zero and report.error == pytest.approx(1)


def test_central_differences_improve_quadratically_and_then_round_off():
    report = check_gradient(smooth, GRID)
    best = report.step_errors.argmin()
    assert 0 < best < len(report.steps) - 1
    assert report.step_errors[best] == report.errors["central"]
    slopes = np.diff(np.log10(report.step_errors)) / np.diff(np.log10(report.steps))
    assert np.abs(slopes[1:3] - 2).max() < 0.1
    assert report.step_errors[-1] > 100 * report.step_errors[best]


def test_the_steps_are_the_ones_asked_for_relative_to_the_size_of_theta():
    seen = []

    def function(theta):
        seen.append(float(theta[0]))
        return cubic(theta)

    report = check_gradient(function, np.array([50.0]), steps=[1e-3, 1e-4])
    assert report.steps.tolist() == [1e-3, 1e-4] and len(report.step_errors) == 2
    assert {round(abs(value - 50), 9) for value in seen} == {0.0, 0.05, 0.005}


@pytest.mark.parametrize("a, b, expected", [
    ([1.0, 2.0], [1.0, 2.0], 0.0), ([1.0, 2.5], [1.0, 2.0], 0.25), ([2.0], [-4.0], 1.5),
    ([0.0], [0.0], 0.0), ([1e-300], [0.0], 1.0), ([np.nan], [1.0], np.inf),
    ([1.0], [np.inf], np.inf)])
def test_relative_error_is_the_largest_difference_over_the_largest_reference(a, b, expected):
    assert relative_error(np.array(a), np.array(b)) == expected


def test_relative_error_has_its_own_floor_for_float32():
    error = relative_error(np.array([1e-30], np.float32), np.zeros(1))
    assert error == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("returned, message", [
    (None, "returned None"), (1.0, "returned 1.0"), ((1.0,), "returned"),
    (("one", np.ones(3)), "value = 'one'"), ((np.ones(2), np.ones(3)), "value"),
    ((1.0, np.array(["a"] * 3)), "the gradient has type"), ((1.0, 1j * np.ones(3)), "complex128"),
    ((1.0, np.ones(3), [1.0]), "terms"), ((1.0, np.ones(3), {"a": "b"}), "a = 'b'"),
    ((1.0, np.ones(3), {"a": [[1], [2, 3]]}), "a: "),
    ((1.0, [[1.0], [1.0, 2.0]]), "the gradient"),
])
def test_a_function_that_returns_something_else_is_refused(returned, message):
    with pytest.raises(InputError, match=message):
        check_gradient(lambda theta: returned, np.ones(3))


def test_a_step_that_is_lost_in_round_off_is_an_infinite_error():
    report = check_gradient(lambda theta: ((theta ** 2).sum(), 2 * theta), np.ones(3), [1e-4, 1e-200])
    assert report.error < 1e-12 and report.step_errors[0] < 1e-7 and report.step_errors[1] == np.inf


def test_a_function_cannot_change_the_callers_theta():
    def function(theta):
        theta -= 0.5
        return (theta ** 2).sum(), 2 * theta

    theta = np.ones(3)
    assert check_gradient(function, theta).error < 1e-12
    np.testing.assert_array_equal(theta, 1.0)


def test_any_refusal_of_complex_input_is_noted():
    def function(theta):
        if np.iscomplexobj(theta):
            raise RuntimeError("real numbers only")
        return (theta ** 2).sum(), 2 * theta

    report = check_gradient(function, np.ones(3))
    assert "complex" not in report.errors and "real numbers only" in report.notes[-1]


@pytest.mark.parametrize("a, b, error", [
    (np.array([0], np.int8), np.array([-128], np.int8), 1.0),
    (np.array([1], np.uint8), np.array([2], np.uint8), 0.5), (True, False, 1 / 1e-300)])
def test_relative_error_of_integers_does_not_wrap(a, b, error):
    assert relative_error(a, b) == error


@pytest.mark.parametrize("a, b", [(np.ones(3), np.ones((3, 1))), ([], []), ([1.0], [None])])
def test_relative_error_refuses_other_shapes_and_what_is_no_number(a, b):
    with pytest.raises(InputError, match="a has"):
        relative_error(a, b)


def test_an_error_at_a_coordinate_that_was_not_sampled_shows():
    theta = np.random.default_rng(4).uniform(0.5, 1, 1000)
    sampled = np.random.default_rng(0).choice(1000, 400, replace=False)
    missed = np.setdiff1d(np.arange(1000), sampled)[0]

    def flipped(t):
        gradient = 2 * t
        gradient[missed] *= -1
        return (t * t).sum(), gradient

    def of_one(t):
        gradient = 0 * t
        gradient[missed] = 2 * t[missed]
        return t[missed] ** 2, gradient

    assert check_gradient(flipped, theta).error > 1e-3
    report = check_gradient(of_one, theta)
    assert not report.zero and report.error < 1e-12


def test_one_dimensional_params_may_have_a_flat_b():
    params = Params(np.array([2.0, -3.0]), np.array([1.0, 0.5]), np.array([1.0, 2.0]), 0.0)
    report = check_gradient(lambda p: objective(p, np.linspace(-1, 1, 6), np.ones(6), {}, {}), params)
    assert report.error < 1e-12
