"""Records of a study's runs: parameters as JSON holds them and read back, and the runs that diverged."""

import numpy as np

from ..gaussian import Params


def as_lists(params):
    """Parameters as JSON holds them."""
    return {name: array.tolist() for name, array in params._asdict().items()}


def as_params(lists):
    """The parameters that `as_lists` was given."""
    return Params(**{name: np.array(values) for name, values in lists.items()})


def are_parameters(lists, units, dimensions=1):
    """Whether what was read back are finite parameters of a network of that shape."""
    shapes = {"w": (units,), "b": (units, dimensions), "v": (units,), "c": ()}
    arrays = {name: np.asarray(lists[name], dtype=float) for name in shapes}
    return all(arrays[name].shape == shape and bool(np.isfinite(arrays[name]).all())
               for name, shape in shapes.items())


def is_amount(value):
    """Whether it is a finite number, not negative."""
    return type(value) in (int, float) and 0 <= float(value) < np.inf


def diverged_runs(rows, columns):
    """The runs that diverged, as summary.json lists them."""
    return [{name: row[name] for name in columns} for row in rows if row["diverged"]]
