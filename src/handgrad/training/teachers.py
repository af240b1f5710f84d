"""Trained networks that another one learns from: what they say of an image, softened by a temperature.

They see the same pixels as the network that learns. They never change, so what they say may be worked out ahead of the
step that needs it.
"""

import hashlib
from collections.abc import Sequence
from typing import final

from handgrad.engine.arrays import Array
from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.engine.network import Network, Pass


@final
class Teachers:
    """One network or several, whose softened probabilities are averaged.

    Attributes:
        networks: in prediction, without batch norm of this batch and without dropout.
        fingerprint: of all their numbers: a run goes on with the very same teachers.
    """

    def __init__(self, networks: Sequence[Network], temperature: float) -> None:
        """Take these as teachers; `temperature` divides their logits."""
        self.networks = tuple(networks)
        self._temperature = temperature
        self._softmax = SoftmaxCrossEntropy()
        self._passes: dict[int, tuple[Pass, ...]] = {}
        digest = hashlib.sha256()
        for network in self.networks:
            digest.update(network.theta.tobytes())
            digest.update(network.statistics.tobytes())
        self.fingerprint = f"sha256:{digest.hexdigest()}"

    def answer(self, x: Array, out: Array) -> None:
        """Overwrite `out`, `(n, n_out)`, with the mean of softmax(z / temperature) for the images `x`, `(n, n_in)`.

        For one thread: the passes are its own.
        """
        passes = self._passes.get(len(x))
        if passes is None:
            passes = self._passes[len(x)] = tuple(Pass(network, len(x)) for network in self.networks)
        out[...] = 0.0
        for each in passes:
            each.x[...] = x
            z = each.forward()
            z /= self._temperature
            self._softmax.activate(z)
            out += z
        out /= len(passes)
