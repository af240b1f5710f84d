"""What a square window sees as it moves over a picture: its largest, smallest and mean value.

The extremes follow van Herk (1992): the picture is cut into blocks as wide as the window, running extremes are taken
forward and backward in each, and every window is the end of one block and the start of the next. The cost does not
depend on the window's width.
"""

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
"""`(height, width)`, 0 black to 1 white, or 0 paper to 1 ink."""


def largest(grey: Grey, width: int) -> Grey:
    """The largest value in the square of `width` pixels (odd) around each pixel; beyond the edge, the edge goes on."""
    return _along_rows(_along_rows(grey, width).T, width).T


def smallest(grey: Grey, width: int) -> Grey:
    """The smallest value, otherwise as `largest`."""
    return -largest(-grey, width)


def mean(grey: Grey, width: int) -> Grey:
    """The mean of the square of `width` pixels (odd) around each pixel; beyond the edge, the edge goes on."""
    for axis in (0, 1):
        pads = [(0, 0), (0, 0)]
        pads[axis] = (width // 2, width // 2)
        padded = np.moveaxis(np.pad(grey, pads, mode="edge"), axis, 0)
        n = grey.shape[axis]
        total = padded[:n].copy()
        for step in range(1, width):
            total += padded[step : step + n]
        total /= np.float32(width)
        grey = np.moveaxis(total, 0, axis)
    return grey


def _along_rows(grey: Grey, width: int) -> Grey:
    height, n = grey.shape
    radius = width // 2
    blocks = -(-(n + 2 * radius) // width)
    padded = np.pad(grey, ((0, 0), (radius, blocks * width - n - radius)), mode="edge").reshape(height, blocks, width)
    forward = np.maximum.accumulate(padded, axis=2).reshape(height, -1)
    backward = np.maximum.accumulate(padded[:, :, ::-1], axis=2)[:, :, ::-1].reshape(height, -1)
    result: Grey = np.maximum(backward[:, :n], forward[:, width - 1 : width - 1 + n])
    return result
