"""What is trained in one cell of the table: a network, a batch size and an update rule, the same for every system."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Self, final

import msgspec

from handgrad.errors import UsageError

NETWORKS: Mapping[str, tuple[int, ...]] = MappingProxyType({"small": (128, 64), "wide": (1024, 512)})
"""Hidden layers, by the name that the command line knows."""

BATCHES = (32, 64, 128, 512)

RATES: Mapping[str, float] = MappingProxyType({"sgd": 0.1, "momentum": 0.01, "adam": 0.001})
"""The learning rate of each update rule at batches of `RATE_BATCH` and more, the same for every system."""

RATE_BATCH = 128

MOMENTUM, BETA1, BETA2, EPSILON = 0.9, 0.9, 0.999, 1e-8


@final
class TrainingJob(msgspec.Struct, frozen=True, kw_only=True):
    """What one system is told to train.

    Attributes:
        dataset: as `handgrad.data.sources.load` knows it.
        images: how many of the training images are used, from the first; 0 for all.
        hidden: neurons of each hidden layer.
        batch: images in an update; the last one of an epoch may be smaller, and none is left out.
        optimizer: a name from `RATES`.
        learning_rate: of every update.
        seed: of the start and the order of the images; each system draws in its own way.
    """

    dataset: str = "mnist"
    images: int = 0
    hidden: tuple[int, ...]
    batch: int
    optimizer: str
    learning_rate: float
    seed: int = 0


@final
class Cell(msgspec.Struct, frozen=True):
    """One cell: `network` by its name, `batch` and `optimizer`."""

    network: str
    batch: int
    optimizer: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons from the pixels of MNIST to its classes."""
        return (784, *NETWORKS[self.network], 10)

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}, {self.optimizer}"

    def job(self, **changes: object) -> TrainingJob:
        """Tell every system the same."""
        job = TrainingJob(
            hidden=NETWORKS[self.network],
            batch=self.batch,
            optimizer=self.optimizer,
            learning_rate=rate(self.optimizer, self.batch),
        )
        return msgspec.structs.replace(job, **changes)

    @classmethod
    def all(cls) -> Iterator[Self]:
        """Every cell, the small network first."""
        for network in NETWORKS:
            for batch in BATCHES:
                for optimizer in RATES:
                    yield cls(network, batch, optimizer)


def rate(optimizer: str, batch: int) -> float:
    """The learning rate of a cell: it grows with the batch (Goyal et al. 2017), with its root for Adam, up to 128.

    With one rate for all batches the accuracy after an epoch would go up and down by half a point at batches of 32, and
    two systems could not be told to have learned the same; rates above 0.1 throw it back by points at 512.
    """
    share = min(batch / RATE_BATCH, 1.0)
    return float(RATES[optimizer] * (share**0.5 if optimizer == "adam" else share))


def chosen(networks: Sequence[str], batches: Sequence[int], optimizers: Sequence[str]) -> list[Cell]:
    """The cells with one of these networks, batches and update rules; an empty choice leaves nothing out.

    Raises:
        UsageError: a network or a rule that no cell has, or a batch below 1.
    """
    for given, known, what in ((networks, NETWORKS, "network"), (optimizers, RATES, "optimizer")):
        for name in given:
            if name not in known:
                raise UsageError(f"--{what} {name}: choose {' or '.join(known)}")
    for batch in batches:
        if batch < 1:
            raise UsageError(f"--batch {batch}: a batch has at least one image")
    return [
        Cell(network, batch, optimizer)
        for network in networks or NETWORKS
        for batch in batches or BATCHES
        for optimizer in optimizers or RATES
    ]


def products(sizes: Sequence[int], batch: int) -> list[tuple[int, int, int]]:
    """The matrix products of one step as `(m, k, n)`, in the order in which training needs them.

    Forward, `x W` of each layer; then, from the last layer down, `x^T delta` for its weights and, above the first
    layer, `delta W^T` for the layer below.
    """
    shapes = list(pairwise(sizes))
    steps = [(batch, n_in, n_out) for n_in, n_out in shapes]
    for l in reversed(range(len(shapes))):
        n_in, n_out = shapes[l]
        steps.append((n_in, batch, n_out))
        if l:
            steps.append((batch, n_out, n_in))
    return steps


def operations(sizes: Sequence[int], batch: int) -> int:
    """Floating-point operations of the matrix products of one step: 2 m k n each."""
    return sum(2 * m * k * n for m, k, n in products(sizes, batch))
