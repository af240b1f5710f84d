"""One IDX file: the format in which Yann LeCun's group published MNIST.

A file comes from anywhere, so its header is believed only as far as its own size bears it out, nothing is
allocated for a promise, and a gzip file that inflates past its header is left alone there.
Format: a four-byte magic number, one big-endian 32-bit count per dimension, then the bytes themselves.
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.files import reason

IMAGES = b"\x00\x00\x08\x03"
"""The magic number of unsigned bytes in three dimensions: images, rows, columns."""

LABELS = b"\x00\x00\x08\x01"
"""The magic number of unsigned bytes in one dimension."""

LIMIT = 1 << 30
"""The largest file read, in bytes, inflated: EMNIST's largest is half of it."""

_LONGEST_SIDE = 4096
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_INFLATION = 1032  # deflate codes at most 258 bytes in 2 bits: 1032 times (zlib's technical details)

Buffer: TypeAlias = bytes | bytearray


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def load(path: Path, name: str | None = None) -> bytearray:
    """The checked bytes of the IDX file at `path`, header included, inflated if it is gzipped.

    Args:
        path: the file; gzip is told by its first two bytes, not by its name.
        name: what to call it in an error, if not by its path.

    Raises:
        HandgradError: it is missing, unreadable, broken, no IDX file, or holds more or fewer bytes than it says.
    """
    name = name or str(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if file.peek(2)[:2] == _GZIP:
                with gzip.GzipFile(fileobj=file) as stream:
                    return _read(stream, name, size * _INFLATION)
            return _read(file, name, size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise HandgradError(f"{name} is a broken gzip file: fetch it again") from error
    except OSError as error:
        raise HandgradError(f"{name} cannot be read: {reason(error)}") from error


def decode(raw: Buffer, name: str) -> NDArray[np.uint8]:
    """The array in the bytes of an IDX file, `(n, rows, columns)` or `(n,)`: a view, no copy.

    Raises:
        HandgradError: as `load`.
    """
    header = raw[: _header_size(raw[:4], name)]
    shape = _shape(header, name)
    if len(raw) - len(header) != math.prod(shape):
        raise _wrong_length(name, shape)
    return np.frombuffer(raw, dtype=np.uint8, offset=len(header)).reshape(shape)


def encode(array: NDArray[np.uint8]) -> bytes:
    """The bytes of the IDX file, not gzipped, that holds `array`, of one or three dimensions."""
    magic = {1: LABELS, 3: IMAGES}[array.ndim]
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _read(stream: _Readable, name: str, at_most: int) -> bytearray:
    """All of `stream`, which cannot hold more than `at_most` bytes."""
    raw = bytearray(stream.read(4))
    header_size = _header_size(raw, name)
    raw += stream.read(header_size - 4)
    shape = _shape(raw, name)
    size = header_size + math.prod(shape)
    if size > at_most:
        raise _wrong_length(name, shape)
    while len(raw) < size:
        chunk = stream.read(min(_CHUNK, size - len(raw)))
        if not chunk:
            raise _wrong_length(name, shape)
        raw += chunk
    if stream.read(1):  # of a gzip file this also reads and checks its closing checksum
        raise _wrong_length(name, shape)
    return raw


def _header_size(magic: Buffer, name: str) -> int:
    if magic == IMAGES:
        return 16
    if magic == LABELS:
        return 8
    raise HandgradError(
        f"{name} is no IDX file of images or labels: it begins with {magic.hex(' ') or 'nothing'}, "
        f"not with {IMAGES.hex(' ')} or {LABELS.hex(' ')}"
    )


def _shape(header: Buffer, name: str) -> tuple[int, ...]:
    dimensions, rest = divmod(len(header) - 4, 4)
    if rest or dimensions not in {1, 3} or len(header) < _header_size(header[:4], name):
        raise HandgradError(f"{name} ends within its header: fetch it again")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", header[4:])
    if min(shape) < 1 or max(shape[1:], default=1) > _LONGEST_SIDE or math.prod(shape) > LIMIT:
        raise HandgradError(
            f"{name} declares {_times(shape)} bytes, which no data set here has: each side of an image must be "
            f"1 to {_LONGEST_SIDE} pixels and the whole at most {LIMIT >> 20} MB"
        )
    return shape


def _wrong_length(name: str, shape: tuple[int, ...]) -> HandgradError:
    return HandgradError(
        f"{name} does not hold the {_times(shape)} bytes that its header declares, no more and no fewer: fetch it again"
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n}" for n in shape)
