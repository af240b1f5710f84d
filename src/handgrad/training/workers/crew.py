"""The crew, seen from the process that trains: it is the first member, and starts the others.

A crew trains what its members can divide, dense layers and activations, and only where it is asked for: it needs a core
for each member that nothing else wants (`docs/decisions/0004-a-crew-is-asked-for.md`).
"""

import platform
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from types import TracebackType
from typing import Self, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad.data.dataset import Examples
from handgrad.engine.arrays import Array
from handgrad.engine.layers import Activate, BatchNorm, Dropout
from handgrad.errors import HandgradError, UsageError
from handgrad.training.tally import Tally
from handgrad.training.task import SILENTLY, Hands, Task
from handgrad.training.workers.job import FIRST_STEP, GO, QUIT, STOPPED, UPDATES, Job
from handgrad.training.workers.member import Member
from handgrad.training.workers.memory import Block, Meeting, start_process

_AT_ONCE = 4096
"""Images whose pixels are sorted at once."""

_GRACE_SECONDS = 1.0
"""For a member to end before it is told so more firmly."""


def asked_for(task: Task, members: int) -> int:
    """Let through a number of processes that can share the steps of a run.

    Raises:
        UsageError: the steps cannot be divided, or not among so many.
    """
    if members > 1 and (why := undividable(task)) is not None:
        raise UsageError(f"this network cannot be trained by {members} processes: {why}; leave --workers away")
    if members > 1 and members > min(task.recipe.hidden_layer_sizes[0], task.recipe.batch_size):
        raise UsageError(f"{members} processes are too many for this network and batch; try --workers 2")
    return members


def undividable(task: Task) -> str | None:
    """Say why a crew cannot take the steps of a run on this machine; None if it can."""
    layers, recipe = task.network.layers, task.recipe
    for kind in (BatchNorm, Dropout):
        if any(isinstance(layer, kind) for layer in layers):
            return f"{kind.__name__} layers look at the whole batch"
    if not recipe.hidden_layer_sizes:
        return "there is no hidden layer to divide"
    if recipe.clip_norm or recipe.max_norm or recipe.averaging or recipe.augment.active:
        return "clip_norm, max_norm and averaging look at all weights at once, and one process warps the images"
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return f"a {platform.machine()} processor may show one process's results to another out of order"
    if not sys.executable or getattr(sys, "frozen", False):
        return "there is no Python to start a second time"
    return None


@final
class Crew(Hands):
    """Processes that share every step; use it as a context, so that none is left behind.

    Between `pause` and `go`, `network` and `optimizer` hold what has been learned; in between, the shared memory does.
    """

    def __init__(self, task: Task, members: int) -> None:
        """Share the data set out and start the processes.

        Args:
            task: of the run.
            members: processes, this one counted.

        Raises:
            HandgradError: a process cannot be started.
        """
        recipe, network, examples = task.recipe, task.network, task.examples
        self._order_of_pixels, last_lit = _sort_pixels(examples)
        self._job = Job(
            members=members,
            sizes=(network.n_in, *recipe.hidden_layer_sizes, network.n_out),
            activations=tuple(layer.function.name for layer in network.layers if isinstance(layer, Activate)),
            batch_size=min(recipe.batch_size, len(examples)),
            images=len(examples),
            cuts=_cut(last_lit, min(recipe.batch_size, len(examples)), members, network.n_in),
            white=task.white,
            loss=recipe.loss,
            label_smoothing=recipe.label_smoothing,
            weighted=task.class_weights is not None,
            optimizer=recipe.optimizer,
            options=recipe.optimizer_options(),
            decay=task.optimizer.decay,
            l1=recipe.l1,
            l2=recipe.l2,
        )
        self._network, self._optimizer = network, task.optimizer
        self._tally, self._told = Tally(task), 0
        self._block = Block(self._job.layout())
        self._shared = self._block.arrays
        self._share_images(examples)
        self._shared["last_lit"][...] = last_lit
        self._shared["target_rows"][...] = task.target_rows
        if task.class_weights is not None:
            self._shared["class_weights"][...] = task.class_weights
        for name, array in self._shared.items():
            if name.startswith("x/"):
                array[:, 0] = 1.0
            elif name.startswith("a1/"):
                array[:, -1] = 1.0
            elif name.startswith("found/"):
                for above in self._job.found(array)[0]:
                    above[-1] = 1.0
        self._member = Member(self._job, self._block, 0)
        self._meeting = Meeting(self._shared["arrivals"], 0, self._all_alive)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._between_steps = False
        try:
            for number in range(1, members):
                given = {"job": msgspec.to_builtins(self._job), "handle": self._block.handle, "number": number}
                self._processes.append(start_process(given, self._block))
        except OSError as error:
            self.close()
            raise HandgradError(f"cannot start a second process ({error.strerror}); try --workers 1") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Begin or go on with an epoch: the images in `order`, from `step` on."""
        self._shared["order"][...] = order
        for name, vector in self._vectors():
            self._spread(vector, self._shared[name])
        orders = self._shared["orders"]
        orders[FIRST_STEP], orders[UPDATES] = step, self._optimizer.t
        orders[GO] += 1
        self._tally.begin(order, step)
        self._told = step
        self._member.begin(step, self._optimizer.t)
        self._meeting.arrive()
        self._between_steps = True

    @SILENTLY
    def step(self, rate: float) -> None:
        """Take one step together."""
        self._between_steps = False
        self._shared["rate"][0] = rate
        self._member.first_layer()
        self._meeting.arrive()
        self._member.upper_layers(rate)
        self._meeting.arrive()
        self._member.update(rate)
        self._optimizer.t += 1
        self._between_steps = True

    def told(self) -> list[tuple[float, int]]:
        """Give mean loss and number of images read rightly of each batch since this was last asked."""
        job, now = self._job, self._member.step
        for member in range(job.members):
            blocks = job.logits(self._shared[f"logits/{member}"], member)
            for step in range(self._told, now):
                batch = self._tally.logits[:, step * job.batch_size : (step + 1) * job.batch_size]
                batch[:, job.rows(member, batch.shape[1])] = blocks[step]
        self._told = now
        return self._tally.count(now)

    def pause(self) -> None:
        """Wait until all members have finished their update, and bring what was learned back.

        After a step that was cut short there is nothing to bring: its halves do not fit.
        """
        if not self._between_steps:
            return
        self._between_steps = False
        orders = self._shared["orders"]
        orders[STOPPED] = orders[GO]
        self._meeting.arrive()
        for name, vector in self._vectors():
            self._collect(self._shared[name], vector)

    def close(self) -> None:
        """End the other processes: those between steps are told to, those that wait for a step see their input end."""
        orders = self._shared["orders"]
        orders[QUIT] = 1
        orders[GO] += 1
        for process in self._processes:
            if not _ends(process) and process.stdin is not None:
                process.stdin.close()
            if not _ends(process):
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._processes.clear()
        del self._member, self._meeting, self._shared  # the memory goes back when nothing looks at it
        self._block.release()

    def _share_images(self, examples: Examples) -> None:
        """Copy the images with their pixels in the new order, to each member those that it gathers."""
        cuts, shared = self._job.cuts, self._shared
        for begin in range(0, len(examples), _AT_ONCE):
            rows = slice(begin, begin + _AT_ONCE)
            pixels = examples.images[rows][:, self._order_of_pixels]
            for member, (first, end) in enumerate(pairwise(cuts)):
                shared[f"pixels/{member}"][rows] = pixels[:, first:end]
        shared["labels"][...] = examples.labels

    def _vectors(self) -> list[tuple[str, Array]]:
        return [("theta", self._network.theta), *self._optimizer.slots.items()]

    def _spread(self, vector: Array, shared: Array) -> None:
        """Lay a vector of the network out as the members want it."""
        (W, b), *above = self._layers(vector)
        for member in range(self._job.members):
            columns, first = self._job.columns(member), self._job.first(shared, member)
            first[0] = b[columns]
            first[1:] = W[self._order_of_pixels, columns]
        for (W, b), extended in zip(above, self._job.upper(shared), strict=True):
            extended[:-1], extended[-1] = W, b

    def _collect(self, shared: Array, vector: Array) -> None:
        """Undo `_spread`."""
        (W, b), *above = self._layers(vector)
        for member in range(self._job.members):
            columns, first = self._job.columns(member), self._job.first(shared, member)
            b[columns] = first[0]
            W[self._order_of_pixels, columns] = first[1:]
        for (W, b), extended in zip(above, self._job.upper(shared), strict=True):
            W[...], b[...] = extended[:-1], extended[-1]

    def _layers(self, vector: Array) -> list[tuple[Array, Array]]:
        return [(views[0], views[1]) for views in self._network.views(vector) if views]

    def _all_alive(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                raise HandgradError(
                    "a process that shared the work has ended (killed by the system, perhaps for want of memory); "
                    "go on with --resume, or train with --workers 1"
                )


def _sort_pixels(examples: Examples) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Order the pixels by how often they are lit, most often first; find each image's last lit one, -1 if none is."""
    blocks = [slice(begin, begin + _AT_ONCE) for begin in range(0, len(examples), _AT_ONCE)]
    lit = sum(np.count_nonzero(examples.images[rows], axis=0) for rows in blocks)
    order = np.argsort(np.negative(lit), kind="stable")
    last = np.empty(len(examples), np.int32)
    for rows in blocks:
        backwards = examples.images[rows][:, order[::-1]] != 0
        last[rows] = np.where(backwards.any(axis=1), len(order) - 1 - backwards.argmax(axis=1), -1)
    return order, last


def _cut(last_lit: NDArray[np.int32], batch: int, members: int, pixels: int) -> tuple[int, ...]:
    """Share out evenly the pixels that a usual batch reaches: where each member's begin, and where the last's end."""
    usual = int(np.quantile(last_lit, 1.0 - 0.5 / batch)) + 1
    return (*(member * usual // members for member in range(members)), pixels)


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Wait a little for a process to end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    return process.returncode is not None
