"""What the hidden neurons of a minimal network learn: a reference to read, check and time."""

__version__ = "0.1.0"

from .checks import InputError
from .data import uniform_samples
from .dispatch import (available_backends, backward, coverage, forward, init_params, objective,
                       overlap, prototypes, separation, softmin, train)
from .forces import Force, forces
from .gaussian import Params
from .gradcheck import GradientReport, check_gradient, relative_error
from .metrics import (expelled_fraction, hull_distance, reconstruction_error,
                      specialization_ratio)
from .train import Training

__all__ = [
    "Params", "init_params", "forward", "backward", "prototypes",
    "softmin", "coverage", "separation", "overlap", "objective", "train", "Training",
    "reconstruction_error", "specialization_ratio", "expelled_fraction", "hull_distance",
    "forces", "Force", "check_gradient", "relative_error", "GradientReport",
    "uniform_samples", "available_backends", "InputError",
]
