"""A run that was stopped is gone on with, and what has been damaged is named."""

import itertools

import pytest

from handgrad import modelfile, runs
from handgrad.data.dataset import Examples, assemble
from handgrad.errors import HandgradError, UsageError
from handgrad.training.loop import Run
from small_runs import SMALL, STEPS, contents, ends_alike, finish


def test_a_run_can_be_taken_up_from_its_first_moment(tmp_path, spots, unstopped):
    folder = runs.begin(Run(SMALL, spots), tmp_path / "run")
    assert {"recipe.toml", "history.jsonl", "model.safetensors", "checkpoint.safetensors"} == contents(folder).keys()
    assert [] == runs.history_of(folder)
    assert 0 == modelfile.load(folder.model).provenance["epoch"]

    run = runs.taken_up(folder, spots)
    finish(run, folder)

    ends_alike(unstopped, run, folder)


@pytest.mark.parametrize("updates", [1, 3, STEPS, STEPS + 1, 2 * STEPS, 4 * STEPS - 1, 4 * STEPS])
def test_a_run_that_is_stopped_is_taken_up(updates, folder, spots, unstopped):
    run = Run(SMALL, spots)
    finish(run, folder, stop=lambda: run.updates == updates)
    assert not run.finished

    again = runs.taken_up(folder, spots)
    finish(again, folder)

    ends_alike(unstopped, again, folder)


def test_a_run_that_is_stopped_again_and_again_is_taken_up(folder, spots, unstopped):
    run = Run(SMALL, spots)
    asked = itertools.count(1)
    while not run.finished:
        finish(run, folder, stop=lambda: next(asked) % 3 == 0)
        run = runs.taken_up(folder, spots)

    ends_alike(unstopped, run, folder)


def test_a_finished_run_is_taken_up_and_stays_as_it_is(folder, spots):
    finish(Run(SMALL, spots), folder)
    before = contents(folder)

    run = runs.taken_up(folder, spots)

    assert run.finished
    assert [] == finish(run, folder)
    assert before == contents(folder)


def test_a_run_that_was_never_saved_cannot_be_taken_up(folder, spots):
    with pytest.raises(HandgradError) as caught:
        runs.taken_up(folder, spots)

    assert f"{folder.path} was stopped before it was first saved; start it anew in another folder" == str(caught.value)


def test_a_run_is_not_taken_up_with_another_recipe(folder, spots):
    run = Run(SMALL, spots)
    finish(run, folder, stop=lambda: run.updates == 3)
    folder.recipe.write_text(SMALL.but(learning_rate=0.06).to_toml(), encoding="utf-8")
    before = contents(folder)

    with pytest.raises(UsageError) as caught:
        runs.taken_up(folder, spots)

    assert (
        f"{folder.recipe} is not the recipe that this run began with; undo the change, or start a new run with it"
        == str(caught.value)
    )
    assert before == contents(folder)
    folder.recipe.write_text("# undone\n" + SMALL.to_toml(), encoding="utf-8")
    assert 3 == runs.taken_up(folder, spots).updates


def test_a_run_is_not_taken_up_with_another_teacher(folder, spots, tmp_path):
    finish(Run(SMALL, spots), folder)
    pupil = runs.begin(Run(SMALL, spots), tmp_path / "pupil")
    pupil.recipe.write_text(SMALL.but(teachers=[str(folder.path)]).to_toml(), encoding="utf-8")

    with pytest.raises(UsageError, match="is not the recipe that this run began with"):
        runs.taken_up(pupil, spots)


def test_a_run_is_not_taken_up_with_a_broken_recipe(folder, spots):
    finish(Run(SMALL, spots), folder)
    folder.recipe.write_text("epochs = 0", encoding="utf-8")

    with pytest.raises(UsageError, match="epochs = 0: "):
        runs.taken_up(folder, spots)


def test_a_run_is_not_taken_up_with_other_data(folder, spots):
    finish(Run(SMALL, spots), folder)
    images = spots.test.images.copy()
    images[0, 0] ^= 1
    other = assemble(
        "other",
        spots.training,
        Examples(images, spots.test.labels),
        image_shape=spots.image_shape,
        classes=spots.classes,
    )

    with pytest.raises(HandgradError, match="the run was trained on other data than other holds now"):
        runs.taken_up(folder, other)


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-9], lambda raw: raw[:0], lambda raw: raw[8:], lambda raw: b"\x80" + raw]
)
def test_a_damaged_checkpoint_is_named(spoil, folder, spots):
    finish(Run(SMALL, spots), folder)
    folder.checkpoint.write_bytes(spoil(folder.checkpoint.read_bytes()))

    with pytest.raises(HandgradError) as caught:
        runs.taken_up(folder, spots)

    assert str(folder.checkpoint) in str(caught.value)


def test_a_history_that_is_not_there_is_named(folder):
    with pytest.raises(HandgradError) as caught:
        runs.history_of(folder)

    assert f"cannot read {folder.history}: no such file or directory" == str(caught.value)


@pytest.mark.parametrize(
    "content", [b"text", b"{}", b'{"epoch": 1', b'{"epoch": "1"}', b"\xff", b'{"x":' + b"[" * 100_000]
)
def test_a_damaged_history_is_named(content, folder, spots):
    finish(Run(SMALL, spots), folder)
    folder.history.write_bytes(folder.history.read_bytes() + content)

    with pytest.raises(HandgradError) as caught:
        runs.history_of(folder)

    assert str(caught.value).startswith(f"{folder.history} is damaged: ")
