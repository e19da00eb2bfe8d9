"""The loss over all parameters of either network: value, gradient, Hessian, stationary points.

Theta is `params.to_vector()`.  Each network gives what a unit answers and its derivatives in
the unit's incoming parameters u = (w, b); all else is the same for both.
"""

from dataclasses import dataclass

import numpy as np

from . import checks, gaussian, two_layer
from .gaussian import Params
from .loss import LOSSES

TOLERANCE = 1e-10       # a gradient norm that counts as zero
MARGIN = 1e-7           # an eigenvalue under this share of the largest counts as zero, as one under TOLERANCE
LONGEST = 0.3           # step towards a saddle


def network_of(params):
    """The module with this network's forward and backward pass."""
    return gaussian if isinstance(params, Params) else two_layer


def unit_derivatives(params, x):
    """h (N, M), Dh (N, M, P) and D^2 h (N, M, P, P) in u_j, of the P incoming parameters."""
    return network_of(params).unit_derivatives(params, x)


def outputs(params, hidden):
    """f_i = sum_j v_j h_ij + c."""
    output = np.einsum("ij,j->i", hidden, params.v)
    return output if params.c is None else output + params.c


def positions(params):
    """Where u of each unit (M, P) and v (M,) stand in theta; c, if there is one, comes last."""
    units = len(params.v)
    if isinstance(params, Params):
        after_w = units + np.arange(params.b.size).reshape(params.b.shape)
        u = np.column_stack([np.arange(units), after_w])
    else:
        u = np.arange(params.incoming().size).reshape(units, -1)
    return u, u.size + np.arange(units)


def incoming(params):
    """u_j of each unit, (M, P)."""
    return params.to_vector()[positions(params)[0]]


def with_units(params, u, v):
    """The network with these units (K, P) and output weights (K,) in place of its own."""
    if isinstance(params, Params):
        return params._replace(w=u[:, 0], b=u[:, 1:], v=v)
    d = params.w.shape[1]
    return params._replace(w=u[:, :d], b=None if params.b is None else u[:, d], v=v)


def with_vector(params, theta):
    """A network shaped like this one with the parameters theta."""
    return type(params).from_vector(theta, like=params)


def derivatives(params, x, y, loss="square"):
    """Value, gradient and Hessian of a loss of the outputs, in all parameters (E9; E1).

        dL = sum_i d_output_i J_i,   J_i = df_i / dtheta = (v_j Dh_ij, h_ij, 1)
        d^2L = sum_i d2_output_i J_i J_i^T + sum_i d_output_i d^2 f_i
        d^2 f_i / du_j du_j = v_j D^2 h_ij,   d^2 f_i / du_j dv_j = Dh_ij

    Two units have no mixed derivative but through J.

    Parameters
    ----------
    params : TwoLayer or Params
    x : array (N, d)
    y : array (N,)
    loss : {"square", "logistic"}

    Returns
    -------
    value : float
    gradient : array (T,)
        In the order of `params.to_vector()`.
    hessian : array (T, T)
    """
    hidden, slope, curvature = unit_derivatives(params, x)
    value, d_output, d2_output = LOSSES[loss](outputs(params, hidden), y)
    u, v = positions(params)

    jacobian = np.ones((len(x), u.size + v.size + (params.c is not None)), hidden.dtype)
    jacobian[:, u] = params.v[:, None] * slope
    jacobian[:, v] = hidden                             # the column of c stays 1
    gradient = np.einsum("i,ip->p", d_output, jacobian)
    hessian = np.einsum("ip,iq->pq", d2_output[:, None] * jacobian, jacobian)
    own = params.v[:, None, None] * np.einsum("i,ijkl->jkl", d_output, curvature)
    mixed = np.einsum("i,ijk->jk", d_output, slope)
    for j in range(len(v)):
        hessian[np.ix_(u[j], u[j])] += own[j]
        hessian[u[j], v[j]] += mixed[j]
        hessian[v[j], u[j]] += mixed[j]
    return value, gradient, hessian


def value_and_gradient(params, x, y, loss="square"):
    """The first two of `derivatives`, by the network's own backward pass."""
    output, responses = network_of(params).forward(params, x)
    value, d_output, _ = LOSSES[loss](output, y)
    gradient = network_of(params).backward(params, x, responses, d_output)
    return value, gradient.to_vector() if isinstance(gradient, Params) else gradient


@dataclass(frozen=True)
class StationaryPoint:
    """Where `find_stationary_point` ended, and what the Hessian says of it.

    Attributes
    ----------
    params : TwoLayer or Params
    value : float
        The loss there.
    gradient_norm : float
        Euclidean, over all parameters.
    eigenvalues : array (T,) or None
        Of the Hessian over all T parameters, increasing; None where it is not finite.
    margin : float
        min|eigenvalue| / max|eigenvalue|: how far from degenerate the point is.
    kind : {"minimum", "saddle", "maximum", "degenerate", "not stationary"}
        "degenerate": the margin is under `MARGIN`, or an eigenvalue under `TOLERANCE`; "not
        stationary": the gradient norm is over `TOLERANCE`.
    """

    params: object
    value: float
    gradient_norm: float
    eigenvalues: np.ndarray
    margin: float
    kind: str


def stationary_point(params, x, y, loss="square"):
    """What kind of stationary point this is, if it is one; see `StationaryPoint`."""
    value, gradient, hessian = derivatives(params, x, y, loss)
    norm = np.linalg.norm(gradient)
    if not np.isfinite(hessian).all():
        return StationaryPoint(params, float(value), float(norm), None, 0.0, "not stationary")
    eigenvalues = np.linalg.eigvalsh(hessian)
    least, largest = np.abs(eigenvalues).min(), np.abs(eigenvalues).max()
    margin = least / largest if largest > 0 else 0.0
    flat = margin < MARGIN or least < TOLERANCE
    kind = ("not stationary" if not norm <= TOLERANCE else "degenerate" if flat else
            "minimum" if eigenvalues[0] > 0 else "maximum" if eigenvalues[-1] < 0 else "saddle")
    return StationaryPoint(params, float(value), float(norm), eigenvalues, float(margin), kind)


def find_stationary_point(params, x, y, loss="square", saddle=False, steps=200):
    """The minimum downhill of these parameters, or a saddle near them.

        dL/dtheta = 0 to 1e-10,   theta all parameters,   L the fit (E3) or the logistic loss (E14)

    A minimum by scipy's trust region with our gradient and Hessian; a saddle by following the
    Hessian's lowest eigenvector uphill and all others downhill (Cerjan and Miller 1981).  Either
    is followed by Newton's steps as long as they halve the gradient.

    Parameters
    ----------
    params : TwoLayer or Params
        Where to start.
    x : array (N, d)
    y : array (N,)
    loss : {"square", "logistic"}
    saddle : bool
        Whether to look for one.
    steps : int
        At most so many before Newton's.

    Returns
    -------
    StationaryPoint
        Its `kind` is "not stationary" where the search failed, and it may be another than the one
        that was looked for.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours, but for the way to a saddle.  Tolerances are absolute: scale x and y to order 1.
    """
    from scipy import optimize

    params, x, y = checks.problem(params, x, y, loss)
    steps, saddle = checks.count("steps", steps), checks.flag("saddle", saddle)
    at = Last(lambda theta: derivatives(with_vector(params, theta), x, y, loss))
    theta = params.to_vector()
    with np.errstate(all="ignore"):             # a search may leave for infinity
        if saddle:
            theta = follow_lowest(at, theta, steps)
        else:
            theta = optimize.minimize(lambda t: at(t)[0], theta, jac=lambda t: at(t)[1],
                                      hess=lambda t: at(t)[2], method="trust-exact",
                                      options={"gtol": TOLERANCE, "maxiter": steps}).x
        theta = newton(at, theta)
    return stationary_point(with_vector(params, theta), x, y, loss)


def follow_lowest(at, theta, steps):
    """Newton's steps of bounded length, uphill in the Hessian's lowest eigenvector."""
    for _ in range(steps):
        _, gradient, hessian = at(theta)
        if not 1e-8 < np.linalg.norm(gradient) < np.inf:
            break
        curvatures, vectors = np.linalg.eigh(hessian)
        along = (gradient @ vectors) / np.maximum(np.abs(curvatures), 1e-3)
        along[0] = -along[0]
        theta = theta - vectors @ along * min(1, LONGEST / np.linalg.norm(along))
    return theta


def newton(at, theta):
    """Newton's steps towards a zero of the gradient, as long as each halves its norm."""
    _, gradient, hessian = at(theta)
    while gradient.any() and np.isfinite(hessian).all():
        step = np.linalg.lstsq(hessian, -gradient, rcond=1e-12)[0]
        _, after, hessian = at(theta + step)
        if not np.linalg.norm(after) < np.linalg.norm(gradient) / 2:
            break
        theta, gradient = theta + step, after
    return theta


class Last:
    """A function of theta that remembers its last value: scipy asks for each part apart."""

    def __init__(self, function):
        self.function, self.theta = function, None

    def __call__(self, theta):
        if self.theta is None or not np.array_equal(theta, self.theta):
            self.theta, self.value = theta.copy(), self.function(theta)
        return self.value
