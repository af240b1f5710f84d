"""The rule by which a fit takes its steps, and the rate that it has come to: all that `partial_fit` must remember."""

from typing import TYPE_CHECKING, Any, final

import numpy as np

from handgrad.engine.arrays import Array
from handgrad.engine.network import Network
from handgrad.engine.schedules import Constant, InverseScaling
from handgrad.estimator.parameters import make_optimizer, make_schedule

if TYPE_CHECKING:
    from handgrad.estimator.multilayer import Multilayer

SMALLEST_RATE = 1e-6
"""At or below which `adaptive` stops."""

ADAPTIVE_DIVISOR = 5.0
"""What `adaptive` divides the rate by, as in scikit-learn."""


@final
class Update:
    """An optimiser and its learning rate.

    Attributes:
        optimizer: of the engine.
        decay: decoupled from the gradient, as it was asked for.
        learning_rate: of the step to come.
    """

    def __init__(self, owner: "Multilayer", network: Network, steps_per_epoch: int) -> None:
        self.optimizer = make_optimizer(owner, network)
        self.decay = self.optimizer.decay
        self.learning_rate = float(owner.learning_rate_init)
        self._schedule = make_schedule(owner, steps_per_epoch)
        self._by_epoch = isinstance(self._schedule, Constant | InverseScaling)
        self._adaptive = owner.learning_rate == "adaptive" and owner.solver == "sgd"

    def rate(self) -> float:
        """Look up the rate of the step to come."""
        if not self._by_epoch:
            self.learning_rate = self._schedule.rate(self.optimizer.t)
        return self.learning_rate

    def step(self, theta: Array, gradient: Array) -> None:
        """Move `theta` against the gradient."""
        self.optimizer.step(theta, gradient, self.rate())

    def epoch_ends(self, seen: int, validation_loss: float | None) -> None:
        """Set the rate of the next epoch, after `seen` rows in all."""
        if isinstance(self._schedule, InverseScaling):
            self.learning_rate = self._schedule.rate(seen)
        elif validation_loss is not None:
            self._schedule.observe(validation_loss)

    def patience_ends(self) -> str:
        """Lower the rate where that is the plan; return what to say of it, empty when it is time to stop."""
        if not self._adaptive or self.learning_rate <= SMALLEST_RATE:
            return ""
        self.learning_rate /= ADAPTIVE_DIVISOR
        return f"Setting learning rate to {self.learning_rate:f}"

    @property
    def last_words(self) -> str:
        """What scikit-learn says when it stops."""
        return "Learning rate too small. Stopping." if self._adaptive else "Stopping."

    def __getstate__(self) -> dict[str, Any]:
        """Give plain values: the optimiser's mapping of slots cannot be pickled."""
        state = self.__dict__.copy()
        optimizer = state.pop("optimizer")
        state["optimizer"] = type(optimizer), optimizer.__dict__ | {"slots": dict(optimizer.slots)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        kind, values = state.pop("optimizer")
        self.__dict__.update(state)
        slots = values.pop("slots")
        size = len(next(iter(slots.values()), np.empty(0)))
        self.optimizer = kind(size)
        self.optimizer.__dict__.update(values | {"slots": {name: slot.copy() for name, slot in slots.items()}})
