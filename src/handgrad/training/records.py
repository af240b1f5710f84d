"""What a run says while it goes on. Everything that people look at (bars, tables, plots, files) is made of these."""

from typing import final

import msgspec


@final
class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch, after it.

    Attributes:
        epoch: 1 for the first.
        step: updates since the run began.
        learning_rate: of the epoch's last update.
        training_loss: mean over the epoch's images, each seen by the weights of its moment; penalties left out.
        training_accuracy: likewise.
        validation_loss: of the weights at the end of the epoch; None without a validation split.
        validation_accuracy: likewise.
        test_accuracy: of the weights at the end of the epoch. Nothing is chosen by it.
        seconds: spent on updates, evaluation left out.
        images_per_second: training images over `seconds`.
    """

    epoch: int
    step: int
    learning_rate: float
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_accuracy: float
    seconds: float
    images_per_second: float


@final
class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands in the middle of an epoch, a few times a second.

    Attributes:
        epoch: 1 for the first.
        step: updates of this epoch so far.
        steps: updates in an epoch.
        loss: mean over the epoch so far.
        accuracy: likewise.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
