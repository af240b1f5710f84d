import msgspec
import pytest
from benchmarks.cell import Cell
from benchmarks.contest import Entry, Ratio, Result, Standing
from benchmarks.contestant import Turn
from benchmarks.growth import GrowthResult, Point
from benchmarks.inference import judged as judged_inference
from benchmarks.machine import here
from benchmarks.memory import Peak
from benchmarks.prediction import PredictionJob
from benchmarks.startup import StartupResult
from benchmarks.training import AdamResult, judged

from benchmarks import report, results
from handgrad.errors import HandgradError

PAGE = """# How fast

<!-- measured: machine -->
old
<!-- end -->

By hand.

<!-- measured: training -->
<!-- end -->
"""


def cell(network, batch, optimizer):
    def standing(seconds, outcome):
        return Standing(2, {}, [Turn(seconds, 1.0), Turn(seconds * 1.1, 1.0)], [outcome] * 2, {"torch": "2.0"})

    standings = {
        "handgrad": standing(1.0, 0.97),
        "torch": standing(2.0, 0.97),
        "jax": standing(1.2, 0.9),
        "floor": standing(0.8, None),
    }
    return judged(Cell(network, batch, optimizer), Result(standings, {"keras": "ImportError: no"}, {"jax": 0.2}), 5)


@pytest.fixture
def measured():
    cells = [cell("wide", 512, "adam"), cell("small", 64, "sgd"), cell("small", 32, "adam")]
    job = PredictionJob(model="m", images=2, calls=1)
    standings = {
        "handgrad": Standing(1, {}, [Turn(1e-5, 1.0)], [[1, 2]], {}),
        "ONNX Runtime": Standing(1, {}, [Turn(2e-5, 1.0)], [[1, 2]], {"onnxruntime": "1.0"}),
        "PyTorch": Standing(1, {}, [Turn(5e-6, 1.0)], [[1, 3]], {}),
    }
    entries = [
        Entry("handgrad", "handgrad", job),
        Entry("ONNX Runtime", "onnx", job),
        Entry("PyTorch", "torch", job),
        Entry("JAX", "jax", job),
    ]
    one = judged_inference(Result(standings, {"JAX": "no"}, {}), entries, 1, "m")
    axes = {
        name: [Point(x, x / 1e3, x / 2e3, x / 5e2, x / 2e3, 1) for x in (8, 64, 512)]
        for name in ("width", "depth", "batch", "images")
    }
    machine = here()
    earlier = msgspec.structs.replace(machine, handgrad="0.0.9 (abc)", day="2026-01-02")
    return results.Results(
        machine,
        {c.cell.name: machine for c in cells} | {results.STARTING: earlier, results.GROWTH: machine},
        {c.cell.name: c for c in cells},
        AdamResult(1.0, 1.2, Ratio(1.2, 1.1, 1.3)),
        {"1": one},
        StartupResult(
            {"handgrad --help": 0.1, 'python -c "import torch"': 1.0},
            Ratio(10.0, 9.0, 11.0),
            {"handgrad train": Peak(100.0, 90.0, 1, 2.0), "the same job in PyTorch": Peak(400.0, 400.0, 1, 3.0)},
            {"handgrad train": 0.25},
        ),
        GrowthResult(axes, 1e11, 2),
    )


def test_only_what_stands_between_marks_is_rewritten():
    page = report.rewritten(PAGE, {"machine": "new\n"})

    assert PAGE.replace("old\n", "\nnew\n\n") == page
    assert page == report.rewritten(page, {"machine": "new"})


def test_a_part_without_a_place_is_an_error():
    with pytest.raises(HandgradError, match="the page has no place for growth"):
        report.rewritten(PAGE, {"growth": "…"})


def test_a_backslash_in_a_part_is_a_backslash():
    assert r"\1 \g<x>" in report.rewritten(PAGE, {"training": r"\1 \g<x>"})


def test_the_page_that_ships_has_a_place_for_every_part(measured):
    page = report.rewritten(report.PAGE.read_text(encoding="utf-8"), report.parts_of(measured))

    assert f"handgrad {here().handgrad}: {'; '.join(measured.cells)}; growth\n" in page
    assert "- 2026-01-02, handgrad 0.0.9 (abc): starting and memory\n" in page
    assert "| 64 | sgd | 1.05 | 2.00 (2.00–2.00) | not counted | 0.80 (0.80–0.80) |" in page
    assert "784-128-64-10, batch 64, sgd: JAX is not counted: it ended at 90.00% and handgrad at 97.00%" in page
    assert "784-128-64-10, batch 64, sgd: Keras failed: ImportError: no" in page
    assert "| PyTorch | 1 | 5.0 | 0.50 | 0.50 | 0.50 | 50.00% |" in page
    assert "prediction of one image, fastest peer | 2.00 (ONNX Runtime) | >= 1 | yes |" in page
    assert "| handgrad --help over import torch | 0.10 | <= 0.25 | yes |" in page


def test_the_whole_report_is_written_and_written_again_the_same(measured, tmp_path):
    page = tmp_path / "performance.md"
    page.write_bytes(report.PAGE.read_bytes())

    written = report.write(measured, page, tmp_path / "figures")
    before = {path: path.read_bytes() for path in written}
    again = report.write(measured, page, tmp_path / "figures")

    assert ["training.png", "growth.png", "performance.md"] == [path.name for path in written]
    assert all(before[path] == path.read_bytes() for path in again)
    assert all(before[path].startswith(b"\x89PNG") for path in written[:2])


def test_many_cells_are_counted():
    machine, batches = here(), (32, 64, 128, 256, 512)
    cells = {each.cell.name: each for each in (cell("small", batch, "sgd") for batch in batches)}
    lines = report.machine_lines(results.Results(machine, dict.fromkeys([*cells, results.ADAM], machine), cells))

    assert len(cells) > report.FEW_CELLS
    assert ": 5 cells of training; Adam over SGD" in lines


def test_without_a_page_there_is_a_sentence(measured, tmp_path):
    with pytest.raises(HandgradError, match="cannot read the page"):
        report.write(measured, tmp_path / "none.md", tmp_path)


def test_results_come_back_as_they_were_and_in_the_table_s_order(measured, tmp_path):
    results.write(tmp_path / "new" / "results.json", measured)
    back = results.read(tmp_path / "new" / "results.json")

    assert msgspec.to_builtins(measured) == msgspec.to_builtins(back)
    assert [("small", 32), ("small", 64), ("wide", 512)] == [(r.cell.network, r.cell.batch) for r in back.in_order()]


def test_results_that_are_none_are_refused(tmp_path):
    with pytest.raises(HandgradError, match="cannot read the results"):
        results.read(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"machine": 3}', encoding="utf-8")
    with pytest.raises(HandgradError, match="holds no results of this version"):
        results.read(tmp_path / "bad.json")
