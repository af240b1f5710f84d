"""Features that only have a few levels, held as bytes: pixels from 0 to 1 are whole numbers over 255.

A crew lays its rows out anew and then reads them from all over memory, batch by batch. A byte in place of a
number with four or eight is laid out sooner and read sooner.
"""

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array

SAMPLE = 256
"""Rows, from all over the data, that say how far apart the levels lie."""

AT_ONCE = 65_536
"""Numbers that are looked at while they are in the cache."""

HIGHEST = 255

MOST_LEVELS = 65_536
"""Between 0 and 1. It could be more; but where they lie as close, there are hardly 256 of them."""


def levels(x: Array) -> tuple[NDArray[np.uint8], int] | None:
    """Find whole numbers k and one `white` so that k / white is `x`, `(n, n_features)`, to the last bit.

    Returns:
        k, of the same shape, and white; None where there are no such numbers from 0 to 255.
    """
    white = _white(x[:: max(len(x) // SAMPLE, 1)])
    if white is None:
        return None
    found = np.empty(x.shape, np.uint8)
    n = max(AT_ONCE // x.shape[1], 1)
    scratch = np.empty((n, x.shape[1]), x.dtype)
    for begin in range(0, len(x), n):
        some, k = x[begin : begin + n], found[begin : begin + n]
        again = scratch[: len(some)]
        with np.errstate(invalid="ignore", over="ignore"):  # what no byte can hold becomes any byte, and is found out
            np.multiply(some, float(white), out=again)
            again += 0.5  # so that cutting off is rounding
            k[...] = again
        np.divide(k, float(white), out=again, dtype=x.dtype)
        if not np.array_equal(again, some):
            return None
    return found, white


def _white(sample: Array) -> int | None:
    """Guess it from the lowest level above 0, which is taken for 1 / white, or for a whole number."""
    if sample.min() < 0.0 or sample.max() > HIGHEST:
        return None
    lowest = float(np.min(sample, where=sample > 0.0, initial=1.0))
    return None if lowest < 1.0 / MOST_LEVELS else round(1.0 / lowest)
