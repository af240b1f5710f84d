"""The rows that a fit learns from: an array or a sparse matrix, of which a batch at a time becomes dense.

A batch is copied into memory that its pass owns, so that a sparse matrix is never dense as a whole.
"""

from collections.abc import Iterator
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from handgrad.engine.arrays import Array
from handgrad.engine.network import PREDICTION_ROWS, Network

DENSE_AT_ONCE = 8_000_000
"""Numbers of a sparse matrix that are dense at the same time in a prediction: 64 MB in float64."""


@final
class Rows:
    """The features of a data set, `(n, n_features)`, as the network's own kind of number."""

    def __init__(self, x: Any, dtype: np.dtype[Any]) -> None:  # noqa: ANN401 - an array or a SciPy matrix
        self._sparse = sparse.issparse(x)
        self._x: Any = x.tocsr().astype(dtype, copy=False) if self._sparse else np.ascontiguousarray(x, dtype)

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def gather(self, indices: NDArray[np.intp], out: Array) -> None:
        """Overwrite `out`, `(len(indices), n_features)`, with the rows at `indices`, which are in range."""
        if self._sparse:
            self._x[indices].toarray(out=out)
        else:
            np.take(self._x, indices, axis=0, out=out, mode="clip")  # the one mode that does not buffer

    def fill(self, block: slice, out: Array) -> None:
        """Overwrite `out` with the rows of `block`."""
        out[...] = self._x[block].toarray() if self._sparse else self._x[block]


def logits(network: Network, x: Any) -> Array:  # noqa: ANN401 - an array or a SciPy matrix
    """What the network says of `x`, `(n, n_out)`.

    Raises:
        ValueError: rows of another length.
    """
    if not sparse.issparse(x):
        return network.logits(np.asarray(x))
    return np.concatenate([network.logits(block) for block in _dense_blocks(x)])


def _dense_blocks(x: Any) -> Iterator[Array]:  # noqa: ANN401 - a SciPy matrix
    x = x.tocsr()
    n = min(max(DENSE_AT_ONCE // max(x.shape[1], 1), 1), PREDICTION_ROWS)
    for begin in range(0, x.shape[0], n):
        yield x[begin : begin + n].toarray()
