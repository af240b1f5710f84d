"""A run's folder tells the whole story."""

import json

import msgspec
import numpy as np
import pytest

from handgrad import modelfile, runs
from handgrad.data.normalization import Normalization
from handgrad.errors import HandgradError
from handgrad.training import checkpoint, loop
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord, Progress
from small_runs import SMALL, STEPS, contents, finish, without_time


def test_a_finished_run_tells_the_whole_story(folder, spots):
    run = Run(SMALL, spots)

    records = finish(run, folder)

    assert [EpochRecord] * 4 == [type(record) for record in records if not isinstance(record, Progress)]
    assert run.history == runs.history_of(folder) == [record for record in records if isinstance(record, EpochRecord)]
    assert {"recipe.toml", "history.jsonl", "model.safetensors", "checkpoint.safetensors"} == contents(folder).keys()
    lines = [json.loads(line) for line in folder.history.read_text(encoding="utf-8").splitlines()]
    assert [list(EpochRecord.__struct_fields__)] * 4 == [list(line) for line in lines]

    model = modelfile.load(folder.model)
    assert run.network.theta.tobytes() == model.network.theta.tobytes()
    assert (spots.classes, spots.image_shape, 255) == (model.classes, model.image_shape, model.white)
    answers = model.predict_probabilities(spots.test.images).argmax(axis=1)
    assert run.history[-1].test_accuracy == (answers == spots.test.labels).mean()


def test_a_model_says_where_it_comes_from(folder, spots):
    recipe = SMALL.but(validation=0.2)
    run = Run(recipe, spots)
    finish(run, folder)

    provenance = modelfile.load(folder.model).provenance

    assert recipe == msgspec.convert(provenance["recipe"], Recipe)
    assert spots.fingerprint == provenance["data"]
    assert 4 == provenance["epoch"]
    assert run.history[-1].test_accuracy == provenance["test_accuracy"]
    assert run.history[-1].validation_accuracy == provenance["validation_accuracy"]
    assert {"handgrad", "numpy", "python"} == provenance["versions"].keys()


def test_with_early_stopping_the_best_epoch_is_the_model(folder, spots):
    run = Run(SMALL.but(epochs=20, learning_rate=0.5, validation=0.2, early_stopping=2), spots)
    finish(run, folder)

    model = modelfile.load(folder.model)

    assert run.result().theta.tobytes() == model.network.theta.tobytes() != run.network.theta.tobytes()
    assert run.best_record.epoch == model.provenance["epoch"] < run.epochs_done
    assert run.best_record.test_accuracy == model.provenance["test_accuracy"]


def test_a_model_from_the_middle_of_an_epoch_claims_no_accuracy(folder, spots):
    run = Run(SMALL, spots)
    finish(run, folder, stop=lambda: run.updates == STEPS + 2)

    provenance = modelfile.load(folder.model).provenance

    assert (1, None, None) == (
        provenance["epoch"],
        provenance["test_accuracy"],
        provenance["validation_accuracy"],
    )


def test_two_runs_leave_the_same_bytes_but_for_the_clock(tmp_path, spots):
    folders = [runs.found(SMALL, tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        finish(Run(SMALL, spots), folder)

    one, two = map(contents, folders)

    assert one["model.safetensors"] == two["model.safetensors"]
    assert one["recipe.toml"] == two["recipe.toml"]
    assert without_time(runs.history_of(folders[0])) == without_time(runs.history_of(folders[1]))


def test_each_epoch_is_on_the_disk_before_it_is_told(folder, spots):
    run = Run(SMALL, spots)

    for record in runs.conduct(run, folder):
        assert record == runs.history_of(folder)[-1]
        assert run.network.theta.tobytes() == modelfile.load(folder.model).network.theta.tobytes()
        assert run.network.theta.tobytes() == checkpoint.load(folder.checkpoint).arrays["theta"].tobytes()


def test_progress_is_passed_on(folder, spots, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", -1.0)  # after every update

    records = finish(Run(SMALL, spots), folder)

    assert ([Progress] * STEPS + [EpochRecord]) * 4 == [type(record) for record in records]


def test_what_is_saved_is_folded(spots, tmp_path):
    recipe = Recipe(hidden_layer_sizes=(8, 6), epochs=2, batch_size=8, batch_norm=True, dropout=0.1, averaging=0.9)
    run = Run(recipe, spots)
    folder = runs.begin(run, tmp_path / "run")
    for _ in runs.conduct(run, folder):
        pass

    saved = modelfile.load(folder.model)

    assert recipe.but(batch_norm=False, dropout=0.0).network(16, 3).layers == saved.network.layers
    x = spots.test.images.astype(np.float32) / 255
    np.testing.assert_allclose(saved.network.logits(x), run.result().logits(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("look", [Normalization(deskew=True), Normalization(width=0.5)], ids=str)
def test_a_run_on_images_made_alike_leaves_a_model_that_sees_them_so(look, spots, tmp_path):
    recipe = SMALL.but(deskew=look.deskew, normalize_width=look.width)
    folder = runs.found(recipe, tmp_path / "run")
    run, plain = runs.prepared(recipe, spots), runs.prepared(SMALL, look.dataset(spots))
    finish(run, folder)
    list(plain.records())

    assert plain.network.theta.tobytes() == run.network.theta.tobytes()
    assert without_time(plain.history) == without_time(run.history)
    model = modelfile.load(folder.model)
    assert look == model.normalization
    answers = model.predict_probabilities(spots.test.images).argmax(axis=1)
    assert run.history[-1].test_accuracy == np.mean(answers == spots.test.labels)
    assert runs.taken_up(folder, spots).finished


def test_teachers_that_do_not_see_images_alike_are_refused(spots, tmp_path):
    names = []
    for look in ({}, {"deskew": True}):
        folder = runs.found(SMALL, tmp_path / f"teacher-{len(names)}")
        finish(runs.prepared(SMALL.but(**look), spots), folder)
        names.append(str(folder.path))

    with pytest.raises(HandgradError, match="the teachers do not all see images alike"):
        runs.prepared(SMALL.but(teachers=names), spots)


@pytest.mark.parametrize(
    ("teacher", "pupil", "flags"),
    [
        ({"deskew": True}, {}, "--deskew --normalize-width 0"),
        ({}, {"deskew": True}, "--no-deskew --normalize-width 0"),
        ({"normalize_width": 0.75}, {"normalize_width": 0.5}, "--no-deskew --normalize-width 0.75"),
        ({"normalize_width": 0.1234567}, {"normalize_width": 0.12}, "--no-deskew --normalize-width 0.1234567"),
    ],
)
def test_a_teacher_must_see_what_its_pupil_sees(teacher, pupil, flags, spots, folder):
    finish(runs.prepared(SMALL.but(**teacher), spots), folder)
    taught = SMALL.but(**pupil, teachers=[str(folder.path)])

    with pytest.raises(HandgradError, match=f"not see images as this recipe shows them; try {flags}$"):
        runs.prepared(taught, spots)
    runs.prepared(taught.but(**{"deskew": False, "normalize_width": 0.0, **teacher}), spots)
