"""What was done to a picture, as one strip: each step with what it left.

A strip knows nothing of the steps but their names and images; whoever took them says what they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.plots.style import FAINT, LINES, QUIET, head, new_figure, place, shorten, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches.
TOP, SIDE, BELOW = 0.85, 0.35, 0.2
PANEL, GAP, NAME, CAPTION = 1.55, 0.22, 0.24, 0.42

LONGEST_TITLE = 60  # characters
MOST_ROWS = 12


@final
@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One image of a strip.

    Attributes:
        name: of the step.
        caption: what it did; one or two lines.
        image: `(height, width)` of 0 black to 255 white, or `(height, width, 3)`.
        boxes: top, left, bottom, right of what is framed, in pixels of the image.
    """

    name: str
    caption: str
    image: NDArray[np.uint8]
    boxes: Sequence[NDArray[np.intp]] = field(default=())


def steps(rows: Sequence[Sequence[Panel]], title: str, subtitle: str) -> "Figure":
    """A strip of panels, or several below one another that are set flush right; at most 12.

    Raises:
        HandgradError: there is nothing to show.
    """
    rows = rows[:MOST_ROWS]
    if not rows or not all(rows):
        raise HandgradError("a strip needs at least one panel in each row")
    columns = max(map(len, rows))
    width = 2 * SIDE + columns * PANEL + (columns - 1) * GAP
    step = NAME + PANEL + CAPTION + BELOW
    height = TOP + len(rows) * step
    with styled():
        figure = new_figure(width, height)
        head(figure, shorten(title, LONGEST_TITLE), subtitle, SIDE)
        for i, row in enumerate(rows):
            for j, panel in enumerate(row, start=columns - len(row)):
                left = SIDE + j * (PANEL + GAP)
                _draw(figure, panel, left, height - TOP - i * step)
    return figure


def _draw(figure: "Figure", panel: Panel, left: float, top: float) -> None:
    """Draw one panel, its upper left corner at this place in inches."""
    width, height = figure.get_size_inches()
    figure.text(left / width, (top - 0.02) / height, panel.name, size=9, weight="bold", va="top")
    axes = place(figure, left, top - NAME - PANEL, PANEL, PANEL)
    axes.imshow(panel.image, cmap="gray", vmin=0, vmax=255, interpolation=_interpolation(panel.image))
    for t, l, b, r in panel.boxes:
        xs, ys = np.array([l, r, r, l, l]) - 0.5, np.array([t, t, b, b, t]) - 0.5
        axes.plot(xs, ys, color=LINES[1], linewidth=1.2)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT, linewidth=0.6)
    axes.set_anchor("NW")
    axes.apply_aspect()
    bottom = axes.get_position().y0 * height  # a wide picture is low, and its caption follows it
    figure.text(left / width, (bottom - 0.06) / height, panel.caption, size=8, color=QUIET, va="top", linespacing=1.3)


def _interpolation(image: NDArray[np.uint8]) -> str:
    return "nearest" if max(image.shape) <= 64 else "antialiased"
