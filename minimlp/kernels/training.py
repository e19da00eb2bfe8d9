"""Whole trainings: the steps of train.train, taken in compiled code (steps.py), and what stands around them."""

from threading import RLock

import numpy as np

from .. import loss
from ..gaussian import Params
from ..train import ITERATIONS, Balancing, Training, temperatures_at
from ..train import train as plain_loop
from .objective import in_rows, in_use, places, weights_of
from .objective import objective as objective_by_kernels
from .scalar import LOG2_E
from .simd import PITCH, aligned_zeros, in_fours, in_tiles, odd
from .steps import Balance, Schedule, advance, tiles_of
from .transport import sinkhorn

CHUNK = 1e8                     # pairs, times d, between two returns to Python, a tenth of a second
MOST = 10_000                   # steps between them
LARGE = 1e6                     # numbers N M d from which the last objective is computed by kernels
ONE_AT_A_TIME = RLock()         # which not every threading layer of Numba lets several threads call


class Trainer:
    """One training: its arrays, its steps, and its objective."""

    def __init__(self, params, x, y, coefficients, temperatures, steps, rate, iterations):
        kind, (units, dimensions) = params.w.dtype, params.b.shape
        d, tiles = odd(dimensions), tiles_of(units)
        self.state, self.places, self.like = in_rows(params, rows=4), places(units, dimensions), params
        g, g_p, p, e = (aligned_zeros(size, kind) for size in (
            self.state.shape[1], tiles * d * PITCH, tiles * (d + 1) * PITCH, tiles * 4 * PITCH))
        p[:] = in_tiles(np.zeros_like(params.b)).ravel()                # for its first rows, 0 or inf
        self.balance = balance_of(params.b, x, iterations) if coefficients.get("balanced") else None
        self.arrays = g, g_p, p, e, in_fours(x), in_fours(y[:, None]), in_use(len(x), kind), self.balance
        self.weights = weights_of(len(x), units, coefficients, kind.type)
        self.problem, self.balancing = (x, y, coefficients), Balancing(x, iterations, sinkhorn)
        self.coefficients, self.temperatures, self.steps = coefficients, temperatures, steps
        self.rate, self.limit = rate, kind.type(np.sqrt(np.finfo(kind).max))
        self.step, self.finite = 0, True

    def advance(self, steps):
        """That many more steps; fewer where the next one is not finite."""
        taus = temperatures_at(self.temperatures, np.arange(self.step, self.step + steps), self.steps)
        schedule = schedule_of(steps, len(self.like.w), self.coefficients, taus, self.like.w.dtype)
        self.step, self.finite = advance(self.state, *self.arrays, len(self.like.w), self.weights, schedule,
                                         self.step, self.step + steps, self.rate, self.limit)

    def params(self, before=0):
        """The network now, or one step before."""
        return Params.from_vector(self.state[3 * before, self.places], self.like)

    def objective(self, before=0):
        """Its value there, its terms, and whether all is finite."""
        compute = objective_by_kernels if self.problem[0].size * len(self.like.w) > LARGE else loss.objective
        taus = temperatures_at(self.temperatures, self.step - before, self.steps)
        if self.balance:
            self.balancing.temperature, self.balancing.offsets = taus["balanced"], self.balance.offsets[before]
        with np.errstate(all="ignore"), ONE_AT_A_TIME:
            value, gradient, terms = compute(self.params(before), *self.problem, taus, {"balanced": self.balancing})
            finite = np.isfinite(value) and np.isfinite(gradient.to_vector() ** 2).all()
        return value, terms, finite


def schedule_of(steps, units, coefficients, temperatures, kind):
    """Of so many steps' temperatures, by loss name an array or one number, in the network's type."""
    tau_c, tau_s, tau_b = (temperatures.get(name, 1.0) for name in loss.TEMPERED)
    separation = -4 * coefficients.get("separation", 0.0) / (max(units * (units - 1), 1) * tau_s)
    columns = separation, -LOG2_E / tau_c, -LOG2_E / tau_s, -LOG2_E / tau_b, tau_b
    return Schedule(*(np.full(steps, column, kind) for column in columns))


def balance_of(prototypes, x, iterations):
    """Room for balanced coverage."""
    return Balance(in_fours(prototypes), in_tiles(x).ravel(), np.zeros(len(x), x.dtype),
                   np.zeros((3, len(prototypes)), x.dtype), iterations)


def train(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, extra=None,
          callback=None, every=0, iterations=ITERATIONS):
    """See train.train.  Losses of the user's own are Python: with them it is that loop.

    A callback is told the terms: the objective besides, at every step, by the reference or by objective.py.
    """
    if any(coefficients.get(name, 0) for name in extra or {}):
        def objective(*arguments):
            with ONE_AT_A_TIME:
                return objective_by_kernels(*arguments)
        return plain_loop(params, x, y, coefficients, temperatures, steps, rate, extra, callback,
                          every, iterations, objective, sinkhorn)
    trainer = Trainer(params, x, y, coefficients, temperatures, steps, rate, iterations)
    others = len(x) * (2 * iterations if coefficients.get("balanced", 0) else 1)
    others += len(params.w) // 2 if coefficients.get("separation", 0) else 0
    pairs = len(params.w) * others * x.shape[1]
    chunk = 1 if callback else max(1, min(MOST, int(CHUNK / pairs)))
    trajectory = []

    while trainer.finite:
        if every and trainer.step % every == 0:
            trajectory.append(trainer.params().to_vector())
        if callback:
            value, terms, trainer.finite = trainer.objective()
            if not trainer.finite or callback(trainer.step, trainer.params(), value, terms):
                break
        if trainer.step == steps:
            break
        until_kept = every - trainer.step % every if every else steps
        trainer.advance(min(chunk, until_kept, steps - trainer.step))

    value, terms, finite = trainer.objective()
    diverged = not (finite and trainer.finite)
    before = int(diverged and trainer.step > 0)
    if before:
        value, terms, _ = trainer.objective(before)
    elif diverged:
        trajectory = []
    last = Training(trainer.params(before), value, terms, trainer.step - before, diverged,
                    marginal_error=trainer.balancing.error)
    if every:
        kept = trajectory[:last.steps // every + 1]
        last = last._replace(trajectory=np.reshape(kept, (-1, trainer.places.size)))
    return last
