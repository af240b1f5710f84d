"""What goes to the terminal, and how.

Results go to stdout, everything else to stderr. On a terminal there is colour and a bar that moves; into a file or a
pipe, or with NO_COLOR, the same words are plain lines. No table has a frame, so that a log reads like a screen.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

ACCENT = "cyan"
QUIET = "dim"
GOOD = "green"
BAD = "red"

_NAMES = 13
"""The width of the names of `facts`, in characters."""

_UNBROKEN = 10_000
"""The width of plain output, in characters: a log breaks no line."""


def is_plain(stream: TextIO) -> bool:
    """Whether `stream` gets words alone: it is no terminal, or the person has asked for no colours."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not stream.isatty()


def results() -> "Console":
    """Open stdout for results."""
    return _console(sys.stdout)


def notes() -> "Console":
    """Open stderr for progress, notes and errors."""
    return _console(sys.stderr)


def note(line: str) -> None:
    """Say one line on stderr, quietly."""
    notes().print(line, style=QUIET)


def complain(sentence: str) -> None:
    """Say on stderr what went wrong."""
    from rich.text import Text

    notes().print(Text.assemble(("error: ", f"bold {BAD}"), sentence))


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that something is under way that cannot say how far it is; gives `note` for inside."""
    console = notes()
    if not console.is_terminal:
        yield note
        return
    from rich.text import Text

    with console.status(Text(f"{what} ...", style=QUIET), spinner_style=ACCENT):
        yield lambda line: console.print(line, style=QUIET)


def put(console: "Console", block: "RenderableType") -> None:
    """Print a table or the like; in plain output no line ends in spaces."""
    if console.is_terminal:
        console.print(block)
        return
    with console.capture() as capture:
        console.print(block)
    for line in capture.get().splitlines():
        console.out(line.rstrip())


def columns(*, header: bool = False) -> "Table":
    """Make a table without lines: columns two spaces apart."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header, header_style=QUIET)


def facts(rows: Mapping[str, str], *, strong: str | None = None) -> "Table":
    """Set names and values as two columns; the value of the row called `strong` stands out."""
    from rich.text import Text

    table = columns()
    table.add_column(style=QUIET, no_wrap=True, min_width=_NAMES)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value, f"bold {GOOD}" if name == strong else ""))
    return table


def fact(console: "Console", name: str, value: str) -> None:
    """Print one more of the `facts`, whose value nobody breaks: a command that can be copied."""
    from rich.text import Text

    console.print(Text.assemble((f"{name:{_NAMES}}  ", QUIET), value), soft_wrap=True)


def suggest(line: str) -> None:
    """Say on stderr a line that ends in a command, which nobody breaks: it can be copied."""
    notes().print(line, soft_wrap=True)


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    plain = is_plain(stream)
    return Console(
        file=stream,
        force_terminal=not plain,
        color_system=None if plain else "auto",
        width=_UNBROKEN if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
