"""Which pixels of a mask hang together: its pieces, each with its box.

A piece is found through the runs of its rows: two runs in neighbouring rows that touch, corners included, belong
together, and every run takes the lowest number that any run it hangs together with has.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Numbers = NDArray[np.intp]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of a mask, numbered from 0 in the order of their first pixels.

    Attributes:
        boxes: `(n, 4)`: top, left, bottom, right; the last two lie just outside.
        areas: `(n,)`, pixels.
    """

    boxes: Numbers
    areas: Numbers
    _shape: tuple[int, int]
    _starts: Numbers
    _ends: Numbers
    _labels: Numbers

    def __len__(self) -> int:
        return len(self.areas)

    def paint(self, wanted: NDArray[np.intp]) -> Mask:
        """The mask of these pieces alone."""
        height, width = self._shape
        edges = np.zeros(height * (width + 1) + 1, np.int8)
        chosen = np.isin(self._labels, wanted)
        edges[self._starts[chosen]] = 1
        edges[self._ends[chosen]] = -1
        return np.cumsum(edges[:-1], dtype=np.int8).reshape(height, width + 1)[:, :width].astype(np.bool_)


def pieces_of(mask: Mask) -> Pieces:
    """Find the pieces of a mask, `(height, width)`."""
    height, width = mask.shape
    pitch = width + 1  # a column of paper, so that no run goes on in the next row
    flat = np.zeros(height * pitch + 1, np.int8)
    flat[:-1].reshape(height, pitch)[:, :width] = mask
    steps = np.diff(flat, prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)

    first = np.searchsorted(ends, starts + pitch)  # of the runs in the next row that touch
    touching = np.maximum(np.searchsorted(starts, ends + pitch, side="right") - first, 0)
    upper = np.repeat(np.arange(len(starts)), touching)
    lower = np.arange(touching.sum()) - np.repeat(np.cumsum(touching) - touching, touching) + np.repeat(first, touching)
    labels = _joined(len(starts), upper, lower)

    n = int(labels.max()) + 1 if len(labels) else 0
    rows = starts // pitch
    boxes = np.empty((n, 4), np.intp)
    boxes[:, :2], boxes[:, 2:] = max(height, width), 0
    np.minimum.at(boxes[:, 0], labels, rows)
    np.minimum.at(boxes[:, 1], labels, starts % pitch)
    np.maximum.at(boxes[:, 2], labels, rows + 1)
    np.maximum.at(boxes[:, 3], labels, ends - rows * pitch)
    areas = np.bincount(labels, weights=ends - starts, minlength=n).astype(np.intp)
    return Pieces(boxes, areas, (height, width), starts, ends, labels)


def _joined(n: int, upper: Numbers, lower: Numbers) -> Numbers:
    """Number n runs, 0, 1, ..., so that those that touch, directly or through others, have one number."""
    lowest = np.arange(n)
    while True:
        before = lowest.copy()
        least = np.minimum(lowest[upper], lowest[lower])
        np.minimum.at(lowest, before[upper], least)
        np.minimum.at(lowest, before[lower], least)
        while not np.array_equal(lowest, higher := lowest[lowest]):
            lowest = higher
        if np.array_equal(lowest, before):
            return np.unique(lowest, return_inverse=True)[1].astype(np.intp)
