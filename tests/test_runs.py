"""A run's folder tells the whole story, can be gone on from, and is whole at any moment, also after a kill."""

import errno
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

import handgrad
from handgrad import files, modelfile, models, runs
from handgrad.data.dataset import Examples, assemble
from handgrad.data.deskew import deskewed
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.errors import HandgradError, UsageError
from handgrad.runs import RunFolder
from handgrad.training import checkpoint, loop
from handgrad.training.loop import Diverged, Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord, Progress

SMALL = Recipe(
    name="small", hidden_layer_sizes=(8,), epochs=4, batch_size=8, learning_rate=0.05, optimizer="adam", dropout=0.1
)
STEPS = 7


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return runs.found(SMALL, tmp_path / "run")


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def finish(run, folder, stop=lambda: False):
    return list(runs.conduct(run, folder, stop))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def without_time(history):
    return [msgspec.structs.replace(record, seconds=0.0, images_per_second=0.0) for record in history]


def test_a_run_on_upright_images_leaves_a_model_that_sees_them_upright(spots, tmp_path):
    recipe = SMALL.but(deskew=True)
    folder = runs.found(recipe, tmp_path / "run")
    run, plain = runs.prepared(recipe, spots), runs.prepared(SMALL, deskewed(spots))
    finish(run, folder)
    list(plain.records())

    assert plain.network.theta.tobytes() == run.network.theta.tobytes()
    assert without_time(plain.history) == without_time(run.history)
    model = modelfile.load(folder.model)
    answers = model.predict_probabilities(spots.test.images).argmax(axis=1)
    assert run.history[-1].test_accuracy == np.mean(answers == spots.test.labels)
    assert runs.taken_up(folder, spots).finished


@pytest.mark.parametrize(("teacher", "switch"), [(True, "--deskew"), (False, "--no-deskew")])
def test_a_teacher_must_see_what_its_pupil_sees(teacher, switch, spots, folder):
    finish(runs.prepared(SMALL.but(deskew=teacher), spots), folder)

    with pytest.raises(HandgradError, match=f"not see images as this recipe shows them; try {switch}"):
        runs.prepared(SMALL.but(deskew=not teacher, teachers=[str(folder.path)]), spots)


@pytest.fixture
def unstopped(spots, tmp_path):
    """What a run ends with that nothing has happened to."""
    run = Run(SMALL, spots)
    finish(run, runs.found(SMALL, tmp_path / "unstopped"))
    return run


def ends_alike(expected, actual, folder):
    assert expected.network.theta.tobytes() == actual.network.theta.tobytes()
    assert without_time(expected.history) == without_time(actual.history) == without_time(runs.history_of(folder))
    assert expected.network.theta.tobytes() == modelfile.load(folder.model).network.theta.tobytes()


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


def test_a_run_can_be_taken_up_from_its_first_moment(tmp_path, spots, unstopped):
    folder = runs.begin(Run(SMALL, spots), tmp_path / "run")
    assert {"recipe.toml", "history.jsonl", "model.safetensors", "checkpoint.safetensors"} == contents(folder).keys()
    assert [] == runs.history_of(folder)
    assert 0 == modelfile.load(folder.model).provenance["epoch"]

    run = runs.taken_up(folder, spots)
    finish(run, folder)

    ends_alike(unstopped, run, folder)


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


def spoiled_at(monkeypatch, update):
    step = OPTIMIZERS["adam"].step

    def spoil(self, theta, gradient, learning_rate):
        step(self, theta, gradient, learning_rate)
        if self.t == update:
            theta[0] = np.nan

    monkeypatch.setattr(OPTIMIZERS["adam"], "step", spoil)


@pytest.mark.parametrize("update", [2 * STEPS + 1, 3 * STEPS - 1, 3 * STEPS])
def test_a_run_that_diverges_leaves_its_last_good_epoch(update, folder, spots, monkeypatch, unstopped):
    with monkeypatch.context() as patched:
        spoiled_at(patched, update)
        run = Run(SMALL, spots)
        with pytest.raises(Diverged, match="at epoch 3, update "):
            finish(run, folder)

    assert 2 == len(runs.history_of(folder))
    model = modelfile.load(folder.model)
    assert run.network.theta.tobytes() == model.network.theta.tobytes()
    assert 2 == model.provenance["epoch"]
    again = runs.taken_up(folder, spots)
    assert 2 == again.epochs_done
    finish(again, folder)  # what spoilt it has been mended
    ends_alike(unstopped, again, folder)


def test_a_run_stopped_on_what_is_no_number_leaves_its_last_good_epoch(folder, spots, monkeypatch):
    run = Run(SMALL, spots)
    spoiled_at(monkeypatch, STEPS + 3)

    with pytest.raises(Diverged, match="at epoch 2, update 3: "):
        finish(run, folder, stop=lambda: run.updates == STEPS + 3)

    assert 1 == modelfile.load(folder.model).provenance["epoch"]
    assert 1 == runs.taken_up(folder, spots).epochs_done


def test_a_run_that_diverges_at_once_leaves_its_start(tmp_path, spots, monkeypatch, unstopped):
    with monkeypatch.context() as patched:
        spoiled_at(patched, 3)
        run = Run(SMALL, spots)
        folder = runs.begin(run, tmp_path / "run")
        with pytest.raises(Diverged, match="at epoch 1, update 4: "):
            finish(run, folder)

    assert [] == runs.history_of(folder)
    assert Run(SMALL, spots).network.theta.tobytes() == modelfile.load(folder.model).network.theta.tobytes()
    again = runs.taken_up(folder, spots)
    finish(again, folder)
    ends_alike(unstopped, again, folder)


@pytest.mark.parametrize(("module", "name"), [(files, "_pour"), (os, "fsync"), (os, "replace")])
@pytest.mark.parametrize("writes", range(1, 4))
def test_a_full_disk_costs_no_epoch(module, name, writes, folder, spots, monkeypatch, unstopped):
    run = Run(SMALL, spots)
    records = runs.conduct(run, folder)
    next(records)
    left = itertools.count(-writes)
    works = getattr(module, name)

    def fills(*args):
        return works(*args) if next(left) < 0 else full()

    with monkeypatch.context() as patched:
        patched.setattr(module, name, fills)
        with pytest.raises(HandgradError, match="no space left on device"):
            list(records)

    assert {"recipe.toml", "history.jsonl", "model.safetensors", "checkpoint.safetensors"} == contents(folder).keys()
    modelfile.load(folder.model)
    again = runs.taken_up(folder, spots)
    assert again.epochs_done >= 1
    finish(again, folder)
    ends_alike(unstopped, again, folder)


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


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from handgrad import runs
from handgrad.data.dataset import Examples, assemble
from handgrad.training.loop import Run
from handgrad.training.recipe import parse

generator = np.random.default_rng(0)
def examples(n):
    return Examples(generator.integers(0, 256, (n, 64), dtype=np.uint8), np.arange(n, dtype=np.intp) % 4)
data = assemble("noise", examples(400), examples(40), image_shape=(8, 8), classes=tuple("abcd"))
path, recipe = Path(sys.argv[1]), parse(sys.argv[2], "recipe")
print("ready", flush=True)
if path.is_dir():
    run = runs.taken_up(folder := runs.opened(path), data)
else:
    folder = runs.begin(run := Run(recipe, data), path)
for _ in runs.conduct(run, folder):
    print("saved", flush=True)
"""


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


LONG = Recipe(
    name="long",
    hidden_layer_sizes=(32,),
    epochs=60,
    batch_size=16,
    optimizer="adam",
    learning_rate=0.001,
    batch_norm=True,
    dropout=0.1,
    schedule="cosine",
)


CUT = """
import os
rename, left = os.replace, [None] * {renames}
os.replace = lambda *paths: rename(*paths, *(left.pop() or ())) if left else os._exit(9)
"""


def train(path, kill_after=None, before="") -> int:
    """Train in another process and give its exit status; kill it so many lines and seconds after its start, if told."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, str(path), LONG.to_toml()],
        env=os.environ | {"PYTHONPATH": str(Path(handgrad.__file__).parents[1])},
        stdout=subprocess.PIPE,
    )
    with process:
        assert b"ready" == process.stdout.readline().strip()
        if kill_after is not None:
            lines, seconds = kill_after
            for _ in range(lines):
                process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        process.stdout.read()
    return process.returncode


def test_a_run_that_is_killed_goes_on_where_it_was_saved(tmp_path):
    whole, killed = (RunFolder(tmp_path / name) for name in ("whole", "killed"))
    assert 0 == train(whole.path)
    generator = np.random.default_rng(5)

    train(killed.path, kill_after=(3, 0.0))
    for lines in (0, 1, 4, 7, 9):
        train(killed.path, kill_after=(lines, generator.uniform(0.0, 0.02)))
        modelfile.load(killed.model)
        assert 3 <= len(runs.history_of(killed))
        assert 3 <= len(checkpoint.load(killed.checkpoint).values["history"])
    assert 0 == train(killed.path)

    assert whole.model.read_bytes() == killed.model.read_bytes()
    assert without_time(runs.history_of(whole)) == without_time(runs.history_of(killed))
    ends = [checkpoint.load(folder.checkpoint).arrays for folder in (whole, killed)]
    assert ends[0].keys() == ends[1].keys()
    for name, array in ends[0].items():
        assert array.tobytes() == ends[1][name].tobytes()


@pytest.mark.parametrize("renames", range(7))  # four as a run begins, and three after its first epoch
def test_no_rename_is_a_bad_moment(renames, tmp_path):
    """The power fails as the next file is about to be renamed: nothing is tidied up any more."""
    folder = RunFolder(tmp_path / "run")
    cut = CUT.format(renames=renames)

    assert 9 == train(folder.path, before=cut)

    parts = [folder.recipe, folder.history, folder.model, folder.checkpoint]
    assert [renames > i for i in range(4)] == [part.is_file() for part in parts]
    if renames < 4:
        with pytest.raises(HandgradError, match=r"holds no run|was stopped before it was first saved"):
            runs.taken_up(runs.opened(folder.path), None)
        with pytest.raises(UsageError, match="choose another --out"):
            runs.found(LONG, folder.path)
        return
    modelfile.load(folder.model)
    assert (renames > 4) == (len(runs.history_of(folder)) == 1)
    assert [] == checkpoint.load(folder.checkpoint).values["history"]
    assert 0 == train(folder.path)
    assert 60 == modelfile.load(folder.model).provenance["epoch"]
