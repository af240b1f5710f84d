"""A picture from outside: a file, the bytes of one, or an array, as colours on white, upright and not too large.

Everything that can be wrong with a file is found here and said in one sentence. Pixels are counted before they are
decoded, and a large picture is made smaller band by band, so memory stays bounded whatever is handed in.
"""

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handgrad.errors import HandgradError
from handgrad.files import reason

if TYPE_CHECKING:
    from PIL import Image

Colours = NDArray[np.uint8]
"""`(height, width, 3)`: red, green and blue, 0 to 255."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})

MOST_PIXELS = 64_000_000
"""More than the camera of a telephone gives; they are counted before anything is decoded."""

MOST_BYTES = 256 * 2**20

WORKING_SIDE = 1024
"""Pixels of the longer side, at most, of what the other steps see of a large picture, and more than half of it."""

_BAND = 256
"""Rows that are converted at once."""

_OTHERS = (
    (slice(0, 3), b"GIF", "a GIF"),
    (slice(0, 4), b"%PDF", "a PDF"),
    (slice(4, 12), b"ftypheic", "a HEIC photo"),
    (slice(4, 12), b"ftypheix", "a HEIC photo"),
    (slice(4, 12), b"ftyphevc", "a HEIC photo"),
    (slice(4, 12), b"ftypmsf1", "a HEIF photo"),
    (slice(4, 12), b"ftypmif1", "a HEIF photo"),
    (slice(4, 12), b"ftypavif", "an AVIF picture"),
    (slice(0, 4), b"<svg", "an SVG drawing"),
    (slice(0, 5), b"<?xml", "an SVG drawing or other XML"),
)
"""Where which bytes stand in files that people take for pictures that can be read here."""

_SAVE = "save it as PNG or JPEG"


def read(source: "str | os.PathLike[str] | bytes | Image.Image | ArrayLike", name: str = "what was given") -> Colours:
    """The colours of a picture: upright as its EXIF data says, what is transparent on white, not too large.

    Args:
        source: a file's name, a file's bytes, a Pillow image, or what NumPy can make an array of.
        name: what a sentence calls bytes that cannot be read.

    Raises:
        HandgradError: it cannot be read as one picture; says why.
    """
    if isinstance(source, (str, os.PathLike)):
        return _read_file(Path(source))
    if isinstance(source, bytes):
        return _read_stream(io.BytesIO(source), name, source[:16])
    if hasattr(source, "getexif"):  # a Pillow image, whose module need not be loaded to know it
        image: Any = source
        return _decode(image, "the image")
    return from_array(source)


def from_array(array: ArrayLike) -> Colours:
    """The colours of an array: `(h, w)` or `(h, w, 1)` grey, `(h, w, 3)` colours, 2 or 4 with alpha; or 784 numbers.

    Numbers from 0 to 1 are brightness. Where any is above 1, the largest is full brightness; where any is below 0, the
    smallest is black too. So 0 to 255, 0 to 16 and -1 to 1 all work.

    Raises:
        HandgradError: it is no such array, or its numbers are not finite.
    """
    try:
        numbers = np.asarray(array)
    except (TypeError, ValueError, OverflowError) as error:
        raise HandgradError("what was given is no picture: hand in a file's name or an array of numbers") from error
    if numbers.dtype.kind not in "biuf":
        raise HandgradError(f"a picture is an array of numbers, not of {numbers.dtype}")
    shape = numbers.shape
    if numbers.ndim == 1 and numbers.size == 784:
        numbers = numbers.reshape(28, 28)
    while numbers.ndim > 2 and len(numbers) == 1:
        numbers = numbers[0]
    if numbers.ndim == 2:
        numbers = numbers[:, :, None]
    if numbers.ndim != 3 or not 1 <= numbers.shape[2] <= 4 or not numbers.size:
        raise HandgradError(
            f"a picture is an array of height x width, or height x width x colours, not of shape {shape}"
        )
    _check_size(numbers.shape[1], numbers.shape[0], "the array")
    low, high = float(numbers.min()), float(numbers.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise HandgradError("the array holds numbers that are not finite; a picture has none")
    low, high = min(low, 0.0), max(high, 1.0)
    return _decode(_as_image(numbers, low, high), "the array")


def _as_image(numbers: NDArray[Any], low: float, high: float) -> "Image.Image":
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    height, width, depth = numbers.shape
    pixels = np.empty((height, width, depth), np.uint8)
    for begin in range(0, height, _BAND):
        # Halved, so that not even the largest floats overflow on the way.
        band = numbers[begin : begin + _BAND].astype(np.float64) / 2
        band -= low / 2
        band /= high / 2 - low / 2
        pixels[begin : begin + _BAND] = np.rint(band * 255)
    mode = ("L", "LA", "RGB", "RGBA")[depth - 1]
    return Image.fromarray(pixels[:, :, 0] if depth == 1 else pixels, mode)


def _read_file(path: Path) -> Colours:
    try:
        if path.is_dir():
            raise HandgradError(f"{path} is a folder, not a picture")
        if not path.exists():
            raise HandgradError(f"there is no picture {path}")
        if not path.is_file():
            raise HandgradError(f"{path} is no file; give a picture")
        with path.open("rb") as stream:
            start = stream.read(16)
            stream.seek(0)
            return _read_stream(stream, str(path), start)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte in it
        why = reason(error) if isinstance(error, OSError) else str(error).lower()
        raise HandgradError(f"cannot read {path}: {why}") from error


def _read_stream(stream: Any, name: str, start: bytes) -> Colours:  # noqa: ANN401 - a file or what acts as one
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - imported late: `handgrad --help` does without

    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if size == 0:
        raise HandgradError(f"{name} is empty: it holds no picture")
    if size > MOST_BYTES:
        raise HandgradError(f"{name} has {size / 2**20:,.0f} MiB, and {MOST_BYTES // 2**20} are the most; {_SAVE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful tag is no reason not to look at the pixels
            with Image.open(stream, formats=FORMATS) as image:
                _check_size(*image.size, name)
                image.draft(None, (WORKING_SIDE, WORKING_SIDE))  # a JPEG can be decoded at an eighth of its size
                return _decode(image, name)
    except (HandgradError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        kind = next((kind for place, magic, kind in _OTHERS if start[place] == magic), None)
        if kind:
            raise HandgradError(f"{name} is {kind}, which is not read here; {_SAVE}") from error
        raise HandgradError(f"{name} is no picture: neither PNG, JPEG, WebP, TIFF nor BMP") from error
    except Image.DecompressionBombError as error:
        raise HandgradError(f"{name} has far more than {MOST_PIXELS:,} pixels; make it smaller") from error
    except Exception as error:  # what opens a damaged file raises whatever it stumbles over
        raise HandgradError(_damaged(name)) from error


def _decode(image: "Image.Image", name: str) -> Colours:
    try:
        _check_size(*image.size, name)
        _check_single(image, name)
        return _flattened(_upright(_reduced(image), image))
    except (HandgradError, MemoryError):
        raise
    except Exception as error:  # likewise for what decodes one
        raise HandgradError(_damaged(name)) from error


def _damaged(name: str) -> str:
    return f"{name} is damaged or cut off, so that its pixels cannot be read; {_SAVE} again"


def _check_single(image: "Image.Image", name: str) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a telephone's JPEG with a second view behind the photo
        what = "pages" if image.format == "TIFF" else "frames"
        raise HandgradError(f"{name} holds {frames} {what}, and one picture is read; save the one you mean as PNG")


def _check_size(width: int, height: int, name: str) -> None:
    if not width or not height:
        raise HandgradError(f"{name} is {width:,}x{height:,} pixels: nothing to read")
    if width * height > MOST_PIXELS:
        raise HandgradError(f"{name} is {width:,}x{height:,} pixels, and {MOST_PIXELS:,} are the most; make it smaller")


def _upright(small: "Image.Image", image: "Image.Image") -> "Image.Image":
    """Turn the picture as its EXIF data says that the camera was held."""
    from PIL import ExifTags, Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - EXIF data that cannot be understood says nothing
        return small
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return small if turn is None else small.transpose(turn)


def _reduced(image: "Image.Image") -> "Image.Image":
    """Make a large picture smaller by averaging whole squares of pixels, band by band, as RGB or RGBA."""
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    image.load()
    wide = image.mode.startswith(("I", "F"))
    low, high = (0.0, 1.0)
    if wide:
        low, high = _range(image)
    factor = -(-max(image.size) // WORKING_SIDE)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    width, height = image.size
    small = Image.new(mode, (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _BAND // factor)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        if wide:
            band = _as_image(np.asarray(band)[:, :, None], low, high)
        if band.mode == "LAB":
            band = band.getchannel(0)
        small.paste(band.convert(mode).reduce(factor), (0, top // factor))
    return small


def _range(image: "Image.Image") -> tuple[float, float]:
    """What is black and what is white in a picture of 16 or 32 bits."""
    numbers = np.asarray(image)
    low, high = float(numbers.min()), float(numbers.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise HandgradError("the picture holds numbers that are not finite")
    return min(low, 0.0), max(high, 1.0)


def _flattened(image: "Image.Image") -> Colours:
    """Lay what is transparent on white, or on black where all that is painted is nearly white itself."""
    from PIL import Image  # noqa: PLC0415 - imported late: `handgrad --help` does without

    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        painted = np.asarray(image.convert("L"))[alpha > 127]
        white_paint = painted.size and float(painted.mean()) > 230.0 and alpha.min() < 128
        ground = Image.new("RGBA", image.size, "black" if white_paint else "white")
        image = Image.alpha_composite(ground, image).convert("RGB")
    return np.asarray(image)
