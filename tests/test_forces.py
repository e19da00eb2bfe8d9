"""The forces on the prototypes: (E8) by differences, and where each force points (claim A8)."""

import numpy as np
import pytest
from scipy.optimize import minimize

from minimlp import (Params, balanced, coverage, forces, forward, hull_distance, objective, overlap,
                     prototypes, relative_error, separation)

TAUS = {"coverage": 0.3, "separation": 0.5, "balanced": 1.0}
LOSSES = ("coverage", "separation", "balanced", "overlap", "fit")
SEEDS = range(25)
SCALES = [1e-3, 1, 1e3]


def units_at(p, w):
    """Units with prototypes p and input weights w, and no output."""
    p, w = np.asarray(p, dtype=float), np.asarray(w, dtype=float)
    return Params(w=w, b=-w[:, None] * p, v=np.zeros(len(w)), c=np.zeros(()))


def draw(seed, dimensions, units=4, samples=7):
    """Wide units, some prototypes outside; and samples with targets."""
    random = np.random.default_rng([seed, dimensions])
    w = random.uniform(0.4, 1.5, units) * random.choice([-1, 1], units)
    params = units_at(1.5 * random.normal(size=(units, dimensions)), w)
    params = params._replace(v=random.normal(size=units), c=np.array(0.3))
    return params, random.uniform(-1, 1, (samples, dimensions)), random.normal(size=samples)


def value_of(loss, params, x, y):
    if loss == "coverage":
        return coverage(prototypes(params), x, TAUS["coverage"])[0]
    if loss == "separation":
        return separation(prototypes(params), TAUS["separation"])[0]
    if loss == "balanced":
        return balanced(prototypes(params), x, TAUS["balanced"])[0]
    output, hidden = forward(params, x)
    return overlap(hidden)[0] if loss == "overlap" else np.mean((output - y) ** 2)


def differences(function, array, step=1e-5):
    """Central differences of a function's value in each entry of an array."""
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        ahead, behind = array.copy(), array.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


def along(force, direction):
    return np.einsum("...k,...k", force, direction)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_direct_force_is_minus_the_gradient_in_the_prototype_at_fixed_weight(dimensions, loss):
    params, x, y = draw(0, dimensions)

    def value(p):
        return value_of(loss, params._replace(b=-params.w[:, None] * p), x, y)

    found = forces(params, x, TAUS, y)[loss].direct
    assert relative_error(found, -differences(value, prototypes(params))) < 1e-8


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_through_weights_is_how_the_prototype_moves_when_w_and_b_descend(dimensions, loss):
    params, x, y = draw(1, dimensions)
    w_step = -differences(lambda w: value_of(loss, params._replace(w=w), x, y), params.w)
    b_step = -differences(lambda b: value_of(loss, params._replace(b=b), x, y), params.b)

    def moved(rate):
        return -(params.b + rate * b_step) / (params.w + rate * w_step)[:, None]

    found = forces(params, x, TAUS, y)[loss].through_weights
    assert relative_error(found, (moved(1e-5) - moved(-1e-5)) / 2e-5) < 1e-7


@pytest.mark.parametrize("loss", ["coverage", "separation", "balanced"])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_losses_of_the_prototypes_move_them_by_minus_i_plus_ppt_g_over_w_squared(dimensions, loss):
    params, x, _ = draw(2, dimensions)
    p = prototypes(params)
    g = {"coverage": lambda: coverage(p, x, TAUS["coverage"])[1],
         "separation": lambda: separation(p, TAUS["separation"])[1],
         "balanced": lambda: balanced(p, x, TAUS["balanced"])[1]}[loss]()
    expected = [-(np.eye(dimensions) + np.outer(p[j], p[j])) @ g[j] / params.w[j] ** 2
                for j in range(len(p))]
    assert relative_error(forces(params, x, TAUS)[loss].through_weights, expected) < 1e-14


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_joint_step_of_overlap_is_the_formula(dimensions):
    params, x, _ = draw(3, dimensions)
    p, (_, h) = prototypes(params), forward(params, x)
    samples, units = h.shape
    expected = np.zeros_like(p)
    for j in range(units):
        for i in range(samples):
            others = sum(h[i, k] for k in range(units) if k != j)
            apart = p[j] - x[i]
            expected[j] += (2 / (units * (units - 1) * samples) * others * h[i, j]
                            * (apart + p[j] * (apart @ x[i])))
    assert relative_error(forces(params, x, {})["overlap"].through_weights, expected) < 1e-13


def test_a_loss_without_temperature_or_targets_is_left_out():
    params, x, y = draw(0, 2)
    assert set(forces(params, x, {})) == {"overlap"}
    assert set(forces(params, x, {"separation": 0.1}, y)) == {"separation", "overlap", "fit"}


def outside(seed, dimensions, scale):
    """Samples, and prototypes beside and beyond them of which the first is outside their hull."""
    random = np.random.default_rng([seed, dimensions, 1])
    x = scale * random.uniform(-1, 1, (6, dimensions))
    p = scale * 1.5 * random.normal(size=(4, dimensions))
    while hull_distance(p[:1], x)[0] < 0.02 * scale:
        p[0] = scale * 1.5 * random.normal(size=dimensions)
    return p, x


def nearest_in_hull(p, x):
    """The point of the samples' hull next to p, by a general optimiser."""
    if x.shape[1] == 1:
        return np.clip(p, x.min(), x.max())
    size = np.abs(x).max()

    def squared(share):
        residual = (share @ x - p) / size
        return residual @ residual, 2 * (x / size) @ residual

    start = np.full(len(x), 1 / len(x))
    return minimize(squared, start, jac=True, method="SLSQP", bounds=[(0, 1)] * len(x),
                    constraints={"type": "eq", "fun": lambda share: share.sum() - 1,
                                 "jac": np.ones_like}, options={"ftol": 1e-14}).x @ x


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_coverage_pulls_a_stranded_prototype_towards_the_hull(dimensions, scale):
    for seed in SEEDS:
        p, x = outside(seed, dimensions, scale)
        inward = nearest_in_hull(p[0], x) - p[0]
        assert np.all((x - p[0]) @ inward > 0), "not a separating normal"
        found = forces(units_at(p, np.full(4, 1 / scale)), x, {"coverage": scale ** 2})
        assert along(found["coverage"].direct[0], inward) > 0


@pytest.mark.parametrize("temperature", [1e-6, 0.02, 1, 100])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_coverage_never_points_back_across_any_separating_plane(dimensions, temperature):
    checked = 0
    for seed in SEEDS:
        p, x = outside(seed, dimensions, 1)
        direct = forces(units_at(p, np.ones(4)), x, {"coverage": temperature})["coverage"].direct
        normals = np.random.default_rng(seed).normal(size=(200, dimensions))
        for force, point in zip(direct, p):
            separating = normals[np.all((x - point) @ normals.T >= 0, axis=0)]
            checked += len(separating)
            assert np.all(separating @ force >= 0)
    assert checked > 100


def test_coverage_lets_go_of_a_prototype_that_is_nobodys_nearest():
    params = units_at([[0.0], [3.0]], [2.0, 2.0])
    x = np.array([[-0.5], [0.5]])
    assert forces(params, x, {"coverage": 0.5})["coverage"].direct[1] < 0
    assert forces(params, x, {"coverage": 0.005})["coverage"].direct[1] == 0


@pytest.mark.parametrize("far, temperature", [(3.0, 1.0), (10.0, 2.0), (30.0, 10.0)])
def test_balanced_coverage_fetches_a_prototype_that_is_nobodys_nearest(far, temperature):
    """It serves half of the mass, so it is pulled by twice that, times a distance to the samples."""
    x = np.array([[-0.5], [0.5]])
    force = forces(units_at([[0.0], [far]], [2.0, 2.0]), x, {"balanced": temperature})["balanced"].direct[1, 0]
    assert -(far + 0.5) <= force <= -(far - 0.5)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_balanced_coverage_never_points_back_across_any_separating_plane(dimensions):
    checked = 0
    for seed in SEEDS:
        p, x = outside(seed, dimensions, 1)
        direct = forces(units_at(p, np.ones(4)), x, {"balanced": 5.0})["balanced"].direct
        normals = np.random.default_rng(seed).normal(size=(200, dimensions))
        for force, point in zip(direct, p):
            separating = normals[np.all((x - point) @ normals.T >= 0, axis=0)]
            checked += len(separating)
            assert np.all(separating @ force >= 0)
    assert checked > 100


@pytest.mark.parametrize("temperature", [1e-4, 1e-2, 1, 100])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_separation_pushes_the_outermost_prototype_outward(dimensions, temperature):
    for seed in SEEDS:
        random = np.random.default_rng([seed, dimensions, 2])
        p = random.uniform(-1, 1, (5, dimensions))
        found = forces(units_at(p, np.ones(5)), np.zeros((1, dimensions)),
                       {"separation": temperature})["separation"].direct
        for u in random.normal(size=(10, dimensions)):
            outermost = np.argmax(p @ u)
            others = np.delete(p, outermost, axis=0)
            reached = np.sum((others - p[outermost]) ** 2, axis=1).min() < 500 * temperature
            push = along(found[outermost], u)
            assert push > 0 if reached else push >= 0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_overlap_pushes_a_stranded_prototype_further_out_at_fixed_weight(dimensions, scale):
    for seed in SEEDS:
        p, x = outside(seed, dimensions, scale)
        w = np.random.default_rng(seed).uniform(0.2, 2, 4) / scale * np.array([1, -1, 1, -1])
        outward = p[0] - nearest_in_hull(p[0], x)
        assert np.all((p[0] - x) @ outward > 0), "not a separating normal"
        assert along(forces(units_at(p, w), x, {})["overlap"].direct[0], outward) > 0


def test_on_a_line_coverage_does_not_point_away_from_the_hull_through_the_weights_either():
    for seed in SEEDS:
        p, x = outside(seed, 1, 1)
        w = np.random.default_rng(seed).normal(size=4)
        for temperature in (0.01, 0.3, 10):
            found = forces(units_at(p, w), x, {"coverage": temperature})["coverage"]
            inward = np.clip(p, x.min(), x.max()) - p
            assert np.all(found.through_weights * inward >= 0)
            np.testing.assert_array_equal(np.sign(found.through_weights), np.sign(found.direct))


def test_in_the_plane_coverage_can_drive_a_prototype_out_through_the_weights():
    x = np.array([[2.0, 0.0], [10.0, 0.0], [6.0, -3.0]])
    params = units_at([[4.0, 1.0]], [1.0])
    force = forces(params, x, {"coverage": 1.0})["coverage"]
    np.testing.assert_allclose(force.direct, [[4, -4]], rtol=1e-14)
    np.testing.assert_allclose(force.through_weights, [[52, 8]], rtol=1e-14)

    p = prototypes(params)
    assert hull_distance(p, x)[0] == pytest.approx(1)
    assert hull_distance(p + 0.01 * force.direct, x)[0] == pytest.approx(0.96)
    assert hull_distance(p + 0.01 * force.through_weights, x)[0] == pytest.approx(1.08)


def test_in_the_plane_a_gradient_step_on_coverage_can_end_further_out():
    x = np.array([[2.0, 0.0], [10.0, 0.0], [6.0, -3.0]])
    params = units_at([[4.0, 1.0]], [1.0])
    value, gradient, _ = objective(params, x, np.zeros(3), {"coverage": 1.0}, {"coverage": 1.0})
    stepped = Params(*(array - 0.005 * g for array, g in zip(params, gradient)))
    after = objective(stepped, x, np.zeros(3), {"coverage": 1.0}, {"coverage": 1.0})[0]
    assert after < value
    assert hull_distance(prototypes(stepped), x)[0] > 1.03


@pytest.mark.parametrize("loss", ["coverage", "separation"])
@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_losses_of_the_prototypes_conserve_w_squared_times_one_plus_p_squared(dimensions, loss):
    """w^2 (1 + ||p||^2) = w^2 + ||b||^2, so the flow must be orthogonal to (w_j, b_j)."""
    for seed in SEEDS:
        params, x, _ = draw(seed, dimensions)
        silent = params._replace(v=np.zeros(4), c=np.array(0.0))    # fits y = 0 whatever w and b
        _, gradient, _ = objective(silent, x, np.zeros(len(x)), {loss: 1.0}, TAUS)
        parts = np.column_stack([params.w * gradient.w, params.b * gradient.b])
        assert np.all(np.abs(parts).sum(axis=1) > 0)
        assert np.all(np.abs(parts.sum(axis=1)) <= 1e-12 * np.abs(parts).sum(axis=1))


def test_overlap_does_not_conserve_it():
    params, x, _ = draw(0, 2)
    silent = params._replace(v=np.zeros(4), c=np.array(0.0))
    _, gradient, _ = objective(silent, x, np.zeros(len(x)), {"overlap": 1.0}, {})
    parts = np.column_stack([params.w * gradient.w, params.b * gradient.b])
    assert np.all(np.abs(parts.sum(axis=1)) > 1e-6 * np.abs(parts).sum(axis=1))


def test_on_a_line_overlap_can_point_inward_through_the_weights_where_p_x_is_under_minus_1():
    x = np.array([[-1.0], [-0.75]])
    force = forces(units_at([[2.0], [-1.0]], [0.5, 0.5]), x, {})["overlap"]
    assert force.direct[0, 0] > 0
    assert force.through_weights[0, 0] < 0


def test_on_a_line_overlap_points_outward_through_the_weights_where_p_x_is_over_minus_1():
    x = np.array([[0.0], [0.5]])
    force = forces(units_at([[2.0], [-1.0]], [0.5, 0.5]), x, {})["overlap"]
    assert force.direct[0, 0] > 0 and force.through_weights[0, 0] > 0
