"""The divided step: what each member of a crew does with one batch.

The first layer is divided by *neurons*: a member multiplies the whole batch by its own columns of W, and later moves
the same columns, which so never leave its core's cache. The layers above are divided by *rows* of the batch on the way
to the loss and back, and by rows of W for the gradient. Nothing is ever summed over members, so the result does not
hang on who is faster. Two meetings a step suffice:

    own columns of layer 1, for all rows        -> meet: every activation of layer 1 is there
    own rows through the rest, loss, and back   -> meet: every delta is there
    own slices of every gradient, own update    -> no meeting: the next layer 1 needs one's own columns only

Each bias is one more row of its layer's weights, met by a column of ones in the layer's input. The pixels are sorted by
how often they are lit, and a batch is multiplied only up to its last lit one: exact, and a fifth less work on MNIST.
"""

import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.arrays import Array, Kept
from handgrad.engine.optimizers import OPTIMIZERS, SGD
from handgrad.training.task import SILENTLY, make_loss, make_penalties
from handgrad.training.threads import limited
from handgrad.training.workers.job import FIRST_STEP, GO, QUIT, STOPPED, UPDATES, Job
from handgrad.training.workers.memory import Block, Meeting, wait_until

GRADIENT_BLOCK = 32_768
"""Numbers of a gradient that are computed and used while they are in the cache."""


@final
@dataclass(slots=True)
class _Part:
    """Rows of one layer's weights that a member owns, with all that moves them.

    Attributes:
        layer: 0 for the first.
        rows: of the layer's input that meet them: those weights are what this member's gradient is of.
        W: the numbers, `(len(rows), n_out)`; one row of them is the bias.
        G: their gradient, of the same shape.
        slots: what the optimiser remembers of them, of the same shape.
        weights: which of the rows are weights and not the bias.
        active: rows from the front that can move at all.
        reached: rows of G that may not be zero.
    """

    layer: int
    rows: slice
    W: Array
    G: Array
    slots: list[Array]
    weights: slice
    active: int
    reached: int = 0


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """The views and the scratch of a batch of one size, made once.

    Attributes:
        rows: those that this member takes through the upper layers.
        x: inputs with their column of ones, for even and odd steps.
        a: activations of each hidden layer with their column of ones, all rows; for even and odd steps.
        deltas: of each layer, all rows.
        own_a: this member's activations: its columns of the first layer, then its rows of the others.
        own_kept: what the activations keep.
        own_delta: dL/dz of its columns of the first layer.
        targets: of its rows.
        share: of its rows.
        kept: of the loss.
        pixels: of its rows.
        indices: of all rows.
        labels: of all rows.
        answers: of its rows.
    """

    rows: slice
    x: list[Array]
    a: list[list[Array]]
    deltas: list[Array]
    own_a: list[Array]
    own_kept: list[Kept]
    own_delta: Array
    targets: Array
    share: Array
    kept: Kept
    pixels: NDArray[np.uint8]
    indices: NDArray[np.intp]
    labels: NDArray[np.intp]
    answers: NDArray[np.intp]


@final
class Member:
    """One of those who share a step.

    Attributes:
        step: of the epoch, the next to be taken.
    """

    def __init__(self, job: Job, block: Block, number: int) -> None:
        """Find one's own part of the shared memory.

        Args:
            job: what the crew does.
            block: laid out as `job.layout()` says, with the data set in it.
            number: 0 is the process that trains.
        """
        self._job, self._number = job, number
        self._shared = block.arrays
        self._functions = [ACTIVATIONS[name] for name in job.activations]
        self._loss = make_loss(job.loss, job.label_smoothing)
        self._batches: dict[int, _Batch] = {}
        self._lit = [0, 0]  # rows of the first layer's weights that the batch reaches, in even and odd steps
        self.step = 0

        kind = OPTIMIZERS[job.optimizer]
        # Its formula is called block by block on this member's own numbers; decay is done in `_restrain`.
        self._optimizer = kind(0, np.float32, decay=0.0, n_decayed=0, **job.options)
        self._penalties = make_penalties(job.l1, job.l2)
        restrained = bool(job.decay or self._penalties)
        self._rate_rides = kind is SGD and not restrained

        vectors = [self._shared[name] for name in ("theta", *kind.slot_names)]
        self._W1 = job.first(vectors[0], number)
        self._upper = job.upper(vectors[0])
        # A pixel that no image lights never moves its weights, unless something besides the gradient does.
        active = len(self._W1) if restrained else int(self._shared["last_lit"].max()) + 2
        self._parts = [
            _make_part(
                0, slice(0, len(self._W1)), [job.first(vector, number) for vector in vectors], slice(1, None), active
            )
        ]
        for l, rows in job.own_rows(number):
            own = [job.upper(vector)[l - 1][rows] for vector in vectors]
            self._parts.append(_make_part(l, rows, own, slice(0, job.sizes[l] - rows.start), len(own[0])))
        largest = max(part.W.shape[1] for part in self._parts)
        self._scratch: Array = np.empty(max(GRADIENT_BLOCK, largest), np.float32)

    def begin(self, step: int, t: int) -> None:
        """Stand before `step` of the epoch whose order is in the shared memory, after `t` updates of the run."""
        self.step, self._optimizer.t = step, t
        if step < self._job.steps:
            self._gather(step)

    def first_layer(self) -> None:
        """Compute one's own columns of the first layer for all rows: a = f(x W + b)."""
        batch, parity = self._batch(self.step), self.step % 2
        lit, a = self._lit[parity], batch.own_a[0]
        np.dot(batch.x[parity][:, :lit], self._W1[:lit], out=a)
        self._functions[0].forward(a, batch.own_kept[0])
        batch.a[0][parity][:, self._job.columns(self._number)] = a

    def upper_layers(self, rate: float) -> None:
        """Take one's own rows through the other layers to the loss and back to the first; gather the next batch."""
        batch, parity = self._batch(self.step), self.step % 2
        if self.step + 1 < self._job.steps:
            self._gather(self.step + 1)
        below = batch.a[0][parity][batch.rows]
        for l, function in enumerate(self._functions[1:], start=1):
            a = batch.own_a[l]
            np.dot(below, self._upper[l - 1], out=a)
            function.forward(a, batch.own_kept[l])
            below = batch.a[l][parity][batch.rows]
            below[:, :-1] = a
        delta = batch.deltas[-1][batch.rows]
        np.dot(below, self._upper[-1], out=delta)
        self._begin_way_back(batch, delta, rate)
        for l in range(len(self._functions) - 1, -1, -1):
            lower = batch.deltas[l][batch.rows]
            np.dot(delta, self._upper[l][:-1].T, out=lower)
            if l:  # the first layer's own derivative waits until its columns are with their owner again
                self._functions[l].backward(batch.own_a[l], lower, batch.own_kept[l])
            delta = lower

    def _begin_way_back(self, batch: _Batch, logits: Array, rate: float) -> None:
        """Turn the logits of one's own rows into the first delta, and say what they cost."""
        shared, indices = self._shared, self._indices(self.step, batch)
        np.take(shared["labels"], indices, out=batch.labels, mode="clip")
        labels = batch.labels[batch.rows]
        np.take(shared["target_rows"], labels, axis=0, out=batch.targets, mode="clip")
        if self._job.weighted:
            weights = shared["class_weights"][batch.labels]
            batch.share[...] = weights[batch.rows] / weights.sum()
        else:
            batch.share.fill(1.0 / len(batch.labels))
        riding = max(rate, 1e-30) if self._rate_rides else 1.0  # a rate of 0 must leave the loss readable
        np.multiply(batch.share, riding, out=batch.share)
        np.argmax(logits, axis=1, out=batch.answers)
        correct = np.count_nonzero(batch.answers == labels)
        loss = self._loss.delta(logits, batch.targets, batch.share, batch.kept)
        shared["losses"][self._number, :2] = loss / riding, correct

    def update(self, rate: float) -> None:
        """Compute one's own slices of the gradient over the whole batch, and move the weights by them."""
        batch, parity = self._batch(self.step), self.step % 2
        self._optimizer.t += 1
        delta = batch.own_delta
        delta[...] = batch.deltas[0][:, self._job.columns(self._number)]
        self._functions[0].backward(batch.own_a[0], delta, batch.own_kept[0])
        first, *others = self._parts
        self._descend(first, batch.x[parity][:, : self._lit[parity]], delta, rate)
        for part in others:
            self._descend(part, batch.a[part.layer - 1][parity][:, part.rows], batch.deltas[part.layer], rate)
        self.step += 1

    def _descend(self, part: _Part, x: Array, delta: Array, rate: float) -> None:
        """Move W by its gradient x^T delta, in blocks of rows that stay in the cache from the product to the update."""
        reach, W, G = x.shape[1], part.W, part.G
        if part.reached > reach:
            G[reach : part.reached] = 0.0
        part.reached = reach
        end = reach if self._rate_rides else part.active
        size = max(GRADIENT_BLOCK // W.shape[1], 1)
        for begin in range(0, end, size):
            stop = min(begin + size, end)
            if begin < reach:
                known = min(stop, reach)
                np.dot(x[:, begin:known].T, delta, out=G[begin:known])
            if self._rate_rides:
                W[begin:stop] -= G[begin:stop]
                continue
            weights = slice(max(begin, part.weights.start), min(stop, part.weights.stop))
            self._restrain(W[weights].reshape(-1), G[weights].reshape(-1), rate)
            slots = [slot[begin:stop].reshape(-1) for slot in part.slots]
            w = W[begin:stop].reshape(-1)
            self._optimizer.update(w, G[begin:stop].reshape(-1), slots, rate, self._scratch[: w.size])

    def _restrain(self, weights: Array, gradient: Array, rate: float) -> None:
        if self._job.decay:
            weights *= 1.0 - rate * self._job.decay
        for penalty in self._penalties:
            penalty.add_gradient(weights, gradient, self._scratch)

    def _indices(self, step: int, batch: _Batch) -> NDArray[np.intp]:
        begin = step * self._job.batch_size
        batch.indices[...] = self._shared["order"][begin : begin + len(batch.indices)]
        return batch.indices

    def _gather(self, step: int) -> None:
        """Make one's own rows of the batch of `step` float, up to the last pixel that any of its images lights."""
        batch, parity = self._batch(step), step % 2
        indices = self._indices(step, batch)
        n = int(self._shared["last_lit"][indices].max()) + 1
        self._lit[parity] = n + 1
        np.take(self._shared["pixels"], indices[batch.rows], axis=0, out=batch.pixels, mode="clip")
        x = batch.x[parity][batch.rows, 1 : n + 1]
        x[...] = batch.pixels[:, :n]
        x *= 1.0 / self._job.white

    def _batch(self, step: int) -> _Batch:
        job = self._job
        size = min(job.batch_size, job.images - step * job.batch_size)
        if size not in self._batches:
            self._batches[size] = self._make_batch(size)
        return self._batches[size]

    def _make_batch(self, size: int) -> _Batch:
        job, shared, f = self._job, self._shared, np.dtype(np.float32)
        rows = job.rows(self._number, size)
        n_rows, n_columns = rows.stop - rows.start, self._W1.shape[1]
        shapes = [(size, n_columns), *((n_rows, n) for n in job.sizes[2:-1])]
        return _Batch(
            rows=rows,
            x=[x[:size] for x in shared["x"]],
            a=[[a[:size] for a in shared[f"a{l}"]] for l in range(1, len(job.sizes) - 1)],
            deltas=[shared[f"delta{l}"][:size] for l in range(1, len(job.sizes))],
            own_a=[np.empty(shape, f) for shape in shapes],
            own_kept=[function.keep(shape, f) for function, shape in zip(self._functions, shapes, strict=True)],
            own_delta=np.empty(shapes[0], f),
            targets=np.empty((n_rows, job.sizes[-1]), f),
            share=np.empty(n_rows, f),
            kept=self._loss.keep(n_rows, job.sizes[-1], f),
            pixels=np.empty((n_rows, job.sizes[0]), np.uint8),
            indices=np.empty(size, np.intp),
            labels=np.empty(size, np.intp),
            answers=np.empty(n_rows, np.intp),
        )


def _make_part(layer: int, rows: slice, own: list[Array], weights: slice, active: int) -> _Part:
    W, *slots = own
    n_weights = slice(weights.start, min(len(W), len(W) if weights.stop is None else weights.stop))
    return _Part(layer, rows, W, np.zeros_like(W), slots, n_weights, active)


def serve(stream: BinaryIO) -> None:
    """Be a member other than the first, until told to quit or left alone.

    Args:
        stream: brings the job as a line of JSON, and ends when its giver does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains; it will tell
    given: dict[str, Any] = json.loads(stream.readline())
    threading.Thread(target=_end_with, args=(stream,), daemon=True).start()
    job = msgspec.convert(given["job"], Job)
    block = Block(job.layout(), given["handle"])
    number = int(given["number"])
    member, meeting, orders = (
        Member(job, block, number),
        Meeting(block.arrays["arrivals"], number),
        block.arrays["orders"],
    )
    rate, gone = block.arrays["rate"], 0
    with limited(1), SILENTLY:
        while True:
            wait_until(lambda: orders[GO] > gone)  # noqa: B023 - asked at once
            gone = int(orders[GO])
            if orders[QUIT]:
                return
            member.begin(int(orders[FIRST_STEP]), int(orders[UPDATES]))
            meeting.arrive()
            while member.step < job.steps:
                member.first_layer()
                meeting.arrive()
                if orders[STOPPED] == gone:
                    break
                now = float(rate[0])  # after the next meeting it may be the next step's
                member.upper_layers(now)
                meeting.arrive()
                member.update(now)
            else:
                meeting.arrive()


def _end_with(stream: BinaryIO) -> None:
    """End this process when the one that started it closes the stream, or ends."""
    with suppress(OSError):
        while os.read(stream.fileno(), 1):  # past the stream's buffer, whose lock would hold up the end
            pass
    os._exit(0)
