"""What is asked of a system that predicts."""

from typing import final

import msgspec


@final
class PredictionJob(msgspec.Struct, frozen=True, kw_only=True):
    """A trained network, and the images to be read by it.

    Attributes:
        model: a model file of handgrad's; every system takes its weights from there.
        dataset: whose test images are read.
        images: how many of them, from the first.
        calls: in one turn; their mean is what a turn takes.
        pixels: whether the images are given as `uint8`, where a system takes that; else they are float32 rows.
    """

    model: str
    dataset: str = "mnist"
    images: int
    calls: int
    pixels: bool = False
