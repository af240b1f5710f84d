"""From images at rest to the rows a network multiplies.

Images stay `uint8`; a batch becomes float when it is gathered, in memory that its pass owns.
"""

from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from handgrad.data.dataset import Examples

FLOAT_AT_ONCE = 1024
"""Images that are float at the same time while a network is tested."""


@final
class Gatherer:
    """Copies chosen images into a pass, scaled so that white is 1.0."""

    def __init__(self, examples: Examples, white: int, most: int) -> None:
        """Prepare for batches of up to `most` images.

        Args:
            examples: to gather from.
            white: the pixel value that becomes 1.0.
            most: images in the largest batch.
        """
        self._images = examples.images
        self._scale = 1.0 / white
        self._pixels = np.empty((most, examples.images.shape[1]), np.uint8)

    def gather(self, indices: NDArray[np.intp], out: NDArray[np.floating[Any]]) -> None:
        """Overwrite `out`, `(len(indices), pixels)`, with the images at `indices`, each in `0 .. len(examples) - 1`."""
        pixels = self._pixels[: len(indices)]
        # mode="clip" is the one that does not buffer; the indices are a permutation's and need no check.
        np.take(self._images, indices, axis=0, out=pixels, mode="clip")
        out[...] = pixels
        out *= self._scale


def as_rows(
    images: NDArray[np.uint8], white: int, dtype: DTypeLike, memory: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.floating[Any]]:
    """Make rows of floats of `images`, `(n, pixels)`, scaled so that `white` is 1.0.

    Args:
        images: to be read.
        white: the pixel value that becomes 1.0.
        dtype: of the rows.
        memory: `(n or more, pixels)`, of that type, whose first rows are overwritten and returned; by default new ones,
            for which the system must be asked each time.
    """
    rows: NDArray[np.floating[Any]] = np.empty(images.shape, dtype) if memory is None else memory[: len(images)]
    rows[...] = images
    rows *= 1.0 / white
    return rows


def memory_for(images: int, pixels: int, dtype: DTypeLike) -> NDArray[np.floating[Any]]:
    """Make memory for as many of `images` as are float at the same time."""
    return np.empty((min(images, FLOAT_AT_ONCE), pixels), dtype)
