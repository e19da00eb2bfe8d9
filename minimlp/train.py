"""Full-batch training by Adam, in NumPy."""

from typing import NamedTuple

import numpy as np

from .gaussian import Params
from .loss import objective

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8      # Adam's, as published


class Training(NamedTuple):
    """What `train` returns.

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
        Where asked for: the parameters at step 0, every, 2 every, ..., as
        `Params.to_vector` orders them.
    """

    params: Params
    value: float
    terms: dict
    steps: int
    diverged: bool
    trajectory: np.ndarray = None


def adam(theta, gradient, moments, rate, decay=(BETA_1, BETA_2), epsilon=EPSILON):
    """One step of Adam, bias-corrected, epsilon outside the root.

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
    beta_1, beta_2 = decay
    t = t + 1
    m = beta_1 * m + (1 - beta_1) * gradient
    u = beta_2 * u + (1 - beta_2) * gradient * gradient
    mean = m / (1 - beta_1 ** t)
    scale = np.sqrt(u / (1 - beta_2 ** t)) + epsilon
    return theta - rate * mean / scale, (m, u, t)


def train(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, extra=None,
          callback=None, every=0, objective=objective):
    """Minimise the objective (E7) by full-batch Adam.

    Parameters
    ----------
    params : Params
        The start; it is not changed.
    x : array (N, d)
    y : array (N,)
    coefficients, temperatures, extra
        As in `objective`.
    steps : int
        Number of steps.
    rate : float
        Adam's step size.
    callback : function (step, params, value, terms), optional
        Called before each step, at step 0, 1, ..., and once more at the end.
        Returning True stops the training there.
    every : int
        Keep the parameters every so many steps; 0 keeps none.

    Returns
    -------
    Training
    """
    theta, moments = params.to_vector(), (0.0, 0.0, 0)
    last, kept = None, []
    for step in range(steps + 1):
        params = Params.from_vector(theta, like=params)
        with np.errstate(all="ignore"):     # a run that overflows is reported as diverged
            value, gradient, terms = objective(params, x, y, coefficients, temperatures, extra)
            gradient = gradient.to_vector()
            finite = np.isfinite(value) and np.isfinite(gradient * gradient).all()    # Adam squares
        if not finite:
            last = (last or Training(params, value, terms, step, True))._replace(diverged=True)
            break
        last = Training(params, value, terms, step, False)
        if every and step % every == 0:
            kept.append(theta)
        stop = callback is not None and callback(step, params, value, terms)
        if stop or step == steps:
            break
        with np.errstate(all="ignore"):
            theta, moments = adam(theta, gradient, moments, rate)
    return last._replace(trajectory=np.reshape(kept, (-1, theta.size))) if every else last
