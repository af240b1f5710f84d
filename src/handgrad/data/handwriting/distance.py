"""How far each pixel is from a shape, up to a bound.

The square of the distance is the least of parabolas, one a pixel of the shape, and two coordinates can be taken one
after the other: Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions" (2012), equation 2. With
a bound, each axis is a handful of shifted minima.
"""

import numpy as np
from numpy.typing import NDArray

from handgrad.data.handwriting.pieces import Mask


def distance_to(shape: Mask, bound: int) -> NDArray[np.float32]:
    """The distance of each pixel's centre to the centre of the nearest pixel in `shape`; at most `bound`, pixels."""
    squares = np.where(shape, np.float32(0), np.float32(bound * bound))
    for _ in range(2):
        least = squares.copy()
        for step in range(1, min(bound, len(squares))):
            np.minimum(least[step:], squares[:-step] + np.float32(step * step), out=least[step:])
            np.minimum(least[:-step], squares[step:] + np.float32(step * step), out=least[:-step])
        squares = np.ascontiguousarray(least.T)
    return np.sqrt(squares)
