# %% [markdown]
# # 07. The same loop on a GPU
#
# **Question.** A GPU runs a hundred thousand threads at once. How is the softmin shared out among
# them, and why does the gradient not simply add up what they find?
#
# ![Which block goes through which pairs, and sums in random order](figures/07_answer.png)
#
# Left: the pairs of 32 samples and 24 prototypes, coloured by the block of threads that goes through
# them; each thread has a row, and the frame is one tile. Right: a gradient entry added up in a
# random order, as threads that finish when they like would do it, and in the order of the index.
#
# This page needs no GPU: Numba's **simulator** runs each thread as one of Python's. It shows what is
# computed, never how fast. Symbols: [notation](notation.md).

# %%
import os
os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")      # before numba is imported; "0" on a GPU

from math import exp, log

import numpy as np
from numba import cuda, float64

import minimlp
from minimlp import plots

N, M, tau = 32, 24, 0.02
samples, _ = minimlp.uniform_samples(N, seed=1)
prototypes = np.random.default_rng(2).uniform(-1, 1, (M, 1))
values, gradient, _, _ = minimlp.softmin(prototypes, samples, tau)
x, p = cuda.to_device(samples[:, 0]), cuda.to_device(prototypes[:, 0])

# %% [markdown]
# ## One thread a sample
#
# A **kernel** is what one thread does. It asks which one it is, and takes that sample. There is no
# loop over samples left: the launch `kernel[blocks, threads]` starts one thread for each, in **blocks**. On the
# card the threads of a block run in **warps** of 32 that execute one instruction together, as the lanes of a vector do: a branch
# costs all of them if one takes it.

# %%
@cuda.jit
def one_a_sample(p, x, tau, s, reads):
    i = cuda.grid(1)                    # block number times threads a block, plus thread number
    if i < len(x):                      # the last block may have threads to spare
        least, total = 1e300, 0.0
        for j in range(len(p)):
            least = min(least, (x[i] - p[j]) ** 2)
        for j in range(len(p)):
            total += exp((least - (x[i] - p[j]) ** 2) / tau)
        s[i] = least - tau * log(total)
        reads[i] = 2 * len(p)


THREADS = 8
BLOCKS = -(-N // THREADS)


def run(kernel):
    """The values, and how many numbers the threads read of p, which lies in slow memory."""
    s, reads = cuda.device_array(N), cuda.device_array(N, np.int64)
    kernel[BLOCKS, THREADS](p, x, tau, s, reads)
    return s.copy_to_host(), reads.copy_to_host().sum()


naive, naive_reads = run(one_a_sample)
print(f"largest difference from the reference: {np.abs(naive - values).max():.0e}")
print(f"numbers read of p: {naive_reads} = 2 N M")

# %% [markdown]
# ## Tiles
#
# The card's large memory is far away: hundreds of cycles. All threads of a block need the same
# prototypes, and they have a small **shared memory** in common, close by, which hands the same number to all
# threads of a warp at once. So each thread brings one
# prototype of a **tile** (neighbours bring neighbours, which arrive together); when all have done so, each goes through the whole tile. `syncthreads` is
# the point where all wait for all, once before the tile is used, once before it is replaced. Threads to spare
# must come there too, so `i < len(x)` stands inside the loop, not around it.
#
# The sum is kept with the least cost so far, and rescaled when that falls, as on [page 06](06_fast_code.md), one pair at a
# time.

# %%
@cuda.jit
def tiles(p, x, tau, s, reads):
    tile = cuda.shared.array(THREADS, float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    least, total, count = 1e300, 0.0, 0
    for first in range(0, len(p), THREADS):
        if first + t < len(p):
            tile[t] = p[first + t]
            count += 1
        cuda.syncthreads()
        for j in range(min(THREADS, len(p) - first)):
            if i < len(x):
                cost = (x[i] - tile[j]) ** 2
                if cost < least:
                    total *= exp((cost - least) / tau)
                    least = cost
                total += exp((least - cost) / tau)
        cuda.syncthreads()
    if i < len(x):
        s[i], reads[i] = least - tau * log(total), count


tiled, tiled_reads = run(tiles)
print(f"largest difference from the reference: {np.abs(tiled - values).max():.0e}")
print(f"numbers read of p: {tiled_reads} = N M / {THREADS}, {naive_reads // tiled_reads} times fewer: "
      f"{THREADS} by the tile, 2 as one pass does")

# %% [markdown]
# [gpu.py](../minimlp/kernels/gpu.py) does the same with 128 threads a block. In float32 and few dimensions a thread has
# four samples, so that a number of the tile serves four pairs, and takes eight prototypes at a time: eight exps that do
# not wait for each other. The least cost changes seldom, so the rescaling is in a branch.
#
# With few samples there would be few blocks. Then several blocks **share out** the prototypes, and a
# second kernel merges what each found, its least cost and its sum. With $m = \min(m_1, m_2)$:
#
# $$\sum_j e^{-(D_j - m)/\tau} = S_1 \, e^{-(m_1 - m)/\tau} + S_2 \, e^{-(m_2 - m)/\tau}.$$
#
# For the costs 5, 3 | 4, 1 of page 06: $m_1 = 3$ and $S_1 = 1.1353$ as there, $m_2 = 1$ and
# $S_2 = e^{-3} + 1 = 1.0498$. Together $1.1353 \, e^{-2} + 1.0498 = 1.2034$ again.
#
# ## Who adds up the gradient
#
# Entry $j$ of the gradient is a sum over all samples, $\frac{2}{N} \sum_i a_{ij} (p_j - x_i)$, and samples belong to
# different threads. They could add to it in turn (an **atomic** addition), in an order that
# changes from run to run, and floating-point sums depend on their order:

# %%
random = np.random.default_rng(3)
many = random.uniform(-1, 1, 4096).astype(np.float32)
costs = (many - np.float32(0.3)) ** 2
terms = np.exp(-costs / np.float32(tau)) * (np.float32(0.3) - many)


def in_order(terms):
    total = np.float32(0)
    for term in terms:
        total += term
    return total


exact = terms.astype(float).sum()
shuffled = np.array([in_order(random.permutation(terms)) for _ in range(300)])
fixed = {float(in_order(terms)) for _ in range(3)}
print(f"300 orders give {len(set(shuffled.tolist()))} different sums; a fixed order gives {len(fixed)}")

# %% [markdown]
# So the roles change: in a second kernel each thread has a *prototype* and goes through the samples,
# which lie in tiles now. Nobody else writes its entry, and the order is that of the index. The price
# is a second exp for each pair. What the blocks found is merged in a fixed order, too. The same numbers give the
# same bits, and a failure can be looked at twice.

# %%
@cuda.jit
def gradient_of_prototypes(p, x, s, tau, gradient):
    j = cuda.grid(1)
    if j < len(p):
        pull = 0.0
        for i in range(len(x)):
            pull += exp((s[i] - (x[i] - p[j]) ** 2) / tau) * (p[j] - x[i])      # a_ij (p_j - x_i)
        gradient[j] = 2 / len(x) * pull


result = cuda.device_array(M)
gradient_of_prototypes[-(-M // THREADS), THREADS](p, x, cuda.to_device(tiled), tau, result)
print(f"gradient: {minimlp.relative_error(result.copy_to_host(), gradient[:, 0]):.0e}")
library = minimlp.coverage(prototypes, samples, tau, backend="gpu")
print(f"library:  {minimlp.relative_error(library[1], gradient):.0e}")

# %%
with plots.saved("figures/07_answer.png", 1, 2, height=3.5) as (_, [[pairs, sums]]):
    colours = [plots.COLOURS[name] for name in ("coverage", "fit", "separation", "overlap")]
    for block in range(BLOCKS):
        pairs.axhspan(block * THREADS, (block + 1) * THREADS, color=colours[block], alpha=0.35, lw=0)
        pairs.text(M - 0.4, (block + 0.5) * THREADS, f"block {block}", ha="right", va="center")
    pairs.plot([8, 16, 16, 8, 8], [8, 8, 16, 16, 8], color="black", linewidth=2)
    pairs.annotate("one tile", (8, 12), (1, 4), arrowprops={"arrowstyle": "->"})
    pairs.set(xlim=(0, M), ylim=(N, 0), xticks=range(0, M + 1, 8), yticks=range(0, N + 1, 8),
              xlabel="prototype j", ylabel="sample i, a thread each", title="Who goes through which pairs")
    errors = (shuffled - exact) / abs(exact)
    sums.hist(errors * 1e6, 14, color=plots.COLOURS["overlap"], alpha=0.7, label="random orders")
    sums.axvline((fixed.copy().pop() - exact) / abs(exact) * 1e6, color=plots.COLOURS["coverage"],
                 linewidth=2.5, label="order of the index")
    sums.set(xlabel="relative error of a float32 sum / 1e-6", ylabel="runs",
             title="4096 terms of one gradient entry")
    sums.legend(loc="upper right", fontsize=8)

# %% [markdown]
# ## float32
#
# Cards for graphics compute float32 up to 64 times as fast as float64, an H200 twice; and all have an instruction for
# $2^y$ in float32 alone (page 06 built one). It takes one bare `2.0` to lose that: in a kernel
# `2.0 * a` of a float32 `a` is a float64. So the formulas of
# [scalar.py](../minimlp/kernels/scalar.py), which CPU and GPU share, have float32 constants, and a
# test reads the compiled code: no float64 instruction in any float32 kernel.
#
# ## What is known without a GPU
#
# `python benchmarks/ptx.py` compiles every kernel for an H200 and counts registers, shared memory and
# instructions ([as counted](../benchmarks/results/ptx.txt)). In one dimension and float32 the inner loop of the gradient takes 244 instructions for
# 32 pairs, 7.6 a pair: two subtractions, two multiply-adds, two multiplications, an exp, and 0.6 for loads and the loop.
# The softmin's has 351, a hundred of them in the rare branch. A **multiprocessor**, one of
# the card's 132 cores, starts the instructions of four warps a cycle, $4 \cdot 32 = 128$, and 16 exps: an exp keeps its unit as busy as 8
# instructions keep theirs. While one warp waits, another works: with the 80 registers that these threads take, 24 warps
# have room on a multiprocessor.

# %%
multiprocessors, cycles = 132, 1.98e9           # of an H200, from its data sheet
pairs_a_call = 131072**2
exps = 2 * pairs_a_call / (16 * multiprocessors * cycles)
instructions = 2 * 7.6 * pairs_a_call / (128 * multiprocessors * cycles)
print(f"N = M = 131072, d = 1, float32: exps {1e3 * exps:.1f} ms, instructions {1e3 * instructions:.1f} ms")

# %% [markdown]
# That is a prediction: no call takes less than the larger of the two; and not twice that, if there is always a warp
# that need not wait. Whether it holds, the [README](../README.md#on-a-gpu) says
# once it has been measured.

# %%
assert max(np.abs(naive - values).max(), np.abs(tiled - values).max()) < 1e-14
assert (naive_reads, tiled_reads) == (2 * N * M, N * M // THREADS)
assert len(fixed) == 1 < len(set(shuffled.tolist()))
assert minimlp.relative_error(result.copy_to_host(), gradient[:, 0]) < 1e-12
assert minimlp.relative_error(library[1], gradient) < 1e-12

# %% [markdown]
# ## Exercises
#
# 1. By hand: merge costs 2, 7 | 2, 4 at $\tau = 1$. What are $m$ and the sum?
# 2. Without the second `syncthreads` the result is sometimes wrong. Which thread reads what too late?
#
# ## Answers

# %%
# 1: m = 2; S_1 = 1 + e^-5, S_2 = 1 + e^-2, and nothing is rescaled: 2.1421.
assert abs(2 + exp(-5) + exp(-2) - 2.1421) < 1e-4
# 2: a fast thread replaces its entry of the tile while a slow one has not read it yet, and the
# slow one takes a prototype of the next tile for one of this.
