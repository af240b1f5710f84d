"""Images set upright: each is slanted back until the line that its ink follows from top to bottom stands vertical.

How far a writer leans says nothing of which digit it is, so it need not be learned. The line is the regression of ink's
columns on its rows, x = x̄ + s (y - ȳ) with s = mu_11 / mu_02, where mu_pq is the central moment
sum (x - x̄)^p (y - ȳ)^q times the ink there. Each row is moved by -s (y - ȳ), between pixels linearly (after LeCun,
Bottou, Bengio and Haffner 1998, sec. III-A, whose networks read deskewed digits too).
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from handgrad.data.dataset import Dataset, Examples

AT_ONCE = 1024
"""Images that are looked at while they are in the cache."""

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64])


def deskew(images: Pixels, shape: tuple[int, int]) -> Pixels:
    """Set images upright.

    Args:
        images: `(n, height * width)`, dark where there is no ink; left as they are.
        shape: `(height, width)`.

    Returns:
        as many images of the same type; bytes are rounded. Ink that would leave the image is cut off.
    """
    upright = np.empty_like(images)
    for begin in range(0, len(images), AT_ONCE):
        some = images[begin : begin + AT_ONCE]
        found = _upright(some.reshape(-1, *shape).astype(np.float32)).reshape(some.shape)
        upright[begin : begin + AT_ONCE] = np.rint(found) if images.dtype == np.uint8 else found
    return upright


def deskewed(dataset: Dataset) -> Dataset:
    """Make the same data set with all its images upright."""

    def upright(examples: Examples) -> Examples:
        return replace(examples, images=deskew(examples.images, dataset.image_shape))

    return replace(dataset, training=upright(dataset.training), test=upright(dataset.test))


def _upright(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Do it with `(n, height, width)`."""
    n, height, width = ink.shape
    slant, middle = _slants(ink)
    away = np.arange(height, dtype=np.float32) - middle[:, None]
    shift = slant[:, None] * away  # of each row, to the left
    whole = np.floor(shift)
    share = (shift - whole)[:, :, None]
    # Beside each row stand zeros, which is what lies outside of the image.
    padded = np.zeros((n, height, width + 2), np.float32)
    padded[:, :, 1:-1] = ink
    first = np.arange(1, width + 1) + whole[:, :, None].astype(np.intp)
    left = np.take_along_axis(padded, np.clip(first, 0, width + 1), axis=2)
    right = np.take_along_axis(padded, np.clip(first + 1, 0, width + 1), axis=2)
    moved: NDArray[np.float32] = left + share * (right - left)
    return moved


def _slants(ink: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find each image's s, and ȳ; 0 where there is no ink, or ink in one row only."""
    _, height, width = ink.shape
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    by_row, by_column = ink.sum(axis=2), ink.sum(axis=1)
    total = np.maximum(by_row.sum(axis=1), np.finfo(np.float32).tiny)
    y, x = by_row @ rows / total, by_column @ columns / total
    y_away = rows - y[:, None]
    mu_02 = (by_row * y_away**2).sum(axis=1) / total
    mu_11 = ((ink @ columns) * y_away).sum(axis=1) / total - x * (by_row * y_away).sum(axis=1) / total
    slant = np.divide(mu_11, mu_02, out=np.zeros_like(mu_11), where=mu_02 > _FLAT)
    return slant, y


_FLAT = 1e-3
"""Rows squared: ink that spreads less from top to bottom leans nowhere."""
