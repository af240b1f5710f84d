"""The four IDX files that make a data set: images and labels, for training and for the test.

MNIST, its cousins and anyone's own images come as such a quartet. Here stands how the four are called, how they
are found in a folder, and when they fit together.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from handgrad.data import idx
from handgrad.data.dataset import Dataset, Examples, assemble
from handgrad.errors import HandgradError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""What the four files are called, in the order of the halves of a data set."""

Quartet: TypeAlias = Mapping[str, idx.Buffer]
"""The bytes of each of `NAMES`, as IDX, not gzipped."""


def find(folder: Path, name: str) -> list[Path]:
    """The files in `folder` that go by `name`: also dotted as in `train-images.idx3-ubyte`, and gzipped."""
    spellings = (name, name.replace("-idx", ".idx"), f"{name}.gz", f"{name.replace('-idx', '.idx')}.gz")
    # os.path says False of a folder that may not be entered; before Python 3.14 pathlib raises
    return [folder / spelling for spelling in spellings if os.path.isfile(folder / spelling)]  # noqa: PTH113


def read(folder: Path) -> dict[str, bytearray]:
    """The four files of `folder`.

    Raises:
        HandgradError: one is missing, or no IDX file.
    """
    paths = {name: find(folder, name) for name in NAMES}
    missing = [name for name, found in paths.items() if not found]
    if missing:
        raise HandgradError(
            f"the folder {folder} lacks {' and '.join(missing)}: a data set is four IDX files, gzipped or not, "
            f"called {', '.join(NAMES)}"
        )
    return {name: idx.load(found[0]) for name, found in paths.items()}


def assemble_quartet(
    name: str, files: Quartet, *, classes: tuple[str, ...] | None = None, where: str | None = None
) -> Dataset:
    """The data set in the four files; the images are views of their bytes.

    Args:
        name: how the data set was asked for.
        files: the four.
        classes: what each label is called; as many numbers as the largest label asks for, if not given.
        where: what to call the place of the files in an error, if not by `name`.

    Raises:
        HandgradError: the four do not fit together.
    """
    where = where or name
    arrays = [idx.decode(files[file], f"{where}: {file}") for file in NAMES]
    for file, array, dimensions in zip(NAMES, arrays, (3, 1, 3, 1), strict=True):
        if array.ndim != dimensions:
            raise HandgradError(
                f"{where}: {file} holds {'labels' if array.ndim == 1 else 'images'}; are two files swapped?"
            )
    training_images, training_labels, test_images, test_labels = arrays
    for images, labels, half in ((training_images, training_labels, "train"), (test_images, test_labels, "t10k")):
        if len(images) != len(labels):
            raise HandgradError(f"{where}: the {half} files hold {len(images)} images and {len(labels)} labels")
    if training_images.shape[1:] != test_images.shape[1:]:
        shapes = (f"{rows} × {columns}" for _, rows, columns in (training_images.shape, test_images.shape))
        raise HandgradError(f"{where}: the training and the test images differ in size: {' and '.join(shapes)}")
    largest = int(max(training_labels.max(), test_labels.max()))
    if classes is None:
        classes = tuple(str(label) for label in range(largest + 1))
    if largest >= len(classes):
        raise HandgradError(f"{where}: a label is {largest}, and the largest that has a meaning is {len(classes) - 1}")
    _, rows, columns = training_images.shape
    training, test = (
        Examples(images.reshape(len(images), rows * columns), labels.astype(np.intp))
        for images, labels in ((training_images, training_labels), (test_images, test_labels))
    )
    return assemble(name, training, test, image_shape=(rows, columns), classes=classes)
