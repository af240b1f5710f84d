"""Many rows through dense layers and ReLU, with one pass over each hidden layer where there would be two.

Since max(z + b, 0) = max(z, -b) + b, a hidden layer need not add its bias: it is compared with -b instead, and the b
that is then missing is added further up, where it costs nothing, as part of the next layer's bias. With a = max(x W,
-b), the next layer's a W' + (b W' + b') is what it would have been. So with c_1 = b_1 and c_l = c_(l-1) W_l + b_l,
layer l compares with -c_l, and only the logits add theirs. What a neuron that is off adds to the next layer is then
no exact 0 but a difference of two equal numbers, rounded apart, so the logits differ from those of a `Pass` in their
last digits.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import numpy as np

from handgrad.engine.activations import ReLU
from handgrad.engine.arrays import Array
from handgrad.engine.layers import Activate, Dense, Dropout, Layer, Views


@final
class Shifted:
    """A network that only predicts.

    Good for as long as the parameters stay as they are: its weights are views of them, its shifts are worked out once.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Sequence[Views], rows: int) -> None:
        """Shift the biases, and make the arrays for at most `rows` rows at a time.

        Args:
            layers: that `suits` says yes to.
            parameters: each layer's.
            rows: at most, in one call.
        """
        dense = [p for layer, p in zip(layers, parameters, strict=True) if isinstance(layer, Dense)]
        self._weights = [p[0] for p in dense]
        self._shifts: list[Array] = []
        for W, *bias in dense:
            shift = np.dot(self._shifts[-1], W) if self._shifts else np.zeros(W.shape[1], W.dtype)
            for b in bias:
                shift += b
            self._shifts.append(shift)
        self._lowest = [np.negative(shift) for shift in self._shifts[:-1]]
        self._hidden = [np.empty((rows, len(shift)), shift.dtype) for shift in self._shifts[:-1]]

    @staticmethod
    def suits(layers: Sequence[Layer]) -> bool:
        """Say whether these are dense layers with ReLU between them, and dropout at most, which predictions skip."""
        seen = [layer for layer in layers if not isinstance(layer, Dropout)]
        return isinstance(seen[0], Dense) and all(
            (isinstance(upper, Activate) and isinstance(upper.function, ReLU))
            if isinstance(lower, Dense)
            else isinstance(upper, Dense)
            for lower, upper in pairwise(seen)
        )

    def forward_of(self, x: Array, out: Array) -> None:
        """Compute the logits of `x`, `(n, n_in)`, into `out`, `(n, n_out)`; both C-contiguous."""
        for W, lowest, hidden in zip(self._weights, self._lowest, self._hidden, strict=False):
            a = hidden[: len(x)]
            np.dot(x, W, out=a)
            np.maximum(a, lowest, out=a)
            x = a
        np.dot(x, self._weights[-1], out=out)
        out += self._shifts[-1]
