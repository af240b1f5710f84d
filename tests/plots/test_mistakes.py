"""That the gallery shows the images it is told to, each with its own caption."""

import numpy as np
import pytest

from handgrad import plots
from handgrad.errors import HandgradError
from handgrad.plots.mistakes import SHOWN, _percent

N = 100
DIGITS = tuple("0123456789")
RANDOM = np.random.default_rng(7)
IMAGES = RANDOM.integers(0, 17, (N, 64), dtype=np.uint8)
IMAGES[99, 0] = 16
LABELS = RANDOM.integers(0, 10, N)
PREDICTIONS = (LABELS + 1) % 10
CONFIDENCES = np.linspace(0.2, 0.9, N)


def gallery(indices, classes=DIGITS, images=IMAGES, shape=(8, 8)):
    return plots.mistakes(images, LABELS, PREDICTIONS, CONFIDENCES, shape, classes, np.array(indices, dtype=np.intp))


def captions(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_images_and_captions_come_in_the_order_asked_for():
    figure = gallery([50, 7, 99])

    shown = [image.get_array() for image in figure.axes[0].images]
    assert [IMAGES[i].reshape(8, 8).tolist() for i in (50, 7, 99)] == [image.tolist() for image in shown]
    assert [
        f"{LABELS[50]} → {PREDICTIONS[50]}, 55%",
        "#50",
        f"{LABELS[7]} → {PREDICTIONS[7]}, 25%",
        "#7",
        f"{LABELS[99]} → {PREDICTIONS[99]}, 90%",
        "#99",
    ] == captions(figure)
    assert "3 of 100 read wrongly" == figure.texts[0].get_text()


def test_full_ink_is_the_largest_value_of_all_the_images():
    faint = IMAGES.copy()
    faint[3] //= 8

    figure = gallery([3], images=faint)

    assert (0, 16) == figure.axes[0].images[0].get_clim()


def test_blank_images_are_drawn_blank():
    figure = gallery([0], images=np.zeros_like(IMAGES))

    assert (0, 1) == figure.axes[0].images[0].get_clim()


def test_the_rest_is_counted_in_the_title():
    figure = gallery(range(100))

    assert 40 == SHOWN == len(figure.axes[0].images)
    assert "100 of 100 read wrongly, 60 of them not shown" == figure.texts[0].get_text()


def test_no_mistake_is_said_gracefully():
    figure = gallery([])

    assert ["No mistakes", "all 100 examples were read rightly"] == [text.get_text() for text in figure.texts]
    assert [] == figure.axes


@pytest.mark.parametrize("classes", [DIGITS, tuple(f"T-shirt or top {i}" for i in range(10)), ("an ell " * 9,) * 10])
def test_captions_keep_to_their_own_image_and_the_page(classes):
    figure = gallery(range(40), classes)

    extents = [text.get_window_extent() for text in (*figure.axes[0].texts, *figure.texts)]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in extents)
    assert all(box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height for box in extents)
    assert not any(a.shrunk(1, 0.7).overlaps(b.shrunk(1, 0.7)) for i, a in enumerate(extents) for b in extents[:i])


def test_long_names_get_a_line_each():
    figure = gallery([50], tuple(f"Sandal {i}" for i in range(10)))

    assert [f"Sandal {LABELS[50]}", f"→ Sandal {PREDICTIONS[50]}, 55%", "#50"] == captions(figure)


def test_images_keep_their_proportions():
    figure = gallery([0, 1], shape=(4, 16))

    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert pytest.approx(4) == (right - left) / (top - bottom)


@pytest.mark.parametrize(
    ("confidence", "said"), [(0.356, "36%"), (0.98, "98%"), (0.9951, "99.5%"), (0.99999, "99.9%"), (1.0, "100%")]
)
def test_certainty_is_claimed_only_where_it_is(confidence, said):
    assert said == _percent(confidence)


@pytest.mark.parametrize("index", [-1, 100])
def test_a_mistake_outside_the_images_gets_a_sentence(index):
    with pytest.raises(HandgradError, match="numbered 0 to 99"):
        gallery([index])


def test_images_of_another_shape_get_a_sentence():
    with pytest.raises(HandgradError, match="not 100 images of 28 by 28 pixels"):
        gallery([1], shape=(28, 28))
