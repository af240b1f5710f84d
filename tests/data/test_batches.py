"""A batch is what plain indexing and division give, in memory that is there already."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.batches import FLOAT_AT_ONCE, Gatherer, as_rows, memory_for
from handgrad.data.dataset import Examples


def images_of(n, pixels, white=255):
    return np.random.default_rng(n).integers(0, white + 1, (n, pixels), dtype=np.uint8)


def gathered(images, indices, white, dtype=np.float32):
    examples = Examples(images, np.zeros(len(images), np.intp))
    out = np.full((len(indices), images.shape[1]), np.nan, dtype)
    Gatherer(examples, white, max(len(indices), 1)).gather(np.asarray(indices, np.intp), out)
    return out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("white", [255, 16, 1])
def test_a_batch_is_plain_indexing_over_white(white, dtype):
    images = images_of(20, 9, white)
    indices = [3, 0, 19, 3, 7]

    out = gathered(images, indices, white, dtype)

    np.testing.assert_allclose(out, images[indices] / white, rtol=2 * np.finfo(dtype).eps)
    assert dtype == out.dtype


@given(st.integers(1, 30), st.integers(1, 9), st.data())
def test_any_indices_are_gathered(n, pixels, data):
    images = images_of(n, pixels)
    indices = data.draw(st.lists(st.integers(0, n - 1), max_size=40))

    np.testing.assert_allclose(gathered(images, indices, 255), images[indices] / 255, rtol=3e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("white", [255, 16])
def test_every_pixel_value_is_in_its_place_and_white_is_1(white, dtype):
    every = np.arange(white + 1, dtype=np.uint8)[None]

    row = gathered(every, [0], white, dtype)[0]

    assert 0.0 == row[0]
    assert 1.0 == row[-1]
    assert (np.diff(row) > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("white", [255, 16])
def test_training_and_prediction_see_the_same_numbers(white, dtype):
    images = images_of(20, 9, white)

    rows = as_rows(images, white, dtype)
    memory = memory_for(5000, 9, dtype)
    again = as_rows(images, white, dtype, memory)

    assert gathered(images, np.arange(20), white, dtype).tobytes() == rows.tobytes() == again.tobytes()
    assert np.shares_memory(again, memory)
    assert (FLOAT_AT_ONCE, 9) == memory.shape
    assert images_of(20, 9, white).tobytes() == images.tobytes()


def test_a_short_batch_follows_a_long_one():
    images = images_of(20, 9)
    gatherer = Gatherer(Examples(images, np.zeros(20, np.intp)), 255, 8)

    for indices in (np.arange(8), np.array([19, 2]), np.array([5]), np.arange(8)[::-1].copy()):
        out = np.empty((len(indices), 9), np.float32)
        gatherer.gather(indices, out)
        np.testing.assert_allclose(out, images[indices] / 255, rtol=3e-7)


def test_the_images_stay_as_they_are():
    images = images_of(20, 9)
    before = images.copy()

    gathered(images, [1, 2, 3], 255)

    np.testing.assert_array_equal(images, before)


def test_gathering_claims_no_memory_of_the_size_of_a_batch():
    images = images_of(500, 784)
    gatherer = Gatherer(Examples(images, np.zeros(500, np.intp)), 255, 128)
    indices, out = np.arange(128)[::-1].astype(np.intp), np.empty((128, 784), np.float32)
    gatherer.gather(indices, out)

    tracemalloc.start()
    try:
        gatherer.gather(indices, out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20_000  # the batch is 100,352 bytes before it is float; a cast goes by in pieces of 8,192 numbers
