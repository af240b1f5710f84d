"""A fitted estimator on disk: its parameters, network, classes and history, without pickle.

The file is a safetensors file like a model's, and its layers are described in the same words. The header is read and
held against the arrays before anything is made of it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from handgrad import modelfile, tensorfile
from handgrad.engine.network import Network
from handgrad.errors import HandgradError
from handgrad.estimator.parameters import PLAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from handgrad.estimator.multilayer import Multilayer

_KIND = "estimator"
_PRECISIONS = {"float32": "F32", "float64": "F64"}
_FITTED = (*PLAIN, "history_")
_NOT_FINITE = "not finite"


class _Classes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Class labels.

    Attributes:
        dtype: `object`, or NumPy's name of an integer, float, boolean or text type.
        values: the labels, or how many there are where several may hold.
    """

    dtype: str
    values: list[str | int | float | bool]
    several: bool


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    estimator: str
    dtype: str
    layers: list[modelfile.Description]
    parameters: dict[str, Any]
    fitted: dict[str, Any]
    features: list[str] | None
    classes: _Classes | None
    preprocessing: dict[str, Any]
    provenance: dict[str, Any]


def save(owner: "Multilayer", path: Path, preprocessing: Mapping[str, Any] | None = None) -> None:
    """Write an estimator file, whole or not at all.

    Raises:
        NotFittedError: `owner` is not fitted.
        HandgradError: it cannot be written there, or something is of a kind that JSON has no word for.
    """
    check_is_fitted(owner)
    network = owner._current()
    names = getattr(owner, "feature_names_in_", None)
    header = _Header(
        format=_KIND,
        estimator=type(owner).__name__,
        dtype=str(network.dtype),
        layers=[modelfile.describe(layer) for layer in network.layers],
        parameters={name: _plain(name, value) for name, value in _parameters(owner).items()},
        fitted={name: _plain(name, getattr(owner, name)) for name in _FITTED if hasattr(owner, name)},
        features=None if names is None else [str(name) for name in names],
        classes=_classes(owner),
        preprocessing={name: _plain(name, value) for name, value in (preprocessing or {}).items()},
        provenance=tensorfile.versions(),
    )
    arrays = {
        name: view
        for names_of, views in zip(modelfile.array_names(network.layers), network.views(), strict=True)
        for name, view in zip(names_of, views, strict=True)
    }
    tensorfile.write(path, msgspec.to_builtins(header), arrays)


def load(kind: type["Multilayer"], path: Path) -> "Multilayer":
    """Read an estimator file.

    Raises:
        HandgradError: there is none, it is damaged, or it holds an estimator of another kind.
    """
    with tensorfile.opened(path, _KIND) as file:
        try:
            header = msgspec.convert(file.header, _Header)
            if header.estimator != kind.__name__:
                raise HandgradError(f"{path} holds an {header.estimator}: load it with {header.estimator}.load")
            network = _network(file, header)
            owner = kind(**_restored(header.parameters))
            if isinstance(owner.hidden_layer_sizes, list):
                owner.hidden_layer_sizes = tuple(owner.hidden_layer_sizes)  # JSON made a list of it
            owner._validate_params()
            for name in _FITTED:
                if name in header.fitted:
                    setattr(owner, name, _restored(header.fitted[name]))
            _give_classes(owner, header.classes)
        except (KeyError, TypeError, ValueError) as error:  # also msgspec's and scikit-learn's
            raise HandgradError(f"{path} is not an estimator that can be used: {error}") from error
    if header.features is not None:
        owner.feature_names_in_ = np.array(header.features, dtype=object)
    owner.preprocessing_ = _restored(header.preprocessing)
    owner._adopt(network)
    owner._best = network.theta.copy(), network.statistics.copy()
    owner._no_improvement_count = 0
    return owner


def _network(file: tensorfile.TensorFile, header: _Header) -> Network:
    """Make the network of the header, and fill it.

    Raises:
        ValueError: header and arrays do not agree, or hold numbers that are not finite.
    """
    if header.dtype not in _PRECISIONS:
        raise ValueError(f"it computes in {header.dtype}, not in {' or '.join(_PRECISIONS)}")
    layers = [modelfile.build(description) for description in header.layers]
    names = modelfile.array_names(layers)
    expected = {name: shape for of_layer in names for name, shape in of_layer.items()}
    if file.names != expected.keys():
        raise ValueError("its arrays are not those of its layers")
    for name, shape in expected.items():
        if file.shape(name) != shape or file.dtype(name) != _PRECISIONS[header.dtype]:
            raise ValueError(f"its array {name} is {file.dtype(name)} {file.shape(name)}, not {header.dtype} {shape}")
    network = Network(layers, header.dtype)
    fitted = header.fitted
    if (network.n_in, network.n_out) != (fitted["n_features_in_"], fitted["n_outputs_"]):
        raise ValueError("its layers do not fit its features and outputs")
    for of_layer, views in zip(names, network.views(), strict=True):
        for name, view in zip(of_layer, views, strict=True):
            view[...] = file.array(name)
    if not (np.isfinite(network.theta).all() and np.isfinite(network.statistics).all()):
        raise ValueError("it holds numbers that are not finite")
    return network


def _parameters(owner: "Multilayer") -> dict[str, Any]:
    """Give the parameters that a file can hold: callables and generators are left to their defaults."""
    held: dict[str, Any] = owner.get_params()
    held.pop("callbacks")
    for name in ("augment", "scoring"):
        if callable(held[name]):
            held.pop(name)
    if not isinstance(held["random_state"], int | np.integer):
        held.pop("random_state")
    if isinstance(held.get("class_weight"), dict):
        held.pop("class_weight")  # JSON has only text for keys
    return held


def _plain(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Make plain values of NumPy's; one that is not finite, for which JSON has no word, is wrapped.

    Raises:
        HandgradError: it holds something else.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case np.generic() | np.ndarray():
            return _plain(name, value.tolist())
        case float():
            return value if math.isfinite(value) else {_NOT_FINITE: str(value)}
        case list() | tuple():
            return [_plain(name, item) for item in value]
        case dict():
            return {str(key): _plain(name, item) for key, item in value.items()}
    raise HandgradError(f"{name} holds {value!r}, which a file has no word for; leave it out or use plain values")


def _restored(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Unwrap the numbers that are not finite."""
    match value:
        case dict() if value.keys() == {_NOT_FINITE} and value[_NOT_FINITE] in ("inf", "-inf", "nan"):
            return float(value[_NOT_FINITE])
        case dict():
            return {key: _restored(item) for key, item in value.items()}
        case list():
            return [_restored(item) for item in value]
    return value


def _classes(owner: Any) -> _Classes | None:  # noqa: ANN401 - an estimator
    if not hasattr(owner, "classes_"):
        return None
    classes: NDArray[Any] = owner.classes_
    if classes.dtype.kind not in "biufUO" or not all(isinstance(c, str | int | float) for c in classes.tolist()):
        raise HandgradError(f"classes of {classes.dtype} cannot be put into a file; make them text or numbers")
    return _Classes(str(classes.dtype), classes.tolist(), owner._label_binarizer.y_type_.startswith("multilabel"))


def _give_classes(owner: Any, held: _Classes | None) -> None:  # noqa: ANN401 - an estimator
    if held is None:
        return
    classes = np.array(held.values, dtype=held.dtype)
    owner._label_binarizer = LabelBinarizer().fit(np.eye(len(classes), dtype=int) if held.several else classes)
    owner.classes_ = owner._label_binarizer.classes_
