# %% [markdown]
# # 10. Balanced coverage, images, phases
#
# **Question.** Coverage holds prototypes near the data and leaves half of them unused. What makes every
# prototype serve, and what can then be read back out of the weights?
#
# ![Prototypes while they train, under coverage and under balanced coverage](figures/10_answer.png)
#
# The same twenty prototypes from the same start. Under coverage (left) they come near, and share: some samples
# (dashes) have two or three, others none. Under *balanced coverage* (right) each is made to serve as many samples as any
# other, and finds one of its own. None of this is in the papers. Symbols: [notation](notation.md); pages used:
# [03](03_coverage.md), [04](04_separation_and_overlap.md), [05](05_the_study.md), [08](08_splitting.md).
#
# ## One more constraint
#
# In coverage every sample shares itself out among prototypes, $\sum_j a_{ij} = 1$, and nobody asks what a prototype
# receives. Let $\pi_{ij} \ge 0$ be the mass that goes from sample $i$ to prototype $j$, and ask both:
#
# $$L = \min_\pi \sum_{ij} \pi_{ij} D_{ij} + \tau \sum_{ij} \pi_{ij} \log(N M \pi_{ij}), \quad \sum_j \pi_{ij} = \frac1N, \quad \sum_i \pi_{ij} = \frac1M,$$
#
# with $D_{ij} = \|x_i - p_j\|^2$ (tag E16). It is optimal transport with an entropy (Cuturi 2013). Without the second constraint it would be coverage
# plus $\tau \log M$. Give each constraint a multiplier, $f_i / N$ and $g_j / M$ up to constants, and set the derivative by $\pi_{ij}$ to
# zero:
#
# $$\pi_{ij} = \frac{1}{NM} e^{(f_i + g_j - D_{ij})/\tau}.$$
#
# So $g_j$ is a bonus that makes prototype $j$ look nearer, and the constraints say what $f$ and $g$ are:
#
# $$f_i = -\tau \log \frac1M \sum_j e^{(g_j - D_{ij})/\tau}, \qquad g_j = -\tau \log \frac1N \sum_i e^{(f_i - D_{ij})/\tau}.$$
#
# The first is the softmin of page 03 with offsets; the second is the same with samples and prototypes changing places. Take turns,
# and both come true: *Sinkhorn's iteration*. By hand, with loops:

# %%
import json
from math import exp, log

import numpy as np

import minimlp
from minimlp import plots


def naive_sinkhorn(p, x, temperature, iterations):
    """f, g and the plan pi, one number after another."""
    N, M = len(x), len(p)
    D = [[sum((a - b) ** 2 for a, b in zip(x_i, p_j)) for p_j in p] for x_i in x]
    g = [0.0] * M
    for _ in range(iterations):
        f = [-temperature * log(sum(exp((g[j] - D[i][j]) / temperature) for j in range(M)) / M) for i in range(N)]
        pi = [[exp((f[i] + g[j] - D[i][j]) / temperature) / (N * M) for j in range(M)] for i in range(N)]
        before, g = g, [-temperature * log(sum(exp((f[i] - D[i][j]) / temperature) for i in range(N)) / N) for j in range(M)]
    return np.array(f), np.array(before), np.array(pi)


random = np.random.default_rng(1)
x, p = random.uniform(-1, 1, (2, 7, 2))
f, g, pi = naive_sinkhorn(p, x, 0.2, 60)
value, gradient, offsets, marginal_error = minimlp.sinkhorn(p, x, 0.2, iterations=60, tolerance=0.0)
print(f"value by loops {f.mean() + g.mean():.12f}, by the reference {value:.12f}")
print(f"a prototype receives {pi.sum(axis=0).min():.9f} to {pi.sum(axis=0).max():.9f}, 1/M = {1 / 7:.9f}; "
      f"the marginal error is {marginal_error:.1e}")

# %% [markdown]
# Why is $L$ the mean of $f$ plus the mean of $g$? Put $\pi$ into $L$: the logarithm is $(f_i + g_j - D_{ij})/\tau$, so $D$ cancels and $\sum \pi_{ij} (f_i +
# g_j)$ is left, which by the constraints is $\frac1N \sum_i f_i + \frac1M \sum_j g_j$.
#
# ## The gradient, without differentiating the iteration
#
# $f$ and $g$ depend on $p$ through sixty iterations. Yet
#
# $$\frac{\partial L}{\partial p_j} = 2 \sum_i \pi_{ij} (p_j - x_i).$$
#
# With $f$ as above, $L(p) = \max_g F(g, p)$, $F = \frac1N \sum_i f_i + \frac1M \sum_j g_j$. By the chain rule
#
# $$\frac{dL}{dp} = \frac{\partial F}{\partial p} + \frac{\partial F}{\partial g} \frac{dg}{dp}, \qquad \frac{\partial F}{\partial g_j} = \frac1M - \sum_i \pi_{ij},$$
#
# and at the maximum the second factor is 0: what prototype $j$ receives is what it should (the *envelope theorem*). Only $D$
# is left to differentiate, as in page 03 with $\pi_{ij}$ for $a_{ij}/N$. Before the iteration has converged the gradient is off, by as
# much as the marginals are:

# %%
print("iterations  marginal error  error of the gradient (complex step through all iterations)")
for iterations in (5, 10, 20, 40, 80):
    error = minimlp.sinkhorn(p, x, 0.2, iterations=iterations, tolerance=0.0)[3]
    report = minimlp.check_gradient(
        lambda q: minimlp.sinkhorn(q, x, 0.2, iterations=iterations, tolerance=0.0)[:2], p)
    print(f"{iterations:10}  {error:14.1e}  {report.errors['complex']:12.1e}")
right = report.errors["complex"]

# %% [markdown]
# Where does a prototype go? Its step is a sum of pulls towards samples, as under coverage, so balanced coverage is an attractor
# too. But the pulls on $j$ add up to $1/M$ however far it is: nobody is stranded. And for $\tau \to 0$ the plan is a
# one-to-one pairing, the best one; on a line that is sorted with sorted:

# %%
line, sample = np.sort(random.uniform(-1, 1, (2, 9, 1)), axis=1)
offsets = None
for temperature in np.geomspace(1, 1e-4, 60):
    value, gradient, offsets, error = minimlp.sinkhorn(line, sample, temperature, offsets, 200, 0.0)
print(f"balanced coverage at tau = 1e-4: {value:.6f}; sorted with sorted: {np.mean((line - sample) ** 2):.6f}")

# %% [markdown]
# Note how it was reached. At $\tau = 10^{-4}$ alone Sinkhorn would take ages: a small $\tau$ makes the exponentials all or nothing. Lowered step by
# step, with the offsets handed on, a few iterations at each temperature do. A training does just that: it lowers $\tau$ from
# 0.3 to 0.001 while the prototypes move, 20 iterations a step, and never starts over.

# %%
x, y = minimlp.uniform_samples(20, seed=[0, 20, 0])
start = minimlp.init_params(x, 20, seed=[0, 20, 1])
trained, paths = {}, {}
for name, temperature in (("coverage", 0.02), ("balanced", (0.3, 1e-3))):
    trained[name] = minimlp.train(start, x, y, {name: 0.1}, {name: temperature}, every=20, backend="cpu")
    paths[name] = trained[name].trajectory
    p = minimlp.prototypes(trained[name].params)
    print(f"{name}: error {minimlp.reconstruction_error(p, x):.4f}, specialization ratio "
          f"{minimlp.specialization_ratio(p, x):.2f}, fit {trained[name].terms['fit']:.1e}")
print(f"marginal error at the last step: {trained['balanced'].marginal_error:.1e}")

with plots.saved("figures/10_answer.png", 1, 2, height=3.4, sharey=True) as (_, axes):
    for axis, (name, theta) in zip(axes[0], paths.items()):
        axis.axhspan(x.min(), x.max(), color=plots.HULL, zorder=0)
        axis.plot(20 * np.arange(len(theta)), -theta[:, 20:40] / theta[:, :20], color=plots.COLOURS[name], linewidth=1.1)
        axis.plot(np.full(20, 2060), x, "k_", markersize=8, clip_on=False)
        axis.set(title=name, xlabel="step", ylim=(-1.6, 1.6))
    axes[0, 0].set_ylabel("prototype position\n(shaded: hull; dashes: samples)")
