"""Images with their labels, in memory.

Everything downstream of the disk sees a `Dataset` and never asks where it came from. Images stay `uint8`: a
batch becomes float when it is gathered, so 60,000 of them cost 47 MB and not 188.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import UsageError


@final
@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Images and what they show.

    Attributes:
        images: `uint8`, shape `(n, height * width)`, one image a row, C-contiguous.
        labels: `intp`, shape `(n,)`, each in `0 .. n_classes - 1`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Examples":
        """The examples at `indices`, copied, in that order."""
        return Examples(self.images[indices], self.labels[indices])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What a run trains on and is tested on.

    Attributes:
        name: how it was asked for: `mnist`, `fashion`, `digits`, or a folder.
        training: the examples to learn from (a validation split is cut from these).
        test: the examples that nothing may be chosen by.
        image_shape: `(height, width)` in pixels.
        classes: what each label is called, in the labels' order.
        white: the pixel value that becomes 1.0: 255, or 16 for the 8x8 digits.
        fingerprint: SHA-256 of everything above but the name, in hex; a run goes on only with the data it began with.
    """

    name: str
    training: Examples
    test: Examples
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    white: int
    fingerprint: str


def assemble(
    name: str,
    training: Examples,
    test: Examples,
    *,
    image_shape: tuple[int, int],
    classes: tuple[str, ...],
    white: int = 255,
) -> Dataset:
    """The data set of these parts, with its fingerprint."""
    sha256 = fingerprint(training, test, image_shape=image_shape, classes=classes, white=white)
    return Dataset(name, training, test, image_shape, classes, white, sha256)


def fingerprint(
    training: Examples, test: Examples, *, image_shape: tuple[int, int], classes: tuple[str, ...], white: int
) -> str:
    """SHA-256, in hex, of the shapes, the classes, the white value, every pixel and every label."""
    header = {
        "training": training.images.shape,
        "test": test.images.shape,
        "image_shape": image_shape,
        "classes": classes,
        "white": white,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for examples in (training, test):
        digest.update(np.ascontiguousarray(examples.images).data)
        digest.update(examples.labels.astype("<i8").data)  # one width and byte order on every machine
    return digest.hexdigest()


def split(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Two parts of `examples`, each in its old order: what is left, and `fraction` of it held out, by class.

    Args:
        examples: at least two of each class that occurs.
        fraction: the share held out, above 0 and below 1; rounded up to whole examples.
        seed: fixes which examples are held out.

    Raises:
        UsageError: the fraction is impossible, or leaves one part without an example of each class.
    """
    if not 0 < fraction < 1:  # also turns nan away
        raise UsageError(f"a share of {fraction:g} cannot be held out: it must be above 0 and below 1")
    present, counts = np.unique(examples.labels, return_counts=True)
    if len(present) == 0 or counts.min() < 2:
        rare = f"class {present[counts.argmin()]} has only one" if len(present) else "there is none"
        raise UsageError(f"a split by class needs at least two examples of each class, and {rare}")
    held_out = math.ceil(fraction * len(examples))
    if min(held_out, len(examples) - held_out) < len(present):
        raise UsageError(
            f"holding out {fraction:g} of {len(examples)} examples leaves one part with fewer than the "
            f"{len(present)} classes: choose a share nearer to 0.5"
        )
    # imported late: scikit-learn takes longer to import than `handgrad --help` may take
    from sklearn.model_selection import StratifiedShuffleSplit  # noqa: PLC0415

    shuffle = StratifiedShuffleSplit(n_splits=1, test_size=held_out, random_state=seed)
    left, out = next(shuffle.split(examples.labels, examples.labels))
    return examples.take(np.sort(left)), examples.take(np.sort(out))
