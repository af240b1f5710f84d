"""`handgrad predict`: which digit stands on a picture."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from handgrad import models
from handgrad.cli import screen
from handgrad.cli.pictures import Named, meant_by
from handgrad.errors import HandgradError

if TYPE_CHECKING:
    from handgrad.reading import Number, Page, Reader, Reading

SHOWN = 4
"""So many pictures at most are also shown on a terminal; more of them get a line each."""

_LONGEST_NAME = 40


def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...", help="Pictures, folders of pictures, patterns, or - for stdin.", show_default=False
        ),
    ],
    number: Annotated[bool, typer.Option("--number", help="Read several digits, left to right, as a number.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a picture, each on its line.")] = False,
    show_steps: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw what was done to each picture, as PNG.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE|RUN", help="A model by its name, a model file, or a run's folder.")
    ] = models.DEFAULT,
) -> None:
    """Read the digit on a photo, a scan, a drawing or a screenshot."""
    from handgrad.reading import Reader

    reader = Reader.named(model)
    named = list(meant_by(images))
    if show_steps is not None:
        from handgrad import files

        files.make_folder(show_steps)
    show = _printer(named, reader, as_json)
    failed = False
    for one in named:
        try:
            page = reader.read(one.content(), one.name)
            if show_steps is not None:
                _draw_steps(page, one.name, show_steps)
            answer = page.number() if number else page.only()
        except HandgradError as error:
            failed = True
            show(one.name, error)
        else:
            show(one.name, answer)
    if failed:
        raise typer.Exit(1)


def _printer(named: Sequence[Named], reader: "Reader", as_json: bool) -> Any:  # noqa: ANN401 - a function of a name and an answer
    if as_json:
        return lambda name, answer: typer.echo(json.dumps({"picture": name, **_told(answer)}))
    if screen.is_plain(sys.stdout) or len(named) > SHOWN or not can_be_drawn(sys.stdout):
        width = min(max(len(one.name) for one in named), _LONGEST_NAME)
        return lambda name, answer: _print_line(name.ljust(width), answer)
    from handgrad.cli.seen import show

    return lambda name, answer: show(name, answer, reader.sure_from)


def _told(answer: "Reading | Number | HandgradError") -> dict[str, Any]:
    """Put an answer into plain values."""
    from handgrad.reading import Number

    match answer:
        case HandgradError():
            return {"error": str(answer)}
        case Number():
            return {
                "number": answer.text,
                "confidence": answer.confidence,
                "sure": answer.sure,
                "digits": [_told(digit) for digit in answer.digits],
            }
    return {
        "digit": answer.digit,
        "confidence": answer.confidence,
        "sure": answer.sure,
        "runner_up": {"digit": answer.runner_up, "confidence": answer.runner_up_confidence},
        "probabilities": answer.probabilities.tolist(),
    }


def _print_line(name: str, answer: "Reading | Number | HandgradError") -> None:
    from handgrad.reading import NothingDrawn, Number, SeveralDigits

    match answer:
        case NothingDrawn() | SeveralDigits():
            typer.echo(f"{name}  -  {answer}")
        case HandgradError():
            screen.complain(str(answer))
        case Number():
            typer.echo(f"{name}  {answer.text}  {percent(answer.confidence)}{'' if answer.sure else '  not sure'}")
        case _:
            runner_up = f"then {answer.runner_up}, {percent(answer.runner_up_confidence)}"
            line = f"{name}  {answer.digit}  {percent(answer.confidence)}  {runner_up}"
            typer.echo(line if answer.sure else f"{line}  not sure")


def percent(probability: float) -> str:
    """Six characters, one digit after the point, and never a certainty that is none."""
    if probability < 0.001:
        return " <0.1%"
    return ">99.9%" if probability > 0.999 else f"{probability:6.1%}"


def can_be_drawn(stream: TextIO) -> bool:
    """Whether a stream can carry the characters that pictures are made of; old consoles of Windows cannot."""
    try:
        "▀▏".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _draw_steps(page: "Page", name: str, folder: Path) -> None:
    """Draw the strip of one picture; a second picture of the same name gets a number."""
    from handgrad import plots
    from handgrad.cli.strip import strip_of

    stem = Path(name).stem or "picture"
    path, count = folder / f"{stem}.png", 1
    while path.exists():
        count += 1
        path = folder / f"{stem}-{count}.png"
    plots.save(strip_of(page, name), path)
    screen.note(f"drew {path}")
