"""From the colours of a picture to what a network trained on MNIST reads, step by step."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.handwriting import digits, frame, paper
from handgrad.data.handwriting.digits import Box, Digit
from handgrad.data.handwriting.paper import Ink
from handgrad.data.handwriting.picture import Colours
from handgrad.data.handwriting.window import Grey


@final
@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A picture, what was found on it, and what it was made into.

    Attributes:
        colours: the picture, `(height, width, 3)`.
        grey: how bright it looks, 0 to 1; a small picture enlarged smoothly, and of paper on a desk the paper alone.
        ink: what is ink, or None where nothing is drawn.
        digits: each digit's ink, in reading order; empty where nothing is drawn or the picture was left as it is.
        glyphs: each digit's shape, strokes as wide as MNIST's.
        images: what a network reads, `(n, 28, 28)`.
        inner: the same with strokes that end where the ink is stronger, which differ where the picture is blurred.
    """

    colours: Colours
    grey: Grey
    ink: Ink | None
    digits: tuple[Digit, ...]
    glyphs: tuple[NDArray[np.bool_], ...]
    images: NDArray[np.uint8]
    inner: NDArray[np.uint8]

    @property
    def boxes(self) -> list[Box]:
        return [digit.box for digit in self.digits]


def prepare(colours: Colours) -> Prepared:
    """Find the digits in a picture and set each as MNIST's makers set theirs.

    A picture that already is as theirs (28x28, boxed and centred so, white on black or black on white), or one of which
    each pixel was enlarged to a square, is left alone.
    """
    small = paper.unsquared(colours)
    grey = paper.grey_of(small)
    for as_given in (small[:, :, 0], 255 - small[:, :, 0]):
        if frame.is_framed(as_given):
            return Prepared(colours, grey, None, (), (), as_given[None], as_given[None])
    grey = paper.enlarged(grey)
    ink = paper.find_ink(grey)
    if ink and (sheet := digits.sheet_in(ink)) is not None:  # paper on a desk: what is drawn is drawn on the paper
        top, left, bottom, right = sheet
        grey = np.ascontiguousarray(grey[top:bottom, left:right])
        ink = paper.find_ink(grey)
    found = tuple(digits.find_digits(ink)) if ink else ()
    glyphs = tuple(frame.glyph_of(digit.strength, digit.mask) for digit in found)
    inner = (frame.glyph_of(digit.strength, digit.mask, frame.INNER_EDGE) for digit in found)
    return Prepared(colours, grey, ink, found, glyphs, frame.all_framed(glyphs), frame.all_framed(inner))
