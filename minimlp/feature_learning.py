"""Feature learning strength: a mixture, the gradient flow to a risk, and what it learned (paper C).

The network is (E15)'s, f(x) = sum_j v_j relu(w_j . x) of two_layer.py; its size at the start,
alpha, is the knob.  scipy is imported where it is needed: `import minimlp` stays light.
Angles are in radians.
"""

from math import cos, erfc, log, sqrt
from typing import NamedTuple

import numpy as np

from . import checks
from .loss import logistic
from .two_layer import TwoLayer, backward, forward

BALANCE = 1e-9          # how far | |v_j| - ||w_j|| | may be from 0, as a share of ||w_j||
KINDS = ("growth", "training", "validation", "time")


class Mixture(NamedTuple):
    """Samples of the two-class Gaussian mixture (E15).

    Attributes
    ----------
    x : array (n, d)
    y : array (n,)
        +1 and -1 in turn.
    s_plus, s_minus : array (d,)
        Unit vectors: the classes' means are kappa s_plus and -kappa s_minus.
    """

    x: np.ndarray
    y: np.ndarray
    s_plus: np.ndarray
    s_minus: np.ndarray


def mixture(size, dimensions, kappa, sigma, seed, angle=0.0):
    """Two classes, Gaussian around their means (E15).

        x_i = kappa y_i s_{y_i} + sigma z_i,   z_i ~ N(0, I),   y_i = +1, -1, +1, ...

    Parameters
    ----------
    size, dimensions : int
        n >= 2 and d.  The labels are balanced: for odd n there is one +1 more.
    kappa, sigma : float
        Distance of the means from the origin; standard deviation in every direction.
    seed : int, sequence of ints or numpy.random.Generator
    angle : float
        Between s_plus and s_minus; in one dimension it must be 0.

    Returns
    -------
    Mixture

    Raises
    ------
    InputError

    Notes
    -----
    Paper C (arXiv 2602.00827); s_plus is the first axis, s_minus lies in the plane of the first two.
    """
    size, d = checks.count("size", size, least=2), checks.count("dimensions", dimensions)
    kappa, sigma = checks.positive("kappa", kappa), checks.positive("sigma", sigma)
    angle = checks.number("angle", angle)
    if d == 1 and angle != 0:
        raise checks.InputError(f"angle = {angle}: in one dimension s_plus and s_minus are equal")
    random = np.random.default_rng(checks.seed(seed))
    y = np.where(np.arange(size) % 2 == 0, 1.0, -1.0)
    s_plus, s_minus = np.eye(d)[0], np.eye(d)[0]
    if angle != 0:
        s_minus = np.cos(angle) * np.eye(d)[0] + np.sin(angle) * np.eye(d)[1]
    means = kappa * y[:, None] * np.where(y[:, None] > 0, s_plus, s_minus)
    return Mixture(means + sigma * random.normal(size=(size, d)), y, s_plus, s_minus)


def separability(x, y):
    """The constant of orthogonal separability, lambda = min over i, k of y_i y_k cos(x_i, x_k).

    Parameters
    ----------
    x : array (n, d)
    y : array (n,)
        +-1, both classes.

    Returns
    -------
    float
        Between -1 and 1; paper C's theory assumes lambda > 0.

    Raises
    ------
    InputError
    """
    x, y = labelled(x, y)
    unit = y[:, None] * x / np.sqrt(np.einsum("ik,ik->i", x, x))[:, None]
    return float(np.einsum("ik,jk->ij", unit, unit).min())


def balanced_start(width, dimensions, alpha, seed, antisymmetric=False):
    """The network at the start (E15): W(0) = alpha W_0, v_j(0) = +-||w_j(0)||.

    Rows of W_0 ~ N(0, I/d), so that ||w_j(0)|| is about alpha, whatever the width; the sign
    is +1 or -1 with equal chances.

    Parameters
    ----------
    width, dimensions : int
        h and d.
    alpha : float
        Above 0; the feature learning strength is its inverse.
    seed : int, sequence of ints or numpy.random.Generator
    antisymmetric : bool
        Whether the second half of the units repeats the first with opposite signs, so that
        f = 0 at the start (ours); the width must be even.

    Returns
    -------
    TwoLayer
        Without biases.

    Raises
    ------
    InputError
    """
    h, d = checks.count("width", width), checks.count("dimensions", dimensions)
    alpha = checks.positive("alpha", alpha)
    if antisymmetric and h % 2:
        raise checks.InputError(f"width = {h}: an antisymmetric start needs an even one")
    random = np.random.default_rng(checks.seed(seed))
    w = random.normal(size=(h, d)) / np.sqrt(d)
    signs = random.choice([-1.0, 1.0], h)
    if antisymmetric:
        w[h // 2:], signs[h // 2:] = w[:h // 2], -signs[:h // 2]
    w = alpha * w
    return TwoLayer(w, None, signs * np.sqrt(np.einsum("jk,jk->j", w, w)), None, "relu")


class Stop(NamedTuple):
    """Where a training met a level.

    Attributes
    ----------
    kind : {"growth", "training", "validation", "time"}
    level : float
    time : float
        Of the mean loss (E14); nan if the level was not reached.
    params : TwoLayer
        At that time; all nan if the level was not reached.
    """

    kind: str
    level: float
    time: float
    params: TwoLayer


class Descent(NamedTuple):
    """A training by gradient flow.

    Attributes
    ----------
    stops : tuple of Stop
        By kind (growth, training, validation, time), then in the order asked for.
    reached : bool
        Whether the last training risk was met within the limits; if not, the run has failed.
    risk, time : float
        The last ones.
    steps : int
        Of the integrator, tried.
    """

    stops: tuple
    reached: bool
    risk: float
    time: float
    steps: int


def train_to_risk(params, x, y, target, validation=None, validation_levels=(), growth=(), times=(),
                  multiplier=1.0, tolerance=1e-6, most=20_000, longest=2000.0, backend="numpy"):
    """Gradient flow of the logistic loss until the training risk meets its target (E14, E15).

        dtheta/dt = -(1/c) dL/dtheta,   L = (1/n) sum_i log(1 + exp(-y_i c f_i))

    by an error-controlled integrator; every level on the way is located, not overshot.

    Parameters
    ----------
    params : TwoLayer
        As `balanced_start` makes it.
    x : array (n, d)
    y : array (n,)
        +-1, both classes.
    target : float or falling sequence of floats
        Training risks; the last one ends the training.
    validation : (array (m, d), array (m,)), optional
        Samples for the validation risk.
    validation_levels : falling sequence of floats
        Validation risks to stop at, if they are met before the target.
    growth : sequence of one float
        Level of max_j ||w_j||^2: at alpha phase 1 ends (E15).
    times : rising sequence of floats
        At which the parameters are kept as well; the training goes on until the last.
    multiplier : float
        c > 0.
    tolerance : float
        Of a step's error in a unit as a share of its norm; multiplied by 1/alpha^2, alpha^2
        the mean c v_j^2 at the start, where that is less: weights then hardly move.
    most, longest : int, float
        Steps tried and time at which the run has failed.
    backend : {"numpy", "cpu"}
        "numpy": scipy's RK45 on the plain gradient; along a kink it needs very many steps.
        "cpu": compiled, and kinks are followed exactly; c theta^2 stands for c.

    Returns
    -------
    Descent
        Of `params` in their own scale; a target that is not met is no error.

    Raises
    ------
    InputError

    Notes
    -----
    Paper C (arXiv 2602.00827).  With c from theta the flow is at every time what sqrt(c) theta
    has without c.
    """
    x, y = labelled(x, y)
    network(params, x.shape[1])
    balanced(params)
    levels = checked_levels(growth, target, validation_levels, times)
    if len(levels[2]) and validation is None:
        raise checks.InputError("validation = None: validation_levels need samples")
    validation = (x, y) if validation is None else labelled(*validation, names=("validation x", "validation y"))
    c = checks.positive("multiplier", multiplier)
    scale = c * np.mean(params.v ** 2)
    tolerance = checks.positive("tolerance", tolerance) * min(1.0, 1 / scale)
    checks.choice("backend", backend, ("numpy", "cpu"))
    flow = gradient_flow if backend == "numpy" else compiled_flow()
    when, states, steps, time, risk = flow(params, x, y, validation, levels, tolerance,
                                           checks.count("most", most),
                                           checks.positive("longest", longest), c)
    names = [kind for kind, of_kind in zip(KINDS, levels) for _ in of_kind]
    stops = tuple(map(Stop, names, map(float, np.concatenate(levels)), map(float, when), states))
    last = stops[len(levels[0]) + len(levels[1]) - 1]
    return Descent(stops, bool(np.isfinite(last.time)), float(risk), float(time), int(steps))


def compiled_flow():
    try:
        from .kernels import flow
    except ImportError as error:
        raise checks.InputError(f"backend = 'cpu': not available: {error}") from error
    return flow.gradient_flow


def gradient_flow(params, x, y, validation, levels, tolerance, most, longest, multiplier):
    """The flow of `train_to_risk`, by Dormand and Prince's method as scipy has it.

    Parameters
    ----------
    params, x, y, validation
        As there, the samples of validation always given.
    levels : tuple of four arrays
        Of growth, training risk, validation risk and time, each in its order.
    tolerance, most, longest, multiplier
        As there.

    Returns
    -------
    when : array (L,)
        Time of each level, nan where it was not reached.
    states : list of TwoLayer
        The parameters there.
    steps, time, risk : int, float, float
        Steps taken, and where the flow was left.
    """
    from scipy.integrate import RK45
    from scipy.optimize import brentq

    def slope(_, theta):
        now = TwoLayer.from_vector(theta, params)
        output, responses = forward(now, x)
        return -backward(now, x, responses, logistic(multiplier * output, y)[1])

    def gap(place, time, theta):
        kind, level = places[place]
        return distance(kind, level, time, TwoLayer.from_vector(theta, params), x, y, validation,
                        multiplier)

    places = [(kind, level) for kind, of_kind in zip(KINDS, levels) for level in of_kind]
    theta = params.to_vector()
    when, found = np.full(len(places), np.nan), np.full((len(places), len(theta)), np.nan)
    waiting = [p for p in range(len(places)) if gap(p, 0.0, theta) > 0]
    when[[p for p in range(len(places)) if p not in waiting]] = 0.0
    found[when == 0] = theta
    absolute = tolerance * np.abs(params.v).min() / np.sqrt(x.shape[1])
    solver = RK45(slope, 0.0, theta, longest, rtol=max(tolerance, 1e-13), atol=absolute)
    steps = 0
    while steps < most and solver.status == "running" and any(
            places[p][0] in ("training", "time") for p in waiting):
        solver.step()
        steps, path = steps + 1, solver.dense_output()
        for p in [p for p in waiting if gap(p, solver.t, solver.y) <= 0]:
            when[p] = brentq(lambda t: gap(p, t, path(t)), solver.t_old, solver.t, xtol=1e-13)
            found[p] = path(when[p])
            waiting.remove(p)
    time, theta = solver.t, solver.y
    ends = [p for p in range(len(places)) if places[p][0] in ("training", "time")]
    if not set(ends) & set(waiting):        # what lies behind the end was not asked for
        last = max(ends, key=lambda p: when[p])
        time, theta = when[last], found[last]
        late = when > time
        when[late], found[late] = np.nan, np.nan
    risk = logistic(multiplier * forward(TwoLayer.from_vector(theta, params), x)[0], y)[0]
    return when, [TwoLayer.from_vector(state, params) for state in found], steps, time, risk


def distance(kind, level, time, params, x, y, validation, multiplier):
    """How far a level is: in its logarithm, a time in its own units."""
    if kind == "time":
        return level - time
    if kind == "growth":
        return log(level) - log(multiplier * np.max(params.v ** 2))
    x, y = (x, y) if kind == "training" else validation
    return log(logistic(multiplier * forward(params, x)[0], y)[0]) - log(level)


def alignment(params, x, y, label=1):
    """psi_j, the cosine of w_j and the sum of the class's samples (E15).

    Parameters
    ----------
    params : TwoLayer
    x : array (n, d)
    y : array (n,)
    label : {1, -1}
        The class.

    Returns
    -------
    array (h,)
        nan for the units that are not of the class: v_j of the other sign, or not active on
        any of its samples.
    """
    x, y = labelled(x, y)
    network(params, x.shape[1])
    total = class_sum(x, y, label)
    norms = np.sqrt(np.einsum("jk,jk->j", params.w, params.w))
    psi = np.einsum("jk,k->j", params.w, total) / (norms * np.linalg.norm(total))
    return np.where(units_of(params, x, y, label), psi, np.nan)


def units_of(params, x, y, label):
    """Which units carry the class (h,): v_j of its sign, active on one of its samples at least."""
    active = np.einsum("ik,jk->ij", x[y == label], params.w) > 0
    return (label * params.v > 0) & active.any(axis=0)


def class_sum(x, y, label=1):
    """x_+ = sum of the samples of a class (d,) (E15)."""
    return x[y == label].sum(axis=0)


def effective_predictor(params, x, y, label=1):
    """w_+ = sum_j |v_j| w_j over the units of a class (E15).

    Parameters
    ----------
    params : TwoLayer
    x : array (n, d)
    y : array (n,)
    label : {1, -1}

    Returns
    -------
    array (d,)

    Raises
    ------
    InputError
        If all units of the class are dead: the predictor is not defined.
    """
    x, y = labelled(x, y)
    network(params, x.shape[1])
    chosen = units_of(params, x, y, label)
    if not chosen.any():
        raise checks.InputError(f"params: no unit with v of the sign of {label:+d} is active on a sample "
                                "of that class; its effective predictor is not defined")
    return np.einsum("j,jk->k", np.abs(params.v[chosen]), params.w[chosen])


def angle_between(a, b):
    """Angle of two vectors (d,), exact for small ones too."""
    a, b = (vector / np.linalg.norm(vector) for vector in (a, b))
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def error_at(angle, kappa, sigma):
    """Phi(-kappa cos(angle) / sigma), Phi the standard normal distribution."""
    return erfc(kappa * cos(angle) / (sigma * sqrt(2))) / 2


def linear_error(v, s, kappa, sigma):
    """E(v) = Phi(-kappa <s, v> / (sigma ||v||)): how often v . x < 0 in the class (E15).

    Parameters
    ----------
    v, s : array (d,)
        The predictor; the direction of the class's mean: s_plus, or -s_minus.
    kappa, sigma : float

    Returns
    -------
    float
    """
    return error_at(angle_between(v, s), kappa, sigma)


def bayes_error(kappa, sigma, angle=0.0):
    """Phi(-kappa cos(angle / 2) / sigma), the least error of the mixture (E15).

    Parameters
    ----------
    kappa, sigma : float
    angle : float
        Between s_plus and s_minus.

    Returns
    -------
    float
    """
    return error_at(angle / 2, kappa, sigma)


def best_in_cone(v, total, s):
    """The least angle to s in the cone around `total` that v is on the edge of (E15):
    max(0, angle(total, s) - angle(v, total))."""
    return max(0.0, angle_between(total, s) - angle_between(v, total))


def over_alignment(v, total, s, kappa, sigma):
    """OA: the best error in the predictor's cone around the class sum, less the Bayes error (E15).

        OA = Phi(-kappa cos(max(0, angle(x_+, s_+) - angle(w_+, x_+))) / sigma) - Phi(-kappa / sigma)

    Parameters
    ----------
    v, total, s : array (d,)
        w_+, x_+ and s_+; for the class -1 its own, with s = -s_minus.
    kappa, sigma : float

    Returns
    -------
    float
        At least 0: what it costs to stay as near to x_+ as w_+ does.
    """
    return error_at(best_in_cone(v, total, s), kappa, sigma) - error_at(0.0, kappa, sigma)


def over_fitting(v, total, s, kappa, sigma):
    """OF: the predictor's error less the best in its cone around the class sum (E15).

        OF = E(w_+) - Phi(-kappa cos(max(0, angle(x_+, s_+) - angle(w_+, x_+))) / sigma)

    Parameters
    ----------
    v, total, s : array (d,)
        As in `over_alignment`.
    kappa, sigma : float

    Returns
    -------
    float
        At least 0; with OA it adds up to E(w_+) - Phi(-kappa / sigma).
    """
    best = best_in_cone(v, total, s)
    return error_at(max(best, angle_between(v, s)), kappa, sigma) - error_at(best, kappa, sigma)


class NetworkError(NamedTuple):
    """A network's error on a sample of test points.

    Attributes
    ----------
    error : float
        Share of points with y f <= 0: f = 0 is an error.
    zeros : float
        Share of points with f exactly 0, where all units are silent; `error` less half of it
        counts them as half an error.
    standard_error : float
        Of `error`, by the points drawn.
    """

    error: float
    zeros: float
    standard_error: float


def network_error(output, y):
    """The share of test points that a network gets wrong, by Monte Carlo (ours).

    Parameters
    ----------
    output, y : array (m,)
        f and the labels, +-1.

    Returns
    -------
    NetworkError
    """
    output, y = checks.array("output", output, (None,), real=True), checks.array("y", y, np.shape(output))
    error = float(np.mean(y * output <= 0))
    return NetworkError(error, float(np.mean(output == 0)), sqrt(error * (1 - error) / len(y)))


def labelled(x, y, names=("x", "y")):
    """Samples (n, d) with labels +-1, both of them there."""
    x = checks.points(names[0], x, real=True).astype(float)
    y = checks.array(names[1], y, x.shape[:1], real=True).astype(float)
    for label in np.unique(y):
        if label not in (1, -1):
            raise checks.InputError(f"{names[1]} holds {label:g}: expected +1 and -1")
    if len(np.unique(y)) < 2:
        raise checks.InputError(f"{names[1]} = {y[0]:+g} everywhere: both classes are needed")
    return x, y


def network(params, dimensions):
    """Refuses what is not (E15)'s network."""
    if not isinstance(params, TwoLayer) or params.activation != "relu" or params.b is not None \
            or params.c is not None:
        raise checks.InputError(f"params = {checks.short(params)}: expected minimlp.TwoLayer with relu and "
                                "without biases")
    w = checks.array("params.w", params.w, (None, dimensions), real=True)
    checks.array("params.v", params.v, w.shape[:1], real=True)


def balanced(params):
    """Refuses a start that is not balanced: the compiled flow takes |v_j| for ||w_j||."""
    norms = np.sqrt(np.einsum("jk,jk->j", params.w, params.w))
    off = np.abs(np.abs(params.v) - norms)
    if not np.all(off <= BALANCE * norms) or not np.all(norms > 0):
        j = int(np.argmax(off - BALANCE * norms))
        raise checks.InputError(f"params.v[{j}] = {params.v[j]}: a balanced network has |v_j| = ||w_j|| > 0, "
                                f"here ||w_j|| = {norms[j]}")


def checked_levels(growth, training, validation, times):
    """The four kinds of levels as arrays, each positive and in its order."""
    result = []
    for name, values, sign in (("growth", growth, 1), ("target", training, -1),
                               ("validation_levels", validation, -1), ("times", times, 1)):
        values = np.array([checks.positive(name, value) for value in np.atleast_1d(values)], dtype=float)
        if np.any(np.diff(sign * values) <= 0):
            raise checks.InputError(f"{name} = {checks.short(values.tolist())}: expected in "
                                    f"{'rising' if sign > 0 else 'falling'} order")
        result.append(values)
    if not len(result[1]):
        raise checks.InputError("target is empty: at least one risk is needed")
    return tuple(result)
