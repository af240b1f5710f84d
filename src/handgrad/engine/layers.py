"""The layers: shapes and formulas, forward and backward together, and no memory of any batch.

A layer is given everything it touches. `p` are views of its parameters, `g` the views of the same shapes in the
gradient, and `Arrays` the memory of one pass: its input `x`, its output `y`, and on the way back `delta` = dL/dy and
`dx` = dL/dx. `docs/backprop.md` derives each `backward` from its `forward`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, final

import numpy as np

from handgrad.engine.activations import Activation
from handgrad.engine.arrays import Array, Kept

Views: TypeAlias = tuple[Array, ...]


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """A named block of numbers that a layer learns.

    Attributes:
        name: such as `weights` or `bias`.
        shape: of the view that the layer is given.
        is_weight: whether penalties and decay act on it. They act on weights, never on biases.
    """

    name: str
    shape: tuple[int, ...]
    is_weight: bool = False

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@final
@dataclass(slots=True, eq=False)
class Arrays:
    """What one pass holds for one layer.

    Attributes:
        x: the input, `(batch, n_in)`; the previous layer's `y`.
        y: the output, `(batch, n_out)`; the same array as `x` where the layer works in place.
        kept: whatever else the layer asked for in `keep`.
        delta: dL/dy, `(batch, n_out)`; without rows in a pass that only predicts.
        dx: dL/dx, `(batch, n_in)`; the same array as `delta` where the layer works in place on the way back; None where
            nobody below wants it.
    """

    x: Array
    y: Array
    kept: Kept
    delta: Array
    dx: Array | None


class Layer(ABC):
    """One step from `(batch, n_in)` to `(batch, n_out)`.

    Attributes:
        n_in: features of each row that comes in.
        n_out: features of each row that goes out.
        y_over_x: the output may lie where the input lay: `a.y is a.x`.
        dx_over_delta: `backward` turns the delta into dL/dx where it lies: `a.dx is a.delta`.
    """

    y_over_x: ClassVar[bool] = False
    dx_over_delta: ClassVar[bool] = True

    @property
    @abstractmethod
    def n_in(self) -> int: ...

    @property
    @abstractmethod
    def n_out(self) -> int: ...

    def parameters(self) -> tuple[Parameter, ...]:
        """What the layer learns by its gradient, in the order of `p` and `g`."""
        return ()

    def statistics(self) -> tuple[Parameter, ...]:
        """What the layer learns by averaging over batches; these views follow the parameters in `p`."""
        return ()

    @abstractmethod
    def keep(self, batch: int, dtype: np.dtype[Any]) -> Kept:
        """Make the arrays that a pass over `batch` rows holds for this layer besides `x`, `y`, `delta` and `dx`."""

    @abstractmethod
    def forward(self, p: Views, a: Arrays) -> None:
        """Compute `a.y` from `a.x`, as in prediction."""

    def forward_training(self, p: Views, a: Arrays, noise: np.random.Generator) -> None:  # noqa: ARG002 - for Dropout
        """Compute `a.y` from `a.x`, as in training; the same as `forward` unless the layer says otherwise."""
        self.forward(p, a)

    @abstractmethod
    def backward(self, p: Views, g: Views, a: Arrays) -> None:
        """Overwrite `g` with dL/dp, and `a.dx` with dL/dx unless it is None, from `a.delta` = dL/dy."""


@final
@dataclass(frozen=True, slots=True)
class Dense(Layer):
    """z = x W + b.

    dL/dW = x^T delta, dL/db = 1^T delta (the sum over the batch), dL/dx = delta W^T. The first layer's x
    may be no array, but something that knows how to multiply one, such as a sparse matrix (see `Pass.feed`).
    """

    n_in: int = field()
    n_out: int = field()
    bias: bool = True
    dx_over_delta: ClassVar[bool] = False

    def parameters(self) -> tuple[Parameter, ...]:
        weights = Parameter("weights", (self.n_in, self.n_out), is_weight=True)
        return (weights, Parameter("bias", (self.n_out,))) if self.bias else (weights,)

    def keep(self, batch: int, dtype: np.dtype[Any]) -> Kept:
        return (np.ones(batch, dtype),)

    def forward(self, p: Views, a: Arrays) -> None:
        if isinstance(a.x, np.ndarray):
            np.dot(a.x, p[0], out=a.y)
        else:
            a.y[...] = a.x @ p[0]
        if self.bias:
            a.y += p[1]

    def backward(self, p: Views, g: Views, a: Arrays) -> None:
        W, dW = p[0], g[0]
        (ones,) = a.kept
        if isinstance(a.x, np.ndarray):
            np.dot(a.x.T, a.delta, out=dW)
        else:
            dW[...] = a.x.T @ a.delta
        if self.bias:
            np.dot(ones, a.delta, out=g[1])
        if a.dx is not None:
            np.dot(a.delta, W.T, out=a.dx)


@final
@dataclass(frozen=True, slots=True)
class Activate(Layer):
    """a = f(z), each number by itself; dL/dz = dL/da * f'(z)."""

    n_in: int = field()
    function: Activation
    y_over_x: ClassVar[bool] = True

    @property
    def n_out(self) -> int:
        return self.n_in

    def keep(self, batch: int, dtype: np.dtype[Any]) -> Kept:
        return self.function.keep((batch, self.n_in), dtype)

    def forward(self, p: Views, a: Arrays) -> None:  # noqa: ARG002 - learns nothing
        if a.y is not a.x:
            a.y[...] = a.x
        self.function.forward(a.y, a.kept)

    def backward(self, p: Views, g: Views, a: Arrays) -> None:  # noqa: ARG002 - learns nothing
        self.function.backward(a.y, a.delta, a.kept)


@final
@dataclass(frozen=True, slots=True)
class BatchNorm(Layer):
    """y = gamma x̂ + beta, x̂ = (x - mean) / sqrt(variance + epsilon) over the batch (Ioffe and Szegedy 2015, alg. 1).

    dL/dgamma = sum delta x̂, dL/dbeta = sum delta, and because mean and variance depend on x too,
    dL/dx = gamma / sqrt(variance + epsilon) (delta - mean(delta) - x̂ mean(delta x̂)).

    Prediction uses running averages of mean and variance, which move by `momentum` towards each training batch's.
    A batch of one is its own mean: x̂ is 0, nothing below learns from it, and it says nothing about the variance.
    """

    n_in: int = field()
    momentum: float = 0.1
    epsilon: float = 1e-5

    @property
    def n_out(self) -> int:
        return self.n_in

    def parameters(self) -> tuple[Parameter, ...]:
        return Parameter("gamma", (self.n_in,)), Parameter("beta", (self.n_in,))

    def statistics(self) -> tuple[Parameter, ...]:
        return Parameter("mean", (self.n_in,)), Parameter("variance", (self.n_in,))

    def keep(self, batch: int, dtype: np.dtype[Any]) -> Kept:
        rows, row = (batch, self.n_in), (self.n_in,)
        return (
            np.empty(rows, dtype),
            np.empty(rows, dtype),
            np.empty(row, dtype),
            np.empty(row, dtype),
            np.ones(batch, dtype),
        )

    def forward(self, p: Views, a: Arrays) -> None:
        gamma, beta, mean, variance = p
        _, _, inverse, _, _ = a.kept
        np.add(variance, self.epsilon, out=inverse)
        np.sqrt(inverse, out=inverse)
        np.subtract(a.x, mean, out=a.y)
        a.y /= inverse
        a.y *= gamma
        a.y += beta

    def forward_training(self, p: Views, a: Arrays, noise: np.random.Generator) -> None:  # noqa: ARG002 - draws nothing
        gamma, beta, running_mean, running_variance = p
        normed, scratch, inverse, mean, ones = a.kept
        n = len(a.x)
        np.dot(ones, a.x, out=mean)
        mean *= 1.0 / n
        np.subtract(a.x, mean, out=normed)
        np.multiply(normed, normed, out=scratch)
        np.dot(ones, scratch, out=inverse)
        inverse *= 1.0 / n  # the variance, until it is averaged

        running_mean *= 1.0 - self.momentum
        mean *= self.momentum
        running_mean += mean
        if n > 1:
            running_variance *= 1.0 - self.momentum
            np.multiply(inverse, self.momentum * n / (n - 1), out=mean)  # the unbiased estimate, as alg. 2 asks
            running_variance += mean

        inverse += self.epsilon
        np.sqrt(inverse, out=inverse)
        np.reciprocal(inverse, out=inverse)
        normed *= inverse
        np.multiply(normed, gamma, out=a.y)
        a.y += beta

    def backward(self, p: Views, g: Views, a: Arrays) -> None:
        gamma, (dgamma, dbeta) = p[0], g
        normed, scratch, inverse, row, ones = a.kept
        n = len(a.x)
        np.dot(ones, a.delta, out=dbeta)
        np.multiply(a.delta, normed, out=scratch)
        np.dot(ones, scratch, out=dgamma)
        if a.dx is None:
            return
        np.multiply(dbeta, 1.0 / n, out=row)
        a.dx -= row
        np.multiply(dgamma, 1.0 / n, out=row)
        np.multiply(normed, row, out=scratch)
        a.dx -= scratch
        np.multiply(gamma, inverse, out=row)
        a.dx *= row


@final
@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """In training y = x m / (1 - rate), each m 0 with probability `rate` and else 1; dL/dx = delta m / (1 - rate).

    Prediction passes x through: the division has kept the mean (Srivastava et al. 2014, sec. 10).
    """

    n_in: int = field()
    rate: float

    @property
    def n_out(self) -> int:
        return self.n_in

    def keep(self, batch: int, dtype: np.dtype[Any]) -> Kept:
        return (np.empty((batch, self.n_in), dtype),)

    def forward(self, p: Views, a: Arrays) -> None:  # noqa: ARG002 - learns nothing
        a.y[...] = a.x

    def forward_training(self, p: Views, a: Arrays, noise: np.random.Generator) -> None:  # noqa: ARG002 - learns nothing
        (mask,) = a.kept
        noise.random(out=mask, dtype=mask.dtype)
        np.greater_equal(mask, self.rate, out=mask)
        mask *= 1.0 / (1.0 - self.rate)
        np.multiply(a.x, mask, out=a.y)

    def backward(self, p: Views, g: Views, a: Arrays) -> None:  # noqa: ARG002 - learns nothing
        (mask,) = a.kept
        a.delta *= mask
