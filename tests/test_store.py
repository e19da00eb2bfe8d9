"""The run log: what it keeps, what it survives, what it refuses."""

import json
import os

import numpy as np
import pytest

from minimlp import InputError
from minimlp.study.store import LOG, RunLog, csv_text, replace

IDENTITY = {"command": "study", "settings": {"sizes": (3, 5), "rate": 0.01}, "versions": {"a": "1"}}
RUNS = [{"size": 3, "seed": seed} for seed in range(3)]


def record(value):
    return {"result": {"fit_error": value}, "seconds": 0.1}


@pytest.fixture
def folder(tmp_path):
    """A folder with three runs in its log."""
    with RunLog(IDENTITY, tmp_path / "out") as log:
        for seed, run in enumerate(RUNS):
            log.append(run, record(seed / 3))
    return tmp_path / "out"


def test_no_second_writer_in_the_same_process_either(folder):
    with RunLog(IDENTITY, folder, resume=True):
        for _ in range(2):                  # to refuse one must not let go of the lock
            with pytest.raises(InputError, match="another process is writing"):
                reopened(folder)
    reopened(folder)


def reopened(folder, identity=IDENTITY):
    with RunLog(identity, folder, resume=True) as log:
        return log


def test_reopening_gives_back_every_run_exactly(folder):
    assert [reopened(folder)[run] for run in RUNS] == [record(seed / 3) for seed in range(3)]


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_truncated_last_line_costs_that_run_alone(folder, cut):
    path = folder / LOG
    path.write_bytes(path.read_bytes()[:-cut])
    with RunLog(IDENTITY, folder, resume=True) as log:
        assert [run in log for run in RUNS] == [True, True, False]
        log.append(RUNS[2], record(9))
    assert reopened(folder)[RUNS[2]] == record(9)
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_lines_may_come_in_any_order(folder):
    head, *lines = (folder / LOG).read_text().splitlines()
    (folder / LOG).write_text("\n".join([head, *lines[::-1]]) + "\n")
    assert [reopened(folder)[run] for run in RUNS] == [record(seed / 3) for seed in range(3)]


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"run": 1}', "\0\1"])
def test_a_damaged_line_in_the_middle_is_named(folder, line):
    head, *lines = (folder / LOG).read_text().splitlines()
    (folder / LOG).write_text("\n".join([head, line, *lines]) + "\n")
    with pytest.raises(InputError, match="line 2"):
        reopened(folder)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"[]\n", b"\xff\xfe\n", b'{"identity": 3}\n'])
def test_a_log_without_an_identity_is_refused(folder, content):
    (folder / LOG).write_bytes(content)
    with pytest.raises(InputError, match="line 1"):
        reopened(folder)


@pytest.mark.skipif(os.name == "nt", reason="no such pipes")
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None), lambda path: os.symlink(os.devnull, path)],
                         ids=["folder", "pipe", "device"])
def test_a_log_that_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / LOG)
    with pytest.raises(InputError, match="is not a file"):
        reopened(tmp_path)


def test_another_study_is_refused_with_what_differs(folder):
    other = {**IDENTITY, "settings": {"sizes": [3, 7], "rate": 0.01}}
    with pytest.raises(InputError, match=r"settings.sizes is \[3, 5\] there and \[3, 7\] here"):
        reopened(folder, other)
    with pytest.raises(InputError, match="versions.a"):
        reopened(folder, {**IDENTITY, "versions": {"a": "2"}})


def test_the_same_study_needs_resume(folder):
    before = (folder / LOG).read_bytes()
    with pytest.raises(InputError, match="--resume"):
        RunLog(IDENTITY, folder).__enter__()
    assert (folder / LOG).read_bytes() == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="thesis.tex"):
        RunLog(IDENTITY, tmp_path, resume=True).__enter__()


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError, match="can't be written"):
            RunLog(IDENTITY, path).__enter__()


def test_a_folder_of_other_files_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match=r"holds other files \(letter.txt\)"):
        RunLog(IDENTITY, tmp_path, resume=True).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0,
                    reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="can't be written"):
        RunLog(IDENTITY, tmp_path / "out").__enter__()


def test_arrays_are_made_once_and_again_if_damaged(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    with RunLog(IDENTITY, tmp_path / "out") as log:
        for _ in range(2):
            np.testing.assert_array_equal(log.arrays("some.npz", make, ["a"])["a"], [0, 1, 2])
        assert len(made) == 1
        path = log.directory / "some.npz"
        path.write_bytes(path.read_bytes()[:-30])
        np.testing.assert_array_equal(log.arrays("some.npz", make, ["a"])["a"], [0, 1, 2])
        np.savez(path, other=1)
        np.testing.assert_array_equal(log.arrays("some.npz", make, ["a"])["a"], [0, 1, 2])
    assert len(made) == 3


def test_a_file_that_cannot_be_written_leaves_nothing_half_written(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(OSError):
        replace(tmp_path / "table.csv", b"half")
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]


def test_csv_writes_numbers_in_full_and_missing_ones_as_nan():
    assert csv_text(("a", "b"), [{"a": 0.1, "b": None, "c": 1}]) == "a,b\n0.1,nan\n"
