"""The public functions of the GPU: they make room on the device and launch the kernels of gpu.py.

NumPy arrays in, NumPy arrays out; device arrays in, device arrays out, nothing copied.
Values are numbers of the host's in both cases.
"""

from functools import wraps
from math import ceil, log

import numpy as np

from ..checks import is_on_device
from ..gaussian import Params
from ..loss import losses_of_prototypes
from ..train import BETA_1, BETA_2, EPSILON, Balancing, Training, temperatures_at
from ..train import ITERATIONS as AT_EACH_STEP
from ..transport import ITERATIONS, TOLERANCE, marginal_error, met
from . import gpu
from .gpu import cuda, missing

BLOCKS = 1024           # that keep a large card busy


def arrays_mapped(function, value):
    """The value with a function applied to its arrays; a tuple or Params may hold them."""
    if isinstance(value, tuple):
        items = (arrays_mapped(function, item) for item in value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return function(value) if isinstance(value, np.ndarray) or is_on_device(value) else value


def to_device(array):
    """A device array of Numba's; one of another library's is not copied."""
    if hasattr(array, "__cuda_ndarray__"):
        return array
    # np.array, for one that only looks contiguous, of stride 0, would have its kernels compiled again.
    return cuda.as_cuda_array(array) if is_on_device(array) else cuda.to_device(np.array(array, order="C"))


def to_host(array):
    return array.copy_to_host() if is_on_device(array) else array


def twin(function):
    """NumPy arrays in, NumPy arrays out; device arrays in, device arrays out.  Numbers are the host's."""
    @wraps(function)
    def wrapped(*arguments, **named):
        found = []
        arrays_mapped(lambda array: found.append(is_on_device(array)), (*arguments, *named.values()))
        result = function(*arrays_mapped(to_device, arguments),
                          **{name: arrays_mapped(to_device, value) for name, value in named.items()})
        return result if any(found) else arrays_mapped(to_host, result)
    return wrapped


def plan(points, others, own=1):
    """A grid of blocks whose threads have `own` points each, and the others that a block's share
    holds: all of them, unless there would be too few blocks."""
    blocks = ceil(points / (own * gpu.THREADS))
    tiles = ceil(others / gpu.THREADS)
    share = ceil(tiles / min(tiles, ceil(BLOCKS / blocks))) * gpu.THREADS
    return (blocks, ceil(others / share)), share


def launch(kernel, count, *arguments):
    """A thread for each of so many points."""
    kernel[ceil(count / gpu.THREADS), gpu.THREADS](*arguments)


def total(values, term=gpu.itself):
    out = cuda.device_array(1, values.dtype)
    gpu.total_kernel(values.dtype.type, term)[1, gpu.SUMMERS](values, out)
    return out.copy_to_host()[0]


def sum_of_parts(parts, scale, shape):
    out = cuda.device_array(parts.shape[1], parts.dtype)
    launch(gpu.add_parts_kernel, len(out), parts, parts.dtype.type(scale), out)
    return out.reshape(shape)


@twin
def forward(params, x):
    """See gaussian.forward."""
    output = cuda.device_array(len(x), x.dtype)
    hidden = cuda.device_array((len(x), len(params.w)), x.dtype)
    gpu.forward_kernel(x.dtype.type, x.shape[1])[len(x), gpu.THREADS](
        params.w, params.b, params.v, params.c.reshape(1), x, output, hidden)
    return output, hidden


@twin
def backward(params, x, hidden, d_output, d_hidden=0.0):
    """See gaussian.backward."""
    units, kind = len(params.w), x.dtype.type
    looks_at_hidden = is_on_device(d_hidden)
    grid, share = plan(units, len(x))
    parts = cuda.device_array((grid[1], units * (x.shape[1] + 2)), kind)
    gpu.backward_kernel(kind, x.shape[1])[grid, gpu.THREADS](
        params.w, params.b, params.v, x, hidden, d_output, d_hidden if looks_at_hidden else hidden,
        looks_at_hidden, share, parts)
    return Params.from_vector(with_output_bias(parts, d_output), like=params)


def with_output_bias(parts, d_output):
    """The gradient in all parameters: of the units, in parts, and dL/dc = sum_i dL/df_i."""
    kind, units = parts.dtype.type, parts.shape[1]
    gradient = cuda.device_array(units + 1, kind)
    launch(gpu.add_parts_kernel, units, parts, kind(1), gradient[:units])
    gpu.total_kernel(kind, gpu.itself)[1, gpu.SUMMERS](d_output, gradient[units:])
    return gradient


def softmin_parts(prototypes, x, temperature, offsets):
    """Values, nearest and distance of `softmin`; and the least cost D_ij - g_j and 1 / sum_j exp of each sample."""
    kind, (samples, dimensions), units = x.dtype.type, x.shape, len(prototypes)
    scale, (own, _) = kind(gpu.LOG2_E / temperature), gpu.per_thread(kind, dimensions)
    grid, share = plan(samples, units, own)
    least, sums = (cuda.device_array((grid[1], samples), kind) for _ in range(2))
    nearest = cuda.device_array((grid[1], samples), np.int64)
    gpu.softmin_kernel(kind, dimensions)[grid, gpu.THREADS](
        prototypes, offsets, x, scale, share, least, sums, nearest)
    values, distance = (cuda.device_array(samples, kind) for _ in range(2))
    launch(gpu.merge_softmin_kernel(kind), samples,
           prototypes, x, kind(temperature), least, sums, nearest, values, distance)
    return values, nearest[0], distance, least[0], sums[0]


@twin
def softmin(prototypes, x, temperature, offsets=None):
    """See structural.softmin."""
    kind, (samples, dimensions), units = x.dtype.type, x.shape, len(prototypes)
    scale, (own, _) = kind(gpu.LOG2_E / temperature), gpu.per_thread(kind, dimensions)
    if offsets is None:
        offsets = cuda.to_device(np.zeros(units, kind))
    values, nearest, distance, least, weight = softmin_parts(prototypes, x, temperature, offsets)
    grid, share = plan(units, samples, own)
    parts = cuda.device_array((grid[1], units * dimensions), kind)
    gpu.softmin_gradient_kernel(kind, dimensions)[grid, gpu.THREADS](
        prototypes, offsets, x, least, weight, scale, share, parts)
    return values, sum_of_parts(parts, 2 / samples, prototypes.shape), nearest, distance


@twin
def coverage(prototypes, x, temperature):
    """See structural.coverage."""
    values, gradient, _, _ = softmin(prototypes, x, temperature)
    return total(values) / len(x), gradient


@twin
def sinkhorn(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.sinkhorn.  A constant in f lowers g' by as much, so tau log M is added at the end."""
    kind, samples, units = x.dtype.type, len(x), len(prototypes)
    constant, scale = kind(temperature * log(samples / units)), kind(1 / temperature)
    following = cuda.to_device(np.zeros(units, kind)) if offsets is None else offsets
    off_balance = cuda.device_array(units, kind)
    for k in range(iterations):
        g, following = following, cuda.device_array(units, kind)
        s = softmin_parts(prototypes, x, temperature, g)[0]
        back = softmin_parts(x, prototypes, temperature, s)[0]
        launch(gpu.following_offsets_kernel(kind), units, back, constant, g, scale, following, off_balance)
        if tolerance > 0 or k == iterations - 1:            # a number brought back waits for the device
            scales = (np.sqrt(total(potential, gpu.square) / len(potential)) for potential in (s, g))
            error = marginal_error(total(off_balance) / units, *scales, temperature)
            if error <= tolerance:
                break
    value = total(s) / samples + total(g) / units + kind(temperature * log(units))
    return value, softmin(prototypes, x, temperature, g)[1], following, error


@twin
def balanced(prototypes, x, temperature, offsets=None, iterations=ITERATIONS, tolerance=TOLERANCE):
    """See transport.balanced."""
    return met(sinkhorn(prototypes, x, temperature, offsets, iterations, tolerance),
               temperature, iterations, tolerance)


@twin
def separation(prototypes, temperature):
    """See structural.separation."""
    kind, (units, dimensions) = prototypes.dtype.type, prototypes.shape
    pairs = max(units * (units - 1), 1)
    grid, share = plan(units, units)
    row_sums = cuda.device_array((grid[1], units), kind)
    parts = cuda.device_array((grid[1], units * dimensions), kind)
    gpu.separation_kernel(kind, dimensions)[grid, gpu.THREADS](
        prototypes, kind(gpu.LOG2_E / temperature), share, row_sums, parts)
    return (total(sum_of_parts(row_sums, 1, units)) / pairs,
            sum_of_parts(parts, -4 / (pairs * temperature), prototypes.shape))


@twin
def overlap(hidden):
    """See structural.overlap."""
    kind, (samples, units) = hidden.dtype.type, hidden.shape
    scale = 2 / (max(units * (units - 1), 1) * samples)
    products, others = cuda.device_array(samples, kind), cuda.device_array(hidden.shape, kind)
    launch(gpu.overlap_kernel(kind), samples, hidden, kind(scale), products, others)
    return scale * total(products), others


def flat(params):
    """The parameters as one vector on the device."""
    units, dimensions = params.b.shape
    theta = cuda.device_array(units * (dimensions + 2) + 1, params.w.dtype)
    for part, array in zip(Params.from_vector(theta, like=params), params):
        part.copy_to_device(array)
    return theta


def objective_of(theta, like, x, y, coefficients, temperatures, extra):
    """`loss.objective` of a parameter vector, with the gradient as a vector."""
    params, kind, samples = Params.from_vector(theta, like), x.dtype.type, len(x)
    units, dimensions = params.b.shape
    arrays = params.w, params.b, params.v
    active = {name: weight for name, weight in coefficients.items() if weight != 0}
    grid, share = plan(samples, units)
    output, sums, products = (cuda.device_array((grid[1], samples), kind) for _ in range(3))
    gpu.response_sums_kernel(kind, dimensions)[grid, gpu.THREADS](*arrays, x, share, output, sums, products)
    residual, d_output = (cuda.device_array(samples, kind) for _ in range(2))
    launch(gpu.merge_responses_kernel(kind), samples, params.c.reshape(1), y, kind(2 / samples),
           output, sums, products, residual, d_output)

    terms = {"fit": total(residual, gpu.square) / samples}
    scale = 2 / (max(units * (units - 1), 1) * samples)
    if "overlap" in active:
        terms["overlap"] = scale * total(products[0])
    grid, share = plan(units, samples)
    parts = cuda.device_array((grid[1], units * (dimensions + 2)), kind)
    gpu.parameter_gradient_kernel(kind, dimensions)[grid, gpu.THREADS](
        *arrays, x, d_output, kind(active.get("overlap", 0) * scale), sums[0], share, parts)
    gradient = with_output_bias(parts, d_output)

    losses = {**losses_of_prototypes(x, temperatures, coverage, separation, balanced), **extra}
    losses = {name: loss for name, loss in losses.items() if name in active}
    if losses:
        p, d_p = cuda.device_array((units, dimensions), kind), cuda.to_device(
            np.zeros((units, dimensions), kind))
        launch(gpu.prototypes_kernel, units, params.w, params.b, p)
        for name, loss in losses.items():
            terms[name], d_loss = loss(p)
            launch(gpu.add_scaled_kernel, d_p.size, d_loss.reshape(d_p.size), kind(active[name]),
                   d_p.reshape(d_p.size))
        through_p = Params.from_vector(gradient, like)
        launch(gpu.prototypes_backward_kernel, units, params.w, p, d_p, through_p.w, through_p.b)
    value = terms["fit"] + sum(active[name] * terms[name] for name in terms if name != "fit")
    return value, gradient, terms


def on_host(losses):
    """The user's own losses, of device arrays."""
    def moved(loss):
        def compute(p):
            value, gradient = loss(p.copy_to_host())
            return value, cuda.to_device(np.ascontiguousarray(gradient, p.dtype))
        return compute
    return {name: moved(loss) for name, loss in (losses or {}).items()}


@twin
def objective(params, x, y, coefficients, temperatures, extra=None):
    """See loss.objective.  The responses are computed twice and not stored: memory O(N + M)."""
    value, gradient, terms = objective_of(flat(params), params, x, y, coefficients, temperatures,
                                          on_host(extra))
    return value, Params.from_vector(gradient, like=params), terms


@twin
def train(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, extra=None,
          callback=None, every=0, iterations=AT_EACH_STEP):
    """See train.train.  The parameters stay on the device; a step brings back the terms, and balanced
    coverage's error."""
    kind, theta = x.dtype.type, flat(params)
    following = cuda.device_array_like(theta)
    m, u = (cuda.to_device(np.zeros(theta.size, kind)) for _ in range(2))
    balancing, last, kept = Balancing(x, iterations, sinkhorn), None, []
    extra = {**on_host(extra), "balanced": balancing}
    for step in range(steps + 1):
        taus = temperatures_at(temperatures, step, steps)
        balancing.temperature = taus.get("balanced")
        with np.errstate(all="ignore"):
            value, gradient, terms = objective_of(theta, params, x, y, coefficients, taus, extra)
            finite = np.isfinite(value) and np.isfinite(total(gradient, gpu.overflow))
        now = Training(theta, value, terms, step, not finite, marginal_error=balancing.error)
        if not finite:
            last = (last or now)._replace(diverged=True)
            break
        last = now
        if every and step % every == 0:
            kept.append(theta.copy_to_host())
        stop = callback is not None and callback(
            step, Params.from_vector(theta.copy_to_host(), like=params), value, terms)
        if stop or step == steps:
            break
        numbers = (BETA_1, BETA_2, 1 - BETA_1 ** (step + 1), 1 - BETA_2 ** (step + 1), rate, EPSILON)
        launch(gpu.adam_kernel, theta.size, theta, gradient, m, u, *map(kind, numbers), following)
        theta, following = following, theta
    trajectory = np.reshape(kept, (-1, theta.size)) if every else None
    return last._replace(params=Params.from_vector(last.params, like=params), trajectory=trajectory)
