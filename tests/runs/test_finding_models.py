"""A model is found by its run, its file or its name."""

import errno
from pathlib import Path

import pytest

import handgrad
from handgrad import models, runs
from handgrad.errors import HandgradError
from handgrad.training.loop import Run
from small_runs import SMALL, finish


def test_a_model_is_found_by_run_and_by_file(folder, spots):
    finish(Run(SMALL, spots), folder)

    assert folder.model == runs.find_model(str(folder.path)) == runs.find_model(str(folder.model))


def test_a_model_that_ships_is_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "clever.safetensors").write_bytes(b"")
    (tmp_path / "shipped" / "notes.txt").write_bytes(b"")
    monkeypatch.setattr(models, "_folder", lambda: tmp_path / "shipped")

    assert ["clever"] == models.names()
    assert tmp_path / "shipped" / "clever.safetensors" == runs.find_model("clever")
    with pytest.raises(HandgradError, match=r"there is no model 'quantum': .* or one of clever$"):
        runs.find_model("quantum")


def test_a_recipe_that_was_not_run_yet_is_told_how_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(
        HandgradError, match=r"no run runs/record here yet; to train it: handgrad train --recipe record$"
    ):
        runs.find_model("runs/record")
    with pytest.raises(HandgradError, match=r"there is no model 'runs/mine': "):
        runs.find_model("runs/mine")


def test_what_ships_lies_in_the_package():
    assert Path(handgrad.__file__).parent / "models" == models._folder()
    for name in models.names():
        assert models.path(name).is_file()


def test_a_folder_without_a_run_has_no_model(tmp_path):
    with pytest.raises(HandgradError, match="holds no run"):
        runs.find_model(str(tmp_path))


@pytest.mark.parametrize("text", ["x" * 5000, "\0", "quantum"])
def test_what_names_no_model_is_refused(text):
    with pytest.raises(HandgradError):
        runs.find_model(text)


def test_what_may_not_be_looked_at_is_named(monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", denied)

    with pytest.raises(HandgradError) as caught:
        runs.find_model("secret")

    assert "cannot read secret: permission denied" == str(caught.value)
