"""A trained network with its batch norm worked into the weights: fewer layers, the same answers.

In prediction batch norm multiplies and adds constants, and so does the dense layer below it: the two are one dense
layer. Dropout lets everything through. What is left is what a person would draw.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from handgrad.engine.arrays import Array
from handgrad.engine.layers import BatchNorm, Dense, Dropout, Layer, Views
from handgrad.engine.network import Network


def fold(network: Network) -> Network:
    """Make a network that predicts what `network` does, without `Dropout` and without `BatchNorm` over `Dense`.

    gamma (x W + b - mean) / sqrt(variance + epsilon) + beta = x (W s) + (b - mean) s + beta, where
    s = gamma / sqrt(variance + epsilon) scales the columns of W. Computed in float64 and rounded once.
    """
    kept = [
        (layer, p) for layer, p in zip(network.layers, network.views(), strict=True) if not isinstance(layer, Dropout)
    ]
    layers: list[Layer] = []
    numbers: list[tuple[Array, ...]] = []
    folded = False
    for (layer, p), (above, q) in pairwise([*kept, (None, ())]):
        if folded:
            folded = False
        elif isinstance(layer, Dense) and isinstance(above, BatchNorm):
            layers.append(replace(layer, bias=True))
            numbers.append(_merged(layer, p, above, q))
            folded = True
        elif layer is not None:
            layers.append(layer)
            numbers.append(p)
    result = Network(layers, network.dtype)
    for views, values in zip(result.views(), numbers, strict=True):
        for view, value in zip(views, values, strict=True):
            view[...] = value
    return result


def _merged(dense: Dense, p: Views, norm: BatchNorm, q: Views) -> tuple[Array, Array]:
    """Give the weights and the bias of the one layer that does what the two do."""
    gamma, beta, mean, variance = (view.astype(np.float64) for view in q)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    bias = p[1] if dense.bias else 0.0
    return p[0] * scale, (bias - mean) * scale + beta
