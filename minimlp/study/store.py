"""A study's folder: its run log, its identity, its lock, and the files made from the log.

runs.jsonl holds the identity in its first line and one run in each line after it.
A line counts once its newline is written, so a kill in mid-write loses that line alone.
"""

import csv
import io
import json
import os
import platform
import zipfile
import zlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .. import __version__
from ..checks import InputError

LOG = "runs.jsonl"
LOCK = "lock"


def versions(backend="numpy"):
    """Of all that a study's numbers depend on; of numba where it computes."""
    import scipy
    found = {"minimlp": __version__, "numpy": np.__version__, "scipy": scipy.__version__,
             "python": platform.python_version()}
    if backend != "numpy":
        import numba
        found["numba"] = numba.__version__
    if backend == "gpu" and find_spec("numba_cuda"):
        found["numba-cuda"] = version("numba-cuda")
    return found


class RunLog:
    """The runs of one study, in memory and, with a directory, on disk.

    A context manager: the directory's lock is held inside.

    Parameters
    ----------
    identity : dict
        Settings, backend and versions, as JSON would give them back.
    directory : path, optional
        Made if it is not there.
    resume : bool
        Whether a study found there is continued (or, if finished, read back).
    accepts : function (run, record), optional
        Whether a record read back is one that this study could have written.

    Raises
    ------
    InputError
        If the directory can't be written, is in use, holds other files, a damaged log or a
        study of another identity, or the same study and resume is False.
    """

    def __init__(self, identity, directory=None, resume=False, accepts=None):
        self.identity = json.loads(json.dumps(identity))
        self.directory = None if directory is None else Path(directory)
        self.resume = resume
        self.accepts = accepts or (lambda run, record: "result" in record)
        self.records = {}

    def __enter__(self):
        if self.directory is None:
            return self
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.refuse_other_files()
            self.lock = open(self.directory / LOCK, "a+b")
        except OSError as error:
            raise InputError(f"out = {self.directory}: can't be written: {error.strerror}") from None
        try:
            take_lock(self.lock, self.directory)
            self.file = self.open_log()
        except BaseException:
            self.lock.close()
            raise
        return self

    def __exit__(self, *exception):
        if self.directory is not None:
            self.file.close()
            self.lock.close()

    def __contains__(self, run):
        return key(run) in self.records

    def __getitem__(self, run):
        return self.records[key(run)]

    def append(self, run, record):
        """Keep the record of a run, a dict that JSON can hold."""
        self.records[key(run)] = record
        if self.directory is not None:
            self.file.write(json.dumps({"run": run, **record}, allow_nan=False).encode() + b"\n")
            self.file.flush()

    def refuse_other_files(self):
        """Before the lock, so that a folder that is no study's is left as it was."""
        names = [entry.name for entry in self.directory.iterdir()]
        others = [name for name in names if name not in (LOCK, LOG + ".new")]
        if others and LOG not in names:
            raise InputError(f"out = {self.directory}: holds other files ({others[0]}) and no {LOG}; choose a "
                             "new folder")

    def open_log(self):
        path = self.directory / LOG
        if not path.exists():
            replace(path, json.dumps({"identity": self.identity}).encode() + b"\n")
        elif not self.resume:
            self.read(path)
            raise InputError(f"out = {self.directory}: already holds this study; add --resume to "
                             "continue or redraw it, or choose another --out")
        end = self.read(path)
        file = open(path, "r+b")
        file.seek(end)
        file.truncate()
        return file

    def read(self, path):
        """Fill the records; return where the last complete line ends."""
        if not path.is_file():          # a pipe or a device may have no end
            raise InputError(f"{path}: is not a file")
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        lines = content[:end].splitlines()
        try:
            identity = {**json.loads(lines[0])["identity"]}
        except (IndexError, ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{path}: is not a run log (no identity in line 1)") from None
        different = list(differences(identity, self.identity))
        if different:
            raise InputError(f"out = {self.directory}: holds another study: "
                             + "; ".join(different))
        for number, line in enumerate(lines[1:], start=2):
            if not self.take(line):
                raise InputError(f"{path}, line {number}: is not a run of this study, or contradicts "
                                 "an earlier line; delete the line to run it again")
        return end

    def take(self, line):
        """Keep the record of a line; False if this study can't have written it."""
        try:
            record = json.loads(line)
            run = record.pop("run")
            return self.accepts(run, record) and self.records.setdefault(key(run), record) == record
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return False

    def write(self, name, content):
        """Write a file of the directory in one piece; return its path."""
        path = self.directory / name
        replace(path, content.encode() if isinstance(content, str) else content)
        return path

    def arrays(self, name, make, names):
        """The arrays of an npz file of the directory; made and stored if they are not there."""
        if self.directory is None:
            return make()
        path = self.directory / name
        try:
            stored = np.load(io.BytesIO(path.read_bytes()))
            return {array: stored[array] for array in names}
        except (OSError, ValueError, EOFError, KeyError, IndexError, zipfile.BadZipFile, zlib.error,
                NotImplementedError, RuntimeError):         # the last two: of a damaged header
            made, content = make(), io.BytesIO()
            np.savez_compressed(content, **made)
            replace(path, content.getvalue())
            return {array: made[array] for array in names}


def key(run):
    return json.dumps(run, sort_keys=True)


def differences(stored, wanted, prefix=""):
    for name in sorted({*stored, *wanted}):
        a, b = stored.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from differences(a, b, prefix + name + ".")
        elif a != b:
            yield f"{prefix}{name} is {json.dumps(a)} there and {json.dumps(b)} here"


def replace(path, content):
    """Write a file so that it is there whole or not at all."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)     # of a disk that is full


def take_lock(file, directory):
    """A lock of the open file: the system drops it when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InputError(f"out = {directory}: another process is writing there") from None


def csv_text(columns, rows):
    """Rows (dicts) as CSV; a number that is None becomes nan."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["nan" if row[name] is None else row[name] for name in columns])
    return text.getvalue()
