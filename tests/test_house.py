"""House rules as checks: light import, downward imports, documented names, formulas with tags."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minimlp

PACKAGE = Path(minimlp.__file__).parent
ROOT = Path(__file__).resolve().parent.parent
LAYERS = [{"errors"}, {"gaussian", "structural", "activations"}, {"loss", "checks", "data", "two_layer", "mixture", "transport"},
          {"train", "gradcheck", "landscape"}, {"evidence"}, {"splitting"}, {"growing"},
          {"kernels"}, {"dispatch"}, {"metrics", "forces", "risk_flow", "feature_learning"}, {"repair", "images"},
          {"study"}, {"plots"}, {"plots_splitting", "plots_strength", "plots_repair", "plots_phase", "plots_images"},
          {"bench"}, {"cli"}]
FOLDERS = ("kernels", "study", "bench")
REFERENCE = ("gaussian", "structural", "loss", "train", "activations", "two_layer", "transport")


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_import_brings_no_numba_matplotlib_or_scipy():
    code = "import sys, minimlp; print([m for m in ('numba', 'matplotlib', 'scipy') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"


def test_import_takes_under_300_ms():
    code = ("import time; start = time.process_time(); import minimlp; "
            "print(time.process_time() - start)")
    assert min(float(run_python(code).stdout) for _ in range(3)) < 0.3


def imported_modules(path):
    """The top-level names inside minimlp that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parent.name
            inside = folder in FOLDERS and node.level == 1
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (folder if inside else name.split(".")[0] for name in names)


def test_the_overview_in_readme_and_help_names_what_is_public_in_the_same_groups():
    readme = (ROOT / "README.md").read_text().split("## From Python")[1].split("\n## ")[0]
    table = {name: re.findall(r"`(\w+)`", names) for name, names in re.findall(r"^\| (\w+): [^|]*\|(.*)\|$", readme, re.M)}
    groups = re.findall(r"^(\w+) +(\w+(?:,\s+\w+)*)$", minimlp.__doc__.split("\n\n", 1)[1], re.M)
    assert {name: re.findall(r"\w+", names) for name, names in groups} == table
    assert [name for names in table.values() for name in names] == minimlp.__all__


def test_imports_point_downward():
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    for path in PACKAGE.glob("**/*.py"):
        own = path.parent.name if path.parent.name in FOLDERS else path.stem
        if own in ("__init__", "__main__"):
            continue
        for name in imported_modules(path):
            assert name in ("__version__", "__doc__") or rank[name] <= rank[own], f"{path.name} imports {name}"


def test_reference_knows_of_no_backend_and_imports_numpy_alone():
    for name in REFERENCE:
        source = (PACKAGE / f"{name}.py").read_text()
        assert "backend" not in source
        others = set(re.findall(r"^import (\w+)", source, flags=re.MULTILINE)) - {"numpy"}
        assert others <= sys.stdlib_module_names


@pytest.mark.parametrize("name", minimlp.__all__)
def test_public_name_is_documented(name):
    item = getattr(minimlp, name)
    text = inspect.getdoc(item)
    assert text
    if inspect.isfunction(item):
        has_parameters = inspect.signature(item).parameters
        assert "Parameters\n-------" in text or not has_parameters
        assert "Returns\n-------" in text
    for parameter in inspect.signature(item).parameters if inspect.isfunction(item) else ():
        assert re.search(rf"\b{parameter}\b", text), f"{name}: {parameter} is not described"


def test_public_names_are_the_ones_that_there_are():
    public = {name for name, item in vars(minimlp).items() if not name.startswith("_")
              and not inspect.ismodule(item)}
    assert public == set(minimlp.__all__)


def test_every_tag_stands_in_notation_reference_and_naive_twin():
    files = {"notation": ROOT / "tutorials" / "notation.md", "naive": ROOT / "tests" / "naive.py"}
    texts = {name: path.read_text() for name, path in files.items()}
    texts["reference"] = "".join((PACKAGE / f"{name}.py").read_text() for name in REFERENCE)
    for tag in (f"(E{k})" for k in (*range(1, 8), 16)):
        for name, text in texts.items():
            assert tag in text, f"{tag} is missing in {name}"


def test_every_tag_of_the_further_studies_stands_in_notation_code_and_pages():
    notation = (ROOT / "tutorials" / "notation.md").read_text()
    code = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    for tag in (f"(E{k})" for k in range(9, 17)):
        assert tag in notation and tag in code, tag
    for page, tags in (("08_splitting", range(10, 14)), ("09_goldilocks", (14, 15))):
        text = (ROOT / "tutorials" / f"{page}.py").read_text()
        assert all(f"E{k}" in text for k in tags), page


def test_numba_is_imported_by_kernels_and_bench_alone():
    """Inside a function others may ask for its version."""
    for path in PACKAGE.glob("**/*.py"):
        if path.parent.name not in ("kernels", "bench"):
            assert not re.search(r"^(import|from) (numba|llvmlite)", path.read_text(),
                                 flags=re.MULTILINE), path


def test_one_file_alone_imports_numba_cuda():
    importers = [path.name for path in PACKAGE.glob("**/*.py")
                 if re.search(r"(import|from) numba\.cuda|from numba import .*\bcuda\b", path.read_text())]
    assert importers == ["gpu.py"]


def test_every_tag_of_a_loss_stands_in_its_kernels():
    text = "".join(path.read_text() for path in (PACKAGE / "kernels").glob("*.py"))
    for tag in (f"(E{k})" for k in (1, 2, 3, 4, 5, 6, 8, 16)):
        assert tag in text, f"{tag} is missing in the kernels"
