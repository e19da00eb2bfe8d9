"""What the tuned kernels need and Numba does not offer: 2^y in vectors, sums in any order.

`math.exp` inside a compiled loop is a call for one number at a time.  `exp2` is
arithmetic alone, so that LLVM computes 8 of them (float64) or 16 (float32) at once.
An `intrinsic` writes LLVM's instructions itself, where Python has no word for them.

Under NUMBA_DISABLE_JIT=1 everything here is plain Python on NumPy scalars.
"""

import numpy as np
from llvmlite import ir
from numba import config
from numba.extending import intrinsic, overload

from . import compiled

# No number is a nan; 0 has no sign; a * b + c may be rounded once; a / b may become a * (1 / b).
# Not 'reassoc', and so not True: LLVM would cancel inside + magic - magic in `power_of_two`.
FASTMATH = {"nnan", "nsz", "contract", "arcp"}

# For each type: the lowest exponent of a normal number with some room, 1.5 * 2^mantissa bits,
# the mantissa bits, and (2^r - 1)/r as a polynomial on [-1/2, 1/2], highest power first, ending
# in the 1: the fit of least relative error of 2^r, 3.4e-18 and 9.2e-8 before rounding.
CONSTANTS = {kind.__name__: (kind(lowest), kind(magic), bits, tuple(map(kind, polynomial)))
             for kind, lowest, magic, bits, polynomial in (
    (np.float64, -1020, 1.5 * 2.0**52, 52, (
        4.4347657938445227e-10, 7.073781896319874e-09, 1.0178199630224584e-07,
        1.321543529004663e-06, 1.5252733492939063e-05, 0.00015403530457097167,
        0.001333355814677484, 0.009618129107594131, 0.055504108664820084,
        0.2402265069591013, 0.6931471805599453, 1)),
    (np.float32, -124, 1.5 * 2.0**23, 23, (
        0.0013264768521008571, 0.009671496145619088, 0.05550733821050174,
        0.24022242427120238, 0.6931469771916531, 1)))}


@intrinsic
def add_to_exponent(context, value, rounded, bits):
    """value * 2^n, n being the integer in the low bits of `rounded`: one shift, one addition."""
    def generate(codegen, builder, signature, arguments):
        value, rounded, bits = arguments
        integer = ir.IntType(64 if value.type == ir.DoubleType() else 32)
        shift = builder.trunc(bits, integer) if integer.width < bits.type.width else bits
        n = builder.shl(builder.bitcast(rounded, integer), shift)
        total = builder.add(builder.bitcast(value, integer), n)
        return builder.bitcast(total, value.type)
    return value(value, rounded, bits), generate


@intrinsic
def add(context, a, b):
    """a + b, in a sum whose order LLVM may choose: one partial sum for each vector lane."""
    def generate(codegen, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc", "nnan", "nsz", "contract"))
    return a(a, a), generate


@intrinsic
def smaller(context, a, b):
    """min(a, b) of numbers that are no nan: a minimum over an array then runs in vectors."""
    def generate(codegen, builder, signature, arguments):
        kind = arguments[0].type
        minimum = builder.module.declare_intrinsic(
            "llvm.minnum", [kind], ir.FunctionType(kind, [kind, kind]))
        return builder.call(minimum, arguments, fastmath=("nnan", "nsz"))
    return a(a, a), generate


if config.DISABLE_JIT:
    def add_to_exponent(value, rounded, bits):          # noqa: F811
        integer = np.int64 if bits == 52 else np.int32
        return (value.view(integer) + (rounded.view(integer) << integer(bits))).view(value.dtype)

    def add(a, b):                                      # noqa: F811
        return a + b

    smaller = min


@compiled(fastmath=FASTMATH)
def power_of_two(y, lowest, magic, bits, polynomial):
    """2^y for y <= 0 as 2^n 2^r, n the nearest integer and r in [-1/2, 1/2]; 0 from the lowest y down."""
    inside = max(y, lowest)
    rounded = inside + magic            # no room for a fraction: n stands in the low bits
    r = inside - (rounded - magic)
    value = polynomial[0]
    for k in range(1, len(polynomial)):
        value = value * r + polynomial[k]
    value = add_to_exponent(value, rounded, bits)
    return value if y > lowest else inside - inside         # a zero of its type


def exp2(y):
    """2^y for y <= 0, within 2e-16 (float64) or 2e-7 (float32); 0 from the lowest down."""
    return power_of_two(y, *CONSTANTS[y.dtype.name])


@overload(exp2, jit_options={"fastmath": FASTMATH})
def exp2_of_type(y):
    lowest, magic, bits, polynomial = CONSTANTS[y.name]
    return lambda y: power_of_two(y, lowest, magic, bits, polynomial)
