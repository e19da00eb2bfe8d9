"""Renders the tutorials: each NN_name.py, run as a notebook, becomes NN_name.md.

    pip install -e ".[tutorials]" && python tutorials/render.py

Names can be given to render some pages only.  Rendering twice changes nothing but the times on page 06.
"""

import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

HERE = Path(__file__).resolve().parent


def render(source):
    """Run a percent-cell script in its folder and write what it says and prints as Markdown."""
    notebook = jupytext.read(source)
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python",
                                       "display_name": "Python 3"}
    NotebookClient(notebook, coalesce_streams=True, resources={"metadata": {"path": str(HERE)}}).execute()
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    lines = (line.rstrip() for line in text.strip().splitlines())
    page = "\n".join(lines)
    while "\n\n\n" in page:
        page = page.replace("\n\n\n", "\n\n")
    source.with_suffix(".md").write_text(page + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.py")
                                       if path.stem != "render"):
        print(name)
        render((HERE / name).with_suffix(".py"))
