"""What the hidden neurons of a minimal network learn: a reference to read, check and time.

network    Params, init_params, forward, backward, prototypes
losses     softmin, coverage, separation, overlap, balanced, sinkhorn, objective
training   train, Training, uniform_samples
reading    reconstruction_error, pairing, specialization_ratio, expelled_fraction, hull_distance, forces,
           Force
checking   check_gradient, relative_error, GradientReport
splitting  TwoLayer, find_stationary_point, StationaryPoint, split_neuron, inner_hessian, plateau_table,
           classify_split, SplitReport, grow, Growth, repair, Act, train_with_repair
strength   mixture, Mixture, separability, balanced_start, train_to_risk, Flow, Stop, alignment,
           effective_predictor, linear_error, bayes_error, over_alignment, over_fitting, network_error,
           NetworkError
everywhere available_backends, InputError
"""

__version__ = "0.1.0"

from .data import uniform_samples
from .dispatch import (available_backends, backward, balanced, coverage, forward, init_params,
                       objective, overlap, prototypes, separation, sinkhorn, softmin, train)
from .errors import InputError
from .feature_learning import (NetworkError, alignment, bayes_error, effective_predictor, linear_error,
                               network_error, over_alignment, over_fitting)
from .forces import Force, forces
from .gaussian import Params
from .gradcheck import GradientReport, check_gradient, relative_error
from .growing import Growth, grow
from .landscape import StationaryPoint, find_stationary_point
from .metrics import (expelled_fraction, hull_distance, pairing, reconstruction_error,
                      specialization_ratio)
from .mixture import Mixture, mixture, separability
from .repair import Act, repair, train_with_repair
from .risk_flow import Flow, Stop, balanced_start, train_to_risk
from .splitting import SplitReport, classify_split, inner_hessian, plateau_table, split_neuron
from .train import Training
from .two_layer import TwoLayer

__all__ = [
    "Params", "init_params", "forward", "backward", "prototypes",
    "softmin", "coverage", "separation", "overlap", "balanced", "sinkhorn", "objective",
    "train", "Training", "uniform_samples",
    "reconstruction_error", "pairing", "specialization_ratio", "expelled_fraction", "hull_distance",
    "forces", "Force",
    "check_gradient", "relative_error", "GradientReport",
    "TwoLayer", "find_stationary_point", "StationaryPoint", "split_neuron", "inner_hessian", "plateau_table",
    "classify_split", "SplitReport", "grow", "Growth", "repair", "Act", "train_with_repair",
    "mixture", "Mixture", "separability", "balanced_start", "train_to_risk", "Flow", "Stop", "alignment",
    "effective_predictor", "linear_error", "bayes_error", "over_alignment", "over_fitting", "network_error",
    "NetworkError",
    "available_backends", "InputError",
]
