"""Where training starts: random weights of the size that keeps signals alive through many layers.

If each of `n_in` inputs has variance 1 and each weight variance v, then z has variance `n_in * v`. Every rule here is a
choice of v. Numbers are drawn in float64 and rounded afterwards, so that a network starts from the same
point in either precision. Biases start at zero.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Initializer: TypeAlias = Callable[[np.random.Generator, int, int], NDArray[np.float64]]
"""`(generator, n_in, n_out)` to weights of shape `(n_in, n_out)`."""


def he(generator: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw from a normal with variance 2 / n_in: ReLU drops half of the variance (He et al. 2015, eq. 10)."""
    return generator.normal(0.0, math.sqrt(2.0 / n_in), (n_in, n_out))


def glorot(generator: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw uniformly with variance 2 / (n_in + n_out), between both directions (Glorot and Bengio 2010, eq. 16)."""
    limit = math.sqrt(6.0 / (n_in + n_out))
    return generator.uniform(-limit, limit, (n_in, n_out))


def lecun(generator: np.random.Generator, n_in: int, n_out: int) -> NDArray[np.float64]:
    """Draw from a normal with variance 1 / n_in (LeCun et al. 1998)."""
    return generator.normal(0.0, math.sqrt(1.0 / n_in), (n_in, n_out))


INITIALIZERS: Mapping[str, Initializer] = MappingProxyType({"he": he, "glorot": glorot, "lecun": lecun})
"""Every initializer by its name."""
