"""A picture, read: which digit stands on it, or which number, and how sure the network is.

`handgrad.read_digit` and `handgrad.read_number` come from here, and `handgrad predict` is their face in a terminal.
"""

import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handgrad import modelfile, models
from handgrad.data.handwriting import picture
from handgrad.data.handwriting.prepare import Prepared, prepare
from handgrad.data.normalization import Normalization
from handgrad.errors import HandgradError
from handgrad.modelfile import Model

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | os.PathLike[str] | bytes | Image.Image | ArrayLike

_SHAPE = (28, 28)
_CLASSES = tuple("0123456789")


@final
class NothingDrawn(HandgradError):  # noqa: N818 - an answer, though none that a digit can be made of
    """The picture was read, and there is no digit on it."""


@final
class SeveralDigits(HandgradError):  # noqa: N818 - likewise
    """The picture was read, and there is more than one digit on it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One digit, read.

    Attributes:
        digit: 0 to 9.
        confidence: the probability that the network gives it, 0 to 1.
        runner_up: the second most probable digit.
        runner_up_confidence: its probability.
        probabilities: `(10,)`, of each digit.
        image: what the network saw, `(28, 28)`, white on black.
        sure: whether the confidence is one at which the network is nearly always right.
    """

    digit: int
    confidence: float
    runner_up: int
    runner_up_confidence: float
    probabilities: NDArray[np.float64] = field(repr=False)
    image: NDArray[np.uint8] = field(repr=False)
    sure: bool

    def __int__(self) -> int:
        return self.digit


@final
@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A picture with everything that was read on it, from left to right, line by line.

    Attributes:
        prepared: what was made of the picture.
        readings: the digits.
        normalization: what is taken away of each digit before the network sees it.
    """

    prepared: Prepared
    readings: tuple[Reading, ...]
    normalization: Normalization

    def only(self) -> Reading:
        """The digit on the picture.

        Raises:
            NothingDrawn: there is none.
            SeveralDigits: there are several.
        """
        self._check_drawn()
        if len(self.readings) > 1:
            raise SeveralDigits(
                f"more than one digit here, perhaps {self._text}: read them as a number, or cut one out"
            )
        return self.readings[0]

    def number(self) -> "Number":
        """All digits on the picture as one number.

        Raises:
            NothingDrawn: there is none.
        """
        self._check_drawn()
        return Number(
            self._text,
            float(np.prod([reading.confidence for reading in self.readings])),
            all(reading.sure for reading in self.readings),
            self.readings,
        )

    @property
    def _text(self) -> str:
        return "".join(str(reading.digit) for reading in self.readings)

    def _check_drawn(self) -> None:
        if not self.readings:
            raise NothingDrawn("nothing is drawn here")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """Several digits, read from left to right.

    Attributes:
        text: the digits, zeros in front included.
        confidence: the product of the digits' confidences: the probability that all of them are right.
        sure: whether each digit is.
        digits: one by one.
    """

    text: str
    confidence: float
    sure: bool
    digits: tuple[Reading, ...]

    def __int__(self) -> int:
        return int(self.text)


@final
class Reader:
    """A network that reads pictures.

    Attributes:
        model: the network.
        sure_from: the confidence below which it is not sure.
    """

    def __init__(self, model: Model, sure_from: float) -> None:
        """Take a network that was trained on MNIST's kind of images.

        Raises:
            HandgradError: it reads images of another size, or tells other things apart than digits.
        """
        if model.image_shape != _SHAPE or model.white != 255:
            height, width = model.image_shape
            raise HandgradError(
                f"this model reads images of {height}x{width} with {model.white} for white, and a picture is made into "
                "MNIST's 28x28 with 255; choose a model that was trained on MNIST"
            )
        if model.classes != _CLASSES:
            raise HandgradError(
                f"this model tells {', '.join(model.classes[:3])}, ... ({len(model.classes)}) apart, not the digits "
                "0 to 9; choose one that was trained on MNIST"
            )
        self.model = model
        self.sure_from = sure_from

    @classmethod
    def named(cls, model: str | os.PathLike[str] = models.DEFAULT) -> "Reader":
        """Load a model that ships, a model file, or the model of a run's folder.

        Raises:
            HandgradError: there is none, or it cannot read digits.
        """
        if model == models.DEFAULT:
            path = models.path(models.DEFAULT)
        else:
            from handgrad import runs  # noqa: PLC0415 - imported late: it loads all that training needs

            path = runs.find_model(os.fspath(model))
        return cls(modelfile.load(path), models.sure_from(path))

    def read(self, source: "Picture", name: str = "what was given") -> Page:
        """Read all digits on a picture: the mean of what the network says of each of its two shapes.

        Args:
            source: a file's name, a file's bytes, a Pillow image, or an array of any size and either polarity.
            name: what a sentence calls bytes that cannot be read.

        Raises:
            HandgradError: it cannot be read as a picture; says why.
        """
        prepared = prepare(picture.read(source, name))
        answers = (self._probabilities(prepared.images) + self._probabilities(prepared.inner)) / 2
        flat = prepared.images.reshape(-1, _SHAPE[0] * _SHAPE[1])
        seen = self.model.normalization.images(flat, _SHAPE).reshape(prepared.images.shape)
        readings = (self._reading(answer, image) for answer, image in zip(answers, seen, strict=True))
        return Page(prepared, tuple(readings), self.model.normalization)

    def _probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        rows = np.ascontiguousarray(images.reshape(-1, _SHAPE[0] * _SHAPE[1]))
        return self.model.predict_probabilities(rows) if len(rows) else np.empty((0, len(_CLASSES)))

    def _reading(self, answer: NDArray[np.floating], image: NDArray[np.uint8]) -> Reading:
        probabilities = answer.astype(np.float64).clip(0.0, 1.0)
        second, first = (int(i) for i in np.argsort(probabilities, kind="stable")[-2:])
        confidence = float(probabilities[first])
        return Reading(
            first, confidence, second, float(probabilities[second]), probabilities, image, confidence >= self.sure_from
        )


def read_digit(picture: "Picture", model: str | os.PathLike[str] = models.DEFAULT) -> Reading:
    """Read the one digit on a picture.

    Args:
        picture: a file's name, a file's bytes, a Pillow image, or an array: `(h, w)` or `(h, w, colours)`, of any size,
            dark on light or light on dark.
        model: the name of one that ships, a model file, or a run's folder.

    Raises:
        NothingDrawn: there is none.
        SeveralDigits: there are several.
        HandgradError: the picture or the model cannot be read; says why.
    """
    return _reader(model).read(picture).only()


def read_number(picture: "Picture", model: str | os.PathLike[str] = models.DEFAULT) -> Number:
    """Read all digits on a picture as one number; otherwise as `read_digit`."""
    return _reader(model).read(picture).number()


def _reader(model: str | os.PathLike[str]) -> Reader:
    """Load the model, once in a while: a name that ships always means the same, a file may be written anew."""
    return _shipped_reader() if model == models.DEFAULT else Reader.named(model)


@lru_cache(maxsize=1)
def _shipped_reader() -> Reader:
    return Reader.named()
