"""The Gaussian MLP (E1), its prototypes (E2) and its backward pass (E8), in NumPy.

Shapes: N samples in d dimensions, M hidden units.  x is (N, d), y is (N,).
Nothing here checks its arguments: `minimlp.forward` and the other public
forms do (dispatch.py).  Sums over samples or units use einsum and not `@`,
because BLAS adds up in an order that depends on its number of threads.
"""

import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from .errors import InputError


class Params(NamedTuple):
    """Parameters of the Gaussian MLP (E1): M units in d dimensions (paper A).

    Attributes
    ----------
    w : array (M,)
        Input weight of each unit, a scalar; 1/|w_j| is the unit's standard
        deviation, in the units of x.
    b : array (M, d)
        Bias of each unit, dimensionless.
    v : array (M,)
        Output weight of each unit, in the units of y.
    c : array ()
        Output bias, in the units of y.
    """

    w: np.ndarray
    b: np.ndarray
    v: np.ndarray
    c: np.ndarray

    @staticmethod
    def at(p, w):
        """Units with prototypes p (M, d), or (M,), and input weights w (M,); v and c are 0."""
        w = np.asarray(w, dtype=float)
        p = np.reshape(p, (len(w), -1))
        return Params(w, -w[:, None] * p, np.zeros(len(w)), np.zeros(()))

    def to_vector(self):
        """All parameters as one vector (M + M d + M + 1,), in the order w, b, v, c."""
        return np.concatenate([np.ravel(array) for array in self])

    @staticmethod
    def from_vector(theta, like):
        """The inverse of `to_vector`: theta cut into views shaped as those of `like`."""
        units, dimensions = np.shape(like.b)
        cut = units + units * dimensions
        return Params(w=theta[:units],
                      b=theta[units:cut].reshape(units, dimensions),
                      v=theta[cut:cut + units],
                      c=theta[cut + units:].reshape(()))

    def save(self, path):
        """Write the four arrays to an npz file of just this name."""
        with open(path, "wb") as file:
            np.savez(file, **self._asdict())

    @staticmethod
    def load(path):
        """Read what `save` wrote; InputError if it is something else."""
        try:
            with open(path, "rb") as file:
                arrays = np.load(file)
                return Params(*(arrays[name] for name in Params._fields))
        except (ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error,
                NotImplementedError, RuntimeError) as error:
            raise InputError(f"{path}: holds no Params") from error


def init_params(x, width, seed):
    """Random start of the study: units of several widths, prototypes (E2) in the cube.

        |w_j| ~ U(2, 6) with a random sign,   p_j ~ U(-1, 1)^d,   b_j = -w_j p_j
        v_j ~ N(0, 1/M),   c = 0

    drawn in the order |w|, sign, p, v.  The prototypes do not look at x: scale data to
    [-1, 1] first.

    Parameters
    ----------
    x : array (N, d)
        Samples; only d and the type matter.
    width : int
        M, the number of hidden units.
    seed : int, sequence of ints or numpy.random.Generator

    Returns
    -------
    Params
        In the type of x.

    Notes
    -----
    Ours.
    """
    random = np.random.default_rng(seed)
    dimensions = x.shape[1]
    w = random.uniform(2, 6, width) * random.choice([-1.0, 1.0], width)
    p = random.uniform(-1, 1, (width, dimensions))
    v = random.normal(0, 1 / np.sqrt(width), width)
    arrays = w, -w[:, None] * p, v, np.zeros(())
    return Params(*(array.astype(x.dtype) for array in arrays))


def preactivation(params, x):
    """z_ij = w_j x_i + b_j (E1), shape (N, M, d)."""
    return params.w[:, None] * x[:, None, :] + params.b


def forward(params, x):
    """Output and hidden responses of the Gaussian MLP (E1).

        z_ij = w_j x_i + b_j,   h_ij = exp(-||z_ij||^2 / 2),   f_i = sum_j v_j h_ij + c

    Parameters
    ----------
    params : Params
    x : array (N, d)
        Samples.

    Returns
    -------
    output : array (N,)
        f, in the units of y.
    hidden : array (N, M)
        h, between 0 and 1.

    Notes
    -----
    Paper A (arXiv 2605.25939) for d = 1; d > 1 is ours: a radial unit with one
    centre, where a weight vector per unit would make a ridge with none.
    """
    z = preactivation(params, x)
    hidden = np.exp(-0.5 * np.einsum("ijk,ijk->ij", z, z))
    output = np.einsum("ij,j->i", hidden, params.v) + params.c
    return output, hidden


def backward(params, x, hidden, d_output, d_hidden=0.0):
    """Gradient of a loss L with respect to the parameters, through (E1).

    With d_output_i = dL/df_i, and d_hidden_ij = dL/dh_ij for the part of L that
    looks at the responses directly:

        dL/dc   = sum_i d_output_i
        dL/dv_j = sum_i d_output_i h_ij
        dL/dz_ij = -(d_output_i v_j + d_hidden_ij) h_ij z_ij
        dL/dw_j = sum_i dL/dz_ij . x_i
        dL/db_j = sum_i dL/dz_ij

    Parameters
    ----------
    params : Params
    x : array (N, d)
    hidden : array (N, M)
        As `forward` returned it for these params and x.
    d_output : array (N,)
    d_hidden : array (N, M) or 0

    Returns
    -------
    Params
        The gradient: each array shaped as its parameter, in the units of L over those of the
        parameter.

    Notes
    -----
    Ours: the chain rule through paper A's network.
    """
    z = preactivation(params, x)
    d_response = d_output[:, None] * params.v + d_hidden
    d_z = -(d_response * hidden)[:, :, None] * z
    return Params(w=np.einsum("ijk,ik->j", d_z, x),
                  b=d_z.sum(axis=0),
                  v=np.einsum("i,ij->j", d_output, hidden),
                  c=np.asarray(d_output.sum()))


def prototypes(params):
    """Prototype of each unit (E2): p_j = -b_j / w_j, where its response is 1.

    Parameters
    ----------
    params : Params

    Returns
    -------
    array (M, d)
        In the units of x.

    Notes
    -----
    Paper A (arXiv 2605.25939) for d = 1.
    """
    return -params.b / params.w[:, None]


def prototypes_backward(params, p, d_prototypes):
    """Gradient of a loss of the prototypes alone with respect to the weights (E8).

        dL/db_j = -g_j / w_j,   dL/dw_j = -(g_j . p_j) / w_j,   g_j = dL/dp_j

    Parameters
    ----------
    params : Params
    p, d_prototypes : array (M, d)
        The prototypes, and g.

    Returns
    -------
    Params
        The gradient; zero for v and c.
    """
    return Params(w=-np.einsum("jk,jk->j", d_prototypes, p) / params.w,
                  b=-d_prototypes / params.w[:, None],
                  v=np.zeros_like(params.v),
                  c=np.zeros_like(params.c))


def unit_derivatives(params, x):
    """What each unit answers, and its derivatives in u_j = (w_j, b_j) (E1, E11).

        z_ij = A_i u_j, A_i = (x_i, I):   Dh_ij = -h_ij A_i^T z_ij
        D^2 h_ij = h_ij (A_i^T z_ij z_ij^T A_i - A_i^T A_i)

    Parameters
    ----------
    params : Params
    x : array (N, d)

    Returns
    -------
    hidden : array (N, M)
    slope : array (N, M, d + 1)
    curvature : array (N, M, d + 1, d + 1)
    """
    z, (_, hidden) = preactivation(params, x), forward(params, x)
    a = np.concatenate([x[:, :, None], np.ones_like(x)[:, :, None] * np.eye(x.shape[1])], axis=2)
    at_z = np.einsum("ikp,ijk->ijp", a, z)
    at_a = np.einsum("ikp,ikq->ipq", a, a)[:, None]
    curvature = at_z[..., None] * at_z[..., None, :] - at_a
    return hidden, -hidden[..., None] * at_z, hidden[..., None, None] * curvature
