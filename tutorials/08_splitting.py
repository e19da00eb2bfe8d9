# %% [markdown]
# # 08. Splitting a neuron
#
# **Question.** A trained network gets one neuron more: a copy of one that it has, and the two share
# the output weight. Nothing changes in what it computes. Can it now descend?
#
# ![The plane of coefficients of a split in three, by the sign of H](figures/08_answer.png)
#
# One unit is split in three whose shares add up to 1: a point of this plane (triangle: all shares
# positive). At blue points the loss is still at a minimum; at all others a way down has opened: above as predicted,
# below as counted in the wide network's curvature. What
# decides are the signs of one small matrix $H$, which the narrow network knows before it is split.
# Claims and names are those of paper B (Ding, Li and Sun 2026). Symbols: [notation](notation.md) ($p$, $m$, $s$, $R$
# and $C$ have meanings of their own on this page); pages used: [01](01_gaussian_units.md), [02](02_backward.md).
#
# ## The plateau
#
# The network of this page has *ridge* units, with a weight for each dimension and any analytic $\varphi$ (E9):
#
# $$f_i = \sum_j v_j \varphi(z_{ij}) + c, \qquad z_{ij} = w_j \cdot x_i + b_j.$$
#
# A unit of page 01, round in $d$ dimensions, is called *radial* here. Let $v_j \neq 0$. Splitting unit $j$ keeps its incoming
# parameters $u_j = (w_j, b_j)$ and shares its output weight (E10):
#
# $$u_l = u_j, \qquad v_l = \mu_l v_j, \qquad \mu_1 + \dots + \mu_k = 1.$$
#
# The copies answer alike, so $\sum_l \mu_l v_j \varphi = v_j \varphi$: same output. And the gradient?
# $\partial L/\partial v_l$ is what it was for $v_j$, $\partial L/\partial u_l$ is $\mu_l$ times what it was for
# $u_j$. Where both were 0 they still are. A stationary point has become a whole **plateau** of them,
# one for each choice of the **splitting coefficients** $\mu$.

# %%
import itertools
import json

import numpy as np

import minimlp
from minimlp import TwoLayer, plots_splitting
from minimlp.landscape import derivatives, with_vector


def trained(seed):
    """One tanh unit at a minimum of noisy data: (params, x, y)."""
    random = np.random.default_rng(seed)
    x = 1.5 * random.normal(size=(40, 1))
    y = np.tanh(1.2 * x[:, 0]) + 0.2 * random.normal(size=40)
    start = TwoLayer(w=np.array([[1.0]]), b=None, v=np.array([1.0]), c=None, activation="tanh")
    point = minimlp.find_stationary_point(start, x, y)
    print(f"seed {seed}: {point.kind}, w {point.params.w[0, 0]:.3f}, v {point.params.v[0]:.3f}, "
          f"loss {point.value:.5f}, gradient under 1e-10: {point.gradient_norm < 1e-10}")
    return point.params, x, y


plus, minus = trained(2), trained(6)
params, x, y = plus
for mu in ([0.5, 0.5], [3, -2]):
    wide = minimlp.split_neuron(params, 0, mu)
    value, gradient, _ = derivatives(wide, x, y)
    print(f"mu = {mu}: v = {wide.v.round(3)}, loss {value:.5f}, gradient under 1e-10: "
          f"{np.linalg.norm(gradient) < 1e-10}")

# %% [markdown]
# ## Two copies that part
#
# Let the copies move by $\delta_l$, such that $\sum_l \mu_l \delta_l = 0$. Expand what they add to the
# output, $h(u) = \varphi(u \cdot \tilde x)$ with $\tilde x = (x, 1)$, or $x$ without a bias:
#
# $$\Delta f_i = v_j \sum_l \mu_l \left( Dh \cdot \delta_l + \frac12 \delta_l^T D^2 h \, \delta_l + \dots \right) = \frac{v_j}{2} \sum_l \mu_l \, \delta_l^T D^2 h(x_i) \, \delta_l + \dots$$
#
# The first order has cancelled. So $\Delta f$ is of second order, its square is of fourth, and the loss
# changes to second order by $\sum_i (\partial L/\partial f_i) \Delta f_i$ alone (E11, E12):
#
# $$\Delta L = \frac12 \sum_l \mu_l \, \delta_l^T H \delta_l, \qquad H = v_j \sum_i \frac{\partial L}{\partial f_i} \varphi''(z_{ij}) \, \tilde x_i \tilde x_i^T.$$
#
# $H$ is the **inner Hessian**: curvature that the narrow network does not feel, because it cannot make
# such a move. As a loop, for the square loss, with $\partial L/\partial f_i = (2/N)(f_i - y_i)$:


# %%
def naive_inner_hessian(params, x, y):
    """H of the one unit, one sample after another; 1 x 1 here."""
    w, v, h = params.w[0, 0], params.v[0], 0.0
    for x_i, y_i in zip(x[:, 0], y):
        t = np.tanh(w * x_i)
        h += v * 2 / len(y) * (v * t - y_i) * (-2 * t * (1 - t * t)) * x_i * x_i
    return h


for name, example in (("seed 2", plus), ("seed 6", minus)):
    print(name, f"H = {minimlp.inner_hessian(*example, 0)[0, 0]:+.5f}, naive {naive_inner_hessian(*example):+.5f}")

H = minimlp.inner_hessian(params, x, y, 0)[0, 0]
for mu in ([0.5, 0.5], [2, -1]):
    wide = minimlp.split_neuron(params, 0, mu)
    for s in (0.1, 0.01):
        delta = s * np.array([mu[1], -mu[0]])               # mu_1 delta_1 + mu_2 delta_2 = 0
        moved = with_vector(wide, wide.to_vector() + np.append(delta, [0, 0]))
        change = derivatives(moved, x, y)[0] - derivatives(wide, x, y)[0]
        print(f"mu = {mu}, s = {s}: loss {change:+.2e}, formula {0.5 * np.dot(mu, delta ** 2) * H:+.2e}")

# %% [markdown]
# ## Signs decide
#
# A small move of the wide network has three parts: one that all copies make alike, which the narrow network knows and
# which costs there; one along the plateau, which costs nothing; and copies that part with
# $\sum_l \mu_l \delta_l = 0$. To second order there are no mixed terms, for in each of them stands that sum, or the
# gradient of the narrow network. So the signs of the wide Hessian are those of the narrow one, $k - 1$ zeros, and
# those of $\sum_l \mu_l \delta_l^T H \delta_l$. (The zeros are no way out: along the plateau the loss is constant,
# and near by on it the other directions still rise.)
#
# Take moves $\delta_l = a_l e$ along an eigenvector, $H e = \lambda e$: the sum is $\lambda \sum_l \mu_l a_l^2$ with
# $\sum_l \mu_l a_l = 0$. Let $p$ coefficients be positive, $q$ negative and none 0. On all of $R^k$ the form
# $\sum_l \mu_l a_l^2$ has $p$ positive and $q$ negative signs. The vector $(1, \dots, 1)$ has no mixed term with our
# moves, which is what $\sum_l \mu_l a_l = 0$ says, and on it the form is $\sum_l \mu_l = 1 > 0$. So one of the
# positive signs is its, and the moves have the others:
#
# **$p - 1$ positive and $q$ negative directions, times the signs of $H$.**
#
# A direction down needs the product negative: $(p-1)$ with $\lambda < 0$, or $q$ with $\lambda > 0$. For a minimum of
# the narrow network that gives the table (E12):
#
# | coefficients, none 0 | $H$ positive | $H$ negative | $H$ of both signs |
# |---|---|---|---|
# | all positive ($q = 0$) | minimum | saddle | saddle |
# | one positive, the rest negative ($p = 1$) | saddle | minimum | saddle |
# | $p \geq 2$ and $q \geq 1$, the *sure-saddle* region | saddle | saddle | saddle |
#
# Count them on the wide Hessian, which knows nothing of the table:

# %%
for name, example in (("H > 0", plus), ("H < 0", minus)):
    for mu in ([0.2, 0.3, 0.5], [3, -1, -1], [1.5, 0.5, -1]):
        _, _, hessian = derivatives(minimlp.split_neuron(example[0], 0, mu), *example[1:])
        eigenvalues = np.linalg.eigvalsh(hessian)
        down, flat = np.sum(eigenvalues < -1e-12), np.sum(abs(eigenvalues) <= 1e-12)
        p, q = np.sum(np.array(mu) > 0), np.sum(np.array(mu) < 0)
        print(f"{name}, mu = {mu!s:15} {down} down, by the rule {q if name == 'H > 0' else p - 1}; "
              f"{flat} flat: along the plateau")

random = np.random.default_rng(0)
x2 = 1.5 * random.normal(size=(40, 2))
y2 = np.exp(-0.5 * (x2 @ [1.0, 0.5] + 0.5) ** 2) + 0.2 * random.normal(size=40)
start = TwoLayer(np.array([[1.0, 0.5]]), np.array([0.5]), np.ones(1), np.zeros(()), "gaussian")
both = minimlp.find_stationary_point(start, x2, y2).params, x2, y2
print("a Gaussian unit with a bias in two dimensions: H has eigenvalues",
      np.linalg.eigvalsh(minimlp.inner_hessian(*both, 0)).round(4))
examples = {sign: (*example, 0) for sign, example in zip(("+", "-", "+-"), (plus, minus, both))}
plots_splitting.coefficient_plane("figures/08_answer.png", examples, points=41)
plots_splitting.loss_surface("figures/08_surface.png", examples)

# %% [markdown]
# ![Loss over the coefficient and the move of two copies](figures/08_surface.png)
#
# Two copies with shares $m$ and $1 - m$, moved apart by $s$ at $\mu_1 \delta_1 + \mu_2 \delta_2 = 0$. The line in the
# middle is the plateau; purple: lower than the minimum, orange: higher (cut off where it rises further). Over the solid part the loss rises to both
# sides, over the dashed one it falls, and at $m = 0$ and $m = 1$ it does neither.
#
# At $m = 0$ or $1$ one copy is not heard: $\mu_l = 0$. It may move at no cost, to a $u$ where
#
# $$R(u) = \sum_i \frac{\partial L}{\partial f_i} h(u; x_i) \neq 0,$$
#
# and there a small output weight of the sign of $-R$ descends; under the square loss by $R^2/2C$ at best,
# $C = \sum_i (\partial^2 L/\partial f_i^2) h^2$. How far is such a $u$? At $u_j$ itself $R$ and its gradient are 0.
# But $R$ is analytic: unless it is 0 everywhere it is not 0 at some $u$ as near as you like. So **a zero coefficient
# is a way out**, even where $H = 0$, unless $R$ is 0 everywhere (as where every residual is 0). `classify_split` says all this, with the evidence: a direction down, what
# it promises and what was reached; or that searches near by found nothing lower.

# %%
for mu in ([0.5, 0.5], [1, 0]):
    print(mu, minimlp.classify_split(params, x, y, 0, mu), sep="\n", end="\n\n")

# %% [markdown]
# ## Gaussian units
#
# For the Gaussian, $\varphi' = -z \varphi$ and $\varphi'' = (z^2 - 1)\varphi = -\varphi - z \varphi'$. So the bias
# entry of $H$ is
#
# $$H_{bb} = v \sum_i \frac{\partial L}{\partial f_i} \varphi'' = -v \sum_i \frac{\partial L}{\partial f_i} \varphi - v \sum_i \frac{\partial L}{\partial f_i} (w \cdot x_i + b) \varphi' = -v \frac{\partial L}{\partial v} - w \cdot \frac{\partial L}{\partial w} - b \frac{\partial L}{\partial b},$$
#
# which is 0 at every stationary point (E13). A matrix with a zero on its diagonal is not definite: **if
# the rest of that row is not 0, $H$ has both signs, and every split opens a way down.** For the radial
# units of paper A in $d$ dimensions it is the trace of the bias block that vanishes (exercise 2). So in
# paper A's network, trained by the fit alone, a copied unit is not stuck at a minimum, whatever the
# shares, unless it sits symmetrically among its data. (The structural losses would add terms to $H$.)
#
# That exception, a *centred* unit: all of the bias row is 0, as for $b = 0$ on symmetric data. For a ridge unit
# fourth order decides. Move the biases by $\delta_l$ and scale the rest a little, $w$, $b$ and $v$ times
# $1 + \delta_l^2/2$. To second order the output gets $\varphi'' \delta^2/2 = (z^2 - 1) \varphi \, \delta^2/2$ from
# the move, $-z^2 \varphi \, \delta^2/2$ from scaling $z$, and $\varphi \, \delta^2/2$ from scaling $v$: nothing. So
# the loss changes by $\sum_i (\partial L/\partial f_i) \Delta f_i$ up to fourth order. Stationarity and the bias row
# make $\sum_i (\partial L/\partial f_i) z_i^k \varphi$ vanish for $k$ from 0 to 3: there is no third order, and of
# the fourth is left only $v \sum_i (\partial L/\partial f_i) z_i^4 \varphi = w^T H_{ww} w$, with $\frac{1}{24}$ from
# $\delta^4$, $-\frac14$ from $\delta^2$ with the scaling and $\frac18$ from the scaling twice:
#
# $$\Delta L = -\frac{w^T H_{ww} w}{12} \sum_l \mu_l \delta_l^4,$$
#
# which falls wherever the table's signs left a minimum possible. Radial units in $d$ dimensions have such a law
# too (`fourth_order` in [evidence.py](../minimlp/evidence.py)), exact where the data look alike in all directions.
# Measured, for centred radial units (*by the law*: the loss falls along the law's own curve):

# %%
with open("../benchmarks/results/split/summary.json") as file:
    summary = json.load(file)
print(f"Gaussian units with a bias: {summary['gaussian']['units']}, definite H: "
      f"{summary['gaussian']['inner']['+'] + summary['gaussian']['inner']['-']}")
for d, k in itertools.product((1, 2, 3), (2, 3, 4)):
    cells = [row for row in summary["centred"] if (row["dimensions"], row["k"]) == (d, k)]
    print(f"centred, d = {d}, {k} copies: {sum(row['descend'] for row in cells)} of "
          f"{sum(row['units'] for row in cells)} descend, {sum(row['proved'] for row in cells)} by the law")

# %% [markdown]
# With $d + 1$ copies or more each of these centred units descends: as many as it takes to spread in all
# $d$ directions at once. With $d$ or fewer nothing lower was found near any. (This pattern is ours, from a
# few units.)
#
# ## The study
#
# `minimlp split` trains networks of 1 to 4 units (ridge units: Gaussian, tanh, sigmoid, softplus, with and
# without biases, in one and two dimensions; radial Gaussian ones in one to three) on noisy targets of a network
# as wide, so that no minimum interpolates. Stationary points with an eigenvalue too near 0 are *degenerate* and
# not judged. The others are split in every way, and each split is compared:
#
# - *Predicted*, by the signs alone, with the table.
# - *Observed*, without the table, is a saddle if the loss falls along a negative eigenvalue of the wide Hessian, or
#   else if a search finds something lower in each of three smaller and smaller boxes around the point; a minimum if
#   all eigenvalues but $k - 1$ zeros are positive and some box holds nothing lower; and *undecided* otherwise.
#
# A claim *holds* without a single contradiction among at least 300 minima, 100 saddles and 50 minima with a
# definite $H$ of each sign, where it is about these, and with at most a tenth of the splits undecided.
# ([Predicted and observed eigenvalues](../benchmarks/results/split/eigenvalues.png) along three plateaus.)

# %%
kinds = summary["points"]["kinds"]
law = summary["inertia_law"]
print(f"{kinds['minimum']} minima, {kinds['saddle']} saddles (and {kinds['degenerate']} degenerate points)")
print(f"signs of the wide Hessian as added up in {law['agrees']} splits, not so in {law['disagrees']} "
      f"(not asked where\na coefficient or an eigenvalue of H is 0: {law['open']})")
for claim in summary["claims"]:
    print(f"{claim['name']} {claim['verdict']}: {claim['statement']}")

# %% [markdown]
# ## When to grow
#
# Paper B concludes when a unit more keeps a good point, when it opens a descent, and when it hurts. By the
# table: shares that make a minimum keep it; an indefinite $H$ or sure-saddle shares open a descent; and a split at
# random can do either. Whether that helps to *grow* a network, we ask. `grow` splits the unit with the largest
# promise: halves that part along the most negative eigenvalue, or shares $(2, -1)$ along the most positive one. B6
# (ours): it ends lower than a random split and than a new unit with random incoming weights, all with the same number
# of gradients, from two tanh units to six, 20 seeds, on a *wave*, $x \sin 3 \pi x$, and on a *teacher*, a random network of six such units.
#
# ![Loss against gradients for three ways to add a unit](../benchmarks/results/split/growth.png)
#
# It beats a random split on both tasks. It ties with a new unit on the teacher and loses to it on the wave,
# perhaps because splitting starts where the old units are, and the wave needs them elsewhere. (A first version
# moved the copies by a fixed length, even where that raised the loss; its verdicts were the same.)

# %%
grown = minimlp.grow(params, x, y, evaluations=60)
print(f"loss {derivatives(params, x, y)[0]:.5f}, with a unit more {grown.values[-1]:.5f}; "
      f"mu = {grown.coefficients}")

# %%
assert minimlp.inner_hessian(*plus, 0) > 0 > minimlp.inner_hessian(*minus, 0)
assert np.isclose(naive_inner_hessian(*plus), H, rtol=1e-12)
assert minimlp.classify_split(*plus, 0, [0.5, 0.5]).verdict == "minimum"
assert minimlp.classify_split(*minus, 0, [0.5, 0.5]).verdict == "saddle"
assert minimlp.classify_split(*minus, 0, [2, -1]).verdict == "minimum"
assert {minimlp.classify_split(*both, 0, mu).verdict for mu in ([0.5, 0.5], [2, -1], [1, 0])} == {"saddle"}
assert summary["inertia_law"]["disagrees"] == len(summary["disagreements"]) == 0
assert grown.values[-1] < derivatives(params, x, y)[0]

# %% [markdown]
# ## Exercises
#
# 1. Two copies, $\mu = (m, 1 - m)$, moves $\delta_1 = (1 - m) s$ and $\delta_2 = -m s$. Show that
#    $\Delta L = \frac12 m (1 - m) s^2 H$. Where in $m$ is the fall steepest for $H < 0$, and what happens for $H > 0$
#    as $m$ grows?
# 2. A radial unit in $d$ dimensions has $D^2_b h = h (z z^T - I)$ and $D_w h = -h \, z \cdot x$ (E1). Show that the
#    trace of the bias block of $H$ vanishes at a stationary point.
#
# ## Answers

# %%
# 1: m (1-m)^2 + (1-m) m^2 = m (1-m). For H < 0 it is steepest at m = 1/2: equal halves. For H > 0 and
#    m > 1 it falls by m (m-1) s^2 H / 2, without bound as m grows. (But so does the move's length: for a
#    given length m (m-1) / (m^2 + (m-1)^2) only tends to 1/2.)
m = np.linspace(-1, 2, 301)
assert np.allclose([np.dot([k, 1 - k], np.array([1 - k, -k]) ** 2) for k in m], m * (1 - m))
assert m[np.argmax(m * (1 - m))].round(9) == 0.5

# 2: the trace is v sum_i dL/df_i h (|z|^2 - d). With z = w x + b: -h |z|^2 = w D_w h + b . D_b h, and so
#    it is -(w dL/dw + b . dL/db) - d v dL/dv = 0.
x3 = random.normal(size=(30, 2))
start = minimlp.Params(np.array([1.0]), np.array([[0.3, -0.2]]), np.ones(1), np.zeros(()))
y3 = minimlp.forward(start, x3)[0] + 0.2 * random.normal(size=30)
radial = minimlp.find_stationary_point(start, x3, y3)
block = minimlp.inner_hessian(radial.params, x3, y3, 0)[1:, 1:]
assert radial.kind == "minimum" and abs(np.trace(block)) < 1e-9 < np.abs(block).max()
