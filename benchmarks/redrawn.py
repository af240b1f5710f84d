"""MNIST's digits as a person would send them: drawn with some pen, somewhere on a page, under some light, as a JPEG.

Every choice comes from a generator that the seed and the image's number alone decide, so a picture can be made again by
itself. Nothing of this is known to the code that reads the pictures.
"""

import io
from dataclasses import asdict, dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

FINE = 8
"""Pixels for one of MNIST's, while a pen goes along a digit."""

THINNEST_PEN = 0.4
"""Half the width, in pixels of MNIST, of a line that was made as thin as it can be without being broken."""


@final
@dataclass(frozen=True, slots=True)
class Circumstances:
    """How one digit is drawn and photographed.

    Attributes:
        scale: pixels of the picture for one of MNIST's.
        page: width and height, in sides of the digit's own 28x28 square.
        place: where that square stands, 0 to 1 across and down what the page leaves free.
        pen: added to both sides of every line, in pixels of MNIST.
        angle: degrees.
        light_on_dark: chalk on a board, not ink on paper.
        paper: how bright the paper is (or how dark the board), from its own end, 0 to 1.
        ink: how far the ink is from the other end.
        texture: of the paper, standard deviation of spots of eight pixels, 0 to 1.
        grain: of the camera, standard deviation of single pixels, 0 to 1.
        gradient: the share of the light that is lost from one side of the page to the other.
        light_from: degrees.
        quality: of the JPEG.
        noise: seed of texture and grain.
    """

    scale: float
    page: tuple[float, float]
    place: tuple[float, float]
    pen: float
    angle: float
    light_on_dark: bool
    paper: float
    ink: float
    texture: float
    grain: float
    gradient: float
    light_from: float
    quality: int
    noise: int

    def at(self, across: float, down: float) -> "Circumstances":
        """The same, elsewhere on the page."""
        return replace(self, place=(across, down))

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def circumstances(seed: int, number: int) -> Circumstances:
    """Draw by lot how the image with this number is sent."""
    lot = np.random.default_rng((seed, number))
    scale = float(np.exp(lot.uniform(np.log(3), np.log(20))))
    return Circumstances(
        scale=scale,
        page=(float(lot.uniform(1.2, 3.0)), float(lot.uniform(1.2, 3.0))),
        place=(float(lot.uniform()), float(lot.uniform())),
        pen=float(lot.uniform(-1.5, 0.6)),
        angle=float(lot.uniform(-10, 10)),
        light_on_dark=bool(lot.integers(2)),
        paper=float(lot.uniform(0.0, 0.25)),
        ink=float(lot.uniform(0.0, 0.35)),
        texture=float(lot.uniform(0.0, 0.03)),
        grain=float(lot.uniform(0.0, 0.02)),
        gradient=float(lot.uniform(0.0, 0.4)),
        light_from=float(lot.uniform(0, 360)),
        quality=int(lot.integers(40, 96)),
        noise=int(lot.integers(2**31)),
    )


def redraw(image: NDArray[np.uint8], how: Circumstances) -> bytes:
    """A JPEG of one image, `(28, 28)`, white on black, drawn again."""
    side = image.shape[0]
    width, height = (round(how.scale * side * times) for times in how.page)
    cover = _placed(_pen_drawn(image, how.pen), side, how, width, height)
    noise = np.random.default_rng(how.noise)
    paper, ink = (how.paper, 1 - how.ink) if how.light_on_dark else (1 - how.paper, how.ink)
    picture = paper + (ink - paper) * cover
    spots = noise.standard_normal((height // 8 + 2, width // 8 + 2)).astype(np.float32) * how.texture
    picture += np.asarray(Image.fromarray(spots).resize((width, height), Image.Resampling.BICUBIC))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    towards = np.deg2rad(how.light_from)
    along = (x * np.cos(towards) + y * np.sin(towards)) / (abs(np.cos(towards)) + abs(np.sin(towards)))
    picture *= 1 - how.gradient * (1 + along) / 2
    picture += noise.standard_normal((height, width), dtype=np.float32) * how.grain
    stream = io.BytesIO()
    Image.fromarray(np.rint(picture.clip(0, 1) * 255).astype(np.uint8)).save(stream, "JPEG", quality=how.quality)
    return stream.getvalue()


def _pen_drawn(image: NDArray[np.uint8], pen: float) -> NDArray[np.float32]:
    """How deep in the ink each point lies, in pixels of MNIST, on a grid `FINE` times as fine; outside below 0."""
    side = image.shape[0] * FINE
    grey = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    shape = grey > 127
    depth = ndimage.distance_transform_edt(shape) - ndimage.distance_transform_edt(~shape)
    depth = depth / FINE + pen
    if pen < 0:  # no line is rubbed out
        coarse = skeleton(shape[::2, ::2])
        line = THINNEST_PEN - 2 * ndimage.distance_transform_edt(~coarse) / FINE
        depth = np.maximum(depth, np.kron(line, np.ones((2, 2))))
    return depth.astype(np.float32)


def _placed(depth: NDArray[np.float32], side: int, how: Circumstances, width: int, height: int) -> NDArray[np.float32]:
    """How much of each pixel of the page is inked, 0 to 1."""
    centre = [place * (size - how.scale * side) + how.scale * side / 2
              for place, size in zip(how.place, (width, height), strict=True)]  # fmt: skip
    turn = np.deg2rad(how.angle)
    a, b = np.cos(turn) * FINE / how.scale, np.sin(turn) * FINE / how.scale
    middle = side * FINE / 2
    matrix = (a, b, middle - a * centre[0] - b * centre[1], -b, a, middle + b * centre[0] - a * centre[1])
    source = Image.fromarray(depth + 100)  # what lies beyond the square is filled with 0: very far from ink
    moved = np.asarray(source.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))
    return ((moved - 100) * how.scale + 0.5).clip(0, 1)


def skeleton(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle lines of a shape, one pixel wide and as connected as it is.

    Source: T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27 (1984).
    """
    p = np.pad(shape, 1)
    while True:
        before = np.count_nonzero(p)
        for first in (True, False):
            around = [
                p[:-2, 1:-1],
                p[:-2, 2:],
                p[1:-1, 2:],
                p[2:, 2:],
                p[2:, 1:-1],
                p[2:, :-2],
                p[1:-1, :-2],
                p[:-2, :-2],
            ]
            n, e, s, w = around[0], around[2], around[4], around[6]
            filled = np.sum(around, axis=0)
            turns = np.sum([~a & b for a, b in zip(around, [*around[1:], around[0]], strict=True)], axis=0)
            gone = (filled >= 2) & (filled <= 6) & (turns == 1)
            gone &= ~(n & e & s) & ~(e & s & w) if first else ~(n & e & w) & ~(n & s & w)
            p[1:-1, 1:-1] &= ~gone
        if np.count_nonzero(p) == before:
            return p[1:-1, 1:-1]
