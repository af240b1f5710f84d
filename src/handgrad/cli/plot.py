"""`handgrad plot`: the two curves of a run, or of several laid over one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import screen

if TYPE_CHECKING:
    from handgrad.training.records import EpochRecord


def plot(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to; the run's folder if not given, for several the current one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw loss and test accuracy of one run, or of several in one figure."""
    from handgrad import files, runs

    found = [runs.opened(folder) for folder in folders]
    names = [folder.path.resolve().name for folder in found]
    if len(set(names)) < len(names):
        names = [str(folder.path) for folder in found]
    histories = {name: runs.history_of(folder) for name, folder in zip(names, found, strict=True)}
    place = runs.RunFolder(out or (folders[0] if len(folders) == 1 else Path()))
    files.make_folder(place.path)
    with screen.waiting("drawing"):
        draw(histories, place.training_loss, place.test_accuracy)
    for path in (place.training_loss, place.test_accuracy):
        screen.results().print(str(path))


def draw(histories: Mapping[str, Sequence["EpochRecord"]], loss: Path, accuracy: Path) -> None:
    """Draw the two figures of `histories`, by the runs' names, and write them.

    Raises:
        HandgradError: there is no epoch to draw, or a file cannot be written.
    """
    from handgrad import plots

    plots.save(plots.training_loss(histories), loss)
    plots.save(plots.test_accuracy(histories), accuracy)
