"""A trained network on disk: its arrays, its architecture, and where it came from.

The header says what the layers are, what the classes are called, how a pixel becomes a number, by which recipe it was
trained and how accurate it was. It is checked against the arrays' stated shapes before a network is made, and nothing
is unpickled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad import tensorfile
from handgrad.data.batches import FLOAT_AT_ONCE, as_rows, memory_for
from handgrad.data.normalization import AS_WRITTEN, Normalization
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.arrays import Array
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout, Layer
from handgrad.engine.losses import LOSSES, Loss
from handgrad.engine.network import Network
from handgrad.errors import HandgradError

_KIND = "model"
_PRECISIONS = {"float32": ("F32", "F16"), "float64": ("F64",)}
"""As what the numbers of a network that computes in this type may be kept."""


class _Dense(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layer", tag="dense"):
    n_in: int
    n_out: int
    bias: bool


class _Activate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layer", tag="activation"):
    n_in: int
    function: str


class _BatchNorm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layer", tag="batch_norm"):
    n_in: int
    momentum: float
    epsilon: float


class _Dropout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layer", tag="dropout"):
    n_in: int
    rate: float


Description: TypeAlias = _Dense | _Activate | _BatchNorm | _Dropout
"""What a header says of a layer."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    format: str
    dtype: str
    layers: list[Description]
    loss: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    white: int
    deskew: bool = False
    normalize_width: float | msgspec.UnsetType = msgspec.UNSET
    provenance: dict[str, Any]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network with what is needed to use it.

    Attributes:
        network: the layers and their numbers.
        classes: what each output is called.
        image_shape: `(height, width)` of the images it reads.
        white: the pixel value that becomes 1.0.
        loss: turns logits into probabilities.
        provenance: plain values: the recipe, its seed and data, the accuracy reached, the versions it was made with.
        normalization: what is taken away of each image before the network sees it, as of those it was trained on.
    """

    network: Network
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    white: int
    loss: Loss
    provenance: dict[str, Any] = field(default_factory=dict)
    normalization: Normalization = AS_WRITTEN

    def predict_probabilities(self, images: NDArray[np.uint8]) -> Array:
        """The probability of each class, `(n, n_classes)`, of `uint8` images, `(n, height * width)`.

        Raises:
            HandgradError: images of another size.
        """
        if images.shape[1] != self.network.n_in:
            height, width = self.image_shape
            raise HandgradError(f"the model reads images of {height}x{width}, not of {images.shape[1]} pixels")
        dtype = self.network.dtype
        probabilities: Array = np.empty((len(images), self.network.n_out), dtype)
        memory = memory_for(len(images), self.network.n_in, dtype)
        for begin in range(0, len(images), FLOAT_AT_ONCE):
            part = slice(begin, begin + FLOAT_AT_ONCE)
            shown = self.normalization.images(images[part], self.image_shape)
            rows = as_rows(shown, self.white, dtype, memory)
            probabilities[part] = self.network.predict_probabilities(rows, self.loss)
        return probabilities


def save(path: Path, model: Model, *, half: bool = False) -> None:
    """Write a model file, whole or not at all. The same model gives the same bytes.

    Args:
        path: where to.
        model: the network and what is needed to use it.
        half: keep the numbers in half precision: half the size, with 11 bits of each number. The network that is
            loaded from it computes in float32.

    Raises:
        HandgradError: it cannot be written there, or it has a number too large for half precision.
    """
    header = _Header(
        format=_KIND,
        dtype="float32" if half else str(model.network.dtype),
        layers=[describe(layer) for layer in model.network.layers],
        loss=model.loss.name,
        classes=model.classes,
        image_shape=model.image_shape,
        white=model.white,
        deskew=model.normalization.deskew,
        normalize_width=model.normalization.width or msgspec.UNSET,  # a file names it only where it does something
        provenance=model.provenance,
    )
    arrays = {
        name: _halved(name, view) if half else view
        for names, views in zip(array_names(model.network.layers), model.network.views(), strict=True)
        for name, view in zip(names, views, strict=True)
    }
    tensorfile.write(path, msgspec.to_builtins(header), arrays)


def load(path: Path) -> Model:
    """Read a model file.

    Raises:
        HandgradError: there is none, it is damaged, or its header and its arrays do not agree.
    """
    with tensorfile.opened(path, _KIND) as file:
        try:
            header = msgspec.convert(file.header, _Header)
            layers = [build(description) for description in header.layers]
            loss = LOSSES[header.loss]()
            width = 0.0 if header.normalize_width is msgspec.UNSET else header.normalize_width
            normalization = Normalization(header.deskew, width)
            _agree(file, header, layers)
            network = Network(layers, header.dtype)
        except KeyError as error:
            raise HandgradError(f"{path} is not a model that can be used: this version knows no {error}") from error
        except ValueError as error:
            raise HandgradError(f"{path} is not a model that can be used: {error}") from error
        for layer, names, views in zip(layers, array_names(layers), network.views(), strict=True):
            for name, view in zip(names, views, strict=True):
                view[...] = file.array(name)
            if isinstance(layer, BatchNorm) and (views[-1] < 0.0).any():
                raise HandgradError(f"{path} holds a variance below 0; train the model again")
        if not (np.isfinite(network.theta).all() and np.isfinite(network.statistics).all()):
            raise HandgradError(f"{path} holds numbers that are not finite; train the model again")
        return Model(network, header.classes, header.image_shape, header.white, loss, header.provenance, normalization)


def _halved(name: str, array: Array) -> NDArray[np.float16]:
    """Round to half precision.

    Raises:
        HandgradError: it does not reach so far.
    """
    if array.size and np.abs(array).max() > (most := np.finfo(np.float16).max):
        raise HandgradError(f"the array {name} has numbers beyond {most:,.0f}, too large for half precision")
    return array.astype(np.float16)


def describe(layer: Layer) -> Description:
    """Put a layer into the words of a header."""
    match layer:
        case Dense():
            return _Dense(layer.n_in, layer.n_out, layer.bias)
        case Activate():
            return _Activate(layer.n_in, layer.function.name)
        case BatchNorm():
            return _BatchNorm(layer.n_in, layer.momentum, layer.epsilon)
        case Dropout():
            return _Dropout(layer.n_in, layer.rate)
    raise TypeError(f"a model file has no word for {layer}")


def build(description: Description) -> Layer:
    """Make the layer that a header describes.

    Raises:
        KeyError: an unknown activation.
        ValueError: an impossible number.
    """
    match description:
        case _Dense(n_in=n_in, n_out=n_out, bias=bias):
            return Dense(n_in, n_out, bias)
        case _Activate(n_in=n_in, function=function):
            return Activate(n_in, ACTIVATIONS[function])
        case _BatchNorm(n_in=n_in, momentum=momentum, epsilon=epsilon):
            if not (0.0 <= momentum <= 1.0 and 0.0 < epsilon < math.inf):
                raise ValueError(f"its batch norm has momentum {momentum} and epsilon {epsilon}")
            return BatchNorm(n_in, momentum, epsilon)
        case _Dropout(n_in=n_in, rate=rate):  # pragma: no branch - there is no fifth kind
            if not 0.0 <= rate < 1.0:
                raise ValueError(f"its dropout rate is {rate}, not from 0 up to 1")
            return Dropout(n_in, rate)


def array_names(layers: Sequence[Layer]) -> list[dict[str, tuple[int, ...]]]:
    """What each layer's arrays are called in the file (`0.weights`, `0.bias`, ...), and their shapes."""
    return [
        {f"{i}.{parameter.name}": parameter.shape for parameter in (*layer.parameters(), *layer.statistics())}
        for i, layer in enumerate(layers)
    ]


def _agree(file: tensorfile.TensorFile, header: _Header, layers: list[Layer]) -> None:
    """Compare what the header says with the arrays that are there, before anything is allocated.

    Raises:
        ValueError: the first difference.
    """
    if header.dtype not in _PRECISIONS:
        raise ValueError(f"it computes in {header.dtype}, not in {' or '.join(_PRECISIONS)}")
    height, width = header.image_shape
    if not layers or min(height, width, *(size for layer in layers for size in (layer.n_in, layer.n_out))) < 1:
        raise ValueError("it has no layers, or sizes below 1")
    if not 1 <= header.white <= 255:
        raise ValueError(f"its white is {header.white}, not 1 to 255")
    if layers[0].n_in != height * width or layers[-1].n_out != len(header.classes):
        raise ValueError("its layers do not fit its images and classes")
    expected = {name: shape for names in array_names(layers) for name, shape in names.items()}
    if file.names != expected.keys():
        raise ValueError("its arrays are not those of its layers")
    for name, shape in expected.items():
        if file.shape(name) != shape or file.dtype(name) not in _PRECISIONS[header.dtype]:
            raise ValueError(f"its array {name} is {file.dtype(name)} {file.shape(name)}, not {header.dtype} {shape}")
