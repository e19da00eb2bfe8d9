"""The table of `minimlp gradcheck`: every gradient, over shapes, types and edge cases."""

from dataclasses import dataclass

import numpy as np

from .. import dispatch
from ..activations import ACTIVATIONS
from ..data import uniform_samples
from ..gaussian import Params, init_params
from ..gradcheck import check_gradient, relative_error
from ..landscape import value_and_gradient
from ..loss import LOSSES, PAIRED, fit
from ..transport import tolerance_in
from ..two_layer import TwoLayer

SHAPES = ((1, 3, 1), (4, 1, 1), (7, 5, 1), (6, 4, 3), (9, 5, 8))      # N, M, d
COEFFICIENTS = dict.fromkeys(PAIRED, 0.1)
TEMPERATURES = {"coverage": 0.02, "separation": 0.05, "balanced": 1.0}
BOUNDS = {"complex": 1e-12, "central": 1e-7, "float64": 1e-5, "reference": 1e-12}
COLUMNS = ("gradient", "case", "shape", "dtype", "central", "complex", "float64", "reference",
           "norm", "verdict")


@dataclass
class Case:
    """One gradient at one point: `function(theta, backend)` returns (value, gradient, ...).

    `tie` is max d^2 / tau of its softmin, by which the bounds grow: rounding of the
    exponents shows in the weights of near ties.  `iterated` is for balanced coverage as far as
    `balanced` iterates by itself: the bounds grow by ten times the marginal error that it leaves.
    `zero` says that the gradient is exactly zero there.
    """

    gradient: str
    case: str
    shape: tuple
    function: object
    theta: object
    tie: float = 0.0
    only_float64: bool = False
    iterated: bool = False
    zero: bool = False


def problem(samples, units, dimensions, seed=0):
    """A random problem: params, x, y, the prototypes around the samples' cube."""
    random = np.random.default_rng([seed, samples, units, dimensions])
    x = random.uniform(-1, 1, (samples, dimensions))
    return init_params(x, units, random), x, np.sin(np.pi * x[:, 0])


def tie(p, x, temperature):
    return ((x[:, None] - p) ** 2).sum(axis=2).max() / temperature


def shape_cases():
    """Every loss of its own argument, and through the network, at every shape."""
    for shape in SHAPES:
        params, x, y = problem(*shape)
        p, (output, hidden) = dispatch.prototypes(params), dispatch.forward(params, x)
        offsets = np.linspace(-0.1, 0.1, shape[1])

        def softmin(p, backend, x=x, offsets=offsets):
            values, gradient, _, _ = dispatch.softmin(p, x, 0.1, offsets, backend=backend)
            return values.mean(), gradient

        yield Case("fit of f", "", shape, lambda f, backend, y=y: fit(f, y), output)
        yield Case("softmin of p", "offsets", shape, softmin, p)
        yield Case("coverage of p", "", shape, coverage_of(x, 0.02), p)
        yield Case("balanced coverage of p", "converged", shape, balanced_of(x, 1.0), p)
        alone = shape[1] == 1
        yield Case("separation of p", "", shape, separation_of(0.05), p, zero=alone)
        yield Case("overlap of h", "", shape,
                   lambda h, backend: dispatch.overlap(h, backend=backend), hidden, zero=alone)
        for losses in ((), *((name,) for name in PAIRED), PAIRED):
            coefficients = {name: COEFFICIENTS[name] for name in losses}
            name = " + ".join(("fit", *losses) if len(losses) < 3 else ("fit", "all three"))
            yield Case(name, "of all parameters", shape, network(x, y, coefficients), params)
        yield Case("fit + balanced", "of all parameters", shape, network(x, y, {"balanced": 0.1}), params,
                   iterated=True)


def edge_cases():
    """Where formulas break: ties, equal prototypes, far data, extreme temperatures, underflow."""
    shape = 7, 5, 2
    params, x, y = problem(*shape)
    p = dispatch.prototypes(params)
    far = p + 1000
    for temperature in (1e-6, 100.0):
        case = f"tau = {temperature:g}"
        yield Case("coverage of p", case, shape, coverage_of(x, temperature), p,
                   tie(p, x, temperature))
        yield Case("separation of p", case, shape, separation_of(temperature), p, zero=temperature < 1)
    yield Case("coverage of p", "shifted by 1000", shape, coverage_of(x + 1000, 0.02), far,
               tie(far, x + 1000, 0.02))
    yield Case("separation of p", "shifted by 1000", shape, separation_of(0.05), far)
    yield Case("coverage of p", "prototypes 1000 away", shape, coverage_of(x, 0.02), far,
               tie(far, x, 0.02))
    equal = np.ones_like(p) * p[:1]
    yield Case("coverage of p", "equal prototypes", shape, coverage_of(x, 0.02), equal)
    yield Case("separation of p", "equal prototypes", shape, separation_of(0.05), equal, zero=True)
    negative = Params(-abs(params.w), -abs(params.w)[:, None] * -2 * p, params.v, params.c)
    yield Case("fit + all three", "w < 0, |p| to 2", shape, network(x, y, COEFFICIENTS), negative)
    stranded = Params(params.w, -params.w[:, None] * far, params.v, params.c)
    yield Case("fit + overlap", "every response underflows", shape,
               network(x, np.full(len(x), params.c), {"overlap": 0.1}), stranded, zero=True)


def two_layer_cases():
    """The network with any activation, under both losses of the outputs; in NumPy and float64 alone."""
    for activation in ACTIVATIONS:
        for loss in LOSSES:
            random = np.random.default_rng([7, len(activation), len(loss)])
            params = TwoLayer(random.normal(size=(4, 2)), random.normal(size=4), random.normal(size=4),
                              np.zeros(()), activation)
            x, y = random.normal(size=(9, 2)), random.choice([-1.0, 1.0], 9)

            def function(theta, backend, params=params, x=x, y=y, loss=loss):
                return value_and_gradient(TwoLayer.from_vector(theta, params), x, y, loss)

            yield Case(f"{loss} loss, {activation}", "of all parameters", (9, 4, 2), function,
                       params.to_vector(), only_float64=True)


def exact_in_float32(array):
    """Rounded so that float32 and float64 see the same numbers."""
    return array.astype(np.float32).astype(np.float64)


def coverage_of(x, temperature):
    x = exact_in_float32(x)
    return lambda p, backend: dispatch.coverage(p, x.astype(p.real.dtype), temperature,
                                                backend=backend)


def balanced_of(x, temperature):
    x = exact_in_float32(x)
    return lambda p, backend: dispatch.sinkhorn(p, x.astype(p.real.dtype), temperature, None, 200, 1e-13,
                                                backend)[:2]


def separation_of(temperature):
    return lambda p, backend: dispatch.separation(p, temperature, backend=backend)


def network(x, y, coefficients):
    x, y = exact_in_float32(x), exact_in_float32(y)

    def function(params, backend):
        dtype = params.w.real.dtype
        return dispatch.objective(params, x.astype(dtype), y.astype(dtype), coefficients,
                                  TEMPERATURES, backend=backend)
    return function


def gradient_table(backend="numpy"):
    """Check every case in float64, and its float32 form against the float64 gradient.

    Parameters
    ----------
    backend : str
        Another one than "numpy" is also held against the reference.

    Returns
    -------
    list of dict
        By `COLUMNS`; an error that was not measured is None, verdict is "ok", "zero" (the
        gradient is exactly zero, as it should be) or "WRONG" and what is over its bound, or
        that it is zero or not.
    """
    rows = []
    for case in (*shape_cases(), *edge_cases(), *two_layer_cases()):
        rows.append(float64_row(case, backend))
        if not case.only_float64:
            rows.append(float32_row(case, backend))
    return rows


def float64_row(case, backend):
    report = check_gradient(lambda theta: case.function(theta, backend), case.theta)
    errors = {name: report.errors.get(name) for name in ("central", "complex")}
    if backend != "numpy":
        errors["reference"] = relative_error(flat(case.function(case.theta, backend)[1]),
                                             flat(case.function(case.theta, "numpy")[1]))
    return row(case, "float64", errors, report.norm, report.zero, np.finfo(np.float64).eps)


def float32_row(case, backend):
    small = single(case.theta)
    gradient = flat(case.function(small, backend)[1])
    exact = flat(case.function(double(small), "numpy")[1])
    error = np.abs(gradient).max() if not exact.any() else relative_error(
        gradient.astype(np.float64), exact)
    return row(case, "float32", {"float64": float(error)}, float(np.linalg.norm(exact)),
               not exact.any(), np.finfo(np.float32).eps)


def row(case, dtype, errors, norm, zero, eps):
    left = 10 * tolerance_in(np.empty(0, dtype)) if case.iterated else 0
    wrong = [name for name, error in errors.items() if error is not None
             and not error <= (0 if zero else BOUNDS[name] + 4 * eps * case.tie + left)]
    if zero != case.zero:
        wrong.append("zero" if zero else "not zero")
    verdict = "WRONG: " + ", ".join(wrong) if wrong else "zero" if zero else "ok"
    return {"gradient": case.gradient, "case": case.case, "shape": "x".join(map(str, case.shape)),
            "dtype": dtype, **dict.fromkeys(BOUNDS), **errors, "norm": norm, "verdict": verdict}


def flat(gradient):
    return gradient.to_vector() if isinstance(gradient, Params) else np.ravel(gradient)


def convert(theta, dtype):
    if isinstance(theta, Params):
        return Params(*(np.asarray(array, dtype) for array in theta))
    return np.asarray(theta, dtype)


def single(theta):
    return convert(theta, np.float32)


def double(theta):
    return convert(theta, np.float64)


def step_sweeps():
    """Reports over a fine sweep of steps, by loss, for the figure of error against step."""
    x, y = uniform_samples(10, [0, 10, 0])
    params = init_params(x, 10, [0, 10, 1])
    steps = 10.0 ** np.arange(-1, -13.01, -0.25)
    sweeps = {}
    for losses in ((), *((name,) for name in PAIRED)):
        # lambda = 10 makes the loss, and not the fit, what is looked at
        function = network(x, y, dict.fromkeys(losses, 10.0))
        sweeps[losses[0] if losses else "fit"] = check_gradient(
            lambda theta: function(theta, "numpy"), params, steps=steps)
    return sweeps
