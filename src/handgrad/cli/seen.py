"""What the network saw and what it thought, side by side on a terminal.

A terminal's character is twice as high as it is wide, so that one stands for two pixels: the upper half in the colour
of its letters, the lower half in that of its ground.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handgrad.cli import screen
from handgrad.cli.predict import percent
from handgrad.errors import HandgradError

if TYPE_CHECKING:
    from rich.text import Text

    from handgrad.reading import Number, Reading

_BAR = 24
_UNSURE = "yellow"
_HALF = "▀"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(name: str, answer: "Reading | Number | HandgradError", sure_from: float) -> None:
    """Show an answer on stdout, or the sentence that stands in for one."""
    from rich.text import Text

    from handgrad.reading import NothingDrawn, Number, SeveralDigits

    console = screen.results()
    match answer:
        case NothingDrawn() | SeveralDigits():
            console.print(Text.assemble((f"{name}  ", screen.QUIET), (str(answer), _UNSURE)))
        case HandgradError():
            screen.complain(str(answer))
        case Number():
            _show_number(name, answer, sure_from)
        case _:
            grid = screen.columns()
            grid.add_row(small_picture(answer.image), _thoughts(name, answer, sure_from))
            console.print(grid)
            console.print()


def small_picture(image: NDArray[np.uint8]) -> "Text":
    """An image with an even number of rows, as characters."""
    from rich.style import Style
    from rich.text import Text

    text = Text(no_wrap=True)
    for i in range(0, len(image), 2):
        for upper, lower in zip(image[i].tolist(), image[i + 1].tolist(), strict=True):
            text.append(_HALF, Style.parse(f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})"))
        text.append("\n")
    text.right_crop(1)
    return text


def _thoughts(name: str, reading: "Reading", sure_from: float) -> "Text":
    from rich.text import Text

    lines = Text(no_wrap=True, overflow="ellipsis")
    lines.append(f"{name}\n\n", screen.QUIET)
    colour = screen.GOOD if reading.sure else _UNSURE
    lines.append(f"{reading.digit}  ", f"bold {colour}")
    lines.append(f"{percent(reading.confidence).strip()}", f"bold {colour}")
    lines.append(f", then {reading.runner_up} with {percent(reading.runner_up_confidence).strip()}\n")
    lines.append("\n" if reading.sure else f"not sure: below {sure_from:.1%}\n", _UNSURE)
    for digit, probability in enumerate(reading.probabilities.tolist()):
        strong = digit == reading.digit
        lines.append(f"{digit} ", f"bold {colour}" if strong else screen.QUIET)
        lines.append(f"{bar(probability)} ", colour if strong else screen.QUIET)
        lines.append(percent(probability) if probability >= 0.0005 else "", "" if strong else screen.QUIET)
        lines.append("\n")
    lines.right_crop(1)
    return lines


def bar(share: float) -> str:
    """A bar of 24 characters, in eighths of one; what is not nothing is seen."""
    eighths = max(round(share * _BAR * 8), 1 if share >= 0.0005 else 0)
    full, rest = divmod(eighths, 8)
    return (_EIGHTHS[-1] * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


def _show_number(name: str, number: "Number", sure_from: float) -> None:
    from rich.columns import Columns
    from rich.text import Text

    console = screen.results()
    colour = screen.GOOD if number.sure else _UNSURE
    words = [
        (f"{name}  ", screen.QUIET),
        (number.text, f"bold {colour}"),
        (f"  {percent(number.confidence).strip()}", ""),
    ]
    if not number.sure:
        words.append((f"  not sure: a digit is below {sure_from:.1%}", _UNSURE))
    pictures = []
    for digit in number.digits:
        halved = digit.image.reshape(14, 2, 14, 2).mean(axis=(1, 3)).astype(np.uint8)
        caption = (f"{digit.digit} {percent(digit.confidence).strip()}", "" if digit.sure else _UNSURE)
        pictures.append(Text.assemble(small_picture(halved), "\n", caption))
    console.print(Columns(pictures, padding=(0, 2)))
    console.print(Text.assemble(*words))
