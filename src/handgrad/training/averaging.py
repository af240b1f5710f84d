"""The average of a network over its own recent past, which is better than where it happens to stand.

Each update pulls the average towards the network by 1 - decay (Polyak and Juditsky 1992, with the older past
forgotten). The running statistics of batch norm are averaged the same way, so that they fit the averaged weights.
"""

from typing import final

import numpy as np

from handgrad.engine.network import Network
from handgrad.engine.optimizers import BLOCK


@final
class Average:
    """A network whose numbers follow those of another.

    Attributes:
        network: the averaged one; it shares its layers with the one it follows, and no numbers.
    """

    def __init__(self, followed: Network, decay: float) -> None:
        """Begin where `followed` stands; `decay` is the part of the average that an update leaves."""
        self.network = Network(followed.layers, followed.dtype)
        self._decay = decay
        self._pairs = (
            (self.network.theta, followed.theta),
            (self.network.statistics, followed.statistics),
        )
        self._scratch = np.empty(BLOCK, followed.dtype)
        self.restart()

    def restart(self) -> None:
        """Be where the followed network is."""
        for average, number in self._pairs:
            average[...] = number

    def follow(self, update: int) -> None:
        """Hear that the followed network has made its update number `update`, counted from 1.

        Early on the decay is (1 + t) / (10 + t), so that the start is soon forgotten.
        """
        pull = 1.0 - min(self._decay, (1 + update) / (10 + update))
        for average, number in self._pairs:
            for begin in range(0, len(average), BLOCK):
                place = average[begin : begin + BLOCK]
                step = self._scratch[: len(place)]
                np.subtract(number[begin : begin + BLOCK], place, out=step)
                step *= pull
                place += step
