"""Checking a hand-written gradient: central differences, random directions, the complex step."""

import warnings
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from . import checks
from .gaussian import Params

COMPLEX_STEP = 1e-30
COORDINATE_LIMIT = 400      # beyond it: random directions, and this many sampled coordinates


def relative_error(a, b):
    """How far an array is from its reference, in shares of the reference's largest entry.

        error = max|a - b| / max(max|b|, floor),   floor 1e-300 in float64, 1e-30 in float32

    Parameters
    ----------
    a : array of any shape
        What is judged.
    b : array of a's shape
        The reference.

    Returns
    -------
    float
        Infinite where a or b is not finite.

    Raises
    ------
    InputError
        If the shapes differ or are empty, or these are no numbers.

    Notes
    -----
    Ours.
    """
    a, b = (numbers.astype(float) if numbers.dtype.kind in "biu" else numbers
            for numbers in (checks.as_array("a", a), checks.as_array("b", b)))
    if a.dtype.kind not in "fc" or b.dtype.kind not in "fc":
        raise checks.InputError(f"a has type {a.dtype} and b {b.dtype}: expected numbers")
    if a.shape != b.shape or a.size == 0:
        raise checks.InputError(f"a has shape {a.shape} and b {b.shape}: expected the same, not empty")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    floor = 1e-30 if np.float32 in (a.dtype, b.dtype) else 1e-300
    return float(np.max(np.abs(a - b)) / max(np.max(np.abs(b)), floor))


@dataclass
class GradientReport:
    """What `check_gradient` found.

    Attributes
    ----------
    errors : dict of str to float
        Relative error of the gradient by method: "central" (at the step nearest to
        the complex step, or where there is none, the one that the next changes least),
        "complex" where the function takes complex input, "directions" for large
        theta.
    steps, step_errors : array (S,)
        The central differences' steps, relative to theta's scale, and the error at each.
    norm : float
        Euclidean norm of the gradient.
    zero : bool
        Whether the numeric gradient is exactly zero: then the errors are the
        gradient's largest entry, and nothing else was checked.
    worst : str
        The coordinate with the largest error, such as "b[3, 0]".
    analytic, numeric : float
        The gradient there as given and as the best method found it.
    term : str or None
        Of a function that returns its terms: the term whose own gradient best explains
        the error; None if the gradient agrees to 1e-6, or no single term explains it.
    explained : float
        The share of the squared error which that term explains; without one, the best share.
    factor : float
        How many times the term's own gradient the given one has too much.  Of a term
        that enters with coefficient lambda: -lambda if it is missing, -2 lambda if its
        sign is wrong.
    notes : list of str
        What was not done, and why.
    """

    errors: dict
    steps: np.ndarray
    step_errors: np.ndarray
    norm: float
    zero: bool
    worst: str
    analytic: float
    numeric: float
    term: str = None
    explained: float = 0.0
    factor: float = 0.0
    notes: list = field(default_factory=list)

    @property
    def error(self):
        """By the sharpest method there is, complex step or else central differences; of a large
        theta the directions' error, if that is larger: they see what was not sampled."""
        return max(self.errors.get("complex", self.errors["central"]),
                   self.errors.get("directions", 0.0))

    def __str__(self):
        kind = "largest entry" if self.zero else "relative error"
        lines = [f"{method + ':':11} {kind} {error:.1e}" for method, error in self.errors.items()]
        lines.append(f"worst at {self.worst}: gradient {self.analytic:.10g}, "
                     f"numeric {self.numeric:.10g}; norm {self.norm:.3g}")
        if self.zero:
            lines.append("the numeric gradient is zero: only that was checked")
        if self.term:
            share = "all" if self.explained > 1 - 1e-6 else f"{min(self.explained, 0.999):.1%}"
            lines.append(f"wrong term: {self.term}, off by {self.factor:+.3g} times its gradient "
                         f"({share} of the error)")
        return "\n".join(lines + self.notes)


def check_gradient(function, theta, steps=10.0 ** np.arange(-1, -11, -1), directions=16, seed=0):
    """Compare a function's gradient with what its values say.

        central difference  (f(t + h e) - f(t - h e)) / 2h    error ~ h^2 f''' / 6 + eps f / h
        complex step        Im f(t + i h e) / h, h = 1e-30    error ~ eps, where f takes complex input

    Parameters
    ----------
    function : function of theta
        Returns (value, gradient) or (value, gradient, terms), where terms is a
        mapping of str to float whose members, with any weights, add up to the value.
    theta : array of any shape, or Params
        Where to check; the function must be differentiable there.
    steps : array (S,)
        Steps of the central differences, at least two, relative to max(1, max|theta|).
    directions : int
        How many random directions to try where theta is large (over 400 coordinates:
        then only that many coordinates, sampled, are checked one by one).
    seed : int
        Of the sampling.

    Returns
    -------
    GradientReport
        Every error; no judgement.  In float64 a right gradient reaches 1e-12 by the
        complex step and 1e-7 by central differences.

    Raises
    ------
    InputError
        If the gradient is not shaped like theta, or an argument is none of the above.

    Notes
    -----
    The complex step is Squire and Trapp's (1998, SIAM Review 40); the choice of the central step and
    the search for the wrong term are ours.
    """
    checks.count("directions", directions)
    steps = checks.array("steps", steps, (None,), real=True)
    if len(steps) < 2 or not np.all(steps > 0):
        raise checks.InputError(f"steps = {checks.short(steps)}: expected at least two, greater than 0")
    checks.function("function", function)
    theta = checks.params(theta) if isinstance(theta, Params) else theta
    vector, rebuild = flatten(theta)
    analytic = flat_gradient(evaluate(function, rebuild(vector.copy())), theta)
    random = np.random.default_rng(checks.seed(seed))
    coordinates, notes = sampled(vector.size, random)
    differences = Differences(lambda t: function(rebuild(t)), vector)
    found = differences.along([axis(vector, k) for k in coordinates], steps)
    given = analytic[coordinates]
    step_errors = np.array([relative_error(given, slopes) for slopes in found.by_step])
    errors = {"central": float(step_errors[found.step])}
    zero = not found.best.any()
    if found.why_not_complex:
        notes.append(f"no complex step: {found.why_not_complex}")
    else:
        errors["complex"] = relative_error(given, found.best)
    if len(coordinates) < vector.size:
        tries = [normalised(random.normal(size=vector.size)) for _ in range(directions)]
        slopes = differences.along(tries, steps).best
        errors["directions"] = relative_error(np.array(tries) @ analytic, slopes)
        zero = zero and not slopes.any()
    if zero:
        errors = dict.fromkeys(errors, float(np.abs(analytic).max()))

    difference = given - found.best
    k = np.argmax(np.where(np.isfinite(difference), np.abs(difference), np.inf))
    report = GradientReport(
        errors, steps, step_errors, float(np.linalg.norm(analytic)), zero,
        name_of(theta, coordinates[k]), float(given[k]), float(found.best[k]), notes=notes)
    if found.terms and report.error > 1e-6:
        report.term, report.explained, report.factor = culprit(difference, found.terms)
    return report


def sampled(size, random):
    """The coordinates to check one by one, and a note if these are not all."""
    if size <= COORDINATE_LIMIT:
        return np.arange(size), []
    return (np.sort(random.choice(size, COORDINATE_LIMIT, replace=False)),
            [f"{COORDINATE_LIMIT} of {size} coordinates, sampled"])


class Derivatives(NamedTuple):
    """Directional derivatives: the best there are, the central ones by step, the step chosen of
    these, each term's own at that step, and why there is no complex step (None if there is)."""

    best: np.ndarray
    by_step: list
    step: int
    terms: dict
    why_not_complex: str


class Differences:
    """Differences of a function around theta; central steps are relative to max(1, max|theta|)."""

    def __init__(self, function, theta):
        self.function, self.theta, self.scale = function, theta, max(1.0, np.abs(theta).max())

    def along(self, directions, steps):
        """Derivatives by the complex step, and by central differences at the step nearest to it.

        Without a complex step, the central step that the next one changes least is taken.
        Neither choice looks at the given gradient: a wrong one would be flattered by a
        step that happens to err its way.
        """
        rows = [[self.central(direction, step * self.scale) for direction in directions]
                for step in steps]
        by_step = [np.array([slope for slope, _ in row]) for row in rows]
        exact, why_not = self.complex(directions)
        if exact is not None:
            distances = [relative_error(slopes, exact) for slopes in by_step]
            step = int(np.argmin(distances))
            if distances[step] > 1e-2:
                why_not = ("it disagrees with the central differences (abs or a branch in the "
                           "function, or steps too long)")
        if why_not:
            changes = [relative_error(a, b) if b.any() else np.inf      # 0: lost to round-off
                       for a, b in zip(by_step, by_step[1:])]
            step = int(np.argmin(changes))
        terms = {name: np.array([of_terms[name] for _, of_terms in rows[step]])
                 for name in rows[step][0][1]}
        return Derivatives(by_step[step] if why_not else exact, by_step, step, terms, why_not)

    def central(self, direction, h):
        """(f(t + h e) - f(t - h e)) / 2h of the value, and of each term by name."""
        ahead, behind = self.theta + h * direction, self.theta - h * direction
        span = (ahead - behind) @ direction         # what h became in floating point
        high, _, more = evaluate(self.function, ahead)
        low, _, less = evaluate(self.function, behind)
        if more.keys() != less.keys():
            raise checks.InputError(f"terms are {checks.short(list(more))} and {checks.short(list(less))} next "
                                    "to each other: expected the same names everywhere")
        with np.errstate(divide="ignore", invalid="ignore"):        # h may be lost in round-off
            return (high - low) / span, {name: (more[name] - less[name]) / span for name in more}

    def complex(self, directions):
        """Derivatives along the directions by the complex step, or None and why not."""
        slopes = []
        for direction in directions:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", np.exceptions.ComplexWarning)
                    value = self.function(self.theta + 1j * COMPLEX_STEP * direction)[0]
            except Exception as error:      # it took real input: whatever this is, complex did it
                return None, f"the function refuses complex input ({error})"
            if not np.iscomplexobj(value):
                return None, "the function returns a real value for complex input"
            slopes.append(value.imag / COMPLEX_STEP)
        return np.array(slopes), None


def culprit(difference, terms):
    """The one term whose gradient best explains the error where there is one."""
    wrong = np.abs(difference) > 1e-3 * np.abs(difference).max()
    e = difference[wrong]
    shares = {}
    for name, slopes in terms.items():
        t = slopes[wrong]
        share = (t @ e) ** 2 / max((t @ t) * (e @ e), 1e-300)
        shares[name] = share if np.isfinite(share) else 0.0
    first, *others = sorted(shares, key=shares.get, reverse=True)
    if shares[first] < 0.5 or any(shares[name] > 0.99 * shares[first] for name in others):
        return None, shares[first], 0.0
    t = terms[first][wrong]
    return first, float(shares[first]), float((t @ e) / (t @ t))


def flatten(theta):
    """theta as a vector, and the way back."""
    if isinstance(theta, Params):
        return theta.to_vector(), lambda vector: Params.from_vector(vector, like=theta)
    theta = checks.as_array("theta", theta)
    vector = checks.array("theta", theta.ravel(), (None,), real=True)
    return vector.copy(), lambda vector: vector.reshape(theta.shape)


def evaluate(function, theta):
    """(value, gradient, terms) of a function at theta; terms are {} if it returns none."""
    result = function(theta)
    if not isinstance(result, tuple) or len(result) not in (2, 3):
        raise checks.InputError(f"the function returned {checks.short(result)}: expected (value, gradient) "
                                "or (value, gradient, terms)")
    value, gradient, terms = (*result, {})[:3]
    if not hasattr(terms, "keys"):
        raise checks.InputError(f"terms = {checks.short(terms)}: expected a mapping of names to numbers")
    for name, number in {"value": value, **terms}.items():
        if checks.as_array(name, number).ndim or checks.as_array(name, number).dtype.kind not in "iuf":
            raise checks.InputError(f"the function returned {name} = {checks.short(number)}: expected one number")
    return value, gradient, terms


def flat_gradient(result, theta):
    """The gradient in what `evaluate` returned, as a vector, if it is shaped like theta."""
    gradient = result[1]
    if isinstance(theta, Params):
        if not isinstance(gradient, Params):
            raise checks.InputError(f"the gradient is {checks.short(gradient)}: expected Params, as theta")
        shapes = [np.shape(array) for array in gradient], [np.shape(array) for array in theta]
    else:
        shapes = checks.as_array("the gradient", gradient).shape, np.shape(theta)
    if shapes[0] != shapes[1]:
        raise checks.InputError(f"the gradient has shape {shapes[0]}: expected theta's, {shapes[1]}")
    gradient = gradient.to_vector() if isinstance(gradient, Params) else np.ravel(gradient)
    if gradient.dtype.kind not in "iuf":
        raise checks.InputError(f"the gradient has type {gradient.dtype}: expected real numbers")
    return gradient


def name_of(theta, position):
    """The name of a flat coordinate, such as "w[2]" or "b[3, 0]"."""
    fields = theta._asdict() if isinstance(theta, Params) else {"theta": theta}
    for name, array in fields.items():
        if position < np.size(array):
            index = ", ".join(map(str, np.unravel_index(position, np.shape(array))))
            return f"{name}[{index}]" if index else name
        position -= np.size(array)


def axis(theta, position):
    """The unit vector along one coordinate."""
    direction = np.zeros_like(theta)
    direction[position] = 1
    return direction


def normalised(direction):
    return direction / np.linalg.norm(direction)
