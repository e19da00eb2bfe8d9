"""Shapes and edge cases that the tests share, and the bounds that hold on them."""

from typing import NamedTuple

import numpy as np

from minimlp import Params, check_gradient

TEMPERATURES = (1e-6, 1e-3, 0.02, 1.0, 100.0)
STEPS = 10.0 ** np.arange(-1, -13, -1)      # finer than the default, for the shifted data
EPS = np.finfo(float).eps


class Case(NamedTuple):
    name: str
    samples: int
    units: int
    dimensions: int
    reach: float = 1.0          # prototypes in [-reach, reach]^d
    shift: float = 0.0          # of data and prototypes alike
    distinct: int = 0           # how many different prototypes; 0: all of them
    sign: float = 0.0           # of every w; 0: at random
    stranded: int = 0           # how many of the prototypes are 100 further out

    def __str__(self):
        return self.name


CASES = (
    Case("line", samples=11, units=6, dimensions=1),
    Case("more units than samples", samples=4, units=9, dimensions=1),
    Case("plane", samples=9, units=5, dimensions=2),
    Case("space", samples=8, units=5, dimensions=3),
    Case("seven dimensions", samples=12, units=5, dimensions=7),
    Case("one sample", samples=1, units=5, dimensions=3),
    Case("one unit", samples=7, units=1, dimensions=2),
    Case("one of each", samples=1, units=1, dimensions=1),
    Case("N = M = d", samples=3, units=3, dimensions=3),
    Case("negative weights", samples=7, units=4, dimensions=2, sign=-1.0),
    Case("outside the cube", samples=10, units=6, dimensions=2, reach=4.0),
    Case("shifted line", samples=9, units=5, dimensions=1, shift=1000.0),
    Case("shifted space", samples=8, units=5, dimensions=3, shift=1000.0),
    Case("equal prototypes", samples=7, units=4, dimensions=2, distinct=1),
    Case("equal pairs", samples=9, units=6, dimensions=1, distinct=3),
    Case("some stranded", samples=9, units=5, dimensions=2, stranded=2),
    Case("all stranded", samples=7, units=4, dimensions=1, stranded=4),
)


def make(case, seed=0, dtype=np.float64):
    """Parameters, x and y of a case; in the type asked for, rounded and not drawn anew."""
    random = np.random.default_rng([seed, case.samples, case.units, case.dimensions])
    x = random.uniform(-1, 1, (case.samples, case.dimensions)) + case.shift
    y = random.normal(size=case.samples)
    w = random.uniform(2, 6, case.units)
    w *= case.sign or random.choice([-1.0, 1.0], case.units)
    p = random.uniform(-case.reach, case.reach, (case.units, case.dimensions))
    p[:case.stranded] += 100 * np.sign(p[:case.stranded])
    p = p[np.arange(case.units) % (case.distinct or case.units)] + case.shift
    if case.distinct:
        w[:] = w[0]             # else -b / w would pull the equal prototypes apart
    v = random.normal(size=case.units)
    params = Params(w, -w[:, None] * p, v, random.normal(size=()))
    return Params(*(np.asarray(a, dtype) for a in params)), x.astype(dtype), y.astype(dtype)


def wide(*arrays):
    """The same numbers in float64."""
    return [Params(*wide(*a)) if isinstance(a, Params) else np.asarray(a, float) for a in arrays]


def farthest(a, b):
    """The largest squared distance between a point of a and one of b."""
    return float(np.max(np.sum((np.asarray(a)[:, None] - np.asarray(b)) ** 2, axis=-1)))


def bound(base, squared_distance_max, temperature, eps=EPS):
    """What a relative error of `base` grows to near ties, where exp(-d^2 / tau) is steep."""
    return base + 4 * eps * squared_distance_max / temperature


def assert_gradient(function, theta, growth=0.0, central=True):
    """The gradient agrees by the complex step and, unless said, by central differences."""
    report = check_gradient(function, theta, STEPS)
    assert not report.zero, "the true gradient is zero: nothing was checked"
    assert report.errors["complex"] <= 1e-12 + growth, str(report)
    if central:
        assert report.errors["central"] <= 1e-7 + growth, str(report)


def assert_zero_gradient(function, theta):
    report = check_gradient(function, theta)
    assert report.zero, str(report)
    assert set(report.errors.values()) == {0.0}, str(report)
