"""What keeps weights small. Each acts on weights and never on biases, which do not make a function steeper.

L1 and L2 add to the gradient before the update; max-norm pulls the weights back after it. Decoupled decay belongs to
the update itself and stands in `optimizers.py`. The loss in a run's records leaves penalties out, so that runs compare.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from handgrad.engine.arrays import Array
from handgrad.engine.optimizers import BLOCK


class Penalty(ABC):
    """A cost of the weights, added to the loss."""

    @abstractmethod
    def value(self, weights: Array) -> float:
        """Compute the cost of `(n_weights,)` weights."""

    @abstractmethod
    def add_gradient(self, weights: Array, gradient: Array, scratch: Array) -> None:
        """Add d value / d weights to `gradient`, `(n_weights,)`, by way of `scratch`, `(BLOCK,)`."""


@final
@dataclass(frozen=True, slots=True)
class L1(Penalty):
    """strength * sum |w|; its derivative, strength * sign(w), pulls every weight to zero with the same force."""

    strength: float

    def value(self, weights: Array) -> float:
        return self.strength * float(np.abs(weights).sum(dtype=np.float64))

    def add_gradient(self, weights: Array, gradient: Array, scratch: Array) -> None:
        for w, g, s in _blocks(weights, gradient, scratch):
            np.sign(w, out=s)
            s *= self.strength
            g += s


@final
@dataclass(frozen=True, slots=True)
class L2(Penalty):
    """strength / 2 * sum w^2; its derivative, strength * w, pulls large weights harder."""

    strength: float

    def value(self, weights: Array) -> float:
        return 0.5 * self.strength * float(np.dot(weights, weights))

    def add_gradient(self, weights: Array, gradient: Array, scratch: Array) -> None:
        for w, g, s in _blocks(weights, gradient, scratch):
            np.multiply(w, self.strength, out=s)
            g += s


def _blocks(weights: Array, gradient: Array, scratch: Array) -> Iterator[tuple[Array, Array, Array]]:
    for begin in range(0, len(weights), BLOCK):
        end = min(begin + BLOCK, len(weights))
        yield weights[begin:end], gradient[begin:end], scratch[: end - begin]


@final
class MaxNorm:
    """Scale back every neuron whose incoming weights are longer than `limit` (Srivastava et al. 2014, sec. 5.1)."""

    def __init__(self, limit: float, matrices: Sequence[Array]) -> None:
        """Act on these matrices, `(n_in, n_out)` each: column j is what neuron j listens to."""
        self.limit = limit
        self._matrices = [(W, np.empty(W.shape[1], W.dtype)) for W in matrices]

    def project(self) -> None:
        """Overwrite each column w with w * min(1, limit / |w|)."""
        for W, length in self._matrices:
            np.einsum("ij,ij->j", W, W, out=length)
            np.sqrt(length, out=length)
            np.maximum(length, self.limit, out=length)  # now limit / length is min(1, limit / |w|)
            np.divide(self.limit, length, out=length)
            W *= length
