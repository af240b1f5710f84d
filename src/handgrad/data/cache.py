"""Where fetched data sets are kept: one folder each, four raw IDX files in it.

What lies there is read again only if it still is what was published, and a file is replaced only by a whole new one.
People may put the files there by hand, gzipped or not.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import platformdirs

from handgrad.data import idx, quartet
from handgrad.data.collection import Collection
from handgrad.errors import HandgradError
from handgrad.files import make_folder, write

VARIABLE = "HANDGRAD_DATA_DIR"
"""The environment variable that names another folder."""


@final
@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a data set, as the cache has it.

    Attributes:
        collection: the data set's name.
        name: what the file is called among the four.
        path: where it is, or None.
        size: its size on disk in bytes, 0 if absent.
        state: `genuine` if its hash is the published one, `wrong` if not, or `absent`.
    """

    collection: str
    name: str
    path: Path | None
    size: int
    state: Literal["genuine", "wrong", "absent"]


def folder_of(data_dir: Path | None = None) -> Path:
    """The folder of the cache: `data_dir`, or what the environment variable names, or the user's cache folder."""
    if data_dir is not None:
        return data_dir
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("handgrad")


def look(collection: Collection, folder: Path) -> tuple[tuple[KeptFile, ...], dict[str, bytearray]]:
    """What the cache in `folder` has of `collection`, and the bytes of the files that are genuine."""
    kept, files = [], {}
    for name in quartet.NAMES:
        found = quartet.find(folder / collection.name, name)
        for path in found:
            with contextlib.suppress(HandgradError):  # a broken file is a wrong one
                raw = idx.load(path)
                if collection.is_genuine(name, raw):
                    files[name] = raw
                    kept.append(KeptFile(collection.name, name, path, path.stat().st_size, "genuine"))
                    break
        else:
            if found:
                kept.append(KeptFile(collection.name, name, found[0], found[0].stat().st_size, "wrong"))
            else:
                kept.append(KeptFile(collection.name, name, None, 0, "absent"))
    return tuple(kept), files


def keep(collection: Collection, folder: Path, files: quartet.Quartet) -> None:
    """Write `files` into the cache in `folder`, each whole or not at all.

    Raises:
        HandgradError: the folder cannot be written, or the disk is full.
    """
    home = folder / collection.name
    make_folder(home)
    for name in quartet.NAMES:
        write(home / name, files[name])
