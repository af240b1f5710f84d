import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handgrad.data.handwriting import frame, paper, picture
from handgrad.data.handwriting.digits import find_digits
from handgrad.data.handwriting.paper import Ink
from handgrad.data.handwriting.prepare import prepare
from handgrad.errors import HandgradError


def prepared(array):
    return prepare(picture.from_array(array))


@pytest.fixture
def alone(seven):
    """What becomes of a seven under the best of circumstances."""
    (image,) = prepared(seven()).images
    return image.astype(float)


def alike(image, other):
    return np.abs(image - other).mean() < 6


@pytest.mark.parametrize("polarity", ["dark on light", "light on dark"])
@pytest.mark.parametrize("place", [(20, 20), (380, 20), (20, 360), (380, 360), (200, 190)])
@pytest.mark.parametrize("line", [4, 12, 20])
def test_place_polarity_and_pen_make_no_difference(seven, alone, polarity, place, line):
    left, top = place
    array = seven((500, 500), (left, top, left + 80, top + 120), line)
    (image,) = prepared(array if polarity == "dark on light" else 255 - array).images

    assert np.abs(image - alone).mean() < 18  # a thicker pen has a larger box
    assert 0.4 * np.sum(alone > 128) > abs(int(np.sum(image > 128)) - int(np.sum(alone > 128)))


@pytest.mark.parametrize("scale", [1, 2, 9])
def test_size_makes_no_difference(seven, alone, scale):
    size, box = (30 * scale, 20 * scale), tuple(scale * k for k in (10, 4, 18, 16))
    assert alike(prepared(seven(size, box, max(1, round(1.2 * scale)))).images[0], alone) or scale == 1
    assert 1 == len(prepared(seven(size, box, max(1, round(1.2 * scale)))).images)


def shaded(array, kind):
    height, width = array.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = {
        "slope": 0.7 + 0.3 * x,
        "vignette": np.exp(-(x**2 + y**2) / 2.5),
        "sharp shadow": np.where(x > 0.1, 0.6, 1.0),
        "soft shadow": 1 - 0.35 * np.exp(-((x - 0.1) ** 2 + y**2) / 0.05),
        "spots": 1 + np.random.default_rng(0).standard_normal(array.shape) * 0.03,
    }[kind]
    return (array * light).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["slope", "vignette", "sharp shadow", "soft shadow", "spots"])
def test_light_makes_no_difference(seven, alone, kind):
    array = seven((600, 400), (200, 80, 360, 320), 24, ink=40, paper=225)

    images = prepared(shaded(array, kind)).images

    assert 1 == len(images)
    assert alike(images[0], alone)


def test_a_picture_of_eight_by_eight_keeps_its_wide_strokes():
    rows = ("00396000", "02999200", "04608500", "00007600", "00019200", "00085000", "00399788", "00999999")
    array = np.array([[int(level) for level in row] for row in rows]).repeat(25, axis=0).repeat(25, axis=1)

    (digit,) = prepared(array).digits

    assert (128, 84) <= digit.mask.shape
    assert digit.mask[-12:, 24:].all()


def test_a_faint_part_belongs_to_the_digit_and_what_is_another_s_does_not():
    strength = np.zeros((200, 200), np.float32)
    strength[40:160, 50:60] = strength[40:160, 80:90] = strength[40:160, 100:110] = 1
    strength[40:50, 50:90] = 1
    strength[80:84, 60:80] = 0.4  # a bar between the first two
    ink = Ink(strength, strength > 0.5, 1 - strength, light_on_dark=False)

    first, second = find_digits(ink)

    assert first.strength[42, 30] == 1 == first.strength.max()
    np.testing.assert_array_equal(first.strength[40:44, 12:16], np.float32(0.4))
    assert second.strength.shape == (120, 10)


@pytest.mark.parametrize("kind", ["slope", "vignette", "sharp shadow", "spots"])
def test_light_alone_is_nothing(kind):
    assert 0 == len(prepared(shaded(np.full((400, 600), 225.0), kind)).images)


def test_paper_on_a_desk_is_looked_at_alone(seven, alone):
    desk = np.full((600, 800), 60, np.uint8)
    desk[80:520, 120:680] = seven((560, 440), (200, 100, 300, 250), 15, ink=50, paper=225)

    (image,) = prepared(desk).images

    assert alike(image, alone)


def test_a_strip_is_no_sheet_of_paper():
    strip = np.zeros((8, 129), np.uint8)
    strip[3:5] = 255

    assert 1 == len(prepared(strip).images)


def test_colours_of_equal_brightness_are_told_apart():
    array = np.zeros((200, 300, 3), np.uint8)
    array[:, :] = 0, 128, 0
    array[40:160, 140:155] = 251, 0, 0

    assert 1 == len(prepared(array).images)


@pytest.mark.parametrize("value", [0, 7, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (28, 28), (300, 200)])
def test_an_empty_picture_is_empty(shape, value):
    array = np.full(shape, value, np.uint8)
    assert 0 == len(prepared(array).images)
    if array.size > 1:
        array[0, 0] = 255 - value
        assert (300, 200) != shape or 0 == len(prepared(array).images)


def test_noise_is_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)

    assert 0 == len(prepared(noise).images)


def test_specks_are_dropped(seven, alone):
    array = seven().copy()
    array[10:13, 10:13] = array[190:193, 290:292] = 0

    (image,) = prepared(array).images

    assert alike(image, alone)


def test_a_part_that_floats_belongs_to_its_digit(seven):
    array = seven().copy()
    array[95:105, 100:118] = 0  # a stroke through the seven that does not touch it

    assert 1 == len(prepared(array).images)


def test_digits_come_in_reading_order(seven):
    page = np.full((400, 600), 255, np.uint8)
    places = [(40, 30), (55, 240), (35, 430), (240, 60), (230, 300)]
    for top, left in places:
        page[top : top + 130, left : left + 90] = seven((90, 130), (10, 10, 80, 120), 10)

    boxes = [digit.box for digit in prepared(page).digits]

    assert 5 == len(boxes)
    for (top, left), box in zip(places, boxes, strict=True):
        assert box[:2] == pytest.approx([top + 5, left + 10], abs=8)


def test_what_mnist_holds_is_left_alone(seven):
    framed = frame.framed(seven((80, 120), (10, 6, 70, 114), 12) < 128)

    assert np.array_equal(framed, prepared(framed).images[0])
    assert np.array_equal(framed, prepared(255 - framed).images[0])


@pytest.mark.parametrize("side", [2, 10])
def test_what_was_enlarged_to_squares_is_made_small_again(seven, side):
    framed = frame.framed(seven((80, 120), (10, 6, 70, 114), 12) < 128)
    squares = np.kron(framed, np.ones((side, side), np.uint8))

    assert np.array_equal(framed, prepared(squares).images[0])
    assert np.array_equal(framed, prepared(255 - squares).images[0])


def test_a_picture_without_squares_stays_as_it_is():
    colours = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    plain = np.full((64, 64, 3), 200, np.uint8)

    assert paper.unsquared(colours) is colours
    assert paper.unsquared(plain) is plain
    assert (30, 40, 3) == paper.unsquared(np.kron(colours, np.ones((3, 3, 1), np.uint8))).shape


def test_a_thick_one_from_edge_to_edge_is_no_sheet_of_paper():
    page = np.full((200, 200), 255, np.uint8)
    page[:, 70:137] = 0
    page[60:111, 130:143] = 0

    boxes = prepared(page).boxes

    assert 1 == len(boxes)
    assert boxes[0] == pytest.approx([0, 70, 200, 143], abs=3)


def test_a_page_of_text_takes_no_longer():
    page = np.full((800, 600), 255, np.uint8)
    for top in range(10, 770, 32):
        for left in range(10, 580, 20):
            page[top : top + 22, left : left + 2] = page[top : top + 2, left : left + 12] = 0

    assert 60 == len(prepared(page).images)


kinds = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(), hnp.unicode_string_dtypes(), hnp.datetime64_dtypes(),
)  # fmt: skip


@settings(max_examples=60)
@given(kinds.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=34))))
def test_any_array_gives_an_answer_or_an_error_of_ours(array):
    try:
        images = prepared(array).images
    except HandgradError:
        return
    assert (len(images), 28, 28) == images.shape
    assert np.uint8 == images.dtype
