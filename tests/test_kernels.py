"""The CPU kernels against the reference and the loops: every function, shape, type and edge case.

Under NUMBA_DISABLE_JIT=1 the kernels run as plain Python, and the tables shrink: this is how
mutations.py runs them.
"""

import csv
import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from numba import config, njit

import minimlp
import naive
from cases import CASES, TEMPERATURES, Case, bound, farthest, make, wide
from minimlp import Params, gaussian, loss, prototypes, relative_error, structural, transport
from minimlp.cli import main
from minimlp.kernels import cpu, gpu, gpu_twins, intrinsics, objective, scalar, simd, steps, training
from minimlp.kernels import transport as balancing
from minimlp.loss import PAIRED
from minimlp.train import train as reference_train

INTERPRETED, SIMULATED = bool(config.DISABLE_JIT), bool(config.ENABLE_CUDASIM)
SMALL = INTERPRETED or SIMULATED or bool(config.CPU_NAME)
ON_DEVICE = gpu.missing() is None or "MINIMLP_REQUIRE_GPU" in os.environ
TILE = simd.TILE
if SIMULATED:                   # tiles so small that these few points fill several
    TILE, gpu.GROUP, gpu_twins.BLOCKS = gpu.THREADS, 16, 3
EPS32 = np.finfo(np.float32).eps
EPS_OF = {np.float32: EPS32, np.float64: np.finfo(float).eps}
WEIGHTS = {"coverage": 0.1, "separation": 0.7, "overlap": 0.3}
MASKS = [mask for size in range(4) for mask in combinations(PAIRED, size)]
REFERENCE = {function.__name__: function for function in (
    gaussian.forward, gaussian.backward, structural.softmin, structural.coverage,
    structural.separation, structural.overlap, loss.objective, reference_train,
    transport.sinkhorn, transport.balanced)}
MODULES = (cpu, simd, objective, training, balancing, *((gpu_twins,) if ON_DEVICE else ()))
TWINS = {name: [getattr(module, name) for module in MODULES
                if getattr(getattr(module, name, None), "__module__", "") == module.__name__]
         for name in REFERENCE}

# Around the edges of a tile (512 prototypes where compiled), of a vector (8 or 16) and of four samples.
EDGES = [Case(f"{n} x {m} x {d}", n, m, d) for n, m, d in (
    (1, 511, 1), (5, 512, 2), (3, 513, 9), (17, 600, 8), (65, 1025, 3), (4, 512, 1), (65, 513, 1),
    (1, 1025, 2), (1, 7, 8), (3, 8, 9), (4, 9, 1), (5, 15, 2), (17, 16, 3), (65, 17, 8),
    (17, 33, 1), (65, 1, 9), (5, 64, 3), (600, 64, 1), (37, 19, 64))]
if SMALL:
    CASES = [case for case in CASES if case.name in (
        "line", "space", "one of each", "one unit", "equal pairs")]
    EDGES = [(69, TILE + 1, 2), (6, 9, 1), (9, 17, 4)] if not SIMULATED else [(17, 9, 1), (5, 9, 17)]
    EDGES = [Case(f"{n} x {m} x {d}", n, m, d) for n, m, d in EDGES]
    TEMPERATURES = (1e-3, 1.0)
ALL = [*CASES, *EDGES]
if INTERPRETED:             # compiled code overflows without a word
    pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
every_case = pytest.mark.parametrize("case", ALL, ids=str)
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)
# Of shifted data w x + b cancels to 1000 eps: in float32 too much for 1e-5.
every_case_that_float32_can_compute = pytest.mark.parametrize("case, dtype", [
    pytest.param(case, dtype, id=f"{case}-{name}") for case in ALL
    for name, dtype in (("f8", np.float64), ("f4", np.float32)) if name == "f8" or not case.shift])
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])


def twins(name):
    return pytest.mark.parametrize("twin", [
        pytest.param(twin, id=twin.__module__.split(".")[-1],
                     marks=[pytest.mark.gpu] if twin.__module__ == gpu_twins.__name__ else [])
        for twin in TWINS[name]])


def points(case, dtype=np.float64):
    params, x, _ = make(case, dtype=dtype)
    return prototypes(params), x


def offsets_of(case, dtype=np.float64):
    return np.random.default_rng(5).normal(0, 1, case.units).astype(dtype)


def test_every_function_of_the_reference_with_a_backend_has_twins():
    with_backend = {name for name in minimlp.__all__ if inspect.isfunction(getattr(minimlp, name))
                    and "backend" in inspect.signature(getattr(minimlp, name)).parameters
                    # one hands it on to `train`, the other's twin is tested in test_feature_learning.py
                    and name not in ("train_with_repair", "train_to_risk")}
    assert with_backend == set(REFERENCE)
    assert {name: len(found) - ON_DEVICE for name, found in TWINS.items()} == {
        **dict.fromkeys(REFERENCE, 1), "softmin": 2, "coverage": 2, "forward": 2, "separation": 2}


@pytest.mark.parametrize("name", REFERENCE)
def test_a_twin_has_the_parameters_of_the_reference(name):
    expected = [(p.name, p.default) for p in
                inspect.signature(REFERENCE[name]).parameters.values()]
    if name == "train":
        assert expected[-2:] == [("objective", loss.objective), ("sinkhorn", transport.sinkhorn)]
        del expected[-2:]                   # of which its loop is made
    for twin in TWINS[name]:
        assert [(p.name, p.default) for p in
                inspect.signature(twin).parameters.values()] == expected
        assert twin.__doc__.startswith(f"See {REFERENCE[name].__module__.split('.')[-1]}.{name}.")


@twins("softmin")
@every_dtype
@every_case
@every_temperature
@pytest.mark.parametrize("with_offsets", [False, True], ids=["", "offsets"])
def test_softmin_equals_the_reference(twin, case, temperature, dtype, with_offsets):
    p, x = points(case, dtype)
    offsets = offsets_of(case, dtype) if with_offsets else None
    values, gradient, nearest, distance = twin(p, x, temperature, offsets)
    p64, x64 = wide(p, x)
    offsets64 = None if offsets is None else offsets.astype(float)
    expected = structural.softmin(p64, x64, temperature, offsets64)

    costs = ((x64[:, None] - p64) ** 2).sum(axis=2) - (0 if offsets is None else offsets64)
    least = costs.min(axis=1)
    base, eps = (1e-12 if dtype == np.float64 else 1e-5), EPS_OF[dtype]
    limit = bound(base, farthest(x, p), temperature, eps)
    assert values.dtype == gradient.dtype == distance.dtype == dtype and nearest.dtype == np.int64
    assert gradient.shape == p.shape
    assert values.shape == nearest.shape == distance.shape == (len(x),)
    assert relative_error(values, expected[0]) <= base
    assert relative_error(gradient, expected[1]) <= limit
    chosen = costs[np.arange(len(x)), nearest]
    assert (chosen - least <= 4 * eps * np.abs(least)).all()
    assert relative_error(distance, np.sqrt(((x64 - p64[nearest]) ** 2).sum(axis=1))) <= base


@twins("softmin")
@pytest.mark.parametrize("case", [c for c in ALL if c.samples * c.units <= 600], ids=str)
@every_temperature
def test_softmin_equals_the_loops(twin, case, temperature):
    p, x = points(case)
    values, gradient, nearest, _ = twin(p, x, temperature, offsets_of(case))
    expected = naive.softmin(p, x, temperature, offsets_of(case))
    assert relative_error(values, expected[0]) <= 1e-12
    assert relative_error(gradient, expected[1]) <= bound(1e-12, farthest(x, p), temperature)


@twins("softmin")
@every_dtype
@pytest.mark.parametrize("first, second", [(0, 1), (7, 8), (TILE - 1, TILE), (3, TILE + 3),
                                           (TILE, TILE + 1)])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_nearest_of_equals_is_the_first_across_tiles(twin, dtype, dimensions, first, second):
    p, x = np.zeros((TILE + 8, dimensions), dtype), np.zeros((2, dimensions), dtype)
    p[:, 0], x[:, 0] = np.arange(2, TILE + 10), (0.5, -1)
    p[first] = p[second] = 1
    assert twin(p, x, 0.02)[2].tolist() == [first, first]


@twins("softmin")
@every_dtype
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("order", [1, -1], ids=["nearer and nearer", "further and further"])
def test_a_nearer_prototype_in_a_later_tile_outweighs_the_others(twin, dtype, dimensions, order):
    units = TILE + 8
    p = np.linspace(2, 1, units * dimensions).reshape(units, -1).astype(dtype)[::order]
    x = np.zeros((2, dimensions), dtype)
    values, gradient, nearest, _ = twin(p, x, 0.5)
    expected = structural.softmin(*wide(p, x), 0.5)
    limit = bound(1e-12 if dtype == np.float64 else 1e-5, farthest(p, x), 0.5, EPS_OF[dtype])
    assert nearest.tolist() == [units - 1 if order == 1 else 0] * 2
    assert relative_error(values, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit


@twins("softmin")
@every_dtype
@pytest.mark.parametrize("dimensions", [1, 2, 9])
@pytest.mark.parametrize("units", [3, TILE + 1])
def test_prototypes_at_the_largest_coordinates_are_still_prototypes(twin, dtype, dimensions, units):
    largest = dtype(minimlp.checks.LARGEST[np.dtype(dtype).str[1:]])
    p, x = np.full((units, dimensions), -largest), np.full((2, dimensions), largest)
    values, gradient, nearest, distance = twin(p, x, 1.0)
    assert nearest.tolist() == [0, 0]
    assert relative_error(values / largest ** 2, np.full(2, 4.0 * dimensions)) <= 1e-6
    assert relative_error(gradient / largest, np.full(p.shape, -4 / units)) <= 1e-5


@twins("softmin")
@every_dtype
@pytest.mark.parametrize("units", [1, 3, TILE + 1])
def test_a_temperature_above_every_distance_shares_samples_evenly(twin, dtype, units):
    """No place of a tile beyond the last prototype gets a share, far as the softmin reaches."""
    temperature = {np.float32: 1e37, np.float64: 1e150}[dtype]
    p, x = np.linspace(-1, 1, units).astype(dtype)[:, None], np.array([[0.5], [-0.25]], dtype)
    values, gradient, _, _ = twin(p, x, temperature)
    expected = structural.softmin(*wide(p, x), temperature)
    assert relative_error(values, expected[0]) <= 1e-5
    assert relative_error(gradient, expected[1]) <= 1e-5


@twins("coverage")
@every_dtype
@every_case
@every_temperature
def test_coverage_equals_the_reference(twin, case, temperature, dtype):
    p, x = points(case, dtype)
    value, gradient = twin(p, x, temperature)
    expected = structural.coverage(*wide(p, x), temperature)
    base = 1e-12 if dtype == np.float64 else 1e-5
    limit = bound(base, farthest(x, p), temperature, EPS_OF[dtype])
    assert value.dtype == gradient.dtype == dtype
    assert relative_error(value, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit


@twins("separation")
@every_dtype
@every_case
@every_temperature
def test_separation_equals_the_reference(twin, case, temperature, dtype):
    p, _ = points(case, dtype)
    value, gradient = twin(p, temperature)
    expected = structural.separation(*wide(p), temperature)
    base = 1e-12 if dtype == np.float64 else 1e-5
    limit = bound(base, farthest(p, p), temperature, EPS_OF[dtype])
    assert value.dtype == gradient.dtype == dtype
    assert relative_error(value, expected[0]) <= limit
    assert relative_error(gradient, expected[1]) <= limit


@twins("overlap")
@every_dtype
@every_case
def test_overlap_equals_the_reference(twin, case, dtype):
    hidden = np.random.default_rng(6).uniform(0, 1, (case.samples, case.units)).astype(dtype)
    value, gradient = twin(hidden)
    expected = structural.overlap(*wide(hidden))
    base = 1e-12 if dtype == np.float64 else 1e-5
    assert value.dtype == gradient.dtype == dtype
    assert relative_error(value, expected[0]) <= base
    assert relative_error(gradient, expected[1]) <= base


@twins("overlap")
def test_overlap_of_very_narrow_units_does_not_cancel(twin):
    hidden = np.array([[1e-20, 1.0, 3e-20], [1e-15, 1e-18, 1.0]])
    value, gradient = twin(hidden)
    assert relative_error(value, (4e-20 + 1e-15 + 1e-18) / 6) <= 1e-12
    np.testing.assert_allclose(gradient, np.array([[1, 4e-20, 1], [1, 1, 1.001e-15]]) / 6,
                               rtol=1e-12)


def sensitivities(case, dtype):
    random = np.random.default_rng(7)
    return (random.normal(size=case.samples).astype(dtype),
            random.normal(size=(case.samples, case.units)).astype(dtype))


@twins("forward")
@every_case_that_float32_can_compute
def test_forward_equals_the_reference(twin, case, dtype):
    params, x, _ = make(case, dtype=dtype)
    output, hidden = twin(params, x)
    expected = gaussian.forward(*wide(params, x))
    base = 1e-12 if dtype == np.float64 else 1e-5
    assert output.dtype == hidden.dtype == dtype
    assert relative_error(output, expected[0]) <= base
    assert relative_error(hidden, expected[1]) <= base


@twins("backward")
@every_case_that_float32_can_compute
@pytest.mark.parametrize("with_hidden", [False, True], ids=["", "d_hidden"])
def test_backward_equals_the_reference(twin, case, dtype, with_hidden):
    params, x, _ = make(case, dtype=dtype)
    d_output, d_hidden = sensitivities(case, dtype)
    hidden = gaussian.forward(params, x)[1]
    gradient = twin(params, x, hidden, d_output, *([d_hidden] if with_hidden else []))
    params64, x64, d_output64, d_hidden64 = wide(params, x, d_output, d_hidden)
    expected = gaussian.backward(params64, x64, gaussian.forward(params64, x64)[1], d_output64,
                                 d_hidden64 if with_hidden else 0.0)
    base = 1e-12 if dtype == np.float64 else 1e-5
    for field, (ours, theirs) in zip(Params._fields, zip(gradient, expected)):
        assert ours.dtype == dtype and ours.shape == theirs.shape, field
        scale = np.abs(theirs).max() if field != "c" else np.abs(d_output).max()    # c may cancel
        assert np.abs(ours - theirs).max() <= base * max(scale, 1e-30), field


def growth(params, x, temperatures, eps):
    p = prototypes(params)
    return max(bound(0, farthest(x, p), temperatures["coverage"], eps),
               bound(0, farthest(p, p), temperatures["separation"], eps))


@twins("objective")
@every_case_that_float32_can_compute
@pytest.mark.parametrize("temperatures", [(0.02, 0.001), (1.0, 0.1), (100.0, 100.0)])
def test_objective_equals_the_reference(twin, case, temperatures, dtype):
    temperatures = dict(zip(PAIRED, temperatures))
    params, x, y = make(case, dtype=dtype)
    value, gradient, terms = twin(params, x, y, WEIGHTS, temperatures)
    params64, x64, y64 = wide(params, x, y)
    expected = loss.objective(params64, x64, y64, WEIGHTS, temperatures)
    limit = growth(params64, x64, temperatures, EPS_OF[dtype])
    limit += 1e-12 if dtype == np.float64 else 1e-5
    assert list(terms) == list(expected[2])
    assert {np.dtype(dtype)} == {np.asarray(a).dtype for a in (*gradient, *terms.values())}
    assert relative_error(np.asarray(value, dtype), expected[0]) <= limit
    assert relative_error(gradient.to_vector(), expected[1].to_vector()) <= limit
    for name in terms:
        assert relative_error(terms[name], expected[2][name]) <= limit, name


@twins("objective")
@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "+".join(mask) or "fit alone")
def test_objective_equals_the_reference_for_every_mask_with_a_loss_of_the_users_own(twin, mask):
    params, x, y = make(next(case for case in ALL if case.name == "space"))
    temperatures = {"coverage": 0.5, "separation": 0.3}
    extra = {"far": lambda p: ((p ** 4).sum(), 4 * p ** 3)}
    for coefficients in ({name: WEIGHTS[name] for name in mask},
                         {name: WEIGHTS[name] for name in mask} | {"far": 0.2}):
        value, gradient, terms = twin(params, x, y, coefficients, temperatures, extra)
        expected = loss.objective(params, x, y, coefficients, temperatures, extra)
        assert list(terms) == list(expected[2])
        assert relative_error(value, expected[0]) <= 1e-12
        assert relative_error(gradient.to_vector(), expected[1].to_vector()) <= 1e-12


@twins("objective")
def test_a_coefficient_of_zero_equals_an_absent_one_bit_for_bit(twin):
    params, x, y = make(next(case for case in ALL if case.name == "space"))
    for mask in MASKS[:4] if SIMULATED else MASKS:
        absent = {name: WEIGHTS[name] for name in mask}
        one, two = (twin(params, x, y, coefficients, {"coverage": 0.5, "separation": 0.3})
                    for coefficients in (absent, dict.fromkeys(PAIRED, 0) | absent))
        assert (one[0], one[2]) == (two[0], two[2])
        assert one[1].to_vector().tobytes() == two[1].to_vector().tobytes()


@njit
def exp2_of_all(y, out):
    for i in range(len(y)):
        out[i] = intrinsics.exp2(y[i])


@pytest.mark.parametrize("dtype, lowest, exact, limit", [
    (np.float64, -1020, np.longdouble, 2e-16), (np.float32, -124, np.float64, 2e-7)],
    ids=["f8", "f4"])
def test_exp2_over_its_whole_range(dtype, lowest, exact, limit):
    if np.finfo(exact).eps > 0.01 * np.finfo(dtype).eps:
        pytest.skip("long double is no longer than double here")
    random, count = np.random.default_rng(0), 10**3 if SMALL else 2 * 10**5
    y = np.concatenate([
        random.uniform(lowest, 0, count), random.uniform(-2, 0, count),
        -10 ** random.uniform(-320 if dtype == np.float64 else -44, 0, count),
        np.arange(lowest, 0.25, 0.5)]).astype(dtype)
    near = [np.nextafter(y, dtype(-np.inf)), np.nextafter(y, dtype(np.inf))]
    y = np.concatenate([y, *near])
    y = y[(y > lowest) & (y <= 0)]
    out = np.empty_like(y)
    exp2_of_all(y, out)
    expected = np.exp2(y.astype(exact))
    assert np.abs((out - expected) / expected).max() <= limit
    assert (out <= 1).all() and (out[y == 0] == 1).all() and (y == 0).any()


@every_dtype
def test_exp2_of_whole_numbers_is_exact(dtype):
    y = -np.arange(0, 1020 if dtype == np.float64 else 124).astype(dtype)
    out = np.empty_like(y)
    exp2_of_all(y, out)
    assert (out == dtype(2) ** y).all()


@every_dtype
def test_exp2_underflows_to_zero(dtype):
    lowest = dtype(-1020 if dtype == np.float64 else -124)
    y = np.array([lowest, np.nextafter(lowest, dtype(-np.inf)), 2 * lowest, -1e30, -np.inf], dtype)
    out = np.empty_like(y)
    exp2_of_all(y, out)
    assert (out == 0).all()


def run_python(*arguments, **environment):
    """The output of another Python; its Numba is set by the environment."""
    result = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True,
                            env=os.environ | environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


HASHES = """
import hashlib, numba, numpy as np
from minimlp import init_params
from minimlp.kernels import cpu, objective, simd

def numbers(result):
    if isinstance(result, dict):
        result = result.values()
    if isinstance(result, np.ndarray) or np.isscalar(result):
        return np.asarray(result).tobytes()
    return b"".join(numbers(part) for part in result)

for dtype in (np.float64, np.float32):
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (515, 2)).astype(dtype), random.normal(size=515).astype(dtype)
    params = init_params(x, 530, 1)
    p, hidden = -params.b / params.w[:, None], cpu.forward(params, x)[1]
    calls = {
        "simd.softmin": lambda: simd.softmin(p, x, 0.02),
        "simd.coverage": lambda: simd.coverage(p, x, 0.02),
        "cpu.softmin": lambda: cpu.softmin(p, x, 0.02),
        "cpu.separation": lambda: cpu.separation(p, 0.02),
        "separation": lambda: objective.separation(p, 0.02),
        "forward": lambda: objective.forward(params, x),
        "cpu.overlap": lambda: cpu.overlap(hidden),
        "cpu.forward": lambda: cpu.forward(params, x),
        "cpu.backward": lambda: cpu.backward(params, x, hidden, y, hidden),
        "objective": lambda: objective.objective(params, x, y, dict(coverage=1, separation=1,
            overlap=1), dict(coverage=0.02, separation=0.02))}
    for name, call in calls.items():
        for threads in (1, 2, 3, 8):
            numba.set_num_threads(threads)
            print(name, threads, hashlib.sha256(numbers(call())).hexdigest())
"""


@pytest.mark.skipif(INTERPRETED, reason="plain Python has no threads")
def test_the_number_of_threads_changes_no_bit():
    lines = [line.split() for line in
             run_python("-c", HASHES, NUMBA_NUM_THREADS="8").splitlines()]
    assert len(lines) == 2 * 10 * 4
    for at in range(0, len(lines), 4):
        names, threads, hashes = zip(*lines[at:at + 4])
        assert threads == ("1", "2", "3", "8") and len(set(names)) == 1
        assert len(set(hashes)) == 1, names[0]


TRAIN_WEIGHTS = {"coverage": 0.1, "separation": 0.1, "overlap": 0.1}
TRAIN_TEMPERATURES = {"coverage": 0.02, "separation": 0.001}
TRAIN_SHAPES = [(3, 3, 1), (10, 10, 1), (50, 50, 1), (100, 100, 1), (5, 17, 3), (9, 2, 2),
                (1, 1, 1), (1, 4, 1), (7, 1, 2), (65, 9, 8)]
STEPS = 300
if SMALL:
    TRAIN_SHAPES, STEPS = [(3, 3, 1), (6, 17, 3)], 20


def start(samples, units, dimensions, dtype=np.float64):
    x = np.random.default_rng([7, samples, dimensions]).uniform(-1, 1, (samples, dimensions))
    x = x.astype(dtype)
    return minimlp.init_params(x, units, [7, units]), x, np.sin(np.pi * x[:, 0])


def both(params, x, y, coefficients, *settings, **options):
    return [function(params, x, y, coefficients, TRAIN_TEMPERATURES, *settings, **options)
            for function in (training.train, reference_train)]


def assert_same_training(ours, theirs, limit=1e-11):
    """Losses count against 1, their size at the start: a good fit is a small difference."""
    assert (ours.steps, ours.diverged) == (theirs.steps, theirs.diverged)
    assert list(ours.terms) == list(theirs.terms)
    assert [a.shape for a in ours.params] == [a.shape for a in theirs.params]
    assert relative_error(ours.params.to_vector(), theirs.params.to_vector()) <= limit
    for name in ("value", *ours.terms):
        one, two = (training._asdict() | training.terms for training in (ours, theirs))
        assert abs(one[name] - two[name]) <= limit * max(abs(two[name]), 1), name


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "+".join(mask) or "fit alone")
@pytest.mark.parametrize("shape", TRAIN_SHAPES, ids=str)
def test_training_stays_with_the_reference(shape, mask):
    coefficients = {name: TRAIN_WEIGHTS[name] for name in mask}
    assert_same_training(*both(*start(*shape), coefficients, STEPS))


@pytest.mark.parametrize("shape", [(7, TILE + 20, 1), (5, TILE + 1, 2), (3, 2 * TILE + 1, 3)], ids=str)
def test_training_of_more_units_than_a_tile_holds(shape):
    steps = 3 if INTERPRETED or shape[1] > 1000 else 100
    assert_same_training(*both(*start(*shape), TRAIN_WEIGHTS, steps))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_training_from_every_edge_case(case):
    params, x, y = make(case)
    limit = 1e-11 + growth(params, x, TRAIN_TEMPERATURES, EPS_OF[np.float64])
    assert_same_training(*both(params, x, y, TRAIN_WEIGHTS, 5), limit)


def test_a_long_training_is_taken_in_chunks_without_a_trace(monkeypatch):
    problem = start(5, 4, 1)
    whole, _ = both(*problem, TRAIN_WEIGHTS, 20)
    kept, _ = both(*problem, TRAIN_WEIGHTS, 20, every=5)
    monkeypatch.setattr(training, "CHUNK", 3 * 20)
    cut, _ = both(*problem, TRAIN_WEIGHTS, 20, every=5)
    bits = {result.params.to_vector().tobytes() for result in (whole, kept, cut)}
    assert len(bits) == 1
    assert kept.trajectory.shape == (5, 13) and (kept.trajectory == cut.trajectory).all()


def test_the_objective_of_a_large_training_is_computed_by_kernels(monkeypatch):
    monkeypatch.setattr(training, "LARGE", 0)
    assert_same_training(*both(*start(5, 4, 1), TRAIN_WEIGHTS, 10))


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "+".join(mask) or "fit alone")
@pytest.mark.parametrize("shape", [(3, 3, 1), (6, 17, 3)], ids=str)
def test_training_in_float32_stays_near_the_float64_reference(shape, mask):
    """Ten steps: later the two types drift apart, as the reference's own float32 does."""
    coefficients = {name: TRAIN_WEIGHTS[name] for name in mask}
    params, x, y = start(*shape, np.float32)
    ours, _ = both(params, x, y, coefficients, 10)
    _, theirs = both(*wide(params, x, y), coefficients, 10)
    assert {a.dtype for a in ours.params} == {np.dtype("f4")}
    assert_same_training(ours, theirs, 1e-5)


@pytest.mark.parametrize("steps, every", [(20, 1), (20, 7), (21, 7), (5, 9), (0, 3)])
def test_the_trajectory_is_that_of_the_reference(steps, every):
    ours, theirs = both(*start(5, 4, 2), TRAIN_WEIGHTS, steps, every=every)
    assert ours.trajectory.shape == theirs.trajectory.shape == (steps // every + 1, 17)
    for row, expected in zip(ours.trajectory, theirs.trajectory):
        assert relative_error(row, expected) <= 1e-11


@every_dtype
@pytest.mark.parametrize("mask", [("separation",), PAIRED], ids=["separation", "all three"])
def test_divergence_comes_at_the_same_step_with_the_same_last_params(mask, dtype):
    """Two prototypes part, and the force between them grows until its square overflows."""
    x, y = np.zeros((3, 1), dtype), np.zeros(3, dtype)
    params = Params(*(np.array(a, dtype) for a in ([3, 4], [[0], [0.001]], [1, 1], 0)))
    steps = []
    for weight in np.geomspace(0.1, 20, 9) * float(np.sqrt(np.finfo(dtype).max)):
        coefficients = {name: TRAIN_WEIGHTS[name] for name in mask} | {"separation": float(weight)}
        ours, theirs = both(params, x, y, coefficients, 12, 0.001, every=1)
        assert_same_training(ours, theirs, 1e-11 if dtype == np.float64 else 1e-5)
        rows = ours.steps + 1 if ours.steps or not ours.diverged else len(theirs.trajectory)
        assert ours.trajectory.shape == theirs.trajectory.shape == (rows, 7)
        steps.append((ours.steps, ours.diverged))
    assert steps[0] == (12, False) and steps[-1] == (0, True)
    assert any(0 < step < 12 for step, _ in steps)


@every_dtype
@pytest.mark.parametrize("rate", [1e15, 1e18, 5e18, 1e19, 1e25, 1e152, 3e153, 1e154, 1e155, 1e300])
def test_a_rate_near_overflow_ends_both_alike(rate, dtype):
    ours, theirs = both(*start(5, 4, 2, dtype), TRAIN_WEIGHTS, 60, rate)
    assert (ours.steps, ours.diverged) == (theirs.steps, theirs.diverged)
    assert np.isfinite(ours.params.to_vector()).all() and np.isfinite(ours.value)


@pytest.mark.parametrize("rate", [1e150, 1e152])
def test_responses_that_underflow_are_zero_however_large_what_they_are_multiplied_with(rate):
    ours, theirs = both(*start(6, 3, 1), {"overlap": 0.3}, 24, rate)
    assert not theirs.diverged
    assert_same_training(ours, theirs, 1e-9)


def test_a_loss_of_the_users_own_is_trained_on():
    pull = {"pull": lambda p: ((p * p).mean(), 2 * p / p.size)}
    for coefficients in ({"pull": 5.0}, {"pull": 5.0, **TRAIN_WEIGHTS}):
        assert_same_training(*both(*start(5, 4, 2), coefficients, 50, extra=pull))
    unnamed, _ = both(*start(5, 4, 2), TRAIN_WEIGHTS, 5, extra=pull)
    without, _ = both(*start(5, 4, 2), TRAIN_WEIGHTS, 5)
    assert unnamed.params.to_vector().tobytes() == without.params.to_vector().tobytes()


@pytest.mark.skipif(INTERPRETED, reason="plain Python has one thread at a time")
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_trainings_side_by_side_give_the_bits_of_each_alone(threads):
    problems = [start(samples, units, 1) for samples in (5, 20) for units in (4, 30, 520)]
    train = lambda problem: training.train(*problem, TRAIN_WEIGHTS, TRAIN_TEMPERATURES, 50)
    bits = lambda result: result.params.to_vector().tobytes()
    alone = [bits(train(problem)) for problem in problems]
    with ThreadPoolExecutor(threads) as pool:
        assert list(map(bits, pool.map(train, problems))) == alone


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
@pytest.mark.parametrize("module", [scalar, intrinsics, cpu, simd, steps, balancing],
                         ids=lambda module: module.__name__.split(".")[-1])
def test_no_kernel_takes_its_fast_math_from_whoever_calls_it_first(module):
    """Numba hands them to a function that states none: then `bounded` might not see a nan."""
    kernels = [item for item in vars(module).values() if hasattr(item, "targetoptions")]
    assert kernels
    for kernel in kernels:
        assert "fastmath" in kernel.targetoptions, kernel.__name__


FAST = [name for name, reason in minimlp.available_backends().items()
        if reason is None and name != "numpy"]


@pytest.mark.skipif(SMALL, reason="checked at full speed")
@pytest.mark.parametrize("backend", FAST)
def test_every_gradient_is_right_through_every_backend(backend, tmp_path, capsys):
    assert main(["gradcheck", "--backend", backend, "--quick", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "reference" in out and " 0 wrong" in out
    with open(tmp_path / "gradients.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["verdict"] for row in rows} == {"ok", "zero"}
    assert {row["gradient"] for row in rows} >= {
        "softmin of p", "coverage of p", "separation of p", "overlap of h", "fit + all three"}
    errors = [float(row["reference"]) for row in rows if row["dtype"] == "float64"]
    assert max(errors) <= 1e-12 and any(errors), "the reference was held against itself"


@pytest.mark.skipif(SMALL, reason="this is that other run")
@pytest.mark.parametrize("environment, part", [
    ({"NUMBA_DISABLE_JIT": "1"}, "equals_the_reference and line or exp2 or training_stays"),
    ({"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""},
     "f8 and simd or exp2 or training_stays or tile_holds or objective_equals and f8")],
    ids=["interpreted", "plain x86-64"])
def test_the_tables_hold_in_plain_python_and_without_vectors(environment, part, tmp_path):
    if "NUMBA_CPU_NAME" in environment and os.uname().machine != "x86_64":
        pytest.skip("another processor")
    output = run_python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", part, __file__,
                        NUMBA_CACHE_DIR=str(tmp_path), **environment)
    assert " passed" in output
