"""`handgrad recipes`: what each recipe is, and what it reached."""

import json
from importlib import resources
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli import screen

if TYPE_CHECKING:
    from handgrad.training.recipe import Recipe

_HEADINGS = ("recipe", "network", "updates", "epochs", "test accuracy", "seeds", "seconds")
_WORDS = 3
"""So many of the columns hold words, set from the left."""

_ENDS = {"mnist": (784, 10), "fashion": (784, 10), "digits": (64, 10)}
"""Pixels and classes of the data sets that have a name."""


def recipes(
    show: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Print this recipe as TOML.", show_default=False)
    ] = None,
) -> None:
    """List the recipes that ship, and what each reached on the test images."""
    from rich.padding import Padding

    from handgrad.training.recipe import named, shipped

    if show is not None:
        typer.echo(named(show).to_toml(), nl=False)
        return
    reached, kept = _reached(), list(shipped().values())
    rows = [_HEADINGS]
    rows += [
        (one.name, _network(one), one.optimizer, str(one.epochs), *_results(reached.get(one.name))) for one in kept
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    console = screen.results()
    for row, recipe in zip(rows, (None, *kept), strict=True):
        cells = [f"{c:{'<' if i < _WORDS else '>'}{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        console.print("  ".join(cells), style="bold" if recipe else screen.QUIET)
        if recipe:
            screen.put(console, Padding(recipe.description, (0, 0, 1, 2), style=screen.QUIET, expand=False))
    screen.note("One in full: handgrad recipes --show NAME. To run it: handgrad train --recipe NAME.")


def _reached() -> dict[str, Any]:
    """Read what each recipe reached: accuracies and seconds, one of each a seed."""
    file = resources.files("handgrad.training") / "recipes" / "reached.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _network(recipe: "Recipe") -> str:
    first, last = _ENDS.get(recipe.dataset, ("*", "*"))
    return "-".join(map(str, (first, *recipe.hidden_layer_sizes, last)))


def _results(reached: dict[str, Any] | None) -> tuple[str, str, str]:
    if reached is None:
        return "-", "-", "-"
    accuracies, seconds = reached["accuracies"], reached["seconds"]
    spread = f" ± {stdev(accuracies):.2%}" if len(accuracies) > 1 else ""
    return f"{fmean(accuracies):.2%}{spread}", str(len(accuracies)), f"{fmean(seconds):.0f}"
