"""Balanced coverage (E16) by the tuned softmin of simd.py: half an iteration is one without its gradient."""

from math import log

import numpy as np
from numba import prange

from ..transport import ITERATIONS, TOLERANCE, marginal_error, met
from . import compiled
from .intrinsics import FASTMATH
from .scalar import LOG2_E
from .simd import (PITCH, SERIAL, TILE, aligned_zeros, bounds, exps_of_four, in_fours, in_tiles, parts_of,
                   softmax_of_four, softmin)


@compiled()
def work_of(p, tiles):
    """Room for the exps of four samples, and for what is known of each tile of units."""
    least = np.empty((4, tiles), p.dtype)
    return (aligned_zeros(tiles * 4 * PITCH, p.dtype), least, np.empty_like(least), np.empty_like(least),
            np.empty(4, p.dtype), np.empty(0, np.int64))


@compiled()
def set_offsets(p, d, offsets):
    """Puts -g where `tile_costs` looks for it."""
    for j in range(len(offsets)):
        p[j // TILE * PITCH * (d + 1) + j % TILE] = -offsets[j]


@compiled(fastmath=FASTMATH)
def softmins_of_fours(p, x, units, temperature, scale, first, last, values, work):
    """s_i (E4) of the fours of samples from first to last; scale = -log2(e) / tau."""
    e, least, sums, weights, total, nearest = work
    tiles = least.shape[1]
    for i in range(first, last):
        exps_of_four(p, x, i, units, scale, e, least, sums, nearest)
        softmax_of_four(least, sums, scale, weights, total)
        for s in range(min(4, len(values) - 4 * i)):
            values[4 * i + s] = least[s, tiles - 1] - temperature * log(total[s])


@compiled()
def part_of_softmins(p, x, units, temperature, scale, k, parts, values):
    work = work_of(p, p.size // (x.shape[1] // 4 + 1) // PITCH)
    first, last = bounds(len(x), k, parts)
    softmins_of_fours(p, x, units, temperature, scale, first, last, values, work)


@compiled(parallel=True)
def softmins_over_threads(p, x, units, temperature, scale, parts, values):
    for k in prange(parts):
        part_of_softmins(p, x, units, temperature, scale, k, parts, values)


@compiled()
def softmins_in_turn(p, x, units, temperature, scale, parts, values):
    part_of_softmins(p, x, units, temperature, scale, 0, 1, values)


def half_iteration(tiles, fours, offsets, samples, temperature):
    """The softmins of so many samples, in fours, over units in tiles, whose offsets are set here."""
    units, kind = len(offsets), tiles.dtype.type
    set_offsets(tiles.reshape(-1), fours.shape[1] // 4, offsets)
    values = np.empty(samples, kind)
    over_parts = softmins_in_turn if samples * units < SERIAL else softmins_over_threads
    over_parts(tiles.reshape(-1), fours, units, kind(temperature), kind(-LOG2_E / temperature),
               parts_of(len(fours)), values)
    return values


def sinkhorn(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.sinkhorn.  Samples and prototypes are laid out once, each for both directions."""
    samples, units, kind = len(x), len(prototypes), x.dtype.type
    forth, back = (in_tiles(prototypes), in_fours(x)), (in_tiles(x), in_fours(prototypes))
    following = np.zeros(units, kind) if offsets is None else offsets
    for _ in range(iterations):
        g = following
        f = half_iteration(*forth, g, samples, temperature) + kind(temperature * log(units))
        following = (half_iteration(*back, f, units, temperature) + kind(temperature * log(samples)))
        with np.errstate(over="ignore"):
            found = np.abs(np.exp((g - following) / kind(temperature)) - 1).mean()
        error = marginal_error(found, f, g, temperature)
        if error <= tolerance:
            break
    return f.mean() + g.mean(), softmin(prototypes, x, temperature, g)[1], following, error


def balanced(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.balanced."""
    return met(sinkhorn(prototypes, x, temperature, offsets, iterations, tolerance),
               temperature, iterations, tolerance)


@compiled(fastmath=FASTMATH)
def follow(p, x, q, z, f, g, temperature, scale, iterations, work, work_back):
    """`sinkhorn`'s offsets g after so many iterations, in compiled code, for a step of a training.

    A constant in f lowers g by as much, so tau log M is taken off at the end.  Samples stand in
    fours in x and in tiles in z, prototypes in tiles in p and in fours in q; p is left with the
    offsets that the gradient belongs to.
    """
    d, kind = x.shape[1] // 4, p.dtype.type
    constant = temperature * kind(log(len(f) / len(g)))
    for _ in range(iterations):
        set_offsets(p, d, g)
        softmins_of_fours(p, x, len(g), temperature, scale, 0, len(x), f, work)
        set_offsets(z, d, f)
        softmins_of_fours(z, q, len(f), temperature, scale, 0, len(q), g, work_back)
        for j in range(len(g)):
            g[j] += constant
