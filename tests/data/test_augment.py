"""A warped image is what SciPy reads at the places that the formulas give, and the places are as random as they say."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from handgrad.data.augment import BLOCK, PRESETS, Warper, Warps
from handgrad.errors import UsageError

EVERY = Warps(rotation=30.0, scale=0.3, shear=0.4, shift=3.0, elastic=1.5, smoothness=3.0)
SHAPES = ((28, 28), (8, 8), (5, 9), (1, 1), (1, 7))


def images_of(n, shape, white=255, seed=0):
    return np.random.default_rng(seed).integers(0, white + 1, (n, math.prod(shape)), dtype=np.uint8)


def warped(warper, indices, update=0, strength=1.0, dtype=np.float32):
    pixels = warper._basis.shape[1]
    out = np.full((len(indices), pixels), np.nan, dtype)
    warper.warp(np.asarray(indices, np.intp), update, out, strength)
    return out


def fields(warper, n, update=0, strength=1.0):
    """Where each of n images is looked at, `(2, n, pixels)`, x before y, in its own pixels."""
    warped(warper, [0] * n, update, strength)
    return warper._batches[n].coefficients.astype(np.float64) @ warper._basis - 1.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 3, BLOCK, BLOCK + 5])
def test_images_are_read_by_bilinear_interpolation(n, shape):
    images = images_of(7, shape)
    warper = Warper(images, shape, 255, EVERY, 4)
    indices = np.arange(n) % 7

    actual = warped(warper, indices, 5)

    x, y = fields(warper, n, 5)
    for row, index in enumerate(indices):
        framed = np.pad(images[index].reshape(shape) / 255, 2)
        places = np.stack([y[row], x[row]]) + 2.0
        expected = ndimage.map_coordinates(framed, places, order=1, mode="constant")
        np.testing.assert_allclose(actual[row], expected, atol=2e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_warp_leaves_images_as_they_are(shape, dtype):
    images = images_of(6, shape, 16)

    for warps, strength in ((Warps(), 1.0), (EVERY, 0.0)):
        actual = warped(Warper(images, shape, 16, warps, 0), [4, 0, 5], strength=strength, dtype=dtype)
        np.testing.assert_allclose(actual, images[[4, 0, 5]] / 16, atol=1e-6)


def test_affine_parts_are_what_the_formula_says():
    warps = Warps(rotation=20.0, scale=0.2, shear=0.3, shift=2.0)
    warper = Warper(images_of(1, (9, 11)), (9, 11), 255, warps, 8)
    x, y = fields(warper, 50)

    angle, scale_x, scale_y, slant, shift_x, shift_y = warper._batches[50]._even.astype(np.float64)
    rows, columns = np.mgrid[0:9, 0:11].reshape(2, -1) - np.array([[4.0], [5.0]])
    for i in range(50):
        turn = np.array([[np.cos(angle[i]), -np.sin(angle[i])], [np.sin(angle[i]), np.cos(angle[i])]])
        matrix = turn @ np.array([[1.0, slant[i]], [0.0, 1.0]]) @ np.diag([scale_x[i], scale_y[i]])
        expected = matrix @ np.stack([columns, rows])
        np.testing.assert_allclose(x[i], expected[0] + 5.0 + 2.0 * shift_x[i], atol=1e-4)
        np.testing.assert_allclose(y[i], expected[1] + 4.0 + 2.0 * shift_y[i], atol=1e-4)
    assert 0.8 < np.abs(angle).max() / math.radians(20.0) <= 1.0
    for scale in (scale_x, scale_y):
        assert 1 / 1.2 <= scale.min() < 0.9
        assert 1.1 < scale.max() <= 1 / 0.8
    assert 0.2 < np.abs(slant).max() <= 0.3


def test_elastic_fields_are_smoothed_noise():
    warper = Warper(images_of(1, (28, 28)), (28, 28), 255, Warps(elastic=1.0, smoothness=4.0), 0)

    basis = warper._basis[3:].astype(np.float64)
    covariance = basis.T @ basis  # of the displacements of any two pixels
    noise = np.eye(784).reshape(784, 28, 28)
    smooth = ndimage.gaussian_filter(noise, (0, 4.0, 4.0), mode="reflect", truncate=8.0).reshape(784, 784)
    expected = smooth @ smooth.T
    deviation = np.sqrt(np.diag(expected))
    expected /= deviation[:, None] * deviation

    np.testing.assert_allclose(np.diag(covariance), 1.0, rtol=1e-5)
    np.testing.assert_allclose(covariance, expected, atol=0.02)


def test_displacements_are_as_large_as_they_are_asked_to_be():
    warper = Warper(images_of(1, (28, 28)), (28, 28), 255, Warps(elastic=0.8), 0)
    still = np.mgrid[0:28, 0:28].reshape(2, 1, 784)[::-1]

    displacements = np.stack([fields(warper, 200, update) - still for update in range(20)])

    np.testing.assert_allclose(displacements.std(axis=(0, 1, 2)), 0.8, rtol=0.06)
    np.testing.assert_allclose(displacements.mean(axis=(0, 1, 2)), 0.0, atol=0.05)


def test_what_lies_outside_is_empty():
    white = np.full((1, 784), 255, np.uint8)
    warper = Warper(white, (28, 28), 255, Warps(shift=100.0), 1)

    actual = warped(warper, [0] * 200)

    assert 0.0 == actual.min()
    assert 1.0 == pytest.approx(actual.max())
    x, y = fields(warper, 200)
    outside = (x < -1) | (x > 28) | (y < -1) | (y > 28)
    assert outside.any()
    assert (0.0 == actual[outside]).all()
    assert actual[(x > 0) & (x < 27) & (y > 0) & (y < 27)] == pytest.approx(1.0)


@given(st.integers(0, 2**62), st.integers(1, 2 * BLOCK + 1))
def test_a_warp_is_a_function_of_seed_and_update(update, n):
    images = images_of(3, (8, 8))
    one, two = (Warper(images, (8, 8), 255, EVERY, 9) for _ in range(2))
    warped(two, [1] * 5, update + 1)

    first = warped(one, np.arange(n) % 3, update)

    assert first.tobytes() == warped(two, np.arange(n) % 3, update).tobytes()
    assert first.tobytes() != warped(one, np.arange(n) % 3, update + 1).tobytes()
    assert first.tobytes() != warped(Warper(images, (8, 8), 255, EVERY, 8), np.arange(n) % 3, update).tobytes()


def test_a_warp_allocates_no_arrays():
    warper = Warper(images_of(40, (28, 28)), (28, 28), 255, PRESETS["mild"], 0)
    out = np.empty((64, 784), np.float32)
    indices = np.arange(64) % 40
    before_size = np.setbufsize(16)
    try:
        warper.warp(indices, 0, out)
        tracemalloc.start()
        warper.warp(indices, 1, out)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        warper.warp(indices, 2, out)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        np.setbufsize(before_size)

    assert most - before < 5000  # a random generator and views; the smallest array of a block has 30,752 bytes


def test_strength_falls_at_the_end():
    warps = Warps(rotation=9.0, ease=0.2, eased=0.25)

    assert [1.0, 1.0, 1.0, 0.625, 0.25] == pytest.approx([warps.strength(p) for p in (0.0, 0.5, 0.8, 0.9, 1.0)])
    assert [1.0, 1.0] == [Warps(rotation=9.0).strength(p) for p in (0.0, 1.0)]


def test_presets_grow():
    assert [False, True, True] == [warps.active for warps in PRESETS.values()]
    for field in ("rotation", "scale", "shear", "shift", "elastic"):
        ranges = [getattr(warps, field) for warps in PRESETS.values()]
        assert sorted(ranges) == ranges


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("rotation", 181.0, "from 0 to 180"),
        ("scale", 1.0, "from 0 to 0.9"),
        ("shear", -0.1, "from 0 to 2"),
        ("shift", math.inf, "from 0 to 100"),
        ("elastic", math.nan, "from 0 to 100"),
        ("smoothness", 0.0, "from 1 to 100"),
        ("ease", 1.1, "from 0 to 1"),
        ("eased", -1.0, "from 0 to 1"),
    ],
)
def test_impossible_ranges_are_refused(field, value, words):
    with pytest.raises(UsageError) as caught:
        Warps(**{field: value})
    assert f"augment.{field} = {value}: it is a number {words}" == str(caught.value)
