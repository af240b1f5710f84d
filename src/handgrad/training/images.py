"""Where a step's images come from: gathered as they are, or warped while the step before is being taken.

Warping takes about as long as the mathematics of a small network's step, and asking a teacher far longer, so both have
a thread of their own, which is at most two batches ahead: NumPy lets go of the interpreter in all that it does there.
What it makes depends on the recipe's seed and the number of the update and on nothing else, so that no run can tell how
far ahead it was.
"""

import threading
from queue import SimpleQueue
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.augment import Warper
from handgrad.data.batches import Gatherer
from handgrad.engine.arrays import Array
from handgrad.training.task import Task

AHEAD = 2
"""Batches that are warped before they are asked for."""


class Images(Protocol):
    """What fills the input of a step."""

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Begin or go on with an epoch: the images in `order`, from `step` on."""

    def fill(self, indices: NDArray[np.intp], out: Array, soft: Array) -> None:
        """Overwrite `out`, `(len(indices), pixels)`, with the images of the next step, those at `indices`.

        `soft`, `(len(indices), n_out)`, is overwritten with what the teachers say of them, where there are any.
        """

    def pause(self) -> None:
        """Rest until the next `go`."""


def images_of(task: Task) -> Images:
    """Choose by the recipe."""
    return Ahead(task) if task.recipe.augment.active or task.teachers is not None else Plain(task)


@final
class Plain(Images):
    """The images as they are."""

    def __init__(self, task: Task) -> None:
        self._gatherer = Gatherer(task.examples, task.white, min(task.recipe.batch_size, len(task.examples)))

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Do nothing: each step names its images."""

    def fill(self, indices: NDArray[np.intp], out: Array, soft: Array) -> None:  # noqa: ARG002 - there are no teachers
        self._gatherer.gather(indices, out)

    def pause(self) -> None:
        """Do nothing: there is nothing ahead."""


@final
class Ahead(Images):
    """The images, each warped anew and shown to the teachers, ahead of their step."""

    def __init__(self, task: Task) -> None:
        recipe, images = task.recipe, task.examples.images
        seed = np.random.SeedSequence(recipe.seed, spawn_key=(_SPAWN,))
        self._warper = Warper(images, task.image_shape, task.white, recipe.augment, seed)
        self._teachers = task.teachers
        self._warps, self._size, self._optimizer = recipe.augment, recipe.batch_size, task.optimizer
        self._steps = -(-len(images) // self._size)
        self._updates = recipe.epochs * self._steps
        rows = min(self._size, len(images))
        self._slots = [np.empty((rows, images.shape[1]), np.float32) for _ in range(AHEAD)]
        n_out = task.network.n_out if self._teachers is not None else 0
        self._answers = [np.empty((rows, n_out), np.float32) for _ in range(AHEAD)]
        self._indices = np.empty(rows, np.intp)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._free: SimpleQueue[int] = SimpleQueue()
        self._ready: SimpleQueue[int | BaseException] = SimpleQueue()

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Begin to warp the images in `order`, from `step` on."""
        self.pause()
        self._free, self._ready, self._stopping = SimpleQueue(), SimpleQueue(), False
        for slot in range(AHEAD):
            self._free.put(slot)
        arguments = (order, step, self._optimizer.t, self._free, self._ready)
        self._thread = threading.Thread(target=self._warp, args=arguments, name="warping", daemon=True)
        self._thread.start()

    def fill(self, indices: NDArray[np.intp], out: Array, soft: Array) -> None:
        slot = self._ready.get()
        if isinstance(slot, BaseException):
            raise slot
        out[...] = self._slots[slot][: len(indices)]
        if self._teachers is not None:
            soft[...] = self._answers[slot][: len(indices)]
        self._free.put(slot)

    def pause(self) -> None:
        """End the thread; what it was ahead is thrown away."""
        if self._thread is not None:
            self._stopping = True
            self._free.put(0)  # it may be waiting for a place
            self._thread.join()
            self._thread = None

    def _warp(
        self,
        order: NDArray[np.int32],
        step: int,
        update: int,
        free: "SimpleQueue[int]",
        ready: "SimpleQueue[int | BaseException]",
    ) -> None:
        try:
            for ahead in range(self._steps - step):
                slot = free.get()
                if self._stopping:
                    return
                begin = (step + ahead) * self._size
                chosen = order[begin : begin + self._size]
                indices = self._indices[: len(chosen)]
                indices[...] = chosen
                strength = self._warps.strength((update + ahead) / self._updates)
                warped = self._slots[slot][: len(chosen)]
                self._warper.warp(indices, update + ahead, warped, strength)
                if self._teachers is not None:
                    self._teachers.answer(warped, self._answers[slot][: len(chosen)])
                ready.put(slot)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the images is told
            ready.put(error)


_SPAWN = 3
"""After the start, the order and the noise, which are the first three of the seed's children."""
