"""A run as it goes on: a line for each epoch that stays, and on a terminal a bar below them that moves."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from handgrad.cli.screen import ACCENT, QUIET
from handgrad.training.records import EpochRecord

if TYPE_CHECKING:
    from rich.console import Console

    from handgrad.training.loop import Run
    from handgrad.training.records import Progress


@final
class Watch:
    """Shows the records of one run."""

    def __init__(self, run: "Run", console: "Console") -> None:
        """Print the head of the table."""
        self._console = console
        self._epochs = run.recipe.epochs
        self._steps = run.steps_per_epoch
        self._batch = run.recipe.batch_size
        accuracies = ("training", "validation", "test") if run.recipe.validation else ("training", "test")
        self._names = ("epoch", "loss", *accuracies, "seconds", "images/s")
        self._bar = Bar(
            TextColumn("{task.description} "),
            BarColumn(12, complete_style=ACCENT, finished_style=ACCENT),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}", style=QUIET),
            TimeRemainingColumn(compact=True),
            TextColumn("left", style=QUIET),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        done = run.epochs_done
        self._task = self._bar.add_task("", total=self._epochs * self._steps, completed=done * self._steps, rate="")
        self._console.print(self._line({name: name for name in self._names}), style=QUIET)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, record: "Progress | EpochRecord") -> None:
        """Show what has just happened."""
        if isinstance(record, EpochRecord):
            self._show_epoch(record)
        else:
            self._show_progress(record)

    def _show_progress(self, record: "Progress") -> None:
        """Move the bar; its numbers stand in the columns of the epochs."""
        speed = self._bar.tasks[self._task].speed
        cells = {
            "epoch": self._place(record.epoch),
            "loss": f"{record.loss:.4f}",
            "training": f"{record.accuracy:.2%}",
        }
        self._bar.update(
            self._task,
            completed=(record.epoch - 1) * self._steps + record.step,
            description=self._line(cells),
            rate=f"{speed * self._batch:,.0f} images/s" if speed else "",
        )

    def _show_epoch(self, record: EpochRecord) -> None:
        cells = {
            "epoch": self._place(record.epoch),
            "loss": f"{record.training_loss:.4f}",
            "training": f"{record.training_accuracy:.2%}",
            "test": f"{record.test_accuracy:.2%}",
            "seconds": f"{record.seconds:.2f}",
            "images/s": f"{record.images_per_second:,.0f}",
        }
        if record.validation_accuracy is not None:
            cells["validation"] = f"{record.validation_accuracy:.2%}"
        self._console.print(self._line(cells))
        self._bar.update(self._task, completed=record.epoch * self._steps)

    def _line(self, cells: Mapping[str, str]) -> str:
        """Set the cells into the columns of the table, as far as there are any."""
        return "  ".join(f"{cells[name]:>{max(len(name), 8)}}" for name in self._names if name in cells)

    def _place(self, epoch: int) -> str:
        return f"{epoch}/{self._epochs}"
