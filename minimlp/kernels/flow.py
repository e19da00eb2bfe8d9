"""Gradient flow of a two-layer ReLU network (E15), compiled.  See risk_flow.gradient_flow.

Between two kinks the flow is smooth: the integrator holds fixed which unit answers which
sample, and ends a step where a pre-activation z_ij changes its sign.  Where the flow on both
sides points at the kink, the unit slides along it, z_ij = 0: the gradient there is the one
element of Clarke's subdifferential that keeps it so, found by projection.  An integrator that
does not know of kinks takes a million tiny steps instead.  A unit's column holds w_j, then v_j.
"""

from math import exp, log, log1p, sqrt
from typing import NamedTuple

import numpy as np

from . import compiled
from .kinks import FASTMATH, TINY, change_pattern, first_pattern, kink_gaps, project, share_before_kink

WINDOW = 0.1            # tolerances that a step may end behind an event, as a share of its scale
ROUND_OFF = 1e-15       # of the risk, times the network's squared norm: no level is met more nearly
SAFETY, ERROR_POWER, PI_POWER = 0.9, 0.17, 0.04
SHRINK, GROW = 0.2, 5.0         # of a step's size from one to the next: at least, at most

# Dormand and Prince 1980, the pair of orders 5 and 4; the last row of STAGES is the step.
STAGES = np.array([
    [1 / 5, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]])
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


class Data(NamedTuple):
    """Samples of training and of validation."""

    x: np.ndarray               # (n, d)
    y: np.ndarray               # (n,)
    columns: np.ndarray         # (d, n), x^T
    norms: np.ndarray           # (n,), of x_i
    x_validation: np.ndarray    # (m, d)
    y_validation: np.ndarray


class Work(NamedTuple):
    """Room for one evaluation."""

    z: np.ndarray               # (n, h), pre-activations at the last place asked for
    shares: np.ndarray          # (n, h), pull_i where unit j is active
    pulls: np.ndarray           # (n,), -dL/df_i
    rates: np.ndarray           # (n, h), of z, where a step begins
    new_rates: np.ndarray       # (n, h), and where it ends


class Levels(NamedTuple):
    """What is waited for, each in its order."""

    growth: np.ndarray          # (1,), of max_j v_j^2
    training: np.ndarray        # falling risks
    validation: np.ndarray
    times: np.ndarray


@compiled(fastmath=FASTMATH)
def pull(f, y):
    """-dL/df of one sample but for 1/n, and its loss log(1 + e^(-y f)) (E14)."""
    small = exp(-abs(y * f))
    share = small / (1 + small) if y * f > 0 else 1 / (1 + small)
    return y * share, log1p(small) + max(-y * f, 0.0)


@compiled(nogil=True, fastmath=FASTMATH)
def outputs(theta, x):
    """f of each sample (E15)."""
    d, result = len(theta) - 1, np.zeros(len(x))
    z = np.dot(x, theta[:d])
    for i in range(len(x)):
        for j in range(theta.shape[1]):
            result[i] += theta[d, j] * max(z[i, j], 0.0)
    return result


@compiled(fastmath=FASTMATH)
def risk(theta, x, y):
    """Mean logistic loss (E14)."""
    f, total = outputs(theta, x), 0.0
    for i in range(len(x)):
        total += pull(f[i], y[i])[1]
    return total / len(x)


@compiled(fastmath=FASTMATH)
def velocity(theta, pattern, data, work, out):
    """dw_j/dt = v_j P_j u_j, u_j = sum of pull_i x_i over active i; dv_j/dt = u_j . w_j.

    P_j takes out the span of the samples along whose kinks the unit slides.  Returns the risk.
    """
    n, (d, h), total = len(data.x), (len(theta) - 1, theta.shape[1]), 0.0
    z, shares, active = work.z, work.shares, pattern.active
    np.dot(data.x, theta[:d], z)
    for j in range(h):
        out[d, j] = 0.0
    for i in range(n):
        f = 0.0
        for j in range(h):
            f += theta[d, j] * z[i, j] * active[i, j]
        share, loss = pull(f, data.y[i])
        share /= n
        work.pulls[i] = share
        total += loss
        for j in range(h):
            shares[i, j] = share * active[i, j]
            out[d, j] += shares[i, j] * z[i, j]
    np.dot(data.columns, shares, out[:d])
    for j in range(h):
        if pattern.sliding[j]:
            project(out, pattern, data.x, j)
    for k in range(d):
        for j in range(h):
            out[k, j] *= theta[d, j]
    return total / n


@compiled(fastmath=FASTMATH)
def attempt(theta, step, stages, pattern, data, work, new):
    """One step into `new`, from stages[0]; returns (largest error of a unit / its norm, risk).

    |v_j| stands for the unit's norm: ||w_j|| equals it at the start, and so all along the flow.
    """
    size = theta.size
    flat, target, slopes = theta.reshape(size), new.reshape(size), stages.reshape(7, size)
    value = 0.0
    for stage in range(6):
        for at in range(size):
            change = 0.0
            for s in range(stage + 1):
                change += STAGES[stage, s] * slopes[s, at]
            target[at] = flat[at] + step * change
        value = velocity(new, pattern, data, work, stages[stage + 1])
    d, worst = len(theta) - 1, 0.0
    for j in range(theta.shape[1]):
        square = 0.0
        for k in range(d + 1):
            change = 0.0
            for s in range(7):
                change += ERROR[s] * stages[s, k, j]
            square += change * change
        error = step * sqrt(square) / (abs(new[d, j]) + TINY)
        worst = error if not error <= worst else worst      # nan, too
    return worst, value


@compiled()
def level_gaps(theta, now, value, levels, following, data, gaps):
    """Of the next level of each kind, in logarithms; a time's as a share of it.  inf: none is left."""
    d = len(theta) - 1
    for kind in range(4):
        gaps[kind] = np.inf
    if following[0] < len(levels.growth):
        largest = 0.0
        for j in range(theta.shape[1]):
            largest = max(largest, theta[d, j] ** 2)
        gaps[0] = log(levels.growth[following[0]]) - log(largest)
    if following[1] < len(levels.training):
        gaps[1] = log(max(value, TINY)) - log(levels.training[following[1]])
    if following[2] < len(levels.validation):
        gaps[2] = (log(max(risk(theta, data.x_validation, data.y_validation), TINY))
                   - log(levels.validation[following[2]]))
    if following[3] < len(levels.times):
        gaps[3] = 1 - now / levels.times[following[3]]


@compiled()
def share_before(before, after, window):
    """The share of a step after which, by a straight line, the first gap closes; 1: none does."""
    share = 1.0
    for p in range(len(after)):
        if after[p] < -window:
            share = min(share, (before[p] + 0.5 * window) / (before[p] - after[p]))
    return share


@compiled()
def record(theta, now, gaps, levels, following, window, when, found):
    """Keeps time and parameters of each level that is reached; its place is by kind, then order.

    Returns whether there was one.
    """
    place, any_new = 0, False
    for kind in range(4):
        if gaps[kind] <= window:
            at = place + following[kind]
            when[at], any_new = now, True
            copy(theta, found[at])
            following[kind] += 1
        place += len(levels[kind])
    return any_new


@compiled()
def copy(source, target):
    for k in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[k, j] = source[k, j]


@compiled()
def settled(theta, pattern, data, work, stages, kinks):
    """Risk and velocity at a new place, once every unit has the pattern that it goes on with."""
    value = 0.0
    for _ in range(len(data.x)):
        value = velocity(theta, pattern, data, work, stages[0])
        kink_gaps(theta, pattern, data, work, kinks)
        if not change_pattern(theta, pattern, data, work.pulls, stages[0], kinks):
            break
    return value


@compiled()
def reached(theta, now, value, data, levels, following, gaps, window, when, found):
    """Keeps every level that has been reached, and leaves how far the next ones are."""
    level_gaps(theta, now, value, levels, following, data, gaps)
    while record(theta, now, gaps, levels, following, window, when, found):
        level_gaps(theta, now, value, levels, following, data, gaps)


@compiled()
def new_work(n, h):
    return Work(np.empty((n, h)), np.empty((n, h)), np.empty(n), np.empty((n, h)), np.empty((n, h)))


@compiled()
def norm(theta):
    square = 0.0
    for k in range(theta.shape[0]):
        for j in range(theta.shape[1]):
            square += theta[k, j] * theta[k, j]
    return sqrt(square)


@compiled()
def next_proposal(proposal, error, old_error):
    """The next step's size by the errors of the last two: a PI controller."""
    factor = SAFETY * error ** -ERROR_POWER * old_error ** PI_POWER
    return proposal * min(GROW, max(SHRINK, factor))


@compiled(nogil=True)
def flow(theta, data, levels, tolerance, most, longest, when, found):
    """Follows the flow from theta, and changes it, until every training risk and time is reached.

    Fills `when` and `found` (nan: not reached).  Returns (steps tried, last time, last risk).
    """
    n, h, window = len(data.x), theta.shape[1], WINDOW * tolerance
    level_window = max(window, ROUND_OFF * norm(theta) ** 2)
    pattern, work = first_pattern(theta, data.x), new_work(n, h)
    stages, new = np.zeros((7, len(theta), h)), np.empty_like(theta)
    kinks, new_kinks, gaps, new_gaps = np.empty((n, h)), np.empty((n, h)), np.empty(4), np.empty(4)
    following, tried, now, old_error, proposal = np.zeros(4, np.int64), 0, 0.0, 1.0, 0.0
    while True:
        value = settled(theta, pattern, data, work, stages, kinks)
        reached(theta, now, value, data, levels, following, gaps, level_window, when, found)
        met = following[1] == len(levels.training) and following[3] == len(levels.times)
        if met or tried >= most or now >= longest:
            return tried, now, value
        if proposal == 0:
            proposal = 1e-3 * norm(theta) / (norm(stages[0]) + TINY)
        np.dot(data.x, stages[0, :len(theta) - 1], work.rates)
        step, share = min(proposal, longest - now), 0.0
        while share < 1 and tried < most:
            error, new_value = attempt(theta, step, stages, pattern, data, work, new)
            error, tried = max(error / tolerance, 1e-4), tried + 1
            if error <= 1:
                kink_gaps(new, pattern, data, work, new_kinks)
                level_gaps(new, now + step, new_value, levels, following, data, new_gaps)
                share = min(share_before(gaps, new_gaps, level_window), share_before_kink(
                    theta, new, step, stages, pattern, data, work, kinks, new_kinks, window))
                step *= max(share, 0.01)
            else:
                # The error of a step goes with its fifth power; one that is not finite says nothing.
                step *= max(SHRINK, SAFETY * error ** -0.2) if error < 1e300 else SHRINK
                proposal = step
        if share == 1:
            copy(new, theta)
            now += step
            if step == proposal:            # not one that was cut short
                proposal, old_error = next_proposal(proposal, error, old_error), error


def gradient_flow(params, x, y, validation, levels, tolerance, most, longest, multiplier):
    """See risk_flow.gradient_flow; here a unit that meets a kink slides along it exactly,
    and sqrt(c) theta is followed in place of theta, which comes to the same."""
    root = sqrt(multiplier)
    theta = np.ascontiguousarray(np.vstack([params.w.T, params.v])) * root
    norms = np.linalg.norm(x, axis=1)
    norms[norms == 0] = 1           # a sample at the origin has no kink
    data = Data(x, y, np.ascontiguousarray(x.T), norms, *validation)
    levels = Levels(*levels)
    when = np.full(sum(map(len, levels)), np.nan)
    found = np.full((len(when), *theta.shape), np.nan)
    steps, time, value = flow(theta, data, levels, tolerance, most, longest,
                              when, found)
    states = [params._replace(w=state[:-1].T / root, v=state[-1] / root) for state in found]
    return when, states, steps, time, value
