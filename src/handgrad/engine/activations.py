"""What makes a network more than one matrix: a function of each number by itself.

Each activation overwrites `z` with `a = f(z)` and later multiplies the delta by the derivative, both in place.
The derivative is written through the *output* `a`, so that `z` need not be stored. That works for every
function here that only rises; GELU and SiLU dip below zero and come back, so one `a` belongs to two `z`, and they
keep their slope instead.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import numpy as np

from handgrad.engine.arrays import Array, Kept


class Activation(ABC):
    """A function applied to each number of a layer.

    Attributes:
        name: what recipes and model files call it.
        start: the initializer that suits it (see `initializers`).
        smooth: whether all its derivatives are continuous; gradient checks stay away from zero, where the others' jump.
    """

    name: ClassVar[str]
    start: ClassVar[str] = "he"
    smooth: ClassVar[bool] = True

    def keep(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:
        """Make the arrays that `forward` and `backward` need besides `a`: one of the same shape, unless overridden."""
        return (np.empty(shape, dtype),)

    @abstractmethod
    def forward(self, a: Array, kept: Kept) -> None:
        """Overwrite `a`, which holds `z`, with `f(z)`."""

    @abstractmethod
    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        """Overwrite `delta`, which holds dL/da, with dL/dz = dL/da * f'(z)."""


@final
@dataclass(frozen=True, slots=True)
class Identity(Activation):
    """f(z) = z; f' = 1."""

    name: ClassVar[str] = "identity"
    start: ClassVar[str] = "glorot"

    def keep(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:  # noqa: ARG002 - keeps nothing
        return ()

    def forward(self, a: Array, kept: Kept) -> None:
        pass

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        pass


@final
@dataclass(frozen=True, slots=True)
class ReLU(Activation):
    """f(z) = max(z, 0); f' = 1 where a > 0, else 0 (Nair and Hinton 2010)."""

    name: ClassVar[str] = "relu"
    smooth: ClassVar[bool] = False

    def keep(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:
        return np.zeros(shape, dtype), np.empty(shape, np.bool_)

    def forward(self, a: Array, kept: Kept) -> None:
        zeros, _ = kept
        np.maximum(a, zeros, out=a)  # twice as fast as against a scalar

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        zeros, lit = kept
        np.greater(a, zeros, out=lit)
        np.multiply(delta, lit, out=delta)


@final
@dataclass(frozen=True, slots=True)
class LeakyReLU(Activation):
    """f(z) = z where z > 0, else s z, with s = 0.01; f' = 1 or s (Maas, Hannun and Ng 2013)."""

    name: ClassVar[str] = "leaky_relu"
    smooth: ClassVar[bool] = False
    leak: float = 0.01

    def forward(self, a: Array, kept: Kept) -> None:
        (leaked,) = kept
        np.multiply(a, self.leak, out=leaked)
        np.maximum(a, leaked, out=a)

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        (slope,) = kept
        np.greater(a, 0.0, out=slope)
        slope *= 1.0 - self.leak
        slope += self.leak
        delta *= slope


@final
@dataclass(frozen=True, slots=True)
class ELU(Activation):
    """f(z) = z where z > 0, else e^z - 1; f' = 1 or a + 1 (Clevert, Unterthiner and Hochreiter 2016)."""

    name: ClassVar[str] = "elu"
    smooth: ClassVar[bool] = False  # the second derivative jumps from 1 to 0

    def forward(self, a: Array, kept: Kept) -> None:
        (below,) = kept
        np.minimum(a, 0.0, out=below)
        np.expm1(below, out=below)
        np.maximum(a, 0.0, out=a)
        a += below

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        (slope,) = kept
        np.minimum(a, 0.0, out=slope)
        slope += 1.0
        delta *= slope


@final
@dataclass(frozen=True, slots=True)
class Softplus(Activation):
    """f(z) = log(1 + e^z); f' = sigmoid(z) = 1 - e^-a (Dugas et al. 2001)."""

    name: ClassVar[str] = "softplus"

    def forward(self, a: Array, kept: Kept) -> None:  # noqa: ARG002 - needs no scratch on the way there
        np.logaddexp(a, 0.0, out=a)

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        (slope,) = kept
        np.negative(a, out=slope)
        np.expm1(slope, out=slope)
        np.negative(slope, out=slope)
        delta *= slope


def sigmoid(z: Array) -> None:
    """Overwrite z with 1 / (1 + e^-z), as (1 + tanh(z / 2)) / 2: the same curve, and nothing overflows."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1.0
    z *= 0.5


@final
@dataclass(frozen=True, slots=True)
class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z); f' = a (1 - a)."""

    name: ClassVar[str] = "sigmoid"
    start: ClassVar[str] = "glorot"

    def forward(self, a: Array, kept: Kept) -> None:  # noqa: ARG002 - needs no scratch on the way there
        sigmoid(a)

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        (slope,) = kept
        np.subtract(1.0, a, out=slope)
        slope *= a
        delta *= slope


@final
@dataclass(frozen=True, slots=True)
class Tanh(Activation):
    """f(z) = tanh z; f' = 1 - a^2."""

    name: ClassVar[str] = "tanh"
    start: ClassVar[str] = "glorot"

    def forward(self, a: Array, kept: Kept) -> None:  # noqa: ARG002 - needs no scratch on the way there
        np.tanh(a, out=a)

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        (slope,) = kept
        np.multiply(a, a, out=slope)
        np.subtract(1.0, slope, out=slope)
        delta *= slope


@final
@dataclass(frozen=True, slots=True)
class SiLU(Activation):
    """f(z) = z s with s = sigmoid(z); f' = s + a (1 - s) (Elfwing, Uchibe and Doya 2018)."""

    name: ClassVar[str] = "silu"

    def keep(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:
        return np.empty(shape, dtype), np.empty(shape, dtype)

    def forward(self, a: Array, kept: Kept) -> None:
        s, _ = kept
        s[...] = a
        sigmoid(s)
        a *= s

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:
        s, slope = kept
        np.subtract(1.0, s, out=slope)
        slope *= a
        slope += s
        delta *= slope


@final
@dataclass(frozen=True, slots=True)
class GELU(Activation):
    """f(z) = z h with h = (1 + tanh(c (z + k z^3))) / 2, c = sqrt(2 / pi), k = 0.044715.

    f' = h (1 + 2 (1 - h) c z (1 + 3 k z^2)), because (1 - tanh^2) / 2 = 2 h (1 - h). This is the form with tanh of
    Hendrycks and Gimpel (2016), sec. 2; NumPy has no erf.
    """

    name: ClassVar[str] = "gelu"
    c: ClassVar[float] = math.sqrt(2.0 / math.pi)
    k: ClassVar[float] = 0.044715

    def keep(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kept:
        return np.empty(shape, dtype), np.empty(shape, dtype)

    def forward(self, a: Array, kept: Kept) -> None:
        h, slope = kept
        np.multiply(a, a, out=slope)  # z^2
        np.multiply(slope, self.c * self.k, out=h)
        h += self.c
        h *= a  # c (z + k z^3)
        np.tanh(h, out=h)
        h += 1.0
        h *= 0.5
        slope *= 6.0 * self.c * self.k
        slope += 2.0 * self.c
        slope *= a  # 2 c z (1 + 3 k z^2)
        a *= h

    def backward(self, a: Array, delta: Array, kept: Kept) -> None:  # noqa: ARG002 - read from h, not from a
        h, slope = kept
        delta *= h
        np.subtract(1.0, h, out=h)
        slope *= h
        slope += 1.0
        delta *= slope


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {f.name: f for f in (Identity(), ReLU(), LeakyReLU(), ELU(), GELU(), SiLU(), Softplus(), Sigmoid(), Tanh())}
)
"""Every activation by its name."""
