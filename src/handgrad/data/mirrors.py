"""The four files over HTTPS, from a server that keeps a copy.

Pooch and requests do the transfer. What they leave open is closed here: how much a server may send, and how long it
may take over it.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, final

from handgrad.data import idx
from handgrad.data.collection import Collection
from handgrad.data.failure import SourceError, reason
from handgrad.data.quartet import NAMES
from handgrad.data.server import knock
from handgrad.errors import HandgradError

CONNECT_SECONDS = 5.0
"""How long a server may take to pick up."""

READ_SECONDS = 15.0
"""How long it may fall silent in between."""

FILE_SECONDS = 600.0
"""How long one file may take: 10 MB at 17 KB a second."""


def fetch(
    collection: Collection,
    mirror: str,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    file_seconds: float = FILE_SECONDS,
) -> dict[str, bytearray]:
    """The four files of `collection` from the server whose base address is `mirror`, checked.

    Raises:
        SourceError: they could not be had, or are not the ones that were published.
    """
    # imported late: pooch and requests take longer to import than `handgrad --help` may take
    import pooch  # noqa: PLC0415

    pooch.get_logger().setLevel(logging.CRITICAL)  # what it would say is said by our errors
    files = {}
    try:
        knock(mirror, connect_seconds)
        with tempfile.TemporaryDirectory(prefix="handgrad-") as folder:
            for name in NAMES:
                download = _downloader((connect_seconds, read_seconds), collection.file_size(name), file_seconds)
                path = pooch.retrieve(
                    f"{mirror}{name}.gz", known_hash=None, fname=f"{name}.gz", path=folder, downloader=download
                )
                files[name] = idx.load(Path(path), f"{name}.gz")
                if not collection.is_genuine(name, files[name]):
                    raise SourceError(f"its {name}.gz is not the one that was published")
    except HandgradError as error:
        raise SourceError(str(error)) from error
    except (OSError, ValueError) as error:  # requests' exceptions are among them
        raise SourceError(reason(error)) from error
    return files


def _downloader(timeout: tuple[float, float], raw_size: int, seconds: float) -> Callable[[str, str, object], None]:
    """What pooch calls to move one file: its own downloader, writing through a guard."""
    import pooch  # noqa: PLC0415 - imported late: as above

    def download(url: str, output_file: str, pooch_instance: object) -> None:
        with Path(output_file).open("wb") as file:
            # gzip never makes a file longer by more than a few bytes in a thousand
            guarded = _GuardedFile(file, raw_size + raw_size // 100 + 1024, seconds)
            transfer = pooch.HTTPDownloader(timeout=timeout, chunk_size=1 << 16)
            transfer(url, guarded, pooch_instance)

    return download


@final
class _GuardedFile:
    """A file that refuses to grow past a size, or past a moment."""

    def __init__(self, file: BinaryIO, limit: int, seconds: float) -> None:
        self._file = file
        self._left = limit
        self._deadline = time.monotonic() + seconds

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise SourceError("it sends more than the file can be")
        if time.monotonic() > self._deadline:
            raise SourceError("it sends too slowly")
        return self._file.write(chunk)

    def flush(self) -> None:
        """Pooch asks for this after each chunk; the file is flushed when it is closed."""
