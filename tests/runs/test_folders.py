"""A run's folder is begun, left alone and opened."""

import errno
import itertools
import os
from pathlib import Path

import pytest

from handgrad import runs
from handgrad.errors import HandgradError, UsageError
from handgrad.runs import RunFolder
from handgrad.training.loop import Run
from small_runs import SMALL, contents, full


def test_a_new_run_begins_with_its_recipe(folder):
    assert folder.exists()
    assert [folder.recipe] == list(folder.path.iterdir())
    assert SMALL == runs.recipe_of(folder)


def test_a_folder_has_a_place_for_each_part(tmp_path):
    folder = RunFolder(tmp_path)
    parts = (folder.recipe, folder.history, folder.model, folder.checkpoint, folder.training_loss, folder.test_accuracy)

    assert [
        "recipe.toml",
        "history.jsonl",
        "model.safetensors",
        "checkpoint.safetensors",
        "training_loss.png",
        "test_accuracy.png",
    ] == [part.relative_to(tmp_path).name for part in parts]


def test_a_folder_is_made_up_from_the_name(tmp_path):
    paths = [runs.found(SMALL, None).path for _ in range(3)]

    assert [Path("runs/small"), Path("runs/small-2"), Path("runs/small-3")] == paths
    assert Path("runs/my-own") == runs.found(SMALL.but(name="my own"), None).path
    assert tmp_path / "runs" == paths[0].resolve().parent


def test_a_folder_that_holds_a_run_is_left_alone(folder):
    before = contents(folder)

    with pytest.raises(UsageError) as caught:
        runs.found(SMALL.but(epochs=9), folder.path)

    assert (
        f"{folder.path} already holds a run: go on with it by --resume {folder.path}, or choose another --out"
        == str(caught.value)
    )
    assert before == contents(folder)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it", encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        runs.found(SMALL, tmp_path)

    assert f"{tmp_path} is not empty; choose another --out" == str(caught.value)
    assert ["thesis.txt"] == [path.name for path in tmp_path.iterdir()]


def test_an_empty_folder_will_do(tmp_path):
    assert SMALL == runs.recipe_of(runs.found(SMALL, tmp_path))


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"precious")

    with pytest.raises(UsageError) as caught:
        runs.found(SMALL, path)

    assert f"{path} is a file; choose another --out" == str(caught.value)
    assert b"precious" == path.read_bytes()


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path, monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)

    with pytest.raises(HandgradError) as caught:
        runs.found(SMALL, tmp_path)

    assert f"cannot look into {tmp_path}: permission denied; choose another --out" == str(caught.value)


def test_a_place_is_found_without_touching_the_disk(tmp_path):
    assert Path("runs/small") == runs.vacant(SMALL, None).path
    assert tmp_path / "new" == runs.vacant(SMALL, tmp_path / "new").path
    assert [] == list(tmp_path.iterdir())


def test_a_recipe_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(HandgradError, match="no space left on device"):
        runs.found(SMALL, tmp_path / "run")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("writes", range(4))
def test_a_run_that_cannot_be_begun_leaves_nothing(writes, error, tmp_path, spots, monkeypatch):
    works, left = os.replace, itertools.count(-writes)

    def fails(*args):
        if next(left) >= 0:
            raise error
        works(*args)

    monkeypatch.setattr(os, "replace", fails)

    with pytest.raises((HandgradError, KeyboardInterrupt)):
        runs.begin(Run(SMALL, spots), tmp_path / "run")

    assert [] == list(tmp_path.iterdir())


def test_a_run_that_came_first_is_left_alone(tmp_path, spots):
    path = tmp_path / "run"
    first = runs.begin(Run(SMALL, spots), path)
    before = contents(first)

    with pytest.raises(UsageError, match="already holds a run"):
        runs.begin(Run(SMALL, spots), path)

    assert before == contents(first)


@pytest.mark.parametrize("name", ["none", "", "x" * 5000])
def test_a_run_that_is_not_there_is_named(name, tmp_path):
    path = tmp_path / name

    with pytest.raises(HandgradError) as caught:
        runs.opened(path)

    assert f"{path} holds no run (no recipe.toml); a run is what `handgrad train` leaves behind" == str(caught.value)


def test_a_folder_that_may_not_be_entered_holds_no_run(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)

    assert not RunFolder(tmp_path).exists()


def test_a_run_that_is_there_is_opened(folder):
    assert folder == runs.opened(folder.path)
