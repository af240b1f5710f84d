"""Imports run one way.

The contracts stand in pyproject.toml. They are held over the real house, and over a house of paper that
breaks each of them, so that a contract which no longer catches anything is noticed.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import handgrad

CONTRACTS = Path(__file__).parents[1] / "pyproject.toml"
LINT = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(sys.argv[1], no_cache=True))
"""

ROOMS = (
    "engine",
    "errors",
    "files",
    "tensorfile",
    "data",
    "evaluation",
    "training",
    "modelfile",
    "plots",
    "models",
    "runs",
    "committee",
    "cli",
    "estimator",
)
ALLOWED = (
    ("files", "errors"),
    ("data", "files"),
    ("data", "engine"),
    ("data", "errors"),
    ("evaluation", "engine"),
    ("evaluation", "errors"),
    ("training", "engine"),
    ("training", "data"),
    ("training", "evaluation"),
    ("training", "errors"),
    ("tensorfile", "files"),
    ("training", "tensorfile"),
    ("modelfile", "tensorfile"),
    ("runs", "modelfile"),
    ("committee", "modelfile"),
    ("committee", "data"),
    ("cli", "committee"),
    ("runs", "models"),
    ("cli", "runs"),
    ("modelfile", "engine"),
    ("modelfile", "training"),
    ("plots", "evaluation"),
    ("plots", "errors"),
    ("estimator", "modelfile"),
    ("estimator", "training"),
    ("cli", "modelfile"),
    ("cli", "plots"),
    ("cli", "training"),
    ("cli", "data"),
)
FORBIDDEN = (
    ("engine", "errors"),
    ("engine", "files"),
    ("engine", "data"),
    ("engine", "training"),
    ("engine", "sklearn"),
    ("errors", "engine"),
    ("errors", "files"),
    ("files", "data"),
    ("data", "evaluation"),
    ("data", "training"),
    ("data", "plots"),
    ("data", "cli"),
    ("evaluation", "data"),
    ("evaluation", "training"),
    ("training", "modelfile"),
    ("training", "plots"),
    ("tensorfile", "data"),
    ("training", "runs"),
    ("modelfile", "plots"),
    ("modelfile", "runs"),
    ("modelfile", "cli"),
    ("plots", "runs"),
    ("runs", "cli"),
    ("runs", "committee"),
    ("committee", "runs"),
    ("plots", "data"),
    ("plots", "modelfile"),
    ("plots", "cli"),
    ("estimator", "cli"),
    ("cli", "estimator"),
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold the contracts over the package `handgrad` that lies in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", LINT, str(CONTRACTS)],
        cwd=folder,  # import-linter looks here first
        env=os.environ | {"COLUMNS": "200", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def module(name: str) -> str:
    return f"handgrad.{name}" if name in ROOMS else name


def build_of_paper(folder: Path, imports: tuple[tuple[str, str], ...]) -> None:
    """A package of empty rooms in `folder`, with one module for each of the imports."""
    house = folder / "handgrad"
    for room in ROOMS:
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").touch()
    (house / "__init__.py").touch()
    for importer, imported in imports:
        file = house / importer / f"to_{imported}.py"
        file.write_text(f"import {module(imported)}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a house that does everything forbidden."""
    folder = tmp_path_factory.mktemp("broken")
    build_of_paper(folder, FORBIDDEN)
    result = lint(folder)
    assert 1 == result.returncode, result.stdout + result.stderr
    return result.stdout


def test_the_house_keeps_its_contracts():
    result = lint(Path(handgrad.__file__).parents[1])

    assert 0 == result.returncode, result.stdout + result.stderr


def test_what_is_allowed_is_let_through(tmp_path):
    build_of_paper(tmp_path, ALLOWED)

    result = lint(tmp_path)

    assert 0 == result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_what_is_forbidden_is_caught(broken, importer, imported):
    assert f"{module(importer)}.to_{imported} -> {module(imported)} " in broken


def test_a_room_without_a_place_is_caught(tmp_path):
    build_of_paper(tmp_path, ())
    (tmp_path / "handgrad" / "utils.py").touch()

    result = lint(tmp_path)

    assert 1 == result.returncode
    assert "utils" in result.stdout
