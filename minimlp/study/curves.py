"""Statistics of curves over the scale alpha: common seeds, the optimum, slopes, ranks.

A curve is an array (seeds, alphas), nan where a training failed or a stop was not reached.
"""

from dataclasses import replace

import numpy as np

from .verdicts import RESAMPLES, Comparison, compare

SHARE = 0.75                # of seeds that an alpha needs


def common(*curves):
    """(alphas that enough seeds reached, seeds that reached all these) in all curves."""
    there = np.logical_and.reduce([np.isfinite(c) for c in curves])
    kept = there.mean(axis=0) >= SHARE
    return kept, there[:, kept].all(axis=1)


def optimum(log_alphas, means):
    """Where a curve (..., A) is least: the vertex of the parabola through the least value and its
    neighbours, or the end of the range."""
    best = np.argmin(means, axis=-1)
    inside = np.clip(best, 1, means.shape[-1] - 2)
    x = log_alphas[np.stack([inside - 1, inside, inside + 1], -1)]
    y = np.take_along_axis(means, np.stack([inside - 1, inside, inside + 1], -1), -1)
    first = (y[..., 1] - y[..., 0]) / (x[..., 1] - x[..., 0])
    second = ((y[..., 2] - y[..., 1]) / (x[..., 2] - x[..., 1]) - first) / (x[..., 2] - x[..., 0])
    with np.errstate(all="ignore"):
        vertex = (x[..., 0] + x[..., 1]) / 2 - first / (2 * second)
    vertex = np.clip(vertex, x[..., 0], x[..., 2])
    return np.where((best == inside) & (second > 0), vertex, log_alphas[best])


def resampled_means(values, seeds=None):
    """Means (R, ...) over seeds drawn anew with replacement; values (seeds, ...).

    Where seeds says which of a study's these are, the draws are of all: the same for every setting.
    """
    seeds = np.ones(len(values), bool) if seeds is None else seeds
    counts = np.random.default_rng(0).multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), RESAMPLES)
    counts = counts[:, seeds]
    return np.einsum("rs,s...->r...", counts / counts.sum(axis=1, keepdims=True), values)


def interval(samples):
    low, high = np.percentile(samples, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def arms(error):
    """What the optimum saves against both ends, seed by seed: left (S,), right (S,), places (2,).

    The optimum, among the alphas between the ends, is chosen on one half of the seeds and judged on
    the other, both ways.
    """
    left, right, places = np.empty(len(error)), np.empty(len(error)), []
    for half in (0, 1):
        judged = np.arange(len(error)) % 2 == half
        best = 1 + int(np.argmin(error[~judged, 1:-1].mean(axis=0)))
        left[judged] = error[judged, 0] - error[judged, best]
        right[judged] = error[judged, -1] - error[judged, best]
        places.append(best)
    return left, right, places


def within(values, label, target, margin):
    """Equivalence: *better* if the interval lies within target +- margin, *worse* if outside it."""
    found = compare(values, label, bound=target)
    if found.low is None:
        return found
    return replace(found, verdict=judged(found.low, found.high, target, margin))


def slopes(log_alphas, values):
    """Least-squares slope of each row of values (S, A) against log_alphas."""
    x = log_alphas - log_alphas.mean()
    return values @ x / (x @ x)


def spearman(log_alphas, values):
    """Rank correlation of each row of values (S, A) with alpha."""
    from scipy.stats import rankdata
    ranks = rankdata(values, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    x = np.arange(len(log_alphas)) - (len(log_alphas) - 1) / 2
    return ranks @ x / np.sqrt((x @ x) * np.maximum((ranks ** 2).sum(axis=1), 1e-300))


def wrong_steps(values, rising):
    """Steps between neighbouring alphas that go the wrong way: mean, p under 0.05 / steps."""
    found = []
    for k, step in enumerate(np.diff(values, axis=1).T):
        c = compare(step, k)
        if (c.mean < 0) == rising and c.mean != 0 and c.p * (values.shape[1] - 1) < 0.05:
            found.append(k)
    return found


def from_resamples(mean, samples, seeds, label, bound, verdict):
    """A Comparison of a figure that is no mean over seeds, by its resamples (R,)."""
    p = 2 * min((samples <= bound).mean(), (samples >= bound).mean(), 0.5)
    return Comparison(label, seeds, float(mean), float(np.median(samples)), **interval(samples),
                      p=float(p), bound=bound, verdict=verdict, flagged=False)


def judged(low, high, target, margin):
    """*better*: the interval lies within target +- margin; *worse*: outside it; else *open*."""
    inside = target - margin < low and high < target + margin
    outside = high < target - margin or low > target + margin
    return "better" if inside else "worse" if outside else "open"
