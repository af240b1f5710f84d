"""The steps of a fit, taken by the crew that also trains recipes: two processes share each step.

Which fits get a crew depends on their shapes and parameters and on the cores that they may use, never on time: a fit
that is repeated where it was repeats. A crew's own choice between one process and two changes no bit.
"""

from typing import TYPE_CHECKING, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from handgrad.engine.arrays import Array
from handgrad.engine.losses import LOSSES
from handgrad.engine.network import Network
from handgrad.errors import HandgradError
from handgrad.estimator.cores import may_take_another
from handgrad.estimator.parameters import optimizer_options
from handgrad.training.threads import blas_threads, cores
from handgrad.training.workers.crew import SHARES, Crew, why_whole
from handgrad.training.workers.load import Load

if TYPE_CHECKING:
    from handgrad.estimator.fitting import Lesson
    from handgrad.estimator.multilayer import Multilayer
    from handgrad.estimator.update import Update

ENOUGH_A_STEP = 10_000_000
"""Floating-point operations of a step from which half of it is worth handing over: 784-128-64-10 has 42 million at 64
rows, 54-100-7 has 7 million at 200."""

ENOUGH_IN_ALL = 50_000_000_000
"""Floating-point operations of a fit, all its epochs done, that take one core about a second: four times as long as
laying out the rows of MNIST anew."""

MOST_BYTES = 2**31
"""Of rows that are laid out anew, and are then in memory twice."""


def divides(owner: "Multilayer", network: Network, lesson: "Lesson", n: int, batch_size: int) -> bool:
    """Say whether a crew can take the steps of a fit to `n` rows, and is likely to be the faster way."""
    if cores() < SHARES or not may_take_another():
        return False
    if sparse.issparse(lesson.x) or owner.augment or owner.clip_norm or owner.max_norm:
        return False
    if owner._loss().name not in LOSSES or why_whole(network) is not None:
        return False
    if min(network.layers[0].n_out, batch_size) < SHARES:
        return False
    if lesson.weights is not None and lesson.weights.min() <= 0.0:
        return False
    a_row = 6.0 * network.n_weights  # a product and a sum for each weight: forward, and twice on the way back
    enough = a_row * batch_size >= ENOUGH_A_STEP and a_row * n * owner.max_iter >= ENOUGH_IN_ALL
    small = n * network.n_in * network.dtype.itemsize <= MOST_BYTES
    most = cores() == SHARES or blas_threads(network, batch_size) == 1  # else BLAS alone uses more cores
    return enough and small and most


@final
class Together:
    """Takes the steps of a fit; use it as a context, so that no process is left behind."""

    def __init__(
        self,
        owner: "Multilayer",
        network: Network,
        lesson: "Lesson",
        update: "Update",
        rows: NDArray[np.intp],
        batch_size: int,
    ) -> None:
        """Lay out the `rows` of the lesson that are to be learned from, in batches of `batch_size`.

        Raises:
            OSError: there is no memory to share.
        """
        x, targets, weights = lesson.x, lesson.targets, lesson.weights
        if len(rows) < len(targets):
            x, targets, weights = x[rows], targets[rows], None if weights is None else weights[rows]
        self._update, self._batch_size, self._weights = update, batch_size, weights
        self._part_of_loss, self._alpha = owner._part_of_loss(), float(owner.alpha)
        labels, targets = _told_apart(targets, of_classes=owner.out_activation_ == "softmax")
        self._load = Load(
            network=network,
            optimizer=update.optimizer,
            options=optimizer_options(owner, type(update.optimizer)),
            rows=x.astype(network.dtype, copy=False),
            white=1,
            labels=labels,
            targets=targets,
            weights=weights,
            loss=owner._loss().name,
            batch_size=batch_size,
            l2_over_batch=self._alpha,
        )
        self._crew = Crew(self._load, SHARES, at_once=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()

    def epoch(self, order: NDArray[np.intp]) -> float:
        """Take a step for each batch of the rows in `order`; return the mean loss, penalty included."""
        updates = self._update.optimizer.t
        try:
            return self._epoch(order)
        except HandgradError:  # the second process is no more; without it, the epoch is the same
            self._crew.close()
            self._update.optimizer.t = updates
            self._crew = Crew(self._load, SHARES, 1)
            return self._epoch(order)

    def _epoch(self, order: NDArray[np.intp]) -> float:
        starts = np.arange(0, len(order), self._batch_size)
        sizes = np.diff(starts, append=len(order))
        self._crew.go(order, 0)
        try:
            for _ in starts:
                self._crew.step(self._update.rate())
        finally:
            self._crew.pause()
        losses = np.array([loss for loss, _ in self._crew.told()]) * self._part_of_loss
        if self._alpha:
            weighed = sizes if self._weights is None else np.add.reduceat(self._weights[order], starts)
            losses += 0.5 * self._alpha / weighed * self._crew.squares()
        return float(np.dot(losses, sizes)) / len(order)


def _told_apart(targets: Array, *, of_classes: bool) -> tuple[NDArray[np.intp], Array]:
    """Give the targets that there are, and which of them each row should meet: each its own, or its class's."""
    if not of_classes:
        return np.arange(len(targets)), targets
    _, first, labels = np.unique(targets.argmax(axis=1), return_index=True, return_inverse=True)
    return labels, targets[first]
