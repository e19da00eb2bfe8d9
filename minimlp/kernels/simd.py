"""The tuned softmin.  Its formula stands in structural.softmin, its plain twin in cpu.py.

What makes it ten to sixty times faster than the plain one:

1. `exp2` instead of a call of exp: LLVM computes 8 or 16 pairs at once.
2. One exp a pair: the exps of a sample stay in a buffer until their sum is known.
3. Four samples at a time: a prototype and its gradient are loaded once for four pairs.
4. Tiles of prototypes whose exps fit the first-level cache, each with the least cost so far
   (online softmin); what that fell by afterwards goes into the tile's weight.  In one
   dimension a cost is so cheap that it is computed twice instead (`part_of_line`).
5. Rows that start at a cache line and are PITCH apart, not 4096 bytes: a load waits for
   a store whose address has the same last 12 bits.
6. Indices without sign: of a signed one Numba asks whether it counts from the end.
7. Each part of the samples has its own gradient, and the parts are added up in their
   order: the same bits for any number of threads.

Arrays are flat, made of rows of PITCH numbers, a number for each place of a tile:

    p   of each tile 1 + d rows: -g, then a row for each dimension (`in_tiles`)
    g   of each tile d rows: sum_i a_ij (p_j - x_i)
    e   of each tile 4 rows, one for each sample of a four: costs D, then exps in their place

`p_at`, `g_at` and `at` say where a tile begins in each; `width` is how many of its places are
in use.  Samples are x[i, 4 k + s]: dimension k of sample s of the i-th four (`in_fours`).
"""

import numpy as np
from numba import config, prange

from . import compiled
from .cpu import softmin_results
from .intrinsics import FASTMATH, add, exp2, smaller
from .scalar import LOG2_E

# Prototypes of a tile; of plain Python, which takes them one by one, so few that small problems fill several.
TILE = 32 if config.DISABLE_JIT else 512
PITCH = TILE + 16                       # numbers from one row of a tile to the next
PARTS, PART_BYTES = 16, 2**27           # parts of the samples: at most, and with their gradients
SERIAL = 20_000                         # pairs under which starting threads costs more

UNIT = np.float32(1)                   # float32 / float64 is float64
U = np.uintp
ZERO, ONE, TWO, THREE, FOUR = U(0), U(1), U(2), U(3), U(4)
ROW_1, ROW_2, ROW_3 = U(PITCH), U(2 * PITCH), U(3 * PITCH)
# No call stands in the inner loops, and no count of who still uses an array.
TUNED = {"fastmath": FASTMATH, "_nrt": False, "forceinline": True}


@compiled(**TUNED)
def tile_costs(e, at, p, p_at, x, i, d, width):
    """D_sj = -g_j + sum_k (x_sk - p_jk)^2 of four samples s: direct differences, no x.p."""
    x0, x1, x2, x3 = x[i, ZERO], x[i, ONE], x[i, TWO], x[i, THREE]
    for j in range(width):
        shift, q = p[p_at + j], p[p_at + ROW_1 + j]
        e[at + j] = shift + (x0 - q) * (x0 - q)
        e[at + ROW_1 + j] = shift + (x1 - q) * (x1 - q)
        e[at + ROW_2 + j] = shift + (x2 - q) * (x2 - q)
        e[at + ROW_3 + j] = shift + (x3 - q) * (x3 - q)
    for k in range(ONE, d, TWO):        # two dimensions for one load and store of D
        row, c = p_at + ROW_1 * (k + ONE), FOUR * k
        x0, x1, x2, x3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        c += FOUR
        y0, y1, y2, y3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        for j in range(width):
            q, r = p[row + j], p[row + ROW_1 + j]
            e[at + j] += (x0 - q) * (x0 - q) + (y0 - r) * (y0 - r)
            e[at + ROW_1 + j] += (x1 - q) * (x1 - q) + (y1 - r) * (y1 - r)
            e[at + ROW_2 + j] += (x2 - q) * (x2 - q) + (y2 - r) * (y2 - r)
            e[at + ROW_3 + j] += (x3 - q) * (x3 - q) + (y3 - r) * (y3 - r)


@compiled(**TUNED)
def tile_least(e, at, width):
    """The least cost of each sample in the tile."""
    m0, m1, m2, m3 = e[at], e[at + ROW_1], e[at + ROW_2], e[at + ROW_3]
    for j in range(width):
        m0 = smaller(m0, e[at + j])
        m1 = smaller(m1, e[at + ROW_1 + j])
        m2 = smaller(m2, e[at + ROW_2 + j])
        m3 = smaller(m3, e[at + ROW_3 + j])
    return m0, m1, m2, m3


@compiled(**TUNED)
def first_equal(e, row, least, width):
    """Where in its row the least cost stands first; a loop without a way out runs in vectors."""
    first = width
    for j in range(width):
        first = min(first, j if e[row + j] == least else width)
    return first


@compiled(**TUNED)
def tile_exps(e, at, least, scale, width):
    """2^(scale (D - least)) in place of D, and the sums; scale = -log2(e) / tau."""
    m0, m1, m2, m3 = least
    s0 = s1 = s2 = s3 = scale - scale               # a zero of its type
    for j in range(width):
        e0 = exp2((e[at + j] - m0) * scale)
        e1 = exp2((e[at + ROW_1 + j] - m1) * scale)
        e2 = exp2((e[at + ROW_2 + j] - m2) * scale)
        e3 = exp2((e[at + ROW_3 + j] - m3) * scale)
        e[at + j], e[at + ROW_1 + j] = e0, e1
        e[at + ROW_2 + j], e[at + ROW_3 + j] = e2, e3
        s0, s1, s2, s3 = add(s0, e0), add(s1, e1), add(s2, e2), add(s3, e3)
    return s0, s1, s2, s3


@compiled(**TUNED)
def tile_gradient(g, g_at, e, at, weights, p, p_at, x, i, d, width):
    """g_jk += sum_s a_sj (p_jk - x_sk), with a_sj = weight_s e_sj."""
    w0, w1, w2, w3 = weights
    x0, x1, x2, x3 = x[i, ZERO], x[i, ONE], x[i, TWO], x[i, THREE]
    if d == ONE:
        for j in range(width):
            q = p[p_at + ROW_1 + j]
            g[g_at + j] += ((w0 * e[at + j] * (q - x0) + w1 * e[at + ROW_1 + j] * (q - x1))
                            + (w2 * e[at + ROW_2 + j] * (q - x2) + w3 * e[at + ROW_3 + j] * (q - x3)))
        return
    for j in range(width):              # the other dimensions find a in place of e
        q = p[p_at + ROW_1 + j]
        a0, a1 = w0 * e[at + j], w1 * e[at + ROW_1 + j]
        a2, a3 = w2 * e[at + ROW_2 + j], w3 * e[at + ROW_3 + j]
        g[g_at + j] += (a0 * (q - x0) + a1 * (q - x1)) + (a2 * (q - x2) + a3 * (q - x3))
        e[at + j], e[at + ROW_1 + j] = a0, a1
        e[at + ROW_2 + j], e[at + ROW_3 + j] = a2, a3
    for k in range(ONE, d, TWO):
        row, p_row, c = g_at + ROW_1 * k, p_at + ROW_1 * (k + ONE), FOUR * k
        x0, x1, x2, x3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        c += FOUR
        y0, y1, y2, y3 = x[i, c], x[i, c + ONE], x[i, c + TWO], x[i, c + THREE]
        for j in range(width):
            a0, a1 = e[at + j], e[at + ROW_1 + j]
            a2, a3 = e[at + ROW_2 + j], e[at + ROW_3 + j]
            q, r = p[p_row + j], p[p_row + ROW_1 + j]
            g[row + j] += (a0 * (q - x0) + a1 * (q - x1)) + (a2 * (q - x2) + a3 * (q - x3))
            g[row + ROW_1 + j] += (a0 * (r - y0) + a1 * (r - y1)) + (a2 * (r - y2) + a3 * (r - y3))


@compiled()
def tile_width(units, t, lanes):
    """How many places of tile t are in use, rounded up to whole vectors."""
    return U(min(TILE, (units - t * TILE + lanes - 1) // lanes * lanes))


@compiled(**TUNED)
def exps_of_four(p, x, i, units, scale, e, least, sums, nearest):
    """e = exp(-(D - m) / tau), with m the least cost up to the tile, kept in least, and its sums over the tile.

    Both are (4, tiles); nearest may be empty, where nobody asks for it.
    """
    d, lanes = U(x.shape[1] // 4), 64 // e.itemsize
    for t in range(least.shape[1]):
        at, p_at, width = U(t * 4 * PITCH), U(t * PITCH) * (d + ONE), tile_width(units, t, lanes)
        tile_costs(e, at, p, p_at, x, U(i), d, width)
        m = tile_least(e, at, width)
        for s in range(4):
            if t == 0 or m[s] < least[s, t - 1]:
                least[s, t] = m[s]
                if len(nearest) > 0:
                    nearest[s] = t * TILE + int(first_equal(e, at + U(s * PITCH), m[s], width))
            else:
                least[s, t] = least[s, t - 1]
        m = least[0, t], least[1, t], least[2, t], least[3, t]
        sums[0, t], sums[1, t], sums[2, t], sums[3, t] = tile_exps(e, at, m, scale, width)


@compiled(**TUNED)
def softmax_of_four(least, sums, scale, weights, total):
    """What makes exps into softmax weights, a = weight e, once the least cost of all is known."""
    tiles = least.shape[1]
    for s in range(4):
        lowest = least[s, tiles - 1]
        for t in range(tiles):
            weights[s, t] = exp2((least[s, t] - lowest) * scale)
        total[s] = 0
        for t in range(tiles):
            total[s] = add(total[s], sums[s, t] * weights[s, t])
        for t in range(tiles):
            weights[s, t] /= total[s]


@compiled(**TUNED)
def gradient_of_four(g, e, weights, p, x, i, units):
    """`tile_gradient` over all tiles."""
    d = U(x.shape[1] // 4)
    for t in range(weights.shape[1]):
        w = weights[0, t], weights[1, t], weights[2, t], weights[3, t]
        tile_gradient(g, U(t * PITCH) * d, e, U(t * 4 * PITCH), w, p, U(t * PITCH) * (d + ONE),
                      x, U(i), d, tile_width(units, t, 64 // e.itemsize))


@compiled(fastmath=FASTMATH)
def part_of_samples(p, x, units, scale, first, last, g, least, total, nearest):
    """The fours of samples from first to last; where the last is not full, its rest counts 0."""
    tiles, samples = p.size // (x.shape[1] // 4 + 1) // PITCH, len(least)
    e = aligned_zeros(tiles * 4 * PITCH, p.dtype)
    least4 = np.empty((4, tiles), p.dtype)
    sums, weights = np.empty_like(least4), np.empty_like(least4)
    total4, nearest4 = np.empty(4, p.dtype), np.empty(4, np.int64)
    for i in range(first, last):
        exps_of_four(p, x, i, units, scale, e, least4, sums, nearest4)
        softmax_of_four(least4, sums, scale, weights, total4)
        for s in range(4):
            if 4 * i + s < samples:
                least[4 * i + s] = least4[s, tiles - 1]
                total[4 * i + s] = total4[s]
                nearest[4 * i + s] = nearest4[s]
            else:
                for t in range(tiles):
                    weights[s, t] = 0
        gradient_of_four(g, e, weights, p, x, i, units)


@compiled()
def cost_above(x, p, least):
    """cost - least without 'contract': fused into one rounding, it would not be 0 at the minimum."""
    return (x - p) * (x - p) - least


@compiled(fastmath=FASTMATH)
def line_least(p, x0, x1, x2, x3):
    """The least cost of each of four samples on a line."""
    m0 = m1 = m2 = m3 = p.dtype.type(np.inf)
    for j in range(len(p)):
        m0, m1 = smaller(m0, (x0 - p[j]) * (x0 - p[j])), smaller(m1, (x1 - p[j]) * (x1 - p[j]))
        m2, m3 = smaller(m2, (x2 - p[j]) * (x2 - p[j])), smaller(m3, (x3 - p[j]) * (x3 - p[j]))
    return m0, m1, m2, m3


@compiled(fastmath=FASTMATH)
def line_first(p, x, least):
    """Where the least cost of a sample stands first."""
    first = len(p)
    for j in range(len(p)):
        first = min(first, j if (x - p[j]) * (x - p[j]) == least else len(p))
    return first


@compiled(fastmath=FASTMATH)
def part_of_line(p, x, scale, first, last, g, least, total, nearest):
    """`part_of_samples` for d = 1 and no offsets: D is so cheap that it is computed twice.

    So nothing but the exps is stored, and the least cost is known before the first of them.
    """
    samples, units = len(least), len(p)
    zero = scale - scale
    e = np.empty((4, units + 16), p.dtype)
    for four in range(first, last):
        x0, x1, x2, x3 = x[four, 0], x[four, 1], x[four, 2], x[four, 3]
        # The least costs, and where the tile begins that holds each: it alone is searched for the place.
        m, tile = line_least(p[:TILE], x0, x1, x2, x3), (0, 0, 0, 0)
        for begin in range(TILE, units, TILE):
            n = line_least(p[begin:begin + TILE], x0, x1, x2, x3)
            tile = (begin if n[0] < m[0] else tile[0], begin if n[1] < m[1] else tile[1],
                    begin if n[2] < m[2] else tile[2], begin if n[3] < m[3] else tile[3])
            m = min(m[0], n[0]), min(m[1], n[1]), min(m[2], n[2]), min(m[3], n[3])
        m0, m1, m2, m3 = m
        s0 = s1 = s2 = s3 = zero
        for j in range(units):
            e0 = exp2(cost_above(x0, p[j], m0) * scale)
            e1 = exp2(cost_above(x1, p[j], m1) * scale)
            e2 = exp2(cost_above(x2, p[j], m2) * scale)
            e3 = exp2(cost_above(x3, p[j], m3) * scale)
            e[0, j], e[1, j], e[2, j], e[3, j] = e0, e1, e2, e3
            s0, s1, s2, s3 = add(s0, e0), add(s1, e1), add(s2, e2), add(s3, e3)
        sums = s0, s1, s2, s3
        for s in range(4):
            i = 4 * four + s
            if i < samples:
                least[i], total[i] = m[s], sums[s]
                nearest[i] = tile[s] + line_first(p[tile[s]:tile[s] + TILE], x[four, s], m[s])
        w0, w1 = UNIT / s0, UNIT / s1 if 4 * four + 1 < samples else zero
        w2 = UNIT / s2 if 4 * four + 2 < samples else zero
        w3 = UNIT / s3 if 4 * four + 3 < samples else zero
        for j in range(units):
            g[j] += ((w0 * e[0, j] * (p[j] - x0) + w1 * e[1, j] * (p[j] - x1))
                     + (w2 * e[2, j] * (p[j] - x2) + w3 * e[3, j] * (p[j] - x3)))


@compiled()
def bounds(count, k, parts):
    """Where part k of so many begins and ends."""
    return k * count // parts, (k + 1) * count // parts


@compiled()
def one_part(p, x, units, scale, k, parts, g, least, total, nearest, line):
    """Part k of the fours, with a gradient of its own."""
    first, last = bounds(len(x), k, parts)
    if line:
        part_of_line(p, x, scale, first, last, g, least, total, nearest)
    else:
        part_of_samples(p, x, units, scale, first, last, g, least, total, nearest)


@compiled(parallel=True)
def parts_over_threads(p, x, units, scale, g, least, total, nearest, line):
    for k in prange(len(g)):
        one_part(p, x, units, scale, k, len(g), g[k], least, total, nearest, line)


@compiled()
def parts_in_turn(p, x, units, scale, g, least, total, nearest, line):
    for k in range(len(g)):
        one_part(p, x, units, scale, k, len(g), g[k], least, total, nearest, line)


@compiled()
def aligned_zeros(size, dtype):
    """Zeros that start at a cache line."""
    array = np.zeros(size + 64, dtype)
    skip = -array.ctypes.data % 64 // array.itemsize
    return array[skip:skip + size]


def odd(dimensions):
    """How many dimensions are stored: `tile_costs` takes one and then two at a time."""
    return dimensions // 2 * 2 + 1


def parts_of(fours, part_bytes=1):
    """Into how many parts the fours of samples go, each with a gradient of so many bytes."""
    return max(1, min(PARTS, fours, PART_BYTES // part_bytes))


def in_fours(x):
    """Samples four by four, (fours, 4 d): all first coordinates, all second ones, ...

    The number of dimensions is made odd by one of zeros; the last sample fills up the last four.
    """
    samples, dimensions = x.shape
    fours = np.zeros((-(-samples // 4), odd(dimensions), 4), x.dtype)
    index = np.minimum(np.arange(4 * len(fours)), samples - 1).reshape(-1, 4)
    fours[:, :dimensions] = x[index].swapaxes(1, 2)
    return fours.reshape(len(fours), -1)


def in_tiles(prototypes, offsets=None):
    """Prototypes tile by tile, (tiles, 1 + d, PITCH), d odd as in `in_fours`: -g, then p by dimension.

    Places without a prototype cost more than any.
    """
    units, dimensions = prototypes.shape
    shape = -(-units // TILE), 1 + odd(dimensions), PITCH
    p = aligned_zeros(int(np.prod(shape)), prototypes.dtype).reshape(shape)
    p[:, 0] = np.inf
    for t, tile in enumerate(p):
        part = slice(t * TILE, (t + 1) * TILE)
        width = len(prototypes[part])
        tile[0, :width] = 0 if offsets is None else -offsets[part]
        tile[1:1 + dimensions, :width] = prototypes[part].T
    return p


def softmin(prototypes, x, temperature, offsets=None):
    """See structural.softmin."""
    samples, (units, dimensions) = len(x), prototypes.shape
    fours, line = in_fours(x), dimensions == 1 and offsets is None
    p = prototypes.T.copy() if line else in_tiles(prototypes, offsets)
    size = p.size if line else p.size // p.shape[1] * (p.shape[1] - 1)         # of a part's gradient
    parts = parts_of(len(fours), size * x.itemsize)
    g = aligned_zeros(parts * size, x.dtype).reshape(parts, size)
    least, total, nearest = (np.empty(samples, dtype) for dtype in (x.dtype, x.dtype, np.int64))
    over_parts = parts_in_turn if samples * units < SERIAL else parts_over_threads
    over_parts(p.reshape(-1), fours, units, x.dtype.type(-LOG2_E / temperature), g,
               least, total, nearest, line)

    pulls = g.sum(axis=0)
    if not line:
        pulls = pulls.reshape(len(p), -1, PITCH)[:, :dimensions, :TILE].swapaxes(1, 2)
    pulls = pulls.reshape(-1, dimensions)[:units]
    return softmin_results(prototypes, x, temperature, least, total, nearest, pulls)


def coverage(prototypes, x, temperature):
    """See structural.coverage."""
    values, gradient, _, _ = softmin(prototypes, x, temperature)
    return values.mean(), gradient
