"""The rows that a fit learns from, an array or a sparse matrix.

Rows of an array are copied into memory that the pass owns. Of a sparse matrix, a batch stays sparse where the first
layer can multiply it, and becomes dense where dropout or augmentation wants to change it: never the whole.
"""

import math
from collections.abc import Callable
from itertools import count
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from handgrad.data.augment import PRESETS, Warper
from handgrad.engine.arrays import Array
from handgrad.engine.layers import Dense
from handgrad.engine.network import PREDICTION_ROWS, Network, Pass

AT_ONCE = 8_000_000
"""Numbers of a pass's input, at most, where a sparse matrix goes through it in a prediction: 64 MB in float64."""

WHITE = 255
"""Levels between an empty pixel and the brightest, in images that are warped."""


@final
class Rows:
    """The features of a data set, `(n, n_features)`, as the network's own kind of number."""

    def __init__(
        self,
        x: Any,  # noqa: ANN401 - an array or a SciPy matrix
        network: Network,
        augment: Callable[..., Array | None] | str | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        """Hold `x`.

        Args:
            x: an array or a SciPy matrix.
            network: whose kind of number to use.
            augment: `augment(batch, generator)` gives what is learned from in the batch's place, or changes the batch;
                or how far images are to be warped, a name from `PRESETS`.
            generator: draws the seed of the warps.

        Raises:
            ValueError: rows that cannot be images are to be warped.
        """
        self._is_sparse = sparse.issparse(x)
        dtype = network.dtype
        self._x: Any = x.tocsr().astype(dtype, copy=False) if self._is_sparse else np.ascontiguousarray(x, dtype)
        self._fed = self._is_sparse and augment is None and isinstance(network.layers[0], Dense)
        self._warps: _Warps | None = None
        if isinstance(augment, str):
            self._warps = _Warps(self._x, augment, generator or np.random.default_rng(0))
            augment = None
        self._augment = augment

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def gather(self, indices: NDArray[np.intp], a: Pass, generator: np.random.Generator) -> None:
        """Make the rows at `indices`, which are in range, the input of the pass."""
        if self._fed:
            a.feed(self._x[indices])
            return
        if self._warps is not None:
            self._warps.gather(indices, a.x)
        elif self._is_sparse:
            self._x[indices].toarray(out=a.x)
        else:
            np.take(self._x, indices, axis=0, out=a.x, mode="clip")  # the one mode that does not buffer
        if self._augment is not None:
            given = self._augment(a.x, generator)
            if given is not None and np.shape(given) != a.x.shape:
                raise ValueError(f"augment gave {np.shape(given)} in place of a batch of {a.x.shape}")
            if given is not None:
                a.x[...] = given

    def block(self, rows: slice) -> Any:  # noqa: ANN401 - an array or a SciPy matrix
        """Give these rows as they lie."""
        return self._x[rows]


@final
class _Warps:
    """Rows that are square images, warped anew whenever they are asked for."""

    def __init__(self, x: Any, preset: str, generator: np.random.Generator) -> None:  # noqa: ANN401 - as in `Rows`
        name = f"augment={preset!r}"
        if sparse.issparse(x):
            raise ValueError(f"{name} warps images, which are no sparse rows: give it their toarray()")
        n, size = x.shape
        side = math.isqrt(size)
        if side * side != size:
            raise ValueError(f"{name} warps square images, but rows of {size} numbers are none: give it a function")
        if x.min() < 0.0:
            raise ValueError(f"{name} warps images whose empty pixels are 0, but there are numbers below: {x.min():g}")
        self._highest = float(x.max()) or 1.0
        images = np.empty((n, size), np.uint8)
        for begin in range(0, n, PREDICTION_ROWS):
            rows = slice(begin, begin + PREDICTION_ROWS)
            images[rows] = np.rint(x[rows] * (WHITE / self._highest))
        self._warper = Warper(images, (side, side), WHITE, PRESETS[preset], int(generator.integers(2**31)))
        self._batches = count()

    def gather(self, indices: NDArray[np.intp], out: Array) -> None:
        """Overwrite `out` with the images at `indices`, warped."""
        self._warper.warp(indices, next(self._batches), out)
        if self._highest != 1.0:
            out *= self._highest


def logits(network: Network, x: Any) -> Array:  # noqa: ANN401 - an array or a SciPy matrix
    """What the network says of `x`, `(n, n_out)`.

    Raises:
        ValueError: rows of another length.
    """
    if not sparse.issparse(x):
        return network.logits(np.asarray(x))
    thin: Any = x  # SciPy's types do not say that every sparse matrix has a tocsr
    whole = thin.tocsr().astype(network.dtype, copy=False)
    n = min(max(AT_ONCE // network.n_in, 1), PREDICTION_ROWS)
    out: Array = np.empty((whole.shape[0], network.n_out), network.dtype)
    passes: dict[int, Pass] = {}
    for begin in range(0, len(out), n):
        rows = whole[begin : begin + n]
        a = passes.setdefault(rows.shape[0], Pass(network, rows.shape[0]))
        if isinstance(network.layers[0], Dense):
            a.feed(rows)
        else:
            rows.toarray(out=a.x)
        out[begin : begin + n] = a.forward()
    return out
