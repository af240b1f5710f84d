"""Which pieces of ink are one digit, which are several, and which are none.

A 5 may be written with its bar apart, a thin pen may leave gaps, paper has specks, and a page has edges. What lies
over one another is one digit; what is small beside the tallest belongs to its neighbour or to nobody.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.handwriting import window
from handgrad.data.handwriting.paper import Ink
from handgrad.data.handwriting.pieces import Mask, Pieces, pieces_of
from handgrad.data.handwriting.window import Grey

LEAST_HEIGHT = 0.025
"""Of the longer side of the picture: what is smaller is a speck, even if there is nothing else."""

MOST_PIECES = 60
"""Of a picture that is full of something else, no more are looked at."""

_SPECK = 0.12
"""Of the longest piece's longer side."""

_SMALL = 0.45
"""Of the tallest digit's height: what is lower is a part of its neighbour, or a comma."""

_OVERLAP = 0.5
"""Of the narrower one's width: so much of it must lie over or under the other for both to be one digit."""

_APART = 0.3
"""Of the taller one's height: what is farther away belongs to another digit, or another line."""

_STRONG = 0.8
"""Of the ink's strength: a piece that is nowhere this dark is a smudge."""

_ACROSS, _MARGIN, _COVERED, _DIGIT_ON_PAGE = 0.9, 0.15, 0.6, 0.08
"""Of a side of the picture. An edge of the page goes across so much of it, within this margin or covering so much of
the border; and it is one only beside something at least so long."""

_BLOT, _SOLID = 0.4, 0.65
"""Of the longer side, how wide a blot is at least; of the ink's strength, how dark it is everywhere: a loop that is
filled by blur is fainter."""

_FAINT = 0.05
"""Of a digit's longer side: so far around its ink, what is fainter can be a part of it."""

_SHEET, _FILLED, _RIM, _WIDE, _STRAIGHT = 0.15, 0.7, 0.04, 0.6, 0.95
"""A sheet of paper covers so much of the picture and of its own box, and is looked at without so much of its rim. Where
it touches two opposite sides of the picture alone, it is so wide or fills its box so well: a thick digit that was cut
out closely does so too."""

Box = NDArray[np.intp]
"""Top, left, bottom, right, in pixels; the last two lie just outside."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Digit:
    """The ink of one digit, cut out.

    Attributes:
        box: where it stands.
        strength: `(height, width)` of the box: 0 paper, 1 ink, without what is others' or far from the mask.
        mask: where it is ink.
    """

    box: Box
    strength: Grey
    mask: Mask


def find_digits(ink: Ink) -> list[Digit]:
    """The digits in the ink, line by line from left to right; none where there are only specks."""
    pieces = pieces_of(ink.mask)
    kept = without_specks(pieces, ink)
    groups = [np.array(group) for group in joined(pieces.boxes, kept)]
    boxes = [_around(pieces.boxes[group]) for group in groups]
    found = [_cut(ink, pieces, groups[i], boxes[i]) for i in in_reading_order(boxes)]
    return [digit for digit in found if not is_blot(digit.strength > _SOLID)]


def is_blot(mask: Mask) -> bool:
    """Whether a square of two fifths of the shape's longer side lies wholly in it: no pen leaves such a line."""
    width = int(_BLOT * max(mask.shape)) | 1
    inside = np.pad(mask, width // 2).astype(np.float32)
    return bool(window.smallest(inside, width).any())


def sheet_in(ink: Ink) -> Box | None:
    """The inside of a sheet of paper that was taken for ink because it lies on something else, if there is one."""
    pieces = pieces_of(ink.mask)
    if not len(pieces):
        return None
    largest = int(np.argmax(pieces.areas))
    top, left, bottom, right = pieces.boxes[largest]
    height, width = bottom - top, right - left
    if pieces.areas[largest] < _SHEET * ink.mask.size or pieces.areas[largest] < _FILLED * height * width:
        return None
    size = np.array(ink.mask.shape)
    ends = np.stack([pieces.boxes[largest, :2] <= 1, pieces.boxes[largest, 2:] >= size - 1])
    across = ends.all(axis=0).any() and ends.sum() == 2 and min((height, width) / size) < _WIDE
    if across and pieces.areas[largest] < _STRAIGHT * height * width:
        return None
    inset = int(_RIM * max(height, width))
    if min(height, width) <= 3 * inset:  # a strip, not a sheet
        return None
    return np.array([top + inset, left + inset, bottom - inset, right - inset])


def without_specks(pieces: Pieces, ink: Ink) -> list[int]:
    """The numbers of the pieces that can be digits or parts of one; of very many, the longest."""
    longer = (pieces.boxes[:, 2:] - pieces.boxes[:, :2]).max(axis=1, initial=0)
    wanted = longer >= LEAST_HEIGHT * max(ink.mask.shape)
    wanted &= ~_edges_of_the_page(pieces, ink.mask.shape)
    if wanted.any():
        wanted &= longer >= _SPECK * longer[wanted].max()
    longest = sorted(np.flatnonzero(wanted).tolist(), key=lambda i: -int(longer[i]))[:MOST_PIECES]
    return sorted(i for i in longest if _strongest_in(pieces.boxes[i], ink) >= _STRONG)


def joined(boxes: NDArray[np.intp], numbers: list[int]) -> list[list[int]]:
    """Put the pieces that are one digit together."""
    groups = [[number] for number in numbers]
    while pair := _first_pair(groups, boxes):
        i, j = pair
        groups[i] += groups.pop(j)
    if not groups:
        return []
    heights = [int(_height(_around(boxes[group]))) for group in groups]
    tall = [group for group, height in zip(groups, heights, strict=True) if height >= _SMALL * max(heights)]
    for group in groups:
        if group not in tall:
            box = _around(boxes[group])
            nearest = min(tall, key=lambda other: _gap(box, _around(boxes[other])))
            if _gap(box, _around(boxes[nearest])) <= _APART * max(heights):
                nearest += group
    return tall


def in_reading_order(boxes: list[Box]) -> list[int]:
    """The places of the boxes in the order of lines, and in each from left to right."""
    lines: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: int(boxes[i][0] + boxes[i][2])):
        middle = (boxes[i][0] + boxes[i][2]) / 2
        if lines and middle < max(boxes[j][2] for j in lines[-1]):
            lines[-1].append(i)
        else:
            lines.append([i])
    return [i for line in lines for i in sorted(line, key=lambda i: int(boxes[i][1] + boxes[i][3]))]


def _edges_of_the_page(pieces: Pieces, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pieces are the end of the paper and what lies beyond it, while something else can be a digit.

    They touch the border of the picture and go from one side of it to the other, along a side or covering most of it.
    """
    size = np.array(shape)
    begins, ends = pieces.boxes[:, :2], pieces.boxes[:, 2:]
    touching = ((begins <= 1) | (ends >= size - 1)).any(axis=1)
    across = (ends - begins >= _ACROSS * size).any(axis=1)
    along = np.asarray(((ends <= _MARGIN * size) | (begins >= (1 - _MARGIN) * size)).any(axis=1))
    edges, rims = np.zeros((2, len(pieces)), np.bool_)
    for i in np.flatnonzero(touching & across):
        piece = pieces.paint(np.array([i]))
        covered = sum(float(side.mean()) >= _COVERED for side in (piece[0], piece[-1], piece[:, 0], piece[:, -1]))
        edges[i] = along[i] or covered > 0
        rims[i] = covered > 2  # darkness all around is light that falls off
    others = (ends - begins).max(axis=1)[~edges]
    return edges if others.max(initial=0) >= _DIGIT_ON_PAGE * size.max() else rims


def _strongest_in(box: Box, ink: Ink) -> float:
    top, left, bottom, right = box
    return float(ink.strength[top:bottom, left:right].max())


def _first_pair(groups: list[list[int]], boxes: NDArray[np.intp]) -> tuple[int, int] | None:
    around = [_around(boxes[group]) for group in groups]
    for i, a in enumerate(around):
        for j in range(i + 1, len(around)):
            if _are_one(a, around[j]):
                return i, j
    return None


def _are_one(a: Box, b: Box) -> bool:
    overlap = min(a[3], b[3]) - max(a[1], b[1])
    narrower = min(a[3] - a[1], b[3] - b[1])
    apart = max(a[0], b[0]) - min(a[2], b[2])
    return bool(overlap >= _OVERLAP * narrower and apart <= _APART * max(_height(a), _height(b)))


def _around(boxes: NDArray[np.intp]) -> Box:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _height(box: Box) -> int:
    return int(box[2] - box[0])


def _gap(a: Box, b: Box) -> float:
    """The distance between two boxes, pixels."""
    return float(np.hypot(*np.maximum(np.maximum(a[:2], b[:2]) - np.minimum(a[2:], b[2:]), 0)))


def _cut(ink: Ink, pieces: Pieces, group: NDArray[np.intp], box: Box) -> Digit:
    top, left, bottom, right = box
    mask = pieces.paint(group)[top:bottom, left:right]
    others = ink.mask[top:bottom, left:right] & ~mask
    near = _around_mask(mask, max(1, int(_FAINT * max(mask.shape)))) & ~_around_mask(others, 1)
    return Digit(box, ink.strength[top:bottom, left:right] * (near | mask), mask)


def _around_mask(mask: Mask, reach: int) -> Mask:
    return window.largest(mask.astype(np.float32), 2 * reach + 1) > 0
