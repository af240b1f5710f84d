import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.handwriting import frame


@given(st.integers(1, 300), st.integers(1, 300))
def test_area_weights_share_every_pixel_out(n, m):
    weights = frame.area_weights(n, m)

    assert (m, n) == weights.shape
    assert weights.sum(axis=1) == pytest.approx(np.ones(m), abs=1e-4)
    assert weights.sum(axis=0) == pytest.approx(np.full(n, m / n), rel=1e-3)


@pytest.mark.parametrize("width", [1, 2, 5, 20])
@pytest.mark.parametrize("slope", ["level", "diagonal"])
def test_a_line_is_as_wide_as_it_was_drawn(width, slope):
    if slope == "level":
        line = np.zeros((40, 400), np.bool_)
        line[10 : 10 + width] = True
        assert frame.stroke_width(line) == pytest.approx(width * 4 / np.pi, rel=0.1)
    else:
        y, x = np.mgrid[:400, :400]
        line = np.abs(x - y) < width * np.sqrt(2) / 2
        assert frame.stroke_width(line) == pytest.approx(width * 0.9, rel=0.45 / width + 0.1)


@pytest.mark.parametrize(("line", "wanted"), [(4, frame.THINNEST), (46, None), (70, frame.THICKEST)])
def test_a_pen_is_brought_to_the_range(seven, line, wanted):
    mask = seven((400, 400), (60, 60, 340, 340), line) < 128
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    before = frame.stroke_width(mask) * 20 / max(mask.shape)

    glyph = frame.glyph_of(mask.astype(np.float32), mask)

    assert max(glyph.shape) == pytest.approx(frame.FINE * frame.LONG_SIDE, rel=0.2)
    assert frame.stroke_width(glyph) * 20 / max(glyph.shape) == pytest.approx(wanted or before, rel=0.12)


def test_a_stroke_that_fades_is_no_thinner():
    across = np.clip(1.5 - np.abs(np.arange(80) - 40) / 10, 0, 1)  # soft edges, at half of the strength 20 pixels apart
    strength = (across[:, None] * np.linspace(1, 0.6, 200)).astype(np.float32)

    glyph = frame.glyph_of(strength, strength > 0.5)

    assert glyph[:, -20:].sum() == pytest.approx(glyph[:, :20].sum(), rel=0.1)


@given(st.integers(1, 240), st.integers(1, 240), st.randoms(use_true_random=False))
def test_whatever_is_framed_is_framed(height, width, chance):
    glyph = np.zeros((height, width), np.bool_)
    for _ in range(3):
        glyph[chance.randrange(height), :] = True
        glyph[:, chance.randrange(width)] = True

    image = frame.framed(glyph)

    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert 20 >= max(np.ptp(rows), np.ptp(columns)) + 1
    assert 255 == image.max()
    centre = [image.sum(axis=axis) @ np.arange(28.0) / image.sum() for axis in (1, 0)]
    for place, used in zip(centre, (rows, columns), strict=True):
        assert abs(place - 14) <= 0.52 or used[0] == 0 or used[-1] == 27  # as near as the frame lets it


def test_what_mnist_holds_is_known_by_its_frame(seven):
    framed = frame.framed(seven((80, 120), (10, 6, 70, 114), 12) < 128)
    moved = np.roll(framed, 3, axis=1)

    assert frame.is_framed(framed)
    assert not frame.is_framed(moved)
    assert not frame.is_framed(np.zeros((28, 28), np.uint8))
    assert not frame.is_framed(framed[:27])


@pytest.mark.mnist
def test_mnist_is_framed(mnist):
    images = mnist.training.images[:2000].reshape(-1, 28, 28)

    assert np.mean([frame.is_framed(image) for image in images]) > 0.999
