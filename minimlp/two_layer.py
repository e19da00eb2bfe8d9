"""Two-layer network of ridge units with any activation (E9), its backward pass, in NumPy.

Shapes: N samples in d dimensions, M hidden units.  b and c may be left out.  Parameters are
ordered by unit in `to_vector`: w_1 (d), b_1, w_2, b_2, ..., then v (M), then c.  Nothing here
checks its arguments.
"""

from typing import NamedTuple

import numpy as np

from .activations import ACTIVATIONS


class TwoLayer(NamedTuple):
    """Parameters of the two-layer network (E9): ridge units phi(w_j . x + b_j), of papers B and C.

    Attributes
    ----------
    w : array (M, d)
        Input weights, a row for each unit.
    b : array (M,) or None
        Input biases; None: there are none.
    v : array (M,)
        Output weights.
    c : array () or None
        Output bias; None: there is none.
    activation : str
        "gaussian", "tanh", "sigmoid", "softplus" or "relu".
    """

    w: np.ndarray
    b: np.ndarray
    v: np.ndarray
    c: np.ndarray
    activation: str

    def incoming(self):
        """u (M, d) or (M, d + 1): the incoming parameters (w_j, b_j) of each unit."""
        return self.w if self.b is None else np.column_stack([self.w, self.b])

    def to_vector(self):
        """All parameters as one vector: u of each unit, then v, then c."""
        last = () if self.c is None else (np.ravel(self.c),)
        return np.concatenate([self.incoming().ravel(), self.v, *last])

    @staticmethod
    def from_vector(theta, like):
        """The inverse of `to_vector`."""
        units, dimensions = like.w.shape
        width = dimensions + (like.b is not None)
        u = theta[:units * width].reshape(units, width)
        return TwoLayer(w=u[:, :dimensions], b=None if like.b is None else u[:, dimensions],
                        v=theta[units * width:units * (width + 1)],
                        c=None if like.c is None else theta[units * (width + 1):].reshape(()),
                        activation=like.activation)


def extended(params, x):
    """xt_i = (x_i, 1) where the units have a bias, x_i where not: z = xt . u."""
    return x if params.b is None else np.column_stack([x, np.ones(len(x))])


def forward(params, x):
    """Output of the two-layer network, and what its units answer (E9).

        z_ij = w_j . x_i + b_j,   f_i = sum_j v_j phi(z_ij) + c

    Parameters
    ----------
    params : TwoLayer
    x : array (N, d)
        Samples.

    Returns
    -------
    output : array (N,)
        f, in the units of y.
    responses : tuple of three arrays (N, M)
        phi, phi' and phi'' at z.
    """
    z = np.einsum("ik,jk->ij", extended(params, x), params.incoming())
    responses = ACTIVATIONS[params.activation](z)
    output = np.einsum("ij,j->i", responses[0], params.v)
    return output if params.c is None else output + params.c, responses


def backward(params, x, responses, d_output):
    """Gradient of a loss of the outputs (E9), with d_output_i = dL/df_i.

        dL/dv_j = sum_i d_output_i phi(z_ij),   dL/dc = sum_i d_output_i
        dL/du_j = v_j sum_i d_output_i phi'(z_ij) xt_i,   u_j = (w_j, b_j), xt_i = (x_i, 1)

    Parameters
    ----------
    params : TwoLayer
    x : array (N, d)
    responses : tuple
        As `forward` returned them.
    d_output : array (N,)

    Returns
    -------
    array (P,)
        In the order of `TwoLayer.to_vector`.
    """
    hidden, slope, _ = responses
    d_u = params.v[:, None] * np.einsum("i,ij,ik->jk", d_output, slope, extended(params, x))
    d_v = np.einsum("i,ij->j", d_output, hidden)
    d_c = () if params.c is None else (d_output.sum()[None],)
    return np.concatenate([d_u.ravel(), d_v, *d_c])


def unit_derivatives(params, x):
    """What each unit answers, and its derivatives in u_j = (w_j, b_j) (E9, E11).

        h_ij = phi(z_ij),   Dh_ij = phi'(z_ij) xt_i,   D^2 h_ij = phi''(z_ij) xt_i xt_i^T

    Parameters
    ----------
    params : TwoLayer
    x : array (N, d)

    Returns
    -------
    hidden : array (N, M)
    slope : array (N, M, P)
        P = d + 1, or d without biases.
    curvature : array (N, M, P, P)
    """
    hidden, slope, curvature = forward(params, x)[1]
    xt = extended(params, x)
    return (hidden, slope[:, :, None] * xt[:, None],
            np.einsum("ij,ik,il->ijkl", curvature, xt, xt))
