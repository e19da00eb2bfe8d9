"""Fast twins of the reference, compiled by Numba when they are first called.

`compiled` is numba.njit with a cache on disk.  Numba looks for a change in the file
of a function alone, not in the files of what it calls, so the cache lies in a folder
that is named by a hash of all kernels: an edit is never ignored.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

try:
    import numba
    from numba import config, njit
except ValueError as error:         # of a setting in the environment, such as 0 threads
    raise ImportError(error) from error


def cache_folder():
    """The folder of these sources, Adam's constants and versions; None if it can't be written."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "train.py"]
    content = b"".join(path.read_bytes() for path in sources)
    key = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode() + content)
    try:
        home = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home) / "minimlp" / key.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):         # RuntimeError: who has no home
        return None
    return str(folder)


FOLDER = cache_folder()


def compiled(**options):
    """Decorator: numba.njit(**options), cached in `FOLDER`; division by zero gives inf or nan.

    fastmath is always said: left out, a function would have its first caller's.
    """
    options = {"fastmath": False, "error_model": "numpy", **options}

    def decorate(function):
        elsewhere, config.CACHE_DIR = config.CACHE_DIR, FOLDER
        try:
            return njit(function, cache=FOLDER is not None, **options)
        finally:
            config.CACHE_DIR = elsewhere
    return decorate
