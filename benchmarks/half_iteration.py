"""Time half a Sinkhorn iteration (E16) beside the coverage kernel, nanoseconds a pair, N = M = 4096.

    NUMBA_NUM_THREADS=2 python benchmarks/half_iteration.py
"""

from statistics import median
from time import perf_counter

import numpy as np

from minimlp.kernels import simd, transport

POINTS, ROUNDS = 4096, 15


def nanoseconds(functions):
    """A pair, the median over rounds in which the functions take turns."""
    times = {name: [] for name in functions}
    for round_number in range(ROUNDS + 1):
        for name, function in functions.items():
            start = perf_counter()
            function()
            if round_number:                # the first one compiles
                times[name].append((perf_counter() - start) / POINTS**2 * 1e9)
    return {name: median(values) for name, values in times.items()}


def main():
    print("d    type     coverage  half iteration  ratio   (ns a pair)")
    for d in (1, 2, 8, 64):
        for kind in (np.float64, np.float32):
            random = np.random.default_rng(0)
            x, p = random.uniform(-1, 1, (2, POINTS, d)).astype(kind)
            offsets, temperature = random.normal(0, 0.01, POINTS).astype(kind), 0.02 * d
            tiles, fours = simd.in_tiles(p), simd.in_fours(x)
            times = nanoseconds({
                "coverage": lambda: simd.coverage(p, x, temperature),
                "half": lambda: transport.half_iteration(tiles, fours, offsets, POINTS, temperature)})
            print(f"{d:<4} {kind.__name__}  {times['coverage']:8.3f}  {times['half']:14.3f}  "
                  f"{times['half'] / times['coverage']:5.2f}")


if __name__ == "__main__":
    main()
