"""The tutorials: every script runs, and every page says what its script says."""

import os
import re
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from time import process_time

import numpy as np
import pytest

import minimlp
from minimlp.kernels import cpu

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path for path in (ROOT / "tutorials").glob("*.py") if path.stem != "render")
# all are errors, but for what one dependency deprecates in another
WARNINGS = ("-Werror", "-Wignore::DeprecationWarning", "-Werror::DeprecationWarning:__main__")
TAG = re.compile(r"\(E\d+\)")
QUIET = 0.4              # seconds
TIMED = {"06_fast_code", "07_gpu"}                               # pages that print times
NUMBER = re.compile(r"-?\d+(?:\.(\d+))?(?:e([+-]\d+))?")


def cells(script):
    """The cells of a percent script: (is prose, text)."""
    for part in re.split(r"^# %%", script.read_text(), flags=re.MULTILINE)[1:]:
        kind, _, body = part.partition("\n")
        if "[markdown]" in kind:
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        yield "[markdown]" in kind, body.strip()


def squeezed(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def printed_alike(line, told):
    """Whether two lines agree, their numbers to a unit in the last digit that the second one prints."""
    texts = [" ".join(NUMBER.sub("#", text).split()) for text in (line, told)]
    pairs = zip(NUMBER.finditer(line), NUMBER.finditer(told))
    return texts[0] == texts[1] and all(
        abs(float(one[0]) - float(other[0])) <= 1.01 * 10.0 ** (int(other[2] or 0) - len(other[1] or "")) + 1e-9
        for one, other in pairs)


@pytest.mark.parametrize("line, told, alike", [
    ("N^-1.93, 12 of 60", "N^-1.93,  12 of 60", True), ("N^-1.93", "N^-1.94", True), ("N^-1.93", "N^-1.95", False),
    ("error 3e-17", "error 8e-16", True), ("2.0e-03 better", "2.2e-03 better", False), ("holds", "fails", False)])
def test_what_counts_as_printed_alike(line, told, alike):
    assert printed_alike(line, told) == alike


def test_there_are_the_twelve_pages():
    numbers = [path.stem[:2] for path in SCRIPTS]
    assert {"00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"} <= set(numbers)


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
    for dimensions in (1, 64):
        x = np.random.default_rng(0).uniform(-1, 1, (4, dimensions))
        minimlp.train(minimlp.init_params(x, 4, 1), x, x[:, 0], {"balanced": 0.1}, {"balanced": 0.1}, 1, backend="cpu")
    return place / "tutorials"


def pace():
    """How many times as long as on a quiet 2-core AMD EPYC a loop takes here and now; at least 1."""
    start = process_time()
    sum(k * k for k in range(10**7))
    return max(1.0, (process_time() - start) / QUIET)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs_without_warnings_and_draws_the_figures_of_its_page(script, workplace):
    environment = {**os.environ, "MPLBACKEND": "agg"}
    start, before = os.times(), pace()
    done = subprocess.run([sys.executable, *WARNINGS, script.name], cwd=workplace, text=True,
                          capture_output=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert os.times().children_user - start.children_user < 10 * max(before, pace()), "seconds of CPU time"
    page = script.with_suffix(".md").read_text()
    if script.stem not in TIMED:
        told = "".join(re.findall(r"^```\n\n((?:    .*\n|\n)+)", page, flags=re.MULTILINE))
        for line, other in zip_longest(*(filter(str.strip, text.splitlines()) for text in (done.stdout, told)), fillvalue=""):
            assert printed_alike(line, other), f"{line!r}, {other!r}: render the page again"
    figures = re.findall(r"\]\((figures/[^)]+)\)", page)
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
