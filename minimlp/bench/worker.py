"""The process of one competitor: requests on stdin, replies on stdout, a JSON object a line.

    python -m minimlp.bench.worker kernel "numpy gemm"

`{"do": "prepare", "task": {...}}` draws the input, times the first call, which compiles, and
says how wrong its result is.  `{"do": "time"}` times the same call again, `{"do": "memory",
"task": {...}}` tells how much memory a call takes at its peak.  What goes wrong comes back
as `{"failure": "in one line"}`.
"""

import gc
import importlib
import json
import os
import signal
import sys
from time import perf_counter

import numpy as np

from ..gradcheck import relative_error
from .machine import limit_memory, resident_peak
from .problems import Problem

LEAST = 0.02                # seconds: what is shorter is repeated
SMALL = {"N": 200, "M": 200}    # a first call that compiles, starts threads and takes no memory to speak of


def kernel(name):
    """A competitor of competitors.py."""
    from .competitors import COMPETITORS
    return competitor(*COMPETITORS[name])


def competitor(make, library):
    importlib.import_module(library)

    def prepare(truth=None, **problem):
        def errors(result):
            if not truth:
                return {}
            value, gradient = map(np.asarray, result)
            with np.load(truth) as true:
                return {"value_error": relative_error(value, true["value"]),
                        "gradient_error": relative_error(gradient, true["gradient"])}
        return make(*Problem(**problem).draw()), errors
    return prepare


def gpu(name):
    """A competitor of gpu.py."""
    from .gpu import COMPETITORS
    return competitor(*COMPETITORS[name])


def function(backend):
    """A computation of functions.py by a backend."""
    from .functions import arrays, computations

    def prepare(name, truth, **problem):
        compute = computations(*Problem(**problem).draw())[name][0]

        def errors(result):
            with np.load(truth) as true:
                return {"error": max(map(relative_error, arrays(result), true.values()))}
        return lambda: compute(backend), errors
    return prepare


def training(name):
    """A competitor of trainings.py."""
    from .trainings import TRAININGS, study_part
    importlib.import_module(TRAININGS[name].package)

    def prepare(truth=None, **part):
        def errors(result):
            return {"error": relative_error(np.concatenate(result), np.load(truth))} if truth else {}
        return TRAININGS[name].make(study_part(**part)), errors
    return prepare


def ceiling(name):
    """What the machine, or its GPU, can do at most: by ceilings.py, gpu.py."""
    module = importlib.import_module("." + ("gpu_ceilings" if name == "gpu" else "ceilings"), __package__)
    return lambda **task: (lambda: module.ceilings(**task), lambda result: {"ceilings": result})


def step(backend):
    """Seconds a step of one large training."""
    from .gpu import step_seconds
    return lambda **task: (lambda: step_seconds(backend, **task), lambda result: {"step": result})


def serve(prepare, requests, reply):
    """Answer requests until there are no more."""
    call = None
    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "prepare":
                call = None             # what the last task holds is free from here on
                gc.collect()
                call, errors = prepare(**request["task"])
                first, result = timed(call)
                reply(first=first, **errors(result))
                del result
            elif request["do"] == "time":
                reply(seconds=call.seconds() if hasattr(call, "seconds") else repeated(call))
            else:
                reply(memory=peak(prepare, request["task"]))
        except Exception as error:
            reply(failure=one_line(error))


def timed(call):
    start = perf_counter()
    result = call()
    return perf_counter() - start, result


def repeated(call):
    """Seconds a call: of one that is long enough to time, else the mean of several."""
    once, _ = timed(call)               # which warms the caches for the others
    if once >= LEAST:
        return once
    repeats = int(LEAST / max(once, 1e-6)) + 1
    return timed(lambda: [call() for _ in range(repeats)] and None)[0] / repeats


def peak(prepare, task):
    """Bytes that a call takes above the library, its code and the input."""
    small, _ = prepare(**{**task, **SMALL})
    small()
    call, _ = prepare(**task)
    gc.collect()
    before = resident_peak(anew=True)
    call()
    return resident_peak() - before


def one_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:160]


def private_stdout():
    """The parent's pipe, out of reach of libraries that print."""
    pipe = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    return pipe


def main(kind, name):
    pipe = private_stdout()

    def reply(**content):
        print(json.dumps(content), file=pipe, flush=True)

    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is the parent's to answer
    if "gpu" not in (kind, name) and kind != "step":     # CUDA reserves more addresses than there is memory
        limit_memory()
    try:
        prepare = {"kernel": kernel, "training": training, "ceiling": ceiling, "gpu": gpu,
                   "function": function, "step": step}[kind](name)
    except Exception as error:
        reply(failure=one_line(error))
        return
    reply(ready=True)
    serve(prepare, sys.stdin, reply)


if __name__ == "__main__":
    main(*sys.argv[1:])
