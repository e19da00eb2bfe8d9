"""What one run of `minimlp split` does: problems, stationary points, every kind of split of each."""

from itertools import permutations, product

import numpy as np

from ..evidence import probe, walk
from ..gaussian import Params
from ..growing import METHODS, descend, grow
from ..landscape import (derivatives, find_stationary_point, network_of, outputs, stationary_point,
                         unit_derivatives)
from ..splitting import bias_columns, inner_hessian_and_floor, is_gaussian, judged, plateau_table
from ..two_layer import TwoLayer

NOISE = 0.2                     # of the targets, so that no minimum interpolates
SAMPLES = 40
SPREAD = 1.5                    # of the samples and of the teacher's incoming weights
SADDLE_STARTS, KICK = 3, 0.7    # from the teacher, moved by this much in every parameter
FAR = 100.0                     # a point with larger parameters is on its way to infinity
NARROW_SHARE = 1e-6             # of the largest |v|: a unit under it is all but unheard
SURE = 1e-11                    # of the largest eigenvalue: below it the wide Hessian's sign is open
NEAR = (0.2, 0.1, 0.05)         # half-widths of boxes in which a lower loss is looked for
REGIONS = ("simplex", "one positive", "sure saddle", "zero")


def teacher(run, random):
    """A network of the run's kind to take targets from."""
    units, d = run["width"], run["dimensions"]
    v = random.choice([-1.0, 1.0], units) * random.uniform(0.5, 2, units)
    if run["network"] == "isotropic":
        p, w = random.uniform(-SPREAD, SPREAD, (units, d)), random.uniform(0.5, 1.5, units)
        return Params(w, -w[:, None] * p, v, np.zeros(()))
    w = SPREAD * random.normal(size=(units, d))
    b = random.normal(size=units) if run["bias"] else None
    return TwoLayer(w, b, v, np.zeros(()) if run["bias"] else None, run["network"])


def answer(params, x):
    """What the network says, whichever of the two it is."""
    return network_of(params).forward(params, x)[0]


def problem(run):
    """(random stream, teacher, x, y): noisy targets of a teacher as wide as the network."""
    random = np.random.default_rng([run["seed"], run["width"], run["dimensions"], int(run["bias"])])
    x = SPREAD * random.normal(size=(SAMPLES, run["dimensions"]))
    params = teacher(run, random)
    return random, params, x, answer(params, x) + NOISE * random.normal(size=SAMPLES)


def stationary_points(run):
    """(random stream, x, y, the stationary points found, each once): minima, saddles, degenerate ones."""
    random, params, x, y = problem(run)
    theta, found = params.to_vector(), {}
    starts = [(params, False), (teacher(run, random), False)]
    starts += [(type(params).from_vector(theta + KICK * random.normal(size=theta.size), like=params), True)
               for _ in range(SADDLE_STARTS)]
    for start, saddle in starts:
        point = find_stationary_point(start, x, y, saddle=saddle)
        if point.kind != "not stationary" and np.linalg.norm(point.params.to_vector()) < FAR:
            found.setdefault(f"{point.kind} {point.value:.8g}", point)
    return random, x, y, list(found.values())


def coefficient_sets(random):
    """(region, mu) for k = 2, 3 and 4, in each region of the table that k has."""
    for k in (2, 3, 4):
        positive = 0.1 + random.dirichlet(np.ones(k))
        yield "simplex", positive / positive.sum()
        negative = -random.uniform(0.2, 1.5, k - 1)
        yield "one positive", random.permutation([1 - negative.sum(), *negative])
        if k > 2:
            q = random.integers(1, k - 1)
            negative = -random.uniform(0.2, 1.5, q)
            share = 0.2 + random.dirichlet(np.ones(k - q))
            yield "sure saddle", random.permutation(
                [*(share / share.sum() * (1 - negative.sum())), *negative])
        share = 0.1 + random.dirichlet(np.ones(k - 1))
        yield "zero", random.permutation([*(share / share.sum()), 0.0])


def split_run(run):
    """Every split of every unit of every point found: predicted and observed."""
    random, x, y, points = stationary_points(run)
    return [all_splits(point, x, y, random) for point in points]


def all_splits(point, x, y, random, regions=REGIONS):
    """Every unit that is heard, split with every set of coefficients."""
    if point.kind == "degenerate":              # paper B's table speaks of non-degenerate points
        return {"kind": point.kind, "margin": point.margin, "value": point.value, "cases": [],
                "theta": point.params.to_vector().tolist(), "traces": []}
    heard = np.abs(point.params.v) > NARROW_SHARE * np.abs(point.params.v).max()
    cases = [case(point, x, y, unit, region, mu) for unit in np.flatnonzero(heard)
             for region, mu in coefficient_sets(random) if region in regions]
    return {"kind": point.kind, "margin": point.margin, "value": point.value, "cases": cases,
            "theta": point.params.to_vector().tolist(),
            "traces": [trace_share(point, x, y, unit) for unit in np.flatnonzero(heard)]}


def case(point, x, y, unit, region, mu):
    """One split: what the claims predict, what is seen, what `classify_split` says, and figures."""
    report = judged(point, x, y, unit, mu)
    seen, law = observed(report, x, y, mu)
    _, gradient, _ = derivatives(report.wide, x, y)
    return {"unit": int(unit), "region": region, "k": len(mu), "inertia": report.inertia,
            "inner": report.inner.tolist(), "predicted": predicted(report, mu), "observed": seen,
            "verdict": report.verdict, "inertia_law": law, "wide_gradient": float(np.linalg.norm(gradient)),
            "promised": report.descent and report.descent.predicted,
            "reached": report.descent and report.descent.reached,
            "smallest": report.smallest, "radius": report.probe and report.probe.radius}


def predicted(report, mu):
    """B4 at a saddle, B5 at a zero coefficient, and else the table: signs alone, no evidence."""
    if report.point.kind != "minimum" or np.any(mu == 0):
        return "saddle"
    return plateau_table(report.inertia, mu)


def observed(report, x, y, mu):
    """The split point by its own Hessian and by searches around it: no table, no inner Hessian.

    A saddle: a negative eigenvalue, along which the loss falls as it should; or else something
    lower in each of three smaller and smaller boxes.  A minimum: k - 1 eigenvalues are 0 and the
    others positive, and some box holds nothing lower.  With it: whether the inertia is what the
    table adds up (None where an eigenvalue or a coefficient is 0).
    """
    def at(params):
        return derivatives(params, x, y)

    _, _, hessian = at(report.wide)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    floor = SURE * np.abs(eigenvalues).max()
    negative, flat = np.sum(eigenvalues < -floor), np.sum(np.abs(eigenvalues) <= floor)
    m, n, zeros = report.inertia
    p, q = np.sum(mu > 0), np.sum(mu < 0)
    law = None
    if np.all(mu != 0) and zeros == 0:
        law = bool(flat == len(mu) - 1
                   and negative == np.sum(report.point.eigenvalues < 0) + (p - 1) * n + q * m)
    if negative:
        down = walk(report.wide, at, vectors[:, 0], lambda s: -0.5 * eigenvalues[0] * s * s)
        return ("saddle" if down else "undecided"), law
    if flat == len(mu) - 1 and (report.probe or probe(report.wide, x, y)).radius:
        return "minimum", law
    return ("saddle" if lower_in_every_box(report.wide, x, y) else "undecided"), law


def lower_in_every_box(params, x, y):
    """Whether bounded searches find a lower loss in each of the boxes `NEAR`."""
    return all(probe(params, x, y, radii=(radius,)).radius is None for radius in NEAR)


def trace_share(point, x, y, unit):
    """|trace of the bias block of H| over the size of H, of a Gaussian unit (E13); None of others."""
    if not is_gaussian(point.params):
        return None
    h, floor = inner_hessian_and_floor(point.params, x, y, unit, "square")
    biases, size = bias_columns(point.params), np.linalg.norm(h)
    return float(abs(np.trace(h[biases, biases])) / size) if size > floor else None


def vanishing_run(run):
    """A minimum whose inner Hessian is 0 by construction: residuals orthogonal to h, Dh and D^2 h.

    A split with a zero coefficient should still escape; of others second order says nothing.
    """
    random, params, x, _ = problem(run)
    hidden, slope, curvature = unit_derivatives(params, x)
    columns = np.column_stack([hidden, slope.reshape(len(x), -1), curvature.reshape(len(x), -1)]
                              + ([] if params.c is None else [np.ones(len(x))]))
    residual = random.normal(size=len(x))
    for _ in range(2):                          # twice: once leaves round-off
        residual = residual - columns @ np.linalg.lstsq(columns, residual)[0]
    y = outputs(params, hidden) - residual
    return [all_splits(stationary_point(params, x, y), x, y, random, ("zero",))]


def symmetric_samples(base):
    """Every image of the points under exchanges and sign changes of the axes."""
    d = base.shape[1]
    return np.concatenate([base[:, list(order)] * signs for order in permutations(range(d))
                           for signs in product((-1.0, 1.0), repeat=d)])


def centred_run(run):
    """A centred isotropic unit on symmetric data: H = diag(H_ww, 0), and who descends (E13)."""
    d = run["dimensions"]
    random = np.random.default_rng([run["seed"], d, 5])
    directions = random.normal(size=({1: 15, 2: 8, 3: 4}[d], d))
    base = directions / np.linalg.norm(directions, axis=1)[:, None] * random.uniform(0.2, 3, (len(directions), 1))
    x = symmetric_samples(base)
    noise = np.tile(NOISE * random.normal(size=len(base)), len(x) // len(base))
    start = Params(random.uniform(0.5, 1.5, 1), np.zeros((1, d)), np.ones(1), np.zeros(()))
    y = answer(start, x) + noise
    point = find_stationary_point(start, x, y)
    if point.kind != "minimum" or np.abs(point.params.b).max() > 1e-9:
        return []
    inner = inner_hessian_and_floor(point.params, x, y, 0, "square")[0]
    region = "simplex" if inner[0, 0] > 0 else "one positive"
    rows = []
    for k in (2, 3, 4):
        mu = np.full(k, 1 / k) if region == "simplex" else np.array([k] + [-1.0] * (k - 1))
        report = judged(point, x, y, 0, mu)
        rows.append({"dimensions": d, "k": k, "region": region, "verdict": report.verdict,
                     "descends": int(report.verdict == "saddle" or lower_in_every_box(report.wide, x, y)),
                     "bias_row": float(np.abs(inner[1:]).max()), "inner_ww": float(inner[0, 0])})
    return rows


def growth_problem(task, seed):
    """(start of two tanh units, x, y): a wave in one dimension, or a teacher of six units in two."""
    random = np.random.default_rng([seed, 7])
    if task == "wave":
        x = random.uniform(-1, 1, (60, 1))
        y = x[:, 0] * np.sin(3 * np.pi * x[:, 0]) + 0.05 * random.normal(size=60)
    else:
        x = random.normal(size=(80, 2))
        six = TwoLayer(SPREAD * random.normal(size=(6, 2)), random.normal(size=6), random.normal(size=6),
                       np.zeros(()), "tanh")
        y = answer(six, x) + 0.05 * random.normal(size=80)
    start = TwoLayer(random.normal(size=(2, x.shape[1])), random.normal(size=2), random.normal(size=2),
                     np.zeros(()), "tanh")
    return start, x, y


def growth_run(run, units=4, evaluations=100):
    """Two trained units, then four more one by one, by each method with the same gradients."""
    start, x, y = growth_problem(run["task"], run["seed"])
    start, _ = descend(start, x, y, "square", 300)
    rows = []
    for method in METHODS:
        params, values = start, []
        for k in range(units):
            grown = grow(params, x, y, "square", method, evaluations, [run["seed"], k])
            params = grown.params
            values += grown.values.tolist()
        rows.append({"method": method, "values": values})
    return rows


PARTS = {"split": split_run, "vanishing": vanishing_run, "centred": centred_run, "growth": growth_run}
