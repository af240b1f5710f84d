import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from handgrad.cli import pictures
from handgrad.cli.predict import can_be_drawn
from handgrad.cli.seen import bar, small_picture

BLANK = "nothing is drawn here"


@pytest.fixture(autouse=True)
def drawings(elsewhere: Path) -> Path:
    """Pictures in the folder in which commands run: a seven, three of them, a blank page, and a text file."""
    seven = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(seven).line([(100, 40), (180, 40), (140, 160)], fill=0, width=12, joint="curve")
    seven.save("seven.png")
    page = Image.new("L", (600, 200), 255)
    for left in (0, 120, 300):
        page.paste(seven.crop((80, 0, 200, 200)), (left, 0))
    page.save("page.jpg")
    Image.new("L", (90, 90), 255).save("blank.png")
    Path("text.png").write_text("hello")
    return elsewhere


def test_a_line_a_picture(handgrad):
    answer = handgrad("predict", "seven.png")

    assert (0, "") == (answer.code, answer.err)
    name, digit, confidence, *rest = answer.out.split()
    assert ["seven.png", "7", "then"] == [name, digit, rest[0]]
    assert confidence.endswith("%")
    assert 1 == answer.out.count("\n")


def test_the_rest_goes_on_after_one_that_fails(handgrad):
    answer = handgrad("predict", "text.png", "blank.png", "gone.png", "page.jpg", "seven.png")

    assert 1 == answer.code
    assert [
        "error: text.png is no picture: neither PNG, JPEG, WebP, TIFF nor BMP",
        "error: there is no picture gone.png",
    ] == answer.err.splitlines()
    lines = answer.out.splitlines()
    assert f"blank.png  -  {BLANK}" == lines[0]
    assert lines[1].startswith("page.jpg   -  more than one digit here, perhaps 777")
    assert lines[2].startswith("seven.png  7 ")


def test_a_number(handgrad):
    answer = handgrad("predict", "--number", "page.jpg")

    assert 0 == answer.code
    assert ["page.jpg", "777"] == answer.out.split()[:2]


def test_json_is_one_object_a_picture(handgrad):
    answer = handgrad("predict", "--json", "seven.png", "blank.png", "text.png")
    seven, blank, text = (json.loads(line) for line in answer.out.splitlines())

    assert (1, "") == (answer.code, answer.err)
    assert ("seven.png", 7, True) == (seven["picture"], seven["digit"], seven["sure"])
    assert seven["confidence"] == max(seven["probabilities"])
    assert seven["runner_up"]["confidence"] == sorted(seven["probabilities"])[-2]
    assert {"picture": "blank.png", "error": BLANK} == blank
    assert "no picture" in text["error"]

    number = json.loads(handgrad("predict", "--json", "--number", "page.jpg").out)
    assert ("777", [7, 7, 7]) == (number["number"], [digit["digit"] for digit in number["digits"]])


def test_folders_and_patterns_stand_for_their_pictures(handgrad):
    Path("many").mkdir()
    Path("none").mkdir()
    for name in ("b.png", "a.PNG", "c.txt"):
        Path("many", name).write_bytes(Path("seven.png").read_bytes())

    answer = handgrad("predict", "many", "s*.png")
    assert 0 == answer.code
    expected = [str(Path("many", "a.PNG")), str(Path("many", "b.png")), "seven.png"]
    assert expected == [line.split()[0] for line in answer.out.splitlines()]

    answer = handgrad("predict", "none", "x*.png", "nobody/*", "seven.png")
    assert 1 == answer.code
    assert 1 == len(answer.out.splitlines())
    assert [
        "error: the folder none holds no pictures (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp)",
        "error: no file matches x*.png",
        "error: no file matches nobody/*",
    ] == answer.err.splitlines()


def test_a_file_called_like_a_pattern_is_that_file(handgrad):
    Path("seven.png").rename("[7].png")

    assert handgrad("predict", "[7].png").out.startswith("[7].png  7 ")


class Stdin:
    def __init__(self, content: bytes, terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def test_a_picture_comes_through_stdin(handgrad, refused, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(Path("seven.png").read_bytes()))
    assert handgrad("predict", "-").out.startswith("stdin  7 ")

    monkeypatch.setattr(sys, "stdin", Stdin(b""))
    assert "stdin is empty" in refused(1, "predict", "-")

    monkeypatch.setattr(sys, "stdin", Stdin(b"", terminal=True))
    assert "stdin is the keyboard" in refused(1, "predict", "-")


def test_a_folder_that_may_not_be_read_is_one_sentence(refused, monkeypatch):
    def fail(_):
        raise PermissionError(13, "Permission denied")

    Path("secret").mkdir()
    monkeypatch.setattr(pictures.Path, "iterdir", fail)

    assert "cannot read secret: Permission denied" in refused(1, "predict", "secret")


def test_a_model_that_is_not_there(refused):
    assert "there is no model 'nothing'" in refused(1, "predict", "--model", "nothing", "seven.png")


def test_a_model_that_reads_no_digits(refused, trained):
    assert "8x8" in refused(1, "predict", "--model", trained, "seven.png")


def test_pictures_are_asked_for(refused):
    assert "image" in refused(2, "predict").lower()


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_the_steps_are_drawn(handgrad):
    Path("other").mkdir()
    Path("other", "seven.png").write_bytes(Path("seven.png").read_bytes())
    framed = np.zeros((28, 28), np.uint8)
    framed[4:24, 12:16] = 255
    Image.fromarray(framed).save("framed.png")

    answer = handgrad(
        "predict", "--show-steps", "steps", "seven.png", "other/seven.png", "blank.png", "page.jpg", "framed.png"
    )

    assert 1 == answer.code
    expected = {"seven.png", "seven-2.png", "blank.png", "page.png", "framed.png"}
    assert expected == {file.name for file in Path("steps").iterdir()}
    sizes = {file.name: size_of(file) for file in Path("steps").iterdir()}
    assert sizes["seven.png"] == sizes["seven-2.png"]
    assert sizes["page.png"][1] > 2 * sizes["seven.png"][1]
    assert sizes["framed.png"][0] == sizes["blank.png"][0] < sizes["seven.png"][0]


def test_a_terminal_sees_what_the_network_saw(on_terminal):
    answer = on_terminal("predict", "seven.png", "blank.png")

    assert 1 == answer.code
    assert 28 * 14 == answer.out.count("▀")
    assert "█" * 20 in answer.out
    assert "\x1b[" in answer.out
    assert BLANK in answer.out


def test_a_terminal_sees_the_digits_of_a_number(on_terminal):
    answer = on_terminal("predict", "--number", "page.jpg")

    assert 0 == answer.code
    assert 3 * 14 * 7 == answer.out.count("▀")
    assert "777" in answer.out


def test_many_pictures_get_a_line_each(on_terminal):
    answer = on_terminal("predict", *["seven.png"] * 5)

    assert "▀" not in answer.out
    assert 5 == len(answer.out.splitlines())


def test_one_that_is_not_sure_says_so(handgrad, on_terminal, monkeypatch):
    monkeypatch.setattr("handgrad.models.sure_from", lambda _: 1.01)

    assert handgrad("predict", "seven.png").out.endswith("  not sure\n")
    assert handgrad("predict", "--number", "page.jpg").out.endswith("  not sure\n")
    assert "not sure: below 101.0%" in on_terminal("predict", "seven.png").out
    assert "not sure: a digit is below 101.0%" in on_terminal("predict", "--number", "page.jpg").out
    assert 0 == on_terminal("predict", "seven.png").code
    assert "there is no picture gone.png" in on_terminal("predict", "gone.png").err


def test_a_bar_shows_what_is_not_nothing():
    assert 24 == len(bar(0.0)) == len(bar(0.5)) == len(bar(1.0))
    assert ("", "▏", "█" * 12, "█" * 24) == tuple(bar(share).strip() for share in (0.0, 0.001, 0.5, 1.0))


def test_a_small_picture_has_two_pixels_a_character():
    image = np.array([[0, 255], [255, 0]], np.uint8)

    text = small_picture(image)

    assert "▀▀" == text.plain
    colours = [(span.style.color.triplet.red, span.style.bgcolor.triplet.red) for span in text.spans]
    assert [(0, 255), (255, 0)] == colours


def test_a_console_without_the_characters_gets_lines():
    class Old:
        encoding = "cp1252"

    assert not can_be_drawn(Old())
    assert can_be_drawn(io.StringIO())
