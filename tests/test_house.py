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
LAYERS = [{"errors"}, {"gaussian", "structural", "activations"},
          {"loss", "checks", "data", "two_layer", "mixture", "transport"},
          {"train", "gradcheck", "landscape"}, {"evidence"}, {"splitting"}, {"growing"}, {"kernels"}, {"dispatch"},
          {"metrics", "forces", "risk_flow", "feature_learning"}, {"repair", "images"}, {"study"}, {"plots"},
          {"plots_study", "plots_splitting", "plots_strength", "plots_repair", "plots_phase", "plots_images"},
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
    rows = re.findall(r"^\| (\w+): [^|]*\|(.*)\|$", readme, re.M)
    table = {name: re.findall(r"`(\w+)`", names) for name, names in rows}
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


FORMULA = r"\(E\d+|^    .*(?: = |  error ~ )"     # a tag, or a line of its own with an equation
SOURCE = r"arXiv|\([12]\d{3}, |\b[Oo]urs\b|\b[Pp]apers? [ABC]\b"
ARRAY = r"^(?:\w+(?:, \w+)* : )?array\b(.*)$"
SHAPE = r" \(| of (any|\w+'s) shape"


def section(text, name):
    """What a docstring says under a heading; nothing without it."""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=\n\n[A-Z][A-Za-z ]+\n---|\Z)", text, re.M | re.S)
    return found.group(1) if found else ""


def missing(text, function, names):
    """What a public docstring leaves out.

    Wanted are the formula or its tag, and the source; each parameter or attribute; the shape of each
    array; what is returned, and when what is raised.  A class may name the public function that
    returns it in place of formula and source.
    """
    listed = section(text, "Parameters" if function else "Attributes") + "\n" + section(text, "Other Parameters")
    described = re.findall(r"\w+", " ".join(re.findall(r"^(\w+(?:, \w+)*)(?: :.*)?$", listed, re.M)))
    referred = not function and set(re.findall(r"`(\w+)`", text)) & set(minimlp.__all__)
    there = {"formula": referred or re.search(FORMULA, text, re.M),
             "source": referred or re.search(SOURCE, text),
             "names": set(names) <= set(described),
             "shapes": all(re.match(SHAPE, line) for line in re.findall(ARRAY, text, re.M))}
    if function:
        there["returns"] = section(text, "Returns")
        there["raises"] = re.match(r"InputError\n    \S", section(text, "Raises"))
    return [what for what, found in there.items() if not found]


def documentation(name):
    item = getattr(minimlp, name)
    function = inspect.isfunction(item)
    names = inspect.signature(item).parameters if function else item.__annotations__
    return inspect.getdoc(item), function, list(names)


@pytest.mark.parametrize("name", sorted(set(minimlp.__all__) - {"InputError", "available_backends"}))
def test_public_docstring_is_complete(name):
    assert missing(*documentation(name)) == []


@pytest.mark.parametrize("name, gone, what", [
    ("coverage", r"\(E4\)|^    L = .*$", ["formula"]),
    ("coverage", r"paper A .*; this formula is ours", ["source"]),
    ("coverage", r" \(N, d\)", ["shapes"]),
    ("coverage", r"^temperature : float$", ["names"]),
    ("coverage", r"^Raises\n", ["raises"]),
    ("coverage", r"A ValueError.*\n", ["raises"]),
    ("coverage", r"^Returns\n", ["returns"]),
    ("coverage", r"^backend : .*$", ["names"]),
    ("hull_distance", r"^    distance_j = .*$", ["formula"]),
    ("Act", r"^before, after : .*$", ["names"]),
    ("Act", r"`repair` returns|\(E3\)", ["formula", "source"]),
    ("Training", r" \(T, P\)", ["shapes"])])
def test_a_docstring_without_it_would_be_found(name, gone, what):
    text, function, names = documentation(name)
    poorer = re.sub(gone, "", text, flags=re.M)
    assert poorer != text and missing(poorer, function, names) == what


def test_help_says_once_what_is_raised():
    text = inspect.getdoc(minimlp.balanced)
    assert text.count("Raises\n------") == 1
    assert "names the argument" in section(text, "Raises") and "marginals are not met" in section(text, "Raises")


LONGEST_BODY, LONGEST_FILE, LONGEST_LINE = 45, 400, 120
LONGER_FILES = {"kernels/gpu.py"}       # the one importer of numba.cuda; its docstring says why in one file


def bodies(source):
    """Name and lines of each function's body in a module, without its docstring and functions inside it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            inner = sum(part.end_lineno - part.lineno + 1 for part in body if isinstance(part, ast.FunctionDef))
            yield node.name, node.end_lineno - body[0].lineno + 1 - inner if body else 0


def test_no_line_function_or_file_is_longer_than_a_reader_can_hold():
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.glob("**/*.py")}
    assert [(name, function) for name, source in sources.items() for function, lines in bodies(source)
            if lines > LONGEST_BODY] == []
    assert [line for source in sources.values() for line in source.splitlines() if len(line) > LONGEST_LINE] == []
    assert {name for name, source in sources.items() if len(source.splitlines()) > LONGEST_FILE} == LONGER_FILES


def test_a_body_that_is_too_long_would_be_found():
    lines = "    x = 1\n" * (LONGEST_BODY + 1)
    inner = "    def g():\n        return 1\n"
    assert dict(bodies('def f():\n    """Of one line."""\n' + lines + inner)) == {"f": LONGEST_BODY + 1, "g": 1}


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


def test_every_tag_of_the_further_studies_stands_in_notation_code_tests_and_pages():
    notation = (ROOT / "tutorials" / "notation.md").read_text()
    code = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py") if path.name != "test_house.py")
    for k in range(9, 17):
        assert f"(E{k})" in notation and f"(E{k})" in code and re.search(rf"\bE{k}\b", tests), k
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
