"""Where attraction balances repulsion over coefficient and temperature: measured, and predicted (ours)."""

import numpy as np

from .temperature import RANGE, crossing, interval, none_if_nan
from .verdicts import RESAMPLES


def frontier(coefficients, excess, level):
    """The least coefficient at which the excess is over the level, log-interpolated.

    Parameters
    ----------
    coefficients : array (C,)
        lambda, increasing.
    excess : array (..., C)
        Of what is counted, over the baseline's, averaged over seeds.
    level : float

    Returns
    -------
    array (...)
        lambda*; nan where the excess is over the level at no coefficient, or at the least already.
    """
    over = excess > level
    first = np.argmax(over, axis=-1)
    return crossing(coefficients, excess, level, first - 1, over.any(axis=-1) & (first > 0))


def state(excess, level):
    """"crossed", "never" or "always" over the level, as the coefficient (last axis) grows."""
    over = excess > level
    return np.where(over[..., 0], "always", np.where(over.any(axis=-1), "crossed", "never"))


def estimate_frontier(coefficients, excess, level):
    """lambda* at each temperature, with 95 % bootstrap intervals over seeds.

    Parameters
    ----------
    coefficients : array (C,)
        lambda, increasing.
    excess : array (S, T, C)
        One map for each seed.
    level : float

    Returns
    -------
    dict of lists (T,)
        "coefficient", "low", "high": lambda* and its interval (None where the level is not
        crossed, in over 2.5 % of the resamples for the interval), "state" (see `state`).
    """
    seeds, temperatures, _ = excess.shape
    picks = np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))
    counts = (picks[:, :, None] == np.arange(seeds)).sum(axis=1)
    found = {"coefficient": [], "low": [], "high": [], "state": []}
    for k in range(temperatures):
        mean = excess[:, k].mean(axis=0)
        here = {"coefficient": none_if_nan(float(frontier(coefficients, mean, level))),
                "state": str(state(mean, level)),
                **interval(frontier(coefficients, np.einsum("rs,sc->rc", counts, excess[:, k]) / seeds, level))}
        for name, values in found.items():
            values.append(here[name])
    return found


def outermost_forces(size, temperature, coverage_temperature):
    """Separation's push and coverage's pull on the outermost of equally spaced prototypes.

    With N samples delta = range/N apart and a prototype on each, the last one at the edge
    of the data feels, at coefficients 1, the step -dL/dp of (E5) outward and that of (E4) inward:

        push = 4/(N(N-1) tau_s) sum_k k delta exp(-(k delta)^2 / tau_s),   k = 1, ..., N-1
        pull = (2/N) sum_k a_k k delta,   a_k its softmax share in the sample k places further in

    Parameters
    ----------
    size : int
        N = M, at least 2.
    temperature, coverage_temperature : float
        tau of separation and of coverage, in the squared units of x.

    Returns
    -------
    push, pull : float
        Both positive: push per unit of x, pull in units of x.
    """
    places = np.arange(size)
    distances = RANGE / size * places
    push = 4 / (size * (size - 1) * temperature) * np.sum(distances * np.exp(-distances ** 2 / temperature))
    squares = (RANGE / size * (places[:, None] - places)) ** 2
    weights = np.exp(-squares / coverage_temperature)
    pull = 2 / size * np.sum(weights[:, 0] / weights.sum(axis=1) * distances)
    return float(push), float(pull)


def predicted_frontier(size, temperatures, coverage_temperature, coverage_coefficient):
    """The separation coefficient at which push and pull on the outermost prototype cancel.

        lambda_s = lambda_c pull / push,   as in `outermost_forces`

    Beyond it the outermost prototype has its equilibrium outside the data.  Assumed: equally spaced data, a
    prototype on each sample, no force of the fit.  Sums as integrals show three parts: a wall that rises as
    tau exp(delta^2 / tau) where tau < delta^2 = (range/N)^2; a floor of 0.338 lambda_c range sqrt(tau_c), whatever N
    and tau, while both reaches lie far between delta and the range; and a rise in proportion to tau beyond range^2.

    Parameters
    ----------
    size : int
    temperatures : sequence of float (T,)
        Of separation.
    coverage_temperature, coverage_coefficient : float

    Returns
    -------
    list (T,) of float or None
        None where the push underflows, or there is no other prototype.
    """
    found = []
    for temperature in temperatures:
        push, pull = outermost_forces(size, temperature, coverage_temperature) if size > 1 else (0.0, 0.0)
        ratio = coverage_coefficient * pull / push if push else np.inf
        found.append(float(ratio) if np.isfinite(ratio) else None)
    return found


def off_by(measured, predicted):
    """Geometric mean, least and largest of measured / predicted, where there are both; else None."""
    ratios = [a / b for a, b in zip(measured, predicted) if a and b]
    if not ratios:
        return None
    return {"mean": float(np.exp(np.mean(np.log(ratios)))), "least": min(ratios), "most": max(ratios)}
