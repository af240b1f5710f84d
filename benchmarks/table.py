"""Results as tables: one description; rich on a terminal, plain lines in a pipe, Markdown on a page."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import msgspec

if TYPE_CHECKING:
    from rich.console import Console


@final
class Table(msgspec.Struct, frozen=True):
    """A title, names of columns, and rows of text. The first `words` columns are words, the rest numbers."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int = 1

    def markdown(self) -> str:
        """As a table of GitHub's Markdown, numbers to the right."""
        line = " | ".join
        rule = ["---" if i < self.words else "---:" for i in range(len(self.columns))]
        return "\n".join(f"| {line(row)} |" for row in (self.columns, rule, *self.rows))


def show(table: Table) -> None:
    """Print a table on stdout."""
    from rich import box  # noqa: PLC0415 - imported late: the children of a contest import this package too
    from rich.table import Table as Drawn  # noqa: PLC0415 - as above

    drawn = Drawn(title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(table.columns):
        drawn.add_column(name, justify="left" if i < table.words else "right", no_wrap=i < table.words)
    for row in table.rows:
        drawn.add_row(*row)
    console(stderr=False).print(drawn)


def console(*, stderr: bool) -> "Console":
    """Open a stream: with colour on a terminal, as words alone elsewhere, where no line is broken."""
    from rich.console import Console  # noqa: PLC0415 - imported late: as above

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, markup=False, width=None if stream.isatty() else 200)


def number(value: float) -> str:
    """Three figures that mean something: 12.3, 1.23, 0.123."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def spread(median: float, low: float, high: float) -> tuple[str, str, str]:
    """A ratio's three columns."""
    return f"{median:.2f}", f"{low:.2f}", f"{high:.2f}"


def verdicts(rows: Sequence[tuple[str, str, str, bool]]) -> Table:
    """What was measured against what was wanted."""
    return Table(
        "Targets",
        ("what", "measured", "target", "reached"),
        [(what, figure, target, "yes" if reached else "no") for what, figure, target, reached in rows],
        words=4,
    )
