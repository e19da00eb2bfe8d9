"""What a GPU can do at most: multiply-adds, exponentials and bytes copied, measured.

The shares are told as on the CPU (ceilings.py): of one exponential and 2 d multiply-adds a pair.
A deterministic kernel takes two exponentials, one in the pass over samples and one in the pass
over prototypes.
"""

import numpy as np

from ..kernels.gpu import cuda, exp2_of, options
from .gpu import Call, numba_event

CHAINS = 8                  # independent numbers in each thread
BLOCKS, THREADS, STEPS = 1056, 256, 20_000
COPIED = 2**30              # bytes
ROUNDS = 5


def multiply_add_kernel(kind):
    half = kind(0.5)

    @cuda.jit(**options(kind))
    def kernel(out, steps):
        s = cuda.local.array(CHAINS, kind)
        start = out[cuda.grid(1)]
        for k in range(CHAINS):
            s[k] = start * k
        for _ in range(steps):
            for k in range(CHAINS):
                s[k] = s[k] * half + start
        for k in range(1, CHAINS):
            s[0] += s[k]
        out[cuda.grid(1)] = s[0]
    return kernel


def exp2_kernel(kind):
    """y = 2^-y, which goes to 0.64: each waits for the one before, CHAINS side by side."""
    exp2 = exp2_of(kind)

    @cuda.jit(**options(kind))
    def kernel(out, steps):
        s = cuda.local.array(CHAINS, kind)
        for k in range(CHAINS):
            s[k] = out[cuda.grid(1)] + kind(k)
        for _ in range(steps):
            for k in range(CHAINS):
                s[k] = exp2(-s[k])
        for k in range(1, CHAINS):
            s[0] += s[k]
        out[cuda.grid(1)] = s[0]
    return kernel


def ceilings(kinds=("float32", "float64"), blocks=BLOCKS, threads=THREADS, steps=STEPS, copied=COPIED):
    """What the card can do at most, measured.

    Returns
    -------
    list of dict
        operation, dtype, and ps: picoseconds for one, or for one byte read or written.
    """
    rows = []
    for name in kinds:
        kind = np.dtype(name).type
        for operation, kernel in (("multiply-add", multiply_add_kernel(kind)), ("exp2", exp2_kernel(kind))):
            out = cuda.to_device(np.linspace(0, 1, blocks * threads, dtype=kind))
            seconds = fastest(lambda: kernel[blocks, threads](out, steps))
            rows.append({"operation": operation, "dtype": name,
                         "ps": 1e12 * seconds / (blocks * threads * CHAINS * steps)})
    source = cuda.to_device(np.ones(copied, np.uint8))
    target = cuda.device_array_like(source)
    seconds = fastest(lambda: target.copy_to_device(source))
    return [*rows, {"operation": "copy, a byte", "dtype": "", "ps": 1e12 * seconds / (2 * copied)}]


def fastest(run):
    call = Call(run, event=numba_event())
    return min(call.seconds_of(1) for _ in range(ROUNDS + 1))
