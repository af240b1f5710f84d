"""The steps from a picture to what the network saw, laid out to be looked at."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handgrad.cli.predict import percent
from handgrad.plots import Panel, steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from handgrad.reading import Page, Reading


def strip_of(page: "Page", name: str) -> "Figure":
    """Draw the strip: what was done to the picture, then to each digit on it, which gets a row of its own."""
    from handgrad.data.handwriting.frame import LONG_SIDE, SIDE, stroke_width

    prepared, made = page.prepared, str(page.normalization)
    height, width = prepared.colours.shape[:2]
    whole = [Panel("picture", f"{width} x {height}, upright", prepared.colours)]
    rows = [whole]
    subtitle = "nothing is drawn here"
    if page.readings:
        subtitle = "read as " + " ".join(str(reading.digit) for reading in page.readings)
    if prepared.ink is None and page.readings:
        whole.append(_seen(page.readings[0], f"already as MNIST's,\n{f'made {made}' if made else 'left as it is'}"))
        return steps(rows, name, subtitle)
    whole.append(Panel("grey", "as bright as it looks", _bytes(prepared.grey)))
    if prepared.ink is not None:
        turned = "light on dark, turned" if prepared.ink.light_on_dark else "dark on light"
        whole.append(Panel("even light", f"{turned};\nthe paper made white", _bytes(prepared.ink.even)))
        count = {0: "specks only", 1: "one digit"}.get(len(prepared.digits), f"{len(prepared.digits)} digits")
        inked = _bytes(1 - prepared.ink.strength * prepared.ink.mask)
        whole.append(Panel("ink", f"{count} in a box", inked, prepared.boxes))
    where = f",\n{made}" if made else f"\nof {SIDE} x {SIDE}"
    for i, (digit, glyph, reading) in enumerate(zip(prepared.digits, prepared.glyphs, page.readings, strict=True)):
        before = stroke_width(digit.mask) * LONG_SIDE / max(digit.mask.shape)
        after = stroke_width(glyph) * LONG_SIDE / max(glyph.shape)
        high, wide = digit.mask.shape
        row = [
            Panel("cut out", f"{wide} x {high},\nstrokes of {before:.1f} in {LONG_SIDE}", _bytes(1 - digit.strength)),
            Panel("stroke width", f"strokes of {after:.1f} in {LONG_SIDE}", _bytes(~glyph)),
            _seen(reading, "its mass in the middle" + where),
        ]
        if i == 0:
            whole += row
        else:
            rows.append(row)
    return steps(rows, name, subtitle)


def _seen(reading: "Reading", caption: str) -> Panel:
    return Panel(f"read: {reading.digit}, {percent(reading.confidence).strip()}", caption, reading.image)


def _bytes(share: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.uint8]:
    """0 to 1 as 0 to 255."""
    pixels: NDArray[np.uint8] = np.rint(np.asarray(share, np.float32).clip(0, 1) * 255).astype(np.uint8)
    return pixels
