"""How a file comes to be: whole, or not at all.

A run may lose its power at any moment. Whatever handgrad writes is written beside its place under a temporary name,
forced to the disk, and renamed: a reader sees the old file or the new one, never half of either.
"""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from handgrad.errors import HandgradError

_NOT_FOR_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM}
"""What a system says that opens no folder for this, or this one not to us; the file itself is written."""


def write(path: Path, data: bytes | bytearray) -> None:
    """Put `data` at `path`, whole or not at all, by way of a temporary file beside it.

    Raises:
        HandgradError: the folder does not exist, may not be written to, or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise HandgradError(cannot_write(path, error)) from error
    temporary = Path(name)
    try:
        os.close(handle)
        _pour(temporary, data)
        _settle(temporary)
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - mkstemp gave it to its owner alone
        os.replace(temporary, path)  # noqa: PTH105 - replace, also on Windows
        _sync_folder(path.parent)
    except OSError as error:
        raise HandgradError(cannot_write(path, error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make the folder and those above it.

    Raises:
        HandgradError: it cannot be made, or a file stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HandgradError(f"cannot make the folder {path}: {reason(error)}; choose another place") from error


def cannot_write(path: Path, error: OSError) -> str:
    """Say in one sentence that `path` could not be written, why, and what to do."""
    return f"cannot write {path}: {reason(error)}; free some space or choose another folder"


def reason(error: OSError) -> str:
    """Say what went wrong, without numbers and names."""
    return (error.strerror or str(error)).lower()


def _pour(path: Path, data: bytes | bytearray) -> None:
    path.write_bytes(data)


def _settle(path: Path) -> None:
    """Force the file's bytes to the disk before its name becomes visible."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Force the rename itself to the disk, where the system lets that be done to a folder."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise
