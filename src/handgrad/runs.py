"""A run on disk: a folder that tells the whole story and from which it can go on.

`conduct` is the loop with its feet on the ground: it passes the loop's records on and, after each epoch and when the
run is stopped, writes the history, the model and the checkpoint. Each file is replaced whole, so that the folder is
usable at any moment, also after a power cut.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

import msgspec

from handgrad import files, modelfile, tensorfile
from handgrad.data.dataset import Dataset
from handgrad.engine.folding import fold
from handgrad.errors import HandgradError, UsageError, command
from handgrad.training import checkpoint
from handgrad.training.loop import Run, never
from handgrad.training.recipe import Recipe, shipped
from handgrad.training.recipe import read as read_recipe
from handgrad.training.records import EpochRecord, Progress

HOME = Path("runs")
"""Where a run lies that was given no folder, under its recipe's name."""


@final
@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of a run lie."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def training_loss(self) -> Path:
        return self.path / "training_loss.png"

    @property
    def test_accuracy(self) -> Path:
        return self.path / "test_accuracy.png"

    def exists(self) -> bool:
        try:
            return self.recipe.is_file()
        except OSError:  # a name too long, a folder that may not be looked into
            return False


def vacant(recipe: Recipe, path: Path | None) -> RunFolder:
    """Find the place of a new run, and leave the disk as it is.

    Args:
        recipe: what will be run.
        path: where; by default `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, ... that is free.

    Raises:
        UsageError: something stands there already.
        HandgradError: the place cannot be looked at.
    """
    try:
        folder = RunFolder(path or _free(recipe.name))
        if folder.exists():
            raise UsageError(
                f"{folder.path} already holds a run: go on with it by {command('--resume', folder.path)}, "
                "or choose another --out"
            )
        if folder.path.is_dir() and any(folder.path.iterdir()):
            raise UsageError(f"{folder.path} is not empty; choose another --out")
        if folder.path.exists() and not folder.path.is_dir():
            raise UsageError(f"{folder.path} is a file; choose another --out")
    except OSError as error:
        raise HandgradError(
            f"cannot look into {path or 'runs'}: {files.reason(error)}; choose another --out"
        ) from error
    return folder


def found(recipe: Recipe, path: Path | None) -> RunFolder:
    """Make the folder of a new run and write its recipe; otherwise as `vacant`.

    Raises:
        UsageError: something stands there already.
        HandgradError: it cannot be made or written to.
    """
    folder = vacant(recipe, path)
    files.make_folder(folder.path)
    try:
        files.write(folder.recipe, recipe.to_toml().encode())
    except BaseException:
        _clear(folder)
        raise
    return folder


def begin(run: Run, path: Path | None) -> RunFolder:
    """Make the folder of a new run and save the run as it stands, so that it can go on from its first moment.

    Where that fails, what was written is removed again; otherwise as `found`.
    """
    folder = found(run.recipe, path)
    try:
        save(run, folder)
    except BaseException:  # Ctrl-C too: a folder without a checkpoint is of no use
        _clear(folder)
        raise
    return folder


def opened(path: Path) -> RunFolder:
    """Find the folder of an earlier run.

    Raises:
        HandgradError: there is none at `path`.
    """
    folder = RunFolder(path)
    if not folder.exists():
        raise HandgradError(
            f"{path} holds no run (no {folder.recipe.name}); a run is what `handgrad train` leaves behind"
        )
    return folder


def recipe_of(folder: RunFolder) -> Recipe:
    """Read the recipe of a run.

    Raises:
        HandgradError: it cannot be read, or is no recipe.
    """
    return read_recipe(folder.recipe)


def history_of(folder: RunFolder) -> list[EpochRecord]:
    """Read what a run has recorded so far, one record an epoch.

    Raises:
        HandgradError: there is no history, or a line of it is not a record.
    """
    try:
        lines = folder.history.read_bytes().splitlines()
    except OSError as error:
        raise HandgradError(f"cannot read {folder.history}: {files.reason(error)}") from error
    try:
        return [msgspec.json.decode(line, type=EpochRecord) for line in lines]
    except (msgspec.DecodeError, RecursionError) as error:
        raise HandgradError(f"{folder.history} is damaged: {error}") from error


def prepared(recipe: Recipe, dataset: Dataset, workers: int | None = None) -> Run:
    """Stand before the first update of a recipe, its teachers read; otherwise as `Run`.

    Raises:
        HandgradError: a teacher cannot be read, or was made for other images.
    """
    teachers = _teachers_of(recipe, dataset)
    if len({model.normalization for model in teachers}) > 1:
        raise HandgradError("the teachers do not all see images alike; choose some that were trained on the same")
    for name, model in zip(recipe.teachers, teachers, strict=True):
        if model.normalization != recipe.normalization:
            flags = model.normalization.flags
            raise HandgradError(f"the teacher {name} does not see images as this recipe shows them; try {flags}")
    return Run(recipe, dataset, workers, [model.network for model in teachers])


def _teachers_of(recipe: Recipe, dataset: Dataset) -> list[modelfile.Model]:
    models = [modelfile.load(find_model(teacher)) for teacher in recipe.teachers]
    for name, model in zip(recipe.teachers, models, strict=True):
        if (model.image_shape, model.white, model.classes) != (dataset.image_shape, dataset.white, dataset.classes):
            raise HandgradError(f"the teacher {name} was made for other images or classes than those of {dataset.name}")
        if model.loss.name != recipe.loss:
            raise HandgradError(f"the teacher {name} was trained with {model.loss.name}; it has to be {recipe.loss}")
    return models


def taken_up(folder: RunFolder, dataset: Dataset, workers: int | None = None) -> Run:
    """Make the run again as it was when it was last saved, with as many `workers` as `Run` may be given.

    Raises:
        HandgradError: it was stopped before its first save, its checkpoint is damaged, or recipe or data have changed.
    """
    if not folder.checkpoint.is_file():
        raise HandgradError(f"{folder.path} was stopped before it was first saved; start it anew in another folder")
    recipe, snapshot = recipe_of(folder), checkpoint.load(folder.checkpoint)
    with suppress(msgspec.ValidationError):  # what is damaged there, `Run.resume` will tell
        if recipe != msgspec.convert(snapshot.values.get("recipe"), Recipe):
            raise UsageError(
                f"{folder.recipe} is not the recipe that this run began with; undo the change, "
                "or start a new run with it"
            )
    teachers = [model.network for model in _teachers_of(recipe, dataset)]
    return Run.resume(snapshot, dataset, workers, teachers)


def conduct(run: Run, folder: RunFolder, stop: Callable[[], bool] = never) -> Iterator[Progress | EpochRecord]:
    """Train, and keep the folder up to date; yields what `Run.records` yields.

    Args:
        run: from its start or taken up again.
        folder: where it is written.
        stop: as in `Run.records`; the run is saved before the generator ends.

    Raises:
        Diverged: the loss is not finite; the folder holds the last good epoch.
        HandgradError: a file cannot be written.
    """
    for record in run.records(stop):
        if isinstance(record, EpochRecord):
            save(run, folder)
        yield record
    save(run, folder)


def save(run: Run, folder: RunFolder) -> None:
    """Write history, model and checkpoint as they are now.

    Raises:
        HandgradError: a file cannot be written.
    """
    files.write(folder.history, b"".join(msgspec.json.encode(record) + b"\n" for record in run.history))
    modelfile.save(folder.model, model_of(run))
    checkpoint.save(folder.checkpoint, run.snapshot())


def model_of(run: Run) -> modelfile.Model:
    """Give what the run has learned so far, ready to use, with where it came from."""
    record = run.best_record
    return modelfile.Model(
        network=fold(run.result()),
        classes=run.dataset.classes,
        image_shape=run.dataset.image_shape,
        white=run.dataset.white,
        loss=run.loss,
        normalization=run.recipe.normalization,
        provenance={
            "recipe": msgspec.to_builtins(run.recipe),
            "data": run.dataset.fingerprint,
            "epoch": record.epoch if record else run.epochs_done,
            "test_accuracy": record.test_accuracy if record else None,
            "validation_accuracy": record.validation_accuracy if record else None,
            "versions": tensorfile.versions(),
        },
    )


def find_model(text: str) -> Path:
    """Find the model file that a person means: a file, the folder of a run, or the name of a model that ships.

    Raises:
        HandgradError: there is none of these.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return opened(path).model
        if path.is_file():
            return path
    except OSError as error:
        raise HandgradError(f"cannot read {path}: {files.reason(error)}") from error
    from handgrad import models  # noqa: PLC0415 - imported late: most calls name a run

    if text in models.names():
        return models.path(text)
    if path.parent == HOME and path.name in shipped():
        raise HandgradError(f"there is no run {text} here yet; to train it: handgrad train --recipe {path.name}")
    raise HandgradError(
        f"there is no model {text!r}: give a model file, the folder of a run, or one of {', '.join(models.names())}"
    )


def _clear(folder: RunFolder) -> None:
    """Take away a run that has only just been founded, and its folder where nothing else lies in it."""
    with suppress(OSError):
        for file in (folder.recipe, folder.history, folder.model, folder.checkpoint):
            file.unlink(missing_ok=True)
        folder.path.rmdir()


def _free(name: str) -> Path:
    base = HOME / name.replace(" ", "-")
    number, path = 1, base
    while path.exists():
        number += 1
        path = base.with_name(f"{base.name}-{number}")
    return path
