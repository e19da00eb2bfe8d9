"""The force of each loss on each prototype, in p-space and through the weights (E8)."""

from typing import NamedTuple

import numpy as np

from . import checks
from .gaussian import backward, forward, prototypes, prototypes_backward
from .loss import fit, losses_of_prototypes
from .structural import overlap


class Force(NamedTuple):
    """Force of one loss on the prototypes, as `forces` defines it (E8).

    Attributes
    ----------
    direct : array (M, d)
        -dL/dp_j at fixed w, in the units of L over those of x.
    through_weights : array (M, d)
        dp_j/dt of the gradient flow of L on w and b together, in the units of x over those of time.
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
        For an argument that can't be used, for a unit with w_j = 0, and where balanced coverage does not
        converge, as in `balanced`.

    Notes
    -----
    Ours.
    """
    x = checks.points("x", x)
    params = checks.at_finite_prototypes(checks.params(params, x.shape[1]))
    temperatures = checks.temperatures(temperatures, (), params.w, x)
    p = prototypes(params)
    output, hidden = forward(params, x)

    gradients = {name: prototypes_backward(params, p, loss(p)[1])
                 for name, loss in losses_of_prototypes(x, temperatures).items() if name in temperatures}
    _, d_hidden = overlap(hidden)
    gradients["overlap"] = backward(params, x, hidden, np.zeros_like(output), d_hidden)
    if y is not None:
        _, d_output = fit(output, checks.array("y", y, (len(x),)))
        gradients["fit"] = backward(params, x, hidden, d_output)

    w = params.w[:, None]
    return {name: Force(direct=w * g.b, through_weights=(g.b + p * g.w[:, None]) / w)
            for name, g in gradients.items()}
