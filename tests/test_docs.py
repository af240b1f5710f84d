"""What docs/backprop.md says is true.

Its links point at the lines they name, every formula of the engine is among them, and the engine agrees with every
number that is worked out by hand.
"""

import ast
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import handgrad.engine
from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.optimizers import SGD

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "backprop.md").read_text(encoding="utf-8")
ENGINE = Path(handgrad.engine.__file__).parent
FORMULAS = frozenset({"activate", "add_gradient", "backward", "delta", "project", "rate", "update"})
SUBSCRIPTS = str.maketrans("₁₂", "12")


def link_docs(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "link-docs", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_every_link_points_at_the_lines_it_names():
    result = link_docs("--check")

    assert 0 == result.returncode, result.stderr


@pytest.fixture
def page(tmp_path):
    """A page whose two links are stale, beside a module of two functions and a name."""
    (tmp_path / "module.py").write_text(
        "LIMIT: int = 3\n\n\nclass Layer:\n    def forward(self):\n        return 1\n", encoding="utf-8"
    )
    page = tmp_path / "page.md"
    page.write_bytes(b"[`Layer.forward`](module.py#L1-L2)\r\nand [`LIMIT`](module.py#L), but [`x.py`](module.py)\n")
    return page


def test_a_link_follows_its_lines(page):
    result = link_docs(page)

    assert (0, "page.md: relinked.\n") == (result.returncode, result.stdout)
    assert b"[`Layer.forward`](module.py#L5-L6)\r\nand [`LIMIT`](module.py#L1), but [`x.py`](module.py)\n" == (
        page.read_bytes()
    )
    assert (0, "") == (link_docs(page).returncode, link_docs("--check", page).stderr)


def test_a_stale_link_is_reported_in_a_sentence(page):
    before = page.read_bytes()

    result = link_docs("--check", page)

    assert 1 == result.returncode
    assert "page.md has links to lines that have moved: run scripts/link-docs.\n" == result.stderr
    assert before == page.read_bytes()


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("[`Layer.back`](module.py#L1)", "page.md links `Layer.back`, but module.py defines no such name.\n"),
        ("[`LIMIT.x`](module.py#L1)", "page.md links `LIMIT.x`, but module.py defines no such name.\n"),
        ("[`Layer`](gone.py#L1)", "page.md links `Layer` to gone.py, which is not there.\n"),
    ],
)
def test_a_link_that_leads_nowhere_is_reported(page, link, sentence):
    page.write_text(link, encoding="utf-8")

    result = link_docs(page)

    assert (1, sentence) == (result.returncode, result.stderr)
    assert link == page.read_text(encoding="utf-8")


def test_a_page_is_held_to_the_lines_of_today(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ENGINE, tmp_path / "src" / "handgrad" / "engine")
    for module in (tmp_path / "src" / "handgrad" / "engine").glob("*.py"):
        module.write_text("\n" + module.read_text(encoding="utf-8"), encoding="utf-8")

    assert 1 == link_docs("--check", tmp_path / "docs" / "backprop.md").returncode


def formulas() -> list[str]:
    """`Class.method` for each formula that the engine spells out."""
    names = []
    for path in sorted(ENGINE.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            methods = node.body if isinstance(node, ast.ClassDef) else []
            names += [
                f"{node.name}.{method.name}"
                for method in methods
                if isinstance(method, ast.FunctionDef)
                and method.name in FORMULAS
                and not any(getattr(decorator, "id", None) == "abstractmethod" for decorator in method.decorator_list)
            ]
    return names


@pytest.mark.parametrize("name", formulas())
def test_every_formula_is_derived(name):
    assert f"[`{name}`](../src/handgrad/engine/" in PAGE


def headings() -> set[str]:
    """The anchors that GitHub gives to the headings of the page."""
    titles = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_link_within_the_page_leads_to_a_heading():
    linked = set(re.findall(r"\]\(#([^)]*)\)", PAGE))

    assert len(linked) > 10
    assert set() == linked - headings()


def pairs(cells: tuple[str, ...]) -> list[tuple[str, str]]:
    """The cells of a table that has two columns several times, side by side."""
    return list(zip(cells[::2], cells[1::2], strict=True))


def rows(heading: str = "") -> list[tuple[str, ...]]:
    """The rows of all tables with numbers, in the section of this heading or on the whole page: (name, ..., value)."""
    _, _, section = PAGE.partition(f"\n## {heading}\n") if heading else ("", "", PAGE)
    section = section.partition("\n## ")[0] if heading else section
    found = []
    numbers = False
    for line in section.splitlines():
        if not line.startswith("|"):
            numbers = False
            continue
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if cells[0] in {"number", "given"}:
            numbers = True
        elif numbers and set(line) != set("|-"):
            found += [cells] if len(cells) == 3 else [pair for pair in pairs(cells) if any(pair)]
    return found


def work_out(text: str) -> float:
    """What `2 · exp(-1) + 3^2` comes to."""
    python = text.replace("·", "*").replace("^", "**")
    return eval(python, {"__builtins__": {}}, {"exp": math.exp, "log": math.log, "max": max})


def last_place(value: str) -> float:
    """The weight of the last digit that is written: 0.01 for 0.31, 1e-6 for 1.6e-5."""
    mantissa, _, exponent = value.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize("row", [row for row in rows() if len(row) == 3], ids=lambda row: row[0])
def test_what_is_worked_out_by_hand_is_right(row):
    _, worked_out, value = row

    assert float(value) == pytest.approx(work_out(worked_out), rel=2e-4, abs=0.55 * last_place(value))


def test_the_pencil_and_the_engine_agree():
    table = {row[0].translate(SUBSCRIPTS): float(row[-1]) for row in rows("A network small enough for a pencil")}
    network = Network.fully_connected(2, [2], 2, dtype=np.float64)
    (W, b), _, (V, c) = network.views()
    for letter, array in {"W": W, "b": b, "V": V, "c": c}.items():
        for place in np.ndindex(array.shape):
            array[place] = table[letter + "".join(str(index + 1) for index in place)]
    a = TrainingPass(network, 1, SoftmaxCrossEntropy())
    a.x[...] = table["x1"], table["x2"]
    a.targets[...] = table["t1"], table["t2"]
    noise = np.random.default_rng()

    def forward(prime=""):
        y = a.forward_training(noise)[0].copy()
        hidden = a._arrays[1].y[0].copy()
        z = a.x[0] @ W + b
        return {
            f"z{prime}": z,
            f"a{prime}": hidden,
            f"y{prime}": y,
            f"e{prime}": np.exp(y - y.max()),
            f"p{prime}": network.predict_probabilities(a.x)[0],
        }

    computed = forward()
    computed["L"] = np.array(a.backward())
    (dW, db), _, (dV, dc) = network.views(a.gradient)
    computed |= {"dW": dW, "db": db, "dV": dV, "dc": dc, "dy": dc, "dz": db, "da": dc @ V.T}
    computed = {name: array.copy() for name, array in computed.items()}
    promised = table["η"] * float(np.dot(a.gradient, a.gradient))
    SGD(network.theta.size, np.float64).step(network.theta, a.gradient, table["η"])
    computed |= {"W′": W, "b′": b, "V′": V, "c′": c, **forward("′"), "L′": np.array(a.backward())}
    given = {"x", "t", "η", "W", "b", "V", "c"}
    assert promised == pytest.approx(table["the fall that the slope promised"], abs=0.5e-4)
    assert float(computed["L"] - computed["L′"]) == pytest.approx(table["the fall that came"], abs=1e-4)

    checked = 0
    for name, value in table.items():
        letters, indices, prime = re.fullmatch(r"(\D+?)(\d*)(′?)", name).groups()
        if letters + prime in given or " " in name:
            continue
        place = tuple(int(index) - 1 for index in indices)
        assert value == pytest.approx(computed[letters + prime][place], abs=0.5e-4), name
        checked += 1
    assert 46 == checked
