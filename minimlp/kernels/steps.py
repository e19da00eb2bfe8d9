"""A step of a training in compiled code: the gradient of every loss on the tiles of simd.py, and Adam.

The layout is that of simd.py.  In each tile of units the rows of theta, and of its gradient g,
are w, v, b_1, ..., b_d; c stands behind the last tile.  h stands where e stood, g_p is the
gradient by the prototypes, and here[i, s] is 1 for a sample, 0 for one that fills up the last four.

`advance` keeps Adam's state between calls, so a training can be stopped and watched; it lets
go of Python's lock, so that threads train side by side.  One training takes one thread.
"""

from math import sqrt
from typing import NamedTuple

import numpy as np

from ..train import BETA_1, BETA_2, EPSILON
from . import compiled
from .intrinsics import FASTMATH, add
from .scalar import moment, response_gradient
from .simd import (FOUR, ONE, PITCH, ROW_1, ROW_2, ROW_3, THREE, TILE, TUNED, TWO, ZERO, U, exps_of_four,
                   gradient_of_four, softmax_of_four, tile_costs, tile_exps, tile_gradient, tile_least, tile_width)
from .transport import follow, set_offsets, work_of


class Weights(NamedTuple):
    """What stands before the sums in the gradient, in the network's type; 0 skips a loss."""

    fit: float                  # 2 / N
    overlap: float              # 2 lambda / (M (M - 1) N)
    coverage: float             # 2 lambda / N
    balanced: float             # 2 lambda / N
    response_scale: float       # -log2(e) / 2


class Schedule(NamedTuple):
    """What the temperatures make of the sums, at each of some steps: arrays (steps,)."""

    separation: np.ndarray          # -4 lambda / (M (M - 1) tau); 0 skips the loss
    coverage_scale: np.ndarray      # -log2(e) / tau, of each loss
    separation_scale: np.ndarray
    balanced_scale: np.ndarray
    temperature: np.ndarray         # of balanced coverage


class Balance(NamedTuple):
    """What balanced coverage (E16) needs beside the prototypes."""

    prototypes: np.ndarray      # in fours
    samples: np.ndarray         # in tiles
    f: np.ndarray               # (N,)
    offsets: np.ndarray         # (3, M): g, before the last step, before this one
    iterations: int


@compiled(**TUNED)
def tile_responses(h, at, theta, t_at, x, i, d, scale, width, output, total):
    """h_sj of four samples (E1); adds sum_j v_j h_sj to output, sum_j h_sj to total."""
    x0, x1, x2, x3 = x[i, ZERO], x[i, ONE], x[i, TWO], x[i, THREE]
    for j in range(width):
        w, b = theta[t_at + j], theta[t_at + ROW_2 + j]
        h[at + j] = (w * x0 + b) * (w * x0 + b)
        h[at + ROW_1 + j] = (w * x1 + b) * (w * x1 + b)
        h[at + ROW_2 + j] = (w * x2 + b) * (w * x2 + b)
        h[at + ROW_3 + j] = (w * x3 + b) * (w * x3 + b)
    for k in range(ONE, d):
        row, c = t_at + ROW_1 * (k + TWO), FOUR * k
        x0, x1, x2, x3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        for j in range(width):
            w, b = theta[t_at + j], theta[row + j]
            h[at + j] += (w * x0 + b) * (w * x0 + b)
            h[at + ROW_1 + j] += (w * x1 + b) * (w * x1 + b)
            h[at + ROW_2 + j] += (w * x2 + b) * (w * x2 + b)
            h[at + ROW_3 + j] += (w * x3 + b) * (w * x3 + b)
    zero = scale - scale
    sums = tile_exps(h, at, (zero, zero, zero, zero), scale, width)
    f0 = f1 = f2 = f3 = zero
    for j in range(width):
        v = theta[t_at + ROW_1 + j]
        f0, f1 = add(f0, v * h[at + j]), add(f1, v * h[at + ROW_1 + j])
        f2, f3 = add(f2, v * h[at + ROW_2 + j]), add(f3, v * h[at + ROW_3 + j])
    for s, f in enumerate((f0, f1, f2, f3)):
        output[s] += f
    for s, h_sum in enumerate(sums):
        total[s] += h_sum


@compiled(**TUNED)
def add_products(h, at, width, before, here, products):
    """Adds sum_{j<k} h_sj h_sk (E6) of four samples; before is sum_j h_sj of the tiles so far.

    The sum of all less h_sk itself would cancel.
    """
    b0, b1, b2, b3 = before[0], before[1], before[2], before[3]
    p0 = p1 = p2 = p3 = b0 - b0
    for j in range(width):
        h0, h1, h2, h3 = h[at + j], h[at + ROW_1 + j], h[at + ROW_2 + j], h[at + ROW_3 + j]
        p0, p1, p2, p3 = p0 + b0 * h0, p1 + b1 * h1, p2 + b2 * h2, p3 + b3 * h3
        b0, b1, b2, b3 = b0 + h0, b1 + h1, b2 + h2, b3 + h3
    for s, product in enumerate((p0, p1, p2, p3)):
        products[s] += here[s] * product


@compiled(**TUNED)
def tile_backward(g, h, at, theta, t_at, x, i, d, width, d_output, d_hidden, total):
    """Adds dL/dw, dL/dv, dL/db (E1) of four samples; dL/dh_sj = d_hidden_s (total_s - h_sj)."""
    r0, r1, r2, r3 = d_output[0], d_output[1], d_output[2], d_output[3]
    k0, k1, k2, k3 = d_hidden[0], d_hidden[1], d_hidden[2], d_hidden[3]
    s0, s1, s2, s3 = total[0], total[1], total[2], total[3]
    for j in range(width):              # a with dL/dz = a z, in place of h
        v = theta[t_at + ROW_1 + j]
        h0, h1, h2, h3 = h[at + j], h[at + ROW_1 + j], h[at + ROW_2 + j], h[at + ROW_3 + j]
        g[t_at + ROW_1 + j] += (r0 * h0 + r1 * h1) + (r2 * h2 + r3 * h3)
        h[at + j] = response_gradient(r0, v, k0 * (s0 - h0), h0)
        h[at + ROW_1 + j] = response_gradient(r1, v, k1 * (s1 - h1), h1)
        h[at + ROW_2 + j] = response_gradient(r2, v, k2 * (s2 - h2), h2)
        h[at + ROW_3 + j] = response_gradient(r3, v, k3 * (s3 - h3), h3)
    for k in range(d):
        row, c = t_at + ROW_1 * (k + TWO), FOUR * k
        x0, x1, x2, x3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        for j in range(width):
            w, b = theta[t_at + j], theta[row + j]
            d0, d1 = h[at + j] * (w * x0 + b), h[at + ROW_1 + j] * (w * x1 + b)
            d2, d3 = h[at + ROW_2 + j] * (w * x2 + b), h[at + ROW_3 + j] * (w * x3 + b)
            g[t_at + j] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3)
            g[row + j] += (d0 + d1) + (d2 + d3)


@compiled(**TUNED)
def add_network(g, theta, c, h, x, y, here, units, weights, room, products):
    """Adds the gradient of fit (E3) and overlap (E6); returns the sum of squares and dL/dc.

    Overlap's sums go to products, or nowhere: a training asks for no value and hands in None.
    """
    d, tiles, lanes = U(x.shape[1] // 4), len(h) // (4 * PITCH), 64 // h.itemsize
    size = U(PITCH) * (d + TWO)
    output, total, d_output, d_hidden = room
    squares = d_c = weights.fit - weights.fit
    for i in range(len(x)):
        for s in range(4):
            output[s], total[s] = c, 0
        for t in range(tiles):
            at, width = U(t * 4 * PITCH), tile_width(units, t, lanes)
            before = total[0], total[1], total[2], total[3]
            tile_responses(h, at, theta, U(t) * size, x, U(i), d, weights.response_scale, width, output, total)
            if products is not None and weights.overlap != 0:
                add_products(h, at, width, before, here[i], products)
        for s in range(4):
            residual = (output[s] - y[i, s]) * here[i, s]
            squares += residual * residual
            d_output[s] = weights.fit * residual
            d_hidden[s] = weights.overlap * here[i, s]
            d_c += d_output[s]
        for t in range(tiles):
            tile_backward(g, h, U(t * 4 * PITCH), theta, U(t) * size, x, U(i), d,
                          tile_width(units, t, 2 * lanes), d_output, d_hidden, total)
    return squares, d_c


@compiled(**TUNED)
def add_coverage(g, p, x, here, units, weight, scale, work):
    """Adds the gradient of coverage by p (E4), with the offsets in p."""
    e, least, sums, shares, total, nearest = work
    d, width = U(x.shape[1] // 4), tile_width(units, 0, 64 // e.itemsize)
    for i in range(len(x)):
        if units <= TILE:               # all in one tile: no least cost so far to keep
            tile_costs(e, ZERO, p, ZERO, x, U(i), d, width)
            total4 = tile_exps(e, ZERO, tile_least(e, ZERO, width), scale, width)
            a0, a1 = weight * here[i, 0] / total4[0], weight * here[i, 1] / total4[1]
            a2, a3 = weight * here[i, 2] / total4[2], weight * here[i, 3] / total4[3]
            tile_gradient(g, ZERO, e, ZERO, (a0, a1, a2, a3), p, ZERO, x, U(i), d, width)
            continue
        exps_of_four(p, x, i, units, scale, e, least, sums, nearest)
        softmax_of_four(least, sums, scale, shares, total)
        for s in range(4):
            for t in range(shares.shape[1]):
                shares[s, t] *= weight * here[i, s]
        gradient_of_four(g, e, shares, p, x, i, units)


@compiled(**TUNED)
def tile_sums(e, at, p, p_at, x, k, width):
    """sum_j e_sj (p_jk - x_sk), over the prototypes of a tile, for the first four samples of x."""
    row, c = p_at + ROW_1 * (k + ONE), FOUR * k
    x0, x1, x2, x3 = x[ZERO, c], x[ZERO, c + ONE], x[ZERO, c + TWO], x[ZERO, c + THREE]
    s0 = s1 = s2 = s3 = x0 - x0
    for j in range(width):
        s0 = add(s0, e[at + j] * (p[row + j] - x0))
        s1 = add(s1, e[at + ROW_1 + j] * (p[row + j] - x1))
        s2 = add(s2, e[at + ROW_2 + j] * (p[row + j] - x2))
        s3 = add(s3, e[at + ROW_3 + j] * (p[row + j] - x3))
    return s0, s1, s2, s3


@compiled(**TUNED)
def add_separation(g, p, e, four, units, factor, scale):
    """Adds the gradient of separation by p (E5): four prototypes stand where samples stood.

    A pair's exp is computed once: what it does to the four is done to the other with the
    opposite sign.  The exception are the 16 places around the four, which keep vectors whole.
    """
    d, tiles, lanes = U(four.shape[1] // 4), tiles_of(units), 64 // e.itemsize
    zero = factor - factor
    for i in range(0, units, 4):
        own = i // TILE
        at_own = i % TILE
        for s in range(4):
            for k in range(d):
                four[0, 4 * k + s] = p[U(own * PITCH) * (d + ONE) + (k + ONE) * ROW_1 + U(at_own + s)]
        w = (factor, factor if i + 1 < units else zero, factor if i + 2 < units else zero,
             factor if i + 3 < units else zero)
        for t in range(own, tiles):
            begin = U(at_own // 16 * 16) if t == own else ZERO
            once = begin + U(16) if t == own else ZERO      # from here on a pair comes once
            end = tile_width(units, t, lanes)
            p_at, g_at = U(t * PITCH) * (d + ONE), U(t * PITCH) * d
            tile_costs(e, begin, p, p_at + begin, four, ZERO, d, end - begin)
            tile_exps(e, begin, (zero, zero, zero, zero), scale, end - begin)
            if once < end:
                for k in range(d):
                    sums = tile_sums(e, once, p, p_at + once, four, k, end - once)
                    row = U(own * PITCH) * d + k * ROW_1 + U(at_own)
                    g[row] -= w[0] * sums[0]
                    g[row + ONE] -= w[1] * sums[1]
                    g[row + TWO] -= w[2] * sums[2]
                    g[row + THREE] -= w[3] * sums[3]
            tile_gradient(g, g_at + begin, e, begin, w, p, p_at + begin, four, ZERO, d, end - begin)


@compiled(**TUNED)
def prototypes_of(theta, p, units, d):
    """p_jk = -b_jk / w_j (E2), in the tiles of simd.py."""
    for t in range(tiles_of(units)):
        at, p_at = U(t * PITCH) * (d + TWO), U(t * PITCH) * (d + ONE)
        for k in range(d):
            row, b = p_at + ROW_1 * (k + ONE), at + ROW_1 * (k + TWO)
            for j in range(tile_width(units, t, 2 * 64 // theta.itemsize)):
                p[row + j] = -theta[b + j] / theta[at + j]


@compiled(**TUNED)
def prototypes_in_fours(p, q, units, d):
    """The prototypes as `in_fours` lays them out."""
    for i in range(len(q)):
        for s in range(4):
            j = min(4 * i + s, units - 1)
            for k in range(d):
                q[i, FOUR * k + U(s)] = p[U(j // TILE * PITCH) * (d + ONE) + (k + ONE) * ROW_1 + U(j % TILE)]


@compiled(fastmath=FASTMATH)
def add_balanced(g, p, x, here, units, weight, scale, temperature, balance, work, work_back):
    """Adds the gradient of balanced coverage by p (E16), and brings its offsets up to date."""
    d, offsets = x.shape[1] // 4, balance.offsets
    offsets[2] = offsets[0]
    prototypes_in_fours(p, balance.prototypes, units, U(d))
    follow(p, x, balance.prototypes, balance.samples, balance.f, offsets[0], temperature, scale,
           balance.iterations, work, work_back)
    add_coverage(g, p, x, here, units, weight, scale, work)


@compiled(**TUNED)
def add_through_prototypes(g, g_p, theta, p, units, d):
    """Adds dL/db_jk = -g_jk / w_j and dL/dw_j = -(g_j . p_j) / w_j (E8); g_p is 0 afterwards."""
    for t in range(tiles_of(units)):
        at, p_at, g_at = U(t * PITCH) * (d + TWO), U(t * PITCH) * (d + ONE), U(t * PITCH) * d
        for k in range(d):
            row, b, p_row = g_at + ROW_1 * k, at + ROW_1 * (k + TWO), p_at + ROW_1 * (k + ONE)
            for j in range(tile_width(units, t, 2 * 64 // theta.itemsize)):
                d_b = -g_p[row + j] / theta[at + j]
                g[b + j] += d_b
                g[at + j] += d_b * p[p_row + j]
                g_p[row + j] = 0


@compiled()
def tiles_of(units):
    return (units + TILE - 1) // TILE


@compiled()
def bounded(g, begin, end, limit):
    """Whether the squares of g are finite; without the flags that promise numbers to be no nan."""
    fine = True
    for j in range(begin, end):
        fine &= abs(g[j]) < limit
    return fine


@compiled(**TUNED)
def adam_row(state, g, begin, end, beta_1, beta_2, rate, epsilon):
    """See train.adam; rate and epsilon hold the bias corrections.  g is 0 afterwards."""
    theta, m, u, before = state[0], state[1], state[2], state[3]
    for j in range(begin, end):
        before[j] = theta[j]
        m[j] = moment(m[j], beta_1, g[j])
        u[j] = moment(u[j], beta_2, g[j] * g[j])
        theta[j] -= rate * m[j] / (sqrt(u[j]) + epsilon)
        g[j] = 0


@compiled()
def all_bounded(g, at_c, units, rows, limit):
    """Whether the whole gradient is `bounded`, and the fit's sum of squares, behind dL/dc, finite; rows a tile."""
    fine = bounded(g, U(at_c), U(at_c + 1), limit)
    fine &= bounded(g, U(at_c + 1), U(at_c + 2), limit * limit)
    for row in range(at_c // PITCH):
        width = tile_width(units, row // rows, 32)
        fine &= bounded(g, U(row * PITCH), U(row * PITCH) + width, limit)
    return fine


@compiled(**TUNED)
def adam(state, g, at_c, units, rows, step, rate):
    """Step step + 1 of all parameters, in so many rows a tile.  See train.adam."""
    kind = state.dtype.type
    beta_1, beta_2, root = kind(BETA_1), kind(BETA_2), sqrt(1 - BETA_2 ** (step + 1))
    step_rate, epsilon = kind(rate * root / (1 - BETA_1 ** (step + 1))), kind(EPSILON * root)
    adam_row(state, g, U(at_c), U(at_c + 1), beta_1, beta_2, step_rate, epsilon)
    for row in range(at_c // PITCH):
        width = tile_width(units, row // rows, 32)
        adam_row(state, g, U(row * PITCH), U(row * PITCH) + width, beta_1, beta_2, step_rate, epsilon)


@compiled(nogil=True, fastmath=FASTMATH)
def advance(state, g, g_p, p, e, x, y, here, balance, units, weights, schedule, first, last, rate, limit):
    """Steps first, ..., last - 1; returns how many of them were taken and whether all was finite.

    state holds theta, m, u and theta before the last step; schedule is that of these steps.
    balance is None where balanced coverage is absent: then none of it is compiled.
    """
    d, theta = U(x.shape[1] // 4), state[0]
    rows, at_c = int(d) + 2, len(g) - 16
    work = (e,) + work_of(p, tiles_of(units))[1:]
    if balance is not None:
        work_back, no_offsets = work_of(p, tiles_of(len(balance.f))), np.zeros(units, state.dtype)
    room = (np.empty(4, state.dtype), np.empty(4, state.dtype), np.empty(4, state.dtype),
            np.empty(4, state.dtype))
    four = np.empty((1, x.shape[1]), state.dtype)
    for step in range(first, last):
        t = step - first
        g[at_c + 1], g[at_c] = add_network(g, theta, theta[at_c], e, x, y, here, units, weights, room,
                                             None)
        if weights.coverage != 0 or schedule.separation[t] != 0 or balance is not None:
            prototypes_of(theta, p, units, d)
            if weights.coverage != 0:
                add_coverage(g_p, p, x, here, units, weights.coverage, schedule.coverage_scale[t], work)
            if schedule.separation[t] != 0:
                add_separation(g_p, p, e, four, units, schedule.separation[t], schedule.separation_scale[t])
            if balance is not None:
                add_balanced(g_p, p, x, here, units, weights.balanced, schedule.balanced_scale[t],
                             schedule.temperature[t], balance, work, work_back)
                set_offsets(p, int(d), no_offsets)
            add_through_prototypes(g, g_p, theta, p, units, d)
        if not all_bounded(g, at_c, units, rows, limit):
            if balance is not None:
                balance.offsets[0] = balance.offsets[2]
            return step, False
        if balance is not None:
            balance.offsets[1] = balance.offsets[2]
        adam(state, g, at_c, units, rows, step, rate)
    return last, True
