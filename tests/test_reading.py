"""A picture, read from Python."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import handgrad
from handgrad import modelfile, models, reading
from handgrad.data.normalization import AS_WRITTEN, Normalization
from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.engine.network import Network
from handgrad.errors import HandgradError
from handgrad.modelfile import Model


@pytest.fixture
def seven():
    image = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(image).line([(100, 40), (180, 40), (140, 160)], fill=0, width=12, joint="curve")
    return image


@pytest.fixture
def page(seven):
    page = Image.new("L", (600, 200), 255)
    for left in (0, 120, 300):
        page.paste(seven.crop((80, 0, 200, 200)), (left, 0))
    return page


def test_a_digit_is_read_from_whatever_holds_it(seven, tmp_path):
    file = tmp_path / "seven.png"
    seven.save(file)
    for source in (seven, np.asarray(seven), 255 - np.asarray(seven), file, str(file), file.read_bytes()):
        one = handgrad.read_digit(source)
        assert 7 == one.digit == int(one)
        assert one.confidence == one.probabilities.max() > 0.9
        assert one.runner_up_confidence == np.sort(one.probabilities)[-2]
        assert "array" not in repr(one)  # a line that can be read at the prompt
        assert one.runner_up == int(np.argsort(one.probabilities)[-2])
        assert one.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert ((28, 28), np.uint8) == (one.image.shape, one.image.dtype)
        assert one.sure


def test_several_digits_are_a_number(page):
    number = handgrad.read_number(page)

    assert ("777", 777, 3) == (number.text, int(number), len(number.digits))
    assert number.confidence == pytest.approx(np.prod([one.confidence for one in number.digits]))
    assert number.sure
    with pytest.raises(reading.SeveralDigits, match="more than one digit here, perhaps 777"):
        handgrad.read_digit(page)


def test_nothing_is_no_digit():
    for read in (handgrad.read_digit, handgrad.read_number):
        with pytest.raises(reading.NothingDrawn, match="nothing is drawn here"):
            read(np.full((50, 50), 255, np.uint8))


def test_readers_do_not_know_of_each_other(seven, page):
    wanted = handgrad.read_digit(seven).probabilities
    found = []

    def work():
        for _ in range(5):
            handgrad.read_number(page)
            found.append(np.array_equal(wanted, handgrad.read_digit(seven).probabilities))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [True] * 20 == found


def model(shape=(28, 28), classes="0123456789", white=255):
    network = Network.fully_connected(shape[0] * shape[1], [], len(classes))
    return Model(network, tuple(classes), shape, white, SoftmaxCrossEntropy())


@pytest.mark.parametrize(
    ("strange", "said"),
    [
        (model(shape=(8, 8)), "images of 8x8"),
        (model(white=16), "with 16 for white"),
        (model(classes="abcdefghij"), r"a, b, c, \.\.\. \(10\)"),
        (model(classes="01"), "digits 0 to 9"),
    ],
    ids=["size", "white", "letters", "two"],
)
def test_a_model_of_something_else_is_refused(strange, said, tmp_path):
    modelfile.save(tmp_path / "strange.safetensors", strange)

    with pytest.raises(HandgradError, match=said):
        handgrad.read_digit(np.zeros((28, 28)), model=tmp_path / "strange.safetensors")


def test_a_network_that_knows_nothing_is_not_sure(seven, tmp_path):
    file = tmp_path / "empty.safetensors"
    modelfile.save(file, model())

    one = handgrad.read_digit(seven, model=file)

    assert one.confidence == pytest.approx(0.1)
    assert not one.sure
    assert models.SURE_FROM == models.sure_from(file)


@pytest.mark.parametrize("made", [Normalization(deskew=True), Normalization(deskew=True, width=0.7)], ids=str)
def test_what_is_seen_otherwise_is_shown_so(made, seven):
    best = modelfile.load(models.path("best"))
    slanted = seven.transform(seven.size, Image.Transform.AFFINE, (1, 0.5, -50, 0, 1, 0), fillcolor=255)
    looks = AS_WRITTEN, made
    plain, seen = (reading.Reader(replace(best, normalization=look), 0.9).read(slanted) for look in looks)

    (before,), (after,) = plain.readings, seen.readings
    assert looks == (plain.normalization, seen.normalization)
    np.testing.assert_array_equal(made.images(before.image.reshape(1, -1), (28, 28)).reshape(28, 28), after.image)
    assert (before.image != after.image).any()
    assert 7 == after.digit
    with pytest.raises(reading.NothingDrawn):
        reading.Reader(replace(best, normalization=made), 0.9).read(np.full((50, 50), 255, np.uint8)).only()


@pytest.mark.parametrize("name", models.names())
def test_every_shipped_model_is_calibrated(name):
    found = json.loads(models.calibrations().read_text(encoding="utf-8"))[name]

    assert 0.5 <= found["sure_from"] == models.sure_from(models.path(name)) < 1
    assert found["right_when_sure"] >= 0.995
    assert found["sure"] > 0.9


def test_what_is_not_offered_is_missed():
    with pytest.raises(AttributeError, match="no attribute 'read_word'"):
        _ = handgrad.read_word
