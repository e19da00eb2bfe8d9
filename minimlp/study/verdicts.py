"""From paired differences to a verdict on a claim (the rules are ours).

At one size: the mean over seeds of the paired difference, its 95 % bootstrap interval
and a sign-flip p-value.  *better*: the interval lies below the bound (0 unless said),
*worse*: above it, else *open*; for a quantity that should be large the two are swapped.
Over sizes the claim expects one of the two everywhere:

    holds             as expected at every size
    holds in the mean every mean has the expected sign, and no size says the opposite
    mixed             as expected somewhere and the opposite somewhere
    fails             the opposite somewhere, as expected nowhere
    not shown         else
"""

from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 10_000
EXACT_UP_TO = 14        # seeds; beyond it the sign flips are sampled
OPPOSITE = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Comparison:
    """Paired differences at one size.

    Attributes
    ----------
    size, seeds : int
    mean, median, low, high : float
        Of the differences; low and high bound the mean's 95 % interval (None for one seed).
    p : float
        Two-sided sign-flip p-value of the mean against the bound; exact up to 14 seeds.
    bound : float
    verdict : {"better", "worse", "open"}
    flagged : bool
        Whether mean and median lie on different sides of the bound.
    """

    size: int
    seeds: int
    mean: float
    median: float
    low: float
    high: float
    p: float
    bound: float
    verdict: str
    flagged: bool


def compare(differences, size=0, bound=0.0, larger_is_better=False):
    """Judge paired differences.

    Parameters
    ----------
    differences : array (S,)
        One for each seed, finite.
    size : int
        Only kept.
    bound : float
        What the mean is held against.
    larger_is_better : bool

    Returns
    -------
    Comparison
    """
    from scipy import stats

    d = np.asarray(differences, dtype=float)
    low, high, p, verdict = None, None, 1.0, "open"
    if len(d) > 1:
        interval = stats.bootstrap((d,), np.mean, n_resamples=RESAMPLES, method="percentile",
                                   rng=np.random.default_rng(0)).confidence_interval
        low, high = float(interval.low), float(interval.high)
        below, above = ("worse", "better") if larger_is_better else ("better", "worse")
        verdict = below if high < bound else above if low > bound else "open"
        p = float(stats.permutation_test(
            (d - bound,), np.mean, permutation_type="samples", vectorized=True,
            n_resamples=2 ** EXACT_UP_TO, rng=np.random.default_rng(0)).pvalue)
    mean, median = float(d.mean()), float(np.median(d))
    return Comparison(size, len(d), mean, median, low, high, p, bound, verdict,
                      flagged=(mean - bound) * (median - bound) < 0)


@dataclass(frozen=True)
class Contrast:
    """One kind of comparison at every size, and what the claim expects of it.

    Attributes
    ----------
    label : str
        What is subtracted from what.
    expected : {"better", "worse"}
    larger_is_better : bool
    comparisons : list of Comparison
    margin : float
        Of an equivalence, where the mean should be within bound +- margin; else None.
    """

    label: str
    expected: str
    larger_is_better: bool
    comparisons: list
    margin: float = None

    def judged(self):
        """(verdict is as expected, verdict is the opposite, mean has the expected sign) by size."""
        wants_larger = self.larger_is_better == (self.expected == "better")
        for c in self.comparisons:
            sign = c.mean > c.bound if wants_larger else c.mean < c.bound
            if self.margin is not None:
                sign = abs(c.mean - c.bound) < self.margin
            yield c.verdict == self.expected, c.verdict == OPPOSITE[self.expected], sign

    @property
    def verdict(self):
        return over_sizes([self])


def over_sizes(contrasts):
    """The verdict over all sizes of all contrasts (see the top of this file)."""
    rows = [row for contrast in contrasts for row in contrast.judged()]
    if not rows:
        return "not tested"
    expected, opposite, signs = zip(*rows)
    if all(expected):
        return "holds"
    if any(opposite):
        return "mixed" if any(expected) else "fails"
    return "holds in the mean" if all(signs) else "not shown"


@dataclass(frozen=True)
class Claim:
    """A claim, its contrasts and its verdict.

    Attributes
    ----------
    name, statement, verdict : str
    contrasts : list of Contrast
    ours : str
        What in its test is this project's own choice.
    """

    name: str
    statement: str
    verdict: str
    contrasts: list
    ours: str


def claim(name, statement, contrasts, ours, expect_mixed=False):
    """A claim judged by its contrasts; `expect_mixed` for one that says 'better here, worse there':
    it fails if all sizes are decided, and alike."""
    contrasts = [contrast for contrast in contrasts if contrast.comparisons]
    verdict = over_sizes(contrasts)
    if expect_mixed and verdict != "not tested":
        decided = all(c.verdict != "open" for contrast in contrasts for c in contrast.comparisons)
        verdict = "holds" if verdict == "mixed" else "fails" if decided else "not shown"
    return Claim(name, statement, verdict, contrasts, ours)


def as_dicts(claims):
    """Claims as summary.json holds them, each contrast with its own verdict."""
    return [{**asdict(c), "contrasts": [{**asdict(contrast), "verdict": contrast.verdict}
                                        for contrast in c.contrasts]} for c in claims]


def worst(values, larger_is_better=False):
    """Replace the nan of diverged runs by the worst value there is: they count as worst.

    Parameters
    ----------
    values : mapping of any to float
        A metric by run; nan where the run diverged.
    larger_is_better : bool

    Returns
    -------
    dict
        The same keys; all finite.
    """
    finite = [value for value in values.values() if np.isfinite(value)] or [0.0]
    last = min(finite) if larger_is_better else max(finite)
    return {run: value if np.isfinite(value) else last for run, value in values.items()}
