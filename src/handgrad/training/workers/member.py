"""The divided step: what each member of a crew does with one batch.

Here an image is a column: `x` is `(features, batch)` and z = W^T x. The first layer is divided by *pixels*: a member
gathers its own pixels of all images, multiplies them by its own rows of W, and later moves the same rows; neither its
pixels nor its rows ever leave its core's cache. The layers above are divided by *images* on the way to the loss and
back, and by rows of W for the gradient. Only the parts of layer 1 are summed, always in the same order, so the result
does not hang on who is faster. Two meetings a step suffice:

    own pixels' part of layer 1, for all images -> meet: every part is there
    own images from the sum of the parts through all layers, loss, and back -> meet: every delta is there
    own slices of every gradient, own update    -> no meeting: the next layer 1 needs one's own rows only

Each bias is one more row of its layer's weights, met by a row of ones in the layer's input. The pixels are sorted by
how often they are lit, and dealt out like cards; a batch is multiplied only up to its last lit one: exact, and a fifth
less work on MNIST.
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
from handgrad.training.named import SILENTLY, make_loss
from handgrad.training.workers.descent import Descent, Part
from handgrad.training.workers.job import FIRST_STEP, GO, QUIT, STOPPED, UPDATES, Job
from handgrad.training.workers.memory import Block, Meeting

TURNED_AT_ONCE = 512
"""Images whose pixels are turned from rows into columns while they are in the cache."""


@final
@dataclass(frozen=True, slots=True)
class _Hidden:
    """A hidden layer, for a member's images of a batch.

    Attributes:
        a: where its activations go, `(neurons, its images)`.
        above: the same with their row of ones.
        function: its activation.
        kept: of the function.
    """

    a: Array
    above: Array
    function: Activation
    kept: Kept


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """The views and the scratch of a batch of one size, made once.

    Attributes:
        size: of the batch.
        images: this member's, counted from the batch's first.
        chunks: of the batch's images, those whose pixels are gathered at once: which, their rows of pixels, and these
            turned.
        x: this member's pixels of all images, above them a row of ones if it has the bias; for even and for odd steps,
            for the next batch is gathered while this one is still needed.
        partial: this member's part of layer 1, all images.
        partials: every member's part, this member's images.
        hidden: layers.
        deltas: dL/dz of its images in each layer.
        share: of its images.
        kept: of the loss.
        gathered: what the gradients need of all members, and where each of them has put it.
        first_delta: dL/dz of layer 1, all images; gathered.
        others: of each part above the first its inputs and its delta, all images; gathered.
    """

    size: int
    images: slice
    chunks: list[tuple[slice, NDArray[Any], NDArray[Any]]]
    x: tuple[Array, Array]
    partial: Array
    partials: list[Array]
    hidden: list[_Hidden]
    deltas: list[Array]
    share: Array
    kept: Kept
    gathered: list[tuple[Array, Array]]
    first_delta: Array
    others: list[tuple[Part, Array, Array]]


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
        self._bias = job.bias_rows(number)
        self._pixels: NDArray[Any] = self._shared[f"pixels/{number}"]
        whole, rest = job.by_batch(self._shared[f"logits/{number}"], number)
        self._logits = [*whole, *rest]
        self._met = job.by_batch(np.empty_like(self._shared[f"logits/{number}"]), number)
        self._targets = [*self._met[0], *self._met[1]]
        self._scale = 1.0 / job.white
        self.step = 0

        self._descent = Descent(job, self._shared, number)
        theta = self._shared["theta"]
        self._W1, self._upper = job.first(theta, number), job.upper(theta)
        self._whole_batches = job.images // job.batch_size
        self._batches = [self._make_batch(size) for size in job.batches]

    def begin(self, step: int, t: int) -> None:
        """Stand before `step` of the epoch whose order is in the shared memory, after `t` updates of the run."""
        job, shared = self._job, self._shared
        self.step = step
        order, starts = shared["order"], np.arange(0, job.images, job.batch_size)
        self._meet_targets(shared["labels"][order])
        self._reach = (np.maximum.reduceat(shared["reached"][self._number][order], starts) + self._bias).tolist()
        sizes = np.diff(starts, append=job.images)
        weigh = sizes
        if job.weighted:
            weights = shared["weights"][order]
            totals = np.add.reduceat(weights, starts)
            self._shares = weights / np.repeat(totals, sizes)
            weigh = totals.astype(np.float64)
        self._descent.begin(t, job.l2_over_batch / weigh)
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
        """Compute what one's own pixels bring to layer 1 in all images: W^T x, with the bias if one has it."""
        batch, reach = self._batch(self.step), self._reach[self.step]
        np.dot(self._W1[:reach].T, batch.x[self.step % 2][:reach], out=batch.partial)

    def upper_layers(self, rate: float) -> None:
        """Take one's own images from layer 1 to the loss and back; gather the next batch."""
        step, batch = self.step, self._batch(self.step)
        hidden, deltas = batch.hidden, batch.deltas
        if step + 1 < self._job.steps:
            self._gather(step + 1)
        one, other, *others = batch.partials
        np.add(one, other, out=hidden[0].a)
        for another in others:
            hidden[0].a[...] += another
        hidden[0].function.forward(hidden[0].a, hidden[0].kept)
        for W, below, layer in zip(self._upper, hidden, hidden[1:], strict=False):
            np.dot(W.T, below.above, out=layer.a)
            layer.function.forward(layer.a, layer.kept)
        np.dot(self._upper[-1].T, hidden[-1].above, out=self._logits[step])
        self._begin_way_back(batch, rate)
        for l in range(len(hidden) - 1, -1, -1):
            np.dot(self._upper[l][:-1], deltas[l + 1], out=deltas[l])
            hidden[l].function.backward(hidden[l].a, deltas[l], hidden[l].kept)

    def _begin_way_back(self, batch: _Batch, rate: float) -> None:
        """Turn the logits of one's own images into the first delta; the logits themselves are kept."""
        begin, delta = self.step * self._job.batch_size, batch.deltas[-1]
        own = slice(begin + batch.images.start, begin + batch.images.stop)
        if self._job.weighted:
            np.multiply(self._shares[own], self._descent.riding(rate), out=batch.share)
        else:
            batch.share.fill(self._descent.riding(rate) / batch.size)
        delta[...] = self._logits[self.step]
        self._loss.delta_of_columns(delta, self._targets[self.step], batch.share, batch.kept)

    def update(self, rate: float) -> None:
        """Compute one's own slices of the gradient over the whole batch, and move the weights by them."""
        batch = self._batch(self.step)
        for place, found in batch.gathered:
            place[...] = found
        x = batch.x[self.step % 2][: self._reach[self.step]]
        self._descent.step(self.step, rate, x, batch.first_delta, batch.others)
        self.step += 1

    def _gather(self, step: int) -> None:
        """Make one's own pixels of the batch of `step` float, up to the last that any image lights."""
        batch, begin = self._batch(step), step * self._job.batch_size
        x, order = batch.x[step % 2][self._bias : self._reach[step]], self._shared["order"]
        known = len(x)
        for images, pixels, turned in batch.chunks:
            np.take(self._pixels, order[begin + images.start : begin + images.stop], axis=0, out=pixels, mode="clip")
            columns = pixels[:, :known].T
            if turned.dtype != x.dtype:  # bytes are turned sooner than numbers, and become numbers row by row
                turned[:known] = columns
                columns = turned[:known]
            x[:, images] = columns
        if self._scale != 1.0:
            x *= self._scale

    def _batch(self, step: int) -> _Batch:
        return self._batches[step >= self._whole_batches]

    def _make_batch(self, size: int) -> _Batch:
        job, shared, number, f = self._job, self._shared, self._number, np.dtype(self._job.dtype)
        images = job.rows(number, size)
        n = images.stop - images.start
        partials = [shared[f"partial/{member}/{size}"] for member in range(job.members)]
        blocks = [shared[f"found/{member}/{size}"] for member in range(job.members)]
        own_above, deltas = job.found(blocks[number])
        inputs_found, deltas_found = job.inputs_found(number), job.deltas_found()
        inputs = np.empty((inputs_found.stop - inputs_found.start, size), f)
        all_deltas = np.empty((deltas_found.stop - deltas_found.start, size), f)
        gathered = [
            (whole[:, job.rows(member, size)], block[found])
            for whole, found in ((inputs, inputs_found), (all_deltas, deltas_found))
            for member, block in enumerate(blocks)
        ]
        delta_of = np.split(all_deltas, np.cumsum(job.sizes[1:-1]))
        inputs_of = np.split(inputs, np.cumsum([len(part.W) for part in self._descent.parts[1:-1]]))
        x = np.ones((job.first_rows(number), size), f), np.ones((job.first_rows(number), size), f)
        pixels = np.empty((min(size, TURNED_AT_ONCE), job.pixels[number]), self._pixels.dtype)
        turned = np.empty(pixels.size, pixels.dtype)
        return _Batch(
            size=size,
            images=images,
            chunks=[
                (slice(begin, begin + m), pixels[:m], turned[: m * pixels.shape[1]].reshape(-1, m))
                for begin in range(0, size, TURNED_AT_ONCE)
                for m in (min(size - begin, TURNED_AT_ONCE),)
            ],
            x=x,
            partial=partials[number],
            partials=[partial[:, images] for partial in partials],
            hidden=[
                _Hidden(above[:-1], above, function, function.keep(above[:-1].shape, f))
                for above, function in zip(own_above, self._functions, strict=True)
            ],
            deltas=deltas,
            share=np.empty(n, f),
            kept=tuple(np.asfortranarray(array) for array in self._loss.keep(n, job.sizes[-1], f)),
            gathered=gathered,
            first_delta=delta_of[0],
            others=[
                (part, rows, delta_of[part.layer])
                for part, rows in zip(self._descent.parts[1:], inputs_of, strict=False)
            ],
        )


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
