# %% [markdown]
# # 06. How a formula becomes fast code
#
# **Question.** The fast coverage gives the same digits as loops of Python, in a tiny part of
# their time. Where does the time go, and how much is left to gain?
#
# ![Time of one pair at every step, and the limits of the machine](figures/06_answer.png)
#
# Each dot is a step of this page, on a logarithmic scale; the lines are what parts of the arithmetic alone
# would take. All times come from one run on a 2-core AMD EPYC; they change from run to run.
# Symbols: [notation](notation.md).
#
# ## Naive: count the cost
#
# Coverage (E4) is the mean over samples of the softmin of the costs $D_{ij}$:
#
# $$D_{ij} = \|x_i - p_j\|^2, \quad s_i = -\tau \log \sum_j e^{-D_{ij} / \tau}, \quad a_{ij} = e^{-(D_{ij} - s_i) / \tau}, \quad \frac{\partial L}{\partial p_j} = \frac{2}{N} \sum_i a_{ij} (p_j - x_i).$$
#
# There are $N M$ pairs. Each takes $d$ subtractions and $d$ multiplications with additions for the
# cost, as many for the gradient, and an exp. Here $d = 1$. The least cost is taken out before the
# exp, so that nothing overflows ([page 03](03_coverage.md)).

# %%
import tracemalloc
from math import exp, inf, log
from time import perf_counter

import numba
import numpy as np
from numba import njit

import minimlp
from minimlp import plots
from minimlp.kernels import cpu, intrinsics
from minimlp.kernels.intrinsics import FASTMATH, add, exp2, smaller


def loops(p, x, tau):
    value, gradient = 0.0, np.zeros(len(p))
    for i in range(len(x)):
        least, total = inf, 0.0
        for j in range(len(p)):
            least = min(least, (x[i] - p[j]) ** 2)
        for j in range(len(p)):
            total += exp((least - (x[i] - p[j]) ** 2) / tau)
        for j in range(len(p)):
            a = exp((least - (x[i] - p[j]) ** 2) / tau) / total
            gradient[j] += a * (p[j] - x[i])
        value += least - tau * log(total)
    return value / len(x), 2 / len(x) * gradient


numba.set_num_threads(1)            # until the last step
N, M, tau = 2048, 2048, 0.02
samples, _ = minimlp.uniform_samples(N, seed=1)
prototypes = np.random.default_rng(2).uniform(-1, 1, (M, 1))
x, p = samples[:, 0], prototypes[:, 0]


def reference(count=N):
    return minimlp.coverage(prototypes, samples[:count], tau)


def error(result, count=N):
    """The larger of the relative errors of value and gradient."""
    value, gradient = reference(count)
    return max(abs(result[0] / value - 1), minimlp.relative_error(result[1].ravel(), gradient.ravel()))


tracemalloc.start()
reference()
print(f"the reference holds up to {tracemalloc.get_traced_memory()[1] / (8 * N * M):.1f} arrays "
      f"of N x M, {8 * N * M / 2**20:.0f} MiB each")
tracemalloc.stop()
compiled = njit(loops)
print("compiled loops, error below 1e-13:", error(compiled(p, x, tau)) < 1e-13)

# %% [markdown]
# The [reference](../minimlp/structural.py) does this in arrays of $N \times M \times d$. No loop of
# Python is left, but each operation reads a large array from memory and writes another. `njit`
# compiles the loops instead, without such arrays. Yet it does not beat NumPy here, because
# `math.exp` is a call for one number, and each pair makes it twice.
#
# ## An exp for vectors
#
# A **vector** instruction does the same to several numbers, one in each **lane**: 8 of float64
# here. Numba's compiler makes vectors of a loop whose body is plain arithmetic. So we need an exp
# without a call. First, $e^u = 2^y$ with $y = u \log_2 e$, a factor that merges with $1/\tau$.
# Then $y = n + r$, with $n$ the nearest integer:
#
# $$2^y = 2^n \, 2^r, \qquad -\tfrac12 \le r \le \tfrac12, \qquad 2^r \approx 1 + 0.693147 r + 0.240227 r^2 + 0.055504 r^3 + \dots$$
#
# To round, add $1.5 \cdot 2^{52}$. Numbers of that size are 1 apart, so the fraction is rounded
# away, and the low bits of the sum hold $n$. The exponent of a number is a field that starts at bit
# 52 and holds 1023 for the numbers from 1 to 2: adding $n$ there multiplies by $2^n$.

# %%
MAGIC = 1.5 * 2.0**52
y = np.float64(-2.3)
t = y + MAGIC
n = t - MAGIC
r = y - n
value = np.polyval([*intrinsics.CONSTANTS["float64"][3]], r)
bits = value.view(np.int64) + (t.view(np.int64) << 52)
print(f"low bits of t: {t.view(np.int64) & 0xfff:012b}    n = {n:.0f}    r = {r:.6f}")
print(f"2^r = {value:.6f}, its exponent field {value.view(np.int64) >> 52}, after adding n {bits >> 52}")
print(f"2^y = {bits.view(np.float64):.15f}, math: {2**-2.3:.15f}")

# %% [markdown]
# By hand, $1 - 0.207944 + 0.021620 - 0.001499 = 0.812178$ from the four terms above; the next
# adds 0.000078. `111111111110` is -2 in two's complement.
#
# The compiler must not be too clever. Numba's `fastmath=True` allows it all that is true of real
# numbers, **reassociation** too: `(y + MAGIC) - MAGIC` becomes `y + (MAGIC - MAGIC)`, in silence. So
# [intrinsics.py](../minimlp/kernels/intrinsics.py) names what is allowed, and this is not. It has this
# `exp2`, and `smaller` and `add`: a minimum and a sum in any order, so that they run in vectors too.

# %%
def nearest_integer(y):
    return (y + MAGIC) - MAGIC


tuned = njit(fastmath=FASTMATH, error_model="numpy")
broken = njit(fastmath=True)(nearest_integer)(-2.3)
print("nearest integer to -2.3:", tuned(nearest_integer)(-2.3), "  with fastmath=True:", broken)


@njit
def calls(y, out, rounds):
    for _ in range(rounds):
        for j in range(len(y)):
            out[j] = exp(y[j])


@tuned
def exps(y, out, rounds):
    for _ in range(rounds):
        for j in range(len(y)):
            out[j] = exp2(y[j])


y = np.random.default_rng(3).uniform(-1020, 0, 4000)
out = np.empty_like(y)
exps(y, out, 1)
exact = np.exp2(y.astype(np.longdouble))            # 80 bits on most processors
errors = ((out - exact) / exact).astype(float)
with plots.saved("figures/06_exp.png", 1, 2, height=3.0) as (_, [[parts, right]]):
    u = np.linspace(-4, 0, 1601)
    parts.plot(u, 2.0 ** np.rint(u), color=plots.COLOURS["none"], linewidth=1, label="2^n")
    parts.plot(u, 2.0 ** (u - np.rint(u)), "--", color=plots.COLOURS["overlap"], linewidth=1,
               label="2^r")
    parts.plot(u, 2.0 ** u, color=plots.COLOURS["coverage"], linewidth=2.2, label="product, 2^y")
    parts.set(xlabel="y", title="2^y = 2^n 2^r", xticks=range(-4, 1), ylim=(0, 1.8))
    parts.legend(loc="upper center", ncols=3)
    right.plot(y, errors / 1e-16, ".", markersize=2, color=plots.COLOURS["coverage"])
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xlabel="y", ylabel="relative error / 1e-16", ylim=(-2.5, 2.5),
              title="error of exp2 (rounding alone: 1.1)")

# %% [markdown]
# ![The two factors of a power of two, and the error of exp2](figures/06_exp.png)
#
# The error is at most 1.3e-16 here; rounding the result alone makes 1.1e-16. In the loops, three names change:

# %%
@tuned
def two_exps(p, x, tau):
    value, gradient, scale = 0.0, np.zeros(len(p)), -1.4426950408889634 / tau
    for i in range(len(x)):
        least, total = inf, 0.0
        for j in range(len(p)):
            least = smaller(least, (x[i] - p[j]) ** 2)
        for j in range(len(p)):
            total = add(total, exp2(((x[i] - p[j]) ** 2 - least) * scale))
        for j in range(len(p)):
            a = exp2(((x[i] - p[j]) ** 2 - least) * scale) / total
            gradient[j] += a * (p[j] - x[i])
        value += least - tau * log(total)
    return value / len(x), 2 / len(x) * gradient


print("error below 1e-13:", error(two_exps(p, x, tau)) < 1e-13)
assembly = "".join(two_exps.inspect_asm().values())
lanes = 8 if "zmm" in assembly else 4 if "ymm" in assembly else 2
print("lanes:", lanes)

# %% [markdown]
# ## One exp a pair
#
# The gradient takes the same exps as the sum, over the sum. So keep a row of them, $M$ numbers.

# %%
@tuned
def one_exp(p, x, tau):
    value, gradient, scale = 0.0, np.zeros(len(p)), -1.4426950408889634 / tau
    e = np.empty(len(p))
    for i in range(len(x)):
        least, total = inf, 0.0
        for j in range(len(p)):
            least = smaller(least, (x[i] - p[j]) ** 2)
        for j in range(len(p)):
            e[j] = exp2(((x[i] - p[j]) ** 2 - least) * scale)
            total = add(total, e[j])
        weight = 1 / total
        for j in range(len(p)):
            gradient[j] += weight * e[j] * (p[j] - x[i])
        value += least - tau * log(total)
    return value / len(x), 2 / len(x) * gradient

# %% [markdown]
# `one_exp` computes the costs twice, as the least is known only at the end. In more dimensions it
# pays to compute them once, in **tiles** of 512 prototypes, so that their rows stay in the first-level
# cache (the nearest memory, some 32 to 48 KiB a core). Then the least cost is not known before the last tile. So the sum is
# kept with the least cost so far, and rescaled when that falls from $m$ to $m'$. This is exact, for $m$ cancels:
#
# $$e^{-(D - m)/\tau} \, e^{-(m - m')/\tau} = e^{-(D - m')/\tau}.$$
#
# By hand, for costs 5, 3 | 4, 1 in two tiles and $\tau = 1$: after the first $m = 3$ and the sum is
# $e^{-2} + 1 = 1.1353$; at the end $m' = 1$ and it is $1.1353 \, e^{-2} + e^{-3} + 1 = 1.2034$, as in
# one go: $e^{-4} + e^{-2} + e^{-3} + 1$.
#
# ## Four samples at a time
#
# A **fused multiply-add**, $a b + c$ in one instruction, has a **latency**: here the result can be
# used 4 cycles later. Its **throughput** is higher: two start each cycle. The polynomial is a chain
# of 11, each waiting for the one before; only independent chains fill the gaps. The processor looks
# ahead and finds some; four samples side by side offer more. And memory comes in **cache lines** of
# 64 bytes, one vector: a prototype and its gradient are now loaded once for four pairs.

# %%
@tuned
def four_samples(p, x, tau):
    value, gradient, scale = 0.0, np.zeros(len(p)), -1.4426950408889634 / tau
    e = np.empty((4, len(p) + 16))          # 16: of rows 4096 bytes apart a load waits for a store
    for i in range(0, len(x), 4):           # N is a multiple of 4 here
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        m0 = m1 = m2 = m3 = inf
        s0 = s1 = s2 = s3 = 0.0
        for j in range(len(p)):
            m0, m1 = smaller(m0, (x0 - p[j]) ** 2), smaller(m1, (x1 - p[j]) ** 2)
            m2, m3 = smaller(m2, (x2 - p[j]) ** 2), smaller(m3, (x3 - p[j]) ** 2)
        for j in range(len(p)):
            e[0, j] = exp2(((x0 - p[j]) ** 2 - m0) * scale)
            e[1, j] = exp2(((x1 - p[j]) ** 2 - m1) * scale)
            e[2, j] = exp2(((x2 - p[j]) ** 2 - m2) * scale)
            e[3, j] = exp2(((x3 - p[j]) ** 2 - m3) * scale)
            s0, s1, s2, s3 = add(s0, e[0, j]), add(s1, e[1, j]), add(s2, e[2, j]), add(s3, e[3, j])
        w0, w1, w2, w3 = 1 / s0, 1 / s1, 1 / s2, 1 / s3
        for j in range(len(p)):
            gradient[j] += (w0 * e[0, j] * (p[j] - x0) + w1 * e[1, j] * (p[j] - x1)
                            + w2 * e[2, j] * (p[j] - x2) + w3 * e[3, j] * (p[j] - x3))
        value += m0 + m1 + m2 + m3 - tau * (log(s0) + log(s1) + log(s2) + log(s3))
    return value / len(x), 2 / len(x) * gradient


@tuned
def multiply_adds(a, rounds):                       # 8 in a chain, as many chains as numbers in a
    for _ in range(rounds):
        for j in range(len(a)):
            v = a[j]
            for _ in range(8):
                v = v * 0.5 - 1.0
            a[j] = v


# %% [markdown]
# ## Threads
#
# If all threads added to one gradient, the result would depend on who comes first, since
# $(0.1 + 0.2) + 0.3 \ne 0.1 + (0.2 + 0.3)$ in floating point. So the library cuts the samples into
# up to 16 parts with a gradient each, and adds those up in order. [simd.py](../minimlp/kernels/simd.py)
# is all of this, for any $d$. Beside it stands a **plain twin** to read, the compiled loops with calls of
# exp ([cpu.py](../minimlp/kernels/cpu.py)).

# %%
def library(threads, twin=lambda *arguments: minimlp.coverage(*arguments, backend="cpu")):
    numba.set_num_threads(threads)
    result = twin(prototypes, samples, tau)
    numba.set_num_threads(1)
    return result


threads = numba.config.NUMBA_NUM_THREADS
one, all_of_them = library(1), library(threads)
print("the same bits:", one[0] == all_of_them[0] and np.array_equal(one[1], all_of_them[1]))

# %% [markdown]
# ## The measurement
#
# All run in turn, five rounds; medians count. Python's loops get 8 samples. The limits come from small
# loops on data in the first-level cache. A pair needs 15 multiplications, most with an addition:
# for the square 1, the scale 1, the polynomial 11, the gradient 2.

# %%
steps = {
    "loops of Python": lambda: loops(p, x[:8], tau),
    "NumPy reference": reference,
    "loops, compiled": lambda: compiled(p, x, tau),
    "+ exp in vectors": lambda: two_exps(p, x, tau),
    "+ one exp a pair": lambda: one_exp(p, x, tau),
    "+ four samples": lambda: four_samples(p, x, tau),
    "library, 1 thread": lambda: library(1),
    f"library, {threads} threads": lambda: library(threads),
    f"plain twin, {threads} threads": lambda: library(threads, cpu.coverage)}
results = {name: step() for name, step in steps.items()}
y, out, many, single = np.linspace(-30, 0, 1024), np.empty(1024), np.ones(1024), np.ones(1)
small = {"call": (lambda: calls(y, out, 100), 100 * 1024),
         "exp2": (lambda: exps(y, out, 2000), 2000 * 1024),
         "throughput": (lambda: multiply_adds(many, 4000), 8 * 4000 * 1024),
         "latency": (lambda: multiply_adds(single, 20_000), 8 * 20_000)}
work = {"loops of Python": (steps["loops of Python"], 8 * M), **small}
work |= {name: (step, N * M) for name, step in steps.items() if name not in work}
times = {name: [] for name in work}
for repetition in range(6):
    for name, (function, count) in work.items():
        start = perf_counter()
        function()
        if repetition:                              # the first is for compiling
            times[name].append((perf_counter() - start) / count * 1e9)
ns = {name: np.median(of_name) for name, of_name in times.items()}
limits = {"15 multiply-adds": 15 * ns["throughput"], "a loop of exp2": ns["exp2"]}

print("time of a pair, compared with the compiled loops; error against the reference")
accuracy = {name: error(result, 8 if "Python" in name else N) for name, result in results.items()}
for name in steps:
    print(f"{name:22} {ns[name] / ns['loops, compiled']:8.3f}    {accuracy[name]:.0e}")
for name, limit in limits.items():
    print(f"{name:22} {limit / ns['loops, compiled']:8.3f}    limit of 1 core")
print(f"a call of exp takes as long as {ns['call'] / ns['exp2']:.0f} exp2 in vectors")
print(f"latency of a multiply-add / time at full throughput: {ns['latency'] / ns['throughput']:.0f}")
tuned_name, twin_name = list(steps)[-2:]
print(f"{threads} threads: tuned {ns[twin_name] / ns[tuned_name]:.0f} times faster than the plain twin, "
      f"{ns['NumPy reference'] / ns[tuned_name]:.0f} times faster than NumPy")

# %%
shown = list(steps)[:-1]
with plots.saved("figures/06_answer.png", height=3.9) as (_, [[axis]]):
    groups = {"without a compiler": ("none", 0, 2), "compiled on this page": ("coverage", 2, 6), "library": ("separation", 6, 8)}
    for group, (key, first, last) in groups.items():
        axis.plot([ns[name] for name in shown[first:last]], range(first, last), "o", color=plots.COLOURS[key], label=group)
    for k, name in enumerate(shown):
        axis.text(ns[name] * 1.12, k, f"{ns[name]:.2g}" if ns[name] < 100 else f"{ns[name]:.0f}",
                  va="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    for (name, limit), style in zip(limits.items(), ("-", (0, (2, 1.5)))):
        axis.vlines([limit, limit / threads], [-0.5, 6.5], [6.5, 7.5], linestyle=style,
                    color=plots.COLOURS["overlap"], label="limit: " + name)
    axis.set(xscale="log", xlabel="nanoseconds a pair (value and gradient, float64, d = 1)",
             xlim=(0.05, 8000), yticks=range(8), yticklabels=shown, ylim=(7.5, -0.5))
    axis.legend(loc="lower right", fontsize=8.5)

# %% [markdown]
# That is the figure at the top. Compiling alone only draws level with NumPy; exp in vectors gains
# most after that, and then not computing it twice. Four samples gain some 15 % here: a single chain is
# slow indeed (its ratio should be 4 cycles times 2 times 8 lanes, and a little for the loop), but
# the processor's look-ahead seems to hide most of that, and one coordinate is little to load. Their four rows of exps no
# longer fit the first-level cache either. The library does the same in one dimension; that it also finds the nearest
# prototype, gets a cost of exactly 0 there, rearranges the samples and checks its arguments takes the rest. In more dimensions it takes
# the tiles. A second thread brings less than twice, in so small a problem and on this machine.
#
# On one core `four_samples` takes one and a half times its multiplications. What lies between is not waste: in the
# machine code a vector of eight pairs takes some 28 arithmetic instructions, 3 for the least cost, 22 for the exp (its
# 11, and rounding, comparing, shifting) and 3 for the gradient; additions and minima have units of their own, but all
# are loaded and started by the same core. To go much further takes more cores, narrower numbers (exercise 2), or
# fewer pairs.
#
# A warning: with `for j, q in enumerate(p)` and `q` for `p[j]` `four_samples` took five times as long, with the same
# result, though the same vector instructions stand in its machine code. Time every version.

# %%
assert all(value < 1e-13 for value in accuracy.values()) and abs(errors).max() < 3e-16
assert (n, bits >> 52, broken) == (-2, 1020, -2.3) and abs(bits.view(np.float64) - 2**-2.3) < 1e-16
assert one[0] == all_of_them[0] and np.array_equal(one[1], all_of_them[1])
assert (0.1 + 0.2) + 0.3 != 0.1 + (0.2 + 0.3)
best = {name: min(of_name) for name, of_name in times.items()}    # of use on a busy machine, too
assert best["loops of Python"] > 10 * best["loops, compiled"] and best["call"] > 2 * best["exp2"]
assert all(best[name] > 2 * best["+ four samples"] for name in shown[:3])
assert 1.5 * best["+ one exp a pair"] > 15 * best["throughput"]
assert best["latency"] > 2 * best["throughput"]

# %% [markdown]
# ## Exercises
#
# 1. By hand: take $y = -5.75$ through the steps. What are $n$, $r$, and the exponent field of the
#    result?
# 2. In float32 the exponent starts at bit 23, a vector has twice the lanes, and a polynomial of degree
#    5 suffices. What is the magic number, and how far does the limit by multiply-adds fall?
#
# ## Answers

# %%
# 1: n = -6, r = 0.25, 2^r = 1.19 with the field 1023, so 1023 - 6 = 1017.
assert (-5.75 + MAGIC) - MAGIC == -6 and np.float64(2**-5.75).view(np.int64) >> 52 == 1017

# 2: 1.5 2^23; 9 multiply-adds over 16 lanes, not 15 over 8: to 0.3 of it.
magic = np.float32(1.5 * 2**23)
assert (np.float32(-5.75) + magic) - magic == -6 and (9 / 16) / (15 / 8) == 0.3
