"""What the CUDA kernels compile to, for compute capability 9.0, without a GPU.

    python benchmarks/ptx.py [numbers of dimensions]

Of each kernel, type and number of dimensions: registers a thread, bytes of shared memory a
block, bytes of registers spilled, bytes of the stack (points of too many dimensions for the
registers), and how many instructions of some kinds stand in the code: 2^y of the hardware,
multiply-adds written as such (the assembler makes more), float64 ones, 16-byte loads.  It needs
numba-cuda, NVIDIA's compiler (nvvm, nvrtc) and its assembler ptxas: the packages
`nvidia-nvvm nvidia-cuda-nvrtc nvidia-cuda-nvcc`, or a CUDA toolkit in CUDA_HOME.

With NVIDIA's disassembler too (`nvidia-cuda-nvdisasm`), the machine code of the softmin's loops in float32,
the innermost first: LDS loads from shared memory, LDL from the stack, FADD adds, FFMA multiplies and adds,
MUFU is the exp.  In one dimension the first loop takes four samples and eight prototypes, 32 pairs.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
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


def tool(name):
    """The path of ptxas or nvdisasm; None if there is none."""
    packages = Path(sysconfig.get_paths()["purelib"], "nvidia")
    found = sorted(packages.glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name) or shutil.which(name, path="/usr/local/cuda/bin")


def ptx_of(kernel, signature):
    text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=CAPABILITY,
                               fastmath=kernel.targetoptions.get("fastmath", False))
    return text


def assembled(ptx, folder):
    """The path of the machine code, and what ptxas says of it."""
    source, code = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
    source.write_text(ptx)
    run = subprocess.run([tool("ptxas"), "-arch=sm_{}{}".format(*CAPABILITY), "-v", "-o", str(code), str(source)],
                         capture_output=True, text=True, check=True)
    return code, run.stderr


def counts(ptx):
    """What ptxas says of a kernel, and how often instructions of some kinds stand in it."""
    with tempfile.TemporaryDirectory() as folder:
        _, said = assembled(ptx, folder)

    def number(pattern):
        return sum(map(int, re.findall(pattern, said)))

    return {"registers": number(r"Used (\d+) registers"), "shared": number(r"(\d+) bytes smem"),
            "spilled": number(r"(\d+) bytes spill stores"), "stack": number(r"(\d+) bytes stack frame"),
            "ex2": len(re.findall(r"\bex2\.", ptx)), "fma": len(re.findall(r"\bfma\.", ptx)),
            "f64": len(re.findall(r"\.f64\b", ptx)),
            "wide": len(re.findall(r"\bld\.(?:shared\.)?\w*\.?v[24]", ptx))}


def loops(ptx):
    """How often each instruction stands in each loop of float32 arithmetic, the inner ones first."""
    with tempfile.TemporaryDirectory() as folder:
        code, _ = assembled(ptx, folder)
        lines = subprocess.run([tool("nvdisasm"), "-c", str(code)], capture_output=True, text=True,
                               check=True).stdout.splitlines()
    begins = {found[1]: k for k, line in enumerate(lines) if (found := re.match(r"(\.L_x_\d+):", line))}
    for end, line in enumerate(lines):
        jump = re.search(r"\bBRA\b.*`\((\.L_x_\d+)\)", line)
        begin = begins.get(jump[1], end) if jump else end
        names = [found[1] for inside in lines[begin:end + 1]
                 if (found := re.match(r"\s*/\*\w+\*/\s+(?:@!?\w+\s+)?([A-Z]\w+)", inside))]
        if begin < end and ("MUFU" in names or "FFMA" in names):
            yield Counter(names)


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
    for d in (1, 64) if tool("nvdisasm") else ():
        for name, kernel, signature in list(signatures(float32, d))[:2]:
            for found in loops(ptx_of(kernel, signature)):
                kinds = ", ".join(f"{kind} {count}" for kind, count in found.most_common(9))
                print(f"{name}, float32, d = {d}, a loop of {sum(found.values())} instructions: {kinds}")
