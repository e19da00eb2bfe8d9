"""CUDA kernels: the loops of cpu.py with a thread for each point.  gpu_twins.py launches them.

What does not change: the formulas (scalar.py); every thread owns what it writes; sums run
in a fixed order, so that the same numbers give the same bits; no array of N x M is made
but where the result is one.

What changes: a block of threads brings the points that all of them need into shared memory,
a tile at a time, while a thread keeps its own points, and its sums, in registers.  Where
there are few points of one kind, several blocks share out the points of the other kind, and
a second kernel adds up what they found, in the order of the shares.

Each kernel is compiled for a type and a number of dimensions: then the loops over
dimensions unroll, and arrays that they index become registers.

To read in this order: whether there is a GPU; what suits it, sizes and types; device functions,
which the kernels share; softmin and the other losses; the network and its gradient; sums; Adam.
All in one file: on Numba's simulator a device function that stands in another file than its
kernel loses `cuda` as soon as the first thread has left it.
"""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from numba import config

try:
    import _numba_cuda_redirector       # noqa: F401  which a folder on PYTHONPATH does not start
except ImportError:
    pass
from numba import cuda

from ..checks import InputError
from .scalar import (LOG2_E, moment, response_exponent, response_gradient, separation_exponent,
                     softmax_exponent)

config.CUDA_LOW_OCCUPANCY_WARNINGS = 0      # one block that adds up is meant to be one
SIMULATED = config.ENABLE_CUDASIM
# Threads of a block, and of the one block that adds up, powers of two; of the simulator, which
# runs them one by one, a few.
THREADS, SUMMERS = (4, 4) if SIMULATED else (128, 1024)
SHARED = 40_000         # bytes of a block's shared memory that a tile may take, of 48 KiB
GROUP = 32              # bytes: the numbers of a tile's row that a thread works on at once
INSTALL = 'pip install "numba-cuda[cu13]", or [cu12] for a driver older than CUDA 13'

specialised = lru_cache(maxsize=None)       # of a function that makes kernels: one for each of its arguments


def missing():
    """Why no kernel can run here, in one line; None if they can."""
    if SIMULATED:
        return None
    try:
        import numba_cuda
    except ImportError:
        return f"the package numba-cuda is not installed: {INSTALL}"
    if not Path(cuda.__file__).is_relative_to(Path(numba_cuda.__file__).parent):
        return "numba.cuda was imported before numba-cuda could take its place"
    if not cuda.cudadrv.driver.driver.is_available:
        return "no NVIDIA driver with a GPU was found"
    if not cuda.cudadrv.nvvm.is_available():
        return f"NVIDIA's compiler nvvm was not found: {INSTALL}"
    return None


def diagnosis():
    """What a GPU needs and what of it was found, each in one line."""
    try:
        found = {"numba-cuda": version("numba-cuda")}
    except PackageNotFoundError:
        found = {"numba-cuda": f"not installed: {INSTALL}"}
    found["simulator"] = "on" if SIMULATED else "off"
    if SIMULATED:
        return found
    from numba.cuda import cuda_paths
    found["toolkit"] = ", ".join(f"{name} {entry.info}" for name, entry in
                                 cuda_paths.get_cuda_paths().items()
                                 if name in ("nvvm", "nvrtc") and entry.info) or "no compiler found"
    error = cuda.cuda_error()
    if error or not cuda.cudadrv.driver.driver.is_available:
        found["driver"] = " ".join((error or "no GPU").split())
    else:
        found["driver"] = "CUDA {}.{}".format(*cuda.cudadrv.driver.driver.get_version())
        device = cuda.get_current_device()
        capability = "{}.{}".format(*device.compute_capability)
        name = device.name.decode() if isinstance(device.name, bytes) else device.name
        found["device"] = f"{name}, compute capability {capability}"
    return found


def options(kind):
    """float32 takes the hardware's own exp2 and division, within 2 ulp."""
    return {"fastmath": kind is np.float32}


def exp2_of(kind):
    """The device's 2^y."""
    if SIMULATED:
        return np.exp2
    return cuda.libdevice.exp2f if kind is np.float32 else cuda.libdevice.exp2


def tile_size(kind, dimensions):
    """How many points a block keeps in shared memory: a power of two, up to its threads."""
    room = SHARED // (dimensions * np.dtype(kind).itemsize)
    if room == 0:
        raise InputError(f"x has {dimensions} dimensions: the GPU kernels take at most "
                         f"{SHARED // np.dtype(kind).itemsize} in {np.dtype(kind)}")
    return min(THREADS, 1 << room.bit_length() - 1)


def per_thread(kind, dimensions):
    """How many points a thread answers for, and with how many of a tile it pairs them at once.

    Coordinates and costs of these fill the registers.  Points of too many dimensions for that
    lie in slower memory, where four of them make the most of each number of the tile; one, if
    they are so large that all threads together would fill the card.
    """
    size = np.dtype(kind).itemsize
    bytes_each = dimensions * size
    own = min(4, 64 // bytes_each) if bytes_each <= 64 else 4 if bytes_each <= 512 else 1
    return own, min(GROUP // size, tile_size(kind, dimensions))


def unrolled(kind, dimensions):
    """Whether the registers hold a point, its gradient and the rest.

    If not, the end of the loops over dimensions is kept from the compiler: it would unroll them and
    run out of registers.
    """
    return dimensions <= (64 if kind is np.float32 else 24)


@cuda.jit(device=True)
def bounds(count, share):
    """The share of so many points that this block goes through: from where to where."""
    begin = cuda.blockIdx.y * share
    return begin, min(begin + share, count)


@cuda.jit(device=True)
def stage(points, first, count, tile):
    """Brings points first, first + 1, ... to shared memory; in the places left, the last again."""
    size = tile.shape[1]
    for n in range(cuda.threadIdx.x, size * tile.shape[0], THREADS):
        tile[n // size, n % size] = points[first + min(n % size, count - 1), n // size]


@cuda.jit(device=True)
def stage_numbers(numbers, first, count, row):
    """The same for one number of each point."""
    for n in range(cuda.threadIdx.x, len(row), THREADS):
        row[n] = numbers[first + min(n, count - 1)]


@cuda.jit(device=True)
def load_own(points, first, mine):
    """This thread's points, THREADS apart, from where it starts; beyond the end, the last again."""
    for r in range(mine.shape[0]):
        for k in range(mine.shape[1]):
            mine[r, k] = points[min(first + r * THREADS, len(points) - 1), k]


@cuda.jit(device=True)
def add_squared_distances(mine, tile, at, cost):
    """cost_rg += ||mine_r - tile_(at + g)||^2."""
    for k in range(mine.shape[1]):
        for r in range(cost.shape[0]):
            for g in range(cost.shape[1]):
                difference = mine[r, k] - tile[k, at + g]
                cost[r, g] += difference * difference


@cuda.jit(device=True)
def add_up(partial, count):
    """partial[0] becomes the sum of all of them, pair by pair; count is a power of two."""
    while count > 1:
        cuda.syncthreads()
        count //= 2
        if cuda.threadIdx.x < count:
            partial[cuda.threadIdx.x] += partial[cuda.threadIdx.x + count]


@cuda.jit(device=True)
def store_unit(gradient, j, units, d_w, d_b, d_v):
    """In the order of `Params.to_vector`."""
    gradient[j] = d_w
    for k in range(len(d_b)):
        gradient[units + j * len(d_b) + k] = d_b[k]
    gradient[units + units * len(d_b) + j] = d_v


@specialised
def softmin_kernel(kind, dimensions):
    exp2, size = exp2_of(kind), tile_size(kind, dimensions)
    own, group = per_thread(kind, dimensions)
    zero, largest, infinite = kind(0), np.finfo(kind).max, kind(np.inf)

    @cuda.jit(device=True, **options(kind))
    def add_exps(cost, first, scale, lowest, where, s):
        """Takes a group of costs into least cost, its place, and the sum of exps, of each own sample.

        The sum is kept for the least cost so far: a lower one rescales it.
        """
        for r in range(own):
            low = lowest[r]
            for g in range(group):
                low = min(low, cost[r, g])
            if low < lowest[r]:
                s[r] *= exp2(softmax_exponent(lowest[r], low, scale))
                lowest[r] = low
                for g in range(group - 1, -1, -1):
                    if cost[r, g] == low:
                        where[r] = first + g
            more = zero
            for g in range(group):
                more += exp2(softmax_exponent(cost[r, g], lowest[r], scale))
            s[r] += more

    @cuda.jit(**options(kind))
    def kernel(p, offsets, x, scale, share, least, total, nearest):
        """Of each sample, over a share of the prototypes: the least cost D_ij - g_j, where it is,
        and sum_j exp(-(cost - least) / tau)."""
        tile = cuda.shared.array((dimensions, size), kind)
        shift = cuda.shared.array(size, kind)
        mine = cuda.local.array((own, dimensions), kind)
        cost = cuda.local.array((own, group), kind)
        lowest = cuda.local.array(own, kind)
        s = cuda.local.array(own, kind)
        where = cuda.local.array(own, np.int32)
        sample = cuda.blockIdx.x * own * THREADS + cuda.threadIdx.x
        load_own(x, sample, mine)
        for r in range(own):
            lowest[r], s[r], where[r] = largest, zero, 0
        begin, end = bounds(len(p), share)
        for first in range(begin, end, size):
            count = min(size, end - first)
            stage(p, first, count, tile)
            for n in range(cuda.threadIdx.x, size, THREADS):
                shift[n] = -offsets[first + n] if n < count else infinite     # no prototype: e^-inf
            cuda.syncthreads()
            for at in range(0, count, group):
                for r in range(own):
                    for g in range(group):
                        cost[r, g] = shift[at + g]
                add_squared_distances(mine, tile, at, cost)
                add_exps(cost, first + at, scale, lowest, where, s)
            cuda.syncthreads()
        for r in range(own):
            i = sample + r * THREADS
            if i < len(x):
                least[cuda.blockIdx.y, i], total[cuda.blockIdx.y, i] = lowest[r], s[r]
                nearest[cuda.blockIdx.y, i] = where[r]
    return kernel


@specialised
def merge_softmin_kernel(kind):
    zero, one = kind(0), kind(1)

    @cuda.jit
    def kernel(p, x, temperature, least, total, nearest, values, distance):
        """Of each sample: its shares made one, in row 0, where total becomes 1 / sum_j exp."""
        i = cuda.grid(1)
        if i < len(x):
            scale = one / temperature
            low, s = least[0, i], total[0, i]
            for part in range(1, len(least)):
                other = least[part, i]
                if other < low:
                    s *= exp(softmax_exponent(low, other, scale))
                    low, nearest[0, i] = other, nearest[part, i]
                s += total[part, i] * exp(softmax_exponent(other, low, scale))
            square = zero
            for k in range(x.shape[1]):
                difference = x[i, k] - p[nearest[0, i], k]
                square += difference * difference
            least[0, i], total[0, i] = low, one / s
            values[i] = low - temperature * log(s)
            distance[i] = sqrt(square)
    return kernel


@specialised
def softmin_gradient_kernel(kind, dimensions):
    exp2, size, zero = exp2_of(kind), tile_size(kind, dimensions), kind(0)
    own, group = per_thread(kind, dimensions)

    @cuda.jit(device=True, **options(kind))
    def add_pulls(cost, mine, tile, at, lowest, factor, scale, pull):
        """pull_r += sum_g a_rg (p_r - x_g) over a group of samples, the softmax weights a in place of the costs."""
        for r in range(own):
            for g in range(group):
                near = exp2(softmax_exponent(cost[r, g], lowest[at + g], scale))
                cost[r, g] = factor[at + g] * near
        for k in range(dimensions):
            for r in range(own):
                for g in range(group):
                    pull[r, k] += cost[r, g] * (mine[r, k] - tile[k, at + g])

    @cuda.jit(**options(kind))
    def kernel(p, offsets, x, least, weight, scale, share, gradient):
        """Of each prototype, over a share of the samples: sum_i a_ij (p_j - x_i)."""
        tile = cuda.shared.array((dimensions, size), kind)
        lowest = cuda.shared.array(size, kind)
        factor = cuda.shared.array(size, kind)
        mine = cuda.local.array((own, dimensions), kind)
        pull = cuda.local.array((own, dimensions), kind)
        cost = cuda.local.array((own, group), kind)
        shift = cuda.local.array(own, kind)
        unit = cuda.blockIdx.x * own * THREADS + cuda.threadIdx.x
        load_own(p, unit, mine)
        for r in range(own):
            shift[r] = -offsets[min(unit + r * THREADS, len(p) - 1)]
            for k in range(dimensions):
                pull[r, k] = zero
        begin, end = bounds(len(x), share)
        for first in range(begin, end, size):
            count = min(size, end - first)
            stage(x, first, count, tile)
            stage_numbers(least, first, count, lowest)
            for n in range(cuda.threadIdx.x, size, THREADS):
                factor[n] = weight[first + n] if n < count else zero
            cuda.syncthreads()
            for at in range(0, count, group):
                for r in range(own):
                    for g in range(group):
                        cost[r, g] = shift[r]
                add_squared_distances(mine, tile, at, cost)
                add_pulls(cost, mine, tile, at, lowest, factor, scale, pull)
            cuda.syncthreads()
        for r in range(own):
            j = unit + r * THREADS
            if j < len(p):
                for k in range(dimensions):
                    gradient[cuda.blockIdx.y, j * dimensions + k] = pull[r, k]
    return kernel


@specialised
def separation_kernel(kind, dimensions):
    exp2, size, zero = exp2_of(kind), tile_size(kind, dimensions), kind(0)
    known = unrolled(kind, dimensions)

    @cuda.jit(**options(kind))
    def kernel(p, scale, share, row_sums, gradient):
        """Of each prototype, over a share of the others: sum_k K_jk and sum_k K_jk (p_j - p_k)."""
        tile = cuda.shared.array((dimensions, size), kind)
        mine = cuda.local.array(dimensions, kind)
        push = cuda.local.array(dimensions, kind)
        j, d = cuda.grid(1), dimensions if known else p.shape[1]
        for k in range(d):
            mine[k], push[k] = p[min(j, len(p) - 1), k], zero
        row_sum = zero
        begin, end = bounds(len(p), share)
        for first in range(begin, end, size):
            count = min(size, end - first)
            stage(p, first, count, tile)
            cuda.syncthreads()
            for other in range(count):
                square = zero
                for k in range(d):
                    difference = mine[k] - tile[k, other]
                    square += difference * difference
                near = exp2(separation_exponent(square, scale)) if first + other != j else zero
                row_sum += near
                for k in range(d):
                    push[k] += near * (mine[k] - tile[k, other])
            cuda.syncthreads()
        if j < len(p):
            row_sums[cuda.blockIdx.y, j] = row_sum
            for k in range(d):
                gradient[cuda.blockIdx.y, j * dimensions + k] = push[k]
    return kernel


@specialised
def overlap_kernel(kind):
    zero = kind(0)

    @cuda.jit
    def kernel(hidden, scale, products, others):
        """Of each sample: sum_{j<k} h_ij h_ik; and scale sum_{k != j} h_ik of each unit.

        Neighbouring threads read numbers that lie M apart: simple, and slow.
        """
        i = cuda.grid(1)
        if i < len(hidden):
            before, after, product = zero, zero, zero
            for j in range(hidden.shape[1]):
                product += hidden[i, j] * before
                others[i, j] = before
                before += hidden[i, j]
            for j in range(hidden.shape[1] - 1, -1, -1):
                others[i, j] = scale * (others[i, j] + after)
                after += hidden[i, j]
            products[i] = product
    return kernel


@specialised
def following_offsets_kernel(kind):
    one, most = kind(1), kind(80)           # e^80 is finite in float32, and as wrong as can be

    @cuda.jit
    def kernel(values, constant, offsets, scale, following, off_balance):
        """Of each prototype: g'_j = s_j + constant (E16), and |M sum_i pi_ij - 1| of the offsets before."""
        j = cuda.grid(1)
        if j < len(values):
            following[j] = values[j] + constant
            off_balance[j] = abs(exp(min((offsets[j] - following[j]) * scale, most)) - one)
    return kernel


@specialised
def forward_kernel(kind, dimensions):
    exp2, log2_e, zero = exp2_of(kind), kind(LOG2_E), kind(0)

    @cuda.jit(**options(kind))
    def kernel(w, b, v, c, x, output, hidden):
        """A block for each sample: its threads share out the units."""
        partial = cuda.shared.array(THREADS, kind)
        i, t = cuda.blockIdx.x, cuda.threadIdx.x
        f = zero
        for j in range(t, len(w), THREADS):
            square = zero
            for k in range(dimensions):
                z = w[j] * x[i, k] + b[j, k]
                square += z * z
            h = exp2(log2_e * response_exponent(square))
            hidden[i, j] = h
            f += v[j] * h
        partial[t] = f
        add_up(partial, THREADS)
        if t == 0:
            output[i] = partial[0] + c[0]
    return kernel


@specialised
def backward_kernel(kind, dimensions):
    zero, known = kind(0), unrolled(kind, dimensions)

    @cuda.jit(**options(kind))
    def kernel(w, b, v, x, hidden, d_output, d_hidden, looks_at_hidden, share, gradient):
        """Of each unit, over a share of the samples: dL/dw_j, dL/db_j, dL/dv_j.

        Neighbouring threads read neighbouring numbers of `hidden`.
        """
        j, d = cuda.grid(1), dimensions if known else x.shape[1]
        d_b = cuda.local.array(dimensions, kind)
        if j < len(w):
            d_w, d_v = zero, zero
            for k in range(d):
                d_b[k] = zero
            begin, end = bounds(len(x), share)
            for i in range(begin, end):
                h = hidden[i, j]
                d_h = d_hidden[i, j] if looks_at_hidden else zero
                d_z = response_gradient(d_output[i], v[j], d_h, h)
                d_v += d_output[i] * h
                for k in range(d):
                    z = w[j] * x[i, k] + b[j, k]
                    d_w += d_z * z * x[i, k]
                    d_b[k] += d_z * z
            store_unit(gradient[cuda.blockIdx.y], j, len(w), d_w, d_b, d_v)
    return kernel


@specialised
def response_sums_kernel(kind, dimensions):
    exp2, size = exp2_of(kind), tile_size(kind, dimensions)
    log2_e, zero = kind(LOG2_E), kind(0)

    @cuda.jit(**options(kind))
    def kernel(w, b, v, x, share, output, sums, products):
        """Of each sample, over a share of the units: sum_j v_j h_ij, sum_j h_ij and
        sum_{j<k} h_ij h_ik."""
        bias = cuda.shared.array((dimensions, size), kind)
        weight = cuda.shared.array(size, kind)
        height = cuda.shared.array(size, kind)
        mine = cuda.local.array(dimensions, kind)
        i = cuda.grid(1)
        for k in range(dimensions):
            mine[k] = x[min(i, len(x) - 1), k]
        f, s, product = zero, zero, zero
        begin, end = bounds(len(w), share)
        for first in range(begin, end, size):
            count = min(size, end - first)
            stage(b, first, count, bias)
            stage_numbers(w, first, count, weight)
            stage_numbers(v, first, count, height)
            cuda.syncthreads()
            for j in range(count):
                square = zero
                for k in range(dimensions):
                    z = weight[j] * mine[k] + bias[k, j]
                    square += z * z
                h = exp2(log2_e * response_exponent(square))
                f += height[j] * h
                product += s * h
                s += h
            cuda.syncthreads()
        if i < len(x):
            output[cuda.blockIdx.y, i], sums[cuda.blockIdx.y, i] = f, s
            products[cuda.blockIdx.y, i] = product
    return kernel


@specialised
def merge_responses_kernel(kind):
    zero = kind(0)

    @cuda.jit
    def kernel(c, y, scale, output, sums, products, residual, d_output):
        """Of each sample: its shares made one, in row 0; f_i - y_i, and dL/df_i of the fit."""
        i = cuda.grid(1)
        if i < len(y):
            f, s, product = c[0], zero, zero
            for part in range(len(output)):
                f += output[part, i]
                product += products[part, i] + s * sums[part, i]
                s += sums[part, i]
            sums[0, i], products[0, i] = s, product
            residual[i] = f - y[i]
            d_output[i] = scale * residual[i]
    return kernel


@specialised
def parameter_gradient_kernel(kind, dimensions):
    exp2, size = exp2_of(kind), tile_size(kind, dimensions)
    log2_e, zero, known = kind(LOG2_E), kind(0), unrolled(kind, dimensions)

    @cuda.jit(**options(kind))
    def kernel(w, b, v, x, d_output, scale, sums, share, gradient):
        """`backward_kernel` with the responses computed again; dL/dh_ij = scale (sum_k h_ik - h_ij).

        In one piece, long as it is: its sums are single numbers, which no device function could add to.
        """
        tile = cuda.shared.array((dimensions, size), kind)
        d_f = cuda.shared.array(size, kind)
        s = cuda.shared.array(size, kind)
        bias = cuda.local.array(dimensions, kind)
        d_b = cuda.local.array(dimensions, kind)
        unit, d = cuda.grid(1), dimensions if known else x.shape[1]
        j = min(unit, len(w) - 1)
        weight, height, d_w, d_v = w[j], v[j], zero, zero
        for k in range(d):
            bias[k], d_b[k] = b[j, k], zero
        begin, end = bounds(len(x), share)
        for first in range(begin, end, size):
            count = min(size, end - first)
            stage(x, first, count, tile)
            stage_numbers(d_output, first, count, d_f)
            stage_numbers(sums, first, count, s)
            cuda.syncthreads()
            for i in range(count):
                square, along = zero, zero
                for k in range(d):
                    z = weight * tile[k, i] + bias[k]
                    square += z * z
                    along += z * tile[k, i]
                h = exp2(log2_e * response_exponent(square))
                d_z = response_gradient(d_f[i], height, scale * (s[i] - h), h)
                d_v += d_f[i] * h
                d_w += d_z * along
                for k in range(d):
                    d_b[k] += d_z * (weight * tile[k, i] + bias[k])
            cuda.syncthreads()
        if unit < len(w):
            store_unit(gradient[cuda.blockIdx.y], unit, len(w), d_w, d_b, d_v)
    return kernel


@cuda.jit
def prototypes_kernel(w, b, p):
    """p_j = -b_j / w_j (E2)."""
    j = cuda.grid(1)
    if j < len(w):
        for k in range(b.shape[1]):
            p[j, k] = -b[j, k] / w[j]


@cuda.jit
def prototypes_backward_kernel(w, p, d_p, d_w, d_b):
    """Adds what losses of p alone contribute to the gradient in w and b (E8)."""
    j = cuda.grid(1)
    if j < len(w):
        for k in range(p.shape[1]):
            d_w[j] -= d_p[j, k] * p[j, k] / w[j]
            d_b[j, k] -= d_p[j, k] / w[j]


@cuda.jit
def add_parts_kernel(parts, scale, out):
    """out = scale sum_part parts, entry by entry."""
    i = cuda.grid(1)
    if i < len(out):
        s = parts[0, i]
        for part in range(1, len(parts)):
            s += parts[part, i]
        out[i] = scale * s


@cuda.jit
def add_scaled_kernel(values, scale, out):
    """out += scale values, entry by entry."""
    i = cuda.grid(1)
    if i < len(out):
        out[i] += scale * values[i]


def itself(a):
    return a


def square(a):
    return a * a


def overflow(a):
    """0, or nan where the square, which Adam takes, is not finite."""
    return a * a - a * a


@specialised
def total_kernel(kind, term):
    term, zero = cuda.jit(device=True)(term), kind(0)

    @cuda.jit
    def kernel(values, out):
        """out[0] = the sum over the values of such a term, in one block."""
        partial = cuda.shared.array(SUMMERS, kind)
        s = zero
        for i in range(cuda.threadIdx.x, len(values), SUMMERS):
            s += term(values[i])
        partial[cuda.threadIdx.x] = s
        add_up(partial, SUMMERS)
        if cuda.threadIdx.x == 0:
            out[0] = partial[0]
    return kernel


@cuda.jit
def adam_kernel(theta, gradient, m, u, beta_1, beta_2, mean, scale, rate, epsilon, following):
    """See train.adam; mean = 1 - beta_1^t and scale = 1 - beta_2^t correct the biases of m and u."""
    i = cuda.grid(1)
    if i < len(theta):
        m[i] = moment(m[i], beta_1, gradient[i])
        u[i] = moment(u[i], beta_2, gradient[i] * gradient[i])
        following[i] = theta[i] - rate * (m[i] / mean) / (sqrt(u[i] / scale) + epsilon)
