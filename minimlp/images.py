"""Reading samples back out of the weights: patches of a photograph, scaling, training, pairing.

Every unit's prototype (E2) is read from its weights alone, p = -b/w, and lies in the space of
the samples: where these are images, so is it.  `minimlp images` does all of it.

matplotlib and scipy are imported where they are needed: `import minimlp` stays light.
"""

import csv
import tokenize
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import checks
from .dispatch import init_params, train
from .errors import InputError

PATCH = 8                                           # pixels a side
CENTRES = {"face": (115, 132), "flag": (60, 60)}    # row and column in the halved photograph
MOST_PATCHES, MOST_SAMPLES = 225, 2000
ARMS = ("none", "coverage", "coverage annealed", "balanced")
LARGEST, NEAREST = 1e100, 1e-6                      # of the samples' spread; of their distance, in spreads
LEVELS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)       # of relative noise


def photograph():
    """The portrait of Grace Hopper that comes with matplotlib: grey from 0 to 1, at half its size.

    Returns
    -------
    array (300, 256)
        Means of 2 x 2 pixels.
    """
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        grey = np.asarray(Image.open(file).convert("L"), dtype=float) / 255
    return grey.reshape(300, 2, 256, 2).mean(axis=(1, 3))


def patches(size, region="face"):
    """A square crop of the photograph, cut into patches of 8 x 8 pixels.

    Parameters
    ----------
    size : int
        How many: a square number, at most 225.
    region : {"face", "flag"}
        What is in the middle of the crop.

    Returns
    -------
    array (size, 64)
        Patch by patch, from left to right and from above; grey from 0 to 1.
    """
    side = side_of("size", size)
    row, column = CENTRES[checks.choice("region", region, CENTRES)]
    half = side * PATCH // 2
    crop = photograph()[row - half:row - half + side * PATCH, column - half:column - half + side * PATCH]
    return crop.reshape(side, PATCH, side, PATCH).swapaxes(1, 2).reshape(size, PATCH ** 2)


def side_of(name, size):
    """How many patches a side, for so many of them."""
    side = isqrt(checks.count(name, size, least=4, most=MOST_PATCHES))
    if side ** 2 != size:
        raise InputError(f"{name} = {size}: expected a square number, for the patches make up a square")
    return side


def mosaic(images):
    """Square images put together as `patches` cut them, row by row; what is left over is nan.

    Parameters
    ----------
    images : array (N, k^2)

    Returns
    -------
    array (s k, s k)
        s is the root of N, rounded up.
    """
    k, side = isqrt(images.shape[1]), isqrt(len(images) - 1) + 1
    full = np.full((side ** 2, k * k), np.nan)
    full[:len(images)] = images
    return full.reshape(side, side, k, k).swapaxes(1, 2).reshape(side * k, side * k)


def read_samples(path):
    """The samples of an npy file, or of a csv file with or without a line of names.

    Parameters
    ----------
    path : path
        Its ending says which of the two it is.

    Returns
    -------
    array (N, d)
        float64; N from 2 on, no two rows equal.

    Raises
    ------
    InputError
        A ValueError that names what can't be used, and where it stands.
    """
    if not isinstance(path, (str, Path)):
        raise InputError(f"data = {checks.short(path)}: expected the path of a file")
    path = Path(path)
    readers = {".npy": read_npy, ".csv": read_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"data = {path}: expected a file that ends in .npy or .csv")
    try:
        values = readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError(f"data = {path}: can't be read: {error.strerror or error}") from None
    if values.ndim not in (1, 2):
        raise InputError(f"data = {path}: has {values.ndim} dimensions, expected (N, d), or (N,) for d = 1")
    return distinct_samples(f"data = {path}", values)


def distinct_samples(name, values):
    """Samples (N, d) in float64, if there are two or more and no two of them are equal."""
    x = checks.points(name, values, real=True).astype(float)
    if len(x) < 2:
        raise InputError(f"{name}: holds 1 sample, expected at least 2")
    _, first, which = np.unique(x, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which.ravel()] != np.arange(len(x)))
    if len(again):
        raise InputError(f"{name}: sample {again[0]} equals sample {first[which.ravel()[again[0]]]} "
                         "(counted from 0): no prototype can be told to be the one or the other; drop one")
    return x


def spread_out(name, x):
    """x, if its samples lie as far apart as the temperatures of a training can tell."""
    with np.errstate(all="ignore"):
        unit = Scaling.of(x).unit
    if not 1 / LARGEST <= unit <= LARGEST:
        raise InputError(f"{name}: the samples spread over {unit:.3g}, expected {1 / LARGEST:g} to {LARGEST:g}")
    nearest = nearest_other(x).mean()
    if nearest < NEAREST * unit:
        raise InputError(f"{name}: the samples lie on average {nearest:.3g} from the nearest other one and spread "
                         f"over {unit:.3g}, expected a share of at least {NEAREST:g}")
    return x


def read_npy(path):
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, TypeError, OverflowError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(f"data = {path}: is not an npy file of numbers ({error})") from None
    if not isinstance(values, np.ndarray):
        raise InputError(f"data = {path}: is not an npy file of one array")
    return values


def read_csv(path):
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = [(number, cells) for number, cells in enumerate(csv.reader(file), start=1)
                     if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data = {path}: is not a csv file ({error})") from None
    if lines and not any(is_number(cell) for cell in lines[0][1]):
        lines = lines[1:]                           # the names of the columns
    if not lines:
        raise InputError(f"data = {path}: holds no numbers")
    for number, cells in lines:
        if len(cells) != len(lines[0][1]):
            raise InputError(f"data = {path}, line {number}: has {len(cells)} columns, line {lines[0][0]} "
                             f"has {len(lines[0][1])}")
        for cell in cells:
            if not is_number(cell):
                raise InputError(f"data = {path}, line {number}: {checks.short(cell)} is not a number")
    return np.array([[float(cell) for cell in cells] for _, cells in lines])


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


class Scaling(NamedTuple):
    """The units in which a network is trained: those in which x spreads as U(-1, 1) does.

    Attributes
    ----------
    centre : array (d,)
        The samples' mean.
    unit : float
        sqrt(3) times the root mean square distance of the samples to it.

    Notes
    -----
    Ours.  So the settings of the study, the temperatures among them, mean the same for any
    data, and responses at the start depend on no unit of x and hardly on d.
    """

    centre: np.ndarray
    unit: float

    @staticmethod
    def of(x):
        """The scaling for samples x (N, d)."""
        centre = x.mean(axis=0)
        return Scaling(centre, float(np.sqrt(3 * ((x - centre) ** 2).sum(axis=1).mean())))

    def into(self, x):
        """Points in the units of x as the network sees them."""
        return (x - self.centre) / self.unit

    def back(self, prototypes):
        """Prototypes (M, d) of the network in the units of x."""
        return self.centre + self.unit * prototypes


def nearest_other(x):
    """The distance of each sample to the nearest other one, (N,), in the units of x."""
    from scipy.spatial.distance import cdist

    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def image_start(x, seed):
    """The start of the study, `init_params`, for scaled samples in d dimensions, one unit for each.

    p_j ~ U(-1, 1)^d / sqrt(d), so that the prototypes spread as the samples do; |w_j| ~ U(2, 6)
    as ever.  At the root mean square of ||x_i - p_j||, sqrt(2/3), the narrowest unit then
    answers exp(-12), whatever d: responses do not underflow.

    Parameters
    ----------
    x : array (N, d)
        As `Scaling.into` returns them.
    seed : int, sequence of ints or numpy.random.Generator

    Returns
    -------
    Params
    """
    start = init_params(x, len(x), seed)
    return start._replace(b=start.b / np.sqrt(x.shape[1]))


def memorise(x, y, arm, seed, coefficient=10.0, coverage_temperature=0.02, first=0.3, last=0.03,
             steps=2000, rate=0.01, backend="numpy"):
    """Train a network of as many units as samples, in scaled units, on samples and labels.

    Parameters
    ----------
    x : array (N, d)
        Samples, no two equal; (N,) is taken as d = 1.
    y : array (N,)
        Labels.
    arm : {"none", "coverage", "coverage annealed", "balanced"}
        The structural loss beside the fit.
    seed : int or sequence of ints
        Of the start.
    coefficient : float
        lambda of the loss.
    coverage_temperature : float
        tau of "coverage", in the squared units of the scaled samples.
    first : float
        tau at the first step of the two annealed arms, in the same units.
    last : float
        The root of tau at their last step, in mean distances to the nearest other sample.
    steps, rate : int, float
        Of Adam.
    backend : {"numpy", "cpu", "gpu"}

    Returns
    -------
    training : Training
        In scaled units.
    scaling : Scaling
        `scaling.back(prototypes(training.params))` is what the weights say of the samples.

    Raises
    ------
    InputError
    """
    checks.choice("arm", arm, ARMS)
    x = spread_out("x", distinct_samples("x", x))
    for name, value in (("coefficient", coefficient), ("last", last)):
        checks.positive(name, value)
    for name, tau in (("coverage_temperature", coverage_temperature), ("first", first)):
        checks.temperature(name, tau)
    scaling = Scaling.of(x)
    x = scaling.into(x)
    annealed = first, float((last * nearest_other(x).mean()) ** 2)
    losses = {"none": {}, "coverage": {"coverage": coverage_temperature},
              "coverage annealed": {"coverage": annealed}, "balanced": {"balanced": annealed}}[arm]
    training = train(image_start(x, seed), x, y, dict.fromkeys(losses, coefficient), losses, steps, rate,
                     backend=backend)
    return training, scaling


def disturbed(params, level, seed):
    """Params whose every entry of w and b is multiplied by 1 + level g, g ~ N(0, 1).

    Parameters
    ----------
    params : Params
    level : float
    seed : int, sequence of ints or numpy.random.Generator
        w is drawn first; the same seed gives the same g for every level.

    Returns
    -------
    Params

    Raises
    ------
    InputError
    """
    params, level = checks.params(params), checks.number("level", level)
    random = np.random.default_rng(checks.seed(seed))
    w, b = ((1 + level * random.standard_normal(array.shape)) * array for array in (params.w, params.b))
    return params._replace(w=w, b=b)
