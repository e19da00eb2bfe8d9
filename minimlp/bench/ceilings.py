"""What the machine can do at most: multiply-adds and exponentials, measured.

A pair of a sample and a prototype takes one exponential, and 2 d multiply-adds in the form
that takes fewest: one for each coordinate in the distance (||p||^2 - 2 x.p) and one in the
gradient (sum_i a_ij x_i), 4 d floating-point operations.  Direct differences, which keep all
digits, take a subtraction and a multiply-add each time, 4 d instructions: a kernel of that
form that loses no cycle reaches half of the multiply-add ceiling.  The minimum and the sum
of a sample's costs do not count.

The exponential is made of multiply-adds too, so the two shares may be added up: 100 % is what
no code of that kind can pass.
"""

import math
from time import perf_counter

import numpy as np
from llvmlite import binding, ir
from numba import get_num_threads, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..kernels import compiled
from ..kernels.intrinsics import FASTMATH, exp2

CHAINS = 10                 # independent sums: two a cycle, each four or five cycles long
ROW, ROWS = 256, 4          # exponents that stay in the first-level cache
FMA_STEPS, EXP_STEPS, CALL_STEPS = 10_000_000, 100_000, 5_000
ROUNDS = 5


def lanes_of(bytes_each):
    """Numbers in one vector register."""
    return (64 if binding.get_host_cpu_features().get("avx512f") else 32) // bytes_each


@intrinsic
def multiply_adds(context, steps, start):
    """CHAINS sums in vector registers, s = s * 0.5 + start, `steps` times; one number of them."""
    def generate(codegen, builder, signature, arguments):
        count, start = arguments
        kind = start.type
        size = 8 if kind == ir.DoubleType() else 4
        lanes = lanes_of(size)
        vector = ir.VectorType(kind, lanes)
        name = f"llvm.fmuladd.v{lanes}f{8 * size}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3),
                                             name)
        half = ir.Constant(vector, [0.5] * lanes)
        term = ir.Constant(vector, ir.Undefined)
        for lane in range(lanes):
            term = builder.insert_element(term, start, ir.Constant(ir.IntType(32), lane))
        sums = []
        for k in range(CHAINS):
            sums.append(cgutils.alloca_once(builder, vector))
            builder.store(ir.Constant(vector, [float(k)] * lanes), sums[-1])
        with cgutils.for_range(builder, count):
            for place in sums:
                builder.store(builder.call(fma, (builder.load(place), half, term)), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))
    return start(types.intp, start), generate


@compiled(parallel=True)
def fma_loop(results, steps):
    for k in prange(len(results)):
        results[k] = multiply_adds(steps, results[k])


@compiled(parallel=True, fastmath=FASTMATH)
def exp2_loop(y, e, steps):
    """exp2 of every y, in four rows side by side, as the kernels have them."""
    for k in prange(len(y)):
        a, b = y[k], e[k]
        for _ in range(steps):
            for j in range(a.shape[1]):
                b[0, j], b[1, j] = exp2(a[0, j]), exp2(a[1, j])
                b[2, j], b[3, j] = exp2(a[2, j]), exp2(a[3, j])


@compiled(parallel=True)
def exp_call_loop(y, e, steps):
    for k in prange(len(y)):
        for _ in range(steps):
            for s in range(y.shape[1]):
                for j in range(y.shape[2]):
                    e[k, s, j] = math.exp(y[k, s, j])


def fastest(run):
    """Seconds of the fastest of some runs: a ceiling is what was reached once."""
    run()
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        run()
        times.append(perf_counter() - start)
    return min(times)


def ceilings(kinds=("float64", "float32")):
    """Every ceiling of this machine.

    Parameters
    ----------
    kinds : sequence of str

    Returns
    -------
    list of dict
        operation, dtype, threads, and ns: nanoseconds for one, all threads together.
    """
    rows = []
    for kind in map(np.dtype, kinds):
        for threads in sorted({1, get_num_threads()}):
            y = np.random.default_rng(0).uniform(-20, 0, (threads, ROWS, ROW)).astype(kind)
            e, start = np.empty_like(y), np.zeros(threads, kind)
            each = {"multiply-add": (threads * FMA_STEPS * CHAINS * lanes_of(kind.itemsize),
                                     lambda: fma_loop(start, FMA_STEPS)),
                    "exp2": (y.size * EXP_STEPS, lambda: exp2_loop(y, e, EXP_STEPS)),
                    "math.exp": (y.size * CALL_STEPS, lambda: exp_call_loop(y, e, CALL_STEPS))}
            if threads == 1:
                each["np.exp"] = y.size * CALL_STEPS, lambda: [np.exp(y, out=e)
                                                                for _ in range(CALL_STEPS)]
            rows += [{"operation": name, "dtype": kind.name, "threads": threads,
                      "ns": 1e9 * fastest(run) / count} for name, (count, run) in each.items()]
    return rows
