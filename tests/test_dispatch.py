"""The public functions: what they refuse and how they say so, and what they accept."""

import importlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import minimlp
from minimlp import InputError, Params, dispatch

X = np.array([[-0.5], [0.25], [1.0]])
Y = np.array([0.5, -1.0, 2.0])
P = np.array([[0.5], [-1.25], [0.75], [2.0]])
OFFSETS = np.array([0.1, -0.2, 0.0, 0.3])
PARAMS = Params(w=np.array([2.0, -3.0]), b=np.array([[1.0], [0.5]]), v=np.array([1.0, -2.0]),
                c=np.array(0.25))
HIDDEN = minimlp.forward(PARAMS, X)[1]
TAUS = {"coverage": 0.1, "separation": 0.2}
ALL = {"coverage": 0.1, "separation": 0.2, "overlap": 0.3}
AT_INFINITY = PARAMS._replace(w=np.array([2.0, 0.0]))
RAGGED = [[0.5, 1.0], [2.0]]
TILTED = Params(*(array + 1e-30j for array in PARAMS))


def objective(params=PARAMS, x=X, y=Y, coefficients=ALL, temperatures=TAUS, **options):
    return minimlp.objective(params, x, y, coefficients, temperatures, **options)


def train(params=PARAMS, x=X, y=Y, coefficients=ALL, temperatures=TAUS, **options):
    return minimlp.train(params, x, y, coefficients, temperatures, **{"steps": 1, **options})


def backward(params=PARAMS, x=X, hidden=HIDDEN, d_output=Y, d_hidden=0.0):
    return minimlp.backward(params, x, hidden, d_output, d_hidden)


TAKE_X = {
    "init_params": lambda x: minimlp.init_params(x, 2, 0),
    "forward": lambda x: minimlp.forward(PARAMS, x),
    "backward": lambda x: backward(x=x),
    "softmin": lambda x: minimlp.softmin(P, x, 0.1),
    "coverage": lambda x: minimlp.coverage(P, x, 0.1),
    "objective": lambda x: objective(x=x),
    "train": lambda x: train(x=x),
    "reconstruction_error": lambda x: minimlp.reconstruction_error(P, x),
    "specialization_ratio": lambda x: minimlp.specialization_ratio(P, x),
    "expelled_fraction": lambda x: minimlp.expelled_fraction(P, x),
    "hull_distance": lambda x: minimlp.hull_distance(P, x),
    "forces": lambda x: minimlp.forces(PARAMS, x, TAUS),
}
TAKE_PROTOTYPES = {
    "softmin": lambda p: minimlp.softmin(p, X, 0.1),
    "coverage": lambda p: minimlp.coverage(p, X, 0.1),
    "separation": lambda p: minimlp.separation(p, 0.1),
    "reconstruction_error": lambda p: minimlp.reconstruction_error(p, X),
    "specialization_ratio": lambda p: minimlp.specialization_ratio(p, X),
    "expelled_fraction": lambda p: minimlp.expelled_fraction(p, X),
    "hull_distance": lambda p: minimlp.hull_distance(p, X),
}
TAKE_PARAMS = {
    "prototypes": minimlp.prototypes,
    "forward": lambda params: minimlp.forward(params, X),
    "backward": lambda params: backward(params),
    "objective": lambda params: objective(params),
    "train": lambda params: train(params),
    "forces": lambda params: minimlp.forces(params, X, TAUS),
}
TAKE_TEMPERATURE = {
    "softmin": lambda tau: minimlp.softmin(P, X, tau),
    "coverage": lambda tau: minimlp.coverage(P, X, tau),
    "separation": lambda tau: minimlp.separation(P, tau),
}
TAKE_LOSSES = {"objective": objective, "train": train}
TAKE_Y = {"objective": lambda y: objective(y=y), "train": lambda y: train(y=y),
          "forces": lambda y: minimlp.forces(PARAMS, X, TAUS, y)}

BAD_POINTS = [
    ([0.5, np.nan], "{}[1, 0] = nan"),
    ([[np.inf], [0.5]], "{}[0, 0] = inf"),
    ([-np.inf], "{}[0, 0] = -inf"),
    (0.5, "{} has shape ()"),
    (np.zeros((2, 1, 1)), "{} has shape (2, 1, 1)"),
    ([], "{} has shape (0, 1)"),
    (np.zeros((3, 0)), "{} has shape (3, 0)"),
    (["a", "b"], "{} has type <U1"),
    (np.array([0.5, None]), "{} has type object"),
    ([True, False], "{} has type bool"),
    (None, "{} has type object"),
    (RAGGED, "{}: ", "different lengths"),
]
BAD_PARAMS = [
    (tuple(PARAMS), "params = (array"),
    (None, "params = None"),
    (PARAMS._replace(w=np.array([2.0, np.nan])), "params.w[1] = nan"),
    (PARAMS._replace(b=np.array([[np.inf], [0.5]])), "params.b[0, 0] = inf"),
    (PARAMS._replace(v=np.array([1.0, -np.inf])), "params.v[1] = -inf"),
    (PARAMS._replace(c=np.array(np.nan)), "params.c", "= nan"),
    (PARAMS._replace(w=np.ones(3)), "params.w has shape (3,)"),
    (PARAMS._replace(v=np.ones((2, 1))), "params.v has shape (2, 1)"),
    (PARAMS._replace(c=np.ones(1)), "params.c has shape (1,)"),
    (PARAMS._replace(b=np.zeros((0, 1))), "params.b has shape (0, 1)"),
    (PARAMS._replace(w=["a", "b"]), "params.w has type <U1"),
]
BAD_SCALARS = [(0, "{} = 0"), (-0.5, "{} = -0.5"), (np.nan, "{} = nan"), (np.inf, "{} = inf"),
               ("0.1", "{} = '0.1'"), (True, "{} = True"), (None, "{} = None")]
BAD_COEFFICIENTS = BAD_SCALARS[1:]      # 0 is a coefficient


def each(functions, bad):
    """(function with its bad argument, fragments of the message), with a name for each."""
    for name, function in functions.items():
        for value, *fragments in bad:
            yield pytest.param(lambda f=function, value=value: f(value), fragments,
                               id=f"{name}-{'-'.join(fragments)}")


def about(name, bad):
    return [(value, *(fragment.format(name) for fragment in fragments))
            for value, *fragments in bad]


def with_losses(**arguments):
    """The functions of the objective's losses, bound to bad arguments."""
    return {name: lambda _, f=function: f(**arguments) for name, function in TAKE_LOSSES.items()}


def losses_refused():
    for value, fragment in BAD_COEFFICIENTS:
        yield {"coefficients": {"coverage": value}}, fragment.format("coefficients['coverage']")
    for value, fragment in BAD_SCALARS:
        yield ({"temperatures": {**TAUS, "separation": value}},
               fragment.format("temperatures['separation']"))
    yield {"coefficients": {"cover": 0.1}}, "coefficients['cover']"
    yield {"coefficients": {"fit": 0.1}}, "coefficients['fit']"
    yield {"coefficients": {"mine": 0.1}}, "coefficients['mine']"
    yield {"coefficients": "coverage"}, "coefficients = 'coverage'"
    yield {"coefficients": None}, "coefficients = None"
    yield {"temperatures": {**TAUS, "overlap": 0.1}}, "temperatures['overlap']"
    yield {"temperatures": 0.1}, "temperatures = 0.1"
    yield {"temperatures": {"coverage": 0.1}}, "temperatures['separation'] is missing"
    yield {"temperatures": {"separation": 0.1}}, "temperatures['coverage'] is missing"
    for name in ("fit", "coverage", "separation", "overlap"):
        yield {"extra": {name: lambda p: (0.0, p)}}, f"extra['{name}']"
    yield {"extra": {"mine": 3}}, "extra['mine'] = 3"
    yield {"extra": {"mine": lambda p: ("a", p)}, "coefficients": {"mine": 1}}, "extra['mine'] returned"
    yield {"extra": {"mine": lambda p: (1j, 1j * p)}, "coefficients": {"mine": 1}}, "extra['mine'] returned"
    for name in ("coverage", "separation"):
        yield ({"params": AT_INFINITY, "coefficients": {name: 0.1}}, "params.w[1] = 0")


REFUSED = [
    *each(TAKE_X, about("x", BAD_POINTS)),
    *each(TAKE_PROTOTYPES, about("prototypes", BAD_POINTS)),
    *each(TAKE_PARAMS, BAD_PARAMS),
    *each(TAKE_TEMPERATURE, about("temperature", BAD_SCALARS)),
    *(case for arguments, fragment in losses_refused()
      for case in each(with_losses(**arguments), [(None, fragment)])),
    *each(TAKE_Y, [(Y[:, None], "y has shape (3, 1)"), (Y[:2], "y has shape (2,)"),
                   ([], "y has shape (0,)"), (0.5, "y has shape ()"),
                   ([0.5, np.nan, 1], "y[1] = nan"), (["a", "b", "c"], "y has type <U1"),
                   ([[1], [2, 3], 4], "y: ", "different lengths")]),
    *each({"softmin": lambda x: minimlp.softmin(P, x, 0.1),
           "reconstruction_error": lambda x: minimlp.reconstruction_error(P, x),
           "hull_distance": lambda x: minimlp.hull_distance(P, x)},
          [(np.zeros((3, 2)), "prototypes has shape (4, 1)", "2)")]),
    *each({"forward": lambda x: minimlp.forward(PARAMS, x), "backward": lambda x: backward(x=x),
           "objective": lambda x: objective(x=x), "train": lambda x: train(x=x),
           "forces": lambda x: minimlp.forces(PARAMS, x, TAUS)},
          [(np.zeros((3, 2)), "params.b has shape (2, 1)", "2)")]),
    *each({"softmin": lambda offsets: minimlp.softmin(P, X, 0.1, offsets)},
          [(np.zeros(3), "offsets has shape (3,)", "(4,)"),
           (np.zeros((4, 1)), "offsets has shape (4, 1)"), (0.5, "offsets has shape ()"),
           ([0, 0, 0, np.nan], "offsets[3] = nan")]),
    *each({"overlap": minimlp.overlap},
          [(np.zeros(3), "hidden has shape (3,)"), (np.zeros((0, 2)), "hidden has shape (0, 2)"),
           (np.zeros((3, 0)), "hidden has shape (3, 0)"), ([[0.5, np.nan]], "hidden[0, 1] = nan"),
           (RAGGED, "hidden: ", "different lengths"), ([["a"]], "hidden has type <U1")]),
    *each({"backward": lambda hidden: backward(hidden=hidden)},
          [(HIDDEN.T, "hidden has shape (2, 3)", "(3, 2)"),
           (HIDDEN[:, 0], "hidden has shape (3,)")]),
    *each({"backward": lambda d_output: backward(d_output=d_output)},
          [(Y[:, None], "d_output has shape (3, 1)", "(3,)"), (Y[:2], "d_output has shape (2,)")]),
    *each({"backward": lambda d_hidden: backward(d_hidden=d_hidden)},
          [(HIDDEN.T, "d_hidden has shape (2, 3)", "(3, 2)"),
           (np.full((3, 2), np.nan), "d_hidden[0, 0] = nan"),
           (RAGGED, "d_hidden: ", "different lengths")]),
    *each({"train": lambda steps: train(steps=steps)},
          [(-1, "steps = -1"), (2.5, "steps = 2.5"), (True, "steps = True"), ("9", "steps = '9'")]),
    *each({"train": lambda rate: train(rate=rate)},
          about("rate", BAD_SCALARS)),
    *each({"init_params": lambda width: minimlp.init_params(X, width, 0)},
          [(0, "width = 0"), (-1, "width = -1"), (2.5, "width = 2.5"), (True, "width = True")]),
    *each({"prototypes": minimlp.prototypes,
           "forces": lambda params: minimlp.forces(params, X, TAUS)},
          [(AT_INFINITY, "params.w[1] = 0")]),
    *each({"forces": lambda tau: minimlp.forces(PARAMS, X, {"coverage": tau})},
          about("temperatures['coverage']", BAD_SCALARS)),
    *each({"forces": lambda temperatures: minimlp.forces(PARAMS, X, temperatures)},
          [({"overlap": 0.1}, "temperatures['overlap']"), (0.1, "temperatures = 0.1")]),
    *each({"init_params": lambda seed: minimlp.init_params(X, 2, seed)},
          [(None, "seed = None"), (-1, "seed = -1"), (0.5, "seed = 0.5"), ("a", "seed = 'a'")]),
    *each({"prototypes": minimlp.prototypes, "forces": lambda params: minimlp.forces(params, X, TAUS)},
          [(PARAMS._replace(w=np.array([2.0, 1e-300])), "params.w[1] = 1e-300")]),
    *each({"uniform_samples": lambda size: minimlp.uniform_samples(size, 0)},
          [(0, "size = 0"), (2.5, "size = 2.5")]),
    *each({"uniform_samples": lambda target: minimlp.uniform_samples(3, 0, target)},
          [("cos", "target = 'cos'")]),
]


@pytest.mark.parametrize("call, fragments", REFUSED)
def test_bad_input_is_refused_with_the_argument_and_its_value(call, fragments):
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert all(fragment in message for fragment in fragments), message


def test_a_temperature_that_is_ragged_is_named():
    with pytest.raises(InputError, match=r"temperatures\['coverage'\]"):
        train(temperatures={**TAUS, "coverage": RAGGED})


def test_a_share_that_underflows_gives_no_warning():
    values, gradient, *_ = minimlp.softmin([1e100, 0.0], [0.0], 1e-150)
    assert values == [0] and not gradient.any()
    assert minimlp.separation([1e100, 0.0], 1e-150)[0] == 0


def test_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


TAKE_BACKEND = {
    "forward": lambda backend: minimlp.forward(PARAMS, X, backend=backend),
    "backward": lambda backend: minimlp.backward(PARAMS, X, HIDDEN, Y, backend=backend),
    "softmin": lambda backend: minimlp.softmin(P, X, 0.1, backend=backend),
    "coverage": lambda backend: minimlp.coverage(P, X, 0.1, backend=backend),
    "separation": lambda backend: minimlp.separation(P, 0.1, backend=backend),
    "overlap": lambda backend: minimlp.overlap(HIDDEN, backend=backend),
    "objective": lambda backend: objective(backend=backend),
    "train": lambda backend: train(backend=backend),
}


@pytest.mark.parametrize("call", TAKE_BACKEND.values(), ids=TAKE_BACKEND)
def test_unknown_backend_is_refused(call):
    with pytest.raises(InputError, match="backend = 'cuda': .*numpy, cpu, gpu"):
        call("cuda")


@pytest.mark.parametrize("call", TAKE_BACKEND.values(), ids=TAKE_BACKEND)
def test_unavailable_backend_is_refused_with_the_reason(call, monkeypatch):
    monkeypatch.setitem(dispatch.BACKENDS, "gpu", ("not_built_here",))
    with pytest.raises(InputError, match="backend = 'gpu': .*not_built_here"):
        call("gpu")
    assert "not_built_here" in minimlp.available_backends()["gpu"]


@pytest.mark.parametrize("name, module", [
    ("softmin", "simd"), ("coverage", "simd"), ("sinkhorn", "transport"), ("balanced", "transport"),
    ("objective", "objective"), ("train", "training"), ("forward", "objective"),
    ("separation", "objective"), ("backward", "cpu"), ("overlap", "cpu")])
def test_the_cpu_backend_runs_the_tuned_twin_where_there_is_one(name, module):
    assert dispatch.twin(name, "cpu").__module__ == f"minimlp.kernels.{module}"


def test_the_objective_by_kernels_takes_the_tuned_coverage():
    assert importlib.import_module("minimlp.kernels.objective").coverage is dispatch.twin("coverage", "cpu")


def test_available_backends_names_three_and_says_why_one_is_missing():
    reasons = minimlp.available_backends()
    assert list(reasons) == ["numpy", "cpu", "gpu"]
    assert reasons["numpy"] is None
    for reason in reasons.values():
        assert reason is None or (reason.strip() and "\n" not in reason)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_backend_works_exactly_if_no_reason_is_given(backend):
    if minimlp.available_backends()[backend] is None:
        assert np.isfinite(minimlp.coverage(P, X, 0.1, backend=backend)[0])
    else:
        with pytest.raises(InputError, match=f"backend = '{backend}'"):
            minimlp.coverage(P, X, 0.1, backend=backend)


def test_without_numba_only_the_fast_backends_are_refused():
    code = ("import sys, numpy as np; sys.modules['numba'] = None\n"
            "import minimlp; print(minimlp.available_backends())\n"
            "p = np.zeros((2, 1)); print(minimlp.coverage(p, p, 1.0)[0])\n"
            "try: minimlp.coverage(p, p, 1.0, backend='cpu')\n"
            "except minimlp.InputError as error: print(error)")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    reasons, value, message = run.stdout.splitlines()
    assert eval(reasons)["numpy"] is None and "numba" in eval(reasons)["cpu"]
    assert np.isfinite(float(value))
    assert message.startswith("backend = 'cpu': not available: ") and "numba" in message


def test_a_reason_of_several_lines_is_told_in_one(monkeypatch):
    def broken(backend):
        raise ImportError("Numba needs\n  another NumPy")
    monkeypatch.setattr(dispatch, "kernels", broken)
    assert minimlp.available_backends()["cpu"] == "not available: Numba needs another NumPy"
    with pytest.raises(InputError, match="'cpu': not available: Numba needs another NumPy"):
        minimlp.coverage(P, X, 0.1, backend="cpu")


@pytest.mark.parametrize("call", TAKE_BACKEND.values(), ids=TAKE_BACKEND)
def test_the_cpu_backend_computes_what_the_reference_does(call):
    ours, theirs = as_numbers(call("cpu")), as_numbers(call("numpy"))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("call", [
    lambda: minimlp.forward(TILTED, X, backend="cpu"),
    lambda: minimlp.coverage(P + 1e-30j, X, 0.1, backend="cpu"),
    lambda: minimlp.separation(P + 0j, 0.1, backend="cpu"),
    lambda: minimlp.overlap(HIDDEN + 0j, backend="cpu"),
    lambda: objective(TILTED, backend="cpu")],
    ids=["forward", "coverage", "separation", "overlap", "objective"])
def test_the_cpu_backend_refuses_complex_numbers(call):
    with pytest.raises(InputError, match="backend = 'cpu' takes real numbers, not complex128"):
        call()


@pytest.mark.parametrize("change", [
    lambda a: np.asfortranarray(a), lambda a: np.repeat(a, 2, axis=0)[::2],
    lambda a: a.astype(a.dtype.newbyteorder()),
    lambda a: np.frombuffer(a.tobytes()).reshape(a.shape), lambda a: a[::-1][::-1]],
    ids=["by columns", "every second", "other byte order", "read only", "twice turned"])
def test_the_layout_of_an_array_in_memory_changes_no_bit(change):
    p, x = np.random.default_rng(0).normal(size=(2, 5, 3))
    one = minimlp.softmin(p, x, 0.1, p[:, 0], backend="cpu")
    two = minimlp.softmin(change(p), change(x), 0.1, change(p[:, 0]), backend="cpu")
    for a, b in zip(one, two):
        assert a.tobytes() == b.tobytes()


def test_mixed_types_are_computed_in_the_wider_one():
    narrow, wide = P.astype(np.float32), X / 3
    ours = minimlp.coverage(narrow, wide, 0.1, backend="cpu")
    assert ours[1].dtype == np.float64
    assert ours[0] == pytest.approx(minimlp.coverage(narrow, wide, 0.1)[0], rel=1e-12)


def test_forward_needs_no_finite_prototype():
    _, hidden = minimlp.forward(AT_INFINITY, X)
    np.testing.assert_allclose(hidden[:, 1], np.exp(-0.5 * 0.5 ** 2), rtol=1e-15)


@pytest.mark.parametrize("coefficients", [{}, {"overlap": 0.3}, {"coverage": 0.0}])
def test_objective_needs_no_finite_prototype_without_a_loss_of_prototypes(coefficients):
    assert np.isfinite(objective(AT_INFINITY, coefficients=coefficients)[0])


def test_inactive_losses_need_no_temperature():
    coefficients = {"coverage": 0, "separation": 0, "overlap": 0.3}
    assert objective(coefficients=coefficients, temperatures={})[0] == objective(
        coefficients=coefficients)[0]


@pytest.mark.parametrize("call", [
    lambda p: minimlp.softmin(p, X, 0.1), lambda p: minimlp.coverage(p, X, 0.1),
    lambda p: minimlp.separation(p, 0.1)], ids=["softmin", "coverage", "separation"])
def test_flat_prototypes_give_a_flat_gradient(call):
    flat, column = call(P[:, 0]), call(P)
    assert flat[1].shape == (4,) and column[1].shape == (4, 1)
    np.testing.assert_array_equal(flat[1], column[1][:, 0])
    np.testing.assert_array_equal(flat[0], column[0])


def as_numbers(result):
    """Every number of a (nested) result, in order."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return np.concatenate([as_numbers(part) for part in result])
    return np.ravel([] if result is None else result).astype(float)


@pytest.mark.parametrize("call", TAKE_X.values(), ids=TAKE_X)
def test_flat_x_means_one_dimension(call):
    np.testing.assert_array_equal(as_numbers(call(X[:, 0])), as_numbers(call(X)))


@pytest.mark.parametrize("call", TAKE_X.values(), ids=TAKE_X)
def test_integer_x_means_floats(call):
    x = np.array([[-1], [0], [2]])
    np.testing.assert_array_equal(as_numbers(call(x)), as_numbers(call(x.astype(float))))


@pytest.mark.parametrize("call", TAKE_PROTOTYPES.values(), ids=TAKE_PROTOTYPES)
def test_integer_prototypes_mean_floats(call):
    p = np.array([[-1], [0], [2]])
    np.testing.assert_array_equal(as_numbers(call(p)), as_numbers(call(p.astype(float))))


@pytest.mark.parametrize("call", TAKE_PARAMS.values(), ids=TAKE_PARAMS)
def test_integer_params_mean_floats(call):
    integers = Params(w=np.array([2, -3]), b=np.array([[1], [2]]), v=np.array([1, -2]),
                      c=np.array(1))
    floats = Params(*(array.astype(float) for array in integers))
    np.testing.assert_array_equal(as_numbers(call(integers)), as_numbers(call(floats)))


def test_lists_are_accepted():
    value, gradient = minimlp.coverage([0.5, -1.25], [-0.5, 0.25, 1.0], 1)
    expected = minimlp.coverage(P[:2], X, 1.0)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1][:, 0])


@pytest.mark.parametrize("call", [
    lambda: minimlp.init_params(X, 2, 0),
    lambda: minimlp.forward(PARAMS, X),
    lambda: backward(d_hidden=HIDDEN),
    lambda: minimlp.prototypes(PARAMS),
    lambda: minimlp.softmin(P, X, 0.1, OFFSETS),
    lambda: minimlp.coverage(P, X, 0.1),
    lambda: minimlp.separation(P, 0.1),
    lambda: minimlp.overlap(HIDDEN),
    lambda: objective(extra={"mine": lambda p: (np.sum(p * p), 2 * p)}),
    lambda: train(steps=3),
    lambda: minimlp.reconstruction_error(P, X),
    lambda: minimlp.specialization_ratio(P, X),
    lambda: minimlp.expelled_fraction(P, X),
    lambda: minimlp.hull_distance(P, X),
    lambda: minimlp.forces(PARAMS, X, TAUS, Y),
])
def test_inputs_are_never_modified(call):
    arrays = [X, Y, P, HIDDEN, OFFSETS, *PARAMS]
    before = [array.copy() for array in arrays]
    call()
    for array, copy in zip(arrays, before):
        np.testing.assert_array_equal(array, copy)


def test_results_share_no_memory_with_the_inputs():
    training = train(steps=0)
    assert not any(np.shares_memory(new, old) for new, old in zip(training.params, PARAMS))


@pytest.mark.parametrize("call", [
    lambda: minimlp.prototypes(TILTED),
    lambda: minimlp.forward(TILTED, X)[0],
    lambda: minimlp.softmin(P + 1e-30j, X, 0.1)[0],
    lambda: minimlp.coverage(P + 1e-30j, X, 0.1)[0],
    lambda: minimlp.separation(P * (1 + 1e-30j), 0.1)[0],
    lambda: minimlp.overlap(HIDDEN + 1e-30j)[0],
    lambda: objective(TILTED)[0],
], ids=["prototypes", "forward", "softmin", "coverage", "separation", "overlap", "objective"])
def test_complex_input_keeps_its_imaginary_part(call):
    result = np.asarray(call())
    assert result.dtype.kind == "c"
    assert np.any(result.imag != 0)


ONE_UNIT = Params(*(array[:1] if array.ndim else array for array in PARAMS))


@pytest.mark.parametrize("params", [PARAMS, ONE_UNIT], ids=["M=2", "M=1"])
@pytest.mark.parametrize("x", [X, X[:1], np.full((3, 1), 0.25)], ids=["N=3", "N=1", "x equal"])
def test_smallest_and_degenerate_problems_are_computed(params, x):
    y, p = Y[:len(x)], minimlp.prototypes(params)
    enough = np.repeat(p, 3, axis=0)
    results = [
        minimlp.init_params(x, len(p), 0), minimlp.forward(params, x),
        minimlp.softmin(p, x, 0.1), minimlp.coverage(p, x, 0.1), minimlp.separation(p, 0.1),
        objective(params, x, y), train(params, x, y, steps=3),
        minimlp.reconstruction_error(enough, x), minimlp.specialization_ratio(p, x),
        minimlp.expelled_fraction(p, x), minimlp.hull_distance(p, x),
        [part for force in minimlp.forces(params, x, TAUS, y).values() for part in force]]
    assert np.isfinite(as_numbers(results)).all()


def test_one_unit_has_no_pairs():
    p = minimlp.prototypes(ONE_UNIT)
    assert minimlp.separation(p, 0.1) == (0.0, np.zeros((1, 1)))
    value, gradient = minimlp.overlap(HIDDEN[:, :1])
    assert value == 0 and not gradient.any()


@pytest.mark.parametrize("temperature", [1e-39, 1e38])
@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_float32_has_a_narrower_range_of_temperatures(temperature, backend):
    p, x = P.astype(np.float32), X.astype(np.float32)
    for call in (lambda: minimlp.coverage(p, x, temperature, backend=backend),
                 lambda: minimlp.separation(p, temperature, backend=backend),
                 lambda: minimlp.softmin(p, x, temperature, backend=backend)):
        with pytest.raises(InputError, match="temperature = .*between 1e-30 and 1e\\+30"):
            call()
    params = minimlp.init_params(x, 3, 0)
    with pytest.raises(InputError, match=r"temperatures\['coverage'\] = .*between 1e-30 and 1e\+30"):
        minimlp.train(params, x, x[:, 0], {"coverage": 1}, {"coverage": temperature}, backend=backend)
    assert np.isfinite(minimlp.coverage(P, x, temperature, backend=backend)[0])


def test_numba_with_a_bad_setting_leaves_the_reference():
    run = subprocess.run([sys.executable, "-m", "minimlp", "info"], capture_output=True, text=True, check=True,
                         env={**os.environ, "NUMBA_NUM_THREADS": "0"})
    assert re.search("numpy +works\ncpu +not available: .*threads", run.stdout)
