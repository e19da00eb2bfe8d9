# %% [markdown]
# # 03. Coverage
#
# **Question.** Coverage is the loss that asks every sample to have a prototype near it. Why can its
# pull on a prototype never point away from the data, and what can it not do?
#
# ![A prototype outside the hull and the pulls on it](figures/03_answer.png)
#
# Every sample pulls, none pushes, and beyond the dashed line there is no sample: a prototype there
# can only be pulled back. Prototypes are explained on page [01](01_gaussian_units.md), symbols in the
# [notation](notation.md).
#
# ## A soft nearest distance
#
# The least of a sample's squared distances $D_j = (x - p_j)^2$ would do, but its gradient jumps
# where another prototype becomes the nearest. The **softmin** is smooth:
#
# $$s = -\tau \log \sum_j e^{-D_j/\tau}.$$
#
# When the temperature $\tau$ (in the unit of $D$) is small, the exponential of the least $D$ is
# nearly all of the sum, and $s$ is nearly that $D$. Prototype $j$'s part of the sum is its
# **share** $a_j$.
#
# By hand: a sample at 0, prototypes at 1 and 2, $\tau = 1$. The sum is
# $e^{-1} + e^{-4} = 0.3679 + 0.0183 = 0.3862$, so $s = -\log 0.3862 = 0.951$, a little under 1, and
# the shares are $0.3679/0.3862 = 0.9526$ and 0.0474.

# %%
import numpy as np

import minimlp
from minimlp import plots


def naive_softmin(costs, tau):
    terms = np.exp(-costs / tau)
    return -tau * np.log(terms.sum()), terms / terms.sum()


def stable_softmin(costs, tau):
    least = costs.min()
    value, shares = naive_softmin(costs - least, tau)
    return least + value, shares


costs = np.array([1.0, 4.0])
with np.errstate(divide="ignore", invalid="ignore"):
    for tau in (1, 0.1, 0.001):
        for softmin in naive_softmin, stable_softmin:
            value, shares = softmin(costs, tau)
            print(f"tau = {tau:5}, {softmin.__name__:14}: s = {value:.3f}, a =", shares.round(3))

# %% [markdown]
# At $\tau = 0.001$ the naive sum is $e^{-1000} + e^{-4000}$. A double ends near $e^{-745}$, so both
# are 0, the logarithm is infinite and the shares are 0/0. The cure is to take the largest
# exponential out of the sum (the *log-sum-exp* trick); the shares do not change:
#
# $$s = m - \tau \log \sum_j e^{-(D_j - m)/\tau}, \qquad m = \min_j D_j.$$
#
# Now the sum is between 1 and $M$, never 0, and $m - \tau \log M \le s \le m$:
# $s$ may be negative.

# %%
grid = np.linspace(-0.5, 3.5, 401)
with plots.saved("figures/03_softmin.png", height=2.8) as (_, [[axis]]):
    two = np.array([1.0, 2.0])
    axis.plot(grid, ((grid[:, None] - two) ** 2).min(axis=1), color=plots.COLOURS["none"],
              alpha=0.25, linewidth=7, label="least squared distance")
    for tau, color in zip((0.02, 0.5, 1), plots.PROTOTYPES):        # 0.02 and 0.5 as in the last figure
        values, _, _, _ = minimlp.softmin(two, grid, tau)
        axis.plot(grid, values, color=color, label=f"softmin, τ = {tau}")
    axis.plot(two, [-1, -1], "^", color=plots.COLOURS["coverage"], markersize=9, clip_on=False,
              label="the two prototypes")
    axis.set(xlabel="sample x", ylabel="s", ylim=(-1, 1.5), xlim=(-0.5, 5))
    axis.legend(loc="center right")

# %% [markdown]
# ![Softmin of two distances at three temperatures](figures/03_softmin.png)
#
# ## Coverage
#
# Coverage is the mean softmin over the samples (E4), in any dimension:
#
# $$L = \frac{1}{N} \sum_i s_i, \qquad D_{ij} = \lVert x_i - p_j \rVert^2.$$
#
# As loops, for the samples and prototypes of the first picture:

# %%
x = np.array([[0.0, 1.2], [0.9, 0.0], [-1.0, 0.4], [-0.7, -0.8], [0.3, -0.9], [0.1, 0.1]])
p = np.array([[1.25, 1.2], [-0.5, 0.2], [0.2, -0.5]])
tau = 2.0


def naive_coverage(p, x, tau):
    value, gradient, shares = 0.0, np.zeros_like(p), []
    for x_i in x:
        s, a = stable_softmin(np.array([sum((x_i - p_j) ** 2) for p_j in p]), tau)
        value += s / len(x)
        for j, p_j in enumerate(p):
            gradient[j] += 2 / len(x) * a[j] * (p_j - x_i)
        shares.append(a)
    return value, gradient, np.array(shares)


naive_value, naive_gradient, shares = naive_coverage(p, x, tau)
value, gradient = minimlp.coverage(p, x, tau)
print(f"coverage {value:.3f}, gradient of the first prototype {gradient[0].round(3)}")
print("the loops agree:", np.allclose(naive_value, value) and np.allclose(naive_gradient, gradient))

# %% [markdown]
# ## Its gradient
#
# Let $S_i = \sum_k e^{-D_{ik}/\tau}$, so $s_i = -\tau \log S_i$. First the logarithm, then the
# exponential; only the term $k = j$ contains $D_{ij}$:
#
# $$\frac{\partial s_i}{\partial D_{ij}} = -\frac{\tau}{S_i} \frac{\partial S_i}{\partial D_{ij}}$$
#
# $$\frac{\partial S_i}{\partial D_{ij}} = -\frac{1}{\tau} e^{-D_{ij}/\tau}$$
#
# The factors $-\tau$ and $-1/\tau$ cancel; what is left is the share, the softmax of $-D_{ij}/\tau$:
#
# $$\frac{\partial s_i}{\partial D_{ij}} = \frac{e^{-D_{ij}/\tau}}{S_i} = a_{ij}$$
#
# With $\partial D_{ij} / \partial p_j = 2 (p_j - x_i)$ and the mean over samples (E4):
#
# $$\frac{\partial L}{\partial p_j} = \frac{2}{N} \sum_i a_{ij} (p_j - x_i).$$

# %%
report = minimlp.check_gradient(lambda q: minimlp.coverage(q, x, tau), p)
print("right to 12 digits:", report.error < 1e-12)

# %% [markdown]
# (The checker: page [02](02_backward.md).) In the example by hand the entries are
# $2 \cdot 0.9526 \cdot 1 = 1.905$ and $2 \cdot 0.0474 \cdot 2 = 0.190$.
#
# ## Why it can only attract
#
# The step $-\partial L/\partial p_j = \frac{2}{N} \sum_i a_{ij} (x_i - p_j)$ sums arrows to the
# samples with weights $a_{ij} \ge 0$. The samples' **convex hull** is the set of their weighted means; with two
# points it holds the segment between them. Let $p$ be outside of it, $q$ its nearest point to $p$, and
# $n = (p - q)/\lVert p - q \rVert$.
#
# 1. $n \cdot (x_i - q) \le 0$ for every sample: else a short move from $q$ towards $x_i$, in the
#    hull, would come nearer to $p$.
# 2. So $n \cdot (x_i - p) \le -\lVert p - q \rVert$ for every arrow, and the sum has
#    $n \cdot (-\partial L/\partial p) \le -\lVert p - q \rVert \frac{2}{N} \sum_i a_{ij} \le 0$.
#
# In the picture $q = (0.45, 0.6)$, $n = (0.8, 0.6)$, and $p$ is at distance 1.

# %%
q, n = np.array([0.45, 0.6]), np.array([0.8, 0.6])
print("distance to the hull    ", minimlp.hull_distance(p[:1], x).round(3))
print("n . (x_i - p), all <= -1", ((x - p[0]) @ n).round(2))
print(f"n . step                 {-gradient[0] @ n:.3f}")

# %%
with plots.saved("figures/03_answer.png", height=3.6) as (_, [[axis]]):
    arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0}
    blue = plots.COLOURS["coverage"]
    axis.fill(*x[:5][[0, 1, 4, 3, 2]].T, color=plots.HULL, zorder=0)
    edge = q + np.outer((-1, 1.3), (0.6, -0.8))
    axis.plot(*edge.T, "k--", linewidth=1, label="line through q: all samples on one side")
    for x_i, a_i in zip(x, shares[:, 0]):
        axis.plot(*np.array([p[0], x_i]).T, color=blue, linewidth=0.5, alpha=0.6)
        axis.annotate("", p[0] + 2 * a_i * (x_i - p[0]), p[0], arrowprops={**arrow, "color": blue})
    axis.annotate("", q + 0.4 * n, q, arrowprops={**arrow, "color": "black"})
    axis.text(*(q + 0.4 * n + (-0.03, 0.05)), "n")
    axis.text(*(q - (0.15, 0.1)), "q")
    axis.plot(*x.T, "ko", label="samples (shaded: hull)")
    axis.plot(*q, "ko", markerfacecolor="white", label="q: nearest point of the hull")
    axis.plot(*p[1:].T, "^", color=plots.COLOURS["none"], markersize=8, label="other prototypes")
    axis.plot(*p[0], "^", color=blue, markersize=11, label="p: a prototype outside")
    axis.plot([], [], color=blue, label="pull of each sample, times N")
    axis.set(aspect="equal", xlabel="first coordinate", ylabel="second coordinate",
             xlim=(-1.2, 4.9), ylim=(-1.05, 1.5))
    axis.legend(loc="lower right")

# %% [markdown]
# ## On its way to the weights
#
# Training moves $w$ and $b$, not $p = -b/w$. Since $\partial p/\partial b = -1/w$ and
# $\partial p/\partial w = b/w^2 = -p/w$, with $g = \partial L/\partial p$ (E8)
#
# $$\frac{\partial L}{\partial b} = -\frac{g}{w}, \quad \frac{\partial L}{\partial w} = -\frac{g \cdot p}{w},$$
#
# and a small step of gradient descent, $-\eta$ times these, moves $p$ by $\partial p/\partial b$ and
# $\partial p/\partial w$ times as much:
#
# $$\frac{\eta}{w} \frac{\partial L}{\partial b} + \frac{\eta p}{w} \frac{\partial L}{\partial w} = -\frac{\eta}{w^2} (I + p p^T) g.$$
#
# In one dimension that is $-\eta g (1 + p^2)/w^2$: the direction of the step in $p$, though the fit adds a step of
# its own and Adam rescales both. In two dimensions the direction can change, even to one that leads away:
#
# ![Coverage in two dimensions: the direction in p, and that through w and b](../benchmarks/results/study/counterexample.png)

# %%
units = minimlp.Params.at(p=[1, 2], w=[2, 2])
force = minimlp.forces(units, np.zeros(1), temperatures={"coverage": 1.0})["coverage"]
print("step in p      ", force.direct.ravel().round(3))
print("through w and b", force.through_weights.ravel().round(3))

# %% [markdown]
# The example by hand, with $w = 2$: the factors are $(1 + 1)/4 = 0.5$ and $(1 + 4)/4 = 1.25$.
#
# ## What it cannot do
#
# It cannot fetch. A prototype's share of a sample is at most $e^{-\Delta/\tau}$, where the gap
# $\Delta$ is its squared distance less that of the nearest one. A prototype with $\Delta$ far over
# $\tau$ for every sample feels no pull: it is *stranded*. Put one prototype on the sample 0
# and another at $p$, with $\tau = 0.02$:

# %%
stranded = {}
for far in (0.5, 1, 2, 4):
    stranded[far] = abs(minimlp.coverage(np.array([0.0, far]), np.zeros(1), 0.02)[1][1])
    print(f"p = {far:3}: gap / tau = {far ** 2 / 0.02:5.1f}, pull towards 0: {stranded[far]:.1e}")

# %% [markdown]
# At 4 the pull is exactly 0, in double precision. A large $\tau$ reaches everywhere but no longer tells samples apart:
# the shares tend to $1/M$, and every prototype is pulled to the mean.

# %%
with plots.saved("figures/03_pull.png", height=3) as (_, [[axis]]):
    line, grid = np.array([-1.0, -0.3, 0.5, 1.0]), np.linspace(-3, 3, 601)
    axis.axvspan(-1, 1, color=plots.HULL, zorder=0)
    axis.axhline(0, color="black", linewidth=0.8)
    for tau_k, color in zip((0.02, 0.5, 5, 1000), plots.PROTOTYPES):
        pull = [-minimlp.coverage(np.array([t, 0.0]), line, tau_k)[1][0] for t in grid]
        axis.plot(grid, pull, color=color, label=f"τ = {tau_k}")
    axis.plot(line, np.zeros(4), "ko", markersize=5)
    axis.plot(0, 0, "^", color=plots.COLOURS["none"], markersize=10)
    axis.set(xlabel="position p of the prototype (dots: samples; triangle: the other prototype)",
             ylabel="pull, −∂L/∂p", xlim=(-3, 3), ylim=(-1.5, 1.5))
    axis.legend(loc="upper right")

# %% [markdown]
# ![Pull on a prototype against its position](figures/03_pull.png)
#
# Left of the shaded hull no curve is below 0, right of it none is above.
#
# Nor can it keep prototypes apart: several may share one sample (page
# [04](04_separation_and_overlap.md) has losses that push).
#
# The cost is $N M$ exponentials, which the reference holds all at once. Fast code can stream the
# same softmin: for each sample it keeps the least $D$ so far and a running sum.

# %%
assert np.exp(-1000.0) == 0 and np.isfinite(stable_softmin(costs, 0.001)[0])
assert np.allclose(naive_gradient, gradient) and report.error < 1e-12
assert np.all((x - q) @ n < 1e-12) and -gradient[0] @ n < 0
assert np.allclose(force.through_weights / force.direct, [[0.5], [1.25]])
assert stranded[2] > 0 and stranded[4] == 0

# %% [markdown]
# ## Exercises
#
# 1. Show that the step is $A_j (m_j - p_j)$ with a number $A_j \ge 0$ and $m_j$ a point of the
#    hull. At which rate $\eta$ does one step land on $m_j$? What may a larger one do?
# 2. All $M$ prototypes sit on the only sample. What is the coverage, and its gradient?
#
# ## Answers

# %%
# 1: A_j = (2/N) sum_i a_ij, and m_j is the mean of the samples with weights a_ij. The step of rate
#    1/A_j lands on m_j; a larger one goes beyond it, and may leave the hull on the other side.
A = 2 / len(x) * shares[:, 0].sum()
m = shares[:, 0] @ x / shares[:, 0].sum()
assert np.allclose(p[0] - gradient[0] / A, m)
assert minimlp.hull_distance((p[0] - 5 * gradient[0] / A)[None], x) > 1

# 2: s = -tau log M, less than 0, and the gradient is 0: coverage is content to have them all there.
value, gradient = minimlp.coverage(np.zeros(3), np.zeros(1), 0.5)
assert np.isclose(value, -0.5 * np.log(3)) and not gradient.any()
