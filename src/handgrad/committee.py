"""Several answers made into one: those of several networks, or of one network to several warps of an image.

Their log-probabilities are averaged, which is the geometric mean of what they believe (Sato, Nishimura and Yokoi 2015):
one network that is sure that it is not a 7 outweighs two that find it possible. None of this is what a network reaches
by itself, in a single pass, and it is never reported as that.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handgrad.data.augment import PRESETS, Warper
from handgrad.data.batches import as_rows
from handgrad.engine.arrays import Array
from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.errors import HandgradError
from handgrad.modelfile import Model

WARPS = PRESETS["mild"]
"""How far an image is warped before it is read again."""

SEED = 0
"""Fixes those warps, so that the same command gives the same answer."""

READ_AT_ONCE = 4096
"""Images that are warped and read together; with another number, each would be warped otherwise."""


def predict_probabilities(models: Sequence[Model], images: NDArray[np.uint8], warps: int = 0) -> NDArray[np.float64]:
    """The probability of each class, `(n, n_classes)`, by all models together.

    Args:
        models: one or more.
        images: `(n, height * width)`.
        warps: how many warps of each image are read beside the image itself.

    Raises:
        HandgradError: models that read different images or tell different classes apart, or give no probabilities.
    """
    _agree(models)
    first, n = models[0], len(images)
    total: NDArray[np.float64] = np.zeros((n, len(first.classes)))
    parts = [np.arange(begin, min(begin + READ_AT_ONCE, n)) for begin in range(0, n, READ_AT_ONCE)]
    for normalization in dict.fromkeys(model.normalization for model in models):
        shown = normalization.images(images, first.image_shape)  # and then warped, as in training
        networks = [model.network for model in models if model.normalization == normalization]
        warper = Warper(shown, first.image_shape, first.white, WARPS, SEED) if warps else None
        for turn in range(1 + warps):
            for number, part in enumerate(parts):
                rows = as_rows(shown[part], first.white, np.float32)
                if warper is not None and turn:
                    warper.warp(part, turn * len(parts) + number, rows)
                for network in networks:
                    total[part] += _log_softmax(network.logits(rows))
    total *= 1.0 / (len(models) * (1 + warps))
    np.exp(total, out=total)
    total /= total.sum(axis=1, keepdims=True)
    return total


def _log_softmax(z: Array) -> NDArray[np.float64]:
    log_p: NDArray[np.float64] = z.astype(np.float64)
    log_p -= log_p.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    return log_p


def _agree(models: Sequence[Model]) -> None:
    first = models[0]
    for model in models:
        if not isinstance(model.loss, SoftmaxCrossEntropy):
            raise HandgradError(
                f"a network trained with {model.loss.name} gives no probabilities that could be averaged; leave it out"
            )
        if (model.image_shape, model.white, model.classes) != (first.image_shape, first.white, first.classes):
            raise HandgradError(
                "the models read different images or tell different classes apart; test them one by one"
            )
