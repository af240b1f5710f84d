"""Images are set upright: their moments say so, and what was upright stays as it is."""

import numpy as np
import pytest

from handgrad.data.deskew import deskew, deskewed


def slant(image):
    """mu_11 / mu_02, by the book."""
    image = image.astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    total = image.sum()
    y, x = y - (image * y).sum() / total, x - (image * x).sum() / total
    return (image * x * y).sum() / (image * y * y).sum()


def stroke(lean, height=28, width=28):
    """A bar that leans by so many columns a row, with soft edges."""
    y, x = np.mgrid[:height, :width]
    away = np.abs(x - width / 2 - lean * (y - height / 2))
    ink = np.clip(2.5 - away, 0.0, 1.0)
    ink[:4] = ink[-4:] = 0.0
    return ink


@pytest.mark.parametrize("lean", [-0.6, -0.2, 0.0, 0.3, 0.7])
def test_what_leans_is_set_upright(lean):
    image = stroke(lean)
    (found,) = deskew(image.reshape(1, -1), (28, 28))
    found = found.reshape(28, 28)

    assert lean == pytest.approx(slant(image), abs=0.02)
    assert 0.0 == pytest.approx(slant(found), abs=0.01)
    assert image.sum() == pytest.approx(found.sum(), rel=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), image.sum(axis=1), rtol=1e-5)  # rows move sideways only
    np.testing.assert_allclose(found, stroke(0.0), atol=0.5)


def test_an_upright_image_is_left_to_the_last_bit():
    image = np.zeros((6, 5), np.float32)
    image[1:5, 1:4] = [0.5, 1.0, 0.5]

    assert (image.reshape(1, -1) == deskew(image.reshape(1, -1), (6, 5))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_type_and_the_original_are_kept(dtype):
    images = (200 * np.stack([stroke(0.4), stroke(-0.3)]).reshape(2, -1)).astype(dtype)
    before = images.copy()

    found = deskew(images, (28, 28))

    assert dtype == found.dtype
    assert images.shape == found.shape
    assert (before == images).all()
    assert 0.0 == pytest.approx(slant(found[1].reshape(28, 28)), abs=0.02)


def test_bytes_are_rounded():
    images = (255 * np.stack([stroke(0.4), stroke(-0.3)]).reshape(2, -1)).astype(np.uint8)

    exact = deskew(images.astype(np.float32), (28, 28))

    assert np.abs(exact - deskew(images, (28, 28))).max() <= 0.5


@pytest.mark.parametrize(
    "image",
    [np.zeros((7, 9)), np.eye(1, 63, 30).reshape(7, 9), np.pad(np.ones((1, 9)), ((3, 3), (0, 0))), np.ones((7, 9))],
    ids=["nothing", "a point", "a line", "all"],
)
def test_what_leans_nowhere_stays(image):
    np.testing.assert_allclose(deskew(image.reshape(1, -1), (7, 9)), image.reshape(1, -1), atol=1e-6)


def test_a_steep_line_loses_what_leaves_the_image_and_nothing_else():
    image = np.zeros((9, 40), np.float32)
    for row in range(9):
        image[row, 4 * row : 4 * row + 4] = 1.0  # it leans by four columns a row

    found = deskew(image.reshape(1, -1), (9, 40)).reshape(9, 40)

    assert 0.0 == pytest.approx(slant(found), abs=0.01)
    assert np.isfinite(found).all()
    assert image.sum() == pytest.approx(found.sum(), rel=1e-5)


def test_many_images_come_out_as_one_by_one(monkeypatch):
    images = np.stack([stroke(lean).ravel() for lean in np.linspace(-0.5, 0.5, 7)])
    alone = np.concatenate([deskew(image[None], (28, 28)) for image in images])
    monkeypatch.setattr("handgrad.data.deskew.AT_ONCE", 3)

    assert (alone == deskew(images, (28, 28))).all()
    assert (0, 784) == deskew(images[:0], (28, 28)).shape


def test_a_data_set_keeps_all_but_its_images(spots):
    found = deskewed(spots)

    assert (spots.name, spots.fingerprint, spots.white) == (found.name, found.fingerprint, found.white)
    assert spots.test.labels is found.test.labels
    assert (deskew(spots.training.images, spots.image_shape) == found.training.images).all()
