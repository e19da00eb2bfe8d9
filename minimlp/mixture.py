"""The two-class Gaussian mixture of the feature learning study (paper C)."""

from typing import NamedTuple

import numpy as np

from . import checks


class Mixture(NamedTuple):
    """Samples of the two-class Gaussian mixture (E15), as `mixture` draws them.

    Attributes
    ----------
    x : array (n, d)
        In the units of kappa and sigma.
    y : array (n,)
        +1 and -1 in turn.
    s_plus, s_minus : array (d,)
        Unit vectors: the classes' means are kappa s_plus and -kappa s_minus.
    """

    x: np.ndarray
    y: np.ndarray
    s_plus: np.ndarray
    s_minus: np.ndarray


def mixture(size, dimensions, kappa, sigma, seed, angle=0.0):
    """Two classes, Gaussian around their means (E15).

        x_i = kappa y_i s_{y_i} + sigma z_i,   z_i ~ N(0, I),   y_i = +1, -1, +1, ...

    Parameters
    ----------
    size, dimensions : int
        n >= 2 and d.  The labels are balanced: for odd n there is one +1 more.
    kappa, sigma : float
        Distance of the means from the origin; standard deviation in every direction.
    seed : int, sequence of ints or numpy.random.Generator
    angle : float
        Between s_plus and s_minus, in radians; in one dimension it must be 0.

    Returns
    -------
    Mixture

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper C (arXiv 2602.00827); s_plus is the first axis, s_minus lies in the plane of the first two.
    """
    size, d = checks.count("size", size, least=2, most=10**7), checks.count("dimensions", dimensions, most=10**6)
    kappa, sigma = checked_scales(kappa, sigma)
    angle = checks.number("angle", angle)
    if d == 1 and angle != 0:
        raise checks.InputError(f"angle = {angle}: in one dimension s_plus and s_minus are equal")
    random = np.random.default_rng(checks.seed(seed))
    y = np.where(np.arange(size) % 2 == 0, 1.0, -1.0)
    s_plus, s_minus = np.zeros(d), np.zeros(d)
    s_plus[0], s_minus[0] = 1, np.cos(angle)
    if angle != 0:
        s_minus[1] = np.sin(angle)
    means = kappa * y[:, None] * np.where(y[:, None] > 0, s_plus, s_minus)
    return Mixture(means + sigma * random.normal(size=(size, d)), y, s_plus, s_minus)


def checked_scales(kappa, sigma):
    """Both positive, and neither so large that squares overflow."""
    for name, value in (("kappa", kappa), ("sigma", sigma)):
        checks.moderate(name, np.array(checks.positive(name, value)))
    return float(kappa), float(sigma)


def separability(x, y):
    """The constant of orthogonal separability of labelled samples.

        lambda = min over i, k of y_i y_k cos(x_i, x_k)

    Parameters
    ----------
    x : array (n, d)
    y : array (n,)
        +-1, both classes.

    Returns
    -------
    float
        Between -1 and 1.

    Raises
    ------
    InputError
        For an argument that can't be used, and for a sample at the origin.

    Notes
    -----
    Paper C (arXiv 2602.00827), whose theory assumes lambda > 0.
    """
    x, y = labelled(x, y)
    norms = np.linalg.norm(x, axis=1)
    if not np.all(norms > 0):
        raise checks.InputError(f"x[{np.argmin(norms)}] lies at the origin: it has no direction")
    unit = y[:, None] * x / norms[:, None]
    return float(np.einsum("ik,jk->ij", unit, unit).min())


def labelled(x, y, names=("x", "y")):
    """Samples (n, d) with labels +-1, both of them there."""
    x = checks.moderate(names[0], checks.points(names[0], x, real=True).astype(float))
    y = checks.array(names[1], y, x.shape[:1], real=True).astype(float)
    for label in np.unique(y):
        if label not in (1, -1):
            raise checks.InputError(f"{names[1]} holds {label:g}: expected +1 and -1")
    if len(np.unique(y)) < 2:
        raise checks.InputError(f"{names[1]} = {y[0]:+g} everywhere: both classes are needed")
    return x, y
