"""The divided step: what each member of a crew does with one batch.

Here an image is a column: `x` is `(features, batch)` and z = W^T x. The first layer is divided by *neurons*: a member
multiplies the whole batch by its own columns of W, and later moves the same columns, which so never leave its core's
cache. The layers above are divided by *images* on the way to the loss and back, and by rows of W for the gradient.
Nothing is ever summed over members, so the result does not hang on who is faster. Two meetings a step suffice:

    own neurons of layer 1, for all images      -> meet: every activation of layer 1 is there
    own images through the rest, loss, and back -> meet: every delta is there
    own slices of every gradient, own update    -> no meeting: the next layer 1 needs one's own neurons only

Each bias is one more row of its layer's weights, met by a row of ones in the layer's input. The pixels are sorted by
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

from handgrad.engine.activations import ACTIVATIONS, Activation
from handgrad.engine.arrays import Array, Kept
from handgrad.engine.optimizers import OPTIMIZERS, SGD
from handgrad.engine.penalties import L2
from handgrad.training.named import SILENTLY, make_loss, make_penalties
from handgrad.training.workers.job import FIRST_STEP, GO, QUIT, STOPPED, UPDATES, Job
from handgrad.training.workers.memory import Block, Meeting

TURNED_AT_ONCE = 64
"""Images whose pixels are turned from rows into columns while they are in the cache."""

GRADIENT_BLOCK = 131_072
"""Numbers of a gradient that are computed and used while they are in the cache; who owns no more moves all at once."""


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
    """The views and the scratch of a batch of one size, made once; even steps and odd steps have one each.

    Attributes:
        images: this member's, counted from the batch's first.
        pixels: this member's, of some images.
        x: inputs with their row of ones, all images.
        own_x: the rows of x that this member fills.
        first: activations of this member's neurons of layer 1, all images.
        first_kept: what their activation keeps.
        below: activations of layer 1 with their row of ones, of this member's images.
        upper: what each hidden layer above needs: weights with their biases, where its activations go, without and with
            their row of ones, its function and what that keeps.
        deltas: dL/dz of its images in each layer (in the first: dL/da).
        share: of its images.
        kept: of the loss.
        gathered: what the gradients need of all members, and where each of them has put it.
        first_delta: dL/da, then dL/dz, of this member's neurons of layer 1, all images; gathered.
        others: of each part above the first its inputs and its delta, all images; gathered.
    """

    images: slice
    pixels: NDArray[Any]
    x: Array
    own_x: Array
    first: Array
    first_kept: Kept
    below: Array
    upper: list[tuple[Array, Array, Array, Activation, Kept]]
    deltas: list[Array]
    share: Array
    kept: Kept
    gathered: list[tuple[Array, Array]]
    first_delta: Array
    others: list[tuple[_Part, Array, Array]]


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
        self._reach: list[int] = []  # rows of the first layer's weights that each batch reaches
        dtype = np.dtype(job.dtype)
        self._shares: Array = np.empty(0, dtype)
        self._l2_now: list[float] = []  # L2's strength in each step
        self._squares: NDArray[np.float64] = self._shared[f"squares/{number}"]
        self._first_pixel = job.cuts[number]
        self._pixels: NDArray[Any] = self._shared[f"pixels/{number}"]
        whole, rest = job.by_batch(self._shared[f"logits/{number}"], number)
        self._logits = [*whole, *rest]
        self._met = job.by_batch(np.empty_like(self._shared[f"logits/{number}"]), number)
        self._targets = [*self._met[0], *self._met[1]]
        self._scale = 1.0 / job.white
        self.step = 0

        kind = OPTIMIZERS[job.optimizer]
        # Its formula is called block by block on this member's own numbers; decay is done in `_restrain`.
        self._optimizer = kind(0, dtype, decay=0.0, n_decayed=0, **job.options)
        self._penalties = make_penalties(job.l1, job.l2)
        self._restrained = bool(job.decay or job.l2_over_batch or self._penalties)
        self._rate_rides = kind is SGD and not self._penalties
        self._adds_to_gradient = bool(self._penalties or (job.l2_over_batch and not self._rate_rides))

        gradient = np.zeros_like(self._shared["theta"])
        vectors = [self._shared["theta"], gradient, *(self._shared[name] for name in kind.slot_names)]
        self._W1 = job.first(vectors[0], number)
        self._upper = job.upper(vectors[0])
        # A pixel that no image lights never moves its weights, unless something besides the gradient does.
        active = len(self._W1) if self._restrained else int(self._shared["last_lit"].max()) + 2
        W, G, *slots = (job.first(vector, number) for vector in vectors)
        self._parts = [_Part(0, slice(0, len(W)), W, G, slots, slice(1, len(W)), active)]
        for l, rows in job.own_rows(number):
            W, G, *slots = (job.upper(vector)[l - 1][rows] for vector in vectors)
            weights = slice(0, min(len(W), job.sizes[l] - rows.start))
            self._parts.append(_Part(l, rows, W, G, slots, weights, len(W)))
        runs = [[vector[run] for vector in vectors] for run in job.runs(number)]
        largest = max(run[0].size for run in runs)
        self._at_once = runs if largest <= GRADIENT_BLOCK else []
        self._restrained_at_once = [[vector[run] for vector in vectors[:2]] for run in job.weights(number)]
        most = max(GRADIENT_BLOCK, *(part.W.shape[1] for part in self._parts))
        self._scratch: Array = np.empty(min(most, largest), dtype)
        self._whole_batches = job.images // job.batch_size
        self._batches = [batch for size in job.batches for batch in self._make_batches(size)]

    def begin(self, step: int, t: int) -> None:
        """Stand before `step` of the epoch whose order is in the shared memory, after `t` updates of the run."""
        job, shared = self._job, self._shared
        self.step, self._optimizer.t = step, t
        order, starts = shared["order"], np.arange(0, job.images, job.batch_size)
        self._meet_targets(shared["labels"][order])
        self._reach = (np.maximum.reduceat(shared["last_lit"][order], starts) + 2).tolist()
        sizes = np.diff(starts, append=job.images)
        weigh = sizes
        if job.weighted:
            weights = shared["weights"][order]
            totals = np.add.reduceat(weights, starts)
            self._shares = weights / np.repeat(totals, sizes)
            weigh = totals.astype(np.float64)
        self._l2_now = (job.l2_over_batch / weigh).tolist()
        if step < job.steps:
            self._gather(step)

    def _meet_targets(self, labels: NDArray[np.intp]) -> None:
        """Lay out what one's own images should meet, for all batches of an epoch whose `labels` come in this order."""
        job, table, (whole, rest) = self._job, self._shared["targets"], self._met
        end = len(whole) * job.batch_size
        own = labels[:end].reshape(len(whole), -1)[:, job.rows(self._number, job.batch_size)]
        whole[...] = table[own].transpose(0, 2, 1)
        for last in rest:
            last[...] = table[labels[end:][job.rows(self._number, job.images - end)]].T

    def first_layer(self) -> None:
        """Compute one's own neurons of the first layer for all images: a = f(W^T x + b)."""
        batch, reach = self._batch(self.step), self._reach[self.step]
        np.dot(self._W1[:reach].T, batch.x[:reach], out=batch.first)
        self._functions[0].forward(batch.first, batch.first_kept)

    def upper_layers(self, rate: float) -> None:
        """Take one's own images through the other layers to the loss and back to the first; gather the next batch."""
        step, batch, deltas = self.step, self._batch(self.step), self._batch(self.step).deltas
        if step + 1 < self._job.steps:
            self._gather(step + 1)
        below = batch.below
        for W, a, above, function, kept in batch.upper:
            np.dot(W.T, below, out=a)
            function.forward(a, kept)
            below = above
        np.dot(self._upper[-1].T, below, out=self._logits[step])
        self._begin_way_back(batch, rate)
        np.dot(self._upper[-1][:-1], deltas[-1], out=deltas[-2])
        for l in range(len(batch.upper) - 1, -1, -1):
            W, a, _, function, kept = batch.upper[l]
            function.backward(a, deltas[l + 1], kept)
            np.dot(W[:-1], deltas[l + 1], out=deltas[l])  # layer 1's own derivative waits until its owner has it

    def _begin_way_back(self, batch: _Batch, rate: float) -> None:
        """Turn the logits of one's own images into the first delta; the logits themselves are kept."""
        begin, delta = self.step * self._job.batch_size, batch.deltas[-1]
        own = slice(begin + batch.images.start, begin + batch.images.stop)
        riding = rate if self._rate_rides else 1.0
        if self._job.weighted:
            np.multiply(self._shares[own], riding, out=batch.share)
        else:
            batch.share.fill(riding / batch.x.shape[1])
        delta[...] = self._logits[self.step]
        self._loss.delta_of_columns(delta, self._targets[self.step], batch.share, batch.kept)

    def update(self, rate: float) -> None:
        """Compute one's own slices of the gradient over the whole batch, and move the weights by them."""
        batch = self._batch(self.step)
        self._optimizer.t += 1
        for place, found in batch.gathered:
            place[...] = found
        self._functions[0].backward(batch.first, batch.first_delta, batch.first_kept)
        self._squares[self.step] = 0.0
        descend = self._find if self._at_once else self._descend
        descend(self._parts[0], batch.x[: self._reach[self.step]], batch.first_delta, rate)
        for part, inputs, delta in batch.others:
            descend(part, inputs, delta, rate)
        if self._at_once:
            self._move_at_once(rate)
        self.step += 1

    def _find(self, part: _Part, x: Array, delta: Array, rate: float) -> None:  # noqa: ARG002 - as `_descend`
        """Compute the gradient x delta^T."""
        reach = len(x)
        if part.reached > reach:
            part.G[reach : part.reached] = 0.0
        part.reached = part.active if self._adds_to_gradient else reach
        np.dot(x, delta.T, out=part.G[:reach])

    def _move_at_once(self, rate: float) -> None:
        """Move all of one's own numbers by the gradient that was found: in few calls, for each has its price."""
        if self._restrained:
            for w, g in self._restrained_at_once:
                self._restrain(w, g, rate)
        for w, g, *slots in self._at_once:
            if self._rate_rides:
                w -= g
            else:
                self._optimizer.update(w, g, slots, rate, self._scratch[: w.size])

    def _descend(self, part: _Part, x: Array, delta: Array, rate: float) -> None:
        """Move W by its gradient x delta^T, in blocks of rows that stay in the cache from the product to the update."""
        reach, W, G = len(x), part.W, part.G
        if part.reached > reach:
            G[reach : part.reached] = 0.0
        end = part.active if self._restrained or not self._rate_rides else reach
        part.reached = end if self._adds_to_gradient else reach
        size = max(GRADIENT_BLOCK // W.shape[1], 1)
        for begin in range(0, end, size):
            stop = min(begin + size, end)
            known = min(stop, reach)
            if begin < reach:
                np.dot(x[begin:known], delta.T, out=G[begin:known])
            if self._restrained:
                weights = slice(max(begin, part.weights.start), min(stop, part.weights.stop))
                self._restrain(W[weights].reshape(-1), G[weights].reshape(-1), rate)
            if self._rate_rides:
                W[begin:known] -= G[begin:known]
            else:
                slots = [slot[begin:stop].reshape(-1) for slot in part.slots]
                w = W[begin:stop].reshape(-1)
                self._optimizer.update(w, G[begin:stop].reshape(-1), slots, rate, self._scratch[: w.size])

    def _restrain(self, weights: Array, gradient: Array, rate: float) -> None:
        decay, l2 = self._job.decay, self._l2_now[self.step]
        if l2:
            self._squares[self.step] += np.dot(weights, weights)
            if self._rate_rides:
                decay += l2  # plain SGD cannot tell the two apart, and decay is less work
            else:
                L2(l2).add_gradient(weights, gradient, self._scratch)
        for penalty in self._penalties:
            penalty.add_gradient(weights, gradient, self._scratch)
        if decay:
            weights *= 1.0 - rate * decay

    def _gather(self, step: int) -> None:
        """Make one's own pixels of the batch of `step` float, up to the last that any image lights."""
        batch, begin = self._batch(step), step * self._job.batch_size
        x, order = batch.own_x[: max(self._reach[step] - 1 - self._first_pixel, 0)], self._shared["order"]
        known, size = x.shape
        for start in range(0, size, TURNED_AT_ONCE):
            stop = min(start + TURNED_AT_ONCE, size)
            pixels = batch.pixels[: stop - start]
            np.take(self._pixels, order[begin + start : begin + stop], axis=0, out=pixels, mode="clip")
            x[:, start:stop] = pixels[:, :known].T
        if self._scale != 1.0:
            x *= self._scale

    def _batch(self, step: int) -> _Batch:
        return self._batches[step % 2 + (2 if step >= self._whole_batches else 0)]

    def _make_batches(self, size: int) -> list[_Batch]:
        job, shared, f = self._job, self._shared, np.dtype(self._job.dtype)
        neurons, images = job.columns(self._number), job.rows(self._number, size)
        n = images.stop - images.start
        found = [job.found(shared[f"found/{member}/{size}"]) for member in range(job.members)]
        own_above, deltas = found[self._number]
        places = [job.rows(member, size) for member in range(job.members)]
        gathered: list[tuple[Array, Array]] = []

        def gather(sources: list[Array]) -> Array:
            """Have columns that each member finds out put side by side."""
            whole = np.empty((len(sources[0]), size), f)
            gathered.extend((whole[:, place], source) for place, source in zip(places, sources, strict=True))
            return whole

        first_delta = gather([deltas[0][neurons] for _, deltas in found])
        needed = {part.layer for part in self._parts[1:]}
        delta_of = {l: gather([deltas[l] for _, deltas in found]) for l in needed}
        inputs_of = {l: gather([above[l - 2] for above, _ in found]) for l in needed - {1}}
        upper = [
            (W, above[:-1], above, function, function.keep(above[:-1].shape, f))
            for W, above, function in zip(self._upper, own_above, self._functions[1:], strict=False)
        ]
        first_kept = self._functions[0].keep(first_delta.shape, f)
        pixels = np.empty((min(size, TURNED_AT_ONCE), self._pixels.shape[1]), self._pixels.dtype)
        share = np.empty(n, f)
        kept = tuple(np.asfortranarray(array) for array in self._loss.keep(n, job.sizes[-1], f))
        return [
            _Batch(
                images=images,
                pixels=pixels,
                x=x,
                own_x=x[1 + self._first_pixel :][: self._pixels.shape[1]],
                first=a1[neurons],
                first_kept=first_kept,
                below=a1[:, images],
                upper=upper,
                deltas=deltas,
                share=share,
                kept=kept,
                gathered=gathered,
                first_delta=first_delta,
                others=[
                    (part, (a1 if part.layer == 1 else inputs_of[part.layer])[part.rows], delta_of[part.layer])
                    for part in self._parts[1:]
                ],
            )
            for x, a1 in zip(shared[f"x/{size}"], shared[f"a1/{size}"], strict=True)
        ]


def serve(stream: BinaryIO) -> None:
    """Be a member other than the first, until told to quit or left alone.

    Args:
        stream: brings the job as a line of JSON, then a byte for each call to look at the orders; it ends when its
            giver does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains; it will tell
    line = stream.readline()
    if not line:
        return  # there is nothing to do after all
    given: dict[str, Any] = json.loads(line)
    called = threading.Event()
    threading.Thread(target=_listen, args=(stream, called), daemon=True).start()
    job = msgspec.convert(given["job"], Job)
    block = Block(job.layout(), given["handle"])
    number = int(given["number"])
    member, meeting, orders = (
        Member(job, block, number),
        Meeting(block.arrays["arrivals"], number),
        block.arrays["orders"],
    )
    rate, gone = block.arrays["rate"], 0
    block.arrays["ready"][number - 1] = 1
    with SILENTLY:
        while True:
            while orders[GO] == gone:
                called.wait()
                called.clear()
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


def _listen(stream: BinaryIO, called: threading.Event) -> None:
    """Pass calls on; end this process when the one that started it closes the stream, or ends."""
    with suppress(OSError):
        while os.read(stream.fileno(), 1):  # past the stream's buffer, whose lock would hold up the end
            called.set()
    os._exit(0)
