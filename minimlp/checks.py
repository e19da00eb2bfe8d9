"""Argument checks: each returns the argument ready for use or names it and its value.

One-dimensional data may come as (N,); complex arrays stay complex, so that the
complex step reaches the formulas.
"""

from numbers import Integral, Real

import numpy as np

from .activations import ACTIVATIONS
from .errors import InputError
from .gaussian import Params
from .loss import LOSSES, STRUCTURAL, TEMPERED
from .transport import tolerance_in
from .two_layer import TwoLayer

LARGEST = {"f4": 1e18, "f8": 1e150}     # coordinate of a point: its square must not overflow
MODERATE = 1e50                         # largest number where second derivatives are taken
TEMPERATURES = {"f4": (1e-30, 1e30), "f8": (1e-150, 1e150)}     # lowest and highest


def short(value):
    """What a message shows of a value: one line of at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def number(name, value):
    """A finite real number, as a float."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise InputError(f"{name} = {short(value)}: expected a number")
    try:
        value = float(value)
    except OverflowError:
        value = float("inf")
    if not np.isfinite(value):
        raise InputError(f"{name} = {value}: expected a finite number")
    return value


def positive(name, value):
    """A finite number above 0, as a float."""
    value = number(name, value)
    if value <= 0:
        raise InputError(f"{name} = {value}: must be greater than 0")
    return value


def temperature(name, value, *arrays):
    """A temperature, in the range that the type of these arrays allows."""
    value = positive(name, value)
    kind = np.result_type(np.float32, *(array.dtype for array in arrays)) if arrays else np.dtype(float)
    lowest, highest = TEMPERATURES["f4" if kind in (np.float32, np.complex64) else "f8"]
    if not lowest <= value <= highest:
        raise InputError(f"{name} = {value}: must be between {lowest:g} and {highest:g}")
    return value


def temperature_range(name, value, *arrays):
    """The first and the last temperature, as a tuple."""
    if as_array(name, value).shape != (2,):
        raise InputError(f"{name} = {short(value)}: expected two, the first and the last one")
    return tuple(temperature(f"{name}[{k}]", tau, *arrays) for k, tau in enumerate(value))


def marginal_tolerance(value, *arrays):
    """How far marginals may be off; None is what rounding allows in the type of these arrays."""
    if value is None:
        return tolerance_in(*arrays)
    if number("tolerance", value) < 0:
        raise InputError(f"tolerance = {value}: must not be negative")
    return float(value)


def count(name, value, least=1, most=10**9):
    """A whole number from `least` to `most`, as an int."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise InputError(f"{name} = {short(value)}: expected a whole number")
    if not least <= value <= most:
        raise InputError(f"{name} = {short(value)}: expected at least {least} and at most {most}")
    return int(value)


def choice(name, value, options):
    """One of these strings."""
    if not isinstance(value, str) or value not in options:
        raise InputError(f"{name} = {short(value)}: expected one of {', '.join(options)}")
    return value


def distinct(name, values, check):
    """A non-empty tuple of checked values, none of them twice."""
    values = tuple(check(value) for value in values)
    if not values:
        raise InputError(f"{name} is empty: at least one is needed")
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"{name}: {value} is given twice")
    return values


def seed(value):
    """What numpy.random.default_rng takes; not None, which it would seed by chance."""
    usable = value is not None
    try:
        np.random.default_rng(value)
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise InputError(f"seed = {short(value)}: expected a whole number, at least 0, or several")
    return value


def function(name, value):
    """Anything that can be called."""
    if not callable(value):
        raise InputError(f"{name} = {short(value)}: expected a function")
    return value


def is_on_device(value):
    """Whether it lies in a GPU's memory: then its numbers are not checked, as that would copy them."""
    return hasattr(value, "__cuda_array_interface__") or hasattr(value, "__cuda_ndarray__")


def as_array(name, value):
    """An array of any type; one on a GPU stays there."""
    if is_on_device(value):
        if getattr(value, "__cuda_array_interface__", {}).get("strides") is not None:
            raise InputError(f"{name}: an array on a GPU must be contiguous, the last axis first")
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(f"{name} is a masked array: expected one without a mask")
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(f"{name}: expected an array, got rows of different lengths") from None


def array(name, value, shape, real=False):
    """A finite floating-point array of the given shape; None in it is any size but 0.

    Whole numbers are made float64; complex numbers are refused if `real`.
    """
    value = as_array(name, value)
    if value.dtype.kind in "iu" and not is_on_device(value):
        value = value.astype(float)
    if value.dtype.str[1:] not in (("f4", "f8") if real else ("f4", "f8", "c8", "c16")):
        raise InputError(f"{name} has type {value.dtype}: expected float32 or float64")
    fits = len(shape) == value.ndim and all(
        size > 0 if wanted is None else size == wanted for size, wanted in zip(value.shape, shape))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        wanted += "," if len(shape) == 1 else ""
        empty = ", not empty" if None in shape else ""
        raise InputError(f"{name} has shape {value.shape}: expected ({wanted}){empty}")
    if is_on_device(value):
        return value
    bad = np.argwhere(~np.isfinite(value))
    if len(bad):
        where = f"[{', '.join(map(str, bad[0]))}]" if value.ndim else ""
        raise InputError(f"{name}{where} = {value[tuple(bad[0])]}: must be finite")
    return value


def points(name, value, dimensions=None, real=False):
    """Points in d dimensions, (N, d); (N,) is taken as d = 1."""
    value = as_array(name, value)
    value = value.reshape(-1, 1) if value.ndim == 1 else value
    value = array(name, value, (None, dimensions), real)
    if is_on_device(value):
        return value
    limit = LARGEST[value.real.dtype.str[1:]]
    if np.abs(value).max() > limit:
        raise InputError(f"{name} holds {np.abs(value).max():.3g}: at most {limit:g} can be squared")
    return value


def two_sets(prototypes, x, real=False):
    """Prototypes (M, d) and samples (N, d) of the same d."""
    x = points("x", x, None, real)
    return points("prototypes", prototypes, x.shape[1], real), x


def params(value, dimensions=None):
    """A Gaussian MLP whose arrays fit each other, and the dimensions if given."""
    if not isinstance(value, Params):
        raise InputError(f"params = {short(value)}: expected minimlp.Params")
    b = points("params.b", value.b, dimensions)
    return Params(w=array("params.w", value.w, b.shape[:1]), b=b,
                  v=array("params.v", value.v, b.shape[:1]), c=array("params.c", value.c, ()))


def two_layer(value, dimensions=None):
    """A two-layer network whose arrays fit each other, and the dimensions if given."""
    if not isinstance(value, TwoLayer):
        raise InputError(f"params = {short(value)}: expected minimlp.TwoLayer")
    w = points("params.w", value.w, dimensions)
    return TwoLayer(
        w=w, b=None if value.b is None else array("params.b", value.b, w.shape[:1]),
        v=array("params.v", value.v, w.shape[:1]),
        c=None if value.c is None else array("params.c", value.c, ()),
        activation=choice("params.activation", value.activation, ACTIVATIONS))


def problem(value, x, y, loss):
    """A network of either kind, with samples and targets of the loss, all real float64."""
    choice("loss", loss, LOSSES)
    x = points("x", x, None, real=True)
    y = array("y", y, x.shape[:1], real=True)
    if loss == "logistic" and not np.all(np.abs(y) == 1):
        raise InputError(f"y[{np.argmax(np.abs(y) != 1)}] = {y[np.abs(y) != 1][0]}: the logistic loss "
                         "takes -1 and 1")
    return network(value, x.shape[1]), moderate("x", x.astype(float)), moderate("y", y.astype(float))


def network(value, dimensions=None):
    """A network of either kind, in float64."""
    if not isinstance(value, (Params, TwoLayer)):
        raise InputError(f"params = {short(value)}: expected minimlp.TwoLayer or minimlp.Params")
    value = two_layer(value, dimensions) if isinstance(value, TwoLayer) else params(value, dimensions)
    for name, item in zip(value._fields, value):
        if isinstance(item, np.ndarray) and item.dtype.kind == "c":
            raise InputError(f"params.{name} has type {item.dtype}: expected float32 or float64")
    return type(value)(*(moderate(f"params.{name}", np.asarray(item, float)) if isinstance(item, np.ndarray)
                         else item for name, item in zip(value._fields, value)))


def unit(params, value):
    """The index of a unit, counted from the end if it is negative."""
    units = len(params.v)
    value = count("unit", value, least=-10**9)
    if not -units <= value < units:
        raise InputError(f"unit = {value}: expected one of 0 to {units - 1}")
    return value % units


def splitting_coefficients(value):
    """At least two finite numbers whose sum is 1 to round-off; made to be 1."""
    value = array("coefficients", value, (None,), real=True)
    eps, value = np.finfo(value.dtype).eps, moderate("coefficients", value.astype(float))
    if len(value) < 2:
        raise InputError("coefficients has 1 entry: a split makes at least two copies")
    if abs(value.sum() - 1) > min(1e-6, 100 * eps * np.abs(value).sum()):
        raise InputError(f"coefficients: their sum is {value.sum():.15g}, expected 1")
    return value / value.sum()


def moderate(name, value):
    """An array of numbers whose products do not overflow."""
    largest = np.abs(value).max(initial=0)
    if largest > MODERATE:
        raise InputError(f"{name} holds {largest:.3g}: expected at most {MODERATE:g}")
    return value


def counts(name, value, size):
    """A tuple of so many whole numbers, none negative."""
    if as_array(name, value).shape != (size,):
        raise InputError(f"{name} = {short(value)}: expected {size} counts")
    return tuple(count(f"{name}[{k}]", number, least=0) for k, number in enumerate(value))


def flag(name, value):
    """True or False, and nothing that is merely true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} = {short(value)}: expected True or False")
    return bool(value)


def at_finite_prototypes(value):
    """Params whose prototypes -b/w exist and can be squared."""
    if is_on_device(value.w):
        return value
    with np.errstate(all="ignore"):
        p = value.b / value.w[:, None]
        near = (np.abs(p) <= LARGEST[p.real.dtype.str[1:]]).all(axis=1)
    if not near.all():
        j = np.argmin(near)
        raise InputError(f"params.w[{j}] = {value.w[j]}: the prototype -b/w of this unit is at "
                         "infinity, or too far away to be squared")
    return value


def extra(value):
    """The user's own losses by name, made to check what they return."""
    if value is None:
        return {}
    for name in mapping("extra", value):
        if name in ("fit", *STRUCTURAL):
            raise InputError(f"extra[{name!r}]: this name is a built-in loss")
        function(f"extra[{name!r}]", value[name])
    return {name: checked_loss(name, loss) for name, loss in value.items()}


def checked_loss(name, loss):
    """The loss, refusing to return anything but one number and a gradient of the prototypes' shape."""
    def checked(prototypes):
        result = loss(prototypes)
        if not isinstance(result, tuple) or len(result) != 2:
            raise InputError(f"extra[{name!r}] returned {short(result)}: expected "
                             "(value, gradient)")
        value, gradient = result
        value = as_array(f"extra[{name!r}]", value)
        gradient = as_array(f"extra[{name!r}]", gradient)
        kinds = "iufc" if np.iscomplexobj(prototypes) else "iuf"
        if value.ndim or gradient.shape != prototypes.shape or any(
                numbers.dtype.kind not in kinds for numbers in (value, gradient)):
            raise InputError(f"extra[{name!r}] returned shapes {value.shape} of {value.dtype} and {gradient.shape} "
                             f"of {gradient.dtype}: expected numbers, () and {prototypes.shape}")
        return value[()], gradient
    return checked


def coefficients(value, extra=()):
    """Loss coefficients by name: known names, finite, not negative."""
    names = (*STRUCTURAL, *map(str, extra))
    for name in mapping("coefficients", value):
        if name not in names:
            raise InputError(f"coefficients[{name!r}]: unknown loss, expected {', '.join(names)}")
        if number(f"coefficients[{name!r}]", value[name]) < 0:
            raise InputError(f"coefficients[{name!r}] = {value[name]}: must not be negative")
    return {name: float(weight) for name, weight in value.items()}


def temperatures(value, active, *arrays, annealed=False):
    """Temperatures by loss name: known names, positive, all that active losses need there.

    With `annealed` one may be a pair, the first and the last.
    """
    checked = {}
    for name in mapping("temperatures", value):
        if name not in TEMPERED:
            raise InputError(f"temperatures[{name!r}]: expected {', '.join(TEMPERED)}")
        full = f"temperatures[{name!r}]"
        kind = temperature_range if annealed and as_array(full, value[name]).ndim else temperature
        checked[name] = kind(full, value[name], *arrays)
    for name in TEMPERED:
        if name in active and name not in value:
            raise InputError(f"temperatures[{name!r}] is missing: an active loss needs it")
    return checked


def mapping(name, value):
    """A dict or the like."""
    if not hasattr(value, "items"):
        raise InputError(f"{name} = {short(value)}: expected a mapping by loss name")
    return value
