"""Which class is mistaken for which.

Only errors are coloured: a diagonal of a thousand right answers would drown the five that matter. What is right
stands in the margins, as each class's recall and precision with the number of examples they are a share of.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.plots.style import (
    ERRORS,
    INK,
    NOTHING,
    QUIET,
    RIGHT,
    head,
    new_figure,
    place,
    shorten,
    styled,
    text_width,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from handgrad.evaluation.report import Report

LONGEST_NAME = 16  # characters
SMALLEST_TEXT = 4.0  # points; where text would be smaller it is left out, and the colours speak alone

# Inches.
CELL, LARGEST = 0.56, 14.0  # of one cell, and of all of them in a row
TOP, BOTTOM, SIDE, GAP, ROW = 0.98, 0.75, 0.35, 0.12, 0.22
TOTALS, NARROWEST = 1.15, 5.8


def confusion(report: "Report", title: str) -> "Figure":
    """The confusion matrix: a row for each true class, a column for each class it was read as.

    Args:
        report: what came out of an evaluation.
        title: the figure's first line.
    """
    with styled():
        return _draw(report, title)


def _draw(report: "Report", title: str) -> "Figure":
    k = len(report.per_class)
    cell = min(CELL, LARGEST / k)
    size = min(9.5, 72 * cell * 0.28)
    names = [shorten(score.name, LONGEST_NAME) for score in report.per_class]

    figure = new_figure(1, 1)
    probes = [figure.text(0, 0, text, size=size) for text in ("precision", *names)]
    left = SIDE + max(map(text_width, probes)) + GAP
    longest = max(map(text_width, probes[1:]))
    for probe in probes:
        probe.remove()
    turned = longest > 0.9 * cell  # names too wide for a column stand upright
    to_caption = GAP + (longest + 0.06 if turned else ROW)
    figure.set_size_inches(max(NARROWEST, left + k * cell + TOTALS + SIDE), TOP + to_caption + ROW + k * cell + BOTTOM)
    low, high = report.accuracy_interval
    accuracy = f"accuracy {report.accuracy:.2%} (95% interval {low:.2%} to {high:.2%})"
    head(figure, title, f"{report.errors:,} of {report.n:,} wrong  ·  {accuracy}", SIDE)

    # One unit is one cell; rows go down, so that the matrix reads as it prints.
    axes = place(figure, left, BOTTOM, k * cell, k * cell)
    axes.set_axis_off()
    axes.set_xlim(0, k)
    axes.set_ylim(k, 0)
    _fill(axes, report, size)
    if size >= SMALLEST_TEXT:
        _write_margins(axes, report, names, size, 1 / cell, to_caption, turned=turned)
    return figure


def _fill(axes: "Axes", report: "Report", size: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgba  # noqa: PLC0415 - imported late: see `styled`

    counts = report.confusion
    k = len(counts)
    diagonal = np.eye(k, dtype=np.bool_)
    errors = np.where(diagonal, 0, counts)
    strengths = (errors / max(errors.max(), 1)) ** 0.7  # so that 1 and 2 are told apart beside a 20
    colours = LinearSegmentedColormap.from_list("errors", ERRORS)(strengths)
    colours[errors == 0] = to_rgba(NOTHING)
    colours[diagonal] = to_rgba(RIGHT)
    edges = np.arange(k + 1)
    axes.pcolormesh(edges, edges, colours, edgecolor="white", linewidth=min(1.2, size / 8))
    if size < SMALLEST_TEXT:
        return
    for row, column in np.argwhere((counts > 0) | diagonal):
        right = row == column
        ink = QUIET if right else "white" if strengths[row, column] > 0.5 else INK
        axes.text(
            column + 0.5,
            row + 0.52,
            str(counts[row, column]),
            color=ink,
            size=size,
            weight="normal" if right else "bold",
            ha="center",
            va="center",
        )


def _write_margins(
    axes: "Axes", report: "Report", names: list[str], size: float, inch: float, to_caption: float, *, turned: bool
) -> None:
    """Names before the rows and above the columns, shares and totals behind and below; `inch` in cells."""
    k = len(names)
    gap, row = GAP * inch, ROW * inch
    share, total = k + 0.58 * inch, k + 1.15 * inch  # right edges of the two columns behind the matrix
    for i, (name, score) in enumerate(zip(names, report.per_class, strict=True)):
        middle = i + 0.52
        axes.text(-gap, middle, name, size=size, ha="right", va="center")
        axes.text(share, middle, _percent(score.recall), size=size, color=INK, ha="right", va="center")
        axes.text(total, middle, f"{score.support:,}", size=size, color=QUIET, ha="right", va="center")
        middle = i + 0.5
        axes.text(middle, -gap, name, size=size, ha="center", va="bottom", rotation=90 if turned else 0)
        axes.text(middle, k + gap, _percent(score.precision), size=size * 0.9, color=INK, ha="center", va="top")
        axes.text(
            middle, k + gap + row * 0.85, f"{score.predicted:,}", size=size * 0.9, color=QUIET, ha="center", va="top"
        )
    caption: dict[str, Any] = {"size": size * 0.9, "color": QUIET, "style": "italic"}
    axes.text(-gap, -gap, "true", ha="right", va="bottom", **caption)
    axes.text(0, -to_caption * inch, "read as", ha="left", va="bottom", **caption)
    axes.text(share, -gap, "recall", ha="right", va="bottom", **caption)
    axes.text(total, -gap, "of", ha="right", va="bottom", **caption)
    axes.text(-gap, k + gap, "precision", ha="right", va="top", **caption)
    axes.text(-gap, k + gap + row * 0.85, "of", ha="right", va="top", **caption)


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1%}"
