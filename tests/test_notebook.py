"""The notebook runs from top to bottom, reaches what it says, and is committed as it ran."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
import types
import urllib.error
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "execute-notebook"
PROGRAM = runpy.run_path(str(SCRIPT))
NOTEBOOK = nbformat.read(PROGRAM["NOTEBOOK"], as_version=4)
CODE = {cell.id: cell for cell in NOTEBOOK.cells if cell.cell_type == "code"}
TEXT = {cell.id: cell for cell in NOTEBOOK.cells if cell.cell_type == "markdown"}
EXERCISES = sorted(int(name.split("-")[1]) for name in CODE if name.startswith("exercise-"))
FUNCTION = re.compile(r"^def (\w+)\(", re.MULTILINE)

REPORT = """
import json
print(json.dumps({
    "accuracy": float(final),
    "goal": GOAL,
    "gradient error": float(max(small.max(), whole.max())),
    "weights apart": worst,
    "lines": lines,
    "best": int(len(its_wrong)),
}))
"""


def solution_of(exercise: int) -> str:
    """The program that the folded solution shows."""
    (program,) = re.findall(r"```python\n(.*?)```", TEXT[f"solution-{exercise}"].source, re.DOTALL)
    return program


def solved(exercise: int) -> str:
    """The exercise's cell with the solution in the place of the stub."""
    stub, rest = CODE[f"exercise-{exercise}-code"].source.split("    return ...\n", 1)
    return stub[: stub.rindex("def ")] + solution_of(exercise) + rest


def printed(cell) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture(scope="module")
def executed(mnist, tmp_path_factory):  # noqa: ARG001 - the digits are in the cache before the kernel asks
    """The notebook as it has just run, with all exercises solved at its end, and OpenML out of reach."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.from_dict(NOTEBOOK)
    for exercise in EXERCISES:
        notebook.cells.append(nbformat.v4.new_code_cell(solved(exercise), id=f"solved-{exercise}"))
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT, id="report"))
    nbformat.write(notebook, folder / "before.ipynb")

    environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
    for scheme in ("http", "https"):
        environment[f"{scheme}_proxy"] = environment[f"{scheme}_proxy".upper()] = "http://127.0.0.1:9"
    environment["no_proxy"] = environment["NO_PROXY"] = ""
    words = [sys.executable, str(SCRIPT), str(folder / "before.ipynb"), "--out", str(folder / "after.ipynb")]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    assert 0 == done.returncode, done.stdout + done.stderr
    return {cell.id: cell for cell in nbformat.read(folder / "after.ipynb", as_version=4).cells}


@pytest.mark.mnist
def test_it_runs_and_reaches_what_it_says(executed) -> None:
    reached = json.loads(printed(executed["report"]))
    assert 0.9753 == reached["goal"]
    assert reached["accuracy"] >= reached["goal"]
    assert reached["gradient error"] < 1e-5
    assert reached["weights apart"] < 1e-10
    assert reached["lines"] <= 110
    assert reached["best"] < 70


@pytest.mark.mnist
@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_exercise_says_not_yet_and_then_right(executed, exercise) -> None:
    assert printed(executed[f"exercise-{exercise}-code"]).startswith(f"Exercise {exercise}, not yet: ")
    assert f"Exercise {exercise}: right.\n" == printed(executed[f"solved-{exercise}"])[-len("Exercise 1: right.\n") :]


@pytest.mark.mnist
def test_it_says_where_the_digits_come_from(executed) -> None:
    assert re.fullmatch(r"70,000 digits from handgrad's own loader, .*\(URLError\)\n", printed(executed["load"]))


def test_there_are_exercises_each_with_a_solution() -> None:
    assert list(range(1, 8)) == EXERCISES
    for exercise in EXERCISES:
        name = FUNCTION.findall(CODE[f"exercise-{exercise}-code"].source)[0]
        assert [name] == FUNCTION.findall(solution_of(exercise))


def test_it_is_committed_as_it_ran() -> None:
    assert [] == PROGRAM["complaints"](NOTEBOOK)
    assert list(range(1, len(CODE) + 1)) == [cell.execution_count for cell in CODE.values()]
    plotting = [
        name for name, cell in CODE.items() if re.search(r"^plt\.show\(\)|^gallery\(", cell.source, re.MULTILINE)
    ]
    assert len(plotting) > 15
    for name in plotting:
        assert any("image/png" in output.get("data", {}) for output in CODE[name].outputs), name


def test_it_is_in_the_form_that_the_script_gives_it() -> None:
    again = nbformat.from_dict(NOTEBOOK)
    PROGRAM["normalise"](again)
    assert nbformat.writes(again) == nbformat.writes(NOTEBOOK)


def test_no_percentage_is_typed_into_the_text() -> None:
    typed = {name: re.findall(r"\d[\d.,]*\s?\\?%", cell.source) for name, cell in TEXT.items()}
    typed = {name: found for name, found in typed.items() if found}
    assert {"train-words": ["97.53%"]} == typed  # the mark that the original notebook set


def test_the_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", "\n".join(cell.source for cell in TEXT.values()))
    assert links
    assert [] == [link for link in links if not (ROOT / link).is_file()]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (nbformat.v4.new_output("error", ename="ValueError", evalue="no"), "fails: ValueError: no"),
        (nbformat.v4.new_output("stream", name="stderr", text="careful"), "warns: careful"),
        (
            nbformat.v4.new_output("stream", name="stdout", text="see /home/somebody/x"),
            "of this machine is shown: '/home/'",
        ),
        (nbformat.v4.new_output("stream", name="stdout", text="x" * 3_000_000), "more than 3,000,000"),
    ],
)
def test_what_may_not_be_committed_is_named(output, said) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", id="here", outputs=[output])])
    (complaint,) = PROGRAM["complaints"](notebook)
    assert said in complaint


def test_a_failing_notebook_is_not_written(tmp_path) -> None:
    cells = [nbformat.v4.new_code_cell("1 / 0", id="here"), nbformat.v4.new_code_cell("1", id="there")]
    path = tmp_path / "failing.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, str(SCRIPT), str(path)], check=False, capture_output=True, text=True)
    assert 1 == done.returncode
    assert "cell here fails: ZeroDivisionError: division by zero" in done.stderr
    assert "Traceback" not in done.stderr
    assert before == path.read_bytes()


@pytest.fixture
def check(capsys):
    """What the notebook's `check` prints, for an answer and the cases it is tried on."""
    module = ast.parse(CODE["setup"].source)
    functions = [
        node for node in module.body if isinstance(node, ast.FunctionDef) and node.name in {"outline", "check"}
    ]
    names: dict[str, object] = {"np": np}
    exec(compile(ast.Module(functions, []), "setup", "exec"), names)

    def said(solve, *cases) -> str:
        names["check"](1, solve, *cases)
        return capsys.readouterr().out

    return said


def test_a_check_says_what_is_wrong(check) -> None:
    case = (np.array([1.0, 2.0]), [2.0, 4.0])
    assert "Exercise 1: right.\n" == check(lambda x: 2 * x, case)
    assert "Exercise 1, not yet: put your own code in the place of the dots.\n" == check(lambda _: ..., case)
    assert "Exercise 1, not yet: put your own code in the place of the dots.\n" == check(lambda _: None, case)
    assert "Exercise 1, not yet: given [1. 2.], it gives [1. 2.], and not [2. 4.].\n" == check(lambda x: x, case)
    assert "Exercise 1, not yet: given [1. 2.], the shape is (), and not (2,).\n" == check(np.sum, case)
    assert "Exercise 1, not yet: given [1. 2.], it gives [nan nan], and not [2. 4.].\n" == check(
        lambda x: 0 * x / 0, case
    )
    assert "given [1. 2.], your code raised KeyError: 3\n" in check(lambda _: {}[3], case)
    assert "Exercise 1, not yet: it gives 0., and not 1..\n" == check(lambda: False, (True,))
    many = (np.zeros((3, 4)), np.zeros((3, 4)))
    said = "Exercise 1, not yet: given an array of shape (3, 4), it gives other numbers than it should.\n"
    assert said == check(lambda x: x + 1, many)


def load_mnist(monkeypatch, fetch, load):
    """What the notebook's own loader gives, with these in the place of OpenML and of handgrad's sources."""
    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    monkeypatch.setattr("handgrad.data.sources.load", load)
    names: dict[str, object] = {"np": np, "warnings": __import__("warnings")}
    exec(compile(CODE["load"].source, "load", "exec"), names)
    return names["pixels"], names["names"]


PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)
LABELS = np.array([5, 0, 4])


def test_the_digits_come_from_openml_where_it_can_be_reached(monkeypatch, capsys) -> None:
    def fetch(name, **_):
        assert "mnist_784" == name
        return PIXELS.astype(np.int64), LABELS.astype(str).astype(object)

    pixels, labels = load_mnist(monkeypatch, fetch, None)
    assert "3 digits from OpenML\n" == capsys.readouterr().out
    assert np.uint8 == pixels.dtype
    np.testing.assert_array_equal(PIXELS, pixels)
    np.testing.assert_array_equal(LABELS, labels)


def test_and_else_from_handgrad(monkeypatch, capsys) -> None:
    def fetch(*_, **__):
        raise urllib.error.URLError("no such host")

    part = types.SimpleNamespace
    mnist = part(training=part(images=PIXELS[:2], labels=LABELS[:2]), test=part(images=PIXELS[2:], labels=LABELS[2:]))
    pixels, labels = load_mnist(monkeypatch, fetch, lambda _: mnist)
    assert (
        "3 digits from handgrad's own loader, for OpenML could not be reached (URLError)\n" == capsys.readouterr().out
    )
    np.testing.assert_array_equal(PIXELS, pixels)
    np.testing.assert_array_equal(LABELS, labels)
