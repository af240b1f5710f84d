"""What a crew is to do, and where in the shared memory everything lies.

A `Job` is all that a member in another process must be told. Whatever follows from it (who owns which rows, the layout
of the memory) is computed by each member for itself, and comes out the same.
"""

from itertools import accumulate, pairwise
from typing import Any, final

import msgspec
import numpy as np

from handgrad.engine.arrays import Array
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.training.workers.memory import Layout

GO, FIRST_STEP, UPDATES, STOPPED, QUIT = range(5)
"""What the numbers in the shared `orders` mean: how often it was said to go on, from which step, after how many
updates; which going-on is over; and whether all is."""


_LINE = 16
"""Numbers of a cache line in float32; in float64, of two."""


@final
class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a member must know before it begins; JSON, so that it can be handed to another process.

    Attributes:
        members: how many share the work.
        sizes: neurons of each layer, the input's pixels first.
        activations: of each hidden layer.
        batch_size: rows of a batch; the last of an epoch may have fewer.
        images: in the training set.
        targets: that an image may be asked to meet: one for each class, or for each image.
        dtype: of every number that is computed with.
        pixel: type of a pixel.
        pixels: how many of them each member owns; of the others, the weights never move.
        white: the pixel value that becomes 1.0.
        loss: its name.
        label_smoothing: of the cross-entropy.
        weighted: whether the images weigh differently.
        optimizer: its name.
        options: of the optimiser.
        decay: decoupled weight decay.
        l1: strength.
        l2: strength.
        l2_over_batch: a strength that each step divides by what its batch weighs.
    """

    members: int
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    batch_size: int
    images: int
    targets: int
    dtype: str = "float32"
    pixel: str = "uint8"
    pixels: tuple[int, ...]
    white: int
    loss: str
    label_smoothing: float
    weighted: bool
    optimizer: str
    options: dict[str, float]
    decay: float
    l1: float
    l2: float
    l2_over_batch: float = 0.0

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.images // self.batch_size)

    @property
    def batches(self) -> tuple[int, ...]:
        """The sizes of batches: whole ones, and the last of an epoch where it is shorter."""
        rest = self.images % self.batch_size
        return (self.batch_size, rest) if rest else (self.batch_size,)

    def bias_rows(self, member: int) -> int:
        """How many of a member's rows of the first layer's weights, the first of them, are its bias: 1 or 0."""
        return 1 if member == 0 else 0

    def first_rows(self, member: int) -> int:
        """How many rows of the first layer's weights a member owns."""
        return self.bias_rows(member) + self.pixels[member]

    def rows(self, member: int, batch: int) -> slice:
        """The images of a batch that a member takes through the upper layers."""
        return slice(member * batch // self.members, (member + 1) * batch // self.members)

    def _images_of(self, member: int) -> tuple[int, int]:
        """How many images of an epoch a member takes through the upper layers: in whole batches, and in the last."""
        whole, rest = divmod(self.images, self.batch_size)
        in_whole, in_rest = self.rows(member, self.batch_size), self.rows(member, rest)
        return whole * (in_whole.stop - in_whole.start), in_rest.stop - in_rest.start

    def by_batch(self, vector: Array, member: int) -> tuple[Array, list[Array]]:
        """Look at a member's logits, or what they should be, of an epoch, with an image a column.

        Returns:
            whole batches, `(batches, n_out, its images)`, and one more if any.
        """
        in_whole, in_rest = self._images_of(member)
        n_out, whole = self.sizes[-1], self.images // self.batch_size
        rest = [vector[n_out * in_whole :].reshape(n_out, in_rest)] if self.images % self.batch_size else []
        return vector[: n_out * in_whole].reshape(whole, n_out, -1), rest

    def extended(self) -> list[tuple[int, int]]:
        """Shapes of the layers' weights, each with its bias as one more row."""
        return [(n_in + 1, n_out) for n_in, n_out in pairwise(self.sizes)]

    def layout(self) -> Layout:
        """What the members share."""
        n_out = self.sizes[-1]
        f = np.dtype(self.dtype)
        layout: dict[str, tuple[tuple[int, ...], Any]] = {
            "arrivals": ((self.members, 16), np.int64),
            "orders": ((16,), np.int64),
            "ready": ((self.members - 1,), np.int64),
            "rate": ((1,), np.float64),
            "order": ((self.images,), np.intp),
            "reached": ((self.members, self.images), np.int32),
            "labels": ((self.images,), np.intp),
            "targets": ((self.targets, n_out), f),
            "weights": ((self.images if self.weighted else 0,), f),
        }
        for member in range(self.members):
            layout[f"logits/{member}"] = ((n_out * sum(self._images_of(member)),), f)
            layout[f"squares/{member}"] = ((self.steps,), np.float64)
            layout[f"pixels/{member}"] = ((self.images, self.pixels[member]), self.pixel)
        for batch in self.batches:
            for member in range(self.members):
                images = self.rows(member, batch)
                layout[f"partial/{member}/{batch}"] = ((self.sizes[1], batch), f)
                layout[f"found/{member}/{batch}"] = ((sum(self._found_rows()), images.stop - images.start), f)
        numbers = self._upper_end + sum(self._first_size(member) for member in range(1, self.members))
        for name in ("theta", *OPTIMIZERS[self.optimizer].slot_names):
            layout[name] = ((numbers,), f)
        return layout

    def _found_rows(self) -> list[int]:
        """Rows of what a member finds out about its own images: activations, each with a row of ones; deltas."""
        return [*(size + 1 for size in self.sizes[1:-1]), *self.sizes[1:]]

    def found(self, block: Array) -> tuple[list[Array], list[Array]]:
        """Look at a member's block: activations of the hidden layers, deltas of every layer."""
        rows = self._found_rows()
        ends = list(accumulate(rows))
        views = [block[end - n : end] for n, end in zip(rows, ends, strict=True)]
        hidden = len(self.sizes) - 2
        return views[:hidden], views[hidden:]

    def inputs_found(self, member: int) -> slice:
        """Which rows of every member's block meet the rows of the layers above the first that one member owns."""
        begins = list(accumulate((size + 1 for size in self.sizes[1:-1]), initial=0))
        runs = [(begins[l - 1] + rows.start, begins[l - 1] + rows.stop) for l, rows in self.own_rows(member)]
        return slice(runs[0][0], runs[-1][1]) if runs else slice(0, 0)  # they follow each other

    def deltas_found(self) -> slice:
        """Which rows of a member's block are the deltas of all layers."""
        rows = self._found_rows()
        return slice(sum(rows[: len(self.sizes) - 2]), sum(rows))

    def first(self, vector: Array, member: int) -> Array:
        """A member's rows of the first layer in a shared vector, `(first_rows, n_1)`: the bias, if it has it, first."""
        begin, rows, columns = self._first_begins(member), self.first_rows(member), self.sizes[1]
        return vector[begin : begin + rows * columns].reshape(rows, columns)

    def _first_begins(self, member: int) -> int:
        """Where a member's first layer lies: member 0's, then the layers above, then the other members', last first.

        So the first and the last member have theirs beside their rows of the layers above.
        """
        if member == 0:
            return 0
        return self._upper_end + sum(self._first_size(other) for other in range(member + 1, self.members))

    def _first_size(self, member: int) -> int:
        """The numbers that a member's first layer takes up, zeros after it included."""
        return _whole_lines(self.first_rows(member) * self.sizes[1])

    def upper(self, vector: Array) -> list[Array]:
        """The layers above the first in a shared vector, bias last: `(n_in + 1, n_out)` each."""
        shapes = self.extended()[1:]
        begins = accumulate((rows * columns for rows, columns in shapes), initial=self._upper_begin)
        return [vector[begin : begin + n * m].reshape(n, m) for begin, (n, m) in zip(begins, shapes, strict=False)]

    @property
    def _upper_begin(self) -> int:
        return self._first_size(0)

    @property
    def _upper_end(self) -> int:
        """Where the layers above the first end, zeros after them included."""
        return self._upper_begin + _whole_lines(sum(rows * columns for rows, columns in self.extended()[1:]))

    def runs(self, member: int) -> list[slice]:
        """The numbers of a shared vector that a member owns, zeros between them included, in the fewest pieces."""
        return self._runs(member, biases=True)

    def weights(self, member: int) -> list[slice]:
        """Those of them that are weights and not biases."""
        return self._runs(member, biases=False)

    def _runs(self, member: int, *, biases: bool) -> list[slice]:
        shapes = self.extended()
        begins = list(accumulate((n * m for n, m in shapes[1:]), initial=self._upper_begin))
        first, bias = self._first_begins(member), self.bias_rows(member) * self.sizes[1]
        pieces = [(first + (0 if biases else bias), first + self._first_size(member))]
        for l, rows in self.own_rows(member):
            n_in, n_out = shapes[l]
            stop = rows.stop if biases else min(rows.stop, n_in - 1)
            end = begins[l - 1] + stop * n_out
            pieces.append((begins[l - 1] + rows.start * n_out, self._upper_end if end == begins[-1] else end))
        runs: list[slice] = []
        for begin, end in sorted(pieces):
            if runs and runs[-1].stop == begin:
                runs[-1] = slice(runs[-1].start, end)
            elif begin < end:
                runs.append(slice(begin, end))
        return runs

    def own_rows(self, member: int) -> list[tuple[int, slice]]:
        """The rows of the layers above the first that a member owns: which layer (1 is the second), and which rows.

        The numbers of all these layers, one after another, are cut into equal runs at ends of rows.
        """
        shapes = self.extended()[1:]
        total = sum(n_in * n_out for n_in, n_out in shapes)
        owned: list[tuple[int, slice]] = []
        before = 0
        for l, (n_in, n_out) in enumerate(shapes, start=1):
            edges = [(member + side) * total / self.members for side in (0, 1)]
            begin, end = (min(max(round((edge - before) / n_out), 0), n_in) for edge in edges)
            if begin < end:
                owned.append((l, slice(begin, end)))
            before += n_in * n_out
        return owned


def _whole_lines(numbers: int) -> int:
    """Round up to whole lines of the cache, so that what follows begins with one."""
    return -(-numbers // _LINE) * _LINE
