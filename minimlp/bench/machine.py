"""The machine: what the tables' headers say of it, and what a process takes of its memory."""

import os
import platform
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

from .. import __version__

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "numba-cuda", "torch", "jax", "jaxlib",
             "pykeops", "cupy")


def provenance():
    """Date, hardware and versions, a line each; nothing that names the machine or its user."""
    versions = {name: version for name in LIBRARIES if (version := installed(name))}
    return [f"date: {date.today().isoformat()}",
            f"processor: {processor()}, {cores()} cores, {memory()}",
            f"system: {platform.system()} {platform.machine()}, python {platform.python_version()}",
            "versions: " + ", ".join(f"{name} {version}" for name, version in
                                     {"minimlp": __version__, **versions}.items()),
            f"longdouble: eps {np.finfo(np.longdouble).eps:.1e}"]


def installed(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cores():
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor():
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(map(str.strip, line.partition(":")[::2]) for line in first.splitlines())
    flags = fields.get("flags", fields.get("Features", "")).split()
    vectors = [name for name in ("avx512f", "avx2", "asimd") if name in flags]
    return " ".join([fields.get("model name", platform.machine()), *vectors[:1]])


def memory():
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "memory unknown"


def resident_peak(anew=False):
    """The most memory this process has had, in bytes; anew: from here on, where Linux lets us.

    ru_maxrss can't be set back, and starts with the peak of the process that started this one.
    """
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        import resource
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limit_memory(share=0.8):
    """Let allocation fail where the system would kill; Linux alone."""
    try:
        import resource
        meminfo = Path("/proc/meminfo").read_text()
        available = 1024 * int(meminfo.split("MemAvailable:")[1].split()[0])
        resource.setrlimit(resource.RLIMIT_DATA, (int(share * available),) * 2)
    except (ImportError, OSError, IndexError, ValueError):
        pass
