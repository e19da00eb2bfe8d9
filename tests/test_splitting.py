"""Splitting: the function stays (E10), the table follows from inertia (E11, E12), every verdict has its evidence (E13)."""

import itertools

import numpy as np
import pytest

from minimlp import (InputError, Params, TwoLayer, classify_split, find_stationary_point, gaussian,
                     inner_hessian, plateau_table, relative_error, split_neuron)
from minimlp.evidence import along, fourth_order, plateau_form, probe, round_off, walk
from minimlp.landscape import derivatives, stationary_point, unit_derivatives, with_vector
from minimlp.splitting import signs
from minimlp.two_layer import forward

MU = {"simplex": [[0.5, 0.5], [0.2, 0.3, 0.5], [0.1, 0.2, 0.3, 0.4]],
      "one positive": [[2, -1], [3, -1, -1], [-0.5, 2, -0.2, -0.3]],
      "sure saddle": [[1.5, 0.5, -1], [0.7, 0.8, -0.3, -0.2], [1, 1, 1, -2]]}


def found(name="tanh", units=2, dimensions=2, bias=False, seed=0, saddle=False):
    """A stationary point of a noisy teacher problem: (params, x, y)."""
    random = np.random.default_rng(seed)
    x = 1.5 * random.normal(size=(40, dimensions))
    start = TwoLayer(1.5 * random.normal(size=(units, dimensions)), random.normal(size=units) if bias else None,
                     random.choice([-1.0, 1.0], units) * random.uniform(0.5, 2, units),
                     np.zeros(()) if bias else None, name)
    y = forward(start, x)[0] + 0.2 * random.normal(size=40)
    if saddle:
        start = with_vector(start, start.to_vector() + 0.7 * random.normal(size=start.to_vector().size))
    return find_stationary_point(start, x, y, saddle=saddle), x, y


def minimum_with(sign, **options):
    """The first minimum whose unit 0 has a definite H of this sign."""
    for seed in range(40):
        point, x, y = found(seed=seed, **options)
        if point.kind == "minimum":
            eigenvalues = np.linalg.eigvalsh(inner_hessian(point.params, x, y, 0))
            if np.all(sign * eigenvalues > 1e-4):
                return point.params, x, y
    raise AssertionError("none in 40 seeds")


def radial(d=1, seed=0, noise=0.2):
    """A centred radial unit at a minimum on symmetric data: (params, x, y)."""
    random = np.random.default_rng(seed)
    base = 1.5 * random.normal(size=(12, d))
    x = np.concatenate([base[:, order] * np.array(s) for order in itertools.permutations(range(d))
                        for s in itertools.product((-1, 1), repeat=d)])
    start = Params(np.array([1.2]), np.zeros((1, d)), np.array([1.0]), np.zeros(()))
    y = gaussian.forward(start, x)[0] + np.tile(noise * random.normal(size=12), len(x) // 12)
    point = find_stationary_point(start, x, y)
    assert point.kind == "minimum" and np.abs(point.params.b).max() < 1e-12
    return point.params, x, y


@pytest.mark.parametrize("mu", [mu for sets in MU.values() for mu in sets] + [[1, 0], [0.5, 0, 0.5]])
@pytest.mark.parametrize("unit", [0, 1, -1])
def test_a_split_keeps_function_and_stationarity(mu, unit):
    point, x, y = found(units=3)
    wide = split_neuron(point.params, unit, mu)
    assert wide.v.size == 2 + len(mu)
    assert relative_error(forward(wide, x)[0], forward(point.params, x)[0]) <= 1e-14
    assert np.linalg.norm(derivatives(wide, x, y)[1]) <= 1e-9
    copies = slice(unit % 3, unit % 3 + len(mu))
    assert np.allclose(wide.v[copies], np.array(mu) * point.params.v[unit])
    assert np.array_equal(wide.w[copies], np.tile(point.params.w[unit], (len(mu), 1)))


def test_a_split_of_the_radial_network():
    params, x, y = radial(2)
    wide = split_neuron(params, 0, [0.3, 0.7])
    assert wide.b.shape == (2, 2) and relative_error(gaussian.forward(wide, x)[0], gaussian.forward(params, x)[0]) <= 1e-15


def test_inner_hessian_by_loops_and_by_the_wide_hessian():
    """H_j is also what two copies with mu = (1/2, 1/2) see: L(u + d, u - d) changes by 1/2 d^T H d."""
    for name, bias in itertools.product(("gaussian", "tanh", "sigmoid", "softplus"), (False, True)):
        point, x, y = found(name, bias=bias)
        params = point.params
        h = inner_hessian(params, x, y, 1)
        output, _ = forward(params, x)
        _, _, curvature = unit_derivatives(params, x)
        loops = sum(params.v[1] * 2 / 40 * (output[i] - y[i]) * curvature[i, 1] for i in range(40))
        assert relative_error(h, loops) <= 1e-13
        wide, random = split_neuron(params, 1, [0.5, 0.5]), np.random.default_rng(0)
        d = 1e-3 * random.normal(size=h.shape[0])
        move = np.zeros(wide.to_vector().size)
        width = len(d)
        move[width:3 * width] = np.concatenate([d, -d])
        _, _, hessian = derivatives(wide, x, y)
        assert relative_error(move @ hessian @ move, d @ h @ d) <= 1e-10


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_the_form_on_the_moves_has_the_signs_that_the_table_counts(k):
    random = np.random.default_rng(k)
    for _ in range(50):
        mu = random.choice([-1, 1], k) * random.uniform(0.1, 2, k)
        if abs(mu.sum()) < 0.05 or mu.sum() * mu.max() <= 0:
            continue
        mu /= mu.sum()
        values, moves = plateau_form(mu)
        assert np.abs(mu @ moves).max() < 1e-13 and np.allclose(moves.T @ moves, np.eye(k - 1))
        assert np.allclose(np.einsum("l,la,lb->ab", mu, moves, moves), np.diag(values))
        assert (np.sum(values > 0), np.sum(values < 0)) == (np.sum(mu > 0) - 1, np.sum(mu < 0))


def test_the_table_entry_by_entry():
    by_hand = {"simplex": {(2, 0, 0): "minimum", (0, 2, 0): "saddle", (1, 1, 0): "saddle"},
               "one positive": {(2, 0, 0): "saddle", (0, 2, 0): "minimum", (1, 1, 0): "saddle"},
               "sure saddle": {(2, 0, 0): "saddle", (0, 2, 0): "saddle", (1, 1, 0): "saddle"}}
    for region, row in by_hand.items():
        for inertia, mu in itertools.product(row, MU[region]):
            assert plateau_table(inertia, mu) == row[inertia], (region, inertia, mu)
    assert plateau_table((1, 0, 1), [0.5, 0.5]) == "undecided"
    assert plateau_table((0, 1, 1), [0.5, 0.5]) == "saddle"
    assert plateau_table((0, 0, 2), [2, -1]) == "undecided"
    assert plateau_table((2, 0, 0), [1, 0]) == plateau_table((2, 0, 0), [0.5, 0.5, 0]) == "undecided"
    assert plateau_table((0, 2, 0), [0.5, 0.5, 0]) == "saddle"
    assert plateau_table((1, 0, 0), [2, -1, 0]) == "saddle"


@pytest.mark.parametrize("sign, region, expected", [
    (1, "simplex", "minimum"), (1, "one positive", "saddle"), (1, "sure saddle", "saddle"),
    (-1, "simplex", "saddle"), (-1, "one positive", "minimum"), (-1, "sure saddle", "saddle")])
def test_definite_inner_hessians(sign, region, expected):
    params, x, y = minimum_with(sign, dimensions=1, units=1)
    for mu in MU[region]:
        report = classify_split(params, x, y, 0, mu)
        assert report.verdict == expected
        eigenvalues = np.linalg.eigvalsh(derivatives(report.wide, x, y)[2])
        if expected == "minimum":
            assert report.smallest > 0 and report.probe.radius > 0 and report.descent is None
            sure = eigenvalues[np.abs(eigenvalues) > 1e-12]
            assert len(sure) == len(eigenvalues) - len(mu) + 1
            assert relative_error(report.smallest, sure.min()) <= 1e-6
        else:
            assert eigenvalues[0] < -1e-9 and walked(report, x, y)


def walked(report, x, y):
    """The descent is real: recomputed from its own fields."""
    descent = report.descent
    start = derivatives(descent.start, x, y)[0]
    end = derivatives(along(descent.start, descent.direction, descent.bend, descent.step), x, y)[0]
    assert abs(start - report.point.value) <= 1e-15 and descent.reached == start - end
    assert descent.reached >= descent.predicted / 2 > 0 and descent.reached > round_off(start)
    return True


@pytest.mark.parametrize("name", ["gaussian", "tanh", "sigmoid", "softplus"])
def test_indefinite_inner_hessians_give_saddles_alone(name):
    point, x, y = found(name, units=1, dimensions=2, bias=True, seed=1)
    eigenvalues = np.linalg.eigvalsh(inner_hessian(point.params, x, y, 0))
    assert point.kind == "minimum" and eigenvalues[0] < 0 < eigenvalues[-1]
    for mu in itertools.chain(*MU.values(), [[1, 0], [0.5, 0.5, 0]]):
        report = classify_split(point.params, x, y, 0, mu)
        assert report.verdict == "saddle" and walked(report, x, y)


def test_saddles_split_into_saddles():
    seen = 0
    for seed in range(20):
        point, x, y = found("gaussian", bias=True, seed=seed, saddle=True)
        if point.kind == "saddle" and np.abs(point.params.v).min() > 1e-3:
            seen += 1
            for mu in itertools.chain(*MU.values(), [[1, 0]]):
                report = classify_split(point.params, x, y, 0, mu)
                assert report.verdict == "saddle" and "narrow" in report.reason and walked(report, x, y)
    assert seen >= 3


def planted(name="tanh", units=1, seed=0):
    """A minimum with H = 0: residuals orthogonal to h, Dh and D^2 h."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(30, 1))
    params = TwoLayer(random.normal(size=(units, 1)), None, random.normal(size=units), None, name)
    columns = np.column_stack([array.reshape(30, -1) for array in unit_derivatives(params, x)])
    residual = random.normal(size=30)
    for _ in range(2):
        residual = residual - columns @ np.linalg.lstsq(columns, residual)[0]
    return params, x, forward(params, x)[0] - residual


@pytest.mark.parametrize("name", ["gaussian", "tanh", "sigmoid", "softplus"])
def test_where_h_vanishes_a_zero_coefficient_escapes_and_others_are_undecided(name):
    params, x, y = planted(name)
    assert stationary_point(params, x, y).kind == "minimum"
    report = classify_split(params, x, y, 0, [0.5, 0.5])
    assert report.verdict == "undecided" and report.inertia == (0, 0, 1) and report.margin < 1
    for mu in ([1, 0], [0, 0.5, 0.5]):
        report = classify_split(params, x, y, 0, mu)
        assert report.verdict == "saddle" and walked(report, x, y)
        assert report.descent.step == 1 and report.descent.reached == pytest.approx(report.descent.predicted, rel=1e-6)
        free = int(np.argmax(np.array(mu) == 0))
        assert report.descent.start.v[free] == 0                # where it went, at no cost
        others = np.delete(report.descent.start.w - report.wide.w, free, axis=0)
        assert not others.any() and report.descent.start.w[free] != report.wide.w[free]


def test_an_interpolating_minimum_decides_nothing():
    random = np.random.default_rng(1)
    x = random.normal(size=(30, 2))
    teacher = TwoLayer(random.normal(size=(2, 2)), random.normal(size=2), random.normal(size=2), np.array(0.1), "tanh")
    y = forward(teacher, x)[0]
    point = find_stationary_point(with_vector(teacher, teacher.to_vector() + 0.05), x, y)
    assert point.kind == "minimum" and point.value < 1e-20
    nearly = y + 1e-11 * random.normal(size=30)         # within the gradient's tolerance of it
    for mu in ([0.5, 0.5], [2, -1], [1, 0], [1.5, 0.5, -1]):
        assert classify_split(point.params, x, y, 0, mu).verdict == "undecided"
        report = classify_split(teacher, x, nearly, 0, mu)
        assert report.verdict == "undecided" and report.inertia == (0, 0, 3)


def test_gaussian_units_with_a_bias_have_no_definite_inner_hessian():
    """E13: the trace of the bias block vanishes, for ridge units and for radial ones in d dimensions."""
    for seed in range(6):
        point, x, y = found("gaussian", dimensions=2, bias=True, seed=seed)
        if point.kind == "minimum":
            h = inner_hessian(point.params, x, y, 0)
            assert abs(h[2, 2]) <= 1e-9 * np.linalg.norm(h)
    for d in (1, 2, 3):
        random = np.random.default_rng(d)
        x = random.normal(size=(30, d))
        start = Params(np.array([1.0, 1.3]), random.normal(size=(2, d)), np.array([1.0, -1.5]), np.zeros(()))
        y = gaussian.forward(start, x)[0] + 0.2 * random.normal(size=30)
        point = find_stationary_point(start, x, y)
        assert point.kind == "minimum"
        for unit in (0, 1):
            h = inner_hessian(point.params, x, y, unit)
            assert abs(np.trace(h[1:, 1:])) <= 1e-9 * np.linalg.norm(h)
            assert classify_split(point.params, x, y, unit, [0.5, 0.5]).verdict == "saddle"
    away = point.params._replace(v=point.params.v * 1.1)       # where nothing is stationary it does not vanish
    assert abs(np.trace(inner_hessian(away, x, y, 0)[1:, 1:])) > 1e-4


@pytest.mark.parametrize("mu", [[0.5, 0.5], [0.3, 0.7], [0.2, 0.3, 0.5], [2, -1], [3, -1.5, -0.5]])
def test_a_centred_unit_descends_at_fourth_order_by_the_law(mu):
    """dL = -(w^2 H_ww / 12) sum mu a^4 s^4; for two copies with span s, mu_1 mu_2 (1 - 3 mu_1 mu_2) s^4."""
    mu = np.array(mu)
    wanted = 1 if np.all(mu > 0) else -1
    for seed in range(20):
        params, x, y = radial(seed=seed)
        h = inner_hessian(params, x, y, 0)
        if wanted * h[0, 0] > 1e-3:
            break
    assert np.abs(h[1]).max() < 1e-12
    wide = split_neuron(params, 0, mu)
    descent = fourth_order(wide, lambda p: derivatives(p, x, y), 0, mu, h, slice(1, None))
    a = descent.direction[len(mu):2 * len(mu)]
    value, s = derivatives(wide, x, y)[0], 0.02 / np.abs(a).max()
    change = derivatives(along(wide, descent.direction, descent.bend, s), x, y)[0] - value
    law = -params.w[0] ** 2 * h[0, 0] / 12 * np.sum(mu * a ** 4) * s ** 4
    assert change == pytest.approx(law, rel=0.05) and law < 0
    if len(mu) == 2:
        q = mu.prod()
        span = (a[0] - a[1]) * s
        assert law == pytest.approx(params.w[0] ** 2 * h[0, 0] / 24 * q * (6 * q - 2) * span ** 4, rel=1e-12)
    report = classify_split(params, x, y, 0, mu)
    assert report.verdict == "saddle" and "fourth order" in report.reason and walked(report, x, y)


def test_where_the_data_lie_does_not_matter():
    """The same unit and data, both shifted: b = -w shift, and the same way down."""
    for seed in range(4):
        params, x, y = radial(seed=seed)
        mu = [0.5, 0.5] if inner_hessian(params, x, y, 0)[0, 0] > 0 else [2, -1]
        here = classify_split(params, x, y, 0, mu)
        for shift in (0.5, -2.0):
            moved = params._replace(b=params.b - params.w[:, None] * shift)
            there = classify_split(moved, x + shift, y, 0, mu)
            assert here.verdict == there.verdict == "saddle" and walked(there, x + shift, y)


def test_a_centred_ridge_unit_descends_with_two_copies_in_any_dimension():
    """It has one bias: dL = -(w^T H_ww w / 12) sum mu a^4 s^4."""
    seen = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        half = 1.5 * random.normal(size=(20, 2))
        x = np.concatenate([half, -half])
        start = TwoLayer(np.array([[1.0, 0.5]]), np.zeros(1), np.ones(1), np.zeros(()), "gaussian")
        y = forward(start, x)[0] + np.tile(0.2 * random.normal(size=20), 2)
        point = find_stationary_point(start, x, y)
        h = inner_hessian(point.params, x, y, 0)
        eigenvalues = np.linalg.eigvalsh(h[:2, :2])
        if point.kind == "minimum" and eigenvalues[0] * eigenvalues[1] > 1e-8 and np.abs(h[2]).max() < 1e-12:
            seen += 1
            mu = [0.5, 0.5] if eigenvalues[0] > 0 else [2, -1]
            report = classify_split(point.params, x, y, 0, mu)
            assert report.verdict == "saddle" and "fourth order" in report.reason and walked(report, x, y)
    assert seen >= 3


@pytest.mark.parametrize("wanted, mu", [(1, [1 / 3] * 3), (1, [0.2, 0.3, 0.5]), (-1, [3, -1, -1])])
def test_the_law_in_two_dimensions_on_rings(wanted, mu):
    """Rings of 12 samples look alike in all directions to fourth order: dL = -(w^2 H_ww / 64) sum mu |a|^4 s^4."""
    angle = np.pi / 6 * np.arange(12)
    for seed in range(40):
        random = np.random.default_rng(seed)
        radii = random.uniform(0.1, 3, 8)
        x = (radii[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).reshape(-1, 2)
        start = Params(np.array([1.2]), np.zeros((1, 2)), np.array([1.0]), np.zeros(()))
        y = gaussian.forward(start, x)[0] + np.repeat(0.2 * random.normal(size=8), 12)
        point = find_stationary_point(start, x, y)
        if point.kind == "minimum" and wanted * inner_hessian(point.params, x, y, 0)[0, 0] > 1e-3:
            break
    mu, h = np.array(mu), inner_hessian(point.params, x, y, 0)
    assert np.abs(h[1:]).max() < 1e-12 < wanted * h[0, 0]
    wide = split_neuron(point.params, 0, mu)
    descent = fourth_order(wide, lambda p: derivatives(p, x, y), 0, mu, h, slice(1, None))
    a = descent.direction[3:9].reshape(3, 2)
    length = (a * a).sum(axis=1)
    assert np.allclose(mu @ a, 0) and np.allclose(np.einsum("l,la,lb->ab", mu, a, a), wanted * np.eye(2))
    s = 0.03 / np.sqrt(length.max())
    change = derivatives(along(wide, descent.direction, descent.bend, s), x, y)[0] - derivatives(wide, x, y)[0]
    law = -point.params.w[0] ** 2 * h[0, 0] / 64 * (mu @ length ** 2) * s ** 4
    assert law < 0 and change == pytest.approx(law, rel=0.1)
    at_s = 1.0 * descent.step ** 4 * law / s ** 4
    assert descent.predicted == pytest.approx(-at_s, rel=1e-12)


def test_a_centred_radial_unit_in_two_dimensions_needs_three_copies():
    params, x, y = radial(2, seed=1)
    sign = inner_hessian(params, x, y, 0)[0, 0]
    mus = ([0.5, 0.5], [1 / 3] * 3) if sign > 0 else ([2, -1], [3, -1, -1])
    report = classify_split(params, x, y, 0, mus[0])
    assert report.verdict == "undecided" and "second order leaves a direction flat" in report.reason
    assert classify_split(params, x, y, 0, mus[1]).verdict == "saddle"


def test_the_logistic_loss_too():
    random = np.random.default_rng(0)
    x, start = random.normal(size=(60, 1)), TwoLayer(np.array([[1.0]]), None, np.array([1.0]), None, "tanh")
    y = np.where(random.random(60) < 1 / (1 + np.exp(-2 * np.tanh(1.5 * x[:, 0]))), 1.0, -1.0)
    point = find_stationary_point(start, x, y, "logistic")
    assert point.kind == "minimum"
    h = inner_hessian(point.params, x, y, 0, "logistic")[0, 0]
    simplex, outside = (classify_split(point.params, x, y, 0, mu, "logistic").verdict for mu in ([0.5, 0.5], [2, -1]))
    assert {simplex, outside} == {"minimum", "saddle"} and (simplex == "minimum") == (h > 0)


def test_the_probe_finds_what_is_lower_and_only_that():
    params, x, y = minimum_with(1, dimensions=1, units=1)
    assert probe(split_neuron(params, 0, [2, -1]), x, y).radius is None
    assert probe(split_neuron(params, 0, [0.5, 0.5]), x, y).radius > 0


def test_a_walk_that_keeps_no_promise_has_nothing_to_show():
    params, x, y = minimum_with(1, dimensions=1, units=1)
    assert walk(params, lambda p: derivatives(p, x, y), np.array([1.0, 0.0]), lambda s: s) is None
    assert walk(params, lambda p: derivatives(p, x, y), np.array([1.0, 0.0]), lambda s: s * s) is None


def test_a_share_too_small_to_tell_is_undecided():
    params, x, y = minimum_with(1, dimensions=1, units=1)
    assert "lost in" in classify_split(params, x, y, 0, [1e-300, 1]).reason
    assert classify_split(params, x, y, 0, [-1e-12, 1 + 1e-12]).verdict == "undecided"


def test_coefficients_in_float32_are_taken_and_their_sum_made_1():
    params, x, _ = minimum_with(1, dimensions=1, units=1)
    for mu in (np.full(10, 0.1, np.float32), np.full(3, 1 / 3, np.float32)):
        wide = split_neuron(params, 0, mu)
        assert relative_error(forward(wide, x)[0], forward(params, x)[0]) <= 1e-14


def test_signs_count():
    assert signs(np.array([-2.0, -1e-9, 1e-9, 3.0, 4.0]), 1e-8) == (2, 1, 2)


def test_a_report_reads_like_a_report():
    params, x, y = minimum_with(1, dimensions=1, units=1)
    kept, left = (str(classify_split(params, x, y, 0, mu)) for mu in ([0.5, 0.5], [2, -1]))
    assert kept.startswith("minimum: H has eigenvalues: 1 positive; mu has entries: 2 positive")
    assert "restarts within" in kept and "promised" in left and "reached" in left


BAD = [
    (dict(unit=2), "unit = 2: expected one of 0 to 1"), (dict(unit=-3), "unit = -3"),
    (dict(unit=0.5), "unit = 0.5"), (dict(mu=[1.0]), "at least two copies"),
    (dict(mu=[0.5, 0.6]), "their sum is 1.1"), (dict(mu=[1e16, -1e16]), "their sum is 0"),
    (dict(mu=[1e300, -1e300, 1]), "coefficients holds 1e.300"), (dict(x=1e60), "x holds"), (dict(y=1e200), "y holds"), (dict(mu=[np.nan, 1]), r"coefficients\[0\] = nan"),
    (dict(mu=[[0.5, 0.5]]), "coefficients has shape"), (dict(mu="half"), "coefficients has type"),
    (dict(params=lambda p: p._replace(activation="relu")), "relu"),
    (dict(params=lambda p: p._replace(v=np.array([0.0, 1.0]))), r"params.v\[0\] = 0"),
    (dict(params=lambda p: p._replace(w=np.ones((2, 2)))), "units 0 and 1 answer alike"),
    (dict(params=lambda p: p._replace(w=np.array([[1.0, 2.0], [-1.0, -2.0]]))), "units 0 and 1 answer alike"),
    (dict(params=lambda p: p._replace(v=p.v + 0.1)), "gradient norm .* over the tolerance 1e-10"),
    (dict(params=lambda p: None), "params = None"), (dict(loss="hinge"), "loss = 'hinge'")]


@pytest.mark.parametrize("change, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_to_classify_split(change, message):
    point, x, y = found()
    params = change.get("params", lambda p: p)(point.params)
    x, y = x * change.get("x", 1), y * change.get("y", 1)
    with pytest.raises(InputError, match=message):
        classify_split(params, x, y, change.get("unit", 0), change.get("mu", [0.5, 0.5]), change.get("loss", "square"))


def test_bad_input_to_the_others():
    point, x, y = found()
    relu = point.params._replace(activation="relu")
    for bad in (lambda: split_neuron(relu, 0, [0.5, 0.5]), lambda: inner_hessian(relu, x, y, 0),
                lambda: split_neuron(point.params, 0, [1.0]), lambda: inner_hessian(point.params, x, y, 5),
                lambda: plateau_table((1, 0), [0.5, 0.5]), lambda: plateau_table((-1, 1, 0), [0.5, 0.5]),
                lambda: plateau_table((0, 0, 0), [0.5, 0.5]), lambda: plateau_table(3, [0.5, 0.5]),
                lambda: plateau_table(np.array(3), [0.5, 0.5]), lambda: plateau_table([[1], [2, 3]], [0.5, 0.5]),
                lambda: find_stationary_point(point.params, x, y, saddle="no")):
        with pytest.raises(InputError):
            bad()
