"""What a system has to be able to do, so that it can be asked from another process."""

from typing import Protocol

from benchmarks.cell import TrainingJob
from benchmarks.prediction import PredictionJob


class Trainer(Protocol):
    """A system that trains. It is made, with everything loaded and compiled, before the clock starts."""

    versions: dict[str, str]
    """What it is and stands on."""

    note: str
    """What a reader should know about how it ran; usually empty."""

    def __init__(self, job: TrainingJob, threads: int) -> None: ...

    def turn(self) -> float:
        """Train one epoch (draw an order, gather, update) and return the seconds that took."""

    def outcome(self) -> float:
        """The accuracy on the test images of the network as it is now."""


class Predictor(Protocol):
    """A system that predicts."""

    versions: dict[str, str]
    note: str

    def __init__(self, job: PredictionJob, threads: int) -> None: ...

    def turn(self) -> float:
        """Say the classes of the images, `job.calls` times over, and return the seconds of one call."""

    def outcome(self) -> list[int]:
        """The classes it says."""
