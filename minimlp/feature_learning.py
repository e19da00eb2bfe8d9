"""What a network learned of a mixture: alignment, over-alignment and over-fitting (paper C).

The mixture is mixture.py's, the training risk_flow.py's.  Angles are in radians.
"""

from math import cos, erfc, sqrt
from typing import NamedTuple

import numpy as np

from . import checks
from .mixture import checked_scales, labelled
from .risk_flow import relu_network


def alignment(params, x, y, label=1):
    """How well each unit of a class is aligned with the sum of the class's samples (E15).

        psi_j = <w_j, x_+> / (||w_j|| ||x_+||),   x_+ = sum of the samples with y_i = +1

    Parameters
    ----------
    params : TwoLayer
    x : array (n, d)
    y : array (n,)
    label : {1, -1}
        The class.

    Returns
    -------
    array (h,)
        psi; nan for the units that are not of the class: v_j of the other sign, or not active on
        any of its samples; and where w_j or x_+ has no direction.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827).
    """
    x, y = labelled(x, y)
    params, total = relu_network(params, x.shape[1]), class_sum(x, y, checked_label(label))
    size = np.linalg.norm(params.w, axis=1) * np.linalg.norm(total)
    defined = units_of(params, x, y, label) & (size > 0)
    psi = np.einsum("jk,k->j", params.w, total) / np.where(defined, size, 1)
    return np.where(defined, np.clip(psi, -1, 1), np.nan)


def checked_label(label):
    """The label of a class, +1 or -1."""
    if checks.number("label", label) not in (1, -1):
        raise checks.InputError(f"label = {checks.short(label)}: expected 1 or -1")
    return label


def units_of(params, x, y, label):
    """Which units carry the class (h,): v_j of its sign, active on one of its samples at least."""
    active = np.einsum("ik,jk->ij", x[y == label], params.w) > 0
    return (label * params.v > 0) & active.any(axis=0)


def class_sum(x, y, label=1):
    """x_+ = sum of the samples of a class (d,) (E15)."""
    return x[y == label].sum(axis=0)


def effective_predictor(params, x, y, label=1):
    """w_+ = sum_j |v_j| w_j over the units of a class (E15).

    Parameters
    ----------
    params : TwoLayer
    x : array (n, d)
    y : array (n,)
    label : {1, -1}

    Returns
    -------
    array (d,)
        w_+.

    Raises
    ------
    InputError
        For an argument that can't be used, and if all units of the class are dead: the predictor is
        not defined.

    Notes
    -----
    Paper C (arXiv 2602.00827): where all units of the class are active, their part of f is w_+ . x.
    """
    x, y = labelled(x, y)
    params = relu_network(params, x.shape[1])
    chosen = units_of(params, x, y, checked_label(label))
    if not chosen.any():
        raise checks.InputError(f"params: no unit with v of the sign of {label:+d} is active on a sample "
                                "of that class; its effective predictor is not defined")
    return np.einsum("j,jk->k", np.abs(params.v[chosen]), params.w[chosen])


def angle_between(a, b):
    """Angle of two vectors (d,), exact for small ones too."""
    a, b = (vector / np.linalg.norm(vector) for vector in (a, b))
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def error_at(angle, kappa, sigma):
    """Phi(-kappa cos(angle) / sigma), Phi the standard normal distribution."""
    return erfc(kappa * cos(angle) / (sigma * sqrt(2))) / 2


def linear_error(v, s, kappa, sigma):
    """The error of a linear predictor in a class: how often v . x < 0 (E15).

        E(v) = Phi(-kappa <s, v> / (sigma ||v||)),   Phi the standard normal distribution

    Parameters
    ----------
    v, s : array (d,)
        The predictor; the direction of the class's mean: s_plus, or -s_minus.
    kappa, sigma : float
        The mixture's, as in `mixture`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827).
    """
    [v, s], kappa, sigma = geometry(kappa, sigma, v=v, s=s)
    return error_at(angle_between(v, s), kappa, sigma)


def geometry(kappa, sigma, **vectors):
    """The directions (d,), scaled to length 1, and the two scales, checked."""
    checked = []
    for name, value in vectors.items():
        value = checks.array(name, value, (None,), real=True).astype(float)
        if checked and len(value) != len(checked[0]):
            raise checks.InputError(f"{name} has shape {value.shape}: expected {checked[0].shape}")
        if not value.any():
            raise checks.InputError(f"{name} is 0: it has no direction")
        value = value / np.abs(value).max()
        checked.append(value / np.linalg.norm(value))
    return checked, *checked_scales(kappa, sigma)


def bayes_error(kappa, sigma, angle=0.0):
    """The least error that a classifier of the mixture can have (E15).

        Bayes error = Phi(-kappa |cos(angle / 2)| / sigma)

    Parameters
    ----------
    kappa, sigma : float
        The mixture's, as in `mixture`.
    angle : float
        Between s_plus and s_minus, in radians.

    Returns
    -------
    float
        Between 0 and 1/2.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours, for paper C's mixture: the plane halfway between the two means.
    """
    kappa, sigma = checked_scales(kappa, sigma)
    return error_at(0.0, kappa * abs(cos(checks.number("angle", angle) / 2)), sigma)


def best_in_cone(v, total, s):
    """The least angle to s in the cone around `total` that v is on the edge of (E15):
    max(0, angle(total, s) - angle(v, total))."""
    return max(0.0, angle_between(total, s) - angle_between(v, total))


def over_alignment(v, total, s, kappa, sigma):
    """OA: the best error on its class in the predictor's cone around the class sum, less the least (E15).

        OA = Phi(-kappa cos(max(0, angle(x_+, s_+) - angle(w_+, x_+))) / sigma) - Phi(-kappa / sigma)

    Parameters
    ----------
    v, total, s : array (d,)
        w_+, x_+ and s_+; for the class -1 its own, with s = -s_minus.
    kappa, sigma : float
        The mixture's, as in `mixture`.

    Returns
    -------
    float
        At least 0: what it costs to stay as near to x_+ as w_+ does.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827).
    """
    directions, kappa, sigma = geometry(kappa, sigma, v=v, total=total, s=s)
    return error_at(best_in_cone(*directions), kappa, sigma) - error_at(0.0, kappa, sigma)


def over_fitting(v, total, s, kappa, sigma):
    """OF: the predictor's error less the best in its cone around the class sum (E15).

        OF = E(w_+) - Phi(-kappa cos(max(0, angle(x_+, s_+) - angle(w_+, x_+))) / sigma)

    Parameters
    ----------
    v, total, s : array (d,)
        As in `over_alignment`.
    kappa, sigma : float
        The mixture's, as in `mixture`.

    Returns
    -------
    float
        At least 0; with OA it adds up to E(w_+) - Phi(-kappa / sigma).

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827).
    """
    directions, kappa, sigma = geometry(kappa, sigma, v=v, total=total, s=s)
    best, own = best_in_cone(*directions), angle_between(directions[0], directions[2])
    return error_at(max(best, own), kappa, sigma) - error_at(best, kappa, sigma)


class NetworkError(NamedTuple):
    """A network's error on a sample of test points: what `network_error` returns.

    Attributes
    ----------
    error : float
        Share of points with y f <= 0: f = 0 is an error.
    zeros : float
        Share of points with f exactly 0, where all units are silent; `error` less half of it
        counts them as half an error.
    standard_error : float
        Of `error`, by the points drawn.
    """

    error: float
    zeros: float
    standard_error: float


def network_error(output, y):
    """The share of test points that a network gets wrong, by Monte Carlo.

        error = (1/m) |{i : y_i f_i <= 0}|,   standard error = sqrt(error (1 - error) / m)

    Parameters
    ----------
    output, y : array (m,)
        f and the labels, +-1.

    Returns
    -------
    NetworkError

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours.
    """
    output = checks.array("output", output, (None,), real=True)
    y = checks.array("y", y, output.shape, real=True)
    if not np.all(np.abs(y) == 1):
        raise checks.InputError(f"y holds {y[np.abs(y) != 1][0]:g}: expected +1 and -1")
    error = float(np.mean(y * output <= 0))
    return NetworkError(error, float(np.mean(output == 0)), sqrt(error * (1 - error) / len(y)))
