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
        The decrease there as computed: at least half of what was predicted, and more than
        round-off.
    """

    start: object
    direction: np.ndarray
    bend: np.ndarray
    step: float
    predicted: float
    reached: float


def along(start, direction, bend, step):
    """The network at theta(s) = start + s direction + s^2 bend, s the step."""
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
    Descent or None
        None where no step keeps it.
    """
    value, bend = at(start)[0], np.zeros_like(direction) + bend
    for step in 0.5 ** np.arange(40):
        falls = [(value - at(along(start, way, bend, step))[0], way) for way in (direction, -direction)]
        reached, way = max(falls, key=lambda fall: fall[0])
        if reached > round_off(value) and reached >= promise(step) / 2:
            return Descent(start, way, bend, float(step), float(promise(step)), float(reached))
    return None


def plateau_form(mu):
    """diag(mu) on the moves a (k,) with mu . a = 0 (E12): its eigenvalues, increasing, and vectors."""
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


def fourth_order(wide, at, unit, mu, h, biases):
    """The way down of a centred Gaussian unit: the bias rows of H are 0 (E13).

        u_l = u (1 + s^2 |a_l|^2 / 2D) + s a_l,  v_l = mu_l v (1 + s^2 |a_l|^2 / 2)
        sum_l mu_l a_l = 0,  sum_l mu_l a_l a_l^T = +-I     (so it takes D + 1 copies)
        dL = -(u^T H u / (4 D^2 (D + 2))) sum_l mu_l |a_l|^4 s^4

    where the a_l move the D biases alone: D = 1 for a ridge unit, d for a radial one.  The bends
    undo the change of the output at order s^2, so that no other term of order s^4 is left.  For
    D > 1 the law is ours, and exact where the data look alike in all directions.
    """
    u, v = positions(wide)
    copies, theta = slice(unit, unit + len(mu)), wide.to_vector()
    dimensions = u[unit, biases].size
    shares, moves = plateau_form(mu)
    a = (moves / np.sqrt(np.abs(shares)))[:, :dimensions]       # any D of the k - 1 moves will do
    length = (a * a).sum(axis=1)
    direction, bend = np.zeros_like(theta), np.zeros_like(theta)
    direction[u[copies, biases]] = a
    bend[u[copies]] = theta[u[copies]] * length[:, None] / (2 * dimensions)
    bend[v[copies]] = theta[v[copies]] * length / 2
    own = theta[u[unit]]
    fourth = own @ h @ own / (4 * dimensions ** 2 * (dimensions + 2)) * (mu @ length ** 2)
    return walk(wide, at, direction, lambda s: fourth * s ** 4, bend)


def escape(wide, at, x, y, copy, vectors, loss):
    """The way down from a split with a zero coefficient (paper B, B5).

    The copy's v is 0, so its u may move at no cost, to where

        R(u) = sum_i (dL/df_i) h(u; x_i)

    is not 0; there v of the sign of -R descends, for the square loss by R^2 / (2 C) at best, with
    C = sum_i (d^2L/df_i^2) h^2.  R and its gradient are 0 at the unit itself; but R is analytic, so
    where it is not 0 at one u it is not 0 at some u as near as one likes: the split point is no
    minimum.  Tried are moves along the inner Hessian's eigenvectors and at random, near and far.

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
    clear = np.abs(correlation) > 1e-11 * np.einsum("i,ij->j", np.abs(d_output), np.abs(h))
    gain = np.where(clear, correlation ** 2 / np.maximum(curvature, 1e-300), 0)
    best = np.argmax(gain)
    if gain[best] == 0:
        return None
    u, v = positions(wide)
    start, down = wide.to_vector(), np.zeros(wide.to_vector().size)
    start[u[copy]] = moved[best]
    down[v[copy]] = -correlation[best] / curvature[best]        # step 1 is the bottom of the parabola
    return walk(with_vector(wide, start), at, down, lambda s: gain[best] * (s - s * s / 2))


def off_plateau(wide, at, unit, k):
    """The smallest eigenvalue of the wide Hessian without the plateau's k - 1 directions, and the largest.

    These move output weights among the copies: dv_1 + ... + dv_k = 0.
    """
    _, _, hessian = at(wide)
    copies = positions(wide)[1][unit:unit + k]
    flat = np.zeros_like(hessian)
    flat[np.ix_(copies, copies)] = np.eye(k) - 1 / k        # projects on them
    largest = np.linalg.norm(hessian, 2)
    return float(np.linalg.eigvalsh(hessian + largest * flat)[0]), float(largest)


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


def probe(params, x, y, loss="square", radii=RADII):
    """Look for a lower loss near a point, by L-BFGS from random starts in smaller and smaller boxes."""
    from scipy import optimize

    theta = params.to_vector()

    def function(t):
        return value_and_gradient(with_vector(params, t), x, y, loss)

    value, random = function(theta)[0], np.random.default_rng(0)
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
