"""The examples of docs/estimator.md do what they say, the search on a local Dask cluster among them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import handgrad

PAGE = Path(__file__).parents[2] / "docs" / "estimator.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS[:-1]:
        exec(compile(block, str(PAGE), "exec"), names)
    assert re.match(r"9\d\.\d%", capsys.readouterr().out)
    assert {"digits.safetensors", "digits.onnx"} == {file.name for file in tmp_path.iterdir()}


def test_the_search_runs_on_a_dask_cluster(tmp_path):
    program = tmp_path / "search.py"
    program.write_text(BLOCKS[-1], encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(handgrad.__file__).parents[1])},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    assert re.search(r"'hidden_layer_sizes': \(32,\), .* [89]\d\.\d%", result.stdout)
