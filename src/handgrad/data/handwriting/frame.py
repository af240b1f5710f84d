"""One digit's ink set into 28x28 pixels, as MNIST's makers set theirs.

They had black and white scans, boxed each digit, brought its longer side to 20 pixels with grey edges, and moved its
centre of mass to the centre of 28x28 (Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits").
A pen that is much thinner or thicker than theirs is brought to their range on the way.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from handgrad.data.handwriting import window
from handgrad.data.handwriting.distance import distance_to
from handgrad.data.handwriting.pieces import Mask
from handgrad.data.handwriting.window import Grey

SIDE = 28
LONG_SIDE = 20
CENTRE = SIDE // 2

FINE = 12
"""Pixels of the glyph, before it is made small, for one of MNIST's."""

_OFF_CENTRE = 0.52
"""Half a pixel, for the mass is moved by whole ones, and what the rounding of greys adds to that."""

THINNEST, THICKEST = 2.6, 4.0
"""Strokes, in pixels of MNIST: what is outside is brought to the nearer of the two."""

_NEAR = 0.2
"""Of the digit's longer side: so far is looked for how strong the ink is that a stroke ends in."""

_WEAKEST = 0.5
"""Of the strength of the ink: a stroke that is weaker still is measured as if it were so strong."""

EDGE, INNER_EDGE = 0.5, 0.65
"""Where a stroke ends, of the strength of the ink near it; and where it does if the picture is so blurred that half of
the strength lies outside of the stroke, or fills a loop."""


def stroke_width(mask: Mask) -> float:
    """How wide the strokes of a shape are, in pixels: 2 · area / length of its outline.

    The outline is counted in pixel edges, of which a line at a random slope has 4/π as many as its length.
    """
    outline = sum(int(np.count_nonzero(np.diff(np.pad(mask, 1), axis=axis))) for axis in (0, 1))
    return 8 * int(np.count_nonzero(mask)) / (np.pi * outline) if outline else 0.0


def glyph_of(
    strength: Grey, mask: Mask, edge: float = EDGE, thinnest: float = THINNEST, thickest: float = THICKEST
) -> Mask:
    """The shape of one digit, its longer side about 20 x `FINE` pixels, its strokes brought to MNIST's range.

    Args:
        strength: `(height, width)`: 0 paper, 1 ink; the box of one digit.
        mask: where it is ink.
        edge: where a stroke ends, of the strength of the ink near it; a thin one ends later.
        thinnest: in pixels of MNIST.
        thickest: likewise.
    """
    width = stroke_width(mask) * LONG_SIDE / max(mask.shape)
    fine = _cut(_resampled(strength, FINE * LONG_SIDE / max(mask.shape)), min(edge, width / 3))
    width = stroke_width(fine) * LONG_SIDE / max(fine.shape)
    wanted = min(max(width, thinnest), thickest)
    reach = round(FINE * LONG_SIDE / 2 * (wanted - width) / (LONG_SIDE - wanted))  # thicker also is longer
    if reach > 0:
        fine = np.asarray(distance_to(np.pad(fine, reach + 1), reach + 2) <= reach)
    elif reach < 0:
        thin = np.asarray(distance_to(~np.pad(fine, 1), 2 - reach) > -reach)
        fine = thin if thin.any() else fine
    return _boxed(fine)


def framed(glyph: Mask) -> NDArray[np.uint8]:
    """28x28 pixels, white on black, of a shape whose box has no margin."""
    height, width = glyph.shape
    small_height, small_width = (max(1, round(n * LONG_SIDE / max(glyph.shape))) for n in (height, width))
    grey = area_weights(height, small_height) @ glyph.astype(np.float32) @ area_weights(width, small_width).T
    grey *= 255 / grey.max()
    top, left = (_corner(grey.sum(axis=1 - axis)) for axis in (0, 1))
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[top : top + small_height, left : left + small_width] = np.rint(grey)
    return picture


def all_framed(glyphs: Iterable[Mask]) -> NDArray[np.uint8]:
    """What `framed` makes of each, `(n, 28, 28)`."""
    return np.array([framed(glyph) for glyph in glyphs], np.uint8).reshape(-1, SIDE, SIDE)


def area_weights(n: int, m: int) -> Grey:
    """The share of each of n pixels in each of m that cover the same length, `(m, n)`: rows that add up to 1."""
    edges = np.arange(m + 1) * (n / m)
    inside = np.clip(edges[:, None] - np.arange(n), 0, 1)
    weights: Grey = (np.diff(inside, axis=0) * (m / n)).astype(np.float32)
    return weights


def is_framed(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture, white on black, already is what `framed` makes: then it is better left alone."""
    if picture.shape != (SIDE, SIDE) or not picture.any():
        return False
    rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
    long_side = max(int(ends[-1] - ends[0]) + 1 for ends in (rows, columns))
    mass = picture.astype(np.float64)
    places = (_centre_of_mass(mass.sum(axis=axis)) for axis in (1, 0))
    return (
        long_side == LONG_SIDE
        and all(abs(place - CENTRE) <= _OFF_CENTRE for place in places)
        and int(picture.max()) > 200
    )


def _corner(sums: Grey) -> int:
    """Where the first row, or column, goes so that the centre of mass lies at the centre."""
    return int(np.clip(round(CENTRE - _centre_of_mass(sums)), 0, SIDE - len(sums)))


def _centre_of_mass(sums: NDArray[np.floating]) -> float:
    return float(sums @ np.arange(len(sums)) / sums.sum())


def _resampled(strength: Grey, scale: float) -> Grey:
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    height, width = (max(1, round(n * scale)) for n in strength.shape)
    return np.asarray(Image.fromarray(strength).resize((width, height), Image.Resampling.BICUBIC))


def _cut(strength: Grey, share: float) -> Mask:
    """Where the ink is at least `share` as strong as it is nearby: where a pen was pressed less, it is no thinner."""
    width = int(_NEAR * max(strength.shape)) | 1
    nearby = window.mean(window.largest(strength, width), width // 2 | 1)
    shape: Mask = strength >= share * np.maximum(nearby, min(_WEAKEST, float(strength.max())))
    return shape


def _boxed(mask: Mask) -> Mask:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
