"""Gradient flow of the logistic loss to a target risk, every level on the way located (paper C).

The network is (E15)'s, f(x) = sum_j v_j relu(w_j . x) of two_layer.py; its size at the start,
alpha, is the knob.  scipy is imported where it is needed: `import minimlp` stays light.
"""

from math import log
from typing import NamedTuple

import numpy as np

from . import checks
from .loss import logistic
from .mixture import labelled
from .two_layer import TwoLayer, backward, forward

BALANCE = 1e-6          # how far | |v_j| - ||w_j|| | may be from 0, as a share of ||w_j||
LEAST, MOST = 1e-50, 1e50       # of alpha
LARGEST_OUTPUT = 1e11   # of f at the start, by its order: beyond, rounding would hide the risk
LOOSEST = 1e-2          # tolerance, beyond which a level would not be located
KINDS = ("growth", "training", "validation", "time")


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
        f = 0 at the start; the width must be even.

    Returns
    -------
    TwoLayer
        Without biases.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827); the antisymmetric start is ours.
    """
    h, d = checks.count("width", width, most=10**6), checks.count("dimensions", dimensions, most=10**6)
    alpha, antisymmetric = scale("alpha", alpha), checks.flag("antisymmetric", antisymmetric)
    if antisymmetric and h % 2:
        raise checks.InputError(f"width = {h}: an antisymmetric start needs an even one")
    random = np.random.default_rng(checks.seed(seed))
    w = random.normal(size=(h, d)) / np.sqrt(d)
    signs = random.choice([-1.0, 1.0], h)
    if antisymmetric:
        w[h // 2:], signs[h // 2:] = w[:h // 2], -signs[:h // 2]
    w = alpha * w
    return TwoLayer(w, None, signs * np.sqrt(np.einsum("jk,jk->j", w, w)), None, "relu")


def scale(name, value):
    """A positive number whose powers neither overflow nor vanish."""
    value = checks.positive(name, value)
    if not LEAST <= value <= MOST:
        raise checks.InputError(f"{name} = {value}: expected {LEAST:g} to {MOST:g}")
    return value


class Stop(NamedTuple):
    """Where `train_to_risk` met a level.

    Attributes
    ----------
    kind : {"growth", "training", "validation", "time"}
        Of the level: c max_j ||w_j||^2, a risk on the samples trained on or on others, a time.
    level : float
    time : float
        Of the mean loss (E14); nan if the level was not reached.
    params : TwoLayer
        At that time, in their own scale; all nan if the level was not reached.
    """

    kind: str
    level: float
    time: float
    params: TwoLayer


class Flow(NamedTuple):
    """A training by gradient flow: what `train_to_risk` returns.

    Attributes
    ----------
    stops : tuple of Stop
        By kind (growth, training, validation, time), then in the order asked for.
    reached : bool
        Whether the last training risk was met within the limits; if not, the run has failed.
    risk, time : float
        The last ones: the training risk (E14), and the time of the mean loss.
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
        Level of c max_j ||w_j||^2: at alpha phase 1 ends (E15).
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
        "cpu": compiled, and kinks are followed exactly, no two samples in a line with 0;
        c theta^2 stands for c.

    Returns
    -------
    Flow
        Of `params` in their own scale; a target that is not met is no error.

    Raises
    ------
    InputError
        For an argument that can't be used, for a start that is not balanced, and for one so large
        that rounding hides the risk.

    Notes
    -----
    Paper C (arXiv 2602.00827); the integrator is ours.  With c from theta the flow is at every
    time what sqrt(c) theta has without c.
    """
    x, y = labelled(x, y)
    params = relu_network(params, x.shape[1])
    check_balance(params)
    levels = checked_levels(growth, target, validation_levels, times)
    if len(levels[2]) and validation is None:
        raise checks.InputError("validation = None: validation_levels need samples")
    validation = (x, y) if validation is None else checked_validation(validation, x.shape[1])
    c = scale("multiplier", multiplier)
    tolerance = checks.positive("tolerance", tolerance)
    if tolerance > LOOSEST:
        raise checks.InputError(f"tolerance = {tolerance}: expected at most {LOOSEST:g}")
    size = c * np.mean(params.v ** 2)
    if size > LARGEST_OUTPUT:
        raise checks.InputError(f"params: outputs of the order of {size:.2g}, expected at most {LARGEST_OUTPUT:g}: "
                                "rounding would hide the risk; take a smaller alpha or multiplier")
    tolerance *= min(1.0, 1 / size)
    checks.choice("backend", backend, ("numpy", "cpu"))
    flow = gradient_flow if backend == "numpy" else compiled_flow()
    if backend == "cpu":
        refuse_shared_kinks(x)
    when, states, steps, time, risk = flow(params, x, y, validation, levels, tolerance,
                                           checks.count("most", most),
                                           checks.positive("longest", longest), c)
    names = [kind for kind, of_kind in zip(KINDS, levels) for _ in of_kind]
    stops = tuple(map(Stop, names, map(float, np.concatenate(levels)), map(float, when), states))
    last = stops[len(levels[0]) + len(levels[1]) - 1]
    return Flow(stops, bool(np.isfinite(last.time)), float(risk), float(time), int(steps))


def checked_validation(validation, dimensions):
    """Labelled samples of as many dimensions as those that are trained on."""
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise checks.InputError(f"validation = {checks.short(validation)}: expected samples and labels, (x, y)")
    x, y = labelled(*validation, names=("validation x", "validation y"))
    if x.shape[1] != dimensions:
        raise checks.InputError(f"validation x has shape {x.shape}: expected {dimensions} dimensions")
    return x, y


def compiled_flow():
    """The compiled twin of `gradient_flow`, if it can be imported."""
    try:
        from .kernels import flow
    except ImportError as error:
        raise checks.InputError(f"backend = 'cpu': not available: {error}") from error
    return flow.gradient_flow


def refuse_shared_kinks(x):
    """Refuses two samples on a line through 0: a unit meets their kinks at once, and the compiled flow one by one."""
    lengths = np.linalg.norm(x, axis=1)
    rows = np.flatnonzero(lengths)
    directions = x[rows] / lengths[rows, None]
    cosines = np.abs(np.einsum("ik,jk->ij", directions, directions))
    i, j = np.nonzero(np.triu(cosines > 1 - 1e-12, 1))
    if x.shape[1] > 1 and len(i):
        raise checks.InputError(f"x[{rows[i[0]]}] and x[{rows[j[0]]}] lie on a line through 0, where both kinks are "
                                "met at once: backend = 'cpu' can't follow these; 'numpy' can")


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

    def slope(_, theta):
        now = TwoLayer.from_vector(theta, params)
        output, responses = forward(now, x)
        return -backward(now, x, responses, logistic(multiplier * output, y)[1])

    def gap(place, time, theta):
        return distance(*watch.places[place], time, TwoLayer.from_vector(theta, params), x, y, validation,
                        multiplier)

    theta = params.to_vector()
    watch = Watch([(kind, level) for kind, of_kind in zip(KINDS, levels) for level in of_kind], len(theta))
    watch.begin(theta, gap)
    absolute = tolerance * np.abs(params.v).min() / np.sqrt(x.shape[1])
    solver = RK45(slope, 0.0, theta, longest, rtol=max(tolerance, 1e-13), atol=absolute)
    steps = 0
    while steps < most and solver.status == "running" and not watch.ended():
        solver.step()
        steps += 1
        watch.look(solver, gap)
    time, theta = watch.last(solver.t, solver.y)
    risk = logistic(multiplier * forward(TwoLayer.from_vector(theta, params), x)[0], y)[0]
    return watch.when, [TwoLayer.from_vector(state, params) for state in watch.found], steps, time, risk


class Watch:
    """The levels of a flow: which are waited for, when and where the others were met."""

    def __init__(self, places, size):
        self.places, self.waiting = places, list(range(len(places)))
        self.ends = [p for p, (kind, _) in enumerate(places) if kind in ("training", "time")]
        self.when, self.found = np.full(len(places), np.nan), np.full((len(places), size), np.nan)

    def begin(self, theta, gap):
        for p in [p for p in self.waiting if gap(p, 0.0, theta) <= 0]:
            self.meet(p, 0.0, theta)

    def look(self, solver, gap):
        """Locates the levels that the solver's last step went past."""
        from scipy.optimize import brentq

        path = solver.dense_output()
        for p in [p for p in self.waiting if gap(p, solver.t, solver.y) <= 0]:
            time = brentq(lambda t: gap(p, t, path(t)), solver.t_old, solver.t, xtol=1e-13)
            self.meet(p, time, path(time))

    def meet(self, place, time, theta):
        self.when[place], self.found[place] = time, theta
        self.waiting.remove(place)

    def ended(self):
        return not set(self.ends) & set(self.waiting)

    def last(self, time, theta):
        """Where the flow ends: at its last level, what lies behind it forgotten, or where it is."""
        if self.ended():
            place = max(self.ends, key=lambda p: self.when[p])
            time, theta = self.when[place], self.found[place].copy()
            late = self.when > time
            self.when[late], self.found[late] = np.nan, np.nan
        return time, theta


def distance(kind, level, time, params, x, y, validation, multiplier):
    """How far away a level still is, at most 0 where it is met: in logarithms, of a time as it is."""
    if kind == "time":
        return level - time
    if kind == "growth":
        return log(level) - log(multiplier * np.max(params.v ** 2))
    x, y = (x, y) if kind == "training" else validation
    risk = logistic(multiplier * forward(params, x)[0], y)[0]
    return log(max(risk, 5e-324)) - log(level)      # a risk may underflow


def relu_network(params, dimensions):
    """(E15)'s network in float64; refuses any other."""
    if not isinstance(params, TwoLayer) or params.activation != "relu" or params.b is not None \
            or params.c is not None:
        raise checks.InputError(f"params = {checks.short(params)}: expected minimlp.TwoLayer with relu and "
                                "without biases")
    w = checks.array("params.w", params.w, (None, dimensions), real=True).astype(float)
    v = checks.array("params.v", params.v, w.shape[:1], real=True).astype(float)
    return params._replace(w=checks.moderate("params.w", w), v=checks.moderate("params.v", v))


def check_balance(params):
    """Refuses a start that is not balanced: the compiled flow takes |v_j| for ||w_j||."""
    norms = np.linalg.norm(params.w, axis=1)
    off = np.abs(np.abs(params.v) - norms)
    if not np.all(off <= BALANCE * norms) or not np.all(norms >= LEAST / 1e10):
        j = int(np.argmax(off - BALANCE * norms))
        raise checks.InputError(f"params.v[{j}] = {params.v[j]}: a balanced network has |v_j| = ||w_j|| > 0, "
                                f"here ||w_j|| = {norms[j]}")


def checked_levels(growth, training, validation, times):
    """The four kinds of levels as arrays, each positive and in its order."""
    result = []
    for name, values, sign in (("growth", growth, 1), ("target", training, -1),
                               ("validation_levels", validation, -1), ("times", times, 1)):
        values = np.array([checks.positive(name, value) for value in np.atleast_1d(checks.as_array(name, values))],
                          dtype=float)
        if np.any(np.diff(sign * values) <= 0):
            raise checks.InputError(f"{name} = {checks.short(values.tolist())}: expected in "
                                    f"{'rising' if sign > 0 else 'falling'} order")
        result.append(values)
    if not len(result[1]):
        raise checks.InputError("target is empty: at least one risk is needed")
    return tuple(result)
