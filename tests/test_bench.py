"""The bench: its competitors compute the same, its tables say what was measured, its figures draw."""

import importlib.util
import os
import platform
import re
import signal
import subprocess
import sys
from dataclasses import replace
from time import monotonic, sleep

import numpy as np
import pytest

import naive
from minimlp import relative_error, structural
from minimlp.bench import figures, measure, tables
from minimlp.bench.competitors import COMPETITORS
from minimlp.bench.machine import provenance
from minimlp.bench.problems import Problem, truth
from minimlp.bench.processes import Competitor, Field
from minimlp.bench.trainings import TRAININGS, study_part, trained
from minimlp.cli import main

SLOW_TO_COMPILE = {"torch compile", "keops"}    # C++, half a minute
PROBLEM = Problem(N=30, M=21, d=3)
TINY = replace(measure.QUICK, sizes=(20, 30), dimensions=(1, 2), competitors=("simd", "numpy gemm"),
               rounds=2, memory_sizes=(30,), scaling_sizes=(20, 30), scaling_dimensions=(1, 2),
               scaling_base=20, study_sizes=(3,), functions_size=20, functions_dimensions=(1, 2), new_caches=False)


def test_truth_is_the_formula_block_by_block(monkeypatch):
    prototypes, x, temperature = PROBLEM.draw()
    ref = naive.coverage(prototypes, x, temperature)
    for block in (2**20, 50):
        monkeypatch.setattr("minimlp.bench.problems.BLOCK", block)
        value, gradient = truth(prototypes, x, temperature)
        assert value.dtype == gradient.dtype == np.longdouble
        assert relative_error(value, ref[0]) < 1e-15
        assert relative_error(gradient, structural.coverage(prototypes, x, temperature)[1]) < 1e-14


@pytest.mark.parametrize("name", [name for name in COMPETITORS if name not in SLOW_TO_COMPILE])
@pytest.mark.parametrize("d, dtype", [(1, "float64"), (3, "float64"), (3, "float32")])
def test_competitor_agrees_with_the_reference(name, d, dtype):
    make, library = COMPETITORS[name]
    pytest.importorskip(library)
    problem = PROBLEM._replace(d=d, dtype=dtype).draw()
    value, gradient = map(np.asarray, make(*problem)())
    ref = structural.coverage(*problem[:2], problem[2])
    bound = 1e-12 if dtype == "float64" else 1e-4
    assert gradient.dtype == dtype
    assert relative_error(value, np.asarray(ref[0])) < bound
    assert relative_error(gradient, ref[1]) < bound


@pytest.mark.parametrize("name", [name for name in TRAININGS if name != "numpy reference"])
def test_training_agrees_with_the_reference(name):
    pytest.importorskip(TRAININGS[name].package)
    part = study_part((3, 5), seeds=1, steps=5)
    ref = [trained(run, 5, "numpy") for run in part.runs]
    comp = TRAININGS[name].make(part)()
    assert relative_error(np.concatenate(comp), np.concatenate(ref)) < 1e-11


def test_inputs_are_the_same_for_all_and_follow_the_seed():
    first, again = PROBLEM.draw(), PROBLEM.draw()
    other = PROBLEM._replace(seed=1).draw()
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(PROBLEM._replace(dtype="float32").draw()[1], first[1].astype("float32"))


def test_spread_ratio_and_shares_by_hand():
    ours, other = {"seconds": [1.0, 2.0, 4.0]}, {"seconds": [3.0, 2.0, None]}
    row = measure.spread(ours, 10.0, "ns")
    assert (row["ns"], row["ns_low"], row["ns_high"], row["timings"]) == (20.0, 15.0, 30.0, 3)
    assert measure.ratio(other, ours) == 2.0            # the median of 3 / 1 and 2 / 2
    assert measure.ratio(other, ours, share=0.1) == 20.0
    assert measure.ratio(other, None) is None
    best = [{"operation": name, "dtype": "float64", "threads": threads, "ns": ns * 2 / threads}
            for name, ns in (("multiply-add", 0.01), ("exp2", 0.1)) for threads in (1, 2)]
    assert measure.shares(0.5, PROBLEM, best) == {"multiply_add_share": 2 * 3 * 0.01 / 0.5,
                                                  "exp_share": 0.1 / 0.5}


def test_a_competitor_that_fails_is_marked_and_the_others_go_on():
    good, bad = PROBLEM._asdict(), {**PROBLEM._asdict(), "N": -1}
    wanted = {name: ("kernel", name, None) for name in ("reference", "numpy gemm", "nobody")}
    with Field(wanted) as field:
        found = field.alternate({"reference": good, "numpy gemm": bad, "nobody": good}, 2, 1.0)
        found["late"] = field.alternate({"reference": "about 99 s a call"}, 2, 1.0)["reference"]
        field.competitors["reference"].process.kill()
        died = field.competitors["reference"].ask(do="time")
        again = field.competitors["reference"].ask(do="prepare", task=good)
    assert len(found["reference"]["seconds"]) == 2 and "failure" not in found["reference"]
    assert found["numpy gemm"]["failure"].startswith("ValueError: ")
    assert found["nobody"]["failure"] == "KeyError: 'nobody'"
    assert found["late"] == {"seconds": [None, None], "failure": "about 99 s a call"}
    assert "the process died" in died["failure"] and again["first"] > 0


def test_what_does_not_fit_in_memory_is_a_reply_and_not_the_end():
    too_large = Problem(N=4_000_000, M=4_000_000, d=1)._asdict()
    with Field({"numpy gemm": ("kernel", "numpy gemm", None)}) as field:
        failure = field.competitors["numpy gemm"].ask(do="prepare", task=too_large)["failure"]
        fine = field.competitors["numpy gemm"].ask(do="prepare", task=PROBLEM._asdict())
    assert "Unable to allocate" in failure and fine["first"] > 0
    assert figures.reason({"failure": failure}) == "memory"


def test_no_answer_in_time_ends_the_process():
    competitor = Competitor("kernel", "reference")
    assert competitor.wait_until_ready() is None
    process = competitor.process
    assert competitor.reply(0.01) == {"failure": "no answer in 0 s"}
    assert process.poll() is not None


def test_peak_memory_counts_what_a_call_allocates():
    task = Problem(N=1000, M=1000, d=1)._asdict()
    with Field({"numpy gemm": ("kernel", "numpy gemm", None)}) as field:
        peak = field.competitors["numpy gemm"].ask(do="memory", task=task)["memory"]
    assert 0.9 < peak / (8 * 1000**2) < 3


def test_table_is_read_back_as_it_was_written(tmp_path):
    row = {**dict.fromkeys(tables.COLUMNS["bench.csv"]), "competitor": "simd", "N": 4, "M": 4, "d": 1,
           "dtype": "float64", "ns_per_pair": 0.25, "failure": ""}
    failed = {**row, "ns_per_pair": None, "failure": "MemoryError: 8 GB, and more"}
    (tmp_path / "bench.csv").write_text(tables.table_text("bench.csv", [row, failed], provenance()))
    notes, rows = tables.read_table(tmp_path / "bench.csv")
    assert len(notes) == 1 + len(provenance()) and "numpy " in " ".join(notes)
    assert platform.node() not in re.split(r"[\s,:]+", " ".join(notes))
    assert rows == [{**row, "failure": None}, failed]
    assert "MemoryError" in tables.printed("bench.csv", rows)
    (tmp_path / "bench.csv").write_text(tables.table_text("bench.csv", [], provenance()))
    assert tables.read_table(tmp_path / "bench.csv")[1] == []          # where nothing could be measured
    (tmp_path / "bench.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is not a table"):
        tables.read_table(tmp_path / "bench.csv")


def test_bench_writes_tables_and_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure, "QUICK", replace(TINY, competitors=("simd", "numpy gemm", "keops")))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pykeops"
                        else found(name))
    assert main(["bench", "--quick", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "left out: keops, for pykeops is not installed" in printed
    listed = [line.strip() for line in printed.split("\nwrote\n")[1].splitlines()]
    names = ["bench.csv", "study.csv", "functions.csv", "scaling.csv", "ceilings.csv",
             "kernels.png", "ceilings.png", "scaling.png"]
    assert listed[:len(names)] == [str(tmp_path / "out" / name) for name in names]     # a GPU's follow
    drawn = [(tmp_path / "out" / name).read_bytes() for name in names[-3:]]
    assert all(content[:4] == b"\x89PNG" for content in drawn)
    figures.figures(tmp_path / "out")
    assert drawn == [(tmp_path / "out" / name).read_bytes() for name in names[-3:]]

    notes, rows = tables.read_table(tmp_path / "out" / "bench.csv")
    assert [note.split(":")[0] for note in notes[1:]] == ["date", "processor", "system", "versions",
                                                          "longdouble", "settings"]
    assert len(rows) == 2 * 2 * 2 and not any(row["failure"] for row in rows)
    assert all(row["gradient_error"] < 1e-12 and row["ns_per_pair"] > 0 for row in rows)
    assert [row["ratio_to_simd"] for row in rows[::2]] == [1] * 4
    assert [row["peak_megabytes"] is not None for row in rows] == [False] * 2 + [True] * 2 + [False] * 4
    study, = tables.read_table(tmp_path / "out" / "study.csv")[1]
    assert study["runs"] == 80 and study["error_after_20_steps"] < 1e-11
    functions = tables.read_table(tmp_path / "out" / "functions.csv")[1]
    assert len(functions) == 2 * 2 * 8 and all(row["error"] < 1e-11 and row["ns_per_pair"] > 0 for row in functions)
    assert {row["ratio_to_numpy"] for row in functions[::2]} == {1}


def test_bench_refuses_a_folder_that_it_cannot_write(capsys):
    assert main(["bench", "--quick", "--out", "/proc/nowhere"]) == 2
    assert "out = /proc/nowhere" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX's")
def test_ctrl_c_is_one_line_and_leaves_no_process(tmp_path):
    code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from minimlp.cli import main; sys.exit(main(sys.argv[1:]))")
    process = subprocess.Popen([sys.executable, "-c", code, "bench", "--out", str(tmp_path / "out")],
                               stderr=subprocess.PIPE, text=True)
    deadline = monotonic() + 20
    while not children(process.pid) and monotonic() < deadline:
        sleep(0.05)
    started = children(process.pid)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and error.count("\n") == 2 and "stopped" in error
    assert started and not any(alive(pid) for pid in started)


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(text) for text in found.stdout.split()]


def alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
