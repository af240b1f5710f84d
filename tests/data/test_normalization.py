"""Images are set upright and made evenly wide: their moments say so, and what was so stays as it is."""

import numpy as np
import pytest

from handgrad.data.normalization import AS_WRITTEN, BOUNDS, WIDTH, Normalization

UPRIGHT = Normalization(deskew=True)


def slant(image):
    """mu_11 / mu_02, by the book."""
    image = image.astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    total = image.sum()
    y, x = y - (image * y).sum() / total, x - (image * x).sum() / total
    return (image * x * y).sum() / (image * y * y).sum()


def spread(image):
    """The root mean square distance from the middle column, by the book."""
    image = image.astype(np.float64)
    x = np.arange(image.shape[1])
    x = x - (image * x).sum() / image.sum()
    return np.sqrt((image * x**2).sum() / image.sum())


def ellipse(half_width, half_height=9.0, lean=0.0):
    """A ring, with soft edges."""
    y, x = np.mgrid[:28, :28] - 13.5
    far = np.hypot((x - lean * y) / half_width, y / half_height)
    return np.clip(1.0 - 4.0 * np.abs(far - 0.85), 0.0, 1.0)


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
    (found,) = UPRIGHT.images(image.reshape(1, -1), (28, 28))
    found = found.reshape(28, 28)

    assert lean == pytest.approx(slant(image), abs=0.02)
    assert 0.0 == pytest.approx(slant(found), abs=0.01)
    assert image.sum() == pytest.approx(found.sum(), rel=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), image.sum(axis=1), rtol=1e-5)  # rows move sideways only
    np.testing.assert_allclose(found, stroke(0.0), atol=0.5)


def test_an_upright_image_is_left_to_the_last_bit():
    image = np.zeros((6, 5), np.float32)
    image[1:5, 1:4] = [0.5, 1.0, 0.5]

    assert (image.reshape(1, -1) == UPRIGHT.images(image.reshape(1, -1), (6, 5))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_type_and_the_original_are_kept(dtype):
    images = (200 * np.stack([stroke(0.4), stroke(-0.3)]).reshape(2, -1)).astype(dtype)
    before = images.copy()

    found = UPRIGHT.images(images, (28, 28))

    assert dtype == found.dtype
    assert images.shape == found.shape
    assert (before == images).all()
    assert 0.0 == pytest.approx(slant(found[1].reshape(28, 28)), abs=0.02)


def test_bytes_are_rounded():
    images = (255 * np.stack([stroke(0.4), stroke(-0.3)]).reshape(2, -1)).astype(np.uint8)

    exact = UPRIGHT.images(images.astype(np.float32), (28, 28))

    assert np.abs(exact - UPRIGHT.images(images, (28, 28))).max() <= 0.5


@pytest.mark.parametrize(
    "image",
    [np.zeros((7, 9)), np.eye(1, 63, 30).reshape(7, 9), np.pad(np.ones((1, 9)), ((3, 3), (0, 0))), np.ones((7, 9))],
    ids=["nothing", "a point", "a line", "all"],
)
def test_what_leans_nowhere_stays(image):
    np.testing.assert_allclose(UPRIGHT.images(image.reshape(1, -1), (7, 9)), image.reshape(1, -1), atol=1e-6)


def test_a_steep_line_loses_what_leaves_the_image_and_nothing_else():
    image = np.zeros((9, 40), np.float32)
    for row in range(9):
        image[row, 4 * row : 4 * row + 4] = 1.0  # it leans by four columns a row

    found = UPRIGHT.images(image.reshape(1, -1), (9, 40)).reshape(9, 40)

    assert 0.0 == pytest.approx(slant(found), abs=0.01)
    assert np.isfinite(found).all()
    assert image.sum() == pytest.approx(found.sum(), rel=1e-5)


@pytest.mark.parametrize("lean", [0.0, 0.4])
@pytest.mark.parametrize("half_width", [4.5, 5.5, 7.0, 8.0])
def test_whole_widths_become_the_same(half_width, lean):
    image = ellipse(half_width, lean=lean)
    upright, alike = (
        Normalization(deskew=True, width=width).images(image.reshape(1, -1), (28, 28)).reshape(28, 28)
        for width in (0.0, 1.0)
    )

    assert WIDTH * 28 == pytest.approx(spread(alike), rel=0.02)
    assert abs(WIDTH * 28 - spread(upright)) > 0.1
    assert 0.0 == pytest.approx(slant(alike), abs=0.02)
    columns = np.arange(28)
    for one in (upright, alike):
        assert 13.5 == pytest.approx((one * columns).sum() / one.sum(), abs=0.1)  # what moves is not the middle
    np.testing.assert_allclose(alike.sum(axis=1) > 0, image.sum(axis=1) > 0)


def test_half_of_a_width_is_taken_in_powers():
    image = ellipse(5.0)
    half = Normalization(width=0.5).images(image.reshape(1, -1), (28, 28)).reshape(28, 28)

    assert np.sqrt(spread(image) * WIDTH * 28) == pytest.approx(spread(half), rel=0.02)


def test_a_width_is_that_of_the_digit_as_it_leans_where_it_is_left_leaning():
    image = ellipse(5.0, lean=0.4)
    found = Normalization(width=1.0).images(image.reshape(1, -1), (28, 28)).reshape(28, 28)

    assert WIDTH * 28 == pytest.approx(spread(found), rel=0.02)
    assert slant(image) * spread(found) / spread(image) == pytest.approx(slant(found), rel=0.05)


def test_a_line_does_not_become_a_bar_nor_a_bar_a_line():
    line, bar = np.zeros((28, 28)), np.zeros((28, 28))
    line[4:24, 13:15] = 1.0
    bar[12:16, 1:27] = 1.0
    found = Normalization(deskew=True, width=1.0).images(np.stack([line, bar]).reshape(2, -1), (28, 28))
    thin, broad = found.reshape(2, 28, 28)

    assert line.sum() / BOUNDS[0] == pytest.approx(thin.sum(), rel=0.06)
    assert bar.sum() / BOUNDS[1] == pytest.approx(broad.sum(), rel=0.06)


def test_where_nothing_is_to_be_done_nothing_is():
    images = np.arange(32, dtype=np.uint8).reshape(2, 16)

    assert AS_WRITTEN.images(images, (4, 4)) is images
    assert not AS_WRITTEN.active
    assert "" == str(AS_WRITTEN)
    assert "upright and evenly wide" == str(Normalization(deskew=True, width=0.5))


@pytest.mark.parametrize("width", [-0.1, 1.1, float("nan")])
def test_widths_are_not_drawn_apart(width):
    with pytest.raises(ValueError, match=f"by 0 to 1, not by {width}"):
        Normalization(width=width)


def test_many_images_come_out_as_one_by_one(monkeypatch):
    images = np.stack([stroke(lean).ravel() for lean in np.linspace(-0.5, 0.5, 7)])
    alone = np.concatenate([UPRIGHT.images(image[None], (28, 28)) for image in images])
    monkeypatch.setattr("handgrad.data.normalization.AT_ONCE", 3)

    assert (alone == UPRIGHT.images(images, (28, 28))).all()
    both = Normalization(deskew=True, width=0.5)
    one_by_one = np.concatenate([both.images(image[None], (28, 28)) for image in images])
    np.testing.assert_allclose(one_by_one, both.images(images, (28, 28)), atol=1e-5)
    assert (0, 784) == UPRIGHT.images(images[:0], (28, 28)).shape


def test_a_data_set_keeps_all_but_its_images(spots):
    found = UPRIGHT.dataset(spots)

    assert (spots.name, spots.fingerprint, spots.white) == (found.name, found.fingerprint, found.white)
    assert spots.test.labels is found.test.labels
    assert (UPRIGHT.images(spots.training.images, spots.image_shape) == found.training.images).all()
    assert AS_WRITTEN.dataset(spots) is spots
