"""The samples of the specialization study."""

import numpy as np

from . import checks

TARGETS = ("sin", "identity", "random")


def uniform_samples(size, seed, target="sin"):
    """Uniform one-dimensional samples and their targets.

        x_i ~ U(-1, 1),   y_i = sin(pi x_i), x_i, or ~ U(-1, 1)

    Parameters
    ----------
    size : int
        N.
    seed : int, sequence of ints or numpy.random.Generator
    target : {"sin", "identity", "random"}
        Which of the three.

    Returns
    -------
    x : array (N, 1)
    y : array (N,)

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Paper A (arXiv 2605.25939) samples x uniformly; the interval and the targets are ours.
    """
    checks.choice("target", target, TARGETS)
    random = np.random.default_rng(checks.seed(seed))
    x = random.uniform(-1, 1, checks.count("size", size))
    targets = {"sin": lambda: np.sin(np.pi * x),
               "identity": lambda: x.copy(),
               "random": lambda: random.uniform(-1, 1, size)}
    return x[:, None], targets[target]()
