"""How a command's help looks: headings, and under each its options in two columns.

Typer draws frames around them, which cost half the time that the help may take and break in a pipe.
"""

import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from handgrad.cli.screen import is_plain

LONGEST_OPTION = 34
"""In characters; what is longer has its text on the next line."""

LONGEST_TEXT = 100
"""In characters, of what a command is for."""


class Command(TyperCommand):
    """A command whose help is grouped by the panels that its options name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer keeps these types to itself
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """A command that has commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer keeps these types to itself
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, one.get_short_help_str(LONGEST_TEXT)) for name, one in commands if one is not None]
        _write_section(formatter, "Commands", rows)
        _write_options(self, ctx, formatter)


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Typer keeps these types to itself
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        left, right = parameter.get_help_record(ctx)
        if parameter.param_type_name == "argument":
            panel, left = "Arguments", left.split()[0]  # its name, without its type
        else:
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
        panels.setdefault(panel, []).append((left, right))
    panels["Options"] = panels.pop("Options")  # `--help` comes last
    width = max(len(left) for rows in panels.values() for left, _ in rows)
    for heading, rows in panels.items():
        _write_section(formatter, heading, [(left.ljust(width), right) for left, right in rows])


def _write_section(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:  # noqa: ANN401 - Typer keeps these types to itself
    if not is_plain(sys.stdout):
        heading = typer.style(heading, bold=True)
        rows = [(typer.style(left, fg=typer.colors.CYAN), right) for left, right in rows]
    with formatter.section(heading):
        formatter.write_dl(rows, LONGEST_OPTION)
