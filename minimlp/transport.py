"""Balanced coverage (E16): entropic optimal transport of samples to prototypes, in NumPy.

Coverage (E4) lets many samples share one prototype.  Here every prototype serves as many
samples as any other: its offset in the softmin is the bonus that makes it so.
"""

from math import log

import numpy as np

from .errors import InputError
from .structural import softmin

ITERATIONS, TOLERANCE = 1000, 1e-10


def tolerance_in(*arrays):
    """The marginal error that rounding lets one ask for: 1e-10, in single precision 1e-4."""
    single = any(array.dtype in (np.float32, np.complex64) for array in arrays)
    return 1e-4 if single else TOLERANCE


def sinkhorn(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """Balanced coverage (E16) by Sinkhorn's iteration, as far as it got.

        L = min_pi sum_ij pi_ij D_ij + tau sum_ij pi_ij log(N M pi_ij),   D_ij = ||x_i - p_j||^2,
            over pi >= 0 with sum_j pi_ij = 1/N and sum_i pi_ij = 1/M
          = max_g (1/N) sum_i f_i + (1/M) sum_j g_j
        f_i  = -tau log (1/M) sum_j exp((g_j - D_ij) / tau)       softmin (E4) + tau log M
        g'_j = -tau log (1/N) sum_i exp((f_i - D_ij) / tau)       its mirror image + tau log N
        pi_ij = exp((f_i + g_j - D_ij) / tau) / (N M)
        dL/dp_j = 2 sum_i pi_ij (p_j - x_i)

    By the choice of f the samples' marginals are exact for any g, and pi_ij = a_ij / N, so
    that the gradient is softmin's own.  Prototype j receives exp((g_j - g'_j) / tau) / M, and
    1/M less that is the slope of the maximised sum in g_j.  It is 0 at the maximum: there p
    acts through D alone (envelope theorem), and the gradient is exact.  Before, it is off in
    proportion to the marginal error.

    Parameters
    ----------
    prototypes : array (M, d)
        p, in the units of x.
    x : array (N, d)
        Samples.
    temperature : float
        tau > 0, in the squared units of x.
    offsets : array (M,), optional
        g to start from, in the squared units of x: what an earlier call returned; 0 when
        left out.
    iterations : int
        At most so many, each of them a softmin in both directions.
    tolerance : float
        Stops at a marginal error this small; 0 takes all iterations.  Left out: 1e-10; the
        public function takes 1e-4 in float32.

    Returns
    -------
    value : float
        In the squared units of x: at convergence coverage + tau log M or more; before, too low.
    gradient : array (M, d)
        In the units of x.
    offsets : array (M,)
        g', for a warm start.
    marginal_error : float
        sum_j |sum_i pi_ij - 1/M| of the plan that value and gradient belong to, or what rounding
        of f and g may hide of it, where that is more; 0 to 2.

    Notes
    -----
    Cuturi 2013 (arXiv 1306.0895); as a softmin in the log domain, Peyre and Cuturi 2019
    (arXiv 1803.00567), section 4.4.  As a loss of prototypes it is ours.  Complex prototypes
    are taken: from converged offsets one iteration gives the complex step.
    """
    g = np.zeros_like(prototypes[:, 0]) if offsets is None else offsets
    for _ in range(iterations):
        values, gradient, _, _ = softmin(prototypes, x, temperature, g)
        f = values + temperature * log(len(prototypes))
        value = f.mean() + g.mean()
        following = softmin(x, prototypes, temperature, f)[0] + temperature * log(len(x))
        with np.errstate(over="ignore"):
            received = np.exp((g - following).real / temperature)   # M sum_i pi_ij
        error = marginal_error(np.abs(received - 1).mean(), f, g, temperature)
        g = following
        if error <= tolerance:
            break
    return value, gradient, g, error


def marginal_error(found, f, g, temperature):
    """The marginal error, not less than what rounding of f and g makes of it: eps (rms f + rms g) / tau.

    Where tau is lost in the rounding, f and g stop moving long before the marginals are met.
    """
    with np.errstate(over="ignore"):
        f, g = (np.sqrt(np.mean(np.square(potential.real))) for potential in (f, g))
        rounding = float(np.finfo(f.dtype).eps * (f + g)) / temperature
    return min(2.0, max(float(found), rounding))


def balanced(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """Balanced coverage (E16): what it costs to serve the samples by all prototypes equally.

        L = (1/N) sum_i f_i + (1/M) sum_j g_j,   dL/dp_j = 2 sum_i pi_ij (p_j - x_i)

    with f, g and pi as in `sinkhorn`, at convergence.  For tau -> 0 it is the mean squared
    distance under the best assignment (N = M), for tau -> inf the mean over all pairs.  No
    prototype is stranded: each is pulled by 1/M of the samples' mass, however far it is.

    Parameters
    ----------
    prototypes : array (M, d)
        p, in the units of x.
    x : array (N, d)
        Samples.
    temperature : float
        tau > 0, in the squared units of x.  The smaller, the more iterations are needed:
        lower it bit by bit and pass the offsets on.
    offsets : array (M,), optional
        To start from, in the squared units of x; 0 when left out.
    iterations : int
        At most so many.
    tolerance : float
        The largest marginal error that counts as converged.  Left out: 1e-10; the public
        function takes 1e-4 in float32.

    Returns
    -------
    value : float
        In the squared units of x.
    gradient : array (M, d)
        In the units of x.
    offsets : array (M,)
        For a warm start.

    Raises
    ------
    InputError
        Where the marginals are not met within the iterations; it says how nearly they are.

    Notes
    -----
    As a loss of prototypes it is ours; see `sinkhorn` for the method's source.
    """
    return met(sinkhorn(prototypes, x, temperature, offsets, iterations, tolerance),
               temperature, iterations, tolerance)


def met(result, temperature, iterations, tolerance):
    """Value, gradient and offsets of a result of `sinkhorn` whose marginals are met."""
    *result, error = result
    if not error <= tolerance:
        raise InputError(f"temperature = {temperature}: after {iterations} iterations the marginal "
                         f"error is {error:.2g}, more than the tolerance {tolerance:g}; take more "
                         "iterations, a higher temperature, or the offsets of a higher one")
    return tuple(result)
