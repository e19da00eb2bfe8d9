"""The input that every competitor gets, and what the result truly is."""

from typing import NamedTuple

import numpy as np

TEMPERATURE = 0.1           # times d: no exponential gets so small that some codes turn slow
BLOCK = 2**20               # pairs at a time


class Problem(NamedTuple):
    """Coverage (E4) of uniform samples and prototypes in [-1, 1]^d.

    Attributes
    ----------
    N, M, d : int
        How many samples, prototypes and dimensions.
    dtype : {"float64", "float32"}
    seed : int
    """

    N: int
    M: int
    d: int
    dtype: str = "float64"
    seed: int = 0

    @property
    def pairs(self):
        return self.N * self.M

    def draw(self):
        """Prototypes (M, d), samples (N, d) and temperature; the same for the same problem."""
        random = np.random.default_rng([self.seed, self.N, self.M, self.d])
        x = random.uniform(-1, 1, (self.N, self.d)).astype(self.dtype)
        prototypes = random.uniform(-1, 1, (self.M, self.d)).astype(self.dtype)
        return prototypes, x, TEMPERATURE * self.d


def truth(prototypes, x, temperature):
    """Coverage and its gradient in np.longdouble, a block of samples at a time.

    Parameters
    ----------
    prototypes : array (M, d)
    x : array (N, d)
    temperature : float

    Returns
    -------
    value : longdouble
    gradient : array (M, d) of longdouble
    """
    p, x = prototypes.astype(np.longdouble), x.astype(np.longdouble)
    tau = np.longdouble(temperature)
    value, gradient = np.longdouble(0), np.zeros_like(p)
    for part in np.array_split(x, -(-len(x) * len(p) // BLOCK)):
        costs = sum((part[:, None, k] - p[:, k]) ** 2 for k in range(p.shape[1]))
        least = costs.min(axis=1)
        weights = np.exp((least[:, None] - costs) / tau)
        total = weights.sum(axis=1)
        value += np.sum(least - tau * np.log(total))
        weights /= total[:, None]
        gradient += weights.sum(axis=0)[:, None] * p - weights.T @ part
    return value / len(x), 2 / np.longdouble(len(x)) * gradient
