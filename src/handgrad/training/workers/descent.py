"""How a member moves the weights that it owns: their gradient over the whole batch, then their update.

The gradient of a member's rows is one product, x delta^T, for each layer that it has rows of. Nobody else computes any
of it, so nothing is summed, and the rows are moved where they lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array
from handgrad.engine.optimizers import BLOCK, OPTIMIZERS, SGD, Proportional
from handgrad.engine.penalties import L2
from handgrad.training.named import make_penalties
from handgrad.training.workers.job import Job

GRADIENT_BLOCK = 1_048_576
"""Numbers of a gradient that are computed and used while they are in the cache; who owns fewer finds them all first."""


@final
@dataclass(slots=True)
class Part:
    """Rows of one layer's weights that a member owns, with all that moves them.

    Attributes:
        layer: 0 for the first.
        rows: of the layer's input that meet them: those weights are what this member's gradient is of.
        W: the numbers, `(len(rows), n_out)`; one row of them is the bias.
        G: their gradient, of the same shape.
        slots: what the optimiser remembers of them, of the same shape.
        weights: which of the rows are weights and not the bias.
        reached: rows of G that may not be zero.
    """

    layer: int
    rows: slice
    W: Array
    G: Array
    slots: list[Array]
    weights: slice
    reached: int = 0


@final
class Descent:
    """Moves one member's weights.

    Attributes:
        parts: what the member owns: rows of the first layer, then of those above it.
    """

    def __init__(self, job: Job, shared: Mapping[str, NDArray[Any]], number: int) -> None:
        """Find the rows of member `number` in the shared memory."""
        self._job = job
        self._step = 0
        self._l2_now: list[float] = []  # L2's strength in each step
        self._squares: NDArray[np.float64] = shared[f"squares/{number}"]
        dtype = np.dtype(job.dtype)

        kind = OPTIMIZERS[job.optimizer]
        # Its formula is called block by block on this member's own numbers; decay is done in `_restrain`.
        self._optimizer = kind(0, dtype, decay=0.0, n_decayed=0, **job.options)
        self._penalties = make_penalties(job.l1, job.l2)
        self._restrained = bool(job.decay or job.l2_over_batch or self._penalties)
        self._plain = kind is SGD and not self._penalties  # nothing but the gradient and decay moves weights
        # Whoever needs no more than eta g has the rate ride on the first delta, and saves a pass over all weights.
        self._proportional = (
            self._optimizer if isinstance(self._optimizer, Proportional) and not self._penalties else None
        )
        self._adds_to_gradient = bool(self._penalties or (job.l2_over_batch and not self._plain))

        gradient = np.zeros_like(shared["theta"])
        vectors = [shared["theta"], gradient, *(shared[name] for name in kind.slot_names)]
        W, G, *slots = (job.first(vector, number) for vector in vectors)
        self.parts = [Part(0, slice(0, len(W)), W, G, slots, slice(job.bias_rows(number), len(W)))]
        for l, rows in job.own_rows(number):
            W, G, *slots = (job.upper(vector)[l - 1][rows] for vector in vectors)
            weights = slice(0, min(len(W), job.sizes[l] - rows.start))
            self.parts.append(Part(l, rows, W, G, slots, weights))
        runs = [[vector[run] for vector in vectors] for run in job.runs(number)]
        largest = max(run[0].size for run in runs)
        self._at_once = runs if largest <= GRADIENT_BLOCK else []
        self._restrained_at_once = [[vector[run] for vector in vectors[:2]] for run in job.weights(number)]
        self._scratch: Array = np.empty(min(BLOCK, largest), dtype)

    def begin(self, t: int, l2: NDArray[np.float64]) -> None:
        """Stand before an epoch, after `t` updates of the run; `l2` is the strength of `l2_over_batch` in each step."""
        self._optimizer.t, self._l2_now = t, l2.tolist()

    def riding(self, rate: float) -> float:
        """What the deltas, and so the gradient, shall be multiplied by beforehand: the rate, where it saves a pass."""
        return 1.0 if self._proportional is None else rate

    def step(
        self, step: int, rate: float, x: Array, first_delta: Array, others: Sequence[tuple[Part, Array, Array]]
    ) -> None:
        """Compute the gradient of one's own rows, and move them.

        Args:
            step: of the epoch.
            rate: of learning.
            x: pixels that meet the rows of the first layer, up to the last that is lit, all images.
            first_delta: dL/dz of layer 1, all images.
            others: parts above the first, each with its inputs and its delta, all images.
        """
        self._step = step
        self._optimizer.t += 1
        self._squares[step] = 0.0
        descend = self._find if self._at_once else self._descend
        descend(self.parts[0], x, first_delta, rate)
        for part, inputs, delta in others:
            descend(part, inputs, delta, rate)
        if self._at_once:
            self._move_at_once(rate)

    def _find(self, part: Part, x: Array, delta: Array, rate: float) -> None:  # noqa: ARG002 - as `_descend`
        """Compute the gradient x delta^T."""
        reach = len(x)
        if part.reached > reach:
            part.G[reach : part.reached] = 0.0
        part.reached = len(part.G) if self._adds_to_gradient else reach
        np.dot(x, delta.T, out=part.G[:reach])

    def _move_at_once(self, rate: float) -> None:
        """Move all of one's own numbers by the gradient that was found: not part by part, for calls have a price."""
        if self._restrained:
            for w, g in self._restrained_at_once:
                self._restrain(w, g, rate)
        for w, g, *slots in self._at_once:
            self._move(w, g, slots, rate)

    def _descend(self, part: Part, x: Array, delta: Array, rate: float) -> None:
        """Move W by its gradient x delta^T, in blocks of rows that stay in the cache from the product to the update."""
        reach, W, G = len(x), part.W, part.G
        if part.reached > reach:
            G[reach : part.reached] = 0.0
        end = len(W) if self._restrained or not self._plain else reach
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
            rows = slice(begin, known if self._plain else stop)
            slots = [slot[rows].reshape(-1) for slot in part.slots]
            self._move(W[rows].reshape(-1), G[rows].reshape(-1), slots, rate)

    def _move(self, w: Array, g: Array, slots: list[Array], rate: float) -> None:
        """Move numbers by their gradient, in blocks that stay in the cache where several formulas pass over them."""
        if w.size <= BLOCK or self._plain:
            self._move_block(w, g, slots, rate)
            return
        for begin in range(0, w.size, BLOCK):
            block = slice(begin, begin + BLOCK)
            self._move_block(w[block], g[block], [slot[block] for slot in slots], rate)

    def _move_block(self, w: Array, g: Array, slots: list[Array], rate: float) -> None:
        scratch = self._scratch[: w.size]  # plain SGD, whose blocks may be longer, has no use for it
        if self._proportional is not None:
            self._proportional.move(w, g, slots, scratch)
        else:
            self._optimizer.update(w, g, slots, rate, scratch)

    def _restrain(self, weights: Array, gradient: Array, rate: float) -> None:
        decay, l2 = self._job.decay, self._l2_now[self._step]
        if l2:
            self._squares[self._step] += np.dot(weights, weights)
            if self._plain:
                decay += l2  # plain SGD cannot tell the two apart, and decay is less work
            else:
                L2(l2 * self.riding(rate)).add_gradient(weights, gradient, self._scratch)
        for penalty in self._penalties:
            penalty.add_gradient(weights, gradient, self._scratch)
        if decay:
            weights *= 1.0 - rate * decay
