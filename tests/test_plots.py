"""The figures: drawn from stored data alone, the same bytes every time, the same colours."""

import numpy as np
import pytest

from minimlp import plots, plots_study
from minimlp.study import specialization, temperature
from minimlp.study.runner import run_study
from minimlp.study.specialization import MASKS, StudyConfig
from minimlp.study.store import RunLog
from minimlp.study.temperature import SweepConfig


@pytest.mark.parametrize("masks", [MASKS, ("coverage",), ("none", "overlap")])
def test_study_figures_are_the_same_bytes_when_drawn_again(masks, tmp_path):
    config = StudyConfig(sizes=(3, 4), masks=masks, seeds=1, steps=20)
    with RunLog(config.identity(), tmp_path / "out") as log:
        rows = run_study(config, log=log)
        summary = specialization.summary(rows, config, log)
        first, second = ([path.read_bytes() for path in plots_study.study_figures(config, rows, summary, log)]
                         for _ in range(2))
    assert first == second


def test_sweep_figure_copes_with_no_onset(tmp_path):
    config = SweepConfig(sizes=(3,), temperatures=(0.1, 1.0), seeds=2, steps=5)
    rows = run_study(config)
    onsets = [temperature.estimate_onset(rows, level) for level in (0.1, temperature.ONE)]
    plots_study.sweep(tmp_path / "sweep.png", rows, onsets)
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_a_repulsive_loss_keeps_its_colour_when_coverage_joins():
    for loss in ("separation", "overlap", "separation+overlap"):
        alone, together = plots.mask_style(loss), plots.mask_style("coverage+" + loss)
        assert alone["color"] == together["color"] and alone["linestyle"] != together["linestyle"]
    assert plots.mask_style("coverage")["color"] == plots.COLOURS["coverage"]


def test_mean_interval_by_hand():
    mean, low, high = plots.mean_interval([1.0, 3.0])
    assert mean == 2.0 and np.isclose(high - mean, 1.96) and np.isclose(mean - low, 1.96)
    assert np.allclose(plots.mean_interval([1.0, 100.0], logarithmic=True)[0], 10.0)
