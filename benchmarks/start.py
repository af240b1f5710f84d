"""Where training starts: the same numbers for every system, so that they can be held to the same accuracy."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def start(sizes: Sequence[int], seed: int) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """`W`, `(n_in, n_out)`, and `b` of each layer: normal with variance 2 / n_in (He et al. 2015, eq. 10), zeros."""
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(0, (2 / n_in) ** 0.5, (n_in, n_out)).astype(np.float32), np.zeros(n_out, np.float32))
        for n_in, n_out in pairwise(sizes)
    ]
