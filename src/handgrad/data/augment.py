"""Digits as another hand might have written them: turned, stretched, slanted, moved and bent, a little and at random.

Each image gets a field that says, for each pixel of the new image, where in the old one to look. All of the field is
linear in a few random numbers, so it is one matrix product for a whole block of images; and all of it is read by one
bilinear interpolation. The warps of update t are a function of the seed and t alone: a run that is taken up again, or
that warps ahead of its updates, sees the same images.
"""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad.errors import UsageError

BLOCK = 32
"""Images warped together: few enough for the processor's cache, many enough for a matrix product."""

_FAINT = 0.02
"""Cosines that smoothing leaves less than this part of are left out of elastic fields: 0.1% of their power."""

_DRAWS = 6
"""Numbers that fix the affine part of a warp: an angle, two scales, a slant, two shifts."""


@final
class Warps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far images are warped. Affine parts are drawn evenly from ± their range; all zero is no warp at all.

    Attributes:
        rotation: degrees, either way.
        scale: of width and of height, each by itself, as a share of 1.
        shear: pixels sideways for each pixel down.
        shift: pixels, along each axis.
        elastic: pixels; the standard deviation of each pixel's own displacement along each axis.
        smoothness: pixels; the width (sigma) of the Gaussian that smooths the random displacements.
        ease: the share of the run, at its end, in which all ranges shrink to `eased` of themselves.
        eased: what is left of the ranges with the last update.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    smoothness: float = 5.0
    ease: float = 0.0
    eased: float = 0.5

    def __post_init__(self) -> None:
        """Refuse impossible ranges.

        Raises:
            UsageError: naming the range, its value, and what it may be.
        """
        for field, (least, most) in _RANGES.items():
            value = getattr(self, field)
            if not least <= value <= most:
                raise UsageError(f"augment.{field} = {value}: it is a number from {least:g} to {most:g}")

    @property
    def active(self) -> bool:
        """Whether anything is warped."""
        return any((self.rotation, self.scale, self.shear, self.shift, self.elastic))

    def strength(self, progress: float) -> float:
        """Give the factor of all ranges when `progress`, 0..1, of a run is done."""
        begun = progress - (1.0 - self.ease)
        return 1.0 if begun <= 0.0 else 1.0 - (1.0 - self.eased) * min(begun / self.ease, 1.0)


_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "rotation": (0.0, 180.0),
        "scale": (0.0, 0.9),
        "shear": (0.0, 2.0),
        "shift": (0.0, 100.0),
        "elastic": (0.0, 100.0),
        "smoothness": (1.0, 100.0),
        "ease": (0.0, 1.0),
        "eased": (0.0, 1.0),
    }
)

PRESETS: Mapping[str, Warps] = MappingProxyType(
    {
        "none": Warps(),
        "mild": Warps(rotation=12.0, scale=0.12, shear=0.2, shift=1.5, elastic=0.8),
        "strong": Warps(rotation=15.0, scale=0.15, shear=0.25, shift=2.0, elastic=1.3),
    }
)
"""What a recipe may call by its name."""


@final
class Warper:
    """Warps chosen images into rows of floats, in memory that it owns."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        image_shape: tuple[int, int],
        white: int,
        warps: Warps,
        seed: int | np.random.SeedSequence,
    ) -> None:
        """Prepare for these images.

        Args:
            images: `(n, height * width)`.
            image_shape: `(height, width)` in pixels.
            white: the pixel value that becomes 1.0.
            warps: how far to warp.
            seed: fixes every warp.
        """
        height, width = image_shape
        self._warps = warps
        self._scale = 1.0 / white
        sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._key = sequence.generate_state(2, np.uint64)

        # A frame of zeros, one pixel before and two behind: what lies outside is empty, and no index needs a check.
        self._pitch = width + 3
        self._cells = (height + 3) * self._pitch
        framed = np.zeros((len(images), height + 3, self._pitch), np.uint8)
        framed[:, 1 : height + 1, 1 : width + 1] = images.reshape(-1, height, width)
        self._framed = framed.reshape(len(images), self._cells)
        self._last = (width + 1.0, height + 1.0)
        self._centre = ((width - 1) / 2, (height - 1) / 2)

        self._basis = _basis(height, width, warps)
        self._modes = len(self._basis) - 3
        pixels, rows = height * width, (BLOCK, height * width)
        self._pixels = np.empty((BLOCK, self._cells), np.uint8)
        self._values = np.empty(BLOCK * self._cells, np.float32)
        self._steps = np.zeros(BLOCK * self._cells, np.float32)  # to the neighbour on the right
        self._starts = (np.arange(BLOCK, dtype=np.float32) * self._cells)[:, None]
        self._field = np.empty((2, BLOCK, pixels), np.float32)
        self._whole = np.empty((2, BLOCK, pixels), np.float32)
        self._places = np.empty(rows, np.intp)
        self._above, self._across, self._below, self._rise = (np.empty(rows, np.float32) for _ in range(4))
        self._batches: dict[int, _Numbers] = {}

    def warp(
        self, indices: NDArray[np.integer[Any]], update: int, out: NDArray[np.floating[Any]], strength: float = 1.0
    ) -> None:
        """Overwrite `out`, `(len(indices), pixels)`, with the images at `indices`, each warped anew.

        Args:
            indices: each in `0 .. n - 1`.
            update: which warps: the same number gives the same ones, for as many images.
            out: rows of floats.
            strength: the factor of all ranges.
        """
        n = len(indices)
        numbers = self._batches.get(n)
        if numbers is None:
            numbers = self._batches[n] = _Numbers(n, self._modes)
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=update << 64))
        numbers.draw(generator, self._warps, strength, self._centre)
        for begin in range(0, n, BLOCK):
            rows = slice(begin, min(begin + BLOCK, n))
            self._block(indices[rows], numbers.coefficients[:, rows], out[rows])

    def _block(
        self,
        indices: NDArray[np.integer[Any]],
        coefficients: NDArray[np.float32],
        out: NDArray[np.floating[Any]],
    ) -> None:
        n = len(indices)
        cells = n * self._cells
        pixels, values, steps = self._pixels[:n], self._values[:cells], self._steps[:cells]
        np.take(self._framed, indices, axis=0, out=pixels, mode="clip")
        values[...] = pixels.reshape(-1)
        values *= self._scale
        np.subtract(values[1:], values[:-1], out=steps[:-1])

        (x, y), (whole_x, whole_y) = self._field[:, :n], self._whole[:, :n]
        for axis, whole, own, last in ((x, whole_x, coefficients[0], 0), (y, whole_y, coefficients[1], 1)):
            np.dot(own, self._basis, out=axis)
            np.clip(axis, 0.0, self._last[last], out=axis)
            np.floor(axis, out=whole)
            np.subtract(axis, whole, out=axis)  # what is left: how far on towards the next pixel
        whole_y *= self._pitch
        whole_y += whole_x
        whole_y += self._starts[:n]
        places = self._places[:n]
        places[...] = whole_y

        above, across, below, rise = self._above[:n], self._across[:n], self._below[:n], self._rise[:n]
        np.take(values, places, out=above, mode="clip")
        np.take(steps, places, out=across, mode="clip")
        np.take(values[self._pitch :], places, out=below, mode="clip")
        np.take(steps[self._pitch :], places, out=rise, mode="clip")
        across *= x
        above += across
        rise *= x
        below += rise
        below -= above
        below *= y
        np.add(above, below, out=out)


@final
class _Numbers:
    """The random numbers of one batch of n images, and what they come to.

    Attributes:
        coefficients: of the rows of the basis, `(2, n, 3 + modes)`: for where to look along x, and along y.
    """

    def __init__(self, n: int, modes: int) -> None:
        self.coefficients = np.empty((2, n, 3 + modes), np.float32)
        self._even = np.empty((_DRAWS, n), np.float32)
        self._normal = np.empty((2, n, modes), np.float32)
        self._trigonometry = np.empty((3, n), np.float32)

    def draw(self, generator: np.random.Generator, warps: Warps, strength: float, centre: tuple[float, float]) -> None:
        """Draw each image's field.

        Where to look, from the centre, is R H S p + shift with R a rotation, H = [[1, slant], [0, 1]] and S =
        diag(1 / scale_x, 1 / scale_y): digits that are looked at in smaller steps come out larger.
        """
        generator.random(out=self._even, dtype=np.float32)
        generator.standard_normal(out=self._normal, dtype=np.float32)
        self._even -= 0.5
        self._even *= 2.0 * strength
        angle, scale_x, scale_y, slant, shift_x, shift_y = self._even
        cosine, sine, product = self._trigonometry
        angle *= math.radians(warps.rotation)
        np.cos(angle, out=cosine)
        np.sin(angle, out=sine)
        for scale in (scale_x, scale_y):
            scale *= warps.scale
            scale += 1.0
            np.reciprocal(scale, out=scale)
        slant *= warps.shear

        (x, y), (middle_x, middle_y) = self.coefficients, centre
        np.multiply(shift_x, warps.shift, out=x[:, 0])
        np.multiply(shift_y, warps.shift, out=y[:, 0])
        x[:, 0] += middle_x + 1.0  # the frame's pixel comes first
        y[:, 0] += middle_y + 1.0
        np.multiply(cosine, scale_x, out=x[:, 1])
        np.multiply(sine, scale_x, out=y[:, 1])
        np.multiply(cosine, slant, out=product)
        product -= sine
        np.multiply(product, scale_y, out=x[:, 2])
        np.multiply(sine, slant, out=product)
        product += cosine
        np.multiply(product, scale_y, out=y[:, 2])
        np.multiply(self._normal, warps.elastic * strength, out=self.coefficients[:, :, 3:])


def _basis(height: int, width: int, warps: Warps) -> NDArray[np.float32]:
    """The rows whose weighted sum is a field, `(3 + modes, height * width)`: one, x, y, and smooth random fields.

    A Gaussian of width s turns noise into smooth displacements (Simard, Steinkraus and Platt 2003, sec. 2). In the
    cosines that suit an image's edges (the discrete cosine transform) that is a product: noise is as white there, and
    the cosine of frequency w is left exp(-s^2 w^2 / 2) of itself. So a few cosines with random weights are smoothed
    noise; each pixel's variance is then made 1.
    """
    y, x = (axis.ravel() for axis in np.mgrid[0:height, 0:width])
    rows = [np.ones(height * width), x - (width - 1) / 2, y - (height - 1) / 2]
    modes = [*_cosines(x, y, height, width, warps.smoothness)] if warps.elastic else []
    if modes:
        deviation = np.sqrt(np.square(modes).sum(axis=0))
        rows += [mode / deviation for mode in modes]
    return np.ascontiguousarray(rows, dtype=np.float32)


def _cosines(
    x: NDArray[np.intp], y: NDArray[np.intp], height: int, width: int, smoothness: float
) -> Iterator[NDArray[np.float64]]:
    for i in range(height):
        for j in range(width):
            across, down = math.pi * j / width, math.pi * i / height
            left = math.exp(-0.5 * smoothness**2 * (across**2 + down**2))
            if left >= _FAINT:
                norm = math.sqrt((1 + (i > 0)) * (1 + (j > 0)))
                yield left * norm * np.cos(across * (x + 0.5)) * np.cos(down * (y + 0.5))
