"""The public computations, each by every backend as a user calls it: NumPy arrays in and out."""

import numpy as np

from .. import dispatch

STEPS = 10          # of a training
LOSSES = dict.fromkeys(("coverage", "separation", "overlap"), 0.1)


def computations(prototypes, x, temperature):
    """By its public name, each computation as a function of the backend, and how often it goes through all pairs."""
    params = dispatch.init_params(x, len(prototypes), 1)
    y, taus = np.sin(np.pi * x[:, 0]), dict.fromkeys(("coverage", "separation"), temperature)
    output, hidden = dispatch.forward(params, x)
    return {
        "forward": (lambda backend: dispatch.forward(params, x, backend), 1),
        "backward": (lambda backend: dispatch.backward(params, x, hidden, output - y, hidden, backend), 1),
        "coverage": (lambda backend: dispatch.coverage(prototypes, x, temperature, backend), 1),
        "sinkhorn": (lambda backend: dispatch.sinkhorn(prototypes, x, temperature, iterations=1, tolerance=2.0,
                                                       backend=backend), 1),
        "separation": (lambda backend: dispatch.separation(prototypes, temperature, backend), 1),
        "overlap": (lambda backend: dispatch.overlap(hidden, backend), 1),
        "objective": (lambda backend: dispatch.objective(params, x, y, LOSSES, taus, backend=backend), 1),
        "train": (lambda backend: dispatch.train(params, x, y, LOSSES, taus, STEPS, backend=backend).params, STEPS)}


def arrays(result):
    """The arrays and numbers of a result, however they are nested, one after another."""
    if isinstance(result, dict):
        result = tuple(result.values())
    return [array for part in result for array in arrays(part)] if isinstance(result, tuple) else [np.asarray(result)]
