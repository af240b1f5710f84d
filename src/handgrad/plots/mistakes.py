"""The examples that were read wrongly, to be looked at.

The most confident errors teach the most: some are the network's fault, some the writer's, and a few the label's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.plots.style import INK, PAPER, QUIET, head, new_figure, place, shorten, styled, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 40
LONGEST_NAME = 16  # characters
TEXT = 8.5  # points

# Inches.
WIDTH, TOP, SIDE = 8.2, 1.0, 0.35
PICTURE, GAP = 0.79, 0.12  # the longer side of an image, and the least between two
LINE, STEP = 0.15, 0.3  # of a caption, and from its last line to the next image


def mistakes(
    images: NDArray[np.number],
    labels: NDArray[np.integer],
    predictions: NDArray[np.integer],
    confidences: NDArray[np.floating],
    image_shape: tuple[int, int],
    classes: Sequence[str],
    indices: NDArray[np.integer],
) -> "Figure":
    """A gallery of the first 40 of `indices`, ink on paper, each with what it is, what it was read as, and how surely.

    Args:
        images: `(n, height * width)`, all that were evaluated; 0 is empty, the largest value among them full ink.
        labels: `(n,)`, what they are.
        predictions: `(n,)`, what they were read as.
        confidences: `(n,)`, the probability given to that, in 0..1.
        image_shape: height and width in pixels.
        classes: the names of the labels.
        indices: which to show, in this order; `Report.wrong` has the most confident first.

    Raises:
        HandgradError: the images are not of `image_shape`, or an index lies outside them.
    """
    height, width = image_shape
    if images.shape != (len(labels), height * width):
        raise HandgradError(
            f"images of shape {images.shape} are not {len(labels)} images of {height} by {width} pixels; "
            "draw the mistakes from the data that was evaluated"
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= len(labels)):
        raise HandgradError(
            f"the examples are numbered 0 to {len(labels) - 1}, and a mistake lies outside; draw the data evaluated"
        )
    if not len(indices):
        with styled():
            figure = new_figure(WIDTH, TOP)
            head(figure, "No mistakes", f"all {len(labels):,} examples were read rightly", SIDE)
            return figure
    shown = [int(i) for i in indices[:SHOWN]]
    names = [shorten(name, LONGEST_NAME) for name in classes]
    between = " " if all(len(name) <= 2 for name in names) else "\n"  # long names get a line each
    captions = [
        f"{names[labels[i]]}{between}→ {names[predictions[i]]}, {_percent(float(confidences[i]))}" for i in shown
    ]
    rest = len(indices) - len(shown)
    title = f"{len(indices):,} of {len(labels):,} read wrongly" + (f", {rest:,} of them not shown" if rest else "")
    with styled():
        pictures = images[shown].reshape(-1, height, width)
        return _draw(title, pictures, float(images.max()), captions, [f"#{i}" for i in shown])


def _draw(
    title: str, pictures: NDArray[np.number], white: float, captions: Sequence[str], numbers: Sequence[str]
) -> "Figure":
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - imported late: see `styled`

    high, wide = (PICTURE * side / max(pictures.shape[1:]) for side in pictures.shape[1:])
    figure = new_figure(WIDTH, TOP)
    probes = [figure.text(0, 0, caption, size=TEXT) for caption in captions]
    pitch = max(wide, *map(text_width, probes)) + GAP
    for probe in probes:
        probe.remove()
    columns = max(1, int((WIDTH - 2 * SIDE + GAP) / pitch))
    pitch = (WIDTH - 2 * SIDE + GAP) / columns
    rows = -(-len(pictures) // columns)
    lines = captions[0].count("\n") + 1
    step = high + lines * LINE + STEP
    total = TOP + rows * step + 0.1
    figure.set_size_inches(WIDTH, total)
    head(figure, title, "true → read as, confidence; the number is the image's place in the set, from 0", SIDE)

    axes = place(figure, 0, 0, WIDTH, total)
    ink = LinearSegmentedColormap.from_list("ink", [PAPER, INK])
    for i, picture in enumerate(pictures):
        left, top = SIDE + i % columns * pitch, total - TOP - i // columns * step
        axes.imshow(
            picture, cmap=ink, vmin=0, vmax=white or 1.0, extent=(left, left + wide, top - high, top), aspect="auto"
        )
        under = top - high - 0.06
        for line, text in enumerate(captions[i].split("\n")):
            axes.text(left, under - line * LINE, text, size=TEXT, va="top")
        axes.text(left, under - lines * LINE, numbers[i], size=TEXT - 2, color=QUIET, va="top")
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, total)
    return figure


def _percent(confidence: float) -> str:
    """Whole percents, and one digit more where a whole one would claim certainty."""
    return f"{confidence:.0%}" if confidence < 0.995 or confidence == 1 else f"{min(confidence, 0.999):.1%}"
