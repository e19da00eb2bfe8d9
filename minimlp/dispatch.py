"""The public computations: arguments checked once, then the backend's function of that name.

Where a backend is chosen (gradient flow chooses its own, in risk_flow.py).  "numpy" is the
reference (gaussian.py, structural.py, transport.py, loss.py, train.py); a fast backend is
modules of `BACKENDS` with functions of the same names and signatures.
"""

import importlib
import inspect

import numpy as np

from . import checks, gaussian, loss, structural, train as training, transport

# the modules of each; of those that define a function of a name the first is taken
BACKENDS = {"cpu": ("training", "objective", "transport", "simd", "cpu"), "gpu": ("gpu_twins",)}


def available_backends():
    """Which backends work here.

    Returns
    -------
    dict of str to (None or str)
        For each of "numpy", "cpu" and "gpu": None if it works, else why it does
        not, in one line.
    """
    reasons = {"numpy": None}
    for name in BACKENDS:
        try:
            kernels(name)
            reasons[name] = None
        except ImportError as error:
            reasons[name] = "not available: " + " ".join(str(error).split())
    return reasons


def kernels(backend):
    """The modules of a fast backend; ImportError says why they do not load or can't run."""
    modules = [importlib.import_module(f"minimlp.kernels.{name}") for name in BACKENDS[backend]]
    for module in modules:
        if hasattr(module, "missing") and module.missing():
            raise ImportError(module.missing())
    return modules


def implementation(reference, backend):
    """The backend's twin of a reference function."""
    checks.choice("backend", backend, ("numpy", *BACKENDS))
    if backend == "numpy":
        @np.errstate(over="ignore")             # of an exponent, where exp(-inf) = 0
        def quiet(*arguments):
            return reference(*on_host(backend, arguments))
        return quiet
    function = twin(reference.__name__, backend)
    return lambda *arguments: function(*alike(backend, arguments))


def twin(name, backend):
    """A fast backend's function of that name, where it is defined, not where it is imported."""
    try:
        modules = kernels(backend)
    except ImportError as error:
        raise checks.InputError(f"backend = {backend!r}: {available_backends()[backend]}") from error
    named = ((module, getattr(module, name, None)) for module in modules)
    return next(function for module, function in named if function and function.__module__ == module.__name__)


def leaves(arguments):
    """The arguments, those in Params too."""
    for argument in arguments:
        yield from argument if isinstance(argument, gaussian.Params) else (argument,)


def on_host(backend, arguments):
    """The arguments, if none lies on a GPU."""
    if any(map(checks.is_on_device, leaves(arguments))):
        raise checks.InputError(f"backend = {backend!r}: the arrays lie on a GPU; take backend = 'gpu' "
                                "or copy them to the host")
    return arguments


def alike(backend, arguments):
    """The arguments with all arrays, those of Params too, real, of one type and contiguous."""
    if backend != "gpu":
        on_host(backend, arguments)
    arrays = [array for array in leaves(arguments)
              if isinstance(array, np.ndarray) or checks.is_on_device(array)]
    kind = np.result_type(*(array.dtype for array in arrays))
    if kind.kind == "c":
        raise checks.InputError(f"backend = {backend!r} takes real numbers, not {kind}")
    if any(checks.is_on_device(array) and array.dtype != kind for array in arrays):
        raise checks.InputError(f"backend = {backend!r}: arrays on a GPU are taken as they are, so "
                                f"all must be of one type, not some of {kind} and some not")

    def convert(argument):
        if isinstance(argument, gaussian.Params):
            return gaussian.Params(*map(convert, argument))
        return np.asarray(argument, kind, order="C") if isinstance(argument, np.ndarray) else argument
    return map(convert, arguments)


RAISES = "\n\nRaises\n------\nInputError\n"
NOTES = "\n\nNotes\n-----\n"
UNUSABLE = "    A ValueError that names the argument that can't be used, and its value."
BACKEND = """

Other Parameters
----------------
backend : {"numpy", "cpu", "gpu"}
    What computes; "numpy" is the reference.  See `available_backends`."""
POINTS = "\n\nOne-dimensional points may be given as (N,)."


def documented(reference):
    """Gives a public function the reference's documentation, and says what it adds."""
    def decorate(function):
        parameters = inspect.signature(function).parameters
        text, _, notes = inspect.cleandoc(reference.__doc__ or "").partition(NOTES)
        text, _, own = text.partition(RAISES)
        function.__doc__ = (text + (BACKEND if "backend" in parameters else "")
                            + RAISES + UNUSABLE + ("\n" + own if own else "")
                            + NOTES + notes + (POINTS if {"x", "prototypes"} & set(parameters) else ""))
        return function
    return decorate


@documented(gaussian.init_params)
def init_params(x, width, seed):
    return gaussian.init_params(checks.points("x", x), checks.count("width", width),
                                checks.seed(seed))


@documented(gaussian.prototypes)
def prototypes(params):
    params = checks.params(params)
    if checks.is_on_device(params.w):
        raise checks.InputError("params lie on a GPU: copy them to the host")
    return gaussian.prototypes(checks.at_finite_prototypes(params))


@documented(gaussian.forward)
def forward(params, x, backend="numpy"):
    x = checks.points("x", x)
    params = checks.params(params, x.shape[1])
    return implementation(gaussian.forward, backend)(params, x)


@documented(gaussian.backward)
def backward(params, x, hidden, d_output, d_hidden=0.0, backend="numpy"):
    x = checks.points("x", x)
    params = checks.params(params, x.shape[1])
    shape = len(x), len(params.w)
    hidden = checks.array("hidden", hidden, shape)
    d_output = checks.array("d_output", d_output, shape[:1])
    if not (np.isscalar(d_hidden) and d_hidden == 0):
        d_hidden = checks.array("d_hidden", d_hidden, shape)
    return implementation(gaussian.backward, backend)(params, x, hidden, d_output, d_hidden)


def checked_softmin(prototypes, x, temperature, offsets=None):
    """The arguments of softmin, and the shape as which the prototypes were given: that of their gradient."""
    shape = checks.as_array("prototypes", prototypes).shape
    prototypes, x = checks.two_sets(prototypes, x)
    if offsets is not None:
        offsets = checks.array("offsets", offsets, (len(prototypes),))
    return (prototypes, x, checks.temperature("temperature", temperature, prototypes, x), offsets), shape


@documented(structural.softmin)
def softmin(prototypes, x, temperature, offsets=None, backend="numpy"):
    arguments, shape = checked_softmin(prototypes, x, temperature, offsets)
    values, gradient, nearest, distance = implementation(structural.softmin, backend)(*arguments)
    return values, gradient.reshape(shape), nearest, distance


@documented(structural.coverage)
def coverage(prototypes, x, temperature, backend="numpy"):
    (*arguments, _), shape = checked_softmin(prototypes, x, temperature)
    value, gradient = implementation(structural.coverage, backend)(*arguments)
    return value, gradient.reshape(shape)


@documented(transport.sinkhorn)
def sinkhorn(prototypes, x, temperature, offsets=None, iterations=transport.ITERATIONS, tolerance=None,
             backend="numpy"):
    return transported(transport.sinkhorn, prototypes, x, temperature, offsets, iterations, tolerance,
                       backend)


@documented(transport.balanced)
def balanced(prototypes, x, temperature, offsets=None, iterations=transport.ITERATIONS, tolerance=None,
             backend="numpy"):
    return transported(transport.balanced, prototypes, x, temperature, offsets, iterations, tolerance,
                       backend)


def transported(reference, prototypes, x, temperature, offsets, iterations, tolerance, backend):
    """Either form of balanced coverage: the two have the same arguments."""
    arguments, shape = checked_softmin(prototypes, x, temperature, offsets)
    iterations = checks.count("iterations", iterations)
    tolerance = checks.marginal_tolerance(tolerance, *arguments[:2])
    value, gradient, *rest = implementation(reference, backend)(*arguments, iterations, tolerance)
    return value, gradient.reshape(shape), *rest


@documented(structural.separation)
def separation(prototypes, temperature, backend="numpy"):
    shape = checks.as_array("prototypes", prototypes).shape
    prototypes = checks.points("prototypes", prototypes)
    temperature = checks.temperature("temperature", temperature, prototypes)
    value, gradient = implementation(structural.separation, backend)(prototypes, temperature)
    return value, gradient.reshape(shape)


@documented(structural.overlap)
def overlap(hidden, backend="numpy"):
    return implementation(structural.overlap, backend)(
        checks.array("hidden", hidden, (None, None)))


@documented(loss.objective)
def objective(params, x, y, coefficients, temperatures, extra=None, backend="numpy"):
    problem = checked_problem(params, x, y, coefficients, temperatures, extra)
    return implementation(loss.objective, backend)(*problem)


@documented(training.train)
def train(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, extra=None,
          callback=None, every=0, iterations=training.ITERATIONS, backend="numpy"):
    *problem, extra = checked_problem(params, x, y, coefficients, temperatures, extra, annealed=True)
    steps, rate = checks.count("steps", steps, least=0), checks.positive("rate", rate)
    if callback is not None:
        checks.function("callback", callback)
    every, iterations = checks.count("every", every, least=0), checks.count("iterations", iterations)
    return implementation(training.train, backend)(*problem, steps, rate, extra, callback, every, iterations)


def checked_problem(params, x, y, coefficients, temperatures, extra, annealed=False):
    """The arguments of the objective, which fit each other and hold a temperature for each active loss."""
    x = checks.points("x", x)
    y = checks.array("y", y, (len(x),))
    params = checks.params(params, x.shape[1])
    extra = checks.extra(extra)
    coefficients = checks.coefficients(coefficients, extra)
    active = [name for name, weight in coefficients.items() if weight != 0]
    if any(name != "overlap" for name in active):
        checks.at_finite_prototypes(params)
    temperatures = checks.temperatures(temperatures, active, params.w, x, annealed=annealed)
    return params, x, y, coefficients, temperatures, extra
