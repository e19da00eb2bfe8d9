"""What is measured, and in which order; each part returns the rows of its table."""

import importlib.util
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ..dispatch import available_backends
from ..study.runner import Progress
from ..study.specialization import StudyConfig
from ..study.store import replace
from .competitors import COMPETITORS
from .functions import arrays, computations
from .machine import cores, provenance
from .problems import Problem, truth
from .processes import Field
from .tables import table_text
from .trainings import TRAININGS, study_part, trained

TELLING = 0.1               # seconds of a call from which the next size's time can be told
# Where the libraries keep what they compiled; and: no processes of their own, no other device.
CACHES = "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "KEOPS_CACHE_FOLDER"
ENVIRONMENT = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "JAX_PLATFORMS": "cpu",
               "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class BenchConfig:
    """Settings of `minimlp bench`; what a full one takes.

    Attributes
    ----------
    sizes, dimensions, dtypes : tuple
        N = M, d and types of the kernels' table.
    competitors, trainings : tuple of str
    rounds : int
    call_limit : float
        Seconds that one call may take; where more is expected, the row says so instead.
    budget : float
        Seconds for the timings of one row, after which it has fewer than `rounds`; ten
        times that for trainings.
    truth_pairs : int
        The largest N x M whose errors are measured.
    memory_sizes : tuple
        N = M at which the peak memory is measured, d = 1 in float64.
    scaling_sizes, scaling_dimensions : tuple
    scaling_base : int
        N = M while d or the threads change.
    study_sizes : tuple
    backends : tuple of str
        By which the public functions are timed, where they work.
    functions_size, functions_dimensions : int and tuple
        N = M and d of these, in float64; no d leaves them out.
    """

    sizes: tuple = (100, 1000, 4096, 16384, 65536)
    dimensions: tuple = (1, 8, 64)
    dtypes: tuple = ("float64", "float32")
    competitors: tuple = tuple(COMPETITORS)
    trainings: tuple = tuple(TRAININGS)
    rounds: int = 5
    call_limit: float = 2.5
    budget: float = 2.0
    truth_pairs: int = 4096**2
    memory_sizes: tuple = (4096, 16384, 65536)
    scaling_sizes: tuple = (32, 100, 316, 1000, 3162, 10000, 31623)
    scaling_dimensions: tuple = (1, 2, 4, 8, 16, 32, 64, 128)
    scaling_base: int = 4096
    study_sizes: tuple = StudyConfig.sizes
    backends: tuple = ("numpy", "cpu")
    functions_size: int = 2048
    functions_dimensions: tuple = (1, 8)
    new_caches: bool = True

    def text(self):
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self)
                         if field.name not in ("competitors", "trainings", "new_caches"))


FULL = BenchConfig()
# Without torch compile and keops, which compile C++ for up to half a minute.
QUICK = BenchConfig(sizes=(100, 2048), dimensions=(1, 8), dtypes=("float64",),
                    competitors=("simd", "plain", "reference", "numpy gemm", "torch eager", "jax jit"),
                    trainings=("simd",), rounds=3, call_limit=2.0, budget=2.0,
                    truth_pairs=2048**2, memory_sizes=(), scaling_sizes=(100, 1000, 4096),
                    scaling_dimensions=(1, 8), scaling_base=2048, functions_dimensions=())


class Bench:
    """One run of the bench: its settings, its progress line, a folder for caches and truths."""

    kind, competitors = "kernel", COMPETITORS
    base = "simd"               # what the others are compared with, and so asked in every round
    unit, units = "ns", 1e9     # of time, and how many there are in a second

    def __init__(self, config, progress=False):
        self.config, self.line = config, Progress(1, progress)

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="minimlp-bench-")
        caches = {name: str(Path(self.folder.name, name)) for name in CACHES}
        self.environment = {**ENVIRONMENT, **(caches if self.config.new_caches else {})}
        return self

    def __exit__(self, *exception):
        self.line.close()
        self.folder.cleanup()

    def run(self):
        """All tables by file name."""
        ceilings = self.ceilings()
        return {"bench.csv": self.kernels(ceilings), "study.csv": self.study(),
                "functions.csv": self.functions(), "scaling.csv": self.scaling(), "ceilings.csv": ceilings}

    def field(self, kind, names):
        return Field({name: (kind, name, self.environment) for name in names})

    def missing(self):
        """Competitors whose library is not there, with its name."""
        needs = {**{name: self.competitors[name][1] for name in self.config.competitors},
                 **{name: TRAININGS[name].package for name in self.config.trainings}}
        return {name: library for name, library in needs.items()
                if importlib.util.find_spec(library) is None}

    def present(self, names):
        missing = self.missing()
        return [name for name in names if name not in missing]

    def show(self, prefix):
        return lambda text: self.line.show(f"{prefix}: {text}")

    def ceilings(self):
        self.line.show("ceilings of this machine")
        with Field({"": ("ceiling", "all", self.environment)}) as field:
            reply = field.competitors[""].ask(do="prepare", task={"kinds": self.config.dtypes})
        return reply.get("ceilings", [])

    def kernels(self, ceilings):
        rows = []
        names = self.present(self.config.competitors)
        with self.field(self.kind, names) as field:
            for dtype in self.config.dtypes:
                for d in self.config.dimensions:
                    slowest = {}        # seconds a pair of each, from the size before
                    for size in self.config.sizes:
                        problem = Problem(size, size, d, dtype)
                        rows += self.kernel_rows(field, names, problem, slowest, ceilings)
        return rows

    def kernel_rows(self, field, names, problem, slowest, ceilings):
        """The rows of one problem, a competitor each."""
        show = self.show(f"kernels, N = M = {problem.N}, d = {problem.d}, {problem.dtype}")
        task = {**problem._asdict(), "truth": self.true_result(problem, show)}
        tasks = {}
        for name in names:
            expected = slowest.get(name, 0.0) * problem.pairs
            too_long = name != self.base and expected > self.config.call_limit
            tasks[name] = f"about {expected:.0f} s a call, more than {self.config.call_limit:.0f} s" \
                if too_long else task
        found = field.alternate(tasks, self.config.rounds, self.config.budget, self.base, show)
        rows = []
        for name, result in found.items():
            row = {"competitor": name, **problem._asdict(),
                   **spread(result, self.units / problem.pairs, self.unit),
                   f"ratio_to_{self.base}": ratio(result, found.get(self.base)),
                   "peak_megabytes": self.peak_memory(name, problem, result, show)}
            taken = row[f"{self.unit}_per_pair"] = row[self.unit]
            if taken is not None:
                seconds = taken / self.units
                slowest[name] = seconds if seconds * problem.pairs > TELLING else 0.0
                row.update(shares(taken, problem, ceilings, self.unit))
            rows.append(row)
        return rows

    def true_result(self, problem, show):
        """The file with value and gradient in longdouble; None where that takes too long."""
        if problem.pairs > self.config.truth_pairs:
            return None
        show("the true result")
        value, gradient = truth(*problem.draw())
        path = Path(self.folder.name, "truth.npz")
        np.savez(path, value=value, gradient=gradient)
        return str(path)

    def peak_memory(self, name, problem, result, show):
        """Megabytes at the peak of one call, in a process for itself."""
        if (problem.N not in self.config.memory_sizes or "failure" in result
                or problem[2:4] != (1, "float64")):
            return None
        show(f"{name}, memory")
        with self.field("kernel", [name]) as field:
            reply = field.competitors[name].ask(do="memory", task=problem._asdict(),
                                                expected=result["first"])
        return reply["memory"] / 2**20 if "memory" in reply else None

    def functions(self):
        """The public functions by each backend that works here, called as a user does."""
        rows, size = [], self.config.functions_size
        works = available_backends() if self.config.functions_dimensions else {}
        backends = [name for name in self.config.backends if name in works and works[name] is None]
        with self.field("function", backends) as field:
            for d in self.config.functions_dimensions:
                problem = Problem(size, size, d)
                for name, (compute, times) in computations(*problem.draw()).items():
                    rows += self.function_rows(field, name, compute, times, problem)
        return rows

    def function_rows(self, field, name, compute, times, problem):
        """The rows of one function, a backend each; it goes through all pairs so many times."""
        show = self.show(f"{name}, N = M = {problem.N}, d = {problem.d}")
        path = Path(self.folder.name, "result.npz")
        np.savez(path, *arrays(compute("numpy")))
        task = {"name": name, "truth": str(path), **problem._asdict()}
        found = field.alternate(dict.fromkeys(field.competitors, task), self.config.rounds, self.config.budget,
                                "numpy", show)
        rows = []
        for backend, result in found.items():
            row = spread(result, 1e9 / problem.pairs / times, "ns")
            rows.append({"function": name, "backend": backend, **problem._asdict(), **row, "ns_per_pair": row["ns"],
                         "ratio_to_numpy": ratio(result, found["numpy"]), "error": result.get("error")})
        return rows

    def study(self):
        """The study's trainings, each competitor's share of them in alternating rounds."""
        names, sizes = self.present(self.config.trainings), self.config.study_sizes
        tasks = {name: {"sizes": sizes, "seeds": TRAININGS[name].seeds,
                        "steps": TRAININGS[name].steps} for name in names}
        with self.field("training", names) as field:
            small = self.small_trainings(field, names)
            found = field.alternate(tasks, self.config.rounds, 10 * self.config.budget, self.base,
                                    self.show("study"))
        return [study_row(name, sizes, result, found.get(self.base), small[name])
                for name, result in found.items()]

    def small_trainings(self, field, names):
        """Each one's reply for 16 runs of 20 steps: how far it then is from the reference."""
        part = {"sizes": (3, 20), "seeds": 1, "steps": 20}
        path = Path(self.folder.name, "trained.npy")
        np.save(path, np.concatenate([trained(run, 20, "numpy") for run in study_part(**part).runs]))
        task = {**part, "truth": str(path)}
        return {name: field.competitors[name].ask(do="prepare", task=task) for name in names}

    def scaling(self):
        """The compiled kernels over N, over d, and over threads."""
        config, base = self.config, self.config.scaling_base
        kernels = [name for name in ("simd", "plain") if name in config.competitors]
        steps = sorted({2**k for k in range(8) if 2**k < cores()} | {cores()})
        problems = [("N", Problem(size, size, 1), steps[-1:]) for size in config.scaling_sizes]
        problems += [("d", Problem(base, base, d), steps[-1:]) for d in config.scaling_dimensions]
        problems += [("threads", Problem(base, base, d), steps) for d in config.dimensions[:2]]
        rows, wanted = [], {}
        for name in kernels:
            for threads in steps:
                environment = {**self.environment, "NUMBA_NUM_THREADS": str(threads)}
                wanted[name, threads] = "kernel", name, environment
        with Field(wanted) as field:
            for axis, problem, threads in problems:
                tasks = {key: problem._asdict() for key in wanted if key[1] in threads}
                self.line.show(f"scaling in {axis}, N = M = {problem.N}, d = {problem.d}")
                found = field.alternate(tasks, config.rounds, config.budget)
                for (name, count), result in found.items():
                    row = spread(result, 1e9 / problem.pairs, "ns")
                    rows.append({"axis": axis, "competitor": name, **problem._asdict(), **row,
                                 "threads": count, "ns_per_pair": row["ns"]})
        return rows


def study_row(name, sizes, result, base, small):
    """One competitor's row: its share of the study, and what all of it would take."""
    entry = TRAININGS[name]
    row = {"competitor": name, "side_by_side": entry.side_by_side, "steps": entry.steps,
           "runs": len(study_part(sizes, entry.seeds, entry.steps).runs),
           "share_of_the_study": "all" if entry.share == 1 else f"1/{1 / entry.share:.0f}",
           "error_after_20_steps": small.get("error"),
           "ratio_to_simd": ratio(result, base, entry.share), **spread(result, 1.0, "seconds")}
    if row["first_call_seconds"]:
        row["first_call_seconds"] += small.get("first", 0.0)
    row["seconds_whole_study"] = row["seconds"] and row["seconds"] / entry.share
    return row


def spread(result, scale, name):
    """Median and quartiles of the timings, in units of scale; and what else the result holds."""
    seconds = [seconds for seconds in result["seconds"] if seconds is not None]
    low, median, high = map(float, scale * np.quantile(seconds, (0.25, 0.5, 0.75))) if seconds \
        else (None,) * 3
    return {name: median, f"{name}_low": low, f"{name}_high": high, "timings": len(seconds),
            "first_call_seconds": result.get("first"), "failure": result.get("failure", ""),
            "value_error": result.get("value_error"),
            "gradient_error": result.get("gradient_error")}


def ratio(result, base, share=1.0):
    """How many times as long as the base: the median of the ratios within each round."""
    ratios = [a / share / b for a, b in zip(result["seconds"], (base or result)["seconds"]) if a and b]
    return float(np.median(ratios)) if ratios and base else None


def shares(taken, problem, ceilings, unit="ns"):
    """Shares of the ceilings that so much time a pair is (see ceilings.py)."""
    most = max((row.get("threads", 1) for row in ceilings), default=1)
    best = {row["operation"]: row[unit] for row in ceilings
            if row["dtype"] == problem.dtype and row.get("threads", 1) == most}
    return {"multiply_add_share": 2 * problem.d * best["multiply-add"] / taken,
            "exp_share": best["exp2"] / taken} if best else {}


def run_bench(directory, config=FULL, progress=False):
    """Measure everything, write the tables and the figures.

    Parameters
    ----------
    directory : path
        Is there already.
    config : BenchConfig
    progress : bool
        Whether to show a progress line on stderr, if that is a terminal.

    Returns
    -------
    rows : dict of str to list of dict
        By the name of the table's file.
    missing : dict of str to str
        Competitors that were left out, and the library that each lacks.
    files : list of Path
    """
    from .figures import figures
    with Bench(config, progress) as bench:
        rows, missing = bench.run(), bench.missing()
    return rows, missing, [*write_tables(directory, rows, config), *figures(directory)]


def write_tables(directory, rows, config, notes=()):
    """The tables with their headers; returns their paths."""
    notes = [*provenance(), *notes, f"settings: {config.text()}"]
    for name, table in rows.items():
        replace(directory / name, table_text(name, table, notes).encode())
    return [directory / name for name in rows]
