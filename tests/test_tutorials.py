"""The tutorials: every script runs, and every page says what its script says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minimlp
from minimlp.kernels import cpu

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path for path in (ROOT / "tutorials").glob("*.py") if path.stem != "render")
# all are errors, but for what one dependency deprecates in another
WARNINGS = ("-Werror", "-Wignore::DeprecationWarning", "-Werror::DeprecationWarning:__main__")
TAG = re.compile(r"\(E\d+\)")


def cells(script):
    """The cells of a percent script: (is prose, text)."""
    for part in re.split(r"^# %%", script.read_text(), flags=re.MULTILINE)[1:]:
        kind, _, body = part.partition("\n")
        if "[markdown]" in kind:
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        yield "[markdown]" in kind, body.strip()


def squeezed(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_there_are_the_eleven_pages():
    numbers = [path.stem[:2] for path in SCRIPTS]
    assert {"00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10"} <= set(numbers)


def dispatch_to_kernels(prototypes, x, temperature):
    return minimlp.coverage(prototypes, x, temperature, backend="cpu")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A copy of the scripts, the published results beside it, without the figures."""
    place = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "benchmarks" / "results", place / "benchmarks" / "results")
    (place / "tutorials" / "figures").mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(script, place / "tutorials")
    for coverage in (dispatch_to_kernels, cpu.coverage):    # compiled before a page is timed
        coverage(np.zeros((200, 1)), np.zeros((200, 1)), 0.1)
    return place / "tutorials"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs_without_warnings_and_draws_the_figures_of_its_page(script, workplace):
    environment = {**os.environ, "MPLBACKEND": "agg"}
    start = os.times()
    done = subprocess.run([sys.executable, *WARNINGS, script.name], cwd=workplace, text=True,
                          capture_output=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert os.times().children_user - start.children_user < 10, "seconds of CPU time"
    figures = re.findall(r"\]\((figures/[^)]+)\)", script.with_suffix(".md").read_text())
    own = {figure for figure in figures if f'"{figure}"' in script.read_text()}
    assert len(own) >= 1
    for figure in figures:
        assert (script.parent / figure).exists() and (figure not in own or (workplace / figure).exists()), figure


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_page_holds_the_prose_and_code_of_its_script_in_order(script):
    page = squeezed(script.with_suffix(".md").read_text())
    position = 0
    for prose, body in cells(script):
        lines = squeezed(body)
        first = page.index(lines[0] if prose else "```python", position) + (not prose)
        assert page[first:first + len(lines)] == lines, "render the page again"
        position = first + len(lines)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_page_links_to_the_notation_and_its_tags_stand_there(script):
    text = script.read_text()
    assert "(notation.md)" in text
    assert set(TAG.findall(text)) <= set(TAG.findall((ROOT / "tutorials/notation.md").read_text()))


def test_no_figure_is_left_over_and_animations_are_under_2_mb():
    pages = "".join(script.with_suffix(".md").read_text() for script in SCRIPTS)
    for figure in (ROOT / "tutorials" / "figures").iterdir():
        assert f"figures/{figure.name}" in pages
        assert figure.stat().st_size < 2e6
