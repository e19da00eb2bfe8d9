"""Neuron splitting: the plateau of a split unit, and what its points are (paper B; E10 to E13).

A split copies a unit's incoming parameters u_j and shares its output weight v_j.  Whether the
stationary point stays a minimum is decided by two things: the signs of the shares (the splitting
coefficients mu) and those of the inner Hessian's eigenvalues.
"""

from dataclasses import dataclass

import numpy as np

from . import checks
from .evidence import (Descent, Probe, descent_of_narrow, descent_of_split, escape, fourth_order,
                       off_plateau, probe)
from .gaussian import Params
from .landscape import (TOLERANCE, StationaryPoint, derivatives, incoming, outputs,
                        stationary_point, unit_derivatives, with_units)
from .loss import LOSSES

ROUND_OFF = 1e-8        # an eigenvalue of H under this share of the size of its terms counts as zero


def split_neuron(params, unit, coefficients):
    """Replace a unit by k copies of it that share its output weight (E10).

        u_l = u_j,   v_l = mu_l v_j   for l = 1, ..., k;   sum_l mu_l = 1

    The network's function stays as it is, and a stationary point stays stationary.

    Parameters
    ----------
    params : TwoLayer or Params
    unit : int
        j.
    coefficients : array (k,)
        mu, k >= 2, of any sign; their sum is 1.

    Returns
    -------
    TwoLayer or Params
        M + k - 1 units; the copies take the unit's place.

    Raises
    ------
    InputError
        For an argument that can't be used, and for relu, which has no curvature to split along.

    Notes
    -----
    Paper B (arXiv 2606.04327); Fukumizu and Amari 2000 for k = 2.
    """
    params, unit = smooth(checks.network(params)), checks.unit(params, unit)
    mu = checks.splitting_coefficients(coefficients)
    return split(params, unit, mu)


def split(params, unit, mu):
    """`split_neuron` of checked arguments."""
    copies = np.ones(len(params.v), int)
    copies[unit] = len(mu)
    shares = np.ones(copies.sum())
    shares[unit:unit + len(mu)] = mu
    return with_units(params, np.repeat(incoming(params), copies, axis=0),
                      np.repeat(params.v, copies) * shares)


def inner_hessian(params, x, y, unit, loss="square"):
    """The loss's curvature through what one unit answers (E11).

        H_j = v_j sum_i (dL/df_i) D^2 h_j(x_i),   derivatives in u_j = (w_j, b_j)

    Parameters
    ----------
    params : TwoLayer or Params
    x : array (N, d)
    y : array (N,)
    unit : int
        j.
    loss : {"square", "logistic"}

    Returns
    -------
    array (P, P)
        P = d + 1, or d for units without a bias.

    Raises
    ------
    InputError
        For an argument that can't be used, and for relu.

    Notes
    -----
    Paper B (arXiv 2606.04327): `v sum_i dL/df_i phi''(w . x_i) x_i x_i^T` for a unit without a bias.
    """
    params, x, y = checks.problem(params, x, y, loss)
    return inner_hessian_and_floor(smooth(params), x, y, checks.unit(params, unit), loss)[0]


def inner_hessian_and_floor(params, x, y, unit, loss):
    """(E11), and the size up to which its eigenvalues count as zero.

    The floor is 1e-8 of what the terms add up to without cancelling, and what dL/df is unsure by:
    1e-10, as the gradient is, of its change over the outputs' own size.
    """
    hidden, _, curvature = unit_derivatives(params, x)
    output = outputs(params, hidden)
    _, d_output, d2_output = LOSSES[loss](output, y)
    own = params.v[unit] * curvature[:, unit]
    unsure = ROUND_OFF * np.abs(d_output) + TOLERANCE * d2_output * (np.abs(output) + np.abs(y))
    return np.einsum("i,ikl->kl", d_output, own), np.linalg.norm(np.einsum("i,ikl->kl", unsure, np.abs(own)))


def plateau_table(inertia, coefficients):
    """What a split of a non-degenerate minimum is, by signs alone (E12).

    Moves delta_l of the copies with sum_l mu_l delta_l = 0 change the loss, to second order, by

        1/2 sum_l mu_l delta_l^T H delta_l

    and on them diag(mu) has p - 1 positive and q negative directions, so that the wide Hessian
    has (p - 1) n + q m negative directions more than the narrow one, where H has m positive and
    n negative ones.

    Parameters
    ----------
    inertia : tuple of int
        (m, n, zeros): how many eigenvalues of the inner Hessian are positive, negative, zero.
    coefficients : array (k,)
        mu; p of them are positive, q negative.

    Returns
    -------
    {"minimum", "saddle", "undecided"}
        "undecided" at second order: nothing descends, but a zero eigenvalue or coefficient
        leaves a direction flat.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper B (arXiv 2606.04327), whose sure-saddle region is p >= 2 and q >= 1.
    """
    mu = checks.splitting_coefficients(coefficients)
    m, n, zeros = checks.counts("inertia", inertia, 3)
    if m + n + zeros == 0:
        raise checks.InputError("inertia = (0, 0, 0): the inner Hessian has at least one eigenvalue")
    p, q = np.sum(mu > 0), np.sum(mu < 0)
    if (p - 1) * n + q * m > 0:
        return "saddle"
    return "minimum" if zeros == 0 and np.all(mu != 0) else "undecided"


@dataclass(frozen=True)
class SplitReport:
    """What a split of a stationary point is, why, and the evidence: what `classify_split` returns.

    Attributes
    ----------
    verdict : {"minimum", "saddle", "undecided"}
    reason : str
    point : StationaryPoint
        The narrow network's: gradient norm, eigenvalues, margin, kind.
    inertia : tuple of int
        How many eigenvalues of the inner Hessian are positive, negative, zero to round-off.
    inner : array (P,)
        These eigenvalues, increasing.
    margin : float
        The smallest of them in size, over the size up to which one counts as zero; over 1 they
        all count.
    wide : TwoLayer or Params
        The split network.
    descent : Descent or None
        Of a saddle: a direction, the decrease that it promises, and the one that was reached.
    smallest : float or None
        Of a minimum: the smallest eigenvalue of the wide Hessian, the plateau's own directions
        left out.
    probe : Probe or None
        Of a minimum: what random restarts around it found.
    """

    verdict: str
    reason: str
    point: StationaryPoint
    inertia: tuple
    inner: np.ndarray
    margin: float
    wide: object
    descent: Descent = None
    smallest: float = None
    probe: Probe = None

    def __str__(self):
        lines = [f"{self.verdict}: {self.reason}",
                 f"narrow network: {self.point.kind}, gradient norm {self.point.gradient_norm:.1e}, "
                 f"smallest eigenvalue {self.point.margin:.1e} of the largest",
                 f"inner Hessian: eigenvalues {', '.join(f'{e:.3g}' for e in self.inner)}, the smallest "
                 f"{self.margin:.1e} times what counts as zero"]
        if self.descent:
            lines.append(f"descent: step {self.descent.step:.2g}, promised "
                         f"{self.descent.predicted:.3g}, reached {self.descent.reached:.3g}")
        if self.probe:
            lines.append(f"smallest eigenvalue off the plateau {self.smallest:.3g}; {self.probe}")
        return "\n".join(lines)


def classify_split(params, x, y, unit, coefficients, loss="square"):
    """Say whether the split of a stationary point is a minimum or a saddle, with evidence.

    In this order: a saddle stays one (B4); the signs of mu and H give a direction of descent
    (E12); a zero coefficient frees a copy that can escape (B5); what is left of a non-degenerate
    minimum is a minimum if the table says so, and undecided otherwise.

    Parameters
    ----------
    params : TwoLayer or Params
        A stationary point: gradient norm at most 1e-10 (`find_stationary_point` gives one).
    x : array (N, d)
    y : array (N,)
    unit : int
        j.
    coefficients : array (k,)
        mu; their sum is 1.
    loss : {"square", "logistic"}

    Returns
    -------
    SplitReport

    Raises
    ------
    InputError
        For an argument that can't be used, and where there is nothing to say: relu, a point that is
        not stationary, a unit with output weight 0, units that are duplicates already.

    Notes
    -----
    Paper B (arXiv 2606.04327); the probe, the margins and the order are ours.  Tolerances are
    absolute: scale x and y to order 1.
    """
    params, x, y = checks.problem(params, x, y, loss)
    unit, mu = checks.unit(params, unit), checks.splitting_coefficients(coefficients)
    point = splittable(smooth(params), x, y, unit, loss)
    return judged(point, x, y, unit, mu, loss)


def judged(point, x, y, unit, mu, loss="square"):
    """`classify_split` of checked arguments."""
    h, floor = inner_hessian_and_floor(point.params, x, y, unit, loss)
    inner, vectors = np.linalg.eigh(h)
    inertia = signs(inner, floor)
    margin = float(np.abs(inner).min() / floor) if floor > 0 else 0.0
    wide = split(point.params, unit, mu)
    table, why = plateau_table(inertia, mu), described(inertia, mu)

    def at(params):
        return derivatives(params, x, y, loss)

    def report(verdict, reason, **evidence):
        return SplitReport(verdict, reason, point, inertia, inner, margin, wide, **evidence)

    def saddle(reason, descent):
        lost = "" if descent else "; but the decrease that this promises is lost in round-off"
        return report("saddle" if descent else "undecided", reason + lost, descent=descent)

    if point.kind in ("saddle", "maximum"):
        return saddle(f"the narrow network is at a {point.kind}",
                      descent_of_narrow(point.params, wide, at, unit, mu))
    if table == "saddle":
        return saddle(why, descent_of_split(wide, at, unit, mu, inner, vectors))
    if np.any(mu == 0):
        descent = escape(wide, at, x, y, unit + int(np.argmax(mu == 0)), vectors, loss)
        if descent:
            return saddle("a zero coefficient: that copy moves at no cost, then descends", descent)
    elif is_centred(point.params, h, floor) and len(mu) > h[bias_columns(point.params)].shape[0]:
        return saddle(why + "; a centred Gaussian unit descends at fourth order",
                      fourth_order(wide, at, unit, mu, h, bias_columns(point.params)))
    if point.kind == "degenerate":
        return report("undecided", f"the narrow network is degenerate (margin {point.margin:.1e})")
    if table == "undecided":
        return report("undecided", f"second order leaves a direction flat: {why} (smallest {margin:.1e} "
                      "times what counts as zero)")
    smallest, largest = off_plateau(wide, at, unit, len(mu))
    if smallest <= 1e-13 * largest:
        return report("undecided", f"{why}; but the smallest eigenvalue off the plateau, {smallest:.1e}, is "
                      "lost in round-off", smallest=smallest)
    return report("minimum", why, probe=probe(wide, x, y, loss), smallest=smallest)


def is_gaussian(params):
    """Whether the units are Gaussian and have a bias."""
    return isinstance(params, Params) or (params.activation == "gaussian" and params.b is not None)


def bias_columns(params):
    """Which columns of u are biases: none where the units have none."""
    if isinstance(params, Params):
        return slice(1, None)
    return slice(params.w.shape[1], None)


def is_centred(params, h, floor):
    """Whether the bias rows of H are 0 and the rest is not: a Gaussian unit in a symmetric place."""
    return is_gaussian(params) and np.abs(h[bias_columns(params)]).max() <= floor < np.abs(h).max()


def signs(eigenvalues, floor):
    """How many are positive, negative, and zero, which means at most the floor in size."""
    positive, negative = np.sum(eigenvalues > floor), np.sum(eigenvalues < -floor)
    return int(positive), int(negative), int(len(eigenvalues) - positive - negative)


def described(inertia, mu):
    """The two inertias in words, as the reason of a verdict."""
    return f"H has eigenvalues: {counted(inertia)}; mu has entries: {counted(signs(mu, 0))}"


def counted(inertia):
    names = ("positive", "negative", "zero")
    return ", ".join(f"{n} {name}" for n, name in zip(inertia, names) if n)


def smooth(params):
    """The network, if its activation has a second derivative."""
    if not isinstance(params, Params) and params.activation == "relu":
        raise checks.InputError("params.activation = 'relu': splitting needs a second derivative")
    return params


def splittable(params, x, y, unit, loss):
    """The stationary point, if splitting this unit of it says something."""
    if params.v[unit] == 0:
        raise checks.InputError(f"params.v[{unit}] = 0: the unit is not heard, so its incoming "
                                "parameters are free and H is 0")
    pair = duplicates(params)
    if pair:
        raise checks.InputError(f"params: units {pair[0]} and {pair[1]} answer alike, this network "
                                "is on a plateau already; merge them first")
    point = stationary_point(params, x, y, loss)
    if point.kind == "not stationary":
        raise checks.InputError(f"params: gradient norm {point.gradient_norm:.3g}, over the tolerance "
                                f"{TOLERANCE:g}: not a stationary point; find_stationary_point gives one "
                                "(with x and y of order 1)")
    return point


def duplicates(params):
    """The first two units with the same incoming parameters, up to a sign where phi is even or odd."""
    u = incoming(params)
    mirrored = isinstance(params, Params) or params.activation in ("gaussian", "tanh")
    for j in range(len(u)):
        for k in range(j):
            apart = min(np.linalg.norm(u[j] - u[k]), np.linalg.norm(u[j] + u[k]) if mirrored else np.inf)
            if apart <= ROUND_OFF * np.linalg.norm(u[j]):
                return k, j
    return None
