"""What a trained network's prototypes say about its training data (paper A).

scipy is imported where it is needed: `import minimlp` stays light.
"""

import numpy as np

from . import checks
from .dispatch import softmin


def pairing(prototypes, x):
    """The prototype of each sample under the best one-to-one assignment.

        pi = argmin over one-to-one maps of sum_i ||x_i - p_pi(i)||

    Parameters
    ----------
    prototypes : array (M, d)
        At least as many as samples.
    x : array (N, d)

    Returns
    -------
    index : array (N,)
        prototypes[index[i]] belongs to sample i.
    distance : array (N,)
        Between the two, in the units of x.

    Raises
    ------
    InputError
        For an argument that can't be used, and for fewer prototypes than samples.

    Notes
    -----
    Paper A (arXiv 2605.25939): Hungarian assignment, here scipy's.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    prototypes, x = checks.two_sets(prototypes, x, real=True)
    if len(prototypes) < len(x):
        raise checks.InputError(f"prototypes has {len(prototypes)} rows: "
                                f"one for each of the {len(x)} samples is needed")
    distances = cdist(x, prototypes)
    rows, index = linear_sum_assignment(distances)
    return index, distances[rows, index]


def reconstruction_error(prototypes, x):
    """Mean distance of samples and prototypes under the best one-to-one assignment.

        error = min over one-to-one maps pi of (1/N) sum_i ||x_i - p_pi(i)||

    Parameters
    ----------
    prototypes : array (M, d)
        At least as many as samples.
    x : array (N, d)

    Returns
    -------
    float
        In the units of x.

    Raises
    ------
    InputError
        As `pairing` says.

    Notes
    -----
    Paper A (arXiv 2605.25939).
    """
    return float(pairing(prototypes, x)[1].mean())


def specialization_ratio(prototypes, x):
    """The share of prototypes that are the nearest prototype of some sample.

        ratio = (1/M) |{argmin_j ||x_i - p_j|| : i = 1, ..., N}|

    Parameters
    ----------
    prototypes : array (M, d)
    x : array (N, d)

    Returns
    -------
    float
        Between 1/M and 1.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper A's prototype-usage specialization ratio (arXiv 2605.25939).
    """
    prototypes, x = checks.two_sets(prototypes, x, real=True)
    _, _, nearest, _ = softmin(prototypes, x, 1.0)
    return len(np.unique(nearest)) / len(prototypes)


def hull_distance(prototypes, x):
    """Distance of each prototype to the convex hull of the samples; 0 inside.

        distance_j = min over lambda >= 0 with sum_i lambda_i = 1 of ||sum_i lambda_i x_i - p_j||

    In d > 1 a non-negative least-squares problem for each prototype p: u >= 0 that
    minimises ||sum_i u_i (x_i - p)||^2 + (sum_i u_i - 1)^2.  For given proportions
    lambda = u / sum u the best sum leaves D / (1 + D), D = ||sum_i lambda_i (x_i - p)||^2,
    which grows with D: so lambda gives the hull's point next to p.

    Parameters
    ----------
    prototypes : array (M, d)
    x : array (N, d)

    Returns
    -------
    array (M,)
        In the units of x; inside the hull 0 up to round-off.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours.
    """
    from scipy.optimize import lsq_linear

    prototypes, x = checks.two_sets(prototypes, x, real=True)
    if x.shape[1] == 1:
        p = prototypes[:, 0]
        return np.maximum(0.0, np.maximum(x.min() - p, p - x.max()))
    distances = np.empty(len(prototypes), np.result_type(prototypes, x))
    for j, p in enumerate(prototypes):
        towards = x - p
        size = np.abs(towards).max() or 1.0
        system = np.vstack([towards.T / size, np.ones(len(x))])
        target = np.append(np.zeros(x.shape[1]), 1.0)
        # scipy.optimize.nnls would do, but that of SciPy 1.15 is off by up to 10 %
        share = lsq_linear(system, target, (0, np.inf), method="bvls", tol=1e-15,
                           max_iter=10 * len(x)).x
        distances[j] = np.linalg.norm(share @ towards) / share.sum()
    return distances


def expelled_fraction(prototypes, x):
    """The share of prototypes outside the convex hull of the samples.

        fraction = (1/M) |{j : hull_distance_j > 0}|

    In d > 1 a prototype within 1e-9 of the samples' largest extent counts as inside.

    Parameters
    ----------
    prototypes : array (M, d)
    x : array (N, d)
        More samples than dimensions.

    Returns
    -------
    float
        Between 0 and 1.  Uniform prototypes among N uniform samples in one
        dimension start at 2/(N+1) on average.

    Raises
    ------
    InputError
        For an argument that can't be used, and for d >= N where d > 1: there the hull is
        flat and everything is outside; `hull_distance` says how far.

    Notes
    -----
    Paper A (arXiv 2605.25939) speaks of prototypes outside the hull; the share is ours.
    """
    prototypes, x = checks.two_sets(prototypes, x, real=True)
    samples, dimensions = x.shape
    if dimensions > 1 and dimensions >= samples:
        raise checks.InputError(f"x has shape {x.shape}: with d >= N the hull has no inside, "
                                "so every prototype is out of it; use hull_distance")
    tolerance = 0.0 if dimensions == 1 else 1e-9 * np.ptp(x, axis=0).max()
    return float(np.mean(hull_distance(prototypes, x) > tolerance))

