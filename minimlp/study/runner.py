"""Runs a study's runs: in this process, over worker processes, or on any executor."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from ..checks import count
from .store import RunLog


def run_study(config, executor=None, jobs=1, log=None, progress=False):
    """Run what a study's log does not hold yet.

    Parameters
    ----------
    config : Config
        The settings of any study.
    executor : concurrent.futures.Executor, optional
        Carries the runs; a process pool, Dask's `client.get_executor()` or
        `mpi4py.futures.MPIPoolExecutor()` will do.
    jobs : int
        Without an executor: the number of workers, processes with the reference (a script then
        needs `if __name__ == "__main__":`) and threads with compiled kernels; 1 is this process,
        and so is a GPU, which takes one run at a time.
    log : RunLog, optional
        Where finished runs are kept; in memory when left out.
    progress : bool
        Whether to show a progress line on stderr, if that is a terminal.

    Returns
    -------
    list of dict
        One row a run, in the study's order, whoever ran it and whenever.

    Raises
    ------
    InputError
    KeyboardInterrupt
        On Ctrl-C, after the workers have stopped.
    """
    count("jobs", jobs)
    log = log or RunLog(config.identity())
    runs = config.runs()
    todo = sorted((run for run in runs if run not in log), key=lambda run: -run.get("size", 0))
    threads = config.backend != "numpy"
    line = Progress(len(todo), progress, "compiling the kernels, once for this version" if threads else "")
    if executor is not None:
        submit_all(executor, config, todo, log, line)
    elif jobs == 1 or len(todo) < 2 or config.backend == "gpu":
        for run in todo:
            log.append(run, timed(config, run))
            line.advance()
    elif threads:
        with ThreadPoolExecutor(min(jobs, len(todo))) as pool, ended(pool):
            submit_all(pool, config, todo, log, line)
    else:
        with one_blas_thread(), ProcessPoolExecutor(
                min(jobs, len(todo)), multiprocessing.get_context("spawn"), prepare_worker) as pool, ended(pool):
            submit_all(pool, config, todo, log, line)
    line.close()
    return [{**run, **log[run]["result"]} for run in runs]


def submit_all(executor, config, todo, log, line):
    futures = {}
    try:
        with ctrl_c_held():
            futures.update({executor.submit(timed, config, run): run for run in todo})
        for future in as_completed(futures):
            log.append(futures[future], future.result())
            line.advance()
    except BaseException:
        for future in futures:
            future.cancel()
        raise


@contextmanager
def ended(pool):
    """Whatever ends what is inside ends the pool: a second Ctrl-C must not leave workers that wait for ever."""
    try:
        yield
    except BaseException:
        with ctrl_c_held():
            pool.shutdown(wait=True, cancel_futures=True)
        raise


def timed(config, run):
    start = time.perf_counter()
    record = config.execute(run)
    return {**record, "seconds": round(time.perf_counter() - start, 4)}


@contextmanager
def one_blas_thread():
    """Processes started inside use one thread each for linear algebra: more would wait for each other."""
    names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def ctrl_c_held():
    """Ctrl-C inside counts at the end; a process started inside never hears it, not even as it starts."""
    if not hasattr(signal, "pthread_sigmask"):      # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prepare_worker():
    """Ctrl-C is the parent's to answer; and a worker whose parent was killed ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


class Progress:
    """One line on a terminal: how many runs are done, how fast, how long the rest takes."""

    def __init__(self, total, wanted=True, first=""):
        self.total, self.done, self.start = total, 0, time.perf_counter()
        self.shown = wanted and total > 0 and sys.stderr is not None and sys.stderr.isatty()
        self.show(first)

    def show(self, text):
        if self.shown and text:
            sys.stderr.write(f"\r{text} \033[K")
            sys.stderr.flush()

    def advance(self):
        self.done += 1
        rate = self.done / (time.perf_counter() - self.start)
        left = (self.total - self.done) / rate
        self.show(f"{self.done}/{self.total} runs  {rate:.1f}/s  {left:.0f} s left")

    def close(self):
        if self.shown:
            sys.stderr.write("\n")
