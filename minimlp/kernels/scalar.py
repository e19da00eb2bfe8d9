"""Formulas of one pair or one number, shared by the CPU and the GPU kernels.

Each kernel supplies its exp.  Constants are float32: a few halves and twos are exact
there, and a float32 number times a float64 constant would be computed in float64.
"contract" lets a product and a sum become one instruction, rounded once.
"""

import numpy as np

from . import compiled

HALF, ONE = np.float32(0.5), np.float32(1)
LOG2_E = 1.4426950408889634        # e^y = 2^(LOG2_E y)


@compiled(fastmath={"contract"})
def response_exponent(square):
    """log h_ij = -||z_ij||^2 / 2 (E1), of the square."""
    return -HALF * square


@compiled(fastmath={"contract"})
def response_gradient(d_output, v, d_hidden, hidden):
    """dL/dz_ij = -(dL/df_i v_j + dL/dh_ij) h_ij z_ij (E1), but for the factor z_ij."""
    return -(d_output * v + d_hidden) * hidden


@compiled(fastmath={"contract"})
def softmax_exponent(cost, least, scale):
    """log of exp(-(cost - least) / tau), of the cost D_ij - g_j (E4); scale = 1 / tau, or log2(e) / tau for log2."""
    return (least - cost) * scale


@compiled(fastmath={"contract"})
def separation_exponent(square, scale):
    """log K_jk = -||p_j - p_k||^2 / tau (E5); scale as above."""
    return -square * scale


@compiled(fastmath={"contract"})
def moment(mean, beta, value):
    """beta m + (1 - beta) g: a running mean of Adam's."""
    return beta * mean + (ONE - beta) * value
