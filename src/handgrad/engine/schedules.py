"""How the learning rate changes while a network learns.

A schedule answers `rate(step)` for the step about to be taken, counted from 0. All but one are functions of the step
alone; reduce-on-plateau also listens to `observe`, which a run calls once an
epoch with a loss that is not the test set's.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


class Schedule(ABC):
    """A learning rate for every step."""

    @abstractmethod
    def rate(self, step: int) -> float:
        """Give the learning rate of step 0, 1, 2, ..."""

    def observe(self, loss: float) -> None:  # noqa: B027 - most schedules have nothing to learn from it
        """Hear the validation loss after an epoch."""

    def state(self) -> Mapping[str, float]:
        """Give what `observe` has taught it, for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, float]) -> None:  # noqa: B027 - most schedules have no state
        """Take back what `state` gave."""


@final
@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """eta = eta_0."""

    learning_rate: float

    def rate(self, step: int) -> float:  # noqa: ARG002 - the same for all
        return self.learning_rate


@final
@dataclass(frozen=True, slots=True)
class StepDecay(Schedule):
    """eta = eta_0 * factor^floor(step / every)."""

    learning_rate: float
    every: int
    factor: float = 0.1

    def rate(self, step: int) -> float:
        return self.learning_rate * math.pow(self.factor, step // self.every)


@final
@dataclass(frozen=True, slots=True)
class Exponential(Schedule):
    """eta = eta_0 * factor^(step / every): the same fall as `StepDecay`, without the stairs."""

    learning_rate: float
    every: int
    factor: float = 0.9

    def rate(self, step: int) -> float:
        return self.learning_rate * math.pow(self.factor, step / self.every)


@final
@dataclass(frozen=True, slots=True)
class InverseScaling(Schedule):
    """eta = eta_0 / (step + 1)^power; with 1/2, the fall that online learning asks for (Zinkevich 2003, th. 1)."""

    learning_rate: float
    power: float = 0.5

    def rate(self, step: int) -> float:
        return self.learning_rate / math.pow(step + 1, self.power)


@final
@dataclass(frozen=True, slots=True)
class Cosine(Schedule):
    """Rise linearly to eta_0 over `warmup` steps, then fall to `final` along half a cosine.

    Loshchilov and Hutter (2017), eq. 5, without restarts.
    """

    learning_rate: float
    total: int
    warmup: int = 0
    final: float = 0.0

    def rate(self, step: int) -> float:
        if step < self.warmup:
            return self.learning_rate * (step + 1) / (self.warmup + 1)
        progress = min((step - self.warmup) / max(self.total - self.warmup, 1), 1.0)
        return self.final + (self.learning_rate - self.final) * 0.5 * (1.0 + math.cos(math.pi * progress))


@final
@dataclass(frozen=True, slots=True)
class OneCycle(Schedule):
    """Rise along half a cosine from eta_0 / start to eta_0 over the part `rise` of all steps; then fall along another.

    Smith and Topin (2018), with cosines in place of straight lines, as in PyTorch's `OneCycleLR`:
    `learning_rate` is the peak, and the last step's rate is the first step's divided by `end`.
    """

    learning_rate: float
    total: int
    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4

    def rate(self, step: int) -> float:
        low, top = self.learning_rate / self.start, self.rise * self.total - 1.0
        if step < top:
            part = 1.0 - step / top
        else:
            low, fall = low / self.end, self.total - 1.0 - top
            part = min((step - top) / fall, 1.0) if fall else 0.0  # no fall: the cycle ends at its peak
        return low + (self.learning_rate - low) * 0.5 * (1.0 + math.cos(math.pi * part))


@final
@dataclass(slots=True)
class ReduceOnPlateau(Schedule):
    """Multiply the rate by `factor` when the validation loss has not fallen for more than `patience` epochs.

    "Fallen" means below the best by one part in `1 / threshold`.
    """

    learning_rate: float
    factor: float = 0.5
    patience: int = 3
    threshold: float = 1e-4
    scale: float = field(default=1.0, init=False)
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)

    def rate(self, step: int) -> float:  # noqa: ARG002 - depends on what was observed
        return self.learning_rate * self.scale

    def observe(self, loss: float) -> None:
        if loss < self.best * (1.0 - self.threshold):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.scale, self.waited = self.scale * self.factor, 0

    def state(self) -> Mapping[str, float]:
        return {"scale": self.scale, "best": self.best, "waited": self.waited}

    def restore(self, state: Mapping[str, float]) -> None:
        self.scale, self.best, self.waited = float(state["scale"]), float(state["best"]), int(state["waited"])
