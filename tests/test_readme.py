"""The README: its examples print what it says, its tables are those of the published results."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *ROOT.glob("benchmarks/**/*.md"), *ROOT.glob("tutorials/*.md")]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)


def test_readme_has_its_four_examples():
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("code, expected", EXAMPLES)
def test_example_prints_what_the_readme_says(code, expected):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == expected


def test_tables_are_those_of_the_published_results():
    spec = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    publish = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(publish)
    for path, text in publish.pages().items():
        assert path.read_text() == text, f"{path.name}: run benchmarks/publish.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)[)#]", prose):
        assert (page.parent / target).exists(), target


def test_test_command_is_the_one_that_the_build_runs():
    assert len(re.findall(r"^python3 -m venv .*pytest", README, flags=re.MULTILINE)) == 1
