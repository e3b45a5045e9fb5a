"""The notebook runs from its first cell to its last, and its model has learned."""

import json
import os
import sys

import pytest

from tests.support.paths import ROOT

NOTEBOOK = os.path.join(ROOT, "examples", "finetune_nsmc.ipynb")
RUN = '"runs/notebook"'

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 9), reason="nbclient and ipykernel are for Python 3.9 and up"
)


def printed(cell):
    return "".join(output.get("text", "") for output in cell["outputs"])


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell["source"] = cell["source"].replace(RUN, json.dumps(str(tmp_path / "run")))
    nbclient.NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": os.path.dirname(NOTEBOOK)}},
    ).execute()
    cells = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    (accuracy,) = [
        float(printed(cell).split(":")[1])
        for cell in cells
        if printed(cell).startswith("test accuracy:")
    ]
    assert accuracy > 0.65  # one class always: 0.5
    assert "정말 재미있는 영화" in printed(cells[-2])
    assert printed(cells[-1]).count("'label_name'") == 2


def test_the_notebook_is_kept_without_outputs():
    with open(NOTEBOOK, encoding="utf-8") as reader:
        notebook = json.load(reader)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def test_the_run_folder_is_named_once():
    with open(NOTEBOOK, encoding="utf-8") as reader:
        assert json.dumps(json.load(reader)).count(json.dumps(RUN)[1:-1]) == 1
