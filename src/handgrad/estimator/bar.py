"""A fit as it goes on: one line that moves, on stderr, and nothing where that is no terminal."""

from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from handgrad.estimator.fitting import EpochReport


@final
class Bar:
    """Shows how many of the epochs are done, what the last one reached, and how long the rest may take."""

    def __init__(self, epochs: int) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total} epochs"),
            BarColumn(24),
            TextColumn("{task.fields[reached]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("at most left"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=epochs, reached="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, report: EpochReport) -> None:
        """Move on to what has just been done."""
        reached = f"loss {report.loss:.4f}"
        if report.validation_score is not None:
            reached += f"  validation {report.validation_score:.4f}"
        self._progress.update(self._task, completed=report.epoch, reached=reached)
