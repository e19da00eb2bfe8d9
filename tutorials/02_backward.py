# %% [markdown]
# # 02. The backward pass, and how to check it
#
# **Question.** A gradient written by hand is easily wrong and rarely crashes. How does one know that
# it is right, and if it is not, where?
#
# ![Error of a right and of a wrong gradient against the step](figures/02_v.png)
#
# Compared with finite differences, a right gradient shows a V: too large a step leaves in a term with the
# function's third derivative, too small a step drowns in round-off, and in between ten digits agree. A
# gradient with one wrong sign shows no V. This page derives the gradient of the network of page
# [01](01_gaussian_units.md), line by line, then checks it and breaks it. Symbols:
# [notation](notation.md).
#
# ## One unit, one sample, by hand
#
# Take $w = 2$, $b = -1$, $v = 3$, $c = 0$, the sample $x = 3/4$ and its target $y = 1$. Forward:
#
# $$z = w x + b = 0.5, \quad h = e^{-z^2/2} = 0.882, \quad f = v h + c = 2.647, \quad L = (f - y)^2 = 2.714.$$
#
# Backward, from the loss to the parameters, one factor at a time. The only derivative that is not
# immediate is $dh/dz = -z h$.
#
# $$\frac{dL}{df} = 2 (f - y) = 3.295, \quad \frac{dL}{dv} = \frac{dL}{df} h = 2.908, \quad \frac{dL}{dh} = \frac{dL}{df} v = 9.885,$$
#
# $$\frac{dL}{dz} = \frac{dL}{dh} (-z h) = -4.362, \quad \frac{dL}{dw} = \frac{dL}{dz} x = -3.271, \quad \frac{dL}{db} = \frac{dL}{dz} = -4.362.$$
#
# And $dL/dc = dL/df$.

# %%
import numpy as np

import minimlp
from minimlp import plots

one = minimlp.Params(w=np.array([2.0]), b=np.array([[-1.0]]), v=np.array([3.0]), c=np.array(0.0))
value, gradient, terms = minimlp.objective(one, x=[0.75], y=[1.0], coefficients={}, temperatures={})
print(f"L = {value:.3f}")
for name, array in gradient._asdict().items():
    print(f"dL/d{name} = {array.item():.3f}")

# %%
with plots.saved("figures/02_chain.png", height=1.9) as (_, [[axis]]):
    nodes = ("x", "0.75"), ("z", "0.5"), ("h", "0.882"), ("f", "2.647"), ("L", "2.714")
    edges = ("w x + b", "to w: x, to b: 1"), ("exp(-z\u00b2/2)", "-z h = -0.441"), \
        ("v h + c", "v = 3\n(to v: h, to c: 1)"), ("(f - y)\u00b2", "2 (f - y) = 3.295")
    for k, (name, number) in enumerate(nodes):
        axis.text(k, 0, f"{name} = {number}", ha="center", va="center", fontsize=11,
                  bbox={"boxstyle": "round", "facecolor": plots.HULL, "edgecolor": "none"})
    for k, (forward, backward) in enumerate(edges):
        axis.annotate("", (k + 0.75, 0.25), (k + 0.25, 0.25), arrowprops={"arrowstyle": "->"})
        axis.text(k + 0.5, 0.45, forward, ha="center")
        axis.annotate("", (k + 0.25, -0.25), (k + 0.75, -0.25),
                      arrowprops={"arrowstyle": "->", "color": plots.COLOURS["fit"]})
        axis.text(k + 0.5, -0.4, backward, ha="center", va="top", color="#8A5F00")
    axis.set(xlim=(-0.4, 4.4), ylim=(-0.9, 0.8))
    axis.set_axis_off()

# %% [markdown]
# ![The chain of one unit: values forward, factors backward](figures/02_chain.png)
#
# Forward, values; backward, the factors whose product is the derivative. A parameter multiplies
# what has come back to its node with its own factor: $x$ for $w$, $h$ for $v$, 1 for $b$ and $c$.
#
# ## N samples, M units
#
# Now $f_i = \sum_j v_j h_{ij} + c$ and the fit is $L = (1/N) \sum_i (f_i - y_i)^2$ (E3). A parameter
# reaches the loss along every sample, so its derivative is a sum over $i$ of the products above:
#
# $$\frac{\partial L}{\partial f_i} = \frac{2}{N} (f_i - y_i), \qquad \frac{\partial L}{\partial c} = \sum_i \frac{\partial L}{\partial f_i}, \qquad \frac{\partial L}{\partial v_j} = \sum_i \frac{\partial L}{\partial f_i} h_{ij},$$
#
# $$\frac{\partial L}{\partial z_{ij}} = -\frac{\partial L}{\partial f_i} v_j h_{ij} z_{ij}, \qquad \frac{\partial L}{\partial w_j} = \sum_i \frac{\partial L}{\partial z_{ij}} x_i, \qquad \frac{\partial L}{\partial b_j} = \sum_i \frac{\partial L}{\partial z_{ij}}.$$
#
# As loops, for samples on a line:

# %%
def naive_backward(params, x, hidden, d_output):
    d_w, d_b, d_v, d_c = *np.zeros((3, len(params.w))), 0.0
    for i in range(len(x)):
        d_c += d_output[i]
        for j in range(len(params.w)):
            z = params.w[j] * x[i] + params.b[j, 0]
            d_z = -d_output[i] * params.v[j] * hidden[i, j] * z
            d_v[j] += d_output[i] * hidden[i, j]
            d_w[j] += d_z * x[i]
            d_b[j] += d_z
    return minimlp.Params(d_w, d_b[:, None], d_v, np.array(d_c))


x, y = minimlp.uniform_samples(7, seed=1)
params = minimlp.init_params(x, width=5, seed=2)
output, hidden = minimlp.forward(params, x)
d_output = 2 / len(x) * (output - y)
naive = naive_backward(params, x[:, 0], hidden, d_output).to_vector()
fast = minimlp.backward(params, x, hidden, d_output).to_vector()
print("the same to 14 digits:", minimlp.relative_error(fast, naive) < 1e-14)

# %% [markdown]
# The reference ([gaussian.py](../minimlp/gaussian.py)) is these lines without the loops, and with
# one more input, `d_hidden`: a loss that looks at the responses directly, as overlap does, adds its
# $\partial L / \partial h_{ij}$ to $(\partial L / \partial f_i) v_j$.
#
# ## Checking: central differences
#
# Loops and reference could share a mistake in the formula. What cannot share it is the loss itself:
# move one parameter $\theta$ by a step $\varepsilon$ to both sides and look at the value.
#
# $$\frac{L(\theta + \varepsilon) - L(\theta - \varepsilon)}{2 \varepsilon} = L'(\theta) + \frac{\varepsilon^2}{6} L'''(\theta) + \dots$$
#
# The first error shrinks with $\varepsilon^2$. But a value near 1 carries a rounding error of about
# $2 \cdot 10^{-16}$, and the division by $\varepsilon$ blows it up: a second error, which grows as
# $1/\varepsilon$. They meet near $\varepsilon = 10^{-5}$ or a little under it, where $10^{-10}$ or less
# remains. All errors on these pages are *relative*: the largest difference between two gradients,
# over the largest entry of the numeric one. We break the gradient, too: the derivative in $b$ gets
# the wrong sign.

# %%
def fit(params):
    return minimlp.objective(params, x, y, {}, {})


def wrong_sign(params):
    value, gradient, terms = fit(params)
    return value, gradient._replace(b=-gradient.b), terms


steps = 10.0 ** np.arange(-1, -13.01, -0.25)
right, wrong = (minimlp.check_gradient(function, params, steps=steps)
                for function in (fit, wrong_sign))
with plots.saved("figures/02_v.png", height=3.6) as (_, [[axis]]):
    axis.plot(steps, wrong.step_errors, "s-", markersize=3, color=plots.COLOURS["none"],
              label="sign of dL/db flipped")
    axis.plot(steps, right.step_errors, "o-", markersize=3, color=plots.COLOURS["fit"], label="right")
    axis.plot(steps[:17], 0.1 * steps[:17] ** 2, "k--", linewidth=1, label="slope 2")
    axis.plot(steps[20:], 1e-15 / steps[20:], "k:", linewidth=1.5, label="slope -1")
    axis.set(xscale="log", yscale="log", xlabel="step of the central difference", ylabel="relative error", ylim=(1e-13, 1e4))
    axis.legend(ncols=2)
slopes = [np.polyfit(np.log(steps[part]), np.log(right.step_errors[part]), 1)[0]
          for part in (slice(4, 14), slice(28, 48))]
print(f"slopes of the two arms: {slopes[0]:.1f} and {slopes[1]:.1f}")

# %% [markdown]
# ## Checking: the complex step
#
# The subtraction is what loses the digits. A step in the imaginary direction needs none (here $i$ is
# the imaginary unit):
#
# $$L(\theta + i \varepsilon) = L(\theta) + i \varepsilon L'(\theta) - \frac{\varepsilon^2}{2} L''(\theta) - \frac{i \varepsilon^3}{6} L'''(\theta) + \dots, \qquad \frac{\operatorname{Im} L(\theta + i \varepsilon)}{\varepsilon} = L'(\theta) - \frac{\varepsilon^2}{6} L'''(\theta) + \dots$$
#
# With $\varepsilon = 10^{-30}$ the truncation is gone and nothing cancels: all digits agree. The price: the
# function must be written so that complex numbers pass through (squares, no absolute values), as
# the reference is.

# %%
print(f"central differences agree to 1e-8: {right.errors['central'] < 1e-8}")
print(f"complex step agrees to 1e-14:      {right.errors['complex'] < 1e-14}")

# %% [markdown]
# ## Breaking it, and finding the culprit
#
# Add the three losses of the next two pages to the fit, each times 0.1, and forget the gradient of one. The
# report names the worst coordinate; and because the objective returns its terms, it can differentiate
# each of them numerically and look which one, times some factor, is the error. (The losses are names as yet. *Norm* is
# the Euclidean one of the gradient; an error is told against the largest entry, and `report.error` is by the
# sharpest method, here the complex step.)

# %%
coefficients = {"coverage": 0.1, "separation": 0.1, "overlap": 0.1}
temperatures = {"coverage": 0.02, "separation": 0.05}


def objective(params):
    return minimlp.objective(params, x, y, coefficients, temperatures)


def without(name):
    rest = {other: weight for other, weight in coefficients.items() if other != name}
    return lambda params: minimlp.objective(params, x, y, rest, temperatures)


def dropped_coverage(params):
    value, _, terms = objective(params)
    return value, without("coverage")(params)[1], terms


report = minimlp.check_gradient(dropped_coverage, params)
print(report)

# %% [markdown]
# The gradient is off by -0.1 times coverage's own: with a coefficient of 0.1, coverage is missing. A
# flipped sign would be off by -0.2 times. When a report is harder to read,
# [these ten patterns](when_the_check_fails.md) help.

# %%
assert right.error < 1e-12 and wrong.error > 0.1
assert abs(slopes[0] - 2) < 0.2 and abs(slopes[1] + 1) < 0.2
assert report.term == "coverage" and abs(report.factor + 0.1) < 1e-6

# %% [markdown]
# ## Exercises
#
# 1. By hand: the gradient of $L = (f - y)^2$ in $w$ for the unit above, at $x = 1/2$, its
#    prototype. Why is the answer what it is, whatever the target?
# 2. Forward differences, $(L(\theta + \varepsilon) - L(\theta)) / \varepsilon$, take half the evaluations. What is the
#    slope of their right arm, and how many digits can they reach?
#
# ## Answers

# %%
# 1: z = 0 there, so dh/dz = -z h = 0: at its prototype a unit does not feel w or b at all.
_, gradient, _ = minimlp.objective(one, [0.5], [7.0], {}, {})
assert gradient.w == 0 and gradient.b == 0 and gradient.v != 0

# 2: the error is L'' step / 2, slope 1; it meets round-off near 1e-8, with some 8 digits left.
def forward_error(step):
    theta = np.array([0.3])
    return abs((np.sin(theta + step) - np.sin(theta)) / step - np.cos(theta)).item()


assert 8 < forward_error(1e-2) / forward_error(1e-3) < 12
assert 1e-10 < min(forward_error(10.0 ** -k) for k in range(1, 13)) < 1e-7
