"""The two names that every signature in the engine uses.

Batches are row-major: an array of a batch has shape `(batch, features)`, so a layer computes `z = x W + b`.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
"""Floating-point numbers: float32 in training, float64 where gradients are checked."""

Kept: TypeAlias = tuple[NDArray[Any], ...]
"""The arrays a layer asked a pass to keep for it from the forward to the backward half, and scratch space."""
