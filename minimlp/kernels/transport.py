"""Balanced coverage (E16) by the tuned softmin of simd.py: half an iteration is one without its gradient."""

from math import log

import numpy as np
from numba import prange

from ..transport import ITERATIONS, TOLERANCE, met
from . import compiled
from .intrinsics import FASTMATH
from .scalar import LOG2_E
from .simd import (PARTS, PITCH, SERIAL, TILE, aligned_zeros, exps_of_four, in_fours, in_tiles,
                   softmax_of_four, softmin)


@compiled(fastmath=FASTMATH)
def values_of_part(p, x, units, scale, k, parts, least, total):
    """Part k of the fours of samples: min_j D_ij and sum_j exp(-(D_ij - min) / tau) of each."""
    tiles, samples = p.size // (x.shape[1] // 4 + 1) // PITCH, len(least)
    e = aligned_zeros(tiles * 4 * PITCH, p.dtype)
    least4 = np.empty((4, tiles), p.dtype)
    sums, weights = np.empty_like(least4), np.empty_like(least4)
    total4, nearest4 = np.empty(4, p.dtype), np.empty(0, np.int64)
    for i in range(k * len(x) // parts, (k + 1) * len(x) // parts):
        exps_of_four(p, x, i, units, scale, e, least4, sums, nearest4)
        softmax_of_four(least4, sums, scale, weights, total4)
        for s in range(min(4, samples - 4 * i)):
            least[4 * i + s], total[4 * i + s] = least4[s, tiles - 1], total4[s]


@compiled(parallel=True)
def values_over_threads(p, x, units, scale, parts, least, total):
    for k in prange(parts):
        values_of_part(p, x, units, scale, k, parts, least, total)


@compiled()
def values_in_turn(p, x, units, scale, parts, least, total):
    values_of_part(p, x, units, scale, 0, 1, least, total)


def half_iteration(tiles, fours, offsets, samples, temperature):
    """The softmins of so many samples, in fours, over units in tiles, whose offsets are set here."""
    units, kind = len(offsets), tiles.dtype.type
    for t, tile in enumerate(tiles):
        part = offsets[t * TILE:(t + 1) * TILE]
        tile[0, :len(part)] = -part
    least, total = np.empty(samples, kind), np.empty(samples, kind)
    over_parts = values_in_turn if samples * units < SERIAL else values_over_threads
    over_parts(tiles.reshape(-1), fours, units, kind(-LOG2_E / temperature),
               min(PARTS, len(fours)), least, total)
    return least - kind(temperature) * np.log(total)


def sinkhorn(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.sinkhorn.  Samples and prototypes are laid out once, each for both directions."""
    samples, units, kind = len(x), len(prototypes), x.dtype.type
    forth, back = (in_tiles(prototypes), in_fours(x)), (in_tiles(x), in_fours(prototypes))
    following = np.zeros(units, kind) if offsets is None else offsets
    for _ in range(iterations):
        g = following
        f = half_iteration(*forth, g, samples, temperature) + kind(temperature * log(units))
        following = (half_iteration(*back, f, units, temperature) + kind(temperature * log(samples)))
        error = float(np.abs(np.exp((g - following) / kind(temperature)) - 1).mean())
        if error <= tolerance:
            break
    return f.mean() + g.mean(), softmin(prototypes, x, temperature, g)[1], following, error


def balanced(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.balanced."""
    return met(sinkhorn(prototypes, x, temperature, offsets, iterations, tolerance),
               temperature, iterations, tolerance)
