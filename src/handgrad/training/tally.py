"""What an epoch's steps said, kept until somebody asks: the logits of every image, in the order of the epoch.

Loss and accuracy of a batch are not needed to learn from it. Read off a thousand batches at once they cost a tenth of
what they cost one batch at a time.
"""

from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array
from handgrad.engine.losses import Loss
from handgrad.training.named import SILENTLY

COUNTED_AT_ONCE = 4096
"""Images whose logits are read while they are in the cache, and in memory that need not be asked for anew."""


@final
class Tally:
    """Keeps logits, and counts them up.

    Attributes:
        logits: `(n_out, images)`, an image a column; whoever takes a step writes the columns of its batch.
    """

    def __init__(
        self, loss: Loss, batch_size: int, labels: NDArray[np.integer], targets: Array, weights: Array | None
    ) -> None:
        """Stand before the first epoch.

        Args:
            loss: to measure.
            batch_size: images of a batch.
            labels: which of the targets each image should meet, `(images,)`.
            targets: what the network should say, `(any number, n_out)`.
            weights: what each image weighs, `(images,)`; None where all weigh the same.
        """
        self._loss, self._batch_size = loss, batch_size
        self._all_labels, self._all_weights = labels, weights
        self._target_columns = targets.T
        self._labels: NDArray[np.integer] = np.empty(0, np.intp)
        self._weights = np.empty(0, targets.dtype)
        self._counted = 0
        self.logits: Array = np.empty((targets.shape[1], len(labels)), targets.dtype)

    def begin(self, order: NDArray[np.integer], step: int) -> None:
        """Stand before `step` of an epoch whose images come in `order`."""
        self._labels = self._all_labels[order]
        if self._all_weights is not None:
            self._weights = self._all_weights[order]
        self._counted = step

    @SILENTLY
    def count(self, step: int) -> list[tuple[float, int]]:
        """Give each batch's mean loss and how many of its images were read rightly, from where it last ended to `step`.

        Each batch is summed up by itself, so that the figures do not hang on when they are asked for.
        """
        at_once = max(COUNTED_AT_ONCE // self._batch_size, 1)
        counted: list[tuple[float, int]] = []
        for begin in range(self._counted, step, at_once):
            counted += self._count(begin, min(begin + at_once, step))
        self._counted = step
        return counted

    def _count(self, first: int, last: int) -> list[tuple[float, int]]:
        size = self._batch_size
        begin, end = first * size, min(last * size, len(self._labels))
        logits, labels = self.logits[:, begin:end], self._labels[begin:end]
        starts = np.arange(0, end - begin, size)
        targets = np.take(self._target_columns, labels, axis=1)
        losses = self._loss.of_rows(logits.T, targets.T)
        weights = np.ones_like(losses) if self._all_weights is None else self._weights[begin:end]
        means = np.add.reduceat(losses * weights, starts) / np.add.reduceat(weights, starts)
        classes = np.equal(logits, np.maximum.reduce(logits, axis=0)).argmax(axis=0)  # half the time of logits.argmax
        correct = np.add.reduceat(classes == labels, starts, dtype=np.intp)
        return list(zip(means.tolist(), correct.tolist(), strict=True))
