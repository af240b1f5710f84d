"""How a gradient becomes a step. An optimiser sees vectors and never a layer.

`step` moves `theta` against the gradient in place, in blocks small enough to stay in the processor's cache while
several formulas pass over them. What an optimiser remembers stands in `slots`, vectors like `theta`, and in `t`, the
number of steps taken; together they are all that a checkpoint needs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, final

import numpy as np
from numpy.typing import DTypeLike

from handgrad.engine.arrays import Array

BLOCK = 65_536
"""Numbers that are updated together: small enough for the cache, large enough that calls cost little."""


class Optimizer(ABC):
    """A rule for the step from one gradient to the next.

    Attributes:
        name: what recipes and checkpoints call it.
        slots: what it remembers of earlier gradients, by name; vectors like `theta`.
        t: steps taken.
    """

    name: ClassVar[str]
    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, size: int, dtype: DTypeLike = np.float32, *, decay: float = 0.0, n_decayed: int = 0) -> None:
        """Prepare for vectors of `size` numbers.

        Args:
            size: parameters.
            dtype: of every vector.
            decay: decoupled weight decay: each step first shrinks weights by `learning_rate * decay` of themselves
                (Loshchilov and Hutter 2019).
            n_decayed: how many numbers at the front of `theta` are weights.
        """
        self.slots: Mapping[str, Array] = MappingProxyType({name: np.zeros(size, dtype) for name in self.slot_names})
        self.t = 0
        self.decay = decay
        self.n_decayed = n_decayed
        self._blocks = [slice(begin, min(begin + BLOCK, size)) for begin in range(0, size, BLOCK)]
        self._scratch: Array = np.empty(min(BLOCK, size), dtype)

    @final
    def step(self, theta: Array, gradient: Array, learning_rate: float) -> None:
        """Move `theta`, `(size,)`, against `gradient`, `(size,)`, which is left as it is."""
        self.t += 1
        if self.decay:
            theta[: self.n_decayed] *= 1.0 - learning_rate * self.decay
        for block in self._blocks:
            w, g = theta[block], gradient[block]
            remembered = [slot[block] for slot in self.slots.values()]
            self.update(w, g, remembered, learning_rate, self._scratch[: len(w)])

    @abstractmethod
    def update(self, w: Array, g: Array, slots: list[Array], learning_rate: float, scratch: Array) -> None:
        """Apply the formula to one block: parameters `w`, gradient `g`, the slots in the order of `slot_names`."""


class Proportional(Optimizer):
    """A rule that sees the gradient only as eta g, so that the rate may have been multiplied into it beforehand."""

    @final
    def update(self, w: Array, g: Array, slots: list[Array], learning_rate: float, scratch: Array) -> None:
        np.multiply(g, learning_rate, out=scratch)
        self.move(w, scratch, slots, scratch)

    @abstractmethod
    def move(self, w: Array, step: Array, slots: list[Array], scratch: Array) -> None:
        """Apply the formula to one block, as `update` does; `step` is eta g, and may be the same array as `scratch`."""


@final
class SGD(Proportional):
    """w -= eta g."""

    name: ClassVar[str] = "sgd"

    def move(self, w: Array, step: Array, slots: list[Array], scratch: Array) -> None:  # noqa: ARG002
        w -= step


class Momentum(Proportional):
    """v = mu v + eta g; w -= v: a ball that rolls on (Polyak 1964; Sutskever et al. 2013, eq. 1-2)."""

    name: ClassVar[str] = "momentum"
    slot_names: ClassVar[tuple[str, ...]] = ("velocity",)

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        *,
        momentum: float = 0.9,
        decay: float = 0.0,
        n_decayed: int = 0,
    ) -> None:
        """Prepare as `Optimizer` does; `momentum` is mu, the part of the velocity that is kept."""
        super().__init__(size, dtype, decay=decay, n_decayed=n_decayed)
        self.momentum = momentum

    def move(self, w: Array, step: Array, slots: list[Array], scratch: Array) -> None:  # noqa: ARG002
        (v,) = slots
        v *= self.momentum
        v += step
        w -= v


@final
class Nesterov(Momentum):
    """v = mu v + eta g; w -= mu v + eta g: momentum that looks one step ahead.

    Sutskever et al. (2013), eq. 3-4, with `theta` standing where they take the gradient (Bengio et al. 2013).
    """

    name: ClassVar[str] = "nesterov"

    def move(self, w: Array, step: Array, slots: list[Array], scratch: Array) -> None:
        (v,) = slots
        v *= self.momentum
        v += step
        w -= step
        np.multiply(v, self.momentum, out=scratch)
        w -= scratch


@final
class RMSProp(Optimizer):
    """s = rho s + (1 - rho) g^2; w -= eta g / (sqrt(s) + epsilon) (Tieleman and Hinton 2012, lecture 6.5)."""

    name: ClassVar[str] = "rmsprop"
    slot_names: ClassVar[tuple[str, ...]] = ("square",)

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        *,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        decay: float = 0.0,
        n_decayed: int = 0,
    ) -> None:
        """Prepare as `Optimizer` does; `rho` is how much of the mean square is kept each step."""
        super().__init__(size, dtype, decay=decay, n_decayed=n_decayed)
        self.rho = rho
        self.epsilon = epsilon

    def update(self, w: Array, g: Array, slots: list[Array], learning_rate: float, scratch: Array) -> None:
        (s,) = slots
        np.multiply(g, g, out=scratch)
        scratch *= 1.0 - self.rho
        s *= self.rho
        s += scratch
        np.sqrt(s, out=scratch)
        scratch += self.epsilon
        np.divide(g, scratch, out=scratch)
        scratch *= learning_rate
        w -= scratch


class Adam(Optimizer):
    """m and v are running means of g and g^2, freed of their start at zero; w -= eta m̂ / (sqrt(v̂) + epsilon).

    Kingma and Ba (2015), alg. 1, in fewer passes. With c1 = 1 - beta1^t and c2 = 1 - beta2^t, the sums
    M = beta1 M + g and V = beta2 V + g^2 hold m̂ = M (1 - beta1) / c1 and v̂ = V (1 - beta2) / c2. So with
    r = sqrt((1 - beta2) / c2) the same step is w -= (eta (1 - beta1) / (c1 r)) M / (sqrt(V) + epsilon / r).
    """

    name: ClassVar[str] = "adam"
    slot_names: ClassVar[tuple[str, ...]] = ("sum", "square_sum")

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        epsilon_hat: bool = False,
        decay: float = 0.0,
        n_decayed: int = 0,
    ) -> None:
        """Prepare as `Optimizer` does; the betas are how much of each running mean is kept.

        With `epsilon_hat`, `epsilon` is the paper's constant of that name (end of sec. 2): it stands in the place of
        epsilon sqrt(c2), as in scikit-learn.
        """
        super().__init__(size, dtype, decay=decay, n_decayed=n_decayed)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.epsilon_hat = epsilon_hat

    def update(self, w: Array, g: Array, slots: list[Array], learning_rate: float, scratch: Array) -> None:
        M, V = slots
        c1, c2 = 1.0 - self.beta1**self.t, 1.0 - self.beta2**self.t
        r = math.sqrt((1.0 - self.beta2) / c2)
        M *= self.beta1
        M += g
        np.multiply(g, g, out=scratch)
        V *= self.beta2
        V += scratch
        np.sqrt(V, out=scratch)
        scratch += self.epsilon / (r * math.sqrt(c2)) if self.epsilon_hat else self.epsilon / r
        np.divide(M, scratch, out=scratch)
        scratch *= learning_rate * (1.0 - self.beta1) / (c1 * r)
        w -= scratch


@final
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), 0.01 unless told.

    Every optimiser here can decay weights that way; this one does by default.
    """

    name: ClassVar[str] = "adamw"

    def __init__(
        self,
        size: int,
        dtype: DTypeLike = np.float32,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        epsilon_hat: bool = False,
        decay: float = 0.01,
        n_decayed: int = 0,
    ) -> None:
        super().__init__(
            size,
            dtype,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            epsilon_hat=epsilon_hat,
            decay=decay,
            n_decayed=n_decayed,
        )


OPTIMIZERS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {optimizer.name: optimizer for optimizer in (SGD, Momentum, Nesterov, RMSProp, Adam, AdamW)}
)
"""Every optimiser by its name."""


def clip_norm(gradient: Array, limit: float) -> float:
    """Scale `gradient` down in place to the length `limit` where it is longer, and return the length it had.

    Pascanu, Mikolov and Bengio (2013), alg. 1.
    """
    length = math.sqrt(float(np.dot(gradient, gradient)))
    if length > limit:
        gradient *= limit / length
    return length
