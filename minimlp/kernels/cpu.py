"""Plain CPU twins of the reference: its formulas as loops, the outer one over threads (`prange`).

Every thread owns what it writes: an entry for each sample, or for each unit, added up
outside, by NumPy, in a fixed order.  So the same numbers give the same bits, however
many threads there are.  No array of N x M is made but where the result is one.

backend="cpu" runs `backward` and `overlap` of these; beside the others stand tuned ones (simd.py,
objective.py), and they are here to be read and compared with.
"""

from math import exp

import numpy as np
from numba import prange

from ..gaussian import Params
from . import compiled
from .scalar import response_exponent, response_gradient, separation_exponent, softmax_exponent


@compiled()
def squared_distance(a, i, b, j):
    """||a_i - b_j||^2."""
    total = a.dtype.type(0)
    for k in range(a.shape[1]):
        total += (a[i, k] - b[j, k]) * (a[i, k] - b[j, k])
    return total


@compiled()
def response(w, b, j, x, i):
    """h_ij (E1)."""
    square = x.dtype.type(0)
    for k in range(x.shape[1]):
        z = w[j] * x[i, k] + b[j, k]
        square += z * z
    return exp(response_exponent(square))


@compiled(parallel=True)
def forward_kernel(w, b, v, c, x, output, hidden):
    """Of each sample: f_i and h_ij (E1)."""
    for i in prange(len(x)):
        f = c
        for j in range(len(w)):
            hidden[i, j] = response(w, b, j, x, i)
            f += v[j] * hidden[i, j]
        output[i] = f


def forward(params, x):
    """See gaussian.forward."""
    output, hidden = np.empty(len(x), x.dtype), np.empty((len(x), len(params.w)), x.dtype)
    forward_kernel(params.w, params.b, params.v, params.c[()], x, output, hidden)
    return output, hidden


@compiled(parallel=True)
def backward_kernel(w, b, v, x, hidden, d_output, d_hidden, d_w, d_b, d_v):
    """Of each unit: dL/dw_j, dL/db_j and dL/dv_j, added to the zeros that stand there."""
    for j in prange(len(w)):
        for i in range(len(x)):
            d_v[j] += d_output[i] * hidden[i, j]
            d_z = response_gradient(d_output[i], v[j], d_hidden[i, j], hidden[i, j])
            for k in range(x.shape[1]):
                z = w[j] * x[i, k] + b[j, k]
                d_w[j] += d_z * z * x[i, k]
                d_b[j, k] += d_z * z


def backward(params, x, hidden, d_output, d_hidden=0.0):
    """See gaussian.backward."""
    gradient = Params(*map(np.zeros_like, params))
    d_hidden = np.broadcast_to(np.asarray(d_hidden, x.dtype), hidden.shape)
    backward_kernel(params.w, params.b, params.v, x, hidden, d_output, d_hidden,
                    gradient.w, gradient.b, gradient.v)
    return gradient._replace(c=np.asarray(d_output.sum()))


@compiled(parallel=True)
def softmin_kernel(p, x, scale, offsets, least, total, nearest):
    """Of each sample: the least cost D_ij - g_j, where it is, and sum_j exp(-(cost - least) / tau)."""
    for i in prange(len(x)):
        least[i] = np.inf
        for j in range(len(p)):
            cost = squared_distance(x, i, p, j) - offsets[j]
            if cost < least[i]:
                least[i], nearest[i] = cost, j
        for j in range(len(p)):
            cost = squared_distance(x, i, p, j) - offsets[j]
            total[i] += exp(softmax_exponent(cost, least[i], scale))


@compiled(parallel=True)
def softmin_gradient_kernel(p, x, scale, offsets, least, total, gradient):
    """Of each prototype: sum_i a_ij (p_j - x_i); the exps once more, and nothing shared."""
    for j in prange(len(p)):
        for i in range(len(x)):
            cost = squared_distance(x, i, p, j) - offsets[j]
            a = exp(softmax_exponent(cost, least[i], scale)) / total[i]
            for k in range(p.shape[1]):
                gradient[j, k] += a * (p[j, k] - x[i, k])


def softmin(prototypes, x, temperature, offsets=None):
    """See structural.softmin."""
    samples, scale = len(x), x.dtype.type(1 / temperature)
    offsets = np.zeros(len(prototypes), x.dtype) if offsets is None else offsets
    least, total = np.zeros(samples, x.dtype), np.zeros(samples, x.dtype)
    nearest, gradient = np.zeros(samples, np.int64), np.zeros_like(prototypes)
    softmin_kernel(prototypes, x, scale, offsets, least, total, nearest)
    softmin_gradient_kernel(prototypes, x, scale, offsets, least, total, gradient)
    return softmin_results(prototypes, x, temperature, least, total, nearest, gradient)


def softmin_results(prototypes, x, temperature, least, total, nearest, pulls):
    """What softmin returns, from the least cost and the sum of the exps of each sample, its nearest
    prototype, and sum_i a_ij (p_j - x_i) of each prototype."""
    values = least - x.dtype.type(temperature) * np.log(total)
    nearest[nearest >= len(prototypes)] = 0         # where every cost is nan, none equals the least
    differences = x - prototypes[nearest]
    distance = np.sqrt(np.einsum("ik,ik->i", differences, differences))
    return values, (2 / len(x)) * pulls, nearest, distance


def coverage(prototypes, x, temperature):
    """See structural.coverage."""
    values, gradient, _, _ = softmin(prototypes, x, temperature)
    return values.mean(), gradient


@compiled(parallel=True)
def separation_kernel(p, scale, row_sums, gradient):
    """Of each prototype p: the sums of K and of K (p - q) over the other prototypes q."""
    for j in prange(len(p)):
        for other in range(len(p)):
            if other != j:
                near = exp(separation_exponent(squared_distance(p, j, p, other), scale))
                row_sums[j] += near
                for k in range(p.shape[1]):
                    gradient[j, k] += near * (p[j, k] - p[other, k])


def separation(prototypes, temperature):
    """See structural.separation."""
    units = len(prototypes)
    pairs = max(units * (units - 1), 1)
    row_sums, gradient = np.zeros(units, prototypes.dtype), np.zeros_like(prototypes)
    separation_kernel(prototypes, prototypes.dtype.type(1 / temperature), row_sums, gradient)
    return row_sums.sum() / pairs, (-4 / (pairs * temperature)) * gradient


@compiled(parallel=True)
def overlap_kernel(hidden, products, others):
    """Of each sample: sum_{j<k} h_ij h_ik; and what the other units answer, sum_{k != j} h_ik.

    The latter as a sum from either side: all less its own would cancel.
    """
    for i in prange(len(hidden)):
        units = hidden.shape[1]
        before = hidden.dtype.type(0)
        for j in range(units):
            products[i] += hidden[i, j] * before
            others[i, j] = before
            before += hidden[i, j]
        after = hidden.dtype.type(0)
        for j in range(units - 1, -1, -1):
            others[i, j] += after
            after += hidden[i, j]


def overlap(hidden):
    """See structural.overlap."""
    samples, units = hidden.shape
    scale = 2 / (max(units * (units - 1), 1) * samples)
    products, others = np.zeros(samples, hidden.dtype), np.empty_like(hidden)
    overlap_kernel(hidden, products, others)
    return scale * products.sum(), scale * others
