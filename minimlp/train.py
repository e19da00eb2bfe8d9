"""Full-batch training by Adam, in NumPy."""

from typing import NamedTuple

import numpy as np

from .gaussian import Params
from .loss import objective
from .transport import sinkhorn

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8      # Adam's, as published
ITERATIONS = 20                                 # of Sinkhorn at each step


class Training(NamedTuple):
    """What `train` returns: the network at the end and the objective (E7) there.

    Attributes
    ----------
    params : Params
        The parameters at the end; of a diverged run, the last ones at which the
        objective was finite.
    value : float
        The objective there.
    terms : dict of str to float
        Each active loss there, without its coefficient.
    steps : int
        Steps taken to get there.
    diverged : bool
        Whether the objective or its squared gradient stopped being finite.
    trajectory : array (T, P) or None
        Where asked for: all P parameters at step 0, every, 2 every, ..., as
        `Params.to_vector` orders them.
    marginal_error : float or None
        Of balanced coverage there, where it is active, as `sinkhorn` measures it.
    """

    params: Params
    value: float
    terms: dict
    steps: int
    diverged: bool
    trajectory: np.ndarray = None
    marginal_error: float = None


class Balancing:
    """Balanced coverage (E16) along a training: each call goes on from the offsets of the last one.

    So a few iterations follow the slowly moving prototypes.  `temperature` is to be set before
    a call; `error` is the marginal error of the last one.
    """

    def __init__(self, x, iterations, sinkhorn):
        self.x, self.iterations, self.sinkhorn = x, iterations, sinkhorn
        self.temperature = self.offsets = self.error = None

    def __call__(self, prototypes):
        value, gradient, self.offsets, self.error = self.sinkhorn(
            prototypes, self.x, self.temperature, self.offsets, self.iterations, 0.0)
        return value, gradient


def temperatures_at(temperatures, step, steps):
    """By loss name: tau_t = tau_0 (tau_T / tau_0)^(t/T) where the temperature is a pair."""
    def at(tau):
        return tau[0] * (tau[1] / tau[0]) ** (step / max(steps, 1)) if isinstance(tau, tuple) else tau
    return {name: at(tau) for name, tau in temperatures.items()}


def adam(theta, gradient, moments, rate):
    """One step of Adam, bias-corrected, epsilon = 1e-8 outside the root, beta = 0.9 and 0.999.

        m = beta_1 m + (1 - beta_1) g,   u = beta_2 u + (1 - beta_2) g^2
        theta = theta - rate (m / (1 - beta_1^t)) / (sqrt(u / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    theta, gradient : array (P,)
    moments : tuple (m, u, t)
        Of the step before; `(0, 0, 0)` at the start.
    rate : float

    Returns
    -------
    theta : array (P,)
        A new array.
    moments : tuple (m, u, t)

    Notes
    -----
    Kingma and Ba 2015 (arXiv 1412.6980), algorithm 1.
    """
    m, u, t = moments
    t = t + 1
    m = BETA_1 * m + (1 - BETA_1) * gradient
    u = BETA_2 * u + (1 - BETA_2) * gradient * gradient
    mean = m / (1 - BETA_1 ** t)
    scale = np.sqrt(u / (1 - BETA_2 ** t)) + EPSILON
    return theta - rate * mean / scale, (m, u, t)


def train(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, extra=None,
          callback=None, every=0, iterations=ITERATIONS, objective=objective, sinkhorn=sinkhorn):
    """Minimise the objective (E7) by full-batch Adam, as `adam` writes it down.

    Balanced coverage is not iterated to convergence at each step: a few iterations from the
    offsets of the step before follow it.

    Parameters
    ----------
    params : Params
        The start; it is not changed.
    x : array (N, d)
    y : array (N,)
    coefficients, extra
        As in `objective`.
    temperatures : mapping of str to (pair of) float
        As in `objective`; a pair is the first and the last one, tau_0 and tau_T, lowered or
        raised by the same factor at each step, tau_t = tau_0 (tau_T / tau_0)^(t/T).
    steps : int
        Number of steps.
    rate : float
        Adam's step size.
    callback : function (step, params, value, terms), optional
        Called before each step, at step 0, 1, ..., and once more at the end.
        Returning True stops the training there.
    every : int
        Keep the parameters every so many steps; 0 keeps none.
    iterations : int
        Of Sinkhorn at each step, where balanced coverage is active.

    Returns
    -------
    Training

    Notes
    -----
    Kingma and Ba 2015 (arXiv 1412.6980); the settings are ours.
    """
    # objective and sinkhorn are arguments so that compiled twins of them train by this same loop
    theta, moments = params.to_vector(), (0.0, 0.0, 0)
    balancing, last, kept = Balancing(x, iterations, sinkhorn), None, []
    # in place of loss.balanced: a few iterations, from the last offsets
    extra = {**(extra or {}), "balanced": balancing}
    for step in range(steps + 1):
        taus = temperatures_at(temperatures, step, steps)
        balancing.temperature = taus.get("balanced")
        params = Params.from_vector(theta, like=params)
        with np.errstate(all="ignore"):     # a run that overflows is reported as diverged
            value, gradient, terms = objective(params, x, y, coefficients, taus, extra)
            gradient = gradient.to_vector()
            finite = np.isfinite(value) and np.isfinite(gradient * gradient).all()    # Adam squares
        now = Training(params, value, terms, step, not finite, marginal_error=balancing.error)
        if not finite:
            last = (last or now)._replace(diverged=True)
            break
        last = now
        if every and step % every == 0:
            kept.append(theta)
        stop = callback is not None and callback(step, params, value, terms)
        if stop or step == steps:
            break
        with np.errstate(all="ignore"):
            theta, moments = adam(theta, gradient, moments, rate)
    return last._replace(trajectory=np.reshape(kept, (-1, theta.size))) if every else last
