"""When and how to add a hidden unit: by the inner Hessians, at random, or from scratch (paper B, B6)."""

from dataclasses import dataclass

import numpy as np

from . import checks
from .evidence import along
from .landscape import incoming, positions, value_and_gradient, with_units, with_vector
from .splitting import inner_hessian, smooth, split

METHODS = ("splitting", "random split", "new unit")
EQUAL, SIGNED = np.array([0.5, 0.5]), np.array([2.0, -1.0])
LENGTH, HALVINGS = 0.1, 6       # of the first move of the copies, halved until the loss falls


@dataclass(frozen=True)
class Growth:
    """A network with one unit more, trained on: what `grow` returns.

    Attributes
    ----------
    params : TwoLayer or Params
        The best that was met.
    values : array (evaluations,)
        By evaluation of the gradient: the start's loss as long as they go into the split, then
        the lowest since; where training stopped early the last one goes on.
    unit : int or None
        What was split; None for a new unit.
    coefficients : array (2,) or None
        mu of the split.
    promise : float or None
        Of a split by the inner Hessian: the decrease over the square of the move, 0 if H is 0;
        None for the other methods.
    """

    params: object
    values: np.ndarray
    unit: int
    coefficients: np.ndarray
    promise: float


def grow(params, x, y, loss="square", method="splitting", evaluations=100, seed=0):
    """Add a unit to a trained network and train on.

    "splitting" takes the unit and the direction e of its inner Hessian (E11), H e = lambda e, whose
    split (E10) promises the largest decrease (E12):

        1/4 s^2 |lambda|  for lambda < 0, halves that move apart, mu = (1/2, 1/2)
        1/5 s^2 lambda    for lambda > 0, mu = (2, -1) and moves in the ratio 1 : 2

    s the length of the moves together, 0.1 or halved until the loss falls.  "random split" halves
    a random unit and moves the copies apart in a random direction; "new unit" adds one with random
    incoming parameters of the size of the others' and output weight 0.  Then L-BFGS trains all
    parameters.

    Parameters
    ----------
    params : TwoLayer or Params
        Best at a minimum: away from one the first-order terms that this ignores lead.
    x : array (N, d)
    y : array (N,)
    loss : {"square", "logistic"}
    method : {"splitting", "random split", "new unit"}
    evaluations : int
        Of the gradient, all in all; "splitting" pays one for its inner Hessians, and each halving
        counts as one.
    seed : int, sequence of ints or numpy.random.Generator

    Returns
    -------
    Growth

    Raises
    ------
    InputError
        For an argument that can't be used, and for relu.

    Notes
    -----
    Liu, Wu and Wang 2019 (arXiv 1910.02366) split along the most negative eigenvalue; Wu et al.
    2020 (arXiv 2003.10392) add signed coefficients.  The lengths and the training are ours.
    """
    params, x, y = checks.problem(params, x, y, loss)
    checks.choice("method", method, METHODS)
    checks.count("evaluations", evaluations, least=2)
    random = np.random.default_rng(checks.seed(seed))
    smooth(params)
    value = value_and_gradient(params, x, y, loss)[0]
    if method == "new unit":
        wide, spent, chosen = with_new_unit(params, random), 0, (None, None, None)
    elif method == "random split":
        unit = random.integers(len(params.v))
        direction = random.normal(size=incoming(params).shape[1])
        wide, spent = apart(params, unit, EQUAL, direction / np.linalg.norm(direction), x, y, loss, value)
        chosen = int(unit), EQUAL, None
    else:
        unit, mu, direction, promise = best_split(params, x, y, loss)
        wide, spent = apart(params, unit, mu, direction, x, y, loss, value)
        spent, chosen = spent + 1, (unit, mu, promise)
    spent = min(spent, evaluations - 1)
    trained, values = descend(wide, x, y, loss, evaluations - spent)
    return Growth(trained, np.concatenate([np.full(spent, value), values]), *chosen)


def best_split(params, x, y, loss):
    """The unit, coefficients, direction and promise of the best split."""
    splits = []
    for unit in range(len(params.v)):
        values, vectors = np.linalg.eigh(inner_hessian(params, x, y, unit, loss))
        splits += [(unit, EQUAL, vectors[:, 0], -values[0] / 4), (unit, SIGNED, vectors[:, -1], values[-1] / 5)]
    unit, mu, direction, promise = max(splits, key=lambda found: found[3])
    return unit, mu, direction, float(max(promise, 0.0))


def apart(params, unit, mu, direction, x, y, loss, value):
    """The split network with its copies moved in the ratio -mu_2 : mu_1, and how many gradients it took.

    By `LENGTH` together, or by half of it until the loss falls, or hardly at all.
    """
    wide = split(params, unit, mu)
    move = np.zeros(wide.to_vector().size)
    shares = np.array([-mu[1], mu[0]]) / np.linalg.norm(mu)
    move[positions(wide)[0][unit:unit + 2]] = np.outer(shares, direction)
    for halvings in range(HALVINGS + 1):
        moved = along(wide, move, 0 * move, LENGTH / 2 ** halvings)
        if value_and_gradient(moved, x, y, loss)[0] < value:
            break
    return moved, halvings


def with_new_unit(params, random):
    """One unit more: incoming parameters as large as the others' are, output weight 0."""
    u = incoming(params)
    new = random.normal(0, np.sqrt(np.mean(u * u)), u.shape[1])
    return with_units(params, np.vstack([u, new]), np.append(params.v, 0.0))


def descend(params, x, y, loss, evaluations):
    """Train by L-BFGS with so many gradients: the best network, the lowest loss until each."""
    from scipy import optimize

    values, best = [], params.to_vector()

    def function(theta):
        nonlocal best
        value, gradient = value_and_gradient(with_vector(params, theta), x, y, loss)
        if len(values) < evaluations:               # L-BFGS finishes its line search
            if not values or value < min(values):
                best = theta.copy()
            values.append(value)
        return value, gradient

    optimize.minimize(function, best, jac=True, method="L-BFGS-B",
                      options={"maxfun": evaluations, "maxiter": evaluations, "ftol": 0, "gtol": 1e-12})
    lowest = np.minimum.accumulate(values)
    return with_vector(params, best), np.concatenate([lowest, np.full(evaluations - len(values), lowest[-1])])
