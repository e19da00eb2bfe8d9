"""The three structural losses: coverage (E4), separation (E5), overlap (E6), in NumPy.

Each returns its value and, beside it, its gradient, shaped like the first
argument.  Nothing here checks its arguments: the public forms do (dispatch.py).
"""

import numpy as np


def squared_distances(differences):
    """||.||^2 over the last axis, by squares: safe for the complex step."""
    return np.einsum("ijk,ijk->ij", differences, differences)


def softmin(prototypes, x, temperature, offsets=None):
    """Softmin of the squared distances of each sample to the prototypes (E4).

        D_ij = ||x_i - p_j||^2 - g_j
        s_i  = -tau log sum_j exp(-D_ij / tau)
        a_ij = exp(-(D_ij - s_i) / tau)                      (sums to 1 over j)
        d(mean_i s_i)/dp_j = (2/N) sum_i a_ij (p_j - x_i)

    The least D_ij is taken out of the sum before the exponential, so that
    nothing overflows at any temperature.

    Parameters
    ----------
    prototypes : array (M, d)
        p, in the units of x.
    x : array (N, d)
        Samples.
    temperature : float
        tau > 0, in the squared units of x.
    offsets : array (M,), optional
        g, in the squared units of x; 0 when left out.

    Returns
    -------
    values : array (N,)
        s, in the squared units of x; between min_j D_ij - tau log M and min_j D_ij.
    gradient : array (M, d)
        Of the mean of the values.
    nearest : array (N,) of int
        argmin_j D_ij; the first one of equals.
    distance : array (N,)
        ||x_i - p_nearest||, in the units of x.
    """
    differences = x[:, None, :] - prototypes
    squares = squared_distances(differences)
    costs = squares if offsets is None else squares - offsets
    nearest = costs.real.argmin(axis=1)
    rows = np.arange(len(x))
    least = costs[rows, nearest]

    with np.errstate(over="ignore"):            # exp(-inf) = 0
        weights = np.exp(-(costs - least[:, None]) / temperature)
    total = weights.sum(axis=1)
    values = least - temperature * np.log(total)
    softmax = weights / total[:, None]
    gradient = (-2 / len(x)) * np.einsum("ij,ijk->jk", softmax, differences)
    return values, gradient, nearest, np.sqrt(squares[rows, nearest])


def coverage(prototypes, x, temperature):
    """Coverage (E4): how far the samples are, softly, from their nearest prototypes.

        L = (1/N) sum_i s_i,   dL/dp_j = (2/N) sum_i a_ij (p_j - x_i)

    with s and a as in `softmin`.  Its step -dL/dp is a sum of pulls towards
    samples: it never points away from their convex hull.

    Parameters
    ----------
    prototypes : array (M, d)
    x : array (N, d)
    temperature : float
        tau > 0, in the squared units of x.

    Returns
    -------
    value : float
        In the squared units of x; negative when tau log M outweighs the distances.
    gradient : array (M, d)

    Notes
    -----
    Named by paper A (arXiv 2605.25939); this formula is ours.
    """
    values, gradient, _, _ = softmin(prototypes, x, temperature)
    return values.mean(), gradient


def separation(prototypes, temperature):
    """Separation (E5): how close the prototypes are to each other.

        L = 2/(M(M-1)) sum_{j<k} K_jk,   K_jk = exp(-||p_j - p_k||^2 / tau)
        dL/dp_j = -4/(M(M-1) tau) sum_k K_jk (p_j - p_k)

    1 where all prototypes coincide, 0 where they are far apart; its reach is
    sqrt(tau).  0 for a single prototype.

    Parameters
    ----------
    prototypes : array (M, d)
    temperature : float
        tau > 0, in the squared units of the prototypes.

    Returns
    -------
    value : float
        Dimensionless.
    gradient : array (M, d)

    Notes
    -----
    Named by paper A (arXiv 2605.25939); this formula is ours.
    """
    units = len(prototypes)
    pairs = max(units * (units - 1), 1)
    differences = prototypes[:, None, :] - prototypes
    with np.errstate(over="ignore"):            # exp(-inf) = 0
        kernel = np.exp(-squared_distances(differences) / temperature)
    np.fill_diagonal(kernel, 0)

    value = kernel.sum() / pairs
    gradient = (-4 / (pairs * temperature)) * np.einsum("jk,jki->ji", kernel, differences)
    return value, gradient


def overlap(hidden):
    """Overlap (E6): how much the units respond to the same samples.

        L = 2/(M(M-1)N) sum_i sum_{j<k} h_ij h_ik
        dL/dh_ij = 2/(M(M-1)N) sum_{k != j} h_ik

    Summed with what comes before and after each unit, so O(N M); the shorter
    (sum_j h)^2 - sum_j h^2 would cancel for narrow units.  1 where every unit
    answers 1 everywhere, 0 for a single unit.

    Parameters
    ----------
    hidden : array (N, M)
        Responses, as `forward` returns them.

    Returns
    -------
    value : float
        Dimensionless.
    gradient : array (N, M)

    Notes
    -----
    Named by paper A (arXiv 2605.25939); this formula is ours.
    """
    samples, units = hidden.shape
    scale = 2 / (max(units * (units - 1), 1) * samples)
    before = np.zeros_like(hidden)
    after = np.zeros_like(hidden)
    before[:, 1:] = np.cumsum(hidden[:, :-1], axis=1)
    after[:, :-1] = np.cumsum(hidden[:, :0:-1], axis=1)[:, ::-1]

    value = scale * np.sum(hidden * before)
    gradient = scale * (before + after)
    return value, gradient
