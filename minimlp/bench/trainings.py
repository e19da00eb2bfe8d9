"""The study's trainings, once for each competitor.

Each function here takes runs of the study with their starts, and returns a function
without arguments that trains them all and returns their final parameters, one vector
(w, b, v, c) a run.  The libraries with automatic differentiation share one `objective`.
"""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ..dispatch import train
from ..loss import PAIRED
from ..study.runner import prepare_worker
from ..study.specialization import MASKS, StudyConfig
from .machine import cores

SEEDS, STEPS = StudyConfig.seeds, StudyConfig.steps


class Part(NamedTuple):
    """Runs of the study, the largest first: (size, mask, seed) each, and the steps of each."""

    runs: list
    steps: int


def study_part(sizes, seeds, steps):
    """The runs of all eight masks at these sizes, and seeds 0, ..., seeds - 1."""
    return Part([(size, mask, seed) for size in sorted(sizes, reverse=True)
                 for mask in MASKS for seed in range(seeds)], steps)


def problem(run):
    """Start, samples, targets and coefficients by loss name, as the study has them."""
    size, mask, seed = run
    config = StudyConfig()
    x, y = config.samples(size, seed)
    return config.start(x, seed), x, y, config.coefficients_of(mask)


def trained(run, steps, backend):
    """The parameters that one run ends with."""
    config = StudyConfig()
    return train(*problem(run), config.temperatures, steps, config.rate,
                 backend=backend).params.to_vector()


def over_threads(part):
    """Compiled kernels: threads side by side."""
    def compute():
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(trained, part.runs, *repeat(part, "cpu")))
    return compute


def over_processes(part):
    """The NumPy reference: processes side by side, as `minimlp study` runs it."""
    def compute():
        with ProcessPoolExecutor(cores(), initializer=prepare_worker) as pool:
            return list(pool.map(trained, part.runs, *repeat(part, "numpy")))
    return compute


def repeat(part, backend):
    return [part.steps] * len(part.runs), [backend] * len(part.runs)


def batches(runs, together=True):
    """Runs of one size as arrays with the run in front: w, b, v, c, x, y and the coefficients."""
    groups = ([list(group) for _, group in groupby(runs, key=lambda run: run[0])] if together
              else [[run] for run in runs])
    for group in groups:
        starts, x, y, coefficients = zip(*map(problem, group))
        weights = [[c.get(loss, 0.0) for loss in PAIRED] for c in coefficients]
        theta = [np.stack(arrays) for arrays in zip(*starts)]
        theta[1] = theta[1][..., 0]
        yield theta, np.stack(x)[..., 0], np.stack(y), np.transpose(weights)


def objective(xp, logsumexp, theta, x, y, weights):
    """The objective (E7) of each run of a batch, d = 1; a weight of None leaves its loss out."""
    w, b, v, c = theta
    units, tau = w.shape[1], StudyConfig().temperatures
    pairs = max(units * (units - 1), 1)
    z = w[:, None, :] * x[:, :, None] + b[:, None, :]
    h = xp.exp(-0.5 * z * z)
    residual = (h * v[:, None, :]).sum(-1) + c[:, None] - y
    value = (residual * residual).mean(-1)
    p = -b / w
    coverage, separation, overlap = weights
    if coverage is not None:
        costs = (x[:, :, None] - p[:, None, :]) ** 2 / tau["coverage"]
        value = value - coverage * tau["coverage"] * logsumexp(-costs, -1).mean(-1)
    if separation is not None:
        squares = (p[:, :, None] - p[:, None, :]) ** 2
        near = xp.exp(-squares / tau["separation"])
        value = value + separation * (near.sum(-1).sum(-1) - units) / pairs
    if overlap is not None:
        both = h.sum(-1) ** 2 - (h * h).sum(-1)
        value = value + overlap * both.mean(-1) / pairs
    return value


def jax_scan(part):
    """JAX: a step for all runs of a size at once, the steps in a compiled scan."""
    import jax
    import jax.numpy as jnp
    jax.config.update("jax_enable_x64", True)
    rate = StudyConfig().rate

    def train_batch(theta, x, y, weights):
        gradient = jax.grad(lambda theta: objective(jnp, jax.nn.logsumexp, theta, x, y,
                                                    weights).sum())

        def step(state, t):
            theta, m, u = state
            g = gradient(theta)
            m = [0.9 * m + 0.1 * g for m, g in zip(m, g)]
            u = [0.999 * u + 0.001 * g * g for u, g in zip(u, g)]
            theta = [theta - rate * m / (1 - 0.9 ** t) / (jnp.sqrt(u / (1 - 0.999 ** t)) + 1e-8)
                     for theta, m, u in zip(theta, m, u)]
            return (theta, m, u), None
        zeros = [jnp.zeros_like(array) for array in theta]
        return jax.lax.scan(step, (theta, zeros, zeros), jnp.arange(1.0, part.steps + 1))[0][0]

    train_batch = jax.jit(train_batch)
    starts = [jax.tree.map(jnp.asarray, batch) for batch in batches(part.runs)]
    return lambda: vectors(jax.block_until_ready([train_batch(*batch) for batch in starts]))


def torch_batched(part):
    """torch eager: a step for all runs of a size at once."""
    return torch_training(part, together=True)


def torch_run_by_run(part):
    """torch eager, as most would write it: one run after the other, with its active losses alone."""
    return torch_training(part, together=False)


def torch_training(part, together):
    import torch
    starts = list(batches(part.runs, together))

    def train_batch(theta, x, y, weights):
        theta = [torch.tensor(array, requires_grad=True) for array in theta]
        x, y = torch.from_numpy(x), torch.from_numpy(y)
        weights = [torch.from_numpy(weight) if weight.any() else None for weight in weights]
        adam = torch.optim.Adam(theta, lr=StudyConfig().rate)
        for _ in range(part.steps):
            adam.zero_grad()
            objective(torch, torch.logsumexp, theta, x, y, weights).sum().backward()
            adam.step()
        return [array.detach().numpy() for array in theta]
    return lambda: vectors([train_batch(*start) for start in starts])


def vectors(batches):
    """Batches of (w, b, v, c) as one vector a run."""
    return [np.concatenate([np.ravel(array[k]) for array in batch])
            for batch in batches for k in range(len(batch[0]))]


class Entry(NamedTuple):
    """A competitor: its function, the package it needs, and what of the study is timed.

    What takes long is timed for the first seeds of ten, and the first steps of 2000.
    """

    make: object
    package: str
    seeds: int
    steps: int
    side_by_side: str

    @property
    def share(self):
        return self.seeds * self.steps / (SEEDS * STEPS)


TRAININGS = {
    "simd": Entry(over_threads, "numba", SEEDS, STEPS, f"{cores()} threads"),
    "jax scan": Entry(jax_scan, "jax", SEEDS, STEPS, "80 runs in a batch"),
    "numpy reference": Entry(over_processes, "numpy", 1, STEPS, f"{cores()} processes"),
    "torch batched": Entry(torch_batched, "torch", SEEDS, 100, "80 runs in a batch"),
    "torch run by run": Entry(torch_run_by_run, "torch", 1, 100, "one run"),
}
