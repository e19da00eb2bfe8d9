"""The force of each loss on each prototype, in p-space and through the weights (E8)."""

from typing import NamedTuple

import numpy as np

from . import checks
from .gaussian import backward, forward, prototypes, prototypes_backward
from .loss import fit
from .structural import coverage, overlap, separation
from .transport import balanced, tolerance_in


class Force(NamedTuple):
    """Force of one loss on the prototypes.

    Attributes
    ----------
    direct : array (M, d)
        -dL/dp_j at fixed w, in the units of L over those of x.
    through_weights : array (M, d)
        dp_j/dt of the gradient flow of L on w and b together.
    """

    direct: np.ndarray
    through_weights: np.ndarray


def forces(params, x, temperatures, y=None):
    """The force of each loss on each prototype.

    With dL/dw and dL/db of the loss alone, and p_j = -b_j / w_j (E8):

        direct:           -dL/dp_j = w_j dL/db_j
        through weights:  dp_j/dt = (dL/db_j + p_j dL/dw_j) / w_j

    For a loss of the prototypes alone the second is -(I + p p^T) g / w^2, g = dL/dp.

    Parameters
    ----------
    params : Params
        Without w_j = 0.
    x : array (N, d)
    temperatures : mapping of str to float
        tau > 0 of coverage, separation and balanced coverage; a loss without one is left out.
    y : array (N,), optional
        Targets; with them the fit's force is given too.

    Returns
    -------
    dict of str to Force
        By loss name.

    Raises
    ------
    InputError
    """
    x = checks.points("x", x)
    params = checks.at_finite_prototypes(checks.params(params, x.shape[1]))
    temperatures = checks.temperatures(temperatures, (), params.w, x)
    p = prototypes(params)
    output, hidden = forward(params, x)

    losses = {"coverage": lambda tau: coverage(p, x, tau), "separation": lambda tau: separation(p, tau),
              "balanced": lambda tau: balanced(p, x, tau, tolerance=tolerance_in(p))}
    gradients = {name: prototypes_backward(params, p, losses[name](temperatures[name])[1])
                 for name in losses if name in temperatures}
    _, d_hidden = overlap(hidden)
    gradients["overlap"] = backward(params, x, hidden, np.zeros_like(output), d_hidden)
    if y is not None:
        _, d_output = fit(output, checks.array("y", y, (len(x),)))
        gradients["fit"] = backward(params, x, hidden, d_output)

    w = params.w[:, None]
    return {name: Force(direct=w * g.b, through_weights=(g.b + p * g.w[:, None]) / w)
            for name, g in gradients.items()}
