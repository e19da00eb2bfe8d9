# %% [markdown]
# # 01. One Gaussian unit, then many
#
# **Question.** A network has been trained, and the training data are gone. Can they be read back
# out of its weights?
#
# ![Three samples and the prototypes of three networks](figures/01_answer.png)
#
# Black bars: three training inputs. Triangles: what the weights of a network say about them, untrained and
# trained in three ways. All three trainings fit the data; only one of them tells where the data are. (The start
# was picked to show it well.) This page says what the triangles are. Symbols: [notation](notation.md).
#
# ## One unit
#
# A Gaussian unit has two input parameters, a weight $w$ and a bias $b$. It computes $z = w x + b$
# and answers (E1)
#
# $$h = e^{-z^2/2}.$$
#
# It answers 1, its most, where $z = 0$: at its **prototype** (E2)
#
# $$p = -b/w,$$
#
# and since $z = w (x - p)$, the answer is a bell around $p$ with standard deviation $1/|w|$.
#
# By hand: $w = 2$, $b = -1$. The prototype is $p = 1/2$. At $x = 1$, $z = 1$ and
# $h = e^{-1/2} = 0.607$; at $x = 0$, $z = -1$ and the answer is the same.

# %%
from math import exp

import numpy as np

import minimlp
from minimlp import plots

w, b = 2.0, -1.0
for x in (0.0, 0.5, 1.0):
    z = w * x + b
    print(f"x = {x}: z = {z:+.1f}, h = {exp(-z * z / 2):.3f}")
print("prototype", -b / w)

# %%
grid = np.linspace(-3, 1.7, 301)
with plots.saved("figures/01_unit.png", height=2.8) as (_, [[axis]]):
    for k, (w_j, p_j) in enumerate(((2, 0.5), (-2, -0.5), (6, 0.0))):
        color = plots.PROTOTYPES[k]
        axis.plot(grid, np.exp(-(w_j * (grid - p_j)) ** 2 / 2), color=color,
                  label=f"w = {w_j}, b = {0 - w_j * p_j:g}: p = {p_j}, width {1 / abs(w_j):.2g}")
        axis.plot(p_j, 0, "^", color=color, markersize=9, clip_on=False)
    axis.set(xlabel="x", ylabel="response h", xlim=(-3, 1.7), ylim=(0, 1.05))
    axis.legend(loc="upper left", fontsize=8.5)

# %% [markdown]
# ![Three bells with their prototypes](figures/01_unit.png)
#
# The sign of $w$ does not matter to the bell; its size is the inverse of the width.
#
# ## Many units
#
# The network adds up $M$ units, each with an output weight $v_j$, and a constant (E1). With $h_{ij}$
# unit $j$'s answer to sample $i$,
#
# $$f_i = \sum_j v_j h_{ij} + c.$$
#
# Here is that formula as loops, for three samples and three units.

# %%
x = np.array([-0.8, 0.1, 0.6])
params = minimlp.Params(w=np.array([2.0, -3.0, 4.0]), b=np.array([[1.0], [0.6], [-3.2]]),
                        v=np.array([1.0, -1.0, 0.5]), c=np.array(0.2))


def naive_forward(params, x):
    output, hidden = [], []
    for x_i in x:
        responses = [exp(-(w_j * x_i + b_j[0]) ** 2 / 2)
                     for w_j, b_j in zip(params.w, params.b)]
        hidden.append(responses)
        output.append(sum(v_j * h for v_j, h in zip(params.v, responses)) + params.c)
    return np.array(output), np.array(hidden)


naive = naive_forward(params, x)
output, hidden = minimlp.forward(params, x)
print("f          ", output.round(3))
print("differences", [f"{minimlp.relative_error(a, b):.0e}" for a, b in zip((output, hidden), naive)])
print("prototypes ", minimlp.prototypes(params).ravel())

# %% [markdown]
# Check one entry: $z_{12} = -3 \cdot (-0.8) + 0.6 = 3$, so unit 2 answers $e^{-4.5} = 0.011$ to the
# first sample. `minimlp.forward` is the same in four lines of NumPy
# ([gaussian.py](../minimlp/gaussian.py)). The biases are (M, 1) and not (M,), because a sample may
# have $d$ coordinates: then $b_j$ and $p_j$ do too, and the bell is round.
#
# ## Reading the data out of the weights
#
# We have as many prototypes as samples. Pair them one to one, so that no prototype stands for two
# samples, and so that the mean distance between partners is least; that mean is the
# **reconstruction error**. With three of each there are six ways to pair, which can be tried out.

# %%
from itertools import permutations

p = minimlp.prototypes(params).ravel()
for order in permutations(range(3)):
    distances = [abs(x[i] - p[j]) for i, j in enumerate(order)]
    print(order, np.round(distances, 2), f"mean {np.mean(distances):.3f}")
print(f"reconstruction error {minimlp.reconstruction_error(p, x):.3f}")

# %% [markdown]
# By hand: $p = (-0.5, 0.2, 0.8)$, so the distances to $x = (-0.8, 0.1, 0.6)$ in order are 0.3, 0.1
# and 0.2, with mean 0.2: no other pairing is better. (On a line, pairing in sorted order is always
# among the best; in more dimensions it takes the Hungarian algorithm, here scipy's.)
#
# Two more numbers describe the prototypes. The **specialization ratio** is the share of them that
# are, for at least one sample, the nearest prototype. The **expelled fraction** is the share outside the hull
# of the data, here the interval from -0.8 to 0.6.

# %%
print(f"specialization ratio {minimlp.specialization_ratio(p, x):.2f}, "
      f"expelled fraction {minimlp.expelled_fraction(p, x):.2f}")

# %% [markdown]
# All three are nearest to some sample; one of three, 0.8, is out.
#
# ## What training does to it
#
# Nothing in the fit asks prototypes to be where the data are, and the start draws them at random over [-1, 1], the
# range of the data. So what counts is what training adds to that. We train the same start three times:
# on the fit alone (the mean of $(f - y)^2$), then with 0.1 times *coverage* added, then with 0.1 times
# *overlap*. `train` makes 2,000 steps of Adam, gradient descent that rescales each parameter's step by
# the recent size of its gradient. Pages [03](03_coverage.md) (which explains the temperature) and
# [04](04_separation_and_overlap.md) take the two losses apart.

# %%
x, y = minimlp.uniform_samples(3, seed=[16, 3, 0])           # in [-1, 1], y = sin(pi x)
start = minimlp.init_params(x, width=3, seed=[16, 3, 1])     # width: the number of units
trained = {"untrained": minimlp.train(start, x, y, {}, {}, steps=0)}
errors = {}
for name, coefficients in (("none", {}), ("coverage", {"coverage": 0.1}), ("overlap", {"overlap": 0.1})):
    trained[name] = minimlp.train(start, x, y, coefficients, temperatures={"coverage": 0.02})
for name, result in trained.items():
    p = minimlp.prototypes(result.params)
    errors[name] = minimlp.reconstruction_error(p, x)
    print(f"{name:9} fit error {result.terms['fit']:.0e}, reconstruction error {errors[name]:.2f}, "
          f"expelled {minimlp.expelled_fraction(p, x):.2f}")

# %%
with plots.saved("figures/01_answer.png", height=2.6) as (_, [[axis]]):
    axis.axvspan(x.min(), x.max(), color=plots.HULL, zorder=0)
    for row, (name, result) in enumerate(trained.items()):
        p = minimlp.prototypes(result.params).ravel()
        axis.plot(x, np.full(3, -row), "k|", markersize=22, markeredgewidth=2)
        axis.plot(p, np.full(3, -row), "^", color=plots.COLOURS.get(name, "black"), markersize=11,
                  markeredgecolor="white")
    axis.set_yticks([0, -1, -2, -3], trained)
    axis.set(ylim=(-3.6, 0.6), xlabel="input x (shaded: between the outermost samples)")
    axis.grid(False)

# %%
assert minimlp.relative_error(output, naive[0]) < 1e-14
assert all(trained[name].terms["fit"] < 1e-3 for name in ("none", "coverage", "overlap"))
assert errors["coverage"] < errors["none"] < errors["overlap"]

# %% [markdown]
# Three samples from one seed prove nothing: page [05](05_the_study.md) does it with 480 networks.
#
# ## Exercises
#
# 1. A unit has $w = 0.5$ and $b = 2$. Where is its prototype, and what does it answer at $x = 0$?
# 2. Double both $w$ and $b$ of a unit. What happens to the prototype, and what to the bell? Now move
#    $b$ alone by 0.01: how far does $p$ move if $w = 1$, and how far if the bell is 1,000 times wider?
#
# ## Answers

# %%
# 1: p = -2 / 0.5 = -4, and at x = 0, z = b = 2: the answer is exp(-2).
w, b = 0.5, 2.0
assert -b / w == -4 and round(exp(-b ** 2 / 2), 3) == 0.135

# 2: p stays, the bell is half as wide. A move of b moves p by that over w: by 0.01, and by 10 for the
#    wide bell, whose w is 0.001. What is read from a very wide bell is not sharp.
for w, move in (1.0, 0.01), (0.001, 10):
    assert round(abs(-(b + 0.01) / w - -b / w), 9) == move
