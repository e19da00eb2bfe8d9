"""The kernels' cache on disk: an edit is never ignored, and no folder is an error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minimlp
from minimlp import kernels

PACKAGE = Path(minimlp.__file__).parent
SEPARATION = """
import numba, numpy as np
before = numba.config.CACHE_DIR
from minimlp.kernels import FOLDER, cpu
value = cpu.separation(np.array([[0.0], [1.0]]), 1.0)[0]
assert numba.config.CACHE_DIR == before
loaded = sum(cpu.separation_kernel.stats.cache_hits.values())
print(FOLDER, value, loaded, cpu.__file__)
"""


@pytest.fixture
def copy(tmp_path):
    """A folder with a copy of the package, to import instead of the installed one."""
    shutil.copytree(PACKAGE, tmp_path / "copy" / "minimlp",
                    ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


def separation(copy, **environment):
    """Its cache folder, the separation of two points at distance root tau, and cache hits."""
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith("NUMBA_") and name != "XDG_CACHE_HOME"}
    result = subprocess.run([sys.executable, "-c", SEPARATION], capture_output=True, text=True,
                            cwd=copy, env=inherited | {"PYTHONPATH": str(copy)} | environment)
    assert result.returncode == 0, result.stderr
    folder, value, loaded, file = result.stdout.split()
    assert Path(file).is_relative_to(copy)
    return folder, float(value), int(loaded)


def replace(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_an_edit_of_a_file_that_another_one_calls_is_never_ignored(copy, tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first = separation(copy, **cache)
    again = separation(copy, **cache)
    assert first[1] == again[1] == pytest.approx(0.36787944117144233, rel=1e-15)
    assert first[0] == again[0]
    assert first[2] == 0 and again[2] == 1, "the second did not load what the first compiled"
    replace(copy / "minimlp" / "kernels" / "scalar.py", "return -square * scale",
            "return -(square + square) * scale")
    edited = separation(copy, **cache)
    assert edited[0] != first[0]
    assert edited[1] == pytest.approx(0.1353352832366127, rel=1e-15) and edited[2] == 0


@pytest.mark.parametrize("path", [*sorted((PACKAGE / "kernels").glob("*.py")), PACKAGE / "train.py"],
                         ids=lambda p: p.name)
def test_an_edit_of_any_kernel_or_of_adams_constants_changes_the_folder(path, copy, monkeypatch):
    from minimlp import kernels
    monkeypatch.setattr(kernels, "__file__", str(copy / "minimlp" / "kernels" / "__init__.py"))
    before = kernels.cache_folder()
    with open(copy / "minimlp" / path.relative_to(PACKAGE), "a") as file:
        file.write("# edited\n")
    assert kernels.cache_folder() != before


def test_the_cache_lies_where_numba_is_told_else_in_the_users_cache_folder(copy, tmp_path):
    told = separation(copy, NUMBA_CACHE_DIR=str(tmp_path / "told"))[0]
    users = separation(copy, XDG_CACHE_HOME=str(tmp_path / "xdg"))[0]
    home = separation(copy, HOME=str(tmp_path / "home"))[0]
    for folder, parent in ((told, tmp_path / "told"), (users, tmp_path / "xdg"),
                           (home, tmp_path / "home" / ".cache")):
        assert Path(folder).parent == parent / "minimlp"
        assert any(Path(folder).rglob("*.nbi")), "nothing was cached there"
    assert not list((copy / "minimlp").rglob("*.nbi"))


@pytest.mark.parametrize("folder", ["a file", "/dev/null/nowhere", "read only"])
def test_without_a_folder_to_write_there_is_no_cache_and_no_error(folder, copy, tmp_path):
    path = tmp_path / folder
    if folder == "a file":
        path.write_text("in the way")
    elif folder == "read only":
        if os.geteuid() == 0:
            pytest.skip("root writes everywhere")
        path.mkdir(mode=0o500)
    found, value, loaded = separation(copy, NUMBA_CACHE_DIR=str(path))
    assert found == "None" and loaded == 0
    assert value == pytest.approx(0.36787944117144233, rel=1e-15)
    assert not list(copy.rglob("*.nbi"))


def test_who_has_no_home_compiles_without_a_cache(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(kernels.config, "CACHE_DIR", "")
    assert kernels.cache_folder() is None
