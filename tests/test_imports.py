"""What each part of the package pulls in.

The engine stands on NumPy and the standard library. The command line answers at once because what is slow to
load is loaded only by the commands that use it. Each question is put to a fresh interpreter, for this one has
loaded pytest and much besides.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import handgrad

PACKAGE = Path(handgrad.__file__).parent
HEAVY = frozenset({"sklearn", "scipy", "matplotlib", "pooch", "PIL"})

# NumPy comes first, so that what it loads itself is not held against the engine. A module without a spec is
# no file: Cython leaves two such names behind.
LOADED = """
import json, sys
import numpy
before = set(sys.modules)
{statements}
new = set(sys.modules) - before
print("\\n" + json.dumps([name for name in new if getattr(sys.modules[name], "__spec__", None)]))
"""

# The package is forgotten before each import, so that each module has to find its own way in.
ONE_BY_ONE = """
import importlib, json, sys, traceback
failures = {}
for name in json.loads(sys.argv[1]):
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "handgrad"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException:
        failures[name] = traceback.format_exc()
print("\\n" + json.dumps(failures))
"""

HELP = """
from handgrad.cli import main
sys.argv = ["handgrad", "--help"]
try:
    main()
except SystemExit as leaving:
    assert leaving.code in (None, 0), leaving.code
"""


def modules(folder: Path) -> Iterator[str]:
    """The dotted names of all modules of the package in and under `folder`."""
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def ask(program: str, *arguments: str) -> list[str] | dict[str, str]:
    """What a fresh interpreter prints, as JSON, on the last line of the program."""
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def loaded_by(statements: str) -> set[str]:
    return set(ask(LOADED.format(statements=statements)))


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def imported_names(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def belongs_to_the_engine(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top == "numpy" or f"{name}.".startswith("handgrad.engine.")


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine").rglob("*.py")), ids=lambda path: path.stem)
def test_the_engine_names_only_numpy_and_the_standard_library(path):
    foreign = [name for name in imported_names(path) if not belongs_to_the_engine(name)]

    assert [] == foreign


def test_the_engine_loads_only_numpy_and_the_standard_library():
    loaded = loaded_by("\n".join(f"import {name}" for name in modules(PACKAGE / "engine")))
    foreign = sorted(name for name in loaded if not belongs_to_the_engine(name))

    assert "handgrad.engine.network" in loaded
    assert ["handgrad"] == foreign


@pytest.mark.parametrize("name", ["handgrad", "handgrad.engine", "handgrad.cli"])
def test_importing_loads_nothing_heavy(name):
    loaded = loaded_by(f"import {name}")

    assert name in loaded
    assert set() == roots(loaded) & HEAVY


def test_asking_for_help_loads_nothing_heavy():
    assert set() == roots(loaded_by(HELP)) & HEAVY


def test_what_is_heavy_is_noticed():
    assert {"sklearn", "scipy"} == roots(loaded_by("import sklearn.datasets")) & {"sklearn", "scipy"}


@pytest.fixture(scope="module")
def failures() -> dict[str, str]:
    """The traceback of each module that cannot be imported by itself."""
    return ask(ONE_BY_ONE, json.dumps(list(modules(PACKAGE))))


@pytest.mark.parametrize("name", list(modules(PACKAGE)))
def test_each_module_imports_by_itself(failures, name):
    assert None is failures.get(name), failures.get(name)
