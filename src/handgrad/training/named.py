"""What a recipe calls by a name or a number, made; and how a step treats numbers that overflow.

This is all that a second process needs of a recipe, and it stands apart from `task.py` so that the process loads
nothing else: whoever waits for it takes steps alone meanwhile.
"""

import numpy as np

from handgrad.engine.losses import LOSSES, Loss, SoftmaxCrossEntropy
from handgrad.engine.penalties import L1, L2, Penalty

SILENTLY = np.errstate(divide="ignore", over="ignore", invalid="ignore")
"""What overflows in a step is caught as a loss that is not finite."""


def make_loss(name: str, label_smoothing: float = 0.0) -> Loss:
    """Make the loss of this name."""
    if name == SoftmaxCrossEntropy.name:
        return SoftmaxCrossEntropy(label_smoothing)
    return LOSSES[name]()


def make_penalties(l1: float, l2: float) -> tuple[Penalty, ...]:
    """Make the penalties of these strengths; of 0, none."""
    first: tuple[Penalty, ...] = (L1(l1),) if l1 else ()
    return (*first, L2(l2)) if l2 else first
