"""Kinks of a ReLU network on its gradient flow: which are met, crossed or slid along (E15).

Where the flow on both sides points at a kink, z_ij = 0, the unit slides along it: of
Clarke's subdifferential, the gradient is the one element that keeps it there.
"""

from typing import NamedTuple

import numpy as np

from . import compiled

FASTMATH = {"contract", "reassoc"}
TINY = 1e-300           # in place of what may be 0 and is divided by, or has its logarithm taken


class Pattern(NamedTuple):
    """Which units answer which samples, and which slide along whose kink."""

    active: np.ndarray          # (n, h), 1 or 0
    sliding: np.ndarray         # (h,), along how many kinks
    along: np.ndarray           # (h, d), whose
    inverse: np.ndarray         # (h, d, d), G^-1 X of these samples, G = X X^T


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
def kink_gaps(theta, pattern, data, work, gaps):
    """How far each pair is from a change: |z_ij| / (|v_j| ||x_i||), or for a sliding unit how
    far its subgradient m_ij is from 0 and 1; negative behind the change.  At work's last place."""
    d, h = len(theta) - 1, theta.shape[1]
    for i in range(len(data.x)):
        for j in range(h):
            gaps[i, j] = (2 * pattern.active[i, j] - 1) * work.z[i, j] / (
                abs(theta[d, j]) * data.norms[i] + TINY)
    for j in range(h):
        for a in range(pattern.sliding[j]):
            m = subgradient(pattern, data.x, work.pulls, j, a)
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
def share_before_kink(theta, new, step, stages, pattern, data, work, before, after, window):
    """The share of a step after which the first kink is met; 1: none is.  See flow.share_before.

    By the cubic through z_ij and its rate at both ends, which also tells where a unit goes behind
    a kink and comes back within the step; of a sliding unit by a straight line.
    """
    (d, h), share = (len(theta) - 1, theta.shape[1]), 1.0
    np.dot(data.x, stages[6, :d], work.new_rates)
    for i in range(len(data.x)):
        for j in range(h):
            if place_of(pattern, i, j) >= 0:
                if after[i, j] < -window:
                    share = min(share, (before[i, j] + 0.5 * window) / (before[i, j] - after[i, j]))
                continue
            factor = step * (2 * pattern.active[i, j] - 1) / data.norms[i]
            scale = abs(theta[d, j])
            start = before[i, j] * scale + 0.5 * window * scale
            end = after[i, j] * abs(new[d, j]) + 0.5 * window * scale
            first, last = factor * work.rates[i, j], factor * work.new_rates[i, j]
            high = 1.0
            if after[i, j] >= -window:
                if first >= 0 or last <= 0 or min(start + first / 3, end - last / 3) >= 0:
                    continue                # no dip, or one that stays before the kink
                high = lowest(start, end, first, last)
                if cubic(high, start, end, first, last) >= -0.5 * window * scale:
                    continue
            share = min(share, cubic_root(start, end, first, last, high))
    return share


@compiled()
def cubic(t, start, end, first, last):
    """At t, the cubic with these values and slopes at 0 and 1."""
    u = 1 - t
    return u * u * ((1 + 2 * t) * start + t * first) + t * t * ((3 - 2 * t) * end - u * last)


@compiled()
def cubic_root(start, end, first, last, high):
    """Where in (0, high) the cubic changes its sign from plus to minus."""
    low = 0.0
    for _ in range(50):
        t = (low + high) / 2
        if cubic(t, start, end, first, last) > 0:
            low = t
        else:
            high = t
    return low


@compiled()
def lowest(start, end, first, last):
    """Where in (0, 1) a cubic that falls first and rises at last is least."""
    low, high = 0.0, 1.0
    for _ in range(30):
        t = (low + high) / 2
        slope = 6 * t * (t - 1) * (start - end) + (3 * t - 1) * (t - 1) * first + t * (3 * t - 2) * last
        if slope < 0:
            low = t
        else:
            high = t
    return low


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
    """Unit j no longer slides along that kink; those behind it move up."""
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
    """Units answer where z_ij > 0, and none slides."""
    n, h, d = len(x), theta.shape[1], x.shape[1]
    pattern = Pattern(np.zeros((n, h)), np.zeros(h, np.int64), np.zeros((h, d + 1), np.int64),
                      np.zeros((h, d + 1, d)))
    z = np.dot(x, theta[:d])
    for i in range(n):
        for j in range(h):
            pattern.active[i, j] = 1.0 if z[i, j] > 0 else 0.0
    return pattern
