"""Data that several rooms learn from: the bundled digits, and a data set so small that an epoch is a few updates."""

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from handgrad.data import sources
from handgrad.data.dataset import Dataset, Examples, assemble

# A machine that has much else to do is no reason to fail.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The 8x8 digits: 1,437 to learn from, 360 to be tested on."""
    return sources.load("digits")


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    """MNIST itself, through whichever source answers."""
    return sources.load("mnist")


@pytest.fixture(scope="session")
def spots() -> Dataset:
    """Three kinds of bright spots in 4x4 images: 50 to learn from (26, 16 and 8 of a kind), 20 to be tested on."""
    generator = np.random.default_rng(7)

    def examples(counts: tuple[int, ...]) -> Examples:
        labels = generator.permutation(np.repeat(np.arange(3, dtype=np.intp), counts))
        images = generator.integers(0, 120, (len(labels), 16), dtype=np.uint8)
        images[np.arange(len(labels)), 5 * labels] += 120
        return Examples(images, labels)

    return assemble(
        "spots", examples((26, 16, 8)), examples((8, 7, 5)), image_shape=(4, 4), classes=("left", "middle", "right")
    )
