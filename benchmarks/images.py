"""The images that every system is given, as float32 rows in memory, white at 1.0: loading them is not counted."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.data import sources
from handgrad.data.batches import as_rows
from handgrad.data.dataset import Dataset


@final
@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Rows and labels to learn from, `x` and `y`, and to be tested by."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    n_classes: int

    def sizes(self, hidden: tuple[int, ...]) -> tuple[int, ...]:
        """Neurons of a network with these hidden layers, from the pixels to the classes."""
        return (self.x.shape[1], *hidden, self.n_classes)

    def accuracy(self, classes: NDArray[np.integer]) -> float:
        """The share of the test images of which `classes` says what they are."""
        return float(np.mean(classes == self.test_y))


def load_dataset(name: str, images: int = 0) -> Dataset:
    """The data set `name` with the first `images` of its training images; 0 for all of them."""
    whole = sources.load(name)
    if not images:
        return whole
    return replace(whole, training=whole.training.take(np.arange(min(images, len(whole.training)))))


def load(name: str, images: int = 0) -> Images:
    """The same as rows of float32."""
    data = load_dataset(name, images)
    return Images(
        x=np.ascontiguousarray(as_rows(data.training.images, data.white, np.float32)),
        y=data.training.labels.astype(np.int64),
        test_x=np.ascontiguousarray(as_rows(data.test.images, data.white, np.float32)),
        test_y=data.test.labels.astype(np.int64),
        n_classes=len(data.classes),
    )
