"""The fit (E3, E14) and the objective (E7): values, gradients for every mask, and what a coefficient means."""

from itertools import combinations, permutations

import numpy as np
import pytest

import naive
from cases import CASES, assert_gradient, bound, farthest, make, wide
from minimlp import coverage, forward, objective, overlap, prototypes, relative_error, separation
from minimlp.loss import LOSSES, PAIRED, fit

MASKS = [mask for size in range(4) for mask in combinations(PAIRED, size)]
WEIGHTS = {"coverage": 0.1, "separation": 0.7, "overlap": 0.3, "far": 0.2}
ALL = {name: WEIGHTS[name] for name in PAIRED}
BY_NAME = {case.name: case for case in CASES}
SETS = ({"coverage": 0.02, "separation": 0.001}, {"coverage": 1.0, "separation": 0.1},
        {"coverage": 100.0, "separation": 100.0})
GENTLE = {"coverage": 0.5, "separation": 0.3}
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_mask = pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "+".join(mask) or "fit alone")


def far(p):
    """A loss of the user's own: mean_j ||p_j||^4."""
    square = (p * p).sum(axis=1)
    return np.mean(square * square), 4 / len(p) * square[:, None] * p


def growth(params, x, temperatures):
    p = prototypes(params)
    return max(bound(0, farthest(x, p), temperatures["coverage"]),
               bound(0, farthest(p, p), temperatures["separation"]))


def same_bits(one, two):
    (value, gradient, terms), (other, other_gradient, other_terms) = one, two
    return (value == other and terms == other_terms
            and gradient.to_vector().tobytes() == other_gradient.to_vector().tobytes())


def test_there_are_eight_masks():
    assert len(set(MASKS)) == 8


@every_case
def test_fit_equals_the_loops(case):
    _, _, y = make(case)
    output = np.random.default_rng(2).normal(size=case.samples)
    value, gradient = fit(output, y)
    assert relative_error(value, naive.fit(output, y)[0]) <= 1e-12
    assert relative_error(gradient, naive.fit(output, y)[1]) <= 1e-12


@every_case
def test_gradient_of_fit(case):
    _, _, y = make(case)
    output = np.random.default_rng(2).normal(size=case.samples)
    assert_gradient(lambda output: fit(output, y), output)


def test_fit_is_the_mean_square():
    value, gradient = fit(np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 2.0]))
    assert value == pytest.approx(13 / 3) and gradient == pytest.approx([0, -4 / 3, 2])


@every_case
@pytest.mark.parametrize("temperatures", SETS)
def test_objective_equals_the_loops(case, temperatures):
    params, x, y = make(case)
    value, _, terms = objective(params, x, y, ALL, temperatures)
    expected, expected_terms = naive.objective(params, x, y, ALL, temperatures)
    limit = 1e-12 + growth(params, x, temperatures)
    assert relative_error(value, expected) <= limit
    for name in expected_terms:
        assert relative_error(terms[name], expected_terms[name]) <= limit


@every_mask
@pytest.mark.parametrize("name", ["line", "space"])
def test_gradient_of_the_objective_for_every_mask(name, mask):
    params, x, y = make(BY_NAME[name])
    coefficients = {loss: WEIGHTS[loss] for loss in mask}
    assert_gradient(lambda params: objective(params, x, y, coefficients, GENTLE), params,
                    growth(params, x, GENTLE))


@every_mask
@pytest.mark.parametrize("name", ["line", "space"])
def test_gradient_of_the_objective_with_an_extra_loss(name, mask):
    params, x, y = make(BY_NAME[name])
    coefficients = {loss: WEIGHTS[loss] for loss in (*mask, "far")}
    assert_gradient(
        lambda params: objective(params, x, y, coefficients, GENTLE, extra={"far": far}),
        params, growth(params, x, GENTLE))


@every_case
@pytest.mark.parametrize("temperatures", SETS)
def test_gradient_of_the_objective_on_every_case(case, temperatures):
    params, x, y = make(case)
    assert_gradient(lambda params: objective(params, x, y, ALL, temperatures), params,
                    growth(params, x, temperatures))


@pytest.mark.parametrize("name", ["line", "space", "one unit", "outside the cube"])
def test_float32_stays_float32_and_agrees_with_float64(name):
    params, x, y = make(BY_NAME[name], dtype=np.float32)
    value, gradient, terms = objective(params, x, y, ALL, GENTLE)
    params64, x64, y64 = wide(params, x, y)
    expected, expected_gradient, expected_terms = objective(params64, x64, y64, ALL, GENTLE)
    ratio = np.finfo(np.float32).eps / np.finfo(float).eps
    limit = 1e-5 + growth(params64, x64, GENTLE) * ratio
    assert {a.dtype for a in (*gradient, *terms.values())} == {np.dtype("f4")}
    assert relative_error(np.float32(value), expected) <= limit
    assert relative_error(gradient.to_vector(), expected_gradient.to_vector()) <= limit
    for loss in terms:
        assert relative_error(terms[loss], expected_terms[loss]) <= limit


@every_mask
def test_a_coefficient_of_zero_equals_an_absent_one_bit_for_bit(mask):
    params, x, y = make(BY_NAME["plane"])
    absent = {name: WEIGHTS[name] for name in mask}
    zero = {name: WEIGHTS[name] if name in mask else 0 for name in PAIRED}
    with_zero = objective(params, x, y, {**zero, "far": 0.0}, GENTLE, extra={"far": far})
    assert same_bits(objective(params, x, y, absent, GENTLE), with_zero)
    assert set(with_zero[2]) == {"fit", *mask}


def test_the_order_of_the_coefficients_changes_no_bit():
    params, x, y = make(BY_NAME["plane"])
    results = [objective(params, x, y, {name: WEIGHTS[name] for name in order}, GENTLE,
                         extra={"far": far})
               for order in permutations((*PAIRED, "far"))]
    assert len(results) == 24
    assert all(same_bits(results[0], other) for other in results[1:])


def test_terms_are_the_losses_without_their_coefficients_fit_first():
    params, x, y = make(BY_NAME["plane"])
    value, _, terms = objective(params, x, y, WEIGHTS, GENTLE, extra={"far": far})
    output, hidden = forward(params, x)
    p = prototypes(params)
    assert list(terms)[0] == "fit"
    assert terms == {"fit": fit(output, y)[0], "coverage": coverage(p, x, 0.5)[0],
                     "separation": separation(p, 0.3)[0], "overlap": overlap(hidden)[0],
                     "far": far(p)[0]}
    weighted = terms["fit"] + sum(WEIGHTS[name] * terms[name] for name in WEIGHTS)
    assert value == pytest.approx(weighted, rel=1e-12)


def test_an_extra_loss_that_is_not_named_is_not_even_called():
    params, x, y = make(BY_NAME["plane"])

    def refuse(p):
        raise AssertionError("called")

    unnamed = objective(params, x, y, ALL, GENTLE, extra={"mine": refuse})
    assert same_bits(unnamed, objective(params, x, y, ALL, GENTLE))


def test_a_named_extra_loss_adds_its_weighted_value():
    params, x, y = make(BY_NAME["plane"])
    without = objective(params, x, y, ALL, GENTLE)[0]
    value, _, terms = objective(params, x, y, {**ALL, "far": 2.5}, GENTLE, extra={"far": far})
    assert terms["far"] == far(prototypes(params))[0]
    assert value - without == pytest.approx(2.5 * terms["far"], rel=1e-9)


@every_mask
def test_duplicated_data_leave_the_objective(mask):
    params, x, y = make(BY_NAME["space"])
    coefficients = {name: WEIGHTS[name] for name in mask}
    once = objective(params, x, y, coefficients, GENTLE)
    thrice = objective(params, np.tile(x, (3, 1)), np.tile(y, 3), coefficients, GENTLE)
    assert relative_error(thrice[0], once[0]) <= 1e-12
    assert relative_error(thrice[1].to_vector(), once[1].to_vector()) <= 1e-12


def test_separation_and_overlap_vanish_for_a_single_unit():
    params, x, y = make(BY_NAME["one unit"])
    value, gradient, terms = objective(params, x, y, {"separation": 0.7, "overlap": 0.3}, GENTLE)
    alone, alone_gradient, _ = objective(params, x, y, {}, {})
    assert terms["separation"] == terms["overlap"] == 0
    assert value == alone and (gradient.to_vector() == alone_gradient.to_vector()).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("samples", [1, 8])
def test_losses_of_the_outputs_agree_with_the_complex_step(name, samples):
    random = np.random.default_rng(3)
    output, y, h = 3 * random.normal(size=samples), random.choice([-1.0, 1.0], samples), 1e-30
    value, gradient, curvature = LOSSES[name](output, y)
    for i, unit in enumerate(np.eye(samples)):
        step = LOSSES[name](output + 1j * h * unit, y)
        assert relative_error(gradient[i], step[0].imag / h) <= 1e-12
        assert relative_error(curvature[i], step[1][i].imag / h) <= 1e-12
    assert value == LOSSES[name](output, y)[0] > 0


def test_logistic_loss_by_hand_and_far_out():
    value, gradient, _ = LOSSES["logistic"](np.array([0.0, 1.0]), np.array([1.0, -1.0]))
    assert value == pytest.approx((np.log(2) + np.log(1 + np.e)) / 2, rel=1e-15)
    assert gradient == pytest.approx([-0.25, 0.5 / (1 + np.exp(-1))], rel=1e-15)
    with np.errstate(all="raise", under="ignore"):
        value, gradient, curvature = LOSSES["logistic"](np.array([1e3, -1e3]), np.ones(2))
    assert value == 500 and gradient.tolist() == [0, -0.5] and curvature.tolist() == [0, 0]
