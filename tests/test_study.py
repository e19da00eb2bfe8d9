"""The study's runs: the same table whoever runs them, in whatever order, after any stop."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import minimlp
from minimlp.study import specialization, temperature
from minimlp.study.runner import Progress, prepare_worker, run_study
from minimlp.study.specialization import MASKS, StudyConfig
from minimlp.study.store import RunLog, csv_text
from minimlp.study.temperature import SweepConfig

SMALL = StudyConfig(sizes=(3, 4), masks=("none", "overlap"), seeds=2, steps=20)
OPTIONS = ["--sizes", "3,4", "--seeds", "2", "--steps", "100"]
TABLES = ("results.csv", "summary.json")


def table(rows):
    return csv_text(specialization.COLUMNS, specialization.csv_rows(rows))


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "minimlp", *map(str, arguments)],
                          capture_output=True, text=True, timeout=120, **options)


class Shuffled(Executor):
    """Runs what it is given in a random order, when the last task has come."""

    def __init__(self, total):
        self.total, self.waiting = total, []

    def submit(self, function, *arguments):
        future = Future()
        self.waiting.append((future, function, arguments))
        if len(self.waiting) == self.total:
            random.Random(0).shuffle(self.waiting)
            for waiting, task, its_arguments in self.waiting:
                waiting.set_result(task(*its_arguments))
        return future


@pytest.fixture(scope="module")
def reference():
    return table(run_study(SMALL))


def test_nominal_study_has_480_runs_and_all_masks():
    runs = StudyConfig().runs()
    assert len(runs) == 480 and len({json.dumps(run) for run in runs}) == 480
    assert {run["mask"] for run in runs} == set(MASKS)


def test_every_mask_of_a_seed_starts_alike_and_not_on_the_data():
    config = StudyConfig(sizes=(5,), seeds=1, steps=0)
    starts = [config.train(5, 0, mask, config.temperatures) for mask in MASKS]
    for training, x in starts:
        np.testing.assert_array_equal(training.params.w, starts[0][0].params.w)
        assert minimlp.reconstruction_error(minimlp.prototypes(training.params), x) > 0.01


def test_results_are_the_same_with_two_jobs(reference):
    assert table(run_study(SMALL, jobs=2)) == reference


def test_results_are_the_same_in_shuffled_order(reference):
    assert table(run_study(SMALL, executor=Shuffled(len(SMALL.runs())))) == reference


@pytest.mark.parametrize("method", ["spawn", "fork"])
# CPython warns of fork in a process that has threads; the child here uses none of them.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_results_are_the_same_under_each_start_method(method, reference):
    with ProcessPoolExecutor(2, get_context(method), prepare_worker) as pool:
        assert table(run_study(SMALL, executor=pool)) == reference


def test_stored_parameters_give_the_stored_metrics():
    log = RunLog(SMALL.identity())
    for row in run_study(SMALL, log=log):
        run = {name: row[name] for name in ("size", "mask", "seed")}
        params = minimlp.Params(**{name: np.array(array)
                                   for name, array in log[run]["params"].items()})
        x, y = SMALL.samples(row["size"], row["seed"])
        p = minimlp.prototypes(params)
        assert np.mean((minimlp.forward(params, x)[0] - y) ** 2) == row["fit_error"]
        assert minimlp.reconstruction_error(p, x) == row["reconstruction_error"]
        assert minimlp.specialization_ratio(p, x) == row["specialization_ratio"]
        assert minimlp.expelled_fraction(p, x) == row["expelled_fraction"]


def test_a_diverged_run_is_recorded_and_listed():
    config = StudyConfig(sizes=(3,), masks=("none", "coverage"), seeds=2, steps=5, rate=1e200)
    log = RunLog(config.identity())
    rows = run_study(config, log=log)
    assert all(row["diverged"] == 1 and row["fit_error"] is None for row in rows)
    assert ",nan,nan,nan,nan,1\n" in table(rows)
    assert len(specialization.summary(rows, config, log)["diverged"]) == 4


def test_a_demonstration_of_runs_that_diverge_at_once_is_empty():
    found = StudyConfig(sizes=(3,), seeds=2, steps=10, coefficient=1e300).demonstration()
    assert len(found["none"]) == 2 and len(found["coverage"]) == 0
    assert found["moves coverage"].tolist() == [[0, 0], [0, 0]]


def test_sweep_runs_the_baseline_once_beside_the_temperatures():
    config = SweepConfig(sizes=(3,), temperatures=(0.1, 0.001), seeds=2, steps=10)
    rows = run_study(config)
    assert [row["temperature"] for row in rows] == [0, 0, 0.001, 0.001, 0.1, 0.1]
    text = csv_text(temperature.COLUMNS, temperature.csv_rows(rows))
    assert text.splitlines()[1].startswith("3,0,0,0,0,nan,0,")
    assert text.splitlines()[3].startswith("3,0,1,0,0,0.001,0,")


@pytest.mark.parametrize("settings, message", [
    ({"sizes": (0,)}, "sizes = 0"), ({"sizes": (-3,)}, "sizes = -3"), ({"sizes": ()}, "sizes is empty"),
    ({"sizes": (3, 3)}, "sizes: 3 is given twice"), ({"sizes": (2.5,)}, "sizes = 2.5"),
    ({"masks": ("covrage",)}, "unknown loss 'covrage'"), ({"masks": ("",)}, "unknown loss ''"),
    ({"masks": ("coverage+overlap", "overlap+coverage")}, "given twice"),
    ({"seeds": 0}, "seeds = 0"), ({"first_seed": -1}, "first_seed = -1"),
    ({"steps": -1}, "steps = -1"), ({"rate": 0}, "rate = 0"), ({"rate": float("nan")}, "rate = nan"),
    ({"coefficient": -0.1}, "coefficient = -0.1"),
    ({"coverage_temperature": 0}, "coverage_temperature = 0"),
    ({"separation_temperature": -1}, "separation_temperature = -1"),
    ({"target": "cosine"}, "target = 'cosine'"), ({"backend": "abacus"}, "backend = 'abacus'"),
])
def test_bad_settings_are_named_with_their_value(settings, message):
    with pytest.raises(minimlp.InputError, match=message):
        StudyConfig(**settings)


def test_progress_line_only_on_a_terminal(capsys, monkeypatch):
    Progress(2).advance()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line = Progress(2)
    line.advance()
    line.close()
    assert "1/2 runs" in capsys.readouterr().err


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "whole"
    done = command("study", *OPTIONS, "--jobs", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.01)


def start(out, jobs, options):
    arguments = ["study", *options, "--jobs", str(jobs), "--resume", "--out", str(out)]
    return subprocess.Popen([sys.executable, "-m", "minimlp", *arguments],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_twenty_kills_at_random_moments_lose_nothing_and_change_nothing(tmp_path):
    whole, out, pick = tmp_path / "whole", tmp_path / "killed", random.Random(1)
    options = ["--sizes", "3,4", "--seeds", "4", "--steps", "500", "--backend", "numpy"]
    log, done = out / "runs.jsonl", [0]

    def lines():
        return log.read_bytes().count(b"\n") if log.exists() else 0

    for k in range(20):
        process = start(out, 1 + k % 2, options)
        if k % 4:               # else while it starts
            wait_for(lambda: lines() > max(done[-1], 1) or process.poll() is not None)
        time.sleep(pick.uniform(0, 0.05 if k % 4 else 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        done.append(lines())
        assert done[-1] >= done[-2]
    assert len({count for count in done if 1 < count < 65}) > 5, "few kills hit a run"
    for place in (whole, out):
        finished = command("study", *options, "--resume", "--out", place)
        assert finished.returncode == 0, finished.stderr
    for name in TABLES:
        assert (out / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX's")
@pytest.mark.parametrize("backend, steps", [("numpy", 2000), ("cpu", 20_000)])
def test_ctrl_c_is_one_line_and_resumable(tmp_path, backend, steps):
    out = tmp_path / "study"
    # set anew, for a parent may have told its children to ignore it
    code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from minimlp.cli import main; sys.exit(main(sys.argv[1:]))")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "study", "--sizes", "5", "--seeds", "50", "--jobs", "2",
         "--steps", str(steps), "--backend", backend, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True)
    log = out / "runs.jsonl"
    wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") > 3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().count("\n") == 0 and "--resume" in errors
    config = StudyConfig(sizes=(5,), seeds=50, steps=steps, backend=backend)
    with RunLog(config.identity(), out, resume=True) as found:
        assert 3 <= len(found.records) < len(config.runs())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_workers_end_with_a_killed_parent(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "minimlp", "study", "--sizes", "20", "--jobs", "2", "--out",
         str(tmp_path / "study")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)
    wait_for(lambda: (tmp_path / "study" / "runs.jsonl").exists()
             and (tmp_path / "study" / "runs.jsonl").read_bytes().count(b"\n") > 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not session_members(process.pid), seconds=20)


def session_members(session):
    members = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as file:
                state, _, _, owner = file.read().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if entry.isdigit() and int(owner) == session and state != "Z":
            members.append(entry)
    return members


def test_a_finished_study_is_redrawn_without_training(uninterrupted, monkeypatch):
    before = {path.name: path.read_bytes() for path in uninterrupted.iterdir()}
    monkeypatch.setattr(specialization, "train", None)
    from minimlp.cli import main
    assert main(["study", *OPTIONS, "--resume", "--out", str(uninterrupted)]) == 0
    assert {path.name: path.read_bytes() for path in uninterrupted.iterdir()} == before


def test_two_processes_cannot_write_to_one_folder(uninterrupted):
    identity = json.loads((uninterrupted / "runs.jsonl").read_text().splitlines()[0])["identity"]
    with RunLog(identity, uninterrupted, resume=True):
        other = command("study", *OPTIONS, "--resume", "--out", uninterrupted)
    assert other.returncode == 2 and "another process" in other.stderr
    assert other.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def tiny_log(tmp_path_factory):
    """The folder of a finished tiny study, and the lines of its log."""
    config = StudyConfig(sizes=(3,), masks=("none",), seeds=2, steps=5)
    folder = tmp_path_factory.mktemp("tiny")
    with RunLog(config.identity(), folder / "out") as log:
        run_study(config, log=log)
    return config, folder / "out" / "runs.jsonl"


DAMAGES = {
    "a metric that is text": lambda record: record["result"].update(fit_error="1.0"),
    "a metric that is missing": lambda record: record["result"].pop("fit_error"),
    "a metric that is nan": lambda record: record["result"].update(fit_error=float("nan")),
    "a negative metric": lambda record: record["result"].update(fit_error=-5.0),
    "a metric beyond floating point": lambda record: record["result"].update(fit_error=10**400),
    "a marginal error that is text": lambda record: record["result"].update(marginal_error="x"),
    "a parameter beyond floating point": lambda record: record["params"].update(c=10**400),
    "no metrics but not diverged": lambda record: record["result"].update(fit_error=None),
    "a field too many": lambda record: record["result"].update(seed=77),
    "no parameters": lambda record: record.pop("params"),
    "parameters of another width": lambda record: record["params"].update(w=[1.0]),
    "a prototype at infinity": lambda record: record["params"].update(w=[0, 0, 0]),
    "a run of another size": lambda record: record["run"].update(size=9),
    "a run that is text": lambda record: record.update(run="x"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_record_that_the_study_cannot_have_written_is_refused(damage, tiny_log):
    config, path = tiny_log
    before = path.read_text()
    head, first, second = before.splitlines()
    record = json.loads(first)
    damage(record)
    path.write_text("\n".join([head, json.dumps(record), second]) + "\n")
    try:
        with pytest.raises(minimlp.InputError, match="runs.jsonl, line 2"):
            RunLog(config.identity(), path.parent, True, config.acceptance()).__enter__()
    finally:
        path.write_text(before)


def test_a_line_that_contradicts_an_earlier_one_is_refused(tiny_log):
    config, path = tiny_log
    before = path.read_text()
    record = json.loads(before.splitlines()[1])
    record["result"]["fit_error"] += 1
    path.write_text(before + json.dumps(record) + "\n")
    try:
        with pytest.raises(minimlp.InputError, match="runs.jsonl, line 4"):
            RunLog(config.identity(), path.parent, True, config.acceptance()).__enter__()
    finally:
        path.write_text(before)
