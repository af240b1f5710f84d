"""What augmentation does to images, to be looked at before a run is trained on it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.plots.style import INK, PAPER, head, new_figure, place, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches.
TOP, SIDE = 1.0, 0.35
PICTURE, GAP = 0.62, 0.08  # the longer side of an image, and the space between two
APART = 0.22  # between the original and its copies


def warps(
    originals: NDArray[np.floating], copies: NDArray[np.floating], image_shape: tuple[int, int], subtitle: str
) -> "Figure":
    """A row for each image, ink on paper: itself, and after a gap what warps make of it.

    Args:
        originals: `(n, height * width)`, 0 empty and 1 full ink.
        copies: `(n, m, height * width)`, m warps of each.
        image_shape: height and width in pixels.
        subtitle: how far the copies are warped.

    Raises:
        HandgradError: the arrays do not belong together, or there is nothing to draw.
    """
    n, m = copies.shape[:2]
    pixels = image_shape[0] * image_shape[1]
    if originals.shape != (n, pixels) or copies.shape != (n, m, pixels) or not copies.size:
        raise HandgradError(
            f"images {originals.shape} and copies {copies.shape} do not belong together; warp the images that are drawn"
        )
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - imported late: see `styled`

    high, wide = (PICTURE * side / max(image_shape) for side in image_shape)
    width = 2 * SIDE + (m + 1) * wide + (m - 1) * GAP + APART
    total = TOP + n * (high + GAP) - GAP + SIDE
    with styled():
        figure = new_figure(width, total)
        head(figure, "Before and after warping", subtitle, SIDE)
        axes = place(figure, 0, 0, width, total)
        ink = LinearSegmentedColormap.from_list("ink", [PAPER, INK])
        for i, row in enumerate(np.concatenate([originals[:, None], copies], axis=1)):
            top = total - TOP - i * (high + GAP)
            for j, picture in enumerate(row):
                left = SIDE + j * (wide + GAP) + (APART - GAP if j else 0.0)
                extent = (left, left + wide, top - high, top)
                axes.imshow(picture.reshape(image_shape), cmap=ink, vmin=0, vmax=1, extent=extent, aspect="auto")
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(0, total)
    return figure
