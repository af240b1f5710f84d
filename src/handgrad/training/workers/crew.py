"""The crew: the steps of a run cut into shares, which one process or several carry out.

What a share is depends on the recipe and the data alone. So the result is the same to the last bit whether this process
carries out all shares or hands some to others, and a crew may do now the one and now the other (`pace.py`). It can
divide dense layers and activations; `solo.py` trains what it cannot.
"""

import platform
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout
from handgrad.engine.network import Network
from handgrad.errors import HandgradError, UsageError
from handgrad.training.named import SILENTLY, make_loss
from handgrad.training.tally import Tally
from handgrad.training.task import Hands, Task
from handgrad.training.threads import cores
from handgrad.training.workers.job import FIRST_STEP, GO, QUIT, STOPPED, UPDATES, Job
from handgrad.training.workers.levels import levels
from handgrad.training.workers.load import Load
from handgrad.training.workers.member import Member
from handgrad.training.workers.memory import Block, Meeting, forget, reserve, start_process, tell
from handgrad.training.workers.pace import Pace

_AT_ONCE = 1024
"""Images that are copied at once, their pixels in the new order."""

_COUNTED_AT_ONCE = 255
"""Images whose lit pixels are counted at once, in bytes."""

SHARES = 2
"""Of each step, unless more processes are asked for."""

LONG_SECONDS = 0.3
"""Of steps after which it is worth while to start a second process."""

_GRACE_SECONDS = 1.0
"""For a member to end before it is told so more firmly."""


def shares_of(task: Task, workers: int | None) -> int:
    """Into how many shares to cut each step of a run: two, or as many as there shall be processes; 0 if not at all.

    Raises:
        UsageError: more than one process was asked for, and the steps cannot be divided, or not among so many.
    """
    why, shares = undividable(task), max(workers or SHARES, SHARES)
    asked = workers is not None and workers > 1
    if asked and why is not None:
        raise UsageError(f"this network cannot be trained by {workers} processes: {why}; leave --workers away")
    if why is None and shares > min(task.recipe.hidden_layer_sizes[0], task.recipe.batch_size, len(task.examples)):
        if asked:
            raise UsageError(f"{workers} processes are too many for this network and batch; leave --workers away")
        return 0
    return 0 if why is not None else shares


def undividable(task: Task) -> str | None:
    """Say why a crew cannot take the steps of a run on this machine; None if it can."""
    recipe = task.recipe
    if recipe.clip_norm or recipe.max_norm or recipe.averaging or recipe.augment.active or recipe.teachers:
        return (
            "clip_norm, max_norm and averaging look at all weights at once, and one process warps the images "
            "and asks the teachers"
        )
    return why_whole(task.network)


def why_whole(network: Network) -> str | None:
    """Say why a crew cannot divide the steps of a network on this machine; None if it can."""
    for kind in (BatchNorm, Dropout):
        if any(isinstance(layer, kind) for layer in network.layers):
            return f"{kind.__name__} layers look at the whole batch"
    if len(network.layers) == 1:
        return "there is no hidden layer to divide"
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return f"a {platform.machine()} processor may show one process's results to another out of order"
    if not sys.executable or getattr(sys, "frozen", False):
        return "there is no Python to start a second time"
    return None


@final
class Crew(Hands):
    """The shares of every step, and who carries them out; use it as a context, so that no process is left behind.

    Between `pause` and `go`, `network` and `optimizer` hold what has been learned; in between, the shared memory does.
    """

    def __init__(self, load: Load, shares: int, workers: int | None = None, *, at_once: bool = False) -> None:
        """Share the data set out, and start the processes if they are asked for.

        Args:
            load: what there is to learn, and who learns it.
            shares: that each step is cut into.
            workers: 1 for this process alone, `shares` for as many processes; None for whichever turns out faster.
            at_once: start other processes before it is known whether the steps take long enough to need them, and share
                the data set out while they do.

        Raises:
            HandgradError: a process cannot be started.
        """
        self._network, self._optimizer = load.network, load.optimizer
        self._handle = reserve()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._chooses = workers is None and cores() >= shares
        self._may_start = self._chooses and not at_once
        try:
            if self._chooses and at_once:
                with suppress(OSError):  # then this process goes on alone
                    self._start(shares - 1)
            self._lay_out(load, shares)
        except BaseException:
            self._dismiss()
            raise
        self._members = [Member(self._job, self._block, number) for number in range(shares)]
        self._meeting = Meeting(self._shared["arrivals"], 0, self._all_alive)
        self._pace = Pace(together=workers == shares)
        self._together = self._between_steps = False
        self._step = 0
        try:
            if self._pace.together:
                self._start(shares - 1)
            self._tell()
        except OSError as error:
            if self._pace.together:
                self.close()
                raise HandgradError(f"cannot start a second process ({error.strerror}); try --workers 1") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def go(self, order: NDArray[np.integer], step: int) -> None:
        """Begin or go on with an epoch: the images in `order`, from `step` on."""
        self._shared["order"][...] = order
        for name, vector in self._vectors():
            self._spread(vector, self._shared[name])
        self._tally.begin(order, step)
        self._step = self._told = step
        if self._pace.together:
            self._call_together()  # they look through the epoch's order while this process does
        for member in self._members[: 1 if self._pace.together else None]:
            member.begin(step, self._optimizer.t)
        self._pace.begin()
        if self._pace.together:
            self._join()
        self._between_steps = True

    @SILENTLY
    def step(self, rate: float) -> None:
        """Take one step, together or alone."""
        if self._pace.together is not self._together:
            if self._pace.together:
                self._call_together()
                self._join()
            else:
                self._part()
        self._between_steps = False
        if self._together:
            (first, *_), meeting = self._members, self._meeting
            self._shared["rate"][0] = rate
            first.first_layer()
            meeting.arrive()
            first.upper_layers(rate)
            meeting.arrive()
            first.update(rate)
        else:
            for member in self._members:
                member.first_layer()
            for member in self._members:
                member.upper_layers(rate)
            for member in self._members:
                member.update(rate)
        self._optimizer.t += 1
        self._step += 1
        self._between_steps = True
        self._pace.stepped(self._others_stand_ready)

    def squares(self) -> NDArray[np.float64]:
        """Give the sum of all squared weights before each step of the epoch; 0 where `l2_over_batch` is."""
        squares = [self._shared[f"squares/{member}"] for member in range(self._job.members)]
        total: NDArray[np.float64] = np.sum(squares, axis=0)
        return total

    def told(self) -> list[tuple[float, int]]:
        """Give mean loss and number of images read rightly of each batch since this was last asked."""
        job, logits = self._job, self._tally.logits
        for member in range(job.members):
            whole, rest = job.by_batch(self._shared[f"logits/{member}"], member)
            new = slice(self._told, min(self._step, len(whole)))
            end = len(whole) * job.batch_size
            batches = logits[:, :end].reshape(len(logits), len(whole), -1)
            batches[:, new, job.rows(member, job.batch_size)] = whole[new].transpose(1, 0, 2)
            if self._step > len(whole):
                (last,) = rest
                logits[:, end:][:, job.rows(member, job.images - end)] = last
        self._told = self._step
        return self._tally.count(self._step)

    def pause(self) -> None:
        """Wait until all members have finished their update, and bring what was learned back.

        After a step that was cut short there is nothing to bring: its shares do not fit.
        """
        if not self._between_steps:
            return
        self._between_steps = False
        if self._together:
            self._meet_for_the_last_time()
        for name, vector in self._vectors():
            self._collect(self._shared[name], vector)

    def close(self) -> None:
        """End the other processes: those between steps are told to, those that wait for a step see their input end."""
        orders = self._shared["orders"]
        orders[QUIT] = 1
        self._call()
        for process in self._processes:
            if not _ends(process) and process.stdin is not None:
                process.stdin.close()
            if not _ends(process):
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._processes.clear()
        del self._members, self._meeting, self._shared  # the memory goes back when nothing looks at it
        self._block.release()

    def _start(self, others: int) -> None:
        """Start processes.

        Raises:
            OSError: one cannot be started.
        """
        for _ in range(others):
            self._processes.append(start_process(self._handle))

    def _tell(self) -> None:
        """Tell the processes that were started what to do, once the data set is there.

        Raises:
            OSError: one has ended.
        """
        for number, process in enumerate(self._processes, start=1):
            tell(process, {"job": msgspec.to_builtins(self._job), "handle": self._block.handle, "number": number})

    def _dismiss(self) -> None:
        """End the processes that were started and told nothing, and let go of the memory."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()
        forget(self._handle)

    def _others_stand_ready(self) -> bool:
        """Start the others after a while, where there may be others; say whether they all live and know their job."""
        if self._may_start and self._pace.seconds > LONG_SECONDS:
            self._may_start = False
            with suppress(OSError):  # then this process goes on alone
                self._start(self._job.members - 1)
                self._tell()
        ready = self._shared["ready"]
        know = self._chooses and len(self._processes) == len(ready) == np.count_nonzero(ready)
        return know and all(process.poll() is None for process in self._processes)

    def _call_together(self) -> None:
        """Have the others begin at this step; they then wait to be joined."""
        orders = self._shared["orders"]
        orders[FIRST_STEP], orders[UPDATES] = self._step, self._optimizer.t
        self._call()

    def _join(self) -> None:
        """Go on together from here."""
        self._meeting.arrive()
        self._together = True

    def _call(self) -> None:
        """Have the others look at their orders."""
        self._shared["orders"][GO] += 1
        for process in self._processes:
            with suppress(OSError, ValueError):  # if it has ended, the next meeting will tell
                if process.stdin is not None:
                    process.stdin.write(b".")

    def _part(self) -> None:
        """Go on alone from here."""
        self._meet_for_the_last_time()
        for member in self._members[1:]:
            member.begin(self._step, self._optimizer.t)

    def _meet_for_the_last_time(self) -> None:
        orders = self._shared["orders"]
        orders[STOPPED] = orders[GO]
        self._meeting.arrive()
        self._together = False

    def _lay_out(self, load: Load, shares: int) -> None:
        """Find out what the job is, and put everything where the members look for it."""
        network, rows, white = self._network, load.rows, load.white
        if rows.dtype == network.dtype:
            rows, white = levels(rows) or (rows, white)
        order, lit = _sort_pixels(rows)
        # A pixel that no row lights never moves its weights, unless something besides the gradient does.
        moving = len(order) if self._all_move(load, order[lit:]) else lit
        self._own_pixels = [order[member:moving:shares] for member in range(shares)]
        self._job = Job(
            members=shares,
            sizes=(network.n_in, *(layer.n_out for layer in network.layers if isinstance(layer, Dense))),
            activations=tuple(layer.function.name for layer in network.layers if isinstance(layer, Activate)),
            batch_size=load.batch_size,
            images=len(rows),
            targets=len(load.targets),
            dtype=str(network.dtype),
            pixel=str(rows.dtype),
            pixels=tuple(len(own) for own in self._own_pixels),
            white=white,
            loss=load.loss,
            label_smoothing=load.label_smoothing,
            weighted=load.weights is not None,
            optimizer=load.optimizer.name,
            options=dict(load.options),
            decay=load.optimizer.decay,
            l1=load.l1,
            l2=load.l2,
            l2_over_batch=load.l2_over_batch,
        )
        loss = make_loss(load.loss, load.label_smoothing)
        self._tally, self._told = Tally(loss, load.batch_size, load.labels, load.targets, load.weights), 0
        self._block: Block = Block(self._job.layout(), self._handle)
        self._shared: dict[str, NDArray[Any]] = self._block.arrays
        self._share_out(load, rows)

    def _all_move(self, load: Load, unlit: NDArray[np.intp]) -> bool:
        """Say whether weights of pixels that no row lights may move: penalties move them, and what is remembered."""
        if load.optimizer.decay or load.l1 or load.l2 or load.l2_over_batch:
            return True
        return any(self._layers(slot)[0][0][unlit].any() for slot in self._optimizer.slots.values())

    def _share_out(self, load: Load, rows: NDArray[Any]) -> None:
        self._share_images(rows)
        shared = self._shared
        shared["labels"][...], shared["targets"][...] = load.labels, load.targets
        if load.weights is not None:
            shared["weights"][...] = load.weights
        for name, array in shared.items():
            if name.startswith("found/"):
                for above in self._job.found(array)[0]:
                    above[-1] = 1.0

    def _share_images(self, images: NDArray[Any]) -> None:
        """Copy to each member its own pixels of the images, in the new order; find the last lit one of each image."""
        reached = self._shared["reached"]
        for begin in range(0, len(images), _AT_ONCE):
            rows = slice(begin, begin + _AT_ONCE)
            for member, own in enumerate(self._own_pixels):
                place = self._shared[f"pixels/{member}"][rows]
                np.take(images[rows], own, axis=1, out=place, mode="clip")  # the one mode that does not buffer
                count = np.arange(1, len(own) + 1, dtype=np.min_scalar_type(len(own)))
                np.multiply(place != 0, count).max(axis=1, initial=0, out=reached[member, rows])

    def _vectors(self) -> list[tuple[str, Array]]:
        return [("theta", self._network.theta), *self._optimizer.slots.items()]

    def _spread(self, vector: Array, shared: Array) -> None:
        """Lay a vector of the network out as the members want it."""
        (W, b), *above = self._layers(vector)
        for member in range(self._job.members):
            bias, first = self._job.bias_rows(member), self._job.first(shared, member)
            first[:bias] = b
            first[bias:] = W[self._own_pixels[member]]
        for (W, b), extended in zip(above, self._job.upper(shared), strict=True):
            extended[:-1], extended[-1] = W, b

    def _collect(self, shared: Array, vector: Array) -> None:
        """Undo `_spread`."""
        (W, b), *above = self._layers(vector)
        for member in range(self._job.members):
            bias, first = self._job.bias_rows(member), self._job.first(shared, member)
            if bias:
                b[...] = first[0]
            W[self._own_pixels[member]] = first[bias:]
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


def _sort_pixels(images: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Order the pixels by how often they are lit, most often first; count those that ever are."""
    lit = np.zeros(images.shape[1], np.intp)
    for begin in range(0, len(images), _COUNTED_AT_ONCE):  # a byte can count as many; it is a third of the work
        some = images[begin : begin + _COUNTED_AT_ONCE] != 0
        lit += np.add.reduce(some.view(np.uint8), axis=0, dtype=np.uint8)
    return np.argsort(np.negative(lit), kind="stable"), int(np.count_nonzero(lit))


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Wait a little for a process to end."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    return process.returncode is not None
