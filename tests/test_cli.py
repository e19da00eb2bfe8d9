"""The commands as a user types them: tables, files, exit status, one line for an error."""

import csv
import json
import os
import re
import subprocess
import sys

import pytest

import minimlp
from minimlp.cli import main

STUDY = ["study", "--sizes", "3", "--seeds", "2", "--steps", "30", "--jobs", "1"]
SWEEP = ["sweep", "--sizes", "3,4", "--seeds", "2", "--steps", "30", "--jobs", "1",
         "--temperatures", "0.001,1"]
COLUMNS = ("size,coverage,separation,overlap,balanced,seed,fit_error,reconstruction_error,"
           "specialization_ratio,expelled_fraction,marginal_error,diverged")


def test_study_writes_table_verdicts_and_figures(tmp_path, capsys):
    out = tmp_path / "with a space"
    assert main([*STUDY, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    for name in ("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8"):
        assert f"\n{name}: " in printed
    listed = [line.strip() for line in printed.split("\nwrote\n")[1].splitlines()]
    files = ["runs.jsonl", "results.csv", "summary.json", "metrics.png", "combinations.png",
             "positions.png", "trajectories.png", "forces.png", "counterexample.png",
             "drift.gif"]
    assert listed == [str(out / name) for name in files]
    assert all((out / name).stat().st_size > 0 for name in files)

    lines = (out / "results.csv").read_text().splitlines()
    assert lines[0] == COLUMNS and len(lines) == 1 + 8 * 2
    assert {tuple(row[1:4]) for row in csv.reader(lines[1:])} == {
        (a, b, c) for a in "01" for b in "01" for c in "01"}
    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["sizes"] == [3] and "numpy" in summary["versions"]
    assert [claim["name"] for claim in summary["claims"]] == [*(f"A{k}" for k in range(1, 9)), "A9 (ours)"]


def test_verdicts_of_few_seeds_are_marked_and_the_marks_explained(tmp_path, capsys):
    main([*STUDY, "--out", str(tmp_path / "few")])
    few = capsys.readouterr().out
    assert "+ better, - worse, ? open" in few and " (2 seeds).  coverage gives" in few
    assert "\nclaims (a first look: from fewer than 10 seeds): A1 " in few
    main([*STUDY, "--seeds", "10", "--steps", "0", "--masks", "none,coverage", "--out", str(tmp_path / "enough")])
    assert "\nclaims: A1 " in capsys.readouterr().out


def test_sweep_writes_its_claim_and_its_onsets(tmp_path, capsys):
    out = tmp_path / "sweep"
    assert main([*SWEEP, "--out", str(out)]) == 0
    assert "A6 (separation): " in capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text())
    assert [onset["level"] for onset in summary["onset"]] == [0.1, 0.05, 0.2, "one prototype"]
    assert (out / "sweep.png").stat().st_size > 0


def test_claims_whose_masks_did_not_run_are_not_tested(tmp_path, capsys):
    main([*STUDY, "--masks", "none,overlap+coverage", "--out", str(tmp_path / "out")])
    assert "A1 not tested" in capsys.readouterr().out


def test_options_that_are_given_win_over_quick(tmp_path):
    main([*STUDY, "--quick", "--out", str(tmp_path / "out")])
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert settings["sizes"] == [3] and settings["seeds"] == 2


NO_GPU = [(["--backend", "gpu"], "backend = 'gpu'")] if minimlp.available_backends()["gpu"] else []


@pytest.mark.parametrize("options, message", [
    (["--sizes", "0"], "sizes = 0"), (["--sizes", "-3"], "sizes = -3"),
    (["--sizes", "3,3"], "given twice"), (["--seeds", "0"], "seeds = 0"),
    (["--masks", "covrage"], "unknown loss 'covrage'"), (["--coverage-temperature", "0"], "= 0"),
    (["--separation-temperature", "-1"], "= -1"), (["--coefficient", "-0.1"], "= -0.1"),
    (["--rate", "nan"], "rate = nan"), (["--target", "cos"], "target = 'cos'"),
    (["--jobs", "0"], "jobs = 0"), *NO_GPU,
    (["--out", "/proc/nowhere"], "/proc/nowhere"), (["--out", "/proc/no\nwhere"], "/proc/no where"),
])
def test_bad_input_is_one_line_and_status_2(options, message, tmp_path, capsys):
    assert main([*STUDY, "--out", str(tmp_path / "out"), *options]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and not printed.out


@pytest.mark.parametrize("arguments", [
    [], ["studdy"], ["study", "--sizes", "three"], ["study", "--seeds", "1.5"],
    ["study", "--backend", "abacus"], ["sweep", "--temperatures", "1,,2"], ["info", "--out", "x"]])
def test_bad_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "error:" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, line", [
    (["study", "--bogus"], "minimlp study: error: unrecognized arguments: --bogus\n"),
    (["--bogus"], "minimlp: error: unrecognized arguments: --bogus\n"),
    ([], "minimlp: error: expected a command; minimlp --help lists them\n")])
def test_an_error_of_usage_names_the_command_and_what_is_wrong(arguments, line, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["sweep", "--help"],
                                       ["gradcheck", "--help"], ["info", "--help"]])
def test_every_command_has_help(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0 and "usage: minimlp" in capsys.readouterr().out


def test_gradcheck_is_right_everywhere_and_draws(tmp_path, capsys):
    assert main(["gradcheck", "--out", str(tmp_path / "g")]) == 0
    assert " 0 wrong" in capsys.readouterr().out
    assert (tmp_path / "g" / "steps.png").stat().st_size > 0


def test_gradcheck_fails_on_a_wrong_gradient(tmp_path, capsys, monkeypatch):
    from minimlp import structural
    right = structural.separation
    monkeypatch.setattr(structural, "separation", lambda p, tau: (right(p, tau)[0],
                                                                  -right(p, tau)[1]))
    monkeypatch.setattr(structural.separation, "__name__", "separation")
    assert main(["gradcheck", "--quick", "--out", str(tmp_path / "g")]) == 1
    printed = capsys.readouterr().out
    assert "WRONG: central, complex" in printed
    assert re.search(r"\d wrong: separation of p\n", printed)


def test_gradcheck_does_not_take_a_loss_that_is_gone_for_a_gradient_that_is_zero(tmp_path, capsys, monkeypatch):
    from minimlp import structural
    monkeypatch.setattr(structural, "separation", lambda p, tau: (p.sum() * 0, p * 0))
    monkeypatch.setattr(structural.separation, "__name__", "separation")
    assert main(["gradcheck", "--quick", "--out", str(tmp_path / "g")]) == 1
    assert "WRONG: zero" in capsys.readouterr().out


def test_info_names_versions_and_backends(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "numpy        works" in printed and "cpu " in printed and "gpu " in printed


def test_bad_settings_leave_no_folder_behind(tmp_path):
    assert main([*STUDY, "--jobs", "0", "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_diverging_settings_are_a_result_and_not_an_error(tmp_path, capsys):
    assert main([*STUDY, "--rate", "1e200", "--out", str(tmp_path / "out")]) == 0
    assert "diverged runs: 16" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("redirection", ["| head -1", ">&-", "2>&-", ">/dev/null </dev/null"])
def test_study_finishes_whatever_its_streams_are(redirection, tmp_path):
    command = f'"{sys.executable}" -m minimlp {" ".join(STUDY)} --out "{tmp_path}/out" {redirection}'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == ""
    assert (tmp_path / "out" / "drift.gif").exists()


@pytest.mark.parametrize("environment", [{"PYTHONOPTIMIZE": "2"}, {"MPLBACKEND": "nonsense"},
                                         {"LANG": "C", "PYTHONIOENCODING": "ascii"}])
def test_commands_work_in_odd_environments(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "minimlp", *STUDY, "--masks", "none", "--steps", "0", "--out",
         str(tmp_path / "Größe")], env={**os.environ, **environment}, capture_output=True,
        text=True, timeout=120, errors="replace")
    assert done.returncode == 0, done.stderr
