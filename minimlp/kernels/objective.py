"""Forward, separation and the objective (E7) on the tiles of simd.py, by the functions that a training
takes its steps with (steps.py), over threads.

The plain twins of the first two stand in cpu.py.  Each part of the samples has sums and a gradient of
its own, added up in their order; only `forward` makes an array of N x M, which is its result.
"""

import numpy as np
from numba import prange

from ..gaussian import Params
from ..loss import losses_of_prototypes, structural_part
from . import compiled
from .intrinsics import FASTMATH
from .scalar import LOG2_E
from .simd import (ONE, PITCH, SERIAL, TILE, ZERO, U, aligned_zeros, bounds, coverage, in_fours, in_tiles, odd,
                   parts_of, tile_costs, tile_exps, tile_gradient, tile_width)
from .steps import Weights, add_network, tile_responses, tiles_of
from .transport import balanced

RESPONSE_SCALE = -LOG2_E / 2                    # h = 2^(RESPONSE_SCALE ||z||^2)


def places(units, dimensions):
    """Where `Params.to_vector` has its place in the rows of tiles: w, b, v, c."""
    d, unit = odd(dimensions), np.arange(units)
    w = unit // TILE * (d + 2) * PITCH + unit % TILE
    b = w[:, None] + (2 + np.arange(dimensions)) * PITCH
    return np.concatenate([w, b.ravel(), w + PITCH, [tiles_of(units) * (d + 2) * PITCH]])


def in_rows(params, rows=1):
    """The network in the first of so many rows, each a tile's w, v, b_1, ..., b_d after the other, then c."""
    kind, (units, dimensions) = params.w.dtype, params.b.shape
    tiles, d = tiles_of(units), odd(dimensions)
    state = aligned_zeros(rows * (tiles * (d + 2) * PITCH + 16), kind).reshape(rows, -1)
    theta = state[0, :-16].reshape(tiles, d + 2, PITCH)
    # Places without a unit: so far away that they answer 0, and their prototypes are far from any.
    theta[:, 0], theta[:, 2] = 1, np.sqrt(np.finfo(kind).max) / 3
    state[0, places(units, dimensions)] = params.to_vector()
    return state


def in_use(samples, kind):
    """1 for a sample, 0 for one that fills up the last four."""
    return (np.arange(-(-samples // 4) * 4) < samples).astype(kind).reshape(-1, 4)


def weights_of(samples, units, coefficients, kind):
    """The factors of each sum, in the network's type; where a loss is absent, 0."""
    coverage, overlap, balanced = (coefficients.get(name, 0.0) for name in ("coverage", "overlap", "balanced"))
    pairs = max(units * (units - 1), 1)
    return Weights(*map(kind, (2 / samples, 2 * overlap / (pairs * samples), 2 * coverage / samples,
                               2 * balanced / samples, RESPONSE_SCALE)))


@compiled()
def part_of_forward(theta, x, units, scale, k, parts, output, hidden):
    """Of four samples after the other: f_i and h_ij (E1)."""
    tiles, d, samples = tiles_of(units), U(x.shape[1] // 4), len(output)
    size = U(PITCH) * (d + ONE + ONE)
    h = aligned_zeros(tiles * 4 * PITCH, theta.dtype)
    f, total = np.empty(4, theta.dtype), np.zeros(4, theta.dtype)
    first, last = bounds(len(x), k, parts)
    for i in range(first, last):
        for s in range(4):
            f[s] = theta[tiles * int(size)]
        for t in range(tiles):
            tile_responses(h, U(t * 4 * PITCH), theta, U(t) * size, x, U(i), d, scale,
                           tile_width(units, t, 64 // h.itemsize), f, total)
        for s in range(min(4, samples - 4 * i)):
            output[4 * i + s] = f[s]
            for j in range(units):
                hidden[4 * i + s, j] = h[(4 * (j // TILE) + s) * PITCH + j % TILE]


@compiled(parallel=True)
def forward_over_threads(theta, x, units, scale, parts, output, hidden):
    for k in prange(parts):
        part_of_forward(theta, x, units, scale, k, parts, output, hidden)


def forward(params, x):
    """See gaussian.forward."""
    samples, units, fours = len(x), len(params.w), in_fours(x)
    output, hidden = np.empty(samples, x.dtype), np.empty((samples, units), x.dtype)
    problem = in_rows(params)[0], fours, units, x.dtype.type(RESPONSE_SCALE)
    if samples * units < SERIAL:
        part_of_forward(*problem, 0, 1, output, hidden)
    else:
        forward_over_threads(*problem, parts_of(len(fours)), output, hidden)
    return output, hidden


@compiled(fastmath=FASTMATH)
def part_of_separation(p, x, here, units, scale, k, g, sums):
    """Prototypes in fours, x, stand where samples stood: the sums of K_jk and of K_jk (p_j - p_k)."""
    tiles, d, zero = tiles_of(units), U(x.shape[1] // 4), scale - scale
    e = aligned_zeros(4 * PITCH, p.dtype)
    first, last = bounds(len(x), k, len(g))
    for i in range(first, last):
        once = here[i, 0], here[i, 1], here[i, 2], here[i, 3]
        for t in range(tiles):
            p_at, width = U(t * PITCH) * (d + ONE), tile_width(units, t, 64 // e.itemsize)
            tile_costs(e, ZERO, p, p_at, x, U(i), d, width)
            for s in range(4):
                if 0 <= 4 * i + s - t * TILE < TILE:
                    e[s * PITCH + 4 * i + s - t * TILE] = np.inf        # a prototype and itself
            near = tile_exps(e, ZERO, (zero, zero, zero, zero), scale, width)
            for s in range(4):
                sums[k] += once[s] * near[s]
            tile_gradient(g[k], U(t * PITCH) * d, e, ZERO, once, p, p_at, x, U(i), d, width)


@compiled(parallel=True)
def separation_over_threads(p, x, here, units, scale, g, sums):
    for k in prange(len(g)):
        part_of_separation(p, x, here, units, scale, k, g, sums)


def separation(prototypes, temperature):
    """See structural.separation."""
    (units, dimensions), kind = prototypes.shape, prototypes.dtype
    pairs = max(units * (units - 1), 1)
    p, fours = in_tiles(prototypes), in_fours(prototypes)
    shape = len(p), p.shape[1] - 1, PITCH               # of a part's gradient
    size = int(np.prod(shape))
    serial = units * units < SERIAL
    parts = 1 if serial else parts_of(len(fours), size * kind.itemsize)
    g, sums = aligned_zeros(parts * size, kind).reshape(parts, size), np.zeros(parts, kind)
    problem = p.reshape(-1), fours, in_use(units, kind), units, kind.type(-LOG2_E / temperature)
    if serial:
        part_of_separation(*problem, 0, g, sums)
    else:
        separation_over_threads(*problem, g, sums)
    pushes = g.sum(axis=0).reshape(shape)[:, :dimensions, :TILE].swapaxes(1, 2).reshape(-1, dimensions)
    return sums.sum() / pairs, (-4 / (pairs * temperature)) * pushes[:units]


@compiled()
def part_of_network(theta, x, y, here, units, weights, k, g, sums):
    """`steps.add_network` of part k: its gradient, sum of squares and sum of products."""
    kind, at_c = theta.dtype, len(theta) - 16
    h, products = aligned_zeros(tiles_of(units) * 4 * PITCH, kind), np.zeros(4, kind)
    room = np.empty(4, kind), np.empty(4, kind), np.empty(4, kind), np.empty(4, kind)
    first, last = bounds(len(x), k, len(g))
    sums[k, 0], g[k, at_c] = add_network(g[k], theta, theta[at_c], h, x[first:last], y[first:last],
                                         here[first:last], units, weights, room, products)
    sums[k, 1] = products[0] + products[1] + products[2] + products[3]


@compiled(parallel=True)
def network_over_threads(theta, x, y, here, units, weights, g, sums):
    for k in prange(len(g)):
        part_of_network(theta, x, y, here, units, weights, k, g, sums)


def objective(params, x, y, coefficients, temperatures, extra=None):
    """See loss.objective.  Fit and overlap, with their gradients, in one pass; no response is kept."""
    samples, units, kind = len(x), len(params.w), x.dtype
    active = {name: weight for name, weight in coefficients.items() if weight != 0}
    theta, fours, weights = in_rows(params)[0], in_fours(x), weights_of(samples, units, active, kind.type)
    serial = samples * units < SERIAL
    parts = 1 if serial else parts_of(len(fours), len(theta) * kind.itemsize)
    g, sums = aligned_zeros(parts * len(theta), kind).reshape(parts, -1), np.zeros((parts, 2), kind)
    problem = theta, fours, in_fours(y[:, None]), in_use(samples, kind), units, weights
    if serial:
        part_of_network(*problem, 0, g, sums)
    else:
        network_over_threads(*problem, g, sums)

    squares, products = sums.sum(axis=0)
    terms = {"fit": squares / samples}
    if "overlap" in active:
        terms["overlap"] = 2 / (max(units * (units - 1), 1) * samples) * products
    gradient = Params.from_vector(g.sum(axis=0)[places(*params.b.shape)], params)
    losses = {**losses_of_prototypes(x, temperatures, coverage, separation, balanced), **(extra or {})}
    return structural_part(params, losses, active, terms, gradient)
