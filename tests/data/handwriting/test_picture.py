import errno
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handgrad.data.handwriting import picture
from handgrad.errors import HandgradError


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def drawn(seven):
    return Image.fromarray(seven())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_every_format_gives_the_same_picture(drawn, kind):
    options = {"quality": 95} if kind in {"JPEG", "WEBP"} else {}

    colours = picture.read(encoded(drawn.convert("RGB"), kind, **options))

    assert (200, 300, 3) == colours.shape
    assert np.abs(colours[:, :, 0].astype(float) - np.asarray(drawn)).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16", "LAB", "HSV"])
def test_every_mode_of_pillow_is_understood(drawn, mode):
    if mode in {"I", "F", "I;16"}:
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        image = Image.fromarray((np.asarray(drawn).astype(np.float64) * 257).astype(kind))
    elif mode == "LAB":
        image = Image.merge("LAB", (drawn, Image.new("L", drawn.size, 128), Image.new("L", drawn.size, 128)))
    else:
        image = drawn.convert("RGB").convert(mode)

    assert np.abs(picture.read(image)[:, :, 1].astype(float) - np.asarray(drawn)).max() <= 2


@pytest.mark.parametrize("bits", [8, 16])
def test_depth_makes_no_difference(drawn, bits):
    values = np.asarray(drawn).astype(np.uint16) * 257 if bits == 16 else np.asarray(drawn)

    assert np.array_equal(np.asarray(drawn), picture.read(encoded(Image.fromarray(values)))[:, :, 0])


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_never_hides_the_ink(ink, mode):
    image = Image.new("LA", (40, 40), (ink, 0))
    image.paste((ink, 255), (10, 10, 30, 30))
    if mode == "P":
        image = image.convert("RGBA").quantize(8)
    colours = picture.read(encoded(image.convert(mode) if mode != "P" else image))

    assert 255 == abs(int(colours[20, 20, 0]) - int(colours[2, 2, 0]))


def test_it_is_turned_as_the_camera_was_held(drawn):
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
        turned = drawn if back is None else drawn.transpose(Image.Transpose(back))
        colours = picture.read(encoded(turned, "JPEG", quality=95, exif=exif))
        assert (200, 300, 3) == colours.shape
        assert np.abs(colours[:, :, 0].astype(float) - np.asarray(drawn)).mean() < 2


def test_a_large_picture_is_made_smaller_evenly():
    slope = np.tile(np.linspace(0, 255, 3000).astype(np.uint8), (2501, 1))

    colours = picture.read(encoded(Image.fromarray(slope)))

    assert (834, 1000, 3) == colours.shape
    assert np.abs(colours[-1, :, 0].astype(float) - slope[0].reshape(1000, 3).mean(axis=1)).max() <= 1


def test_numbers_of_any_scale_are_the_same_picture(seven):
    pixels = seven()
    wanted = picture.from_array(pixels)
    kinds = (pixels / 255.0, pixels / 127.5 - 1, pixels.astype(np.uint16) * 257, pixels.astype(np.int64), pixels // 16)
    for array in (*kinds, pixels > 127, pixels[None, :, :], pixels[:, :, None], np.dstack([pixels] * 3)):
        assert np.abs(picture.from_array(array).astype(int) - wanted).max() <= 15
    assert (28, 28, 3) == picture.from_array(np.zeros(784)).shape
    assert (2, 2, 3) == picture.from_array([[0, 1], [1, 0]]).shape


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 0)), "shape (3, 0)"),
        (np.zeros((4, 4, 5)), "shape (4, 4, 5)"),
        (np.zeros((2, 2, 2, 2)), "shape (2, 2, 2, 2)"),
        (np.zeros(10), "shape (10,)"),
        (np.float64(3), "shape ()"),
        (np.full((4, 4), np.nan), "not finite"),
        (np.array([[np.inf, 0.0]]), "not finite"),
        (np.array([["a"]]), "not of <U1"),
        (np.array([[1j]]), "not of complex128"),
        (np.array([["2020"]], "datetime64[D]"), "not of datetime64[D]"),
        (None, "not of object"),
        ([[1], [1, 2]], "no picture"),
        (np.broadcast_to(np.uint8(0), (9000, 9000)), "9,000x9,000 pixels"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array, said):
    with pytest.raises(HandgradError) as refused:
        picture.read(array)

    assert said in str(refused.value)


def test_the_largest_floats_are_numbers_too():
    colours = picture.from_array(np.array([[-1e308, 1e308]]))

    assert [0, 255] == colours[0, :, 0].tolist()


def frames(kind):
    pages = [Image.new("L", (30, 30), shade) for shade in (0, 255)]
    return encoded(pages[0], kind, save_all=True, append_images=pages[1:])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "is no picture"),
        (b"GIF89a" + bytes(20), "is a GIF"),
        (b"%PDF-1.7" + bytes(20), "is a PDF"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "is a HEIC photo"),
        (b"\0\0\0\x18ftyphevc" + bytes(20), "is a HEIC photo"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing, which is not read here"),
        (b'<?xml version="1.0"?><svg/>', "is an SVG drawing or other XML"),
        (encoded(Image.new("L", (50, 50), 9))[:60], "damaged or cut off"),
        (encoded(Image.effect_noise((90, 90), 50), "JPEG")[:900], "damaged or cut off"),
        (frames("PNG"), "holds 2 frames"),
        (frames("WEBP"), "holds 2 frames"),
        (frames("TIFF"), "holds 2 pages"),
        (encoded(Image.new("1", (20_000, 20_000))), "pixels"),
        (encoded(Image.new("1", (9_000, 9_000))), "9,000x9,000 pixels"),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_picture_is_refused(tmp_path, content, said):
    file = tmp_path / "picture.png"
    file.write_bytes(content)

    for source in (file, str(file), content):
        with pytest.raises(HandgradError) as refused:
            picture.read(source)
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_caller_s_image_stays_as_it_was():
    with Image.open(io.BytesIO(encoded(Image.new("L", (4000, 3000), 255), "JPEG"))) as image:
        picture.read(image)

        assert (4000, 3000) == image.size
        assert (4000, 3000) == image.convert("L").size


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_an_image_without_pixels_is_refused(size):
    with pytest.raises(HandgradError, match=r"the image is \dx\d pixels: nothing to read"):
        picture.read(Image.new("L", size))


def test_a_name_is_said_as_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "Photo One.JPG"
    path.touch()

    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(HandgradError, match=r"^cannot read .*Photo One\.JPG: permission denied$"):
        picture.read(path)


@settings(max_examples=150)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP"]), st.data())
def test_a_file_with_wrong_bytes_is_read_or_refused(kind, data):
    content = bytearray(encoded(Image.linear_gradient("L").resize((20, 20)), kind))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, min(99, len(content) - 1)))] = data.draw(st.integers(0, 255))
    try:
        colours = picture.read(bytes(content))
    except HandgradError as error:
        text = str(error)
        assert text.startswith("what was given ")
    else:
        assert (3, 3) == (colours.ndim, colours.shape[2])


def test_a_place_without_a_file_is_refused(tmp_path):
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "x.png", "there is no picture"),
        ("a\0b", "cannot read|there is no"),
    ):
        with pytest.raises(HandgradError, match=said):
            picture.read(path)


def test_a_file_that_is_too_long_is_not_decoded(monkeypatch):
    monkeypatch.setattr(picture, "MOST_BYTES", 10)

    with pytest.raises(HandgradError, match="MiB"):
        picture.read(encoded(Image.new("L", (9, 9))))


def test_an_array_is_converted_a_band_at_a_time():
    array = np.zeros((4000, 4000), np.uint8)
    tracemalloc.start()
    picture.from_array(array)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 3 * array.nbytes > peak
