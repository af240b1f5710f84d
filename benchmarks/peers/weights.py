"""The weights of a model file, for systems that have their own idea of a layer."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handgrad import modelfile
from handgrad.engine.activations import ReLU
from handgrad.engine.layers import Activate, Dense
from handgrad.errors import HandgradError


def dense_layers(model: str) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """`W`, `(n_in, n_out)`, and `b` of each dense layer, ReLU standing between them.

    Raises:
        HandgradError: the model is of another kind.
    """
    loaded = modelfile.load(Path(model))
    network = loaded.network
    dense = [(layer, views) for layer, views in zip(network.layers, network.views(), strict=True)]
    kinds = [layer for layer, _ in dense]
    plain = all(
        (isinstance(layer, Dense) and layer.bias) or (isinstance(layer, Activate) and isinstance(layer.function, ReLU))
        for layer in kinds
    )
    if loaded.normalization.active:
        raise HandgradError(f"{model} sees images made {loaded.normalization}: the benchmark shows them as they are")
    if not plain:
        raise HandgradError(f"{model}: the benchmark reads dense layers with biases and ReLU, nothing else")
    return [(views[0].copy(), views[1].copy()) for layer, views in dense if isinstance(layer, Dense)]
