"""The face for a terminal: one file a command, and here the door to them.

Nothing heavy is imported before a command needs it: `handgrad --help` answers at once. Whatever goes wrong outside the
program becomes one sentence on stderr and an exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from handgrad import __version__
from handgrad.cli import screen
from handgrad.cli.check_gradients import check_gradients
from handgrad.cli.data import data
from handgrad.cli.evaluate import evaluate
from handgrad.cli.help import Command, Group
from handgrad.cli.interrupt import INTERRUPTED, interruptible
from handgrad.cli.plot import plot
from handgrad.cli.predict import predict
from handgrad.cli.recipes import recipes
from handgrad.cli.train import train
from handgrad.errors import HandgradError, UsageError

DONE, FAILED, MISUSED = 0, 1, 2

_Misused: type[Exception] = typer.BadParameter.__bases__[0]
_Refused: type[Exception] = _Misused.__bases__[0]
"""What Typer raises about the words of a command: Click's own errors, or since version 0.26 its copies of them."""

app = typer.Typer(
    name="handgrad",
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
for function in (train, evaluate, predict, plot, recipes, check_gradients):
    app.command(cls=Command)(function)
app.add_typer(data)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"handgrad {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Neural networks by hand, for handwriting.

    Begin with `handgrad train`: it fetches MNIST, trains a network and says what to try next.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process, if not given.

    Returns:
        The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # whoever replaced it knows what it can take
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with interruptible():
            code = _run(list(sys.argv[1:] if arguments is None else arguments))
            sys.stdout.flush()
    except OSError as error:
        if not _is_broken_pipe(error):
            raise
        # Whoever read stdout has enough. What is left in its buffer must not be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(arguments: list[str]) -> int:
    try:
        group = typer.main.get_command(app)
        with group.make_context("handgrad", arguments) as context:
            group.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except (_Refused, HandgradError, OSError, MemoryError) as error:
        if _is_broken_pipe(error):
            raise
        screen.complain(_sentence(error))
        return MISUSED if isinstance(error, (_Misused, UsageError)) else FAILED
    except KeyboardInterrupt:
        screen.notes().print("interrupted")
        return INTERRUPTED
    return DONE


def _is_broken_pipe(error: Exception) -> bool:
    """Say whether nobody reads any more; Windows has another number for it."""
    windows = os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL
    return windows or isinstance(error, BrokenPipeError)


def _sentence(error: Exception) -> str:
    """Say what went wrong, without the names of exceptions."""
    match error:
        case HandgradError():
            return str(error)
        case MemoryError():
            return "there is not enough memory for this; try a smaller network, batch or data set"
        case OSError():  # what the rooms behind this door have not turned into a sentence of their own
            return f"{error.filename or 'the system says'}: {error.strerror or error}"
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "handgrad"
    text: str = error.format_message().rstrip(".")  # type: ignore[attr-defined] # Typer keeps the type to itself
    return f"{text[:1].lower()}{text[1:]} (see {path} --help)"
