"""Drawings of a seven, which every part of the reading can be tried on."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw


@pytest.fixture
def seven() -> Callable[..., NDArray[np.uint8]]:
    """Draw a seven, `(height, width)`: its box and the width of its line in pixels, ink and paper 0 to 255."""

    def draw(
        size: tuple[int, int] = (300, 200),
        box: tuple[int, int, int, int] = (100, 40, 180, 160),
        line: int = 12,
        ink: int = 0,
        paper: int = 255,
    ) -> NDArray[np.uint8]:
        left, top, right, bottom = box
        image = Image.new("L", size, paper)
        corner = [(left, top), (right, top), ((left + right) // 2, bottom)]
        ImageDraw.Draw(image).line(corner, fill=ink, width=line, joint="curve")
        return np.asarray(image)

    return draw
