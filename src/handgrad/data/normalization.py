"""Images made alike in what says nothing of the digit: how far a writer leans, and how wide they write.

What need not be learned is taken away before a network sees it, in training and ever after. Both come from an image's
central moments, mu_pq = sum (x - x̄)^p (y - ȳ)^q over its ink, divided by the ink (after Casey 1970, *Moment
normalization of handprinted characters*).

**Deskewed** (LeCun, Bottou, Bengio and Haffner 1998, sec. III-A), an image is slanted back until the line that its ink
follows from top to bottom stands vertical. That line is the regression of columns on rows, x = x̄ + s (y - ȳ) with
s = mu_11 / mu_02.

**Of normalized width**, its columns are spread or drawn together about x̄ until its root mean square width,
sigma = sqrt(mu_20) (of the upright digit, where it is deskewed), becomes sigma^(1 - a) sigma_0^a: what stands at x is
read at x̄ + k (x - x̄) with k = (sigma / sigma_0)^a. With a = 0 all is left as it is, with a = 1 all become equally wide
but the narrowest and the widest: k keeps within bounds, so that a line does not become a bar.

So a pixel at (x, y) is read at x + (k - 1) (x - x̄) + s (y - ȳ) in the same row, between two pixels linearly, with s = 0
where it is not deskewed.
"""

from dataclasses import dataclass, replace
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.dataset import Dataset, Examples

AT_ONCE = 1024
"""Images that are looked at while they are in the cache."""

WIDTH = 3.6 / 28
"""sigma_0, as a share of an image's width: that of MNIST's upright digits, as a root of the mean square."""

BOUNDS = (0.6, 1.4)
"""Least and largest k."""

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32], NDArray[np.float64])


@final
@dataclass(frozen=True, slots=True)
class Normalization:
    """What is taken away of each image.

    Attributes:
        deskew: its slant.
        width: how much of its width, the a of above, from 0 to 1.

    Raises:
        ValueError: another `width`.
    """

    deskew: bool = False
    width: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would draw widths apart."""
        if not 0.0 <= self.width <= 1.0:
            raise ValueError(f"widths are made alike by 0 to 1, not by {self.width}")

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return self.deskew or self.width > 0.0

    def __str__(self) -> str:
        """What images are afterwards, in a word or two; nothing where it changes nothing."""
        return " and ".join(["upright"] * self.deskew + ["evenly wide"] * (self.width > 0.0))

    @property
    def flags(self) -> str:
        """What asks `handgrad train` for it, and for nothing less or more."""
        return f"{'--deskew' if self.deskew else '--no-deskew'} --normalize-width {self.width or 0}"

    def images(self, images: Pixels, shape: tuple[int, int]) -> Pixels:
        """Do it.

        Args:
            images: `(n, height * width)`, 0 where there is no ink, finite; left as they are.
            shape: `(height, width)`.

        Returns:
            as many images of the same type; bytes are rounded. Ink that would leave the image is cut off. The very
            same array where nothing is to be done.
        """
        if not self.active:
            return images
        alike = np.empty_like(images)
        for begin in range(0, len(images), AT_ONCE):
            some = images[begin : begin + AT_ONCE]
            ink = some.reshape(len(some), *shape).astype(np.float32)
            found = _read(ink, self._offsets(ink)).reshape(some.shape)
            alike[begin : begin + AT_ONCE] = np.rint(found) if images.dtype == np.uint8 else found
        return alike

    def dataset(self, dataset: Dataset) -> Dataset:
        """Make the same data set with all its images so."""

        def alike(examples: Examples) -> Examples:
            return replace(examples, images=self.images(examples.images, dataset.image_shape))

        return replace(dataset, training=alike(dataset.training), test=alike(dataset.test)) if self.active else dataset

    def _offsets(self, ink: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far to the right of each pixel it is read: `(n, height, width)`, or `(n, height, 1)` for whole rows."""
        _, height, width = ink.shape
        seen = _Moments.of(ink)
        y_away = np.arange(height, dtype=np.float32) - seen.y[:, None]
        slant = seen.slant if self.deskew else np.zeros_like(seen.slant)
        offsets = (slant[:, None] * y_away)[:, :, None]
        if self.width:
            sigma = np.sqrt(np.maximum(seen.mu_20 - 2.0 * slant * seen.mu_11 + slant**2 * seen.mu_02, 0.0))
            k = np.clip((sigma / (WIDTH * width)) ** self.width, *BOUNDS)
            x_away = np.arange(width, dtype=np.float32) - seen.x[:, None]
            offsets = offsets + ((k - 1.0)[:, None] * x_away)[:, None, :]
        return offsets.astype(np.float32, copy=False)


AS_WRITTEN = Normalization()
"""Nothing is taken away."""


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of each image; 0 where there is no ink."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    mu_20: NDArray[np.float32]
    mu_11: NDArray[np.float32]
    mu_02: NDArray[np.float32]

    @classmethod
    def of(cls, ink: NDArray[np.float32]) -> "_Moments":
        """Find them in `(n, height, width)`."""
        _, height, width = ink.shape
        rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
        by_row, by_column = ink.sum(axis=2), ink.sum(axis=1)
        total = np.maximum(by_row.sum(axis=1), np.finfo(np.float32).tiny)
        y, x = by_row @ rows / total, by_column @ columns / total
        y_away, x_away = rows - y[:, None], columns - x[:, None]
        mu_20 = (by_column * x_away**2).sum(axis=1) / total
        mu_02 = (by_row * y_away**2).sum(axis=1) / total
        mu_11 = ((ink @ columns) * y_away).sum(axis=1) / total - x * (by_row * y_away).sum(axis=1) / total
        return cls(x, y, mu_20, mu_11, mu_02)

    @property
    def slant(self) -> NDArray[np.float32]:
        """Each image's s; 0 where its ink lies in one row only."""
        return np.divide(self.mu_11, self.mu_02, out=np.zeros_like(self.mu_11), where=self.mu_02 > _FLAT)


def _read(ink: NDArray[np.float32], offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read each pixel of `(n, height, width)` so far to its right, in its row."""
    n, height, width = ink.shape
    whole = np.floor(offsets)
    share = offsets - whole
    # Beside each row stand zeros, which is what lies outside of the image.
    padded = np.zeros((n, height, width + 2), np.float32)
    padded[:, :, 1:-1] = ink
    first = np.arange(1, width + 1) + whole.astype(np.intp)
    left = np.take_along_axis(padded, np.clip(first, 0, width + 1), axis=2)
    right = np.take_along_axis(padded, np.clip(first + 1, 0, width + 1), axis=2)
    read: NDArray[np.float32] = left + share * (right - left)
    return read


_FLAT = 1e-3
"""Rows squared: ink that spreads less from top to bottom leans nowhere."""
