"""The loss of a whole data set as one function of the parameters, for those who take large and careful steps.

Optimisers in `optimizers.py` see one batch at a time. L-BFGS and its like ask for loss and gradient of everything at
once, at points of their own choosing. An `Objective` answers: block by block through one pass, so that its memory does
not grow with the data.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

import numpy as np

from handgrad.engine.arrays import Array
from handgrad.engine.layers import Dropout
from handgrad.engine.losses import Loss, shares
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.optimizers import BLOCK
from handgrad.engine.penalties import Penalty

ROWS = 2048
"""Rows of a block: large enough for matrix products, small beside the weights of most networks."""

Block: TypeAlias = Callable[[slice], Any]
"""Gives rows of the data, `(number of rows, n_in)`, as `Pass.feed` takes them."""


@final
class Objective:
    """L(theta) = sum of share_i l_i + penalties, and dL/dtheta.

    Attributes:
        network: whose `theta` is overwritten by every call.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        block: Block,
        targets: Array,
        *,
        weights: Array | None = None,
        penalties: Sequence[Penalty] = (),
        rows: int = ROWS,
    ) -> None:
        """Stand ready to be asked.

        Args:
            network: to measure.
            loss: of its logits.
            block: gives the rows of the data, all of which have a target.
            targets: `(n, n_out)`.
            weights: what each row weighs, `(n,)`; by default all the same.
            penalties: to add.
            rows: of a block.

        Raises:
            ValueError: a layer whose answer to a row depends on other rows or on chance; weights that `shares` refuses.
        """
        for layer in network.layers:
            if layer.statistics() or isinstance(layer, Dropout):
                raise ValueError(f"{layer} makes the loss of a row depend on other rows or on chance")
        self.network = network
        self._block, self._targets, self._penalties = block, targets, tuple(penalties)
        n = len(targets)
        self._share = shares(n, network.dtype, weights)
        self._gradient = np.empty_like(network.theta)
        self._total = np.empty_like(network.theta)
        self._scratch = np.empty(min(BLOCK, network.theta.size), network.dtype)
        self._slices = [slice(begin, min(begin + rows, n)) for begin in range(0, n, rows)]
        self._passes = {
            size: TrainingPass(network, size, loss, gradient=self._gradient)
            for size in {block.stop - block.start for block in self._slices}
        }
        self._noise = np.random.default_rng(0)  # asked for by the pass, drawn from by no layer that is let in

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Compute L and a new array of dL/dtheta at `theta`, `(n_parameters,)`."""
        self.network.theta[...] = theta
        value = 0.0
        self._total[...] = 0.0
        for block in self._slices:
            a = self._passes[block.stop - block.start]
            a.feed(self._block(block))
            a.targets[...] = self._targets[block]
            a.share[...] = self._share[block]
            a.forward_training(self._noise)
            value += a.backward()
            self._total += self._gradient
        weights = self.network.weights
        for penalty in self._penalties:
            value += penalty.value(weights)
            penalty.add_gradient(weights, self._total[: len(weights)], self._scratch)
        return value, self._total.copy()
