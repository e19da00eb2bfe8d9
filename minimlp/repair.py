"""Repair by splitting: a unit that serves no sample is born again as half of the busiest one.

Coverage (E4) leaves prototypes unused; a split (E10) makes two units of one and leaves the network's
function as it is.  Here the one mends what the other strands.  All of it is ours.
"""

from typing import NamedTuple

import numpy as np

from . import checks
from .dispatch import train
from .gaussian import Params, prototypes
from .landscape import incoming, unit_derivatives, value_and_gradient, with_units
from .splitting import inner_hessian_and_floor
from .structural import softmin
from .train import temperatures_at

DIRECTIONS = ("inner Hessian", "random")
EPSILON = 0.1           # each copy's move in (w, b)
ACTS = (0.6, 0.8)       # when, as shares of the steps
FARTHEST = 100.0        # move that is allowed


class Act(NamedTuple):
    """One act of repair: what `repair` returns.

    Attributes
    ----------
    params : Params
        The repaired network; as it was where there was nothing to repair.
    births : int
        How many units were born again.
    ascents : int
        At how many births no eigenvalue of the inner Hessian was negative.
    before, after : float
        The fit (E3), in the squared units of y.
    """

    params: object
    births: int
    ascents: int
    before: float
    after: float


def repair(params, x, y, epsilon=EPSILON, direction="inner Hessian", seed=0):
    """Let every unit that is nobody's nearest be born again by a split of the busiest one.

    A prototype that is nearest to no sample is unused.  Its unit goes: what it answered is handed
    to the used unit that answers most alike, as if a split were undone,

        v_k += v_j min(1, (h_j . h_k) / (h_k . h_k)),   h_j . h_k = sum_i h_ij h_ik

    Then the unit that serves the most samples is split with mu = (1/2, 1/2), and
    the copies part:

        u -> u + epsilon e and u - epsilon e,   u = (w, b),   H e = lambda e

    e the unit vector of the least eigenvalue of the inner Hessian H of the fit (E11), which
    changes the fit by 1/2 epsilon^2 lambda to second order (E12).  Where no eigenvalue is negative
    it is the direction of the least rise, and counted.  Each copy takes half of the samples, so
    that the next birth looks elsewhere.  Births end when nobody serves more than one.

    Parameters
    ----------
    params : Params
        The network; it is not changed.
    x : array (N, d)
    y : array (N,)
    epsilon : float
        How far each copy moves in (w, b), dimensionless for x of order 1: its prototype by about
        epsilon / |w|.
    direction : {"inner Hessian", "random"}
        e; "random", a uniform direction, is the control.
    seed : int, sequence of ints or numpy.random.Generator
        Of the random directions.

    Returns
    -------
    Act
        The network, how many units were born again, and what it did to the fit.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours.  A split keeps the function, handing over keeps it where two units answer alike, and the moves
    change it at second order: `before` and `after` say by how much all of them did.

    Two halves at p +- delta share coverage's samples alike, and it changes by delta^2 - 2 (delta .
    S delta) / tau to second order, S the covariance of their samples about p.  So they part where
    a variance exceeds tau / 2 and fall together where none does: two samples need a distance of
    sqrt(2 tau) to get a prototype each.
    """
    given = checks.params(params)
    params, x, y = checks.problem(given, x, y, "square")
    epsilon = moved_by(epsilon)
    checks.choice("direction", direction, DIRECTIONS)
    random = np.random.default_rng(checks.seed(seed))
    before = value_and_gradient(params, x, y)[0]
    checks.moderate("the prototypes -b/w", prototypes(checks.at_finite_prototypes(params)))
    births = planned(served(params, x))
    repaired, ascents = handed_over(params, x, [unit for unit, _ in births]), 0
    for unit, parent in births:
        e, rises = way_apart(repaired, x, y, parent, direction, random)
        repaired, ascents = born_again(repaired, unit, parent, epsilon * e), ascents + rises
    after = value_and_gradient(repaired, x, y)[0] if births else before
    repaired = Params(*(array.astype(own.dtype) for array, own in zip(repaired, given))) if births else given
    return Act(repaired, len(births), ascents, float(before), float(after))


def moved_by(epsilon):
    """epsilon as a float; refused beyond `FARTHEST`, where moves only overflow."""
    if checks.positive("epsilon", epsilon) > FARTHEST:
        raise checks.InputError(f"epsilon = {epsilon}: expected at most {FARTHEST:g}")
    return float(epsilon)


def served(params, x):
    """To how many samples each prototype is the nearest, (M,)."""
    return np.bincount(softmin(prototypes(params), x, 1.0)[2], minlength=len(params.v))


def planned(load):
    """Who is born again of whom: (unit, parent) by the samples that each serves, shared in halves."""
    load, births = load.astype(float), []
    for unit in np.flatnonzero(load == 0):
        parent = load.argmax()
        if load[parent] <= 1:
            break
        load[unit] = load[parent] = load[parent] / 2
        births.append((int(unit), int(parent)))
    return births


def handed_over(params, x, units):
    """These units' output weights set to 0, and what they answered given to the used unit most like each."""
    hidden, v = unit_derivatives(params, x)[0], params.v.copy()
    heirs = np.flatnonzero(served(params, x))
    own = np.einsum("ij,ij->j", hidden, hidden)
    v[units] = 0
    for unit in units:
        common = np.einsum("i,ij->j", hidden[:, unit], hidden[:, heirs])
        best = np.argmax(common / np.sqrt(np.maximum(own[heirs], 1e-300)))
        v[heirs[best]] += params.v[unit] * min(1.0, common[best] / max(own[heirs[best]], 1e-300))
    return params._replace(v=v)


def way_apart(params, x, y, unit, direction, random):
    """A unit vector in (w, b), and whether no eigenvalue of the inner Hessian is negative."""
    h, floor = inner_hessian_and_floor(params, x, y, unit, "square")
    values, vectors = np.linalg.eigh(h)
    e = vectors[:, 0] if direction == "inner Hessian" else random.normal(size=len(h))
    return e / np.linalg.norm(e), int(values[0] >= -floor)


def born_again(params, unit, parent, move):
    """The unit and its parent as the halves of the parent (E10), moved apart."""
    u, v = incoming(params), params.v.copy()
    u[unit], u[parent] = u[parent] - move, u[parent] + move
    v[unit] = v[parent] = v[parent] / 2
    return with_units(params, u, v)


def train_with_repair(params, x, y, coefficients, temperatures, steps=2000, rate=0.01, acts=ACTS,
                      epsilon=EPSILON, direction="inner Hessian", seed=0, every=0, backend="numpy"):
    """Minimise the objective (E7) by Adam in segments, with an act of repair between them.

    Adam starts anew in every segment, for all units, and a temperature that is lowered goes on
    where it was.  The last segment settles: make it long.

    Parameters
    ----------
    params : Params
        The start; it is not changed.
    x : array (N, d)
    y : array (N,)
    coefficients, temperatures
        As in `train`.
    steps : int
        Of all segments together.
    rate : float
        Adam's step size.
    acts : tuple of float
        When, as shares of the steps, increasing, between 0 and 1; none is plain training.
    epsilon, seed
        As in `repair`.
    direction : {"inner Hessian", "random", None}
        As in `repair`; None only starts Adam anew, as a control.
    every : int
        Keep the parameters every so many steps, after the act where there is one; it must divide
        the steps of the acts.  0 keeps none.
    backend : {"numpy", "cpu", "gpu"}
        What trains; repair is the reference's.

    Returns
    -------
    training : Training
        As `train` returns it; a network that can't be repaired, its parameters out of range,
        counts as diverged.
    acts : dict of int to Act
        By step.

    Raises
    ------
    InputError
        For an argument that can't be used.

    Notes
    -----
    Ours.
    """
    steps, every = checks.count("steps", steps, least=0), checks.count("every", every, least=0)
    if direction is not None:
        checks.choice("direction", direction, DIRECTIONS)
    moved_by(epsilon)
    cuts, schedule = segments(acts, steps, every), schedules(temperatures)
    random = np.random.default_rng(checks.seed(seed))
    done, kept = {}, []
    for first, last in zip(cuts, cuts[1:]):
        if first and not in_range(params):
            training = training._replace(diverged=True)
            break
        if first and direction is not None:
            done[first] = repair(params, x, y, epsilon, direction, random)
            params = done[first].params
        training = train(params, x, y, coefficients, between(schedule, first, last, steps), last - first, rate,
                         every=every, backend=backend)
        training, params = training._replace(steps=first + training.steps), training.params
        kept.append(training.trajectory)
        if training.diverged:
            break
    return training._replace(trajectory=joined(kept)) if every else training, done


def segments(acts, steps, every=0):
    """The steps at which segments begin, and the last one."""
    if not isinstance(acts, (tuple, list)):
        raise checks.InputError(f"acts = {checks.short(acts)}: expected shares of the steps")
    shares = [checks.number(f"acts[{k}]", share) for k, share in enumerate(acts)]
    for k, share in enumerate(shares):
        if not (0 if k == 0 else shares[k - 1]) < share < 1:
            raise checks.InputError(f"acts[{k}] = {share}: expected shares between 0 and 1, increasing")
    cuts = [0, *dict.fromkeys(cut for cut in (round(share * steps) for share in shares) if 0 < cut < steps)]
    for cut in cuts:
        if every and cut % every:
            raise checks.InputError(f"every = {every}: does not divide {cut}, the step of an act")
    return [*cuts, steps]


def schedules(temperatures):
    """Each temperature as a float, or as the first and the last one."""
    return {name: checks.temperature_range(f"temperatures[{name!r}]", tau)
            if checks.as_array(f"temperatures[{name!r}]", tau).ndim else tau
            for name, tau in checks.mapping("temperatures", temperatures).items()}


def between(schedule, first, last, steps):
    """The temperatures of a segment: the part of each schedule between two steps."""
    begin, end = (temperatures_at(schedule, step, steps) for step in (first, last))
    return {name: (begin[name], end[name]) if isinstance(tau, tuple) else tau for name, tau in schedule.items()}


def in_range(params):
    """Whether the network can be repaired: parameters and prototypes whose products do not overflow."""
    params = Params(*(array.astype(np.result_type(array, float)) for array in params))
    with np.errstate(all="ignore"):
        p = prototypes(params)
    return all(np.abs(values).max() <= checks.MODERATE for values in (params.to_vector(), p))


def joined(trajectories):
    """The segments' parameters in one; at an act the repaired ones."""
    return np.concatenate([*(rows[:-1] for rows in trajectories[:-1]), trajectories[-1]])
