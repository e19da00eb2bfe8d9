"""The metrics against brute force, other solvers and hand computation."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial import Delaunay

from minimlp import (InputError, expelled_fraction, hull_distance, reconstruction_error,
                     specialization_ratio, uniform_samples)

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
CASES = [(1, 1, 1), (1, 4, 2), (3, 5, 1), (4, 4, 2), (5, 6, 1), (6, 6, 2)]     # N, M, d


def draw(seed, samples, units, dimensions):
    random = np.random.default_rng(seed)
    return random.normal(size=(units, dimensions)), random.normal(size=(samples, dimensions))


def brute_force_error(prototypes, x):
    return min(np.mean([np.sqrt(np.sum((x[i] - prototypes[j]) ** 2)) for i, j in enumerate(match)])
               for match in permutations(range(len(prototypes)), len(x)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("samples, units, dimensions", CASES)
def test_reconstruction_error_is_the_best_of_all_assignments(samples, units, dimensions, seed):
    p, x = draw(seed, samples, units, dimensions)
    assert reconstruction_error(p, x) == pytest.approx(brute_force_error(p, x), rel=1e-13)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_reconstruction_error_ignores_order_and_translation(dimensions):
    p, x = draw(0, 7, 9, dimensions)
    random = np.random.default_rng(1)
    error = reconstruction_error(p, x)
    assert reconstruction_error(random.permutation(p), random.permutation(x)) == pytest.approx(
        error, rel=1e-13)
    assert reconstruction_error(p + 1000, x + 1000) == pytest.approx(error, rel=1e-11)


def test_reconstruction_error_scales_with_the_data():
    p, x = draw(0, 7, 9, 2)
    assert reconstruction_error(1e6 * p, 1e6 * x) == pytest.approx(1e6 * reconstruction_error(p, x))


def test_reconstruction_error_is_zero_only_if_the_prototypes_are_the_data():
    p, x = draw(0, 6, 6, 2)
    assert reconstruction_error(x[::-1], x) == 0
    assert reconstruction_error(np.vstack([x[::-1], p]), x) == 0
    moved = x.copy()
    moved[2, 1] += 0.6e-9
    assert reconstruction_error(moved, x) == pytest.approx(1e-10)


def test_one_prototype_serves_one_sample():
    assert reconstruction_error([0, 5], [0, 0]) == 2.5


def test_fewer_prototypes_than_samples_are_refused():
    with pytest.raises(InputError, match="prototypes has 2 rows.* 3 samples"):
        reconstruction_error([0.0, 1.0], [0.0, 1.0, 2.0])


@pytest.mark.parametrize("p, x, ratio", [
    ([0.0, 1.0], [0.1, 0.9], 1.0),
    ([0.0, 1.0], [0.1, 0.4], 0.5),
    ([0.0, 1.0, 9.0, -9.0], [0.1, 0.9, 0.2], 0.5),
    ([0.3, 0.3, 0.3], [0.0, 1.0], 1 / 3),
    ([0.0, 1.0], [0.5], 0.5),
    ([7.0], [0.0, 1.0, 2.0], 1.0),
    ([[0.0, 0.0], [3.0, 4.0], [0.0, 9.0]], [[0.0, 1.0], [0.0, 8.0]], 2 / 3),
    ([1000.0, 1001.0], [1000.2, 1000.7], 1.0),
])
def test_specialization_ratio_by_hand(p, x, ratio):
    assert specialization_ratio(p, x) == pytest.approx(ratio, rel=1e-15)


@pytest.mark.parametrize("p, x, fraction", [
    ([0.0, 1.0, 0.5, -0.1, 1.5], [0.0, 1.0], 0.4),
    ([0.0, 1.0], [1.0, 0.0, 0.3], 0.0),
    ([np.nextafter(1.0, 2.0), np.nextafter(0.0, -1.0)], [0.0, 1.0], 1.0),
    ([2.0, 2.1, 1.9], [2.0, 2.0, 2.0], 2 / 3),
    ([2.0, 3.0], [2.0], 0.5),
])
def test_expelled_fraction_on_a_line_counts_the_boundary_as_inside(p, x, fraction):
    assert expelled_fraction(p, x) == pytest.approx(fraction)


@pytest.mark.parametrize("scale, shift", [(1, 0), (1e-6, 0), (1e6, 0), (1, 1000)])
@pytest.mark.parametrize("dimensions, samples", [(2, 3), (2, 20), (3, 5), (3, 25)])
def test_expelled_fraction_agrees_with_a_triangulation(dimensions, samples, scale, shift):
    p, x = draw(samples, samples, 60, dimensions)
    p *= 0.7
    outside = Delaunay(x).find_simplex(p) < 0
    assert 0 < outside.sum() < len(p)
    assert expelled_fraction(scale * p + shift, scale * x + shift) == pytest.approx(outside.mean())


@pytest.mark.parametrize("scale, shift", [(1, 0), (1e-6, 0), (1e6, 0), (1, 1000)])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_convex_combinations_and_the_samples_are_inside(dimensions, scale, shift):
    random = np.random.default_rng(dimensions)
    x = scale * random.normal(size=(12, dimensions)) + shift
    # With 12 shares none is so close to an end of a line that rounding could put it out.
    mixed = random.dirichlet(np.full(12, 0.5), size=40) @ x
    assert expelled_fraction(np.vstack([mixed, x]), x) == 0


@pytest.mark.parametrize("samples, dimensions", [(2, 2), (2, 3), (5, 5), (1, 4)])
def test_expelled_fraction_is_refused_where_the_hull_is_flat(samples, dimensions):
    p, x = draw(0, samples, 3, dimensions)
    with pytest.raises(InputError, match=r"x has shape .*d >= N.*hull_distance"):
        expelled_fraction(p, x)
    assert np.all(hull_distance(p, x) > 0)


@pytest.mark.parametrize("size", [3, 10, 50])
def test_uniform_prototypes_among_uniform_samples_start_expelled_at_2_over_n_plus_1(size):
    random = np.random.default_rng(size)
    fractions = []
    for _ in range(3000):
        x, _ = uniform_samples(size, random)
        fractions.append(expelled_fraction(random.uniform(-1, 1, size), x))
    error = np.std(fractions, ddof=1) / np.sqrt(len(fractions))
    assert abs(np.mean(fractions) - 2 / (size + 1)) < 4 * error
    assert error < 0.1 * 2 / (size + 1)


def test_hull_distance_on_a_line_by_hand():
    p = np.array([-3.0, -1.0, 0.0, 2.0, 2.5, 1e6])
    np.testing.assert_allclose(hull_distance(p, [2.0, -1.0, 0.5]), [2, 0, 0, 0, 0.5, 1e6 - 2],
                               rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize("shift", [0, 1000])        # in units of the scale
def test_hull_distance_to_a_square(scale, shift):
    near = 1e-6
    p, expected = zip(*[
        ([0.5, 0.5], 0), ([0, 0], 0), ([1, 0.3], 0), ([0.5, 1], 0),
        ([0.5, 2], 1), ([-3, 0.2], 3), ([2, 2], np.sqrt(2)), ([4, 5], 5), ([-3, -4], 5),
        ([1 + near, 0.5], near), ([0.5, -near], near), ([1 + near, 1 + near], np.sqrt(2) * near),
        ([1e6, 0.5], 1e6 - 1), ([1e6, 1e6], np.sqrt(2) * (1e6 - 1))])
    found = hull_distance(scale * (np.array(p) + shift), scale * (SQUARE + shift)) / scale
    # A shift of 1000 leaves coordinates 1e-13 wide.
    np.testing.assert_allclose(found, expected, rtol=1e-9 if shift == 0 else 1e-6, atol=1e-12)


@pytest.mark.parametrize("dimensions", [2, 3, 5, 20])
def test_hull_distance_from_the_origin_to_a_simplex(dimensions):
    """The corners e_1, ..., e_d: nearest is their mean, at distance 1/sqrt(d)."""
    found = hull_distance(np.zeros((1, dimensions)), np.eye(dimensions))
    assert found[0] == pytest.approx(1 / np.sqrt(dimensions), rel=1e-13)


def distance_by_quadratic_program(p, x):
    def squared(share):
        residual = share @ x - p
        return residual @ residual, 2 * x @ residual

    start = np.full(len(x), 1 / len(x))
    found = minimize(squared, start, jac=True, method="SLSQP", bounds=[(0, 1)] * len(x),
                     constraints={"type": "eq", "fun": lambda share: share.sum() - 1,
                                  "jac": np.ones_like},
                     options={"ftol": 1e-15, "maxiter": 500})
    return np.sqrt(found.fun)


@pytest.mark.parametrize("samples, dimensions", [(5, 2), (8, 3), (10, 5), (3, 5), (12, 8)])
def test_hull_distance_agrees_with_a_quadratic_program(samples, dimensions):
    p, x = draw(dimensions, samples, 6, dimensions)
    expected = [distance_by_quadratic_program(2 * point, x) for point in p]
    assert max(expected) > 0.1
    np.testing.assert_allclose(hull_distance(2 * p, x), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_hull_distance_in_the_plane_is_that_to_the_nearest_segment(seed):
    p, x = draw(seed, 8, 12, 2)
    p = 3 * p
    expected = []
    for point, outside in zip(p, Delaunay(x).find_simplex(p) < 0):
        start, along = x[:, None], x[None, :] - x[:, None]
        length = np.maximum(np.sum(along ** 2, axis=2), 1e-300)
        share = np.clip(np.sum((point - start) * along, axis=2) / length, 0, 1)
        distances = np.linalg.norm(start + share[..., None] * along - point, axis=2)
        expected.append(distances.min() if outside else 0)
    np.testing.assert_allclose(hull_distance(p, x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_hull_distance_ignores_order_and_repetition_of_samples(dimensions):
    p, x = draw(0, 6, 9, dimensions)
    again = np.random.default_rng(1).permutation(np.repeat(x, 3, axis=0))
    np.testing.assert_allclose(hull_distance(p, again), hull_distance(p, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_hull_of_equal_samples_is_their_point(dimensions):
    x = np.full((4, dimensions), 0.5)
    p = np.vstack([x[:1], x[:1] + 1])
    np.testing.assert_allclose(hull_distance(p, x), [0, np.sqrt(dimensions)], rtol=1e-15)
    assert expelled_fraction(p, x) == 0.5


def test_a_flat_hull_in_the_plane_is_a_segment():
    x = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    p = np.array([[1.5, 1.5], [2.0, 0.0], [3.0, 3.0]])
    np.testing.assert_allclose(hull_distance(p, x), np.sqrt([0, 2, 2]), rtol=1e-13, atol=1e-14)
    assert expelled_fraction(p, x) == pytest.approx(2 / 3)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_hull_distance_has_the_type_of_the_points(dimensions):
    p, x = draw(0, 9, 6, dimensions)
    assert hull_distance(p.astype(np.float32), x.astype(np.float32)).dtype == np.float32
    assert hull_distance(p, x).dtype == np.float64
