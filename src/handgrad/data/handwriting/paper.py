"""What is paper and what is ink, in a picture whose colours, light and grain are its own affair.

Ink is what differs from the paper around it. So the paper is guessed first: which of the two is lighter from the border
of the picture, how bright it is at each place from the picture without anything as narrow as a stroke. What remains is
divided by it, and cut where the ink is half as strong as ink is in this picture.
"""

from dataclasses import dataclass
from math import gcd
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.handwriting import window
from handgrad.data.handwriting.picture import Colours
from handgrad.data.handwriting.pieces import Mask
from handgrad.data.handwriting.window import Grey

LEAST_SIDE = 128
"""Pixels of the longer side below which a picture is enlarged, so that a window has something to see."""

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601)."""

_CLEARER = 1.5
"""So many times as much contrast must one colour alone have to be taken instead of brightness."""

_LEAST_SQUARES, _EDGES = 8, 0.25
"""No digit is drawn with fewer squares on the longer side, or with edges on fewer lines of their grid."""

_STROKES = (0.1, 0.2, 0.4, 0.6)
"""Of the longer side of the picture: how wide strokes may be; what is wider still is light and shadow."""

_MORE = 1.1
"""So many times as much ink must a wider window find to be believed."""

_COARSE_SIDE = 256
"""Pixels of the longer side in which the paper is looked for."""

_DARKEST_PAPER = 0.25
_LEAST_CONTRAST = 0.1
"""Of the paper's brightness: what differs less is the paper itself."""

_GRAIN = 6.0
"""So many standard deviations of the paper's grain must ink differ from it."""

_EDGE = 0.5
"""Where a stroke ends, of the strength of the ink."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """What was found on the paper.

    Attributes:
        strength: `(height, width)`: 0 paper, 1 ink.
        mask: where it is ink.
        even: the picture with dark ink on white paper under even light, for looking at.
        light_on_dark: whether the ink is lighter than the paper.
    """

    strength: Grey
    mask: Mask
    even: Grey
    light_on_dark: bool


def grey_of(colours: Colours) -> Grey:
    """How bright each pixel looks, 0 to 1; or its red, green or blue, where only that tells ink from paper."""
    red, green, blue = (colours[:, :, i] for i in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.divide(red, 255, dtype=np.float32)
    channels = [np.divide(channel, 255, dtype=np.float32) for channel in (red, green, blue)]
    luma = np.zeros_like(channels[0])
    for share, channel in zip(LUMA, channels, strict=True):
        luma += np.float32(share) * channel
    spreads = [_spread(shade) for shade in (luma, *channels)]
    best = int(np.argmax(spreads))
    return channels[best - 1] if spreads[best] > _CLEARER * spreads[0] else luma


def unsquared(colours: Colours) -> Colours:
    """The picture before each pixel was enlarged to a square, or the picture itself where none was.

    Squares of one size are known by their edges: all lie on one grid, and many lines of the grid have some.
    """
    side, count = gcd(*colours.shape[:2]), 0
    for lines in (colours, colours.swapaxes(0, 1)):
        changes = np.flatnonzero((lines[1:] != lines[:-1]).any(axis=(1, 2))) + 1
        side, count = gcd(side, *changes.tolist()), count + len(changes)
    height, width = colours.shape[:2]
    if side == 1 or count < _EDGES * (height + width) / side or max(height, width) < _LEAST_SQUARES * side:
        return colours
    return colours[::side, ::side]


def enlarged(grey: Grey) -> Grey:
    """The picture itself, or a smooth enlargement of one that is small."""
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    height, width = grey.shape
    factor = -(-LEAST_SIDE // max(height, width))
    if factor == 1:
        return grey
    size = (width * factor, height * factor)
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)


def find_ink(grey: Grey) -> Ink | None:
    """Find the ink, or None where there is none.

    The paper is looked for with a narrow window first, which even a sharp shadow does not disturb. Where a window twice
    as wide finds more ink, the strokes were wider than the first one.
    """
    smooth = window.mean(grey, 3)
    light = light_of(smooth)
    light_on_dark = is_light_on_dark(smooth, light)
    # What is written darkly takes a share of the light; chalk on a board adds to the little that there is.
    even: Grey = np.asarray(1 - (smooth - light) if light_on_dark else smooth / np.maximum(light, _DARKEST_PAPER))
    found: Ink | None = None
    for share in _STROKES:
        wider = _ink_under(even, paper_under(even, share), light_on_dark)
        if found and wider and np.count_nonzero(wider.mask) <= _MORE * np.count_nonzero(found.mask):
            return found
        found = wider or found
    return found


def _ink_under(even: Grey, paper: Grey, light_on_dark: bool) -> Ink | None:
    darkness = _darkness(even, paper)
    middle, grain = _paper_of(darkness)
    darkness -= np.float32(middle)
    strong = _strongest(darkness)
    if strong < max(_LEAST_CONTRAST, _GRAIN * grain):
        return None
    level = _quantile(darkness[darkness > strong / 2], 0.5)
    strength = (darkness / np.float32(level)).clip(0, 1)
    mask = strength > max(_EDGE, _GRAIN / 2 * grain / level)
    return Ink(strength, mask, (1 - darkness).clip(0, 1), light_on_dark)


def _darkness(grey: Grey, paper: Grey) -> Grey:
    """The share of the paper's light that is missing."""
    missing: Grey = np.divide(paper - grey, np.maximum(paper, _DARKEST_PAPER), dtype=np.float32)
    return missing


def light_of(grey: Grey) -> Grey:
    """How bright the picture would be without ink, as its border goes on inside: a slope, and a fall to the corners.

    It is the surface with the least sum of distances from the border, found by weighting squares again and again, which
    a digit that touches the border cannot tilt.
    """
    height, width = grey.shape
    step = max(1, max(height, width) // 128)
    coarse = grey[::step, ::step]
    surface = _surface(*coarse.shape)
    ring = np.maximum(np.abs(surface[:, 1]), np.abs(surface[:, 2])) > 0.94
    seen, values = surface[ring], coarse.ravel()[ring].astype(np.float64)
    weights = np.ones(len(values))
    fitted: NDArray[np.floating] = np.zeros(surface.shape[1])
    for _ in range(8):
        # The normal equations are four by four; BLAS would wake all its threads for the border itself.
        fitted = np.linalg.lstsq((seen.T * weights) @ seen, (seen.T * weights) @ values, rcond=None)[0]
        weights = 1 / np.maximum(np.abs(values - seen @ fitted), 0.01)
    constant, x, y, fall = (np.float32(share) for share in fitted)
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32) for n in grey.shape)
    light: Grey = (constant + y * rows + fall * rows**2)[:, None] + (x * columns + fall * columns**2)
    return light.clip(0, 1)


def is_light_on_dark(grey: Grey, light: Grey) -> bool:
    """Whether most of what differs from the light is lighter than it."""
    step = max(1, max(grey.shape) // 128)
    rest = (grey - light)[::step, ::step].astype(np.float64)
    return bool((rest**3).sum() > 0)


def _surface(height: int, width: int) -> NDArray[np.float64]:
    """1, x, y and x² + y² at each point of a grid from -1 to 1, `(height * width, 4)`."""
    rows, columns = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in (height, width))
    y, x = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
    return np.stack([np.ones_like(x), x, y, x * x + y * y], axis=1)


def paper_under(grey: Grey, share: float) -> Grey:
    """How bright the paper is where the ink is darker: the picture with all dark closed that is narrower than `share`.

    Paper changes slowly, so that a coarse picture is enough: the brightest pixel of each square.
    """
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    height, width = grey.shape
    step = -(-max(height, width) // _COARSE_SIDE)
    coarse = _brightest(_brightest(grey, step).T, step).T
    wide = int(share * max(coarse.shape)) | 1
    closed = window.smallest(window.largest(coarse, wide), wide)
    closed = np.minimum(closed, window.mean(closed, wide // 4 | 1))  # smooth, and no shine on a shadow's edge
    box = (0, 0, width / step, height / step)
    return np.asarray(Image.fromarray(closed).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _brightest(grey: Grey, step: int) -> Grey:
    """Of every `step` rows, and of those left over at the end, the largest value in each column."""
    found = grey[::step].copy()
    for i in range(1, step):
        rows = grey[i::step]
        np.maximum(found[: len(rows)], rows, out=found[: len(rows)])
    return found


def _strongest(darkness: Grey) -> float:
    """How dark the darkest few pixels are: 8, or one in 5,000."""
    few = min(darkness.size, max(8, darkness.size // 5000))
    darkest = darkness[darkness > 0.7 * float(darkness.max())]  # few enough to be sorted, and mostly enough
    if len(darkest) < few:
        darkest = darkness.ravel()
    return float(np.partition(darkest, len(darkest) - few)[len(darkest) - few])


def _paper_of(darkness: Grey) -> tuple[float, float]:
    """Mean and standard deviation of the paper's own darkness, as if normal, from the lightest third of the picture.

    Two thirds of it may be ink, as where a thick digit was cut out closely.
    """
    some = darkness[:: max(1, len(darkness) // 256)]
    low, high = _quantile(some, 0.05), _quantile(some, 0.3)
    deviation = (high - low) / 1.1204  # between these quantiles lie 1.1204 standard deviations,
    return high + 0.5244 * deviation, deviation  # and 0.5244 between the higher one and the mean


def _spread(shade: Grey) -> float:
    some = shade[:: max(1, len(shade) // 256)]
    return _quantile(some, 0.998) - _quantile(some, 0.002)


def _quantile(values: NDArray[np.floating], share: float) -> float:
    """The value that this share of all lies below; `np.quantile` would load all of `numpy.ma`."""
    place = int(share * (values.size - 1))
    return float(np.partition(values, place, axis=None)[place])
