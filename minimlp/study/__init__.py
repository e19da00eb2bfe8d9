"""Studies: many runs, a log that survives anything, and verdicts computed from the data."""

from .plateau import SplitConfig
from .runner import run_study
from .specialization import StudyConfig
from .store import RunLog
from .strength import StrengthConfig
from .temperature import SweepConfig

__all__ = ["StudyConfig", "SweepConfig", "SplitConfig", "StrengthConfig", "run_study", "RunLog"]
