import shutil
from pathlib import Path

import pytest

NAMES = ["training_loss.png", "test_accuracy.png"]


@pytest.fixture
def runs(trained):
    for name in ("a/run", "b/run", "c"):
        shutil.copytree(trained, name)
        for figure in NAMES:
            Path(name, figure).unlink()
    return ["a/run", "b/run", "c"]


def test_one_run_is_drawn_into_its_folder(handgrad, runs):
    answer = handgrad("plot", runs[0])

    assert (0, "") == (answer.code, answer.err)
    assert [str(Path(runs[0], name)) for name in NAMES] == answer.out.splitlines()
    assert all(Path(runs[0], name).stat().st_size > 0 for name in NAMES)


def test_several_runs_are_drawn_together_here(handgrad, runs):
    answer = handgrad("plot", *runs)  # two of them are called the same

    assert (0, NAMES) == (answer.code, answer.out.splitlines())
    assert all(Path(name).stat().st_size > 0 for name in NAMES)


def test_the_place_can_be_chosen(handgrad, runs):
    answer = handgrad("plot", *runs, "--out", "figures/new")

    assert 0 == answer.code
    assert set(NAMES) == {path.name for path in Path("figures/new").iterdir()}


@pytest.mark.usefixtures("runs")
def test_what_is_no_run_is_refused(refused):
    Path("c/history.jsonl").write_text("{")
    Path("b/run/history.jsonl").write_text("")

    assert "holds no run" in refused(1, "plot", "nowhere")
    assert "damaged" in refused(1, "plot", "c")
    assert "no finished epoch" in refused(1, "plot", "b/run")
    assert "RUN" in refused(2, "plot")
    assert "folder" in refused(1, "plot", "a/run", "--out", "c/recipe.toml")
