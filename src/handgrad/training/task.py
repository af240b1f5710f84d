"""What a run asks of whoever takes its steps, one process or several.

A `Task` is everything that the steps of a run need to know, made from its recipe; `Hands` is what the loop expects of
those who take them: `solo.py` alone, `workers/crew.py` together.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.dataset import Examples
from handgrad.engine.arrays import Array
from handgrad.engine.distillation import Distillation
from handgrad.engine.losses import Loss
from handgrad.engine.network import Network
from handgrad.engine.optimizers import OPTIMIZERS, Optimizer
from handgrad.engine.penalties import Penalty
from handgrad.training.averaging import Average
from handgrad.training.named import make_loss, make_penalties
from handgrad.training.recipe import Recipe
from handgrad.training.teachers import Teachers


@final
@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What the steps of a run work on.

    Attributes:
        recipe: of the run.
        network: what learns.
        optimizer: what it remembers, and how many updates it has made.
        examples: to learn from.
        image_shape: `(height, width)` in pixels.
        white: the pixel value that becomes 1.0.
        loss: of the network's answers by the labels; what is recorded and compared.
        lesson: what is made small: the loss, or with teachers what mixes it with theirs.
        target_rows: what the network should say of each class, `(n_classes, n_classes)`.
        class_weights: what each class weighs, `(n_classes,)`; None where all weigh the same.
        penalties: that add to the gradient.
        noise: draws dropout's masks.
        average: of the network over its past, if it is averaged.
        teachers: whom the network learns from besides the labels, if there are any.
    """

    recipe: Recipe
    network: Network
    optimizer: Optimizer
    examples: Examples
    image_shape: tuple[int, int]
    white: int
    loss: Loss
    lesson: Loss
    target_rows: Array
    class_weights: Array | None
    penalties: tuple[Penalty, ...]
    noise: np.random.Generator
    average: Average | None
    teachers: Teachers | None

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        network: Network,
        examples: Examples,
        n_classes: int,
        image_shape: tuple[int, int],
        white: int,
        noise: np.random.Generator,
        teachers: Teachers | None = None,
    ) -> "Task":
        """Make what the recipe asks for."""
        loss = make_loss(recipe.loss, recipe.label_smoothing)
        kind = OPTIMIZERS[recipe.optimizer]
        options = recipe.optimizer_options()
        return cls(
            recipe=recipe,
            network=network,
            optimizer=kind(
                network.theta.size, network.dtype, decay=recipe.weight_decay, n_decayed=network.n_weights, **options
            ),
            examples=examples,
            image_shape=image_shape,
            white=white,
            loss=loss,
            lesson=loss if teachers is None else Distillation(recipe.temperature, recipe.soft_share),
            target_rows=loss.target_rows(n_classes).astype(network.dtype),
            class_weights=_class_weights(examples, n_classes) if recipe.class_weight == "balanced" else None,
            penalties=make_penalties(recipe.l1, recipe.l2),
            noise=noise,
            average=Average(network, recipe.averaging) if recipe.averaging else None,
            teachers=teachers,
        )

    @property
    def row_weights(self) -> Array | None:
        """What each example weighs, `(n,)`; None where all weigh the same."""
        return None if self.class_weights is None else self.class_weights[self.examples.labels]


class Hands(Protocol):
    """Those who take the steps of an epoch."""

    def go(self, order: NDArray[np.int32], step: int) -> None:
        """Begin or go on with an epoch: the images in `order`, from `step` on."""

    def step(self, rate: float) -> None:
        """Take one step."""

    def told(self) -> list[tuple[float, int]]:
        """Give mean loss and number of images read rightly of each batch since this was last asked."""

    def pause(self) -> None:
        """Have everything that was learned in the task's network and optimiser."""


def _class_weights(examples: Examples, n_classes: int) -> NDArray[np.float32]:
    """Weigh class c by n / (n_classes * n_c), so that all classes weigh the same."""
    counts = np.maximum(np.bincount(examples.labels, minlength=n_classes), 1)
    weights: NDArray[np.float32] = (len(examples) / (n_classes * counts)).astype(np.float32)
    return weights
