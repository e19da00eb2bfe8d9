"""Studies: many runs, a log that survives anything, and verdicts computed from the data."""

from .phase import PhaseConfig
from .plateau import SplitConfig
from .readout import ImagesConfig
from .repairing import RepairConfig
from .runner import run_study
from .specialization import StudyConfig
from .store import RunLog
from .strength import StrengthConfig
from .temperature import SweepConfig

__all__ = ["StudyConfig", "SweepConfig", "PhaseConfig", "RepairConfig", "ImagesConfig", "SplitConfig",
           "StrengthConfig", "run_study", "RunLog"]
