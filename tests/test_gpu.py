"""The GPU backend: without a GPU what it says, the twins on Numba's simulator, and what they compile to.

Tests marked `gpu` run on the simulator in a second process, on blocks of 4 threads, and on a
GPU where there is one: MINIMLP_REQUIRE_GPU=1 pytest -m gpu fails where there is none.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minimlp
from cases import wide
from minimlp import InputError, gaussian, loss, relative_error, structural
from minimlp.bench import figures, tables
from minimlp.cli import main
from minimlp.kernels import gpu, gpu_twins
from minimlp.train import train as reference_train
from test_kernels import (MASKS, ON_DEVICE, SIMULATED, TRAIN_TEMPERATURES, TRAIN_WEIGHTS,
                          assert_same_training, run_python, start)

HERE = Path(__file__).parent
if SIMULATED:               # compiled code overflows without a word
    pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def on_device(test):
    """On a GPU or the simulator; elsewhere it is left to the process that has the simulator."""
    return pytest.mark.gpu(test) if ON_DEVICE else None


def on_a_real_device(test):
    return None if SIMULATED else on_device(test)


WEIGHTS, TEMPERATURES = {"coverage": 0.1, "separation": 0.7, "overlap": 0.3}, TRAIN_TEMPERATURES


def problem(samples=6, units=5, dimensions=2, dtype=np.float64):
    params, x, y = start(samples, units, dimensions, dtype)
    return params, x, y.astype(dtype), minimlp.prototypes(params)


# Without a GPU.

@pytest.mark.skipif(ON_DEVICE, reason="there is one")
def test_without_a_gpu_the_backend_is_refused_in_one_line(capsys, tmp_path):
    _, x, _, p = problem()
    with pytest.raises(InputError, match="backend = 'gpu': not available: .*(numba-cuda|driver)") as caught:
        minimlp.coverage(p, x, 0.1, backend="gpu")
    assert "\n" not in str(caught.value)
    assert main(["study", "--quick", "--backend", "gpu", "--out", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "backend = 'gpu'" in error


def test_without_numba_cuda_the_reason_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(gpu, "SIMULATED", False)
    monkeypatch.setitem(sys.modules, "numba_cuda", None)
    assert gpu.missing().endswith(gpu.INSTALL) and 'pip install "numba-cuda[cu13]"' in gpu.INSTALL


def test_info_says_what_was_looked_for(capsys):
    assert main(["info"]) == 0
    looked_for = capsys.readouterr().out.split("looked for, for the GPU:")[1]
    assert all(name in looked_for for name in gpu.diagnosis())
    assert {"numba-cuda", "simulator"} <= set(gpu.diagnosis())


NO_CONTEXT = """
from numba.cuda.cudadrv import devices
def refuse(*arguments):
    raise SystemExit("a context was asked for")
devices.get_context = devices._runtime.get_or_create_context = refuse
import minimlp, minimlp.kernels.gpu_twins
minimlp.available_backends()
"""


def test_importing_the_kernels_makes_no_context():
    run_python("-c", NO_CONTEXT, NUMBA_ENABLE_CUDASIM="0")
    with pytest.raises(AssertionError, match="context|driver"):
        run_python("-c", NO_CONTEXT + "from numba import cuda; cuda.device_array(3)",
                   NUMBA_ENABLE_CUDASIM="0")


class OnDevice:
    """What is seen of an array in a GPU's memory."""

    def __init__(self, shape, dtype=float, strides=None):
        self.__cuda_array_interface__ = {"strides": strides}
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
def test_device_arrays_are_for_the_gpu_alone(backend):
    with pytest.raises(InputError, match=f"backend = '{backend}': the arrays lie on a GPU"):
        minimlp.coverage(OnDevice((4, 2)), OnDevice((9, 2)), 0.1, backend=backend)


def test_shapes_and_types_of_device_arrays_are_checked_and_their_numbers_are_not():
    with pytest.raises(InputError, match=r"prototypes has shape \(4, 3\): expected \(any, 2\)"):
        minimlp.coverage(OnDevice((4, 3)), OnDevice((9, 2)), 0.1, backend="gpu")
    with pytest.raises(InputError, match="x has type int64"):
        minimlp.coverage(OnDevice((4, 2)), OnDevice((9, 2), int), 0.1, backend="gpu")
    with pytest.raises(InputError, match="x: an array on a GPU must be contiguous"):
        minimlp.coverage(OnDevice((4, 2)), OnDevice((9, 2), strides=(8, 72)), 0.1, backend="gpu")
    with pytest.raises(InputError, match="params lie on a GPU"):
        minimlp.prototypes(minimlp.Params(*map(OnDevice, ((4,), (4, 2), (4,), ()))))
    assert minimlp.checks.points("x", OnDevice((9, 2))).shape == (9, 2)


@pytest.mark.skipif(ON_DEVICE, reason="they run in this process")
def test_the_twins_on_the_simulator():
    output = run_python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "gpu",
                        HERE / "test_kernels.py", HERE / "test_transport.py", __file__, NUMBA_ENABLE_CUDASIM="1")
    assert " passed" in output and "failed" not in output


@pytest.mark.skipif(ON_DEVICE, reason="they run in this process")
def test_balanced_coverage_in_the_twins_on_the_simulator():
    """One of each kind: Sinkhorn's iterations take long there.  A GPU runs all of them."""
    some = ("test_the_objective_of_the_twins[f8-gpu-overlap+balanced]",
            "test_training_is_that_of_the_reference[(3, 6, 2)-balanced-gpu]")
    output = run_python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                        *(f"{HERE / 'test_balancing.py'}::{name}" for name in some), NUMBA_ENABLE_CUDASIM="1")
    assert "2 passed" in output


def test_the_script_for_a_gpu_runs_through_on_the_simulator(tmp_path):
    output = run_python(HERE.parent / "benchmarks" / "gpu.py", "--quick", "--out", tmp_path,
                        NUMBA_ENABLE_CUDASIM="1")
    assert "all passed" in output and {"versions", "correctness", "benchmark"} <= set(re.findall(
        r"^(\w+), 20\d\d", (tmp_path / "gpu.log").read_text(), flags=re.MULTILINE))
    notes, rows = tables.read_table(tmp_path / "gpu.csv")
    assert any("simulated, so the times mean nothing" in note for note in notes)
    assert [row["competitor"] for row in rows] == 4 * ["gpu", "gpu, from host", "cpu simd"]
    for row in rows:
        assert not row["failure"] and row["gradient_error"] < 1e-5 and row["ps_per_pair"] > 0, row
    ceilings = tables.read_table(tmp_path / "gpu_ceilings.csv")[1]
    assert {row["operation"] for row in ceilings} == {"multiply-add", "exp2", "copy, a byte"}
    steps = tables.read_table(tmp_path / "gpu_training.csv")[1]
    assert all(row["seconds_a_step"] > 0 for row in steps) and len(steps) == 2
    functions = tables.read_table(tmp_path / "gpu_functions.csv")[1]
    assert len(functions) == 3 * 8 and all(row["error"] < 1e-11 and not row["failure"] for row in functions)
    assert (tmp_path / "gpu.png").read_bytes()[:4] == b"\x89PNG"
    publish = tool("publish")
    assert not publish.is_of_a_gpu(tmp_path / "gpu.csv")
    assert "| 1, float32 | " in publish.gpu_text(tmp_path)
    assert publish.gpu_text(tmp_path / "nowhere") == "Not yet measured on a GPU."


def test_where_two_lines_cross():
    assert figures.crossover({10: 5.0, 1000: 5.0}, {10: 0.5, 1000: 50.0}) == pytest.approx(100)
    assert figures.crossover({10: 5.0, 1000: 5.0}, {10: 0.5, 1000: 4.0}) is None
    assert figures.crossover({}, {10: 1.0}) is None


def tool(name):
    """A script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, HERE.parent / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_bench_of_the_gpu_alone_says_why_it_cannot(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "SIMULATED", False)
    monkeypatch.setitem(sys.modules, "numba_cuda", None)
    assert main(["bench", "--gpu", "--out", str(tmp_path / "out")]) == 2
    assert "--gpu: not available: the package numba-cuda" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def toolchain_missing():
    if SIMULATED:
        return "the simulator compiles nothing"
    if importlib.util.find_spec("numba_cuda") is None:
        return "the package numba-cuda is not installed"
    if tool("ptx").tool("ptxas") is None:
        return "NVIDIA's assembler ptxas was not found"
    return None


# A thread's, of 65536: with 200 ten warps have room on a multiprocessor; 255 is the most there is.
REGISTERS = {"float32": 200, "float64": 255}


@pytest.mark.skipif(toolchain_missing() is not None, reason=str(toolchain_missing()))
def test_every_kernel_compiles_for_a_real_gpu_without_spills_and_in_its_own_type():
    code = (f"import sys, json; sys.path.insert(0, {str(HERE.parent / 'benchmarks')!r})\n"
            "import ptx; print(json.dumps(list(ptx.table())))")
    rows = json.loads(run_python("-c", code))
    by = {(row["kernel"], row["type"], row["d"]): row for row in rows}
    assert {row["type"] for row in rows} == {"float32", "float64"}
    for key, row in by.items():
        assert row["registers"] > 0, key
        if row["type"] == "float32":
            assert row["f64"] == 0, key
        assert row["spilled"] == 0, key
        if row["d"] <= 8:
            assert row["stack"] == 0, key
            assert row["registers"] <= REGISTERS[row["type"]], key
    assert by["softmin", "float32", 1]["ex2"] >= 32 and by["softmin gradient", "float32", 1]["ex2"] == 32


def test_points_too_large_for_the_shared_memory_are_refused():
    assert gpu.tile_size(np.float64, 5000) == 1
    with pytest.raises(InputError, match="x has 5001 dimensions: .* at most 5000 in float64"):
        gpu.tile_size(np.float64, 5001)


# On a GPU or its simulator.

@on_device
@pytest.mark.skipif(not SIMULATED, reason="a GPU is measured")
def test_the_simulator_is_not_measured(capsys, tmp_path):
    assert main(["bench", "--gpu", "--out", str(tmp_path / "out")]) == 2
    assert "the simulator has no speed to measure" in capsys.readouterr().err


@on_device
def test_arrays_by_name_reach_the_device():
    params, x, y, p = problem()
    hidden = gaussian.forward(params, x)[1]
    ours = gpu_twins.backward(params, x, hidden, y, d_hidden=hidden[::-1])
    theirs = gaussian.backward(params, x, hidden, y, hidden[::-1])
    assert relative_error(ours.to_vector(), theirs.to_vector()) <= 1e-12


@on_device
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
def test_device_arrays_stay_on_the_device(dtype):
    params, x, y, p = problem(dtype=dtype)
    to = gpu_twins.to_device
    on = minimlp.Params(*map(to, params))
    values, gradient, nearest, distance = minimlp.softmin(to(p), to(x), 0.1, backend="gpu")
    expected = structural.softmin(*wide(p, x), 0.1)
    for ours, theirs in zip((values, gradient, nearest, distance), expected):
        assert minimlp.checks.is_on_device(ours)
        assert relative_error(ours.copy_to_host(), theirs) <= 1e-5
    value, gradient, terms = minimlp.objective(on, to(x), to(y), WEIGHTS, TEMPERATURES, backend="gpu")
    expected = loss.objective(*wide(params, x, y), WEIGHTS, TEMPERATURES)
    assert relative_error(value, expected[0]) <= 1e-4
    for ours, theirs in zip(gradient, expected[1]):
        assert minimlp.checks.is_on_device(ours) and ours.shape == theirs.shape
    trained = minimlp.train(on, to(x), to(y), WEIGHTS, TEMPERATURES, steps=2, backend="gpu")
    assert all(map(minimlp.checks.is_on_device, trained.params))
    assert [array.shape for array in trained.params] == [array.shape for array in params]


@on_device
def test_numpy_arrays_give_numpy_arrays_on_the_device():
    params, x, y, p = problem()
    results = [*gpu_twins.softmin(p, x, 0.1), *gpu_twins.forward(params, x),
               *gpu_twins.objective(params, x, y, WEIGHTS, TEMPERATURES)[1]]
    assert {type(array) for array in results} == {np.ndarray}


@on_device
def test_device_arrays_of_two_types_are_refused():
    _, x, _, p = problem()
    with pytest.raises(InputError, match="one type"):
        minimlp.coverage(gpu_twins.to_device(p.astype(np.float32)), gpu_twins.to_device(x), 0.1,
                         backend="gpu")


@on_device
def test_the_same_numbers_give_the_same_bits():
    params, x, y, _ = problem(9, 7) if SIMULATED else problem(40, 30)
    runs = {minimlp.objective(params, x, y, WEIGHTS, TEMPERATURES, backend="gpu")[1]
            .to_vector().tobytes() for _ in range(2 if SIMULATED else 20)}
    assert len(runs) == 1


@on_device
@pytest.mark.parametrize("shape", [(3, 3, 1), (5, 6, 3)], ids=str)
@pytest.mark.parametrize("mask", [MASKS[0], MASKS[-1]], ids=["fit alone", "all three"])
def test_training_on_the_device_stays_with_the_reference(shape, mask):
    coefficients = {name: TRAIN_WEIGHTS[name] for name in mask}
    params, x, y = start(*shape)
    steps = 4 if SIMULATED else 300
    ours, theirs = (train(params, x, y, coefficients, TRAIN_TEMPERATURES, steps, every=3)
                    for train in (gpu_twins.train, reference_train))
    assert_same_training(ours, theirs)
    assert ours.trajectory.shape == theirs.trajectory.shape
    assert relative_error(ours.trajectory, theirs.trajectory) <= 1e-11


@on_device
def test_training_on_the_device_shows_every_step_and_stops_when_told():
    params, x, y = start(5, 4, 2)
    seen = []

    def watch(step, params, value, terms):
        seen.append((step, params.to_vector(), value, list(terms)))
        return step == 2
    ours = gpu_twins.train(params, x, y, WEIGHTS, TEMPERATURES, callback=watch)
    theirs = reference_train(params, x, y, WEIGHTS, TEMPERATURES, steps=2)
    assert [step for step, *_ in seen] == [0, 1, 2]
    assert_same_training(ours, theirs)
    assert relative_error(seen[-1][1], theirs.params.to_vector()) <= 1e-11
    assert seen[-1][2:] == (ours.value, list(ours.terms))


@on_device
@pytest.mark.parametrize("weight, steps", [(9.777864809407229e153, 3), (7e154, 0)])
def test_divergence_on_the_device_comes_with_the_last_finite_params(weight, steps):
    """Two prototypes part, and the force between them grows until its square overflows."""
    x, y = np.zeros((3, 1)), np.zeros(3)
    params = minimlp.Params(*(np.array(a, float) for a in ([3, 4], [[0], [0.001]], [1, 1], 0)))
    ours, theirs = (train(params, x, y, {"separation": weight}, TRAIN_TEMPERATURES, 12, 0.001)
                    for train in (gpu_twins.train, reference_train))
    assert theirs.diverged and theirs.steps == steps
    assert_same_training(ours, theirs)


@on_device
def test_a_gradient_whose_square_overflows_is_seen_on_the_device():
    for largest, finite in ((1e150, True), (1e160, False), (np.inf, False), (np.nan, False)):
        gradient = gpu_twins.to_device(np.array([1.0, largest, -2.0]))
        assert np.isfinite(gpu_twins.total(gradient, gpu.overflow)) == finite


@on_device
def test_a_loss_of_the_users_own_is_trained_on_the_device():
    params, x, y = start(5, 4, 2)
    pull = {"pull": lambda p: ((p * p).mean(), 2 * p / p.size)}
    ours, theirs = (train(params, x, y, {"pull": 5.0, "coverage": 0.1}, TRAIN_TEMPERATURES, 4,
                          extra=pull) for train in (gpu_twins.train, reference_train))
    assert_same_training(ours, theirs)


@on_a_real_device
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
@pytest.mark.parametrize("shape", [(1000, 3000, 1), (4099, 1027, 2), (2000, 2001, 8),
                                   (700, 900, 64), (300, 200, 300)], ids=str)
def test_large_random_problems_equal_the_reference(shape, dtype):
    params, x, y, p = problem(*shape, dtype)
    limit = 1e-12 if dtype == np.float64 else 1e-5
    temperature = 0.5 * shape[2]
    ours, theirs = gpu_twins.softmin(p, x, temperature), structural.softmin(*wide(p, x), temperature)
    for name, a, b in zip(("values", "gradient", "nearest", "distance"), ours, theirs):
        if name != "nearest":
            assert relative_error(a, b) <= limit, name
    temperatures = {"coverage": temperature, "separation": temperature}
    ours = gpu_twins.objective(params, x, y, WEIGHTS, temperatures)
    theirs = loss.objective(*wide(params, x, y), WEIGHTS, temperatures)
    assert relative_error(ours[0], theirs[0]) <= limit
    assert relative_error(ours[1].to_vector(), theirs[1].to_vector()) <= limit


SANITIZED = """
import numpy as np, minimlp
for dtype in (np.float64, np.float32):
    x = np.random.default_rng(0).uniform(-1, 1, (700, 3)).astype(dtype)
    params = minimlp.init_params(x, 300, 1)
    out, hidden = minimlp.forward(params, x, backend="gpu")
    minimlp.backward(params, x, hidden, out, hidden, backend="gpu")
    minimlp.overlap(hidden, backend="gpu")
    minimlp.train(params, x, out, dict(coverage=1, separation=1, overlap=1, balanced=1),
                  dict(coverage=0.1, separation=0.1, balanced=1), steps=2, iterations=3, backend="gpu")
"""


@on_a_real_device
@pytest.mark.skipif(shutil.which("compute-sanitizer") is None,
                    reason="compute-sanitizer is not installed")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_compute_sanitizer_finds_nothing(tool):
    result = subprocess.run(["compute-sanitizer", "--tool", tool, "--error-exitcode", "9",
                             "--report-api-errors", "no",
                             sys.executable, "-c", SANITIZED], capture_output=True, text=True,
                            env=os.environ)
    assert result.returncode == 0, result.stdout[-3000:]
