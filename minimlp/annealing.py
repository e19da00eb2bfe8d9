"""Training with balanced coverage (E16), its temperature lowered step by step."""

import numpy as np

from . import checks
from .dispatch import implementation, train
from .transport import sinkhorn

COEFFICIENTS, TEMPERATURES, ITERATIONS = {"balanced": 0.1}, {"balanced": (0.3, 1e-3)}, 20


def annealed(x, temperatures, iterations, backend="numpy"):
    """Balanced coverage as a loss of the prototypes; every call takes the next temperature.

    Each call starts from the offsets of the one before, so that a few iterations follow the
    slowly moving prototypes.

    Parameters
    ----------
    x : array (N, d)
    temperatures : array (T,)
        tau > 0 of call 0, 1, ..., in the squared units of x.
    iterations : int
        Of `sinkhorn`, in each call.

    Returns
    -------
    loss : function
        Takes the prototypes (M, d) and returns (value, gradient (M, d)); for T calls.
    errors : list of float
        Grows by the marginal error of each call.
    """
    balance, schedule = implementation(sinkhorn, backend), iter(temperatures)
    offsets, errors = None, []

    def loss(prototypes):
        nonlocal offsets
        value, gradient, offsets, error = balance(prototypes, x, next(schedule), offsets, iterations, 0.0)
        errors.append(error)
        return value, gradient
    return loss, errors


def train_balanced(params, x, y, coefficients=COEFFICIENTS, temperatures=TEMPERATURES, steps=2000,
                   rate=0.01, iterations=ITERATIONS, callback=None, every=0, backend="numpy"):
    """Minimise fit plus balanced coverage (E16) by Adam, from a high temperature to a low one.

        L = fit + lambda_b balanced(tau_t) + ...,   tau_t = tau_0 (tau_T / tau_0)^(t/T)

    A high temperature pulls all prototypes to the mean, a low one each to its sample; on the
    way down they part without being stranded.

    Parameters
    ----------
    params : Params
        The start; it is not changed.
    x : array (N, d)
    y : array (N,)
    coefficients : mapping of str to float
        lambda >= 0 by loss name: "balanced", and those of `objective`.
    temperatures : mapping of str to (pair of) float
        Of "balanced" tau_0 and tau_T, at the first and the last step, and of others as in
        `objective`; in the squared units of x.
    steps : int
        T, the number of steps of Adam.
    rate : float
        Adam's step size.
    iterations : int
        Of Sinkhorn at each step, from the offsets of the step before.
    callback, every
        As in `train`.
    backend : {"numpy", "cpu", "gpu"}
        What computes; "numpy" is the reference.

    Returns
    -------
    training : Training
        Its value and terms are those at the last temperature.
    marginal_errors : array (steps + 1,)
        At each step, as `sinkhorn` measures it; shorter where the training stopped.

    Raises
    ------
    InputError
        A ValueError that names the argument that can't be used, and its value.
    """
    x = checks.points("x", x, real=True)
    temperatures = dict(checks.mapping("temperatures", temperatures))
    first, last = checks.temperature_range("temperatures['balanced']", temperatures.pop("balanced", None), x)
    steps, iterations = checks.count("steps", steps, least=0), checks.count("iterations", iterations)
    schedule = [float(tau) for tau in np.geomspace(first, last, steps + 1)]
    loss, errors = annealed(x, schedule, iterations, backend)
    training = train(params, x, y, coefficients, temperatures, steps, rate, {"balanced": loss}, callback,
                     every, backend)
    return training, np.array(errors)
