"""What a crew carries: rows, what they should say, and the network and optimiser that learn from them.

A run fills it from its recipe, with images; the estimators fill it with whatever numbers they were given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.arrays import Array
from handgrad.engine.network import Network
from handgrad.engine.optimizers import Optimizer
from handgrad.training.task import Task


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Load:
    """What the steps of a crew work on.

    Attributes:
        network: what learns: dense layers and activations.
        optimizer: what it remembers, and how many updates it has made.
        options: that the optimiser was made with.
        rows: to learn from, `(n, n_in)`: uint8, or of the network's type.
        white: the number in the rows that becomes 1.0; 1 where they are of the network's type.
        labels: which of the targets each row should meet, `(n,)`.
        targets: what the network should say, `(any number, n_out)`.
        weights: what each row weighs, `(n,)`, above 0; None where all weigh the same.
        loss: its name.
        label_smoothing: of the cross-entropy.
        batch_size: rows of a batch; at most n.
        l1: strength.
        l2: strength.
        l2_over_batch: a strength that each step divides by what its batch weighs, as scikit-learn does.
    """

    network: Network
    optimizer: Optimizer
    options: Mapping[str, float]
    rows: NDArray[Any]
    white: int
    labels: NDArray[np.integer]
    targets: Array
    weights: Array | None
    loss: str
    label_smoothing: float = 0.0
    batch_size: int
    l1: float = 0.0
    l2: float = 0.0
    l2_over_batch: float = 0.0

    @classmethod
    def of(cls, task: Task) -> "Load":
        """Take what the task of a run says."""
        recipe, examples = task.recipe, task.examples
        return cls(
            network=task.network,
            optimizer=task.optimizer,
            options=recipe.optimizer_options(),
            rows=examples.images,
            white=task.white,
            labels=examples.labels,
            targets=task.target_rows,
            weights=task.row_weights,
            loss=recipe.loss,
            label_smoothing=recipe.label_smoothing,
            batch_size=min(recipe.batch_size, len(examples)),
            l1=recipe.l1,
            l2=recipe.l2,
        )
