"""That the colours can be read and told apart, by any eye, and that names are shortened sensibly."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from handgrad.plots.style import LINES, shorten, styled

# How eyes without one kind of cone see linear RGB: Machado, Oliveira and Fernandes, "A physiologically-based model for
# simulation of color vision deficiency", IEEE TVCG 15 (2009), table 1, severity 1.0.
EYES = {
    "all cones": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB, in which distances are about what eyes see."""
    xyz = TO_XYZ @ rgb.clip(0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("colour", LINES)
def test_lines_and_their_labels_stand_out_from_white(colour):
    luminance = TO_XYZ[1] @ linear(colour)

    assert 1.05 / (luminance + 0.05) >= 3  # what WCAG 2.1 asks of graphics


@pytest.mark.parametrize("eye", EYES)
def test_every_two_lines_are_told_apart(eye):
    seen = [lab(EYES[eye] @ linear(colour)) for colour in LINES]

    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 12  # 2.3 is just noticeable


def test_the_users_settings_are_put_aside_and_given_back():
    with mpl.rc_context({"font.size": 33, "text.color": "red"}):
        with styled():
            assert 33 != mpl.rcParams["font.size"]
        assert (33, "red") == (mpl.rcParams["font.size"], mpl.rcParams["text.color"])


@pytest.mark.parametrize(
    ("name", "length", "expected"),
    [
        ("short", 5, "short"),
        ("shorter", 5, "sh…er"),
        ("shorter", 4, "sh…r"),
        (" two\nlines\t", 20, "two lines"),
        ("ab", 1, "…"),
        ("", 3, ""),
    ],
)
def test_names_lose_their_middle(name, length, expected):
    assert expected == shorten(name, length)


@settings(deadline=None)  # a slow machine is no failure
@given(st.text(max_size=40), st.integers(1, 20))
def test_a_shortened_name_fits(name, length):
    assert len(shorten(name, length)) <= length
