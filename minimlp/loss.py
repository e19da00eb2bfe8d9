"""What a network is trained on, in NumPy: fit (E3), logistic loss (E14), objective (E7).

Nothing here checks its arguments: the public forms do (dispatch.py).
"""

import numpy as np

from .activations import softplus
from .gaussian import Params, backward, forward, prototypes, prototypes_backward
from .structural import coverage, overlap, separation
from .transport import balanced, tolerance_in

PAIRED = ("coverage", "separation", "overlap")          # sums over pairs, without an iteration
STRUCTURAL = (*PAIRED, "balanced")
TEMPERED = ("coverage", "separation", "balanced")       # those that have a temperature


def fit(output, y):
    """Mean squared error (E3): L = (1/N) sum_i (f_i - y_i)^2, dL/df_i = (2/N) (f_i - y_i).

    Parameters
    ----------
    output, y : array (N,)

    Returns
    -------
    value : float
        In the squared units of y.
    gradient : array (N,)
        dL/df.
    """
    residual = output - y
    return np.mean(residual * residual), (2 / len(y)) * residual


def square(output, y):
    """The fit (E3) with its second derivative: d^2L/df_i^2 = 2/N.

    Parameters
    ----------
    output, y : array (N,)

    Returns
    -------
    value : float
    gradient, curvature : array (N,)
        dL/df and d^2L/df^2.
    """
    return *fit(output, y), np.full(len(y), 2 / len(y))


def logistic(output, y):
    """Logistic loss (E14), y_i = +-1, with its first and second derivative.

        L = (1/N) sum_i l(-y_i f_i),   l(m) = log(1 + e^m)
        dL/df_i = -(y_i/N) l'(-y_i f_i),   d^2L/df_i^2 = (1/N) l''(-y_i f_i)

    Parameters
    ----------
    output, y : array (N,)

    Returns
    -------
    value : float
    gradient, curvature : array (N,)
        dL/df and d^2L/df^2.
    """
    value, slope, curvature = softplus(-y * output)
    return np.mean(value), -y * slope / len(y), curvature / len(y)


LOSSES = {"square": square, "logistic": logistic}


def objective(params, x, y, coefficients, temperatures, extra=None):
    """Fit plus weighted structural losses (E7), with the gradient in the parameters.

        L = fit + lambda_c coverage + lambda_s separation + lambda_o overlap + lambda_b balanced + ...

    Overlap enters the backward pass (E1) at the responses; the losses of the
    prototypes alone enter at p and reach w and b by (E8).

    Parameters
    ----------
    params : Params
    x : array (N, d)
    y : array (N,)
    coefficients : mapping of str to float
        lambda >= 0 by loss name, {"coverage": 0.1}.  A loss that is not named is
        absent, and 0 is the same as absent, bit for bit.
    temperatures : mapping of str to float
        tau > 0 of coverage, separation and balanced coverage, where they are active;
        in the squared units of x.  Balanced coverage must converge, as in `balanced`.
    extra : mapping of str to function, optional
        Your own losses: each function takes the prototypes (M, d) and returns
        (value, gradient (M, d)).  Active where `coefficients` names it.

    Returns
    -------
    value : float
    gradient : Params
    terms : dict of str to float
        Each active loss by name, "fit" first, without its coefficient.

    Notes
    -----
    Paper A (arXiv 2605.25939); the formulas of the losses, and balanced coverage, are ours.
    """
    active = {name: weight for name, weight in coefficients.items() if weight != 0}
    output, hidden = forward(params, x)
    terms = {}
    terms["fit"], d_output = fit(output, y)
    d_hidden = 0.0
    if "overlap" in active:
        terms["overlap"], d_hidden = overlap(hidden)
        d_hidden = active["overlap"] * d_hidden
    gradient = backward(params, x, hidden, d_output, d_hidden)

    losses = {**losses_of_prototypes(x, temperatures), **(extra or {})}
    return structural_part(params, losses, active, terms, gradient)


def losses_of_prototypes(x, temperatures, coverage=coverage, separation=separation, balanced=balanced):
    """The losses of the prototypes alone, by name: functions of these (M, d), (value, gradient (M, d)).

    Twins hand in their own.
    """
    return {"coverage": lambda p: coverage(p, x, temperatures["coverage"]),
            "separation": lambda p: separation(p, temperatures["separation"]),
            "balanced": lambda p: balanced(p, x, temperatures["balanced"], tolerance=tolerance_in(p))[:2]}


def structural_part(params, losses, active, terms, gradient):
    """Adds the losses of the prototypes, through (E8), to the terms and the gradient so far.

    Parameters
    ----------
    params : Params
    losses : mapping of str to function
        Each takes the prototypes (M, d) and returns (value, gradient (M, d)).
    active : mapping of str to float
        The coefficient of each loss that counts.
    terms : dict of str to float
        Of fit and, where active, overlap.
    gradient : Params
        Of these.

    Returns
    -------
    value, gradient, terms
        As `objective` returns them.
    """
    losses = {name: loss for name, loss in losses.items() if name in active}
    if losses:
        p = prototypes(params)
        d_prototypes = 0.0
        for name, loss in losses.items():
            terms[name], d_loss = loss(p)
            d_prototypes = d_prototypes + active[name] * d_loss
        through_p = prototypes_backward(params, p, d_prototypes)
        gradient = Params(*(a + b for a, b in zip(gradient, through_p)))

    value = terms["fit"] + sum(active[name] * terms[name] for name in terms if name != "fit")
    return value, gradient, terms
