"""Evidence for what a split point is: ways down that were walked, and searches that found none.

A way down is a curve theta(s) = start + s direction + s^2 bend with the decrease that theory
promises along it; `walk` takes the longest step that keeps half of the promise.  The probe and
all margins are ours.
"""

from dataclasses import dataclass

import numpy as np

from .landscape import (incoming, outputs, positions, unit_derivatives, value_and_gradient, with_units,
                        with_vector)
from .loss import LOSSES

RESTARTS = 8
RADII = tuple(0.1 / 2 ** k for k in range(12))


@dataclass(frozen=True)
class Descent:
    """A curve along which the loss falls: theta(s) = start + s direction + s^2 bend.

    Attributes
    ----------
    start : TwoLayer or Params
        Where it begins; the loss there is the split network's.
    direction, bend : array (T,)
        In the order of `start.to_vector()`.
    step : float
        s.
    predicted : float
        The decrease there by the lowest order of the expansion that does not vanish.
    reached : float
        The decrease there as computed; more than round-off proves that the point is no minimum.
    """

    start: object
    direction: np.ndarray
    bend: np.ndarray
    step: float
    predicted: float
    reached: float

    @property
    def end(self):
        """The network at the step."""
        return along(self.start, self.direction, self.bend, self.step)


def along(start, direction, bend, step):
    return with_vector(start, start.to_vector() + step * direction + step * step * bend)


def round_off(value):
    """A difference of losses of this size that means nothing."""
    return 1e-14 * (1 + abs(value))


def walk(start, at, direction, promise, bend=0.0):
    """Take the longest of the steps 1, 1/2, 1/4, ... on which half of the promise is kept.

    Parameters
    ----------
    start : TwoLayer or Params
    at : function
        Of a network: (loss, gradient, Hessian).
    direction, bend : array (T,)
        Walked both ways: s and -s.
    promise : function
        Of the step: the decrease expected there, > 0.

    Returns
    -------
    Descent
        Where no step keeps it: the best one there is.
    """
    value, found = at(start)[0], []
    bend = np.zeros_like(direction) + bend
    for step in 0.5 ** np.arange(40):
        for way in (direction, -direction):
            reached = value - at(along(start, way, bend, step))[0]
            found.append(Descent(start, way, bend, float(step), float(promise(step)), float(reached)))
        better = max(found[-2:], key=lambda descent: descent.reached)
        if better.reached > round_off(value) and better.reached >= better.predicted / 2:
            return better
    return max(found, key=lambda descent: descent.reached)


def plateau_form(mu):
    """diag(mu) on the moves a (k,) with mu . a = 0: its eigenvalues, increasing, and vectors."""
    basis = np.linalg.svd(mu[None])[2][1:].T                # (k, k - 1)
    values, vectors = np.linalg.eigh(np.einsum("l,la,lb->ab", mu, basis, basis))
    return values, basis @ vectors


def descent_of_split(wide, at, unit, mu, inner, vectors):
    """The moves delta_l = a_l e with the most negative 1/2 sum_l mu_l delta_l^T H delta_l (E12).

    inner and vectors are the eigenvalues of H and their e.
    """
    shares, moves = plateau_form(mu)
    products = np.outer(shares, inner)
    l, k = np.unravel_index(np.argmin(products), products.shape)
    direction = np.zeros(wide.to_vector().size)
    direction[positions(wide)[0][unit:unit + len(mu)]] = np.outer(moves[:, l], vectors[:, k])
    return walk(wide, at, direction, lambda s: -0.5 * products[l, k] * s * s)


def descent_of_narrow(narrow, wide, at, unit, mu):
    """The narrow Hessian's lowest eigenvector, a move that all copies make alike."""
    values, vectors = np.linalg.eigh(at(narrow)[2])
    return walk(wide, at, embedded(narrow, wide, unit, mu, vectors[:, 0]),
                lambda s: -0.5 * values[0] * s * s)


def embedded(narrow, wide, unit, mu, direction):
    """A move of the narrow network's parameters as the wide network makes it."""
    units = len(narrow.v)
    source = np.repeat(np.arange(units), np.where(np.arange(units) == unit, len(mu), 1))
    (u, v), (wide_u, wide_v) = positions(narrow), positions(wide)
    result = np.zeros(wide.to_vector().size)
    result[wide_u], result[wide_v] = direction[u][source], direction[v][source]
    result[wide_v[unit:unit + len(mu)]] *= mu
    if narrow.c is not None:
        result[-1] = direction[-1]
    return result


def fourth_order(wide, at, unit, mu, inner_ww):
    """The way down of a centred Gaussian unit in d dimensions, b = 0 and H = diag(H_ww, 0) (E13).

        b_l = s a_l,  w_l = w (1 + s^2 |a_l|^2 / 2d),  v_l = mu_l v (1 + s^2 |a_l|^2 / 2)
        sum_l mu_l a_l = 0,  sum_l mu_l a_l a_l^T = +-I     (so it takes d + 1 copies)
        dL = -(w^2 H_ww / (4 d^2 (d + 2))) sum_l mu_l |a_l|^4 s^4

    The bends undo the change of the output at order s^2, so that no other term of order s^4 is
    left.  For d > 1 the law is ours, and exact where the data look alike in all directions.
    """
    u, v = positions(wide)
    copies, theta, d = slice(unit, unit + len(mu)), wide.to_vector(), u.shape[1] - 1
    shares, moves = plateau_form(mu)
    a = (moves / np.sqrt(np.abs(shares)))[:, :d]
    length = (a * a).sum(axis=1)
    w, b, v = u[copies, 0], u[copies, 1:], v[copies]
    direction, bend = np.zeros_like(theta), np.zeros_like(theta)
    direction[b] = a
    bend[w], bend[v] = theta[w] * length / (2 * d), theta[v] * length / 2
    fourth = theta[w[0]] ** 2 * inner_ww / (4 * d * d * (d + 2)) * (mu @ length ** 2)
    return walk(wide, at, direction, lambda s: fourth * s ** 4, bend)


def escape(wide, at, x, y, copy, vectors, loss):
    """The way down from a split with a zero coefficient (paper B, B5).

    The copy's v is 0, so its u may move at no cost, to where

        R(u) = sum_i (dL/df_i) h(u; x_i)

    is not 0; there v of the sign of -R descends, by R^2 / (2 C) with C = sum_i (d^2L/df_i^2) h^2.
    Tried are moves along the inner Hessian's eigenvectors and at random, near and far.

    Returns
    -------
    Descent or None
        None where R is 0 everywhere, or so small that nothing is gained.
    """
    here = incoming(wide)[copy]
    others = np.random.default_rng(0).normal(size=(16, len(here)))
    directions = np.array([*vectors.T, *(others / np.linalg.norm(others, axis=1)[:, None])])
    size = 1 + np.linalg.norm(here)
    moved = here + np.concatenate([sign * size * 0.5 ** k * directions for k in range(8) for sign in (1, -1)])

    _, d_output, d2_output = LOSSES[loss](outputs(wide, unit_derivatives(wide, x)[0]), y)
    h, _, _ = unit_derivatives(with_units(wide, moved, np.zeros(len(moved))), x)
    correlation = np.einsum("i,ij->j", d_output, h)
    curvature = np.einsum("i,ij->j", d2_output, h * h)
    told = np.abs(correlation) > 1e-11 * np.einsum("i,ij->j", np.abs(d_output), np.abs(h))
    gain = np.where(told, correlation ** 2 / np.maximum(curvature, 1e-300), 0)
    best = np.argmax(gain)
    if gain[best] == 0:
        return None
    u, v = positions(wide)
    start, down = wide.to_vector(), np.zeros(wide.to_vector().size)
    start[u[copy]] = moved[best]
    down[v[copy]] = -correlation[best] / curvature[best]        # step 1 is the bottom of the parabola
    descent = walk(with_vector(wide, start), at, down, lambda s: gain[best] * (s - s * s / 2))
    return descent if descent.reached > round_off(at(wide)[0]) else None


def smallest_off_plateau(wide, at, unit, k):
    """The smallest eigenvalue of the wide Hessian, the plateau's k - 1 directions left out.

    These move output weights among the copies: dv_1 + ... + dv_k = 0.
    """
    _, _, hessian = at(wide)
    copies = positions(wide)[1][unit:unit + k]
    flat = np.zeros_like(hessian)
    flat[np.ix_(copies, copies)] = np.eye(k) - 1 / k        # projects on them
    return float(np.linalg.eigvalsh(hessian + np.linalg.norm(hessian, 2) * flat)[0])


@dataclass(frozen=True)
class Probe:
    """Local minimisations from random starts in boxes around a point, each kept to its box.

    Attributes
    ----------
    radius : float or None
        The largest box, of half-width 0.1 and then halved, in which nothing lower was found;
        None if something was, even in the smallest.
    lowest : float
        The lowest loss found there less the point's.
    restarts : int
    """

    radius: float
    lowest: float
    restarts: int

    def __str__(self):
        if self.radius is None:
            return f"{self.restarts} restarts found {-self.lowest:.1e} less in every box"
        return f"{self.restarts} restarts within {self.radius:.2g} found nothing lower ({self.lowest:+.1e})"


def probe(params, x, y, loss="square", seed=0, radii=RADII):
    """Look for a lower loss near a point: bounded L-BFGS from random starts in smaller and
    smaller boxes; see `Probe`."""
    from scipy import optimize

    theta = params.to_vector()

    def function(t):
        return value_and_gradient(with_vector(params, t), x, y, loss)

    value, random = function(theta)[0], np.random.default_rng(seed)
    for radius in radii:
        box, lowest = np.column_stack([theta - radius, theta + radius]), np.inf
        for start in theta + random.uniform(-radius, radius, (RESTARTS, len(theta))):
            found = optimize.minimize(function, start, jac=True, method="L-BFGS-B", bounds=box,
                                      options={"maxiter": 200, "ftol": 0, "gtol": 1e-13})
            lowest = min(lowest, found.fun - value)
            if lowest < -round_off(value):
                break
        else:
            return Probe(float(radius), float(lowest), RESTARTS)
    return Probe(None, float(lowest), RESTARTS)
