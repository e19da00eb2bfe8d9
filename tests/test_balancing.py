"""Balanced coverage against coverage: the runs of the comparison and the claim on planted tables."""

import numpy as np
import pytest

from minimlp import InputError, init_params, train, train_balanced, uniform_samples
from minimlp.study.balancing import MASKS, BalancingConfig, balancing_claim
from minimlp.study.specialization import measured

SMALL = {"sizes": (4,), "seeds": 1, "steps": 15}


def planted(error=0.1, usage=0.3, fit=0.0, spread=0.01):
    """Coverage at error 1, ratio 0.5; balanced coverage so much of it, above it, and at this fit."""
    random, rows = np.random.default_rng(0), []
    for size in (3, 10):
        for seed in range(10):
            noise = spread * random.normal()
            common = {"size": size, "seed": seed}
            rows.append({**common, "mask": "coverage", "reconstruction_error": 1.0,
                         "specialization_ratio": 0.5, "fit_error": 0.5})
            rows.append({**common, "mask": "balanced", "reconstruction_error": error + noise,
                         "specialization_ratio": 0.5 + usage + noise, "fit_error": abs(fit + 0.01 * noise)})
    return rows


@pytest.mark.parametrize("table, verdict, contrasts", [
    ({}, "holds", ["holds", "holds", "holds"]),
    ({"error": 0.19, "spread": 0.001}, "holds", ["holds", "holds", "holds"]),
    ({"error": 0.21, "spread": 0.001}, "mixed", ["fails", "holds", "holds"]),
    ({"usage": -0.1}, "mixed", ["holds", "fails", "holds"]),
    ({"fit": 0.002}, "mixed", ["holds", "holds", "fails"]),
    ({"error": 0.3, "usage": -0.1, "fit": 0.01}, "fails", ["fails", "fails", "fails"])])
def test_the_claim_on_planted_tables(table, verdict, contrasts):
    claim = balancing_claim(planted(**table))
    assert claim.verdict == verdict
    assert [contrast.verdict for contrast in claim.contrasts] == contrasts


def test_a_diverged_run_counts_as_the_worst():
    rows = planted()
    for row in rows:
        if row["mask"] == "balanced" and row["seed"] == 0:
            row["reconstruction_error"] = None
    by_size = balancing_claim(rows).contrasts[0].comparisons
    assert [round(c.mean, 2) for c in by_size] == [round((9 * 0.1 + 1) / 10 - 0.2, 2)] * 2


def test_the_runs_are_paired_by_seed_and_start_as_the_study_s():
    config = BalancingConfig(**SMALL)
    assert [run["mask"] for run in config.runs()] == list(MASKS)
    x, y = uniform_samples(4, [0, 4, 0])
    start = init_params(x, 4, [0, 4, 1])
    expected = [measured(train(start, x, y, {"coverage": 0.1}, {"coverage": 0.02}, 15), x),
                measured(train_balanced(start, x, y, {"balanced": 0.1}, {"balanced": (0.3, 1e-3)}, 15)[0], x)]
    for run, other in zip(config.runs(), expected):
        record = config.execute(run)
        marginal_error = record["result"].pop("marginal_error", None)
        assert record == other
        assert (marginal_error is None) == (run["mask"] == "coverage")


@pytest.mark.parametrize("settings, message", [
    ({"balanced_temperatures": (0.1, -1)}, r"balanced_temperatures\[1\] = -1"),
    ({"balanced_temperatures": 3}, "balanced_temperatures = 3"), ({"iterations": 0}, "iterations = 0"),
    ({"coverage_temperature": 0}, "coverage_temperature = 0")])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        BalancingConfig(**settings)
