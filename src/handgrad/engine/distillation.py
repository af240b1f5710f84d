"""Learning from another network's doubts as well as from labels.

Which wrong answers a good network holds for nearly right says more of an image than its label does. The soft part
compares both networks at a temperature that brings such small probabilities out.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from handgrad.engine.arrays import Array, Kept
from handgrad.engine.losses import Loss, SoftmaxCrossEntropy


@final
@dataclass(frozen=True, slots=True)
class Distillation(Loss):
    """l = -(1 - s) sum_k t_k log p_k - s T^2 sum_k q_k log p'_k with p = softmax(z) and p' = softmax(z / T).

    dl/dz = (1 - s) (p - t) + s T (p' - q). The targets are two halves side by side, `(batch, 2 n_out)`: t, what the
    labels say, and q, what a teacher says at the temperature T. The factor T^2 keeps the soft part's gradient as long
    at any temperature as at 1 (Hinton, Vinyals and Dean 2015, sec. 2).

    Attributes:
        temperature: T, above 0.
        share: s, of the soft part, 0..1.
    """

    name: ClassVar[str] = "distillation"
    temperature: float = 1.0
    share: float = 0.5

    def n_targets(self, n_out: int) -> int:
        return 2 * n_out

    def keep(self, batch: int, n_out: int, dtype: np.dtype[Any]) -> Kept:
        return np.empty((batch, n_out), dtype), np.empty((batch, n_out), dtype), np.empty(batch, dtype)

    def delta(self, z: Array, targets: Array, share: Array, kept: Kept) -> None:
        p, softened, row = kept
        n_out = z.shape[1]
        np.maximum.reduce(z, axis=1, out=row)
        z -= row[:, None]
        np.divide(z, self.temperature, out=softened)
        for half, logits in ((p, z), (softened, softened)):
            np.exp(logits, out=half)
            np.add.reduce(half, axis=1, out=row)
            half /= row[:, None]
        p -= targets[:, :n_out]
        p *= 1.0 - self.share
        softened -= targets[:, n_out:]
        softened *= self.share * self.temperature
        np.add(p, softened, out=z)
        z *= share[:, None]

    def of_rows(self, z: Array, targets: Array) -> Array:
        hard, n_out = SoftmaxCrossEntropy(), z.shape[1]
        soft = self.temperature**2 * hard.of_rows(z / self.temperature, targets[:, n_out:])
        l: Array = (1.0 - self.share) * hard.of_rows(z, targets[:, :n_out]) + self.share * soft
        return l

    def activate(self, z: Array) -> None:
        """Overwrite logits with softmax(z): a network that was taught answers at temperature 1."""
        SoftmaxCrossEntropy().activate(z)
