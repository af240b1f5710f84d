"""The rows that a fit learns from, an array or a sparse matrix.

Rows of an array are copied into memory that the pass owns. Of a sparse matrix, a batch stays sparse where the first
layer can multiply it, and becomes dense where dropout or augmentation wants to change it: never the whole.
"""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from handgrad.engine.arrays import Array
from handgrad.engine.layers import Dense
from handgrad.engine.network import PREDICTION_ROWS, Network, Pass

AT_ONCE = 8_000_000
"""Numbers of a pass's input, at most, where a sparse matrix goes through it in a prediction: 64 MB in float64."""


@final
class Rows:
    """The features of a data set, `(n, n_features)`, as the network's own kind of number."""

    def __init__(self, x: Any, network: Network, augment: Callable[..., Array] | None = None) -> None:  # noqa: ANN401
        """Hold `x`, an array or a SciPy matrix; `augment(batch, generator)` gives what is learned from in its place."""
        self._is_sparse = sparse.issparse(x)
        dtype = network.dtype
        self._x: Any = x.tocsr().astype(dtype, copy=False) if self._is_sparse else np.ascontiguousarray(x, dtype)
        self._fed = self._is_sparse and augment is None and isinstance(network.layers[0], Dense)
        self._augment = augment

    def __len__(self) -> int:
        return int(self._x.shape[0])

    def gather(self, indices: NDArray[np.intp], a: Pass, generator: np.random.Generator) -> None:
        """Make the rows at `indices`, which are in range, the input of the pass."""
        if self._fed:
            a.feed(self._x[indices])
            return
        if self._is_sparse:
            self._x[indices].toarray(out=a.x)
        else:
            np.take(self._x, indices, axis=0, out=a.x, mode="clip")  # the one mode that does not buffer
        if self._augment is not None:
            a.x[...] = self._augment(a.x, generator)

    def block(self, rows: slice) -> Any:  # noqa: ANN401 - an array or a SciPy matrix
        """Give these rows as they lie."""
        return self._x[rows]


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
