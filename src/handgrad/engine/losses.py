"""What a network is asked to make small, and the delta that starts the way back.

A loss takes the logits of a batch and overwrites them with dL/dlogits: the output layer's activation belongs to the
loss, because the two together have a simpler and safer derivative than either alone. L is the weighted mean over the
batch, so every delta carries `weight / sum of weights`. Each formula holds at logits of +-1000.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.activations import sigmoid
from handgrad.engine.arrays import Array, Kept


class Loss(ABC):
    """A measure of how far logits are from their targets.

    Attributes:
        name: what recipes and model files call it.
    """

    name: ClassVar[str]

    def n_targets(self, n_out: int) -> int:
        """How many numbers a row of targets holds."""
        return n_out

    def keep(self, batch: int, n_out: int, dtype: np.dtype[Any]) -> Kept:
        """Make the scratch space of `delta` for a batch of this size."""
        return np.empty((batch, n_out), dtype), np.empty(batch, dtype)

    @abstractmethod
    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:
        """Overwrite the logits with dL/dz.

        Args:
            z: logits, `(batch, n_out)`.
            targets: what they should have said, `(batch, n_targets(n_out))`; left as they are.
            share: each row's share of the mean, `(batch,)`: weights divided by their sum; 1/batch when all are equal.
            kept: from `keep`.
        """

    def delta_of_columns(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:
        """As `delta`, from the same `kept`, but a row of the batch is a column here: `(n_out, batch)`."""
        self.delta(z.T, targets.T, share, kept)

    @abstractmethod
    def of_rows(self, z: Array, targets: Array) -> Array:
        """Compute each row's own l, `(n,)`, leaving `z` alone; allocates, for use outside the training step."""

    @abstractmethod
    def activate(self, z: Array) -> None:
        """Overwrite logits with predictions: probabilities, or the numbers themselves."""

    def target_rows(self, n_classes: int) -> NDArray[np.float64]:
        """Make the targets of each class, `(n_classes, n_classes)`: row c is what the network should say of a c."""
        return np.eye(n_classes)

    def value(self, z: Array, targets: Array, weights: Array | None = None) -> float:
        """Compute L, leaving `z` alone; allocates, for use outside the training step.

        Raises:
            ValueError: shapes differ, or `shares` refuses the weights.
        """
        if z.ndim != 2 or targets.shape != (len(z), self.n_targets(z.shape[1])):
            raise ValueError(f"logits {z.shape} and targets {targets.shape} must have the same (batch, n_out) shape")
        return float(np.dot(self.of_rows(z, targets.astype(z.dtype, copy=False)), shares(len(z), z.dtype, weights)))


def shares(batch: int, dtype: np.dtype[Any], weights: Array | None = None) -> Array:
    """Each row's share of the mean: 1/batch, or `weights / sum(weights)`.

    Raises:
        ValueError: weights of another length, or negative, or not finite, or all of them zero.
    """
    if weights is None:
        return np.full(batch, 1.0 / batch, dtype)
    if weights.shape != (batch,):
        raise ValueError(f"{batch} rows need {batch} weights, not an array of shape {weights.shape}")
    total = float(weights.sum(dtype=np.float64))
    if not 0.0 < total < math.inf or weights.min() < 0.0:
        raise ValueError("sample weights must be finite, at least zero, and not all of them zero")
    return (weights / total).astype(dtype)


@final
@dataclass(frozen=True, slots=True)
class SoftmaxCrossEntropy(Loss):
    """l = -sum_k t_k log p_k with p = softmax(z); dl/dz = p - t.

    Both are computed from z - max(z), which changes neither and cannot overflow: l = log sum e^z - t.z. Targets are
    one-hot or any rows that sum to 1. With label smoothing s, a class's row is (1 - s) one-hot + s / n_classes
    (Szegedy et al. 2016, sec. 7).
    """

    name: ClassVar[str] = "cross_entropy"
    label_smoothing: float = 0.0

    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:
        p, row = kept
        np.maximum.reduce(z, axis=1, out=row)
        z -= row[:, None]
        np.exp(z, out=p)
        np.add.reduce(p, axis=1, out=row)
        p /= row[:, None]
        np.subtract(p, targets, out=z)
        z *= share[:, None]

    def delta_of_columns(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:
        """As `delta`, in less time: NumPy is quicker along the first axis of few rows."""
        _, row = kept
        np.maximum.reduce(z, axis=0, out=row)
        z -= row
        np.exp(z, out=z)
        np.add.reduce(z, axis=0, out=row)
        z /= row
        z -= targets
        z *= share

    def of_rows(self, z: Array, targets: Array) -> Array:
        z = z - z.max(axis=1, keepdims=True)
        l: Array = np.log(np.exp(z).sum(axis=1)) - (z * targets).sum(axis=1)
        return l

    def activate(self, z: Array) -> None:
        """Overwrite logits with softmax(z): rows of probabilities."""
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)

    def target_rows(self, n_classes: int) -> NDArray[np.float64]:
        return (1.0 - self.label_smoothing) * np.eye(n_classes) + self.label_smoothing / n_classes


@final
@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy(Loss):
    """l = -sum_k (t_k log p_k + (1 - t_k) log(1 - p_k)) with p = sigmoid(z); dl/dz = p - t.

    Computed as l = sum_k max(z, 0) - z t + log(1 + e^-|z|), whose exponent never rises above zero. Each output answers
    its own yes-or-no question, so several may be 1 at once.
    """

    name: ClassVar[str] = "binary_cross_entropy"

    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:  # noqa: ARG002 - works in place
        sigmoid(z)
        z -= targets
        z *= share[:, None]

    def of_rows(self, z: Array, targets: Array) -> Array:
        l: Array = (np.maximum(z, 0.0) - z * targets + np.log1p(np.exp(-np.abs(z)))).sum(axis=1)
        return l

    def activate(self, z: Array) -> None:
        """Overwrite logits with 1 / (1 + e^-z): each output's own probability, however small, to all its digits."""
        np.negative(z, out=z)
        np.minimum(z, 0.99 * math.log(np.finfo(z.dtype).max), out=z)  # so that e^-z, and a later log p, is finite
        np.exp(z, out=z)
        z += 1.0
        np.reciprocal(z, out=z)


@final
@dataclass(frozen=True, slots=True)
class SquaredError(Loss):
    """l = sum_k (z_k - t_k)^2 / 2; dl/dz = z - t."""

    name: ClassVar[str] = "squared_error"

    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:  # noqa: ARG002 - works in place
        z -= targets
        z *= share[:, None]

    def of_rows(self, z: Array, targets: Array) -> Array:
        l: Array = 0.5 * np.square(z - targets).sum(axis=1)
        return l

    def activate(self, z: Array) -> None:
        """Leave the numbers as they are: a regression's answer is its logit."""


@final
@dataclass(frozen=True, slots=True)
class Poisson(Loss):
    """l = sum_k e^z_k - t_k - z_k t_k + t_k log t_k, half the deviance of counts t from rates e^z; dl/dz = e^z - t.

    McCullagh and Nelder (1989), table 2.1, with the logarithm as link. Targets are at least 0, and 0 log 0 is 0. The
    rate itself is the answer, so a logit of 1000 is an answer that overflows, and the loss says infinity.
    """

    name: ClassVar[str] = "poisson"

    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:  # noqa: ARG002 - works in place
        np.exp(z, out=z)
        z -= targets
        z *= share[:, None]

    def of_rows(self, z: Array, targets: Array) -> Array:
        log_targets = np.log(np.maximum(targets, np.finfo(z.dtype).tiny))  # log 0 is never asked for
        l: Array = (np.exp(z) + targets * (log_targets - 1.0 - z)).sum(axis=1)
        return l

    def activate(self, z: Array) -> None:
        """Overwrite logits with e^z: the rates."""
        np.exp(z, out=z)


LOSSES: Mapping[str, type[Loss]] = MappingProxyType(
    {loss.name: loss for loss in (SoftmaxCrossEntropy, BinaryCrossEntropy, SquaredError)}
)
"""Every loss that tells classes apart, by its name; `Poisson` is for counts alone."""
