"""Gradient flow of a two-layer ReLU network (E15), compiled.  See feature_learning.gradient_flow.

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

FASTMATH = {"contract", "reassoc"}
WINDOW = 1e-9           # how far behind an event a step may end, as a share of its scale
SAFETY, ERROR_POWER, PI_POWER = 0.9, 0.17, 0.04
SHRINK, GROW = 0.2, 5.0

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
    x_validation: np.ndarray    # (m, d)
    y_validation: np.ndarray


class Pattern(NamedTuple):
    """Which units answer which samples, and which slide along whose kink."""

    active: np.ndarray          # (n, h), 1 or 0
    sliding: np.ndarray         # (h,), along how many kinks
    along: np.ndarray           # (h, d), whose
    inverse: np.ndarray         # (h, d, d), G^-1 X of these samples, G = X X^T


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


@compiled(fastmath=FASTMATH)
def responses(theta, x, i, z):
    """z_ij = w_j . x_i of one sample."""
    d, h = len(theta) - 1, len(z)
    for j in range(h):
        z[j] = x[i, 0] * theta[0, j]
    for k in range(1, d):
        for j in range(h):
            z[j] += x[i, k] * theta[k, j]


@compiled(fastmath=FASTMATH)
def risk(theta, x, y):
    """Mean logistic loss (E14)."""
    z, total, d = np.empty(theta.shape[1]), 0.0, len(theta) - 1
    for i in range(len(x)):
        responses(theta, x, i, z)
        f = 0.0
        for j in range(len(z)):
            f += theta[d, j] * max(z[j], 0.0)
        total += pull(f, y[i])[1]
    return total / len(x)


@compiled(fastmath=FASTMATH)
def velocity(theta, pattern, x, y, pulls, z, out):
    """dw_j/dt = v_j P_j u_j, u_j = sum of pull_i x_i over active i; dv_j/dt = u_j . w_j.

    P_j takes out the span of the samples along whose kinks the unit slides.  Returns the risk.
    """
    n, (d, h), total = len(x), (len(theta) - 1, len(z)), 0.0
    out[:] = 0
    for i in range(n):
        responses(theta, x, i, z)
        f = 0.0
        for j in range(h):
            z[j] *= pattern.active[i, j]
            f += theta[d, j] * z[j]
        share, loss = pull(f, y[i])
        pulls[i] = share / n
        total += loss
        for j in range(h):
            out[d, j] += pulls[i] * z[j]
            z[j] = pulls[i] * pattern.active[i, j]
        for k in range(d):
            for j in range(h):
                out[k, j] += x[i, k] * z[j]
    for j in range(h):
        if pattern.sliding[j]:
            project(out, pattern, x, j)
    for k in range(d):
        for j in range(h):
            out[k, j] *= theta[d, j]
    return total / n


@compiled(fastmath=FASTMATH)
def project(u, pattern, x, j):
    """u_j less its part in the span of the samples along whose kinks unit j slides."""
    d = len(u) - 1
    part = np.zeros(d)
    for a in range(pattern.sliding[j]):
        coefficient = 0.0
        for k in range(d):
            coefficient += pattern.inverse[j, a, k] * u[k, j]
        for k in range(d):
            part[k] += coefficient * x[pattern.along[j, a], k]
    for k in range(d):
        u[k, j] -= part[k]


@compiled(fastmath=FASTMATH)
def attempt(theta, step, stages, pattern, data, pulls, z, new):
    """One step into `new`, from stages[0]; returns (largest error of a unit / its norm, risk)."""
    size = theta.size
    flat, target, slopes = theta.reshape(size), new.reshape(size), stages.reshape(7, size)
    value = 0.0
    for q in range(6):
        for p in range(size):
            change = 0.0
            for s in range(q + 1):
                change += STAGES[q, s] * slopes[s, p]
            target[p] = flat[p] + step * change
        value = velocity(new, pattern, data.x, data.y, pulls, z, stages[q + 1])
    d, worst = len(theta) - 1, 0.0
    for j in range(theta.shape[1]):
        square = 0.0
        for k in range(d + 1):
            change = 0.0
            for s in range(7):
                change += ERROR[s] * stages[s, k, j]
            square += change * change
        worst = max(worst, step * sqrt(square) / (abs(new[d, j]) + 1e-300))
    return worst, value


@compiled(fastmath=FASTMATH)
def kink_gaps(theta, pattern, data, pulls, z, gaps):
    """How far each pair is from a change: |z_ij| / (|v_j| ||x_i||), or for a sliding unit how
    far its subgradient m_ij is from 0 and 1; negative behind the change."""
    x, (d, h) = data.x, (len(theta) - 1, len(z))
    for i in range(len(x)):
        responses(theta, x, i, z)
        square = 0.0
        for k in range(d):
            square += x[i, k] * x[i, k]
        for j in range(h):
            gaps[i, j] = (2 * pattern.active[i, j] - 1) * z[j] / (
                (abs(theta[d, j]) + 1e-300) * sqrt(square) + 1e-300)
    for j in range(h):
        for a in range(pattern.sliding[j]):
            m = subgradient(pattern, x, pulls, j, a)
            gaps[pattern.along[j, a], j] = min(m, 1 - m)


@compiled(fastmath=FASTMATH)
def subgradient(pattern, x, pulls, j, place):
    """m_ij of the sample that stands there: u_j + sum_i m_ij pull_i x_i is orthogonal to all that do."""
    inverse, coefficient = pattern.inverse[j, place], 0.0
    for i in range(len(x)):
        if pattern.active[i, j] != 0:
            for k in range(x.shape[1]):
                coefficient -= pulls[i] * x[i, k] * inverse[k]
    return coefficient / pulls[pattern.along[j, place]]


@compiled()
def level_gaps(theta, now, value, levels, following, data, gaps):
    """Of the next level of each kind, in logarithms; a time's in its own units.  inf: none is left."""
    d = len(theta) - 1
    gaps[:] = np.inf
    if following[0] < len(levels.growth):
        largest = 0.0
        for j in range(theta.shape[1]):
            largest = max(largest, theta[d, j] ** 2)
        gaps[0] = log(levels.growth[following[0]]) - log(largest)
    if following[1] < len(levels.training):
        gaps[1] = log(value) - log(levels.training[following[1]])
    if following[2] < len(levels.validation):
        gaps[2] = (log(risk(theta, data.x_validation, data.y_validation))
                   - log(levels.validation[following[2]]))
    if following[3] < len(levels.times):
        gaps[3] = levels.times[following[3]] - now


@compiled()
def share_before(before, after):
    """The share of a step after which, by a straight line, the first gap closes; 1: none does."""
    share = 1.0
    for p in range(len(after)):
        if after[p] < -WINDOW:
            share = min(share, (before[p] + 0.5 * WINDOW) / (before[p] - after[p]))
    return max(share, 0.01)


@compiled()
def change_pattern(theta, pattern, data, pulls, velocities, gaps):
    """Crosses the kinks that a step ended behind, or slides along them; whether any changed."""
    changed = False
    for j in range(theta.shape[1]):
        for i in range(len(data.x)):
            if gaps[i, j] >= 0:
                continue
            place = place_of(pattern, i, j)
            if place >= 0:
                pattern.active[i, j] = subgradient(pattern, data.x, pulls, j, place) > 0.5
                remove(pattern, j, place)
            elif not leaves(theta, pattern, data.x, pulls, velocities, i, j):
                continue
            set_inverse(pattern, data.x, j)
            changed = True
            break                           # one a unit: its velocity is no longer the one given
    return changed


@compiled()
def leaves(theta, pattern, x, pulls, velocities, i, j):
    """Whether z_ij moves on behind its kink; if so, its new state: across, or sliding."""
    d = x.shape[1]
    speed = 0.0
    for k in range(d):
        speed += x[i, k] * velocities[k, j]
    active = pattern.active[i, j]
    if speed * (1 - 2 * active) <= 0:
        return False
    own = theta[d, j] * pulls[i] * free_square(pattern, x, i, j)
    across = speed + own * (1 - 2 * active)
    pattern.active[i, j] = 1 - active
    if across * (1 - 2 * active) <= 0:
        pattern.active[i, j] = 0
        pattern.along[j, pattern.sliding[j]] = i
        pattern.sliding[j] += 1
    return True


@compiled()
def free_square(pattern, x, i, j):
    """||P_j x_i||^2."""
    d = x.shape[1]
    u = np.zeros((d + 1, pattern.active.shape[1]))
    for k in range(d):
        u[k, j] = x[i, k]
    project(u, pattern, x, j)
    square = 0.0
    for k in range(d):
        square += u[k, j] * u[k, j]
    return square


@compiled()
def place_of(pattern, i, j):
    """Where sample i stands among those along whose kinks unit j slides; -1: it does not."""
    for a in range(pattern.sliding[j]):
        if pattern.along[j, a] == i:
            return a
    return -1


@compiled()
def remove(pattern, j, place):
    pattern.sliding[j] -= 1
    for a in range(place, pattern.sliding[j]):
        pattern.along[j, a] = pattern.along[j, a + 1]


@compiled()
def set_inverse(pattern, x, j):
    """G^-1 X of the samples along whose kinks unit j slides: X and G = X X^T, by elimination."""
    count, d, solved = pattern.sliding[j], x.shape[1], pattern.inverse[j]
    gram = np.zeros((count, count))
    for a in range(count):
        for k in range(d):
            solved[a, k] = x[pattern.along[j, a], k]
            for b in range(count):
                gram[a, b] += solved[a, k] * x[pattern.along[j, b], k]
    for a in range(count):                  # positive definite: no pivots needed
        for b in range(count):
            factor = gram[b, a] / gram[a, a]
            if b == a:
                factor = 1 - 1 / gram[a, a]
            for c in range(count):
                gram[b, c] -= factor * gram[a, c]
            for k in range(d):
                solved[b, k] -= factor * solved[a, k]


@compiled()
def first_pattern(theta, x):
    n, h, d = len(x), theta.shape[1], x.shape[1]
    pattern = Pattern(np.zeros((n, h)), np.zeros(h, np.int64), np.zeros((h, d + 1), np.int64),
                      np.zeros((h, d + 1, d)))
    z = np.empty(h)
    for i in range(n):
        responses(theta, x, i, z)
        for j in range(h):
            pattern.active[i, j] = 1.0 if z[j] > 0 else 0.0
    return pattern


@compiled()
def record(theta, now, gaps, levels, following, when, found):
    """Keeps time and parameters of each level that is reached; its place is by kind, then order."""
    place = 0
    for kind in range(4):
        if gaps[kind] <= WINDOW:
            when[place + following[kind]] = now
            found[place + following[kind]] = theta
            following[kind] += 1
        place += len(levels[kind])


@compiled()
def settled(theta, pattern, data, pulls, stages, z, kinks):
    """Risk and velocity at a new place, once every unit has the pattern that it goes on with."""
    for _ in range(len(data.x)):
        value = velocity(theta, pattern, data.x, data.y, pulls, z, stages[0])
        kink_gaps(theta, pattern, data, pulls, z, kinks)
        if not change_pattern(theta, pattern, data, pulls, stages[0], kinks):
            break
    return value


@compiled()
def reached(theta, now, value, data, levels, following, gaps, when, found):
    """Keeps every level that has been reached, and leaves how far the next ones are."""
    level_gaps(theta, now, value, levels, following, data, gaps)
    while np.min(gaps) <= WINDOW:
        record(theta, now, gaps, levels, following, when, found)
        level_gaps(theta, now, value, levels, following, data, gaps)


@compiled(nogil=True)
def flow(theta, data, levels, needed, tolerance, most, longest, when, found):
    """Follows the flow from theta, and changes it, until `needed` levels of each kind are reached.

    Fills `when` and `found` (nan: not reached).  Returns (steps tried, last time, last risk).
    """
    n, h = len(data.x), theta.shape[1]
    pattern, z, pulls = first_pattern(theta, data.x), np.empty(h), np.empty(n)
    stages, new = np.zeros((7, *theta.shape)), np.empty_like(theta)
    before, after = np.empty(n * h + 4), np.empty(n * h + 4)
    following, tried, now, old_error, proposal = np.zeros(4, np.int64), 0, 0.0, 1.0, 0.0
    while True:
        value = settled(theta, pattern, data, pulls, stages, z, before[:n * h].reshape(n, h))
        reached(theta, now, value, data, levels, following, before[n * h:], when, found)
        if np.all(following >= needed) or tried >= most or now >= longest:
            return tried, now, value
        if proposal == 0:
            proposal = 1e-3 * sqrt(np.sum(theta ** 2) / (np.sum(stages[0] ** 2) + 1e-300))
        step, share = proposal, 0.0
        while share < 1 and tried < most:
            error, new_value = attempt(theta, step, stages, pattern, data, pulls, z, new)
            error, tried = error / tolerance, tried + 1
            if error <= 1:
                kink_gaps(new, pattern, data, pulls, z, after[:n * h].reshape(n, h))
                level_gaps(new, now + step, new_value, levels, following, data, after[n * h:])
                share = share_before(before, after)
                step *= share
            else:
                step *= max(SHRINK, SAFETY * error ** -0.2) if error < 1e300 else SHRINK
                proposal = step
        if share == 1:
            theta[:], now = new, now + step
            if step == proposal:            # not one that was cut short
                error = max(error, 1e-4)
                factor = SAFETY * error ** -ERROR_POWER * old_error ** PI_POWER
                proposal *= min(GROW, max(SHRINK, factor))
                old_error = error


def gradient_flow(params, x, y, validation, levels, tolerance, most, longest, multiplier):
    """See feature_learning.gradient_flow; here a unit that meets a kink slides along it exactly,
    and sqrt(c) theta is followed in place of theta, which comes to the same."""
    root = sqrt(multiplier)
    theta = np.ascontiguousarray(np.vstack([params.w.T, params.v])) * root
    levels = Levels(*levels)
    needed = np.array([0, len(levels.training), 0, len(levels.times)])
    when = np.full(sum(map(len, levels)), np.nan)
    found = np.full((len(when), *theta.shape), np.nan)
    steps, time, value = flow(theta, Data(x, y, *validation), levels, needed, tolerance, most, longest,
                              when, found)
    states = [params._replace(w=state[:-1].T / root, v=state[-1] / root) for state in found]
    return when, states, steps, time, value


@compiled(nogil=True, fastmath=FASTMATH)
def outputs(theta, x):
    """f of each sample (E15)."""
    z, result, d = np.empty(theta.shape[1]), np.empty(len(x)), len(theta) - 1
    for i in range(len(x)):
        responses(theta, x, i, z)
        f = 0.0
        for j in range(len(z)):
            f += theta[d, j] * max(z[j], 0.0)
        result[i] = f
    return result
