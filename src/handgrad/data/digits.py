"""The 8x8 digits that come with scikit-learn: 1,797 of them, with no network at all.

E. Alpaydin and C. Kaynak published them in 1998 (UCI, optical recognition of handwritten digits); each pixel counts
the dark points of a 4x4 square, 0 to 16. scikit-learn ships what UCI calls the test set, so it is cut here.
"""

import numpy as np

from handgrad.data.dataset import Dataset, Examples, assemble, split

_TEST_SHARE = 0.2
_SEED = 0  # one cut for everyone, so that two people's test accuracies mean the same


def load_digits() -> Dataset:
    """1,437 training and 360 test images of 8x8 pixels, 0 to 16, each class in the same share."""
    # imported late: scikit-learn takes longer to import than `handgrad --help` may take
    from sklearn.datasets import load_digits as load_bundled_digits  # noqa: PLC0415

    pixels, labels = load_bundled_digits(return_X_y=True)
    every = Examples(np.ascontiguousarray(pixels, dtype=np.uint8), labels.astype(np.intp))
    training, test = split(every, _TEST_SHARE, _SEED)
    return assemble("digits", training, test, image_shape=(8, 8), classes=tuple("0123456789"), white=16)
