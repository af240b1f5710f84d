"""What is paper and what is ink, in a picture whose colours, light and grain are its own affair.

Ink is what differs from the paper around it. So the paper is guessed first: which of the two is lighter from the border
of the picture, how bright it is at each place from the picture without anything as narrow as a stroke. What remains is
divided by it, and cut where the ink is half as strong as ink is in this picture.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

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

_WIDEST_STROKE = 0.3
"""Of the longer side of the picture: what is wider in both directions is light and shadow, not ink."""

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
    channels = np.moveaxis(colours, 2, 0).astype(np.float32) / 255
    if not (colours == colours[:, :, :1]).all():
        shades = [np.tensordot(np.array(LUMA, np.float32), channels, 1), *channels]
        spreads = [_spread(shade) for shade in shades]
        best = int(np.argmax(spreads))
        shade: Grey = shades[best if spreads[best] > _CLEARER * spreads[0] else 0]
        return shade
    grey: Grey = channels[0]
    return grey


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
    """Find the ink, or None where there is none."""
    smooth = window.mean(grey, 3)
    light_on_dark = is_light_on_dark(smooth)
    if light_on_dark:
        smooth = np.subtract(np.float32(1), smooth)
    paper = paper_under(smooth)
    darkness = np.divide(paper - smooth, np.maximum(paper, _DARKEST_PAPER), dtype=np.float32)
    some = darkness[:: max(1, len(darkness) // 128)]  # enough for a median
    middle = float(np.median(some))  # of the paper, for most of a picture is paper
    grain = 1.4826 * float(np.median(np.abs(some - middle)))
    darkness -= middle
    strong = _strongest(darkness)
    if strong < max(_LEAST_CONTRAST, _GRAIN * grain):
        return None
    level = float(np.median(darkness[darkness > strong / 2]))
    strength = (darkness / np.float32(level)).clip(0, 1)
    mask = strength > max(_EDGE, _GRAIN / 2 * grain / level)
    return Ink(strength, mask, (1 - darkness).clip(0, 1), light_on_dark)


def is_light_on_dark(grey: Grey) -> bool:
    """Whether what stands out from the paper, as the border of the picture shows it, is lighter.

    The border's brightness is taken for a slope (a surface of degree two, so that uneven light is no ink), fitted three
    times, each time without what lies far off.
    """
    height, width = grey.shape
    step = max(1, max(height, width) // 128)
    coarse = grey[::step, ::step].astype(np.float64)
    rows, columns = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in coarse.shape)
    y, x = (a.ravel() for a in np.meshgrid(rows, columns, indexing="ij"))
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    values = coarse.ravel()
    ring = np.maximum(np.abs(x), np.abs(y)) > 0.94
    for _ in range(3):
        slope = np.linalg.lstsq(surface[ring], values[ring], rcond=None)[0]
        rest = values - surface @ slope
        off = np.abs(rest)
        ring &= off <= 2 * np.median(off[ring]) + 0.02
    return bool((rest**3).sum() > 0)


def paper_under(grey: Grey) -> Grey:
    """How bright the paper is at each place, where the ink is darker: the picture with every narrow dark thing closed.

    Paper changes slowly, so that a coarse picture is enough: the brightest pixel of each square.
    """
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    height, width = grey.shape
    step = -(-max(height, width) // _COARSE_SIDE)
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    coarse = np.maximum.reduceat(np.maximum.reduceat(grey, rows, axis=0), columns, axis=1)
    wide = int(_WIDEST_STROKE * max(coarse.shape)) | 1
    closed = window.mean(window.smallest(window.largest(coarse, wide), wide), wide // 4 | 1)
    box = (0, 0, width / step, height / step)
    return np.asarray(Image.fromarray(closed).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _strongest(darkness: Grey) -> float:
    """How dark the darkest few pixels are: 8, or one in 5,000."""
    few = min(darkness.size, max(8, darkness.size // 5000))
    return float(np.partition(darkness, darkness.size - few, axis=None)[darkness.size - few])


def _spread(shade: Grey) -> float:
    low, high = np.quantile(shade[:: max(1, len(shade) // 256)], (0.002, 0.998))
    return float(high - low)
