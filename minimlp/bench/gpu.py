"""Coverage and its gradient on a GPU, once for each competitor; and one large training.

Each competitor takes prototypes (M, d), samples (N, d) and the temperature, and keeps them
on the device; a call computes value and gradient there.  It is timed by events of the device,
so what the host does while the device waits for it counts.
"""

from time import perf_counter

import numpy as np

from .competitors import torch_loss

LEAST, MOST = 0.05, 1000    # seconds of work between two events; calls at most


class Call:
    """Work on the device.

    Parameters
    ----------
    run : function ()
        Enqueues it, or does it; returns value and gradient.
    to_host : function (result)
        Value and gradient as NumPy arrays.
    event : function ()
        A new event with `record` and `elapsed`; None times by the host's clock, for a library
        that waits for the device itself.
    """

    def __init__(self, run, to_host=lambda result: result, event=None):
        self.run, self.to_host, self.event = run, to_host, event

    def __call__(self):
        return self.to_host(self.run())

    def seconds(self):
        """Of one call; of a short one, the mean of as many as take LEAST."""
        once = self.seconds_of(1)
        repeats = min(MOST, int(LEAST / once) + 1)
        return once if repeats == 1 else self.seconds_of(repeats) / repeats

    def seconds_of(self, repeats):
        if self.event is None:
            start = perf_counter()
            for _ in range(repeats):
                self.run()
            return perf_counter() - start
        start, end = self.event(), self.event()
        start.record()
        for _ in range(repeats):
            self.run()
        end.record()
        return start.elapsed(end)


class Event:
    """A point of the device's default stream; Numba's and torch's have the same methods."""

    def __init__(self, event):
        self.event = event

    def record(self):
        self.event.record()

    def elapsed(self, end):
        """Seconds from here to another one."""
        end.event.synchronize()
        return self.event.elapsed_time(end.event) / 1e3


def numba_event():
    """None on the simulator, whose events have no time."""
    from ..kernels.gpu import SIMULATED, cuda
    return None if SIMULATED else lambda: Event(cuda.event())


def torch_event():
    import torch
    return Event(torch.cuda.Event(enable_timing=True))


def ours(prototypes, x, temperature):
    from ..kernels import gpu_twins
    p, samples = map(gpu_twins.to_device, (prototypes, x))
    return Call(lambda: gpu_twins.coverage(p, samples, temperature),
                lambda result: (result[0], result[1].copy_to_host()), numba_event())


def ours_from_host(prototypes, x, temperature):
    """NumPy arrays in, NumPy arrays out: with the transfers."""
    from ..kernels import gpu_twins
    return Call(lambda: gpu_twins.coverage(prototypes, x, temperature))


def simd(prototypes, x, temperature):
    """The CPU's, of the same machine."""
    from ..kernels import simd as kernels
    return Call(lambda: kernels.coverage(prototypes, x, temperature))


def torch_eager(prototypes, x, temperature):
    return torch_call(torch_loss, prototypes, x, temperature)


def torch_compile(prototypes, x, temperature):
    import torch
    torch._dynamo.reset()
    return torch_call(torch.compile(torch_loss, dynamic=False), prototypes, x, temperature)


def torch_call(loss, prototypes, x, temperature):
    import torch
    p = torch.tensor(prototypes, requires_grad=True, device="cuda")
    samples = torch.tensor(x, device="cuda")

    def run():
        value = loss(p, samples, temperature)
        gradient, = torch.autograd.grad(value, p)
        return value.detach(), gradient
    return Call(run, lambda result: [tensor.cpu().numpy() for tensor in result], torch_event)


def jax_jit(prototypes, x, temperature):
    import jax

    from .competitors import jax_jit as make
    if jax.default_backend() != "gpu":
        raise RuntimeError("this JAX has no GPU")
    run = make(prototypes, x, temperature)
    return Call(run, lambda result: [np.asarray(array) for array in result])


def cupy(prototypes, x, temperature):
    """`numpy gemm` of the CPU's bench, in CuPy."""
    import cupy as cp
    p, samples = cp.asarray(prototypes), cp.asarray(x)
    tau, scale = samples.dtype.type(temperature), samples.dtype.type(2 / len(x))

    def run():
        costs = (cp.square(samples).sum(1)[:, None] + cp.square(p).sum(1) - 2 * samples @ p.T)
        least = costs.min(axis=1)
        weights = cp.exp((least[:, None] - costs) / tau)
        total = weights.sum(axis=1)
        value = (least - tau * cp.log(total)).mean()
        weights /= total[:, None]
        gradient = scale * (weights.sum(0)[:, None] * p - weights.T @ samples)
        cp.cuda.Stream.null.synchronize()
        return value, gradient
    return Call(run, lambda result: [cp.asnumpy(array) for array in result])


# In the order of the tables; the library that each needs.
COMPETITORS = {"gpu": (ours, "numba"), "gpu, from host": (ours_from_host, "numba"),
               "cpu simd": (simd, "numba"), "torch eager": (torch_eager, "torch"),
               "torch compile": (torch_compile, "torch"), "jax jit": (jax_jit, "jax"),
               "cupy": (cupy, "cupy")}


def step_seconds(backend, size, dtype, steps):
    """Seconds a step of one training with N = M = size, d = 1, all losses active.

    On the CPU a training takes one thread.
    """
    from ..dispatch import init_params, train
    from ..kernels.training import ITERATIONS, Trainer

    def problem(size):
        x = np.random.default_rng(0).uniform(-1, 1, (size, 1)).astype(dtype)
        return (init_params(x, size, 1), x, np.sin(np.pi * x[:, 0]),
                dict.fromkeys(("coverage", "separation", "overlap"), 0.1),
                {"coverage": 0.02, "separation": 1e-3})

    def seconds(work, *arguments, **options):
        start = perf_counter()
        work(*arguments, **options)
        return perf_counter() - start
    small, large = problem(min(size, 64)), problem(size)
    if backend == "cpu":
        Trainer(*small, steps, 0.01, ITERATIONS).advance(1)
        return seconds(Trainer(*large, steps, 0.01, ITERATIONS).advance, steps) / steps
    train(*small, steps=1, backend=backend)
    return (seconds(train, *large, steps=steps, backend=backend)
            - seconds(train, *large, steps=0, backend=backend)) / steps
