"""What the CUDA kernels compile to, for compute capability 9.0, without a GPU.

    python benchmarks/ptx.py [numbers of dimensions]

Of each kernel, type and number of dimensions: registers a thread, bytes of shared memory a
block, bytes of registers spilled, bytes of the stack (points of too many dimensions for the
registers), and how many instructions of some kinds stand in the code: 2^y of the hardware,
multiply-adds written as such (the assembler makes more), float64 ones, 16-byte loads.  It needs
numba-cuda, NVIDIA's compiler (nvvm, nvrtc) and its assembler ptxas: the packages
`nvidia-nvvm nvidia-cuda-nvrtc nvidia-cuda-nvcc`, or a CUDA toolkit in CUDA_HOME.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numba import cuda, float32, float64, int64, types

from minimlp.kernels import gpu

CAPABILITY = 9, 0
DIMENSIONS = 1, 2, 8, 32, 64
COLUMNS = "kernel", "type", "d", "registers", "shared", "spilled", "stack", "ex2", "fma", "f64", "wide"


def signatures(f, d):
    """Each kernel, and the types that it is called with."""
    kind = {float32: np.float32, float64: np.float64}[f]
    one, two, index = f[::1], f[:, ::1], int64[:, ::1]
    yield "softmin", gpu.softmin_kernel(kind, d), (two, one, two, f, int64, two, two, index)
    yield "softmin gradient", gpu.softmin_gradient_kernel(kind, d), (two, one, two, one, one, f, int64, two)
    yield "separation", gpu.separation_kernel(kind, d), (two, f, int64, two, two)
    yield "forward", gpu.forward_kernel(kind, d), (one, two, one, one, two, one, two)
    yield "backward", gpu.backward_kernel(kind, d), (one, two, one, two, two, one, two, types.boolean,
                                                     int64, two)
    yield "response sums", gpu.response_sums_kernel(kind, d), (one, two, one, two, int64, two, two, two)
    yield "parameter gradient", gpu.parameter_gradient_kernel(kind, d), (
        one, two, one, two, one, f, one, int64, two)
    if d == 1:
        yield "merge softmin", gpu.merge_softmin_kernel(kind), (two, two, f, two, two, index, one, one)
        yield "merge responses", gpu.merge_responses_kernel(kind), (one, one, f, two, two, two, one, one)
        yield "following offsets", gpu.following_offsets_kernel(kind), (one, f, one, f, one, one)
        yield "overlap", gpu.overlap_kernel(kind), (two, f, one, two)
        yield "add parts", gpu.add_parts_kernel, (two, f, one)
        yield "add scaled", gpu.add_scaled_kernel, (one, f, one)
        yield "prototypes", gpu.prototypes_kernel, (one, two, two)
        yield "prototypes backward", gpu.prototypes_backward_kernel, (one, two, two, one, two)
        yield "adam", gpu.adam_kernel, (one, one, one, one, f, f, f, f, f, f, one)
        for term in (gpu.itself, gpu.square, gpu.overflow):
            yield f"total of {term.__name__}", gpu.total_kernel(kind, term), (one, one)


def assembler():
    """The path of ptxas; None if there is none."""
    packages = Path(sysconfig.get_paths()["purelib"], "nvidia")
    found = sorted(packages.glob("*/bin/ptxas"))
    return str(found[-1]) if found else shutil.which("ptxas") or shutil.which(
        "ptxas", path="/usr/local/cuda/bin")


def ptx_of(kernel, signature):
    text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=CAPABILITY,
                               fastmath=kernel.targetoptions.get("fastmath", False))
    return text


def counts(ptx):
    """What ptxas says of a kernel, and how often instructions of some kinds stand in it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx)
        said = subprocess.run([assembler(), "-arch=sm_{}{}".format(*CAPABILITY), "-v", "-o", str(source.with_suffix(".cubin")),
                               str(source)], capture_output=True, text=True, check=True).stderr

    def number(pattern):
        return sum(map(int, re.findall(pattern, said)))

    return {"registers": number(r"Used (\d+) registers"), "shared": number(r"(\d+) bytes smem"),
            "spilled": number(r"(\d+) bytes spill stores"), "stack": number(r"(\d+) bytes stack frame"),
            "ex2": len(re.findall(r"\bex2\.", ptx)), "fma": len(re.findall(r"\bfma\.", ptx)),
            "f64": len(re.findall(r"\.f64\b", ptx)),
            "wide": len(re.findall(r"\bld\.(?:shared\.)?\w*\.?v[24]", ptx))}


def without_device():
    """Kernels that call device functions ask for the device; this one answers."""
    from numba.cuda import dispatcher
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CAPABILITY)


def table(dimensions=DIMENSIONS):
    without_device()
    for d in dimensions:
        for f in (float32, float64):
            for name, kernel, signature in signatures(f, d):
                yield {"kernel": name, "type": str(f), "d": d, **counts(ptx_of(kernel, signature))}


if __name__ == "__main__":
    print(f"compute capability {'.'.join(map(str, CAPABILITY))}, numba-cuda {version('numba-cuda')}, {date.today()}")
    print(("{:20}" + "{:>10}" * (len(COLUMNS) - 1)).format(*COLUMNS))
    for row in table(tuple(map(int, sys.argv[1:])) or DIMENSIONS):
        print(("{:20}" + "{:>10}" * (len(COLUMNS) - 1)).format(*(row[name] for name in COLUMNS)))
        sys.stdout.flush()
