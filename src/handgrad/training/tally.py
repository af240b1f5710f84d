"""What an epoch's steps said, kept until somebody asks: the logits of every image, in the order of the epoch.

Loss and accuracy of a batch are not needed to learn from it. Read off a thousand batches at once they cost a tenth of
what they cost one batch at a time.
"""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from handgrad.training.task import SILENTLY, Task


@final
class Tally:
    """Keeps logits, and counts them up.

    Attributes:
        logits: `(n_out, images)`, an image a column; whoever takes a step writes the columns of its batch.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._labels: NDArray[np.intp] = np.empty(0, np.intp)
        self._counted = 0
        self.logits: NDArray[np.floating[Any]] = np.empty((task.network.n_out, len(task.examples)), task.network.dtype)

    def begin(self, order: NDArray[np.integer], step: int) -> None:
        """Stand before `step` of an epoch whose images come in `order`."""
        self._labels = self._task.examples.labels[order]
        self._counted = step

    @SILENTLY
    def count(self, step: int) -> list[tuple[float, int]]:
        """Give each batch's mean loss and how many of its images were read rightly, from where it last ended to `step`.

        Each batch is summed up by itself, so that the figures do not hang on when they are asked for.
        """
        task, size = self._task, self._task.recipe.batch_size
        begin, end = self._counted * size, min(step * size, len(self._labels))
        self._counted = step
        if begin >= end:
            return []
        logits, labels = self.logits[:, begin:end].T, self._labels[begin:end]
        starts = np.arange(0, end - begin, size)
        targets = np.take(task.target_rows.T, labels, axis=1).T  # an image a column, as the logits
        losses = task.loss.of_rows(logits, targets)
        weights = np.ones_like(losses) if task.class_weights is None else task.class_weights[labels]
        means = np.add.reduceat(losses * weights, starts) / np.add.reduceat(weights, starts)
        correct = np.add.reduceat(logits.argmax(axis=1) == labels, starts, dtype=np.intp)
        return list(zip(means.tolist(), correct.tolist(), strict=True))
