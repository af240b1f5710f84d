"""The steps of a run, taken by one process: the reference, and what trains whatever cannot be divided."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array
from handgrad.engine.network import TrainingPass
from handgrad.engine.optimizers import BLOCK, clip_norm
from handgrad.engine.penalties import MaxNorm
from handgrad.training.images import images_of
from handgrad.training.named import SILENTLY
from handgrad.training.tally import Tally
from handgrad.training.task import Hands, Task


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """The memory of one step, made once for each size of batch (the last of an epoch may be shorter).

    `hard` and `soft` are the two halves of the targets: what the labels say, and the teachers, if there are any.
    """

    flow: TrainingPass
    indices: NDArray[np.intp]
    labels: NDArray[np.intp]
    hard: Array
    soft: Array


@final
class Solo(Hands):
    """One who takes the steps alone, straight on the network."""

    def __init__(self, task: Task) -> None:
        recipe, network = task.recipe, task.network
        self._task = task
        self._images = images_of(task)
        labels = task.examples.labels
        self._tally = Tally(task.loss, recipe.batch_size, labels, task.target_rows, task.row_weights)
        self._max_norm = MaxNorm(recipe.max_norm, network.weight_matrices()) if recipe.max_norm else None
        self._gradient = np.zeros_like(network.theta)
        self._scratch = np.empty(min(BLOCK, network.theta.size), network.dtype)
        self._batches: dict[int, _Batch] = {}
        self._order: NDArray[np.int32] = np.empty(0, np.int32)
        self._step = 0

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Begin or go on with an epoch: the images in `order`, from `step` on."""
        self._order, self._step = order, step
        self._tally.begin(order, step)
        self._images.go(order, step)

    @SILENTLY
    def step(self, rate: float) -> None:
        """Take one step."""
        task, size = self._task, self._task.recipe.batch_size
        place = slice(self._step * size, (self._step + 1) * size)
        chosen = self._order[place]
        self._step += 1
        batch = self._batches.get(len(chosen)) or self._make_batch(len(chosen))
        flow = batch.flow
        batch.indices[...] = chosen
        self._images.fill(batch.indices, flow.x, batch.soft)
        np.take(task.examples.labels, batch.indices, out=batch.labels, mode="clip")
        np.take(task.target_rows, batch.labels, axis=0, out=batch.hard, mode="clip")
        if task.class_weights is not None:
            np.take(task.class_weights, batch.labels, out=flow.share, mode="clip")
            flow.share /= flow.share.sum()

        self._tally.logits[:, place] = flow.forward_training(task.noise).T
        flow.backpropagate()

        network = task.network
        for penalty in task.penalties:
            penalty.add_gradient(network.weights, self._gradient[: network.n_weights], self._scratch)
        if task.recipe.clip_norm:
            clip_norm(self._gradient, task.recipe.clip_norm)
        task.optimizer.step(network.theta, self._gradient, rate)
        if self._max_norm is not None:
            self._max_norm.project()
        if task.average is not None:
            task.average.follow(task.optimizer.t)

    def told(self) -> list[tuple[float, int]]:
        """Give mean loss and number of images read rightly of each batch since this was last asked."""
        return self._tally.count(self._step)

    def pause(self) -> None:
        """Let the images rest; the network and the optimiser are always up to date."""
        self._images.pause()

    def _make_batch(self, size: int) -> _Batch:
        network = self._task.network
        flow = TrainingPass(network, size, self._task.lesson, gradient=self._gradient)
        hard, soft = flow.targets[:, : network.n_out], flow.targets[:, network.n_out :]
        self._batches[size] = _Batch(flow, np.empty(size, np.intp), np.empty(size, np.intp), hard, soft)
        return self._batches[size]
