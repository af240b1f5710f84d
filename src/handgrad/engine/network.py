"""A network is a flat vector of numbers and the layers that read it; a pass is the memory of one batch.

`Network` holds what is learned: `theta`, all weights first and then all biases, so that decay and penalties act on one
contiguous slice; and `statistics`, the running averages of batch norm. `Pass` and `TrainingPass` hold what one batch
needs and nothing else, are made once for a batch size, and never allocate again. Two passes over one network do not
know of each other.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from handgrad.engine.activations import ACTIVATIONS, Identity
from handgrad.engine.arrays import Array
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.layers import Activate, Arrays, BatchNorm, Dense, Dropout, Layer, Parameter, Views
from handgrad.engine.losses import Loss, SoftmaxCrossEntropy
from handgrad.engine.shifted import Shifted

PREDICTION_ROWS = 1024
"""Rows that `Network.logits` takes through the layers at once: enough for matrix products on two cores, few enough to
stay in the cache."""


@final
class Network:
    """Layers over one vector of parameters.

    Attributes:
        layers: from the input to the logits; the last is `Dense`.
        theta: every parameter, `(n_parameters,)`; the layers' arrays are views into it.
        statistics: what is learned by averaging (batch norm's means and variances), `(n_statistics,)`.
        n_weights: how many numbers at the front of `theta` are weights; the rest are biases and the like.
    """

    def __init__(self, layers: Sequence[Layer], dtype: DTypeLike = np.float32) -> None:
        """Make a network whose parameters are all zero; `initialize` gives it a start.

        Raises:
            ValueError: layers whose sizes do not meet, none at all, or a last layer that is not `Dense`.
        """
        self.layers = tuple(layers)
        for lower, upper in pairwise(self.layers):
            if lower.n_out != upper.n_in:
                raise ValueError(f"{lower} gives {lower.n_out} numbers, but {upper} takes {upper.n_in}")
        if not self.layers or not isinstance(self.layers[-1], Dense):
            raise ValueError("the last layer of a network is Dense: it gives the logits")
        self.dtype: np.dtype[Any] = np.dtype(dtype)

        self._places, self.n_weights, n_parameters = _weights_first([layer.parameters() for layer in self.layers])
        self._statistic_places, _, n_statistics = _weights_first([layer.statistics() for layer in self.layers])
        self.theta: Array = np.zeros(n_parameters, self.dtype)
        self.statistics: Array = np.zeros(n_statistics, self.dtype)
        self._idle: dict[int, list[Pass]] = {1: [], PREDICTION_ROWS: []}  # passes between two predictions
        for layer, views in zip(self.layers, self.views(), strict=True):
            if isinstance(layer, BatchNorm):
                gamma, _, _, variance = views
                gamma[...] = variance[...] = 1.0

    @classmethod
    def fully_connected(
        cls,
        n_in: int,
        hidden: Sequence[int],
        n_out: int,
        *,
        activation: str | Sequence[str] = "relu",
        batch_norm: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
    ) -> "Network":
        """Make n_in -> hidden[0] -> ... -> n_out, each hidden layer as Dense, BatchNorm, activation, Dropout.

        Args:
            n_in: features of an input row.
            hidden: neurons of each hidden layer, from the input on; may be empty.
            n_out: logits of an output row.
            activation: one name for all hidden layers, or one for each.
            batch_norm: normalize before each activation; the bias is then batch norm's beta.
            dropout: rate after each hidden layer.
            input_dropout: rate on the input.
            dtype: of every number in the network.

        Raises:
            ValueError: sizes below 1, rates outside [0, 1), an unknown activation, or a list of another length.
        """
        sizes = (n_in, *hidden, n_out)
        if any(size < 1 for size in sizes):
            raise ValueError(f"every layer needs at least one neuron, not {'-'.join(map(str, sizes))}")
        for rate in (dropout, input_dropout):
            if not 0.0 <= rate < 1.0:
                raise ValueError(f"a dropout rate lies in [0, 1), not at {rate}")
        names = [activation] * len(hidden) if isinstance(activation, str) else list(activation)
        if len(names) != len(hidden):
            raise ValueError(f"{len(hidden)} hidden layers need one activation or {len(hidden)}, not {len(names)}")
        for name in names:
            if name not in ACTIVATIONS:
                raise ValueError(f"no activation is called {name!r}; there are {', '.join(ACTIVATIONS)}")

        layers: list[Layer] = [Dropout(n_in, input_dropout)] if input_dropout else []
        for below, size, name in zip(sizes[:-2], hidden, names, strict=True):
            layers.append(Dense(below, size, bias=not batch_norm))
            if batch_norm:
                layers.append(BatchNorm(size))
            layers.append(Activate(size, ACTIVATIONS[name]))
            if dropout:
                layers.append(Dropout(size, dropout))
        return cls([*layers, Dense(sizes[-2], n_out)], dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind, in copies and pickles, what the next prediction makes anew."""
        return self.__dict__ | {"_idle": {rows: [] for rows in self._idle}}

    @property
    def n_in(self) -> int:
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        return self.layers[-1].n_out

    @property
    def weights(self) -> Array:
        """The weights of all layers, `(n_weights,)`: the front of `theta`, a view."""
        return self.theta[: self.n_weights]

    def views(self, vector: Array | None = None) -> list[Views]:
        """Each layer's arrays: its parameters in `vector`; by default those in `theta`, then its statistics."""
        if vector is not None:
            return [_look(vector, places) for places in self._places]
        own = zip(self._places, self._statistic_places, strict=True)
        return [_look(self.theta, learned) + _look(self.statistics, averaged) for learned, averaged in own]

    def weight_matrices(self) -> list[Array]:
        """Each Dense layer's W, `(n_in, n_out)`, a view into `theta`; column j holds what neuron j listens to."""
        return [p[0] for layer, p in zip(self.layers, self.views(), strict=True) if isinstance(layer, Dense)]

    def initialize(self, generator: np.random.Generator, start: str | None = None) -> None:
        """Draw every weight anew and set every bias to zero.

        Args:
            generator: draws the weights, from the first layer to the last.
            start: a name from `INITIALIZERS` for all layers; by default each layer's own activation decides.

        Raises:
            ValueError: an unknown name.
        """
        if start is not None and start not in INITIALIZERS:
            raise ValueError(f"no initializer is called {start!r}; there are {', '.join(INITIALIZERS)}")
        for i, (layer, p) in enumerate(zip(self.layers, self.views(), strict=True)):
            if isinstance(layer, Dense):
                above = (upper.function for upper in self.layers[i:] if isinstance(upper, Activate))
                initializer = INITIALIZERS[start or next(above, Identity()).start]
                p[0][...] = initializer(generator, layer.n_in, layer.n_out)
                if layer.bias:
                    p[1][...] = 0.0

    def logits(self, x: Array) -> Array:
        """What the last layer says, `(n, n_out)`, of inputs `(n, n_in)`. Safe to call from several threads at once.

        Raises:
            ValueError: `x` of another shape.
        """
        if x.ndim != 2 or x.shape[1] != self.n_in:
            raise ValueError(f"the network takes rows of {self.n_in} numbers, not an array of shape {x.shape}")
        x = x.astype(self.dtype, order="C", copy=False)
        out: Array = np.empty((len(x), self.n_out), self.dtype)
        if len(x) <= PREDICTION_ROWS:
            self._find_logits(x, out)
            return out
        forward_of = self._find_logits
        if Shifted.suits(self.layers):  # it takes some time to make, which only many rows repay
            forward_of = Shifted(self.layers, self.views(), PREDICTION_ROWS).forward_of
        for begin in range(0, len(x), PREDICTION_ROWS):
            some = slice(begin, begin + PREDICTION_ROWS)
            forward_of(x[some], out[some])
        return out

    def _find_logits(self, x: Array, out: Array) -> None:
        idle = self._idle.get(len(x))
        try:
            flow = idle.pop() if idle else Pass(self, len(x))
        except IndexError:  # another thread was faster
            flow = Pass(self, len(x))
        flow.forward_of(x, out)
        if idle is not None:
            idle.append(flow)

    def predict_probabilities(self, x: Array, loss: Loss | None = None) -> Array:
        """The probability of each class, `(n, n_out)`: softmax of the logits, or as another `loss` reads them."""
        out = self.logits(x)
        (loss or SoftmaxCrossEntropy()).activate(out)
        return out

    def predict(self, x: Array) -> NDArray[np.intp]:
        """The most probable class of each row, `(n,)`."""
        classes: NDArray[np.intp] = self.logits(x).argmax(axis=1)
        return classes


class Pass:
    """The arrays that `batch` rows flow through on their way to the logits.

    Attributes:
        x: the input, `(batch, n_in)`; fill it, then call `forward`.
    """

    def __init__(self, network: Network, batch: int) -> None:
        self.network = network
        self.batch = batch
        self.x: Array = np.empty((batch, network.n_in), network.dtype)
        self._p = network.views()
        self._arrays: list[Arrays] = []
        nothing: Array = np.empty((0, 0), network.dtype)
        x = self.x
        spare = False  # may x be overwritten? not the caller's input, nor what the layer below reads on its way back
        for layer in network.layers:
            in_place = layer.y_over_x and spare
            y = x if in_place else np.empty((batch, layer.n_out), network.dtype)
            self._arrays.append(Arrays(x, y, layer.keep(batch, network.dtype), nothing, None))
            x, spare = y, not layer.y_over_x
        # One image takes as long as the calls it takes: the methods are looked up once, and a bias that is a row,
        # (1, n_out), meets the one row of a layer in half the time of a vector, (n_out,), which must be stretched.
        layers = zip(network.layers, self._p, self._arrays, strict=True)
        self._way_up = [
            (layer.forward, tuple(map(np.atleast_2d, p)) if isinstance(layer, Dense) else p, a)
            for layer, p, a in layers
        ]

    def feed(self, x: Any) -> None:  # noqa: ANN401 - the engine knows no sparse matrix, only what it does
        """Let the first layer, a `Dense`, read `x` itself from now on, in place of the array `self.x`.

        Args:
            x: `(batch, n_in)`, of the network's dtype: an array, or whatever answers `x @ W` and `x.T @ delta` with
                arrays, as SciPy's sparse matrices do. It is neither copied nor changed.

        Raises:
            ValueError: another shape, or a first layer that is not `Dense`.
        """
        if x.shape != self.x.shape or not isinstance(self.network.layers[0], Dense):
            raise ValueError(f"{self.network.layers[0]} cannot be fed {x.shape} in place of {self.x.shape}")
        self._arrays[0].x = x

    def forward_of(self, rows: Array, out: Array) -> None:
        """Do as `forward` does, from `rows` in the place of `x`, which are only read, into `out`, of the logits' shape.

        Both are C-contiguous and of the network's type.
        """
        first, last = self._arrays[0], self._arrays[-1]
        x, y = first.x, last.y
        first.x, last.y = rows, out
        try:
            self.forward()
        finally:
            first.x, last.y = x, y

    def forward(self) -> Array:
        """Compute the logits of `x`, `(batch, n_out)`: an array of this pass, overwritten by the next call."""
        for forward, p, a in self._way_up:
            forward(p, a)
        return self._arrays[-1].y


@final
class TrainingPass(Pass):
    """A pass that also goes back: it owns the deltas and the gradient.

    Attributes:
        targets: what the logits should have said, `(batch, n_out)` for most losses; fill before `backward`.
        share: each row's share of the mean loss, `(batch,)`; 1/batch unless overwritten.
        gradient: dL/dtheta, laid out as `theta`; overwritten by each `backward`.
        input_gradient: dL/dx, `(batch, n_in)`, or None unless it was asked for.
    """

    def __init__(
        self,
        network: Network,
        batch: int,
        loss: Loss,
        *,
        gradient: Array | None = None,
        wants_input_gradient: bool = False,
    ) -> None:
        """Make the arrays of one batch.

        Args:
            network: whose layers and parameters to use.
            batch: rows.
            loss: turns logits into the first delta.
            gradient: a vector like `theta` to write into, so that passes of several sizes may share one.
            wants_input_gradient: also compute dL/dx; training has no use for it, explanations do.
        """
        super().__init__(network, batch)
        self.loss = loss
        self.targets: Array = np.zeros((batch, loss.n_targets(network.n_out)), network.dtype)
        self.share: Array = np.full(batch, 1.0 / batch, network.dtype)
        self.gradient: Array = np.zeros_like(network.theta) if gradient is None else gradient
        self._kept = loss.keep(batch, network.n_out, network.dtype)
        self._g = network.views(self.gradient)
        self._lowest = 0 if wants_input_gradient else _first_that_learns(network.layers)
        delta = self._arrays[-1].y  # the loss overwrites the logits
        for i in reversed(range(self._lowest, len(network.layers))):
            layer, a = network.layers[i], self._arrays[i]
            a.delta = delta
            if i == self._lowest and not wants_input_gradient:
                break
            a.dx = delta if layer.dx_over_delta else np.empty((batch, layer.n_in), network.dtype)
            delta = a.dx
        self.input_gradient: Array | None = self._arrays[0].dx if wants_input_gradient else None

    def forward_training(self, noise: np.random.Generator) -> Array:
        """Compute the logits as training does: batch norm by this batch, dropout drawn from `noise`."""
        for layer, p, a in zip(self.network.layers, self._p, self._arrays, strict=True):
            layer.forward_training(p, a, noise)
        return self._arrays[-1].y

    def backpropagate(self) -> None:
        """Overwrite `gradient` with dL/dtheta of the last forward pass, whose logits are spent."""
        self.loss.delta(self._arrays[-1].y, self.targets, self.share, self._kept)
        for i in reversed(range(self._lowest, len(self._arrays))):
            self.network.layers[i].backward(self._p[i], self._g[i], self._arrays[i])

    def backward(self) -> float:
        """Do as `backpropagate` does, and return L; allocates a little, which a training step does not."""
        value = float(np.dot(self.loss.of_rows(self._arrays[-1].y, self.targets), self.share))
        self.backpropagate()
        return value


def _first_that_learns(layers: Sequence[Layer]) -> int:
    return next(i for i, layer in enumerate(layers) if layer.parameters())


_Place = tuple[slice, tuple[int, ...]]


def _weights_first(layers: Sequence[Sequence[Parameter]]) -> tuple[list[list[_Place]], int, int]:
    """Lay every parameter out in one vector, weights before the rest: their places, the weights' number, the length."""
    starts: dict[tuple[int, int], int] = {}
    ends: list[int] = []
    end = 0
    for wanted in (True, False):
        for i, parameters in enumerate(layers):
            for j, parameter in enumerate(parameters):
                if parameter.is_weight is wanted:
                    starts[i, j] = end
                    end += parameter.size
        ends.append(end)
    places = [
        [
            (slice(starts[i, j], starts[i, j] + parameter.size), parameter.shape)
            for j, parameter in enumerate(parameters)
        ]
        for i, parameters in enumerate(layers)
    ]
    return places, ends[0], end


def _look(vector: Array, places: Sequence[_Place]) -> Views:
    return tuple(vector[place].reshape(shape) for place, shape in places)
