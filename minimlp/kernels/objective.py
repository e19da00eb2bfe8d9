"""The objective (E7) as one pass for the outputs and one for the gradient: memory O(N + M)."""

import numpy as np
from numba import prange

from ..gaussian import Params
from ..loss import fit, structural_part
from ..transport import tolerance_in
from . import compiled
from .cpu import response, separation
from .scalar import response_gradient
from .simd import coverage
from .transport import balanced


@compiled(parallel=True)
def response_sums_kernel(w, b, v, c, x, output, sums, products):
    """Of each sample: f_i, sum_j h_ij, and sum_{j<k} h_ij h_ik."""
    for i in prange(len(x)):
        f = c
        for j in range(len(w)):
            h = response(w, b, j, x, i)
            f += v[j] * h
            products[i] += sums[i] * h
            sums[i] += h
        output[i] = f


@compiled(parallel=True)
def parameter_gradient_kernel(w, b, v, x, d_output, scale, sums, d_w, d_b, d_v):
    """`cpu.backward_kernel` with the responses computed again; dL/dh_ij = scale (sum_k h_ik - h_ij)."""
    for j in prange(len(w)):
        for i in range(len(x)):
            h = response(w, b, j, x, i)
            d_v[j] += d_output[i] * h
            d_z = response_gradient(d_output[i], v[j], scale * (sums[i] - h), h)
            for k in range(x.shape[1]):
                z = w[j] * x[i, k] + b[j, k]
                d_w[j] += d_z * z * x[i, k]
                d_b[j, k] += d_z * z


def objective(params, x, y, coefficients, temperatures, extra=None):
    """See loss.objective.  The responses are computed twice and not stored."""
    samples, units = len(x), len(params.w)
    arrays = params.w, params.b, params.v
    active = {name: weight for name, weight in coefficients.items() if weight != 0}
    output, sums, products = np.zeros((3, samples), x.dtype)
    response_sums_kernel(*arrays, params.c[()], x, output, sums, products)

    terms = {}
    terms["fit"], d_output = fit(output, y)
    scale = 2 / (max(units * (units - 1), 1) * samples)
    if "overlap" in active:
        terms["overlap"] = scale * products.sum()
    gradient = Params(*map(np.zeros_like, params))
    parameter_gradient_kernel(*arrays, x, d_output, x.dtype.type(active.get("overlap", 0) * scale),
                              sums, gradient.w, gradient.b, gradient.v)
    gradient = gradient._replace(c=np.asarray(d_output.sum()))

    losses = {"coverage": lambda p: coverage(p, x, temperatures["coverage"]),
              "separation": lambda p: separation(p, temperatures["separation"]),
              "balanced": lambda p: balanced(p, x, temperatures["balanced"], tolerance=tolerance_in(p))[:2],
              **(extra or {})}
    return structural_part(params, losses, active, terms, gradient)
