# %% [markdown]
# # When the gradient check fails
#
# **Question.** `minimlp.check_gradient` says that a gradient is wrong. Where is the mistake?
#
# ![Error against the step for four functions](figures/fails_steps.png)
#
# The error of central differences at ten steps. A right gradient draws a V: the step is too long on
# the right, and on the left round-off takes over. A wrong one draws a floor. Two more are right,
# but their V is out of place, and one careless step calls them wrong. This page makes ten mistakes,
# reads what the report says of each, and ends with a table from pattern to cause. Symbols:
# [notation](notation.md); the gradients that are spoilt here: [02](02_backward.md) to
# [04](04_separation_and_overlap.md).

# %%
import numpy as np

import minimlp
from minimlp import Params, plots

x, y = minimlp.uniform_samples(7, seed=1)
params = minimlp.init_params(x, width=5, seed=2)
p = minimlp.prototypes(params)


def bounded(error):
    return next((f"below {limit}" for limit in (1e-12, 1e-6) if error < limit), f"{error:.1e}")


def show(function, theta=params, **options):
    """The lines of the report that matter, without digits that differ between machines."""
    report = minimlp.check_gradient(function, theta, **options)
    print(f"error {bounded(report.error)}", end="")
    if report.error > 1e-6:
        print(f", worst at {report.worst}: gradient {report.analytic:.3g}, "
              f"numeric {report.numeric:.3g}", end="")
    print("", *[line for line in str(report).splitlines()[len(report.errors) + 1:]], sep="\n  ")
    return report


right = show(lambda q: minimlp.objective(q, x, y, {"overlap": 0.1}, {}))

# %% [markdown]
# That is what it should say. The first three mistakes multiply a term's gradient by a number. If
# the function returns its terms, the report names both.
#
# ## 1 and 2. A flipped sign, a dropped term

# %%
def kept(share):
    """fit + 0.1 overlap, with this share of overlap's gradient."""
    def function(q):
        value, whole, terms = minimlp.objective(q, x, y, {"overlap": 0.1}, {})
        _, of_fit, _ = minimlp.objective(q, x, y, {}, {})
        return value, Params(*(f + share * (g - f) for f, g in zip(of_fit, whole))), terms
    return function


flipped = show(kept(-1))
dropped = show(kept(0))

# %% [markdown]
# **Pattern:** one term explains all of the error. With coefficient $\lambda = 0.1$, the factor is
# $-2\lambda$ for the flipped sign and $-\lambda$ for the dropped term. The relative error alone
# (3e-02) looks harmless, because the fit is much larger than this term.
#
# ## 3. A missing 2 or 1/N

# %%
def network(scale):
    def function(q):
        output, hidden = minimlp.forward(q, x)
        residual = output - y
        value = np.mean(residual * residual)
        return value, minimlp.backward(q, x, hidden, scale * residual), {"fit": value}
    return function


no_two = show(network(1 / len(x)))
no_mean = show(network(2.0))

# %% [markdown]
# **Pattern:** all of it again, and the factor is a plain number (times $\lambda$, for a term with a
# coefficient): half the gradient is missing ($-0.5$), or it is there $N = 7$ times, 6 too many. With
# one term and no other, the error itself is that number: 0.5 or 6, and 2 for a sign.
#
# ## 4. A missing chain factor
#
# Coverage lives at the prototypes $p = -b/w$; to reach $b$ its gradient needs $-1/w$ (E8). In the
# second function the response $h$ is forgotten in $\partial h / \partial z = -h z$ (E1).

# %%
def no_inverse_w(q):
    centres = minimlp.prototypes(q)
    value, g = minimlp.coverage(centres, x, 0.5)
    return value, Params(-np.sum(g * centres, axis=1), -g, 0 * q.v, 0 * q.c), {"coverage": value}


def no_h(q):
    output, hidden = minimlp.forward(q, x)
    value, (_, right_gradient, *_) = np.mean((output - y) ** 2), network(2 / len(x))(q)
    z = q.w[:, None] * x[:, None, :] + q.b
    d_z = -((2 / len(x)) * (output - y)[:, None] * q.v)[:, :, None] * z
    return value, right_gradient._replace(w=np.sum(d_z * x[:, None, :], axis=(0, 2)),
                                          b=d_z.sum(axis=0)), {"fit": value}


def by_array(function):
    """The check again, one array of parameters at a time."""
    errors = {}
    for name in Params._fields:
        def one(array):
            value, gradient, *_ = function(params._replace(**{name: array}))
            return value, getattr(gradient, name)
        errors[name] = minimlp.check_gradient(one, getattr(params, name)).error
    print("  by array:", {name: bounded(error) for name, error in errors.items()})
    return errors


inverse_w, response = show(no_inverse_w), show(no_h)
arrays = by_array(no_h)

# %% [markdown]
# **Pattern:** the error is not a multiple of any term. (A term is named if it explains more than half
# of the squared error, and over 1 % more than the next.) It sits in the arrays
# before the forgotten factor: $w$ and $b$ are wrong, $v$ and $c$ are right. Checking one array at a
# time shows it.
#
# ## 5. A wrong axis
#
# Coverage's softmax divides each row by its own sum. Without `[:, None]`, NumPy divides the
# columns, if it can.

# %%
def wrong_axis(q, samples):
    value, _ = minimlp.coverage(q, samples, 0.5)
    weights = np.exp(-(samples - q.T) ** 2 / 0.5)                    # (N, M)
    softmax = weights / weights.sum(axis=1)                          # should be [:, None]
    return value, (2 / len(samples)) * np.sum(softmax[:, :, None] * (q - samples[:, None]), axis=0)


def refusal(function, theta):
    try:
        minimlp.check_gradient(function, theta)
    except ValueError as error:
        return str(error)


print(refusal(lambda q: wrong_axis(q, x), p))
print(refusal(lambda q: (np.sum(q * q), 2 * q[:, 0]), p))
square = show(lambda q: wrong_axis(q, x[:5]), p)

# %% [markdown]
# **Pattern:** a shape error from NumPy or from the check; but where N = M NumPy says nothing, and only the check does. So test
# with sizes that all differ.
#
# ## 6. k = j in a sum over pairs

# %%
def with_itself(h):
    value, _ = minimlp.overlap(h)
    samples, units = h.shape
    every = h.sum(axis=1, keepdims=True) + 0 * h                     # should be less h
    return value, 2 / (units * (units - 1) * samples) * every, {"overlap": value}


def diagonal_in_value(q):
    value, gradient = minimlp.separation(q, 0.5)
    return value + 1 / (len(q) - 1), gradient                 # K_jj = 1 added to the full double sum


_, hidden = minimlp.forward(params, x)
itself = show(with_itself, hidden)
passes = show(diagonal_in_value, p)

# %% [markdown]
# **Pattern:** one term is named, with a share well under all of it, and the error is a multiple of the
# point itself: here $h_{ij}$, so it is worst where a response is near 1. The second function is
# wrong too, and passes: the diagonal of separation (E5) is a constant, and no gradient shows a
# constant.
#
# ## 7. The gradient of another point
#
# $b$ is updated in place between forward and backward, so that `hidden` is old and $b$ is new.

# %%
def stale(step):
    def function(q):
        output, hidden = minimlp.forward(q, x)
        moved = q._replace(b=q.b + step)
        return (np.mean((output - y) ** 2),
                minimlp.backward(moved, x, hidden, 2 / len(x) * (output - y)))
    return function


late = {step: minimlp.check_gradient(stale(step), params).error for step in (1e-1, 1e-2, 1e-3)}
for step, error in late.items():
    print(f"update {step:g}: error {error:.1e}")
late_arrays = by_array(stale(1e-2))

# %% [markdown]
# **Pattern:** the error is proportional to the size of the update (try another learning rate), in
# the same arrays as a chain error.
#
# ## 8. Value and gradient of different functions
#
# The value caps each sample's squared residual at 1; the gradient knows nothing of it. We check
# where the cap is, at the outputs.

# %%
def capped(output):
    residual = output - targets
    return np.mean(np.minimum(residual * residual, 1)), 2 / len(output) * residual


targets = np.array([0.3, -0.2, 1.9, 0.1])
cap = show(capped, np.zeros(4))
targets = targets + 3
all_capped = show(capped, np.zeros(4))

# %% [markdown]
# **Pattern:** numeric is exactly 0 where gradient is not, at some coordinates: samples. If all are
# capped, the report says that the numeric gradient is zero; the error is then the largest entry of
# the gradient.
#
# ## 9. Not differentiable there, or not for complex numbers

# %%
def absolute(q):
    return np.sum(np.abs(q)), np.sign(q)


def positive_part(q):
    return np.sum(np.maximum(q, 0)), (q.real > 0) * 1.0


no_complex = show(absolute, p)
kink = show(positive_part, np.array([0.7, 0.0, -0.4]))
near = minimlp.check_gradient(positive_part, np.array([0.7, -3e-4, -0.4]))
print("3e-4 from the kink, by step:", [f"{error:.2f}" for error in near.step_errors[:6]])

# %% [markdown]
# **Pattern:** the note "no complex step", with its reason. Away from the kink the gradient can be
# right nonetheless, as the first one is: its error comes from the central differences alone. On the
# kink they give the mean of the slopes to both sides, at that one coordinate. Near it, the error is of order 1 until
# the step is shorter than the distance.
#
# ## 10. A right gradient, a wrong check
#
# Four ways to doubt a right gradient, or to trust a wrong one: steps all too long or too short, a function
# computed in float32, a sample nearly halfway between two prototypes at a tiny temperature, and a
# gradient that is zero.

# %%
def in_float32(q):
    value, gradient, _ = minimlp.objective(Params(*(np.asarray(a, np.float32) for a in q)),
                                           np.float32(x), np.float32(y), {"overlap": 0.1}, {})
    return value, gradient


def near_tie(q):
    return minimlp.coverage(q, np.zeros((1, 1)), 1e-6)


def lost_digits(report):
    """What the central differences say, and the complex step, if there is one."""
    complex_step = report.errors.get("complex", 1.0)
    return report.errors["central"] > 1e-7, complex_step < 1e-12


long = minimlp.check_gradient(kept(1), params, steps=(1e-1, 3e-2))
short = minimlp.check_gradient(kept(1), params, steps=(1e-12, 1e-13))
single = minimlp.check_gradient(in_float32, params)
nearly = np.array([[-0.5], [0.5 + 1e-6]])
for name, report in (("long", long), ("short", short), ("float32", single)):
    good = lost_digits(report)[1] if "complex" in report.errors else "there is none"
    print(f"{name:8} central differences over 1e-7: {lost_digits(report)[0]}, complex step below 1e-12: {good}")
print("near tie, with three steps, then with all, and a zero gradient times ten:")
tie = show(near_tie, nearly, steps=(1e-3, 1e-4, 1e-5))
all_steps = show(near_tie, nearly)
nothing = show(lambda q: (minimlp.separation(q, 1e-6)[0], 10 * minimlp.separation(q, 1e-6)[1]), p)

# %% [markdown]
# **Pattern:** central differences bad, complex step good: the steps are to blame. Without a complex
# step, look at `report.step_errors` over many steps: a V is a right gradient, a floor a wrong one.
# Near the tie all three steps are longer than the turn of the softmax, and none comes near the
# complex step, so the check drops it; with all ten steps it keeps it. The last gradient is ten times
# too large and passes, because ten times zero is zero: the report says that only that was checked.
# Move the point or raise the temperature.
#
# ## The picture

# %%
curves = (("right", minimlp.check_gradient(kept(1), params), plots.COLOURS["fit"], "o-"),
          ("wrong: overlap's sign", flipped, plots.COLOURS["overlap"], "s-"),
          ("right, in float32", single, plots.COLOURS["none"], "v-"),
          ("right, near a tie", all_steps, plots.COLOURS["coverage"], "^-"))
with plots.saved("figures/fails_steps.png", height=3.8) as (figure, [[axis]]):
    for name, report, color, style in curves:
        drawn = report.step_errors < 10         # in float32, short steps see no change at all
        axis.plot(report.steps[drawn], report.step_errors[drawn], style, color=color,
                  label=name, markersize=5)
    axis.set(xscale="log", yscale="log", xlabel="step of the central difference",
             ylabel="relative error", xlim=(5e-11, 2e-1), ylim=(1e-12, 10))
    figure.legend(loc="outside right upper", fontsize=9)

# %% [markdown]
# ## From pattern to cause
#
# | what the report says | likely cause |
# |---|---|
# | one term, all of the error, factor $-2\lambda$ | flipped sign (1) |
# | one term, all of the error, factor $-\lambda$ | dropped term (2) |
# | one term, all of the error, a factor such as $-\lambda/2$ or $(N - 1) \lambda$ | a missing 2 or 1/N (3) |
# | $w$ and $b$ wrong, $v$ and $c$ right, no term named | missing chain factor (4), or old `hidden` (7) |
# | a shape error; where N = M a large error without a pattern | wrong axis (5) |
# | one term, well under all of it, error like the point itself | $k = j$ in a pair sum (6) |
# | error proportional to the update | gradient of another point (7) |
# | numeric 0, gradient not 0, checked at the outputs | a cap in the value alone (8) |
# | "no complex step", error 0.5 at one coordinate | a kink (9) |
# | central differences bad, complex step good | the steps (10) |
# | no complex step, and a V over the steps | float32 (10) |
# | no complex step with few steps, a good one with all | a near tie (10) |
# | "the numeric gradient is zero" | nothing was checked (10), or all is capped (8) |

# %%
assert right.error < 1e-12 and round(flipped.factor, 6) == -0.2 and round(dropped.factor, 6) == -0.1
assert round(no_two.factor, 6) == -0.5 and round(no_mean.factor, 6) == 6
assert inverse_w.explained < 0.99 and response.term is None
assert min(arrays["w"], arrays["b"], square.error) > 0.1 and max(arrays["v"], arrays["c"]) < 1e-12
assert itself.term == "overlap" and itself.explained < 0.9 and passes.error < 1e-12
assert 9 < late[1e-1] / late[1e-2] < 11 and 9 < late[1e-2] / late[1e-3] < 11
assert cap.numeric == 0 and all_capped.zero and not cap.zero
assert "complex" not in no_complex.errors and round(kink.error, 3) == 0.5
assert all(lost_digits(report) == (True, report is not single) for report in (long, short, single))
assert tie.error > 0.1 and all_steps.error < 1e-12
assert nothing.zero and nothing.error == 0

# %% [markdown]
# ## Exercises
#
# 1. Separation enters with coefficient 0.1. The report says "separation, off by +0.1 times its
#    gradient (all of the error)". What is wrong?
# 2. Somebody takes coverage's temperature for a length and squares it, in value and gradient alike.
#    The check passes. Find a test that does not, from (E4): which equation holds if all lengths
#    are doubled?
#
# ## Answers

# %%
# 1: the gradient is there twice, so once too often: pairs j < k and k < j were both added up,
#    or it was added in place twice.
def twice(q):
    value, whole, terms = minimlp.objective(q, x, y, {"separation": 0.1}, {"separation": 0.5})
    _, of_fit, _ = minimlp.objective(q, x, y, {}, {})
    return value, Params(*(2 * g - f for f, g in zip(of_fit, whole))), terms


report = minimlp.check_gradient(twice, params)
assert report.term == "separation" and round(report.factor, 6) == 0.1


# 2: coverage is a squared length and so is its temperature: lengths times 2, coverage times 4.
def squared(q, samples, temperature):
    return minimlp.coverage(q, samples, temperature ** 2)


assert minimlp.check_gradient(lambda q: squared(q, x, 0.5), p).error < 1e-12
for coverage, holds in ((minimlp.coverage, True), (squared, False)):
    law = coverage(2 * p, 2 * x, 4 * 0.5)[0] / (4 * coverage(p, x, 0.5)[0])
    assert (abs(law - 1) < 1e-12) == holds
