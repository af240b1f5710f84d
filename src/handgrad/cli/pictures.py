"""The pictures that a person means by the words after `predict`: files, folders, patterns, and `-` for stdin."""

import glob
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from handgrad.errors import HandgradError

STDIN = "-"


@final
@dataclass(frozen=True, slots=True)
class Named:
    """A picture that was asked for.

    Attributes:
        name: what it is called on the screen.
        source: the file, or None for stdin.
        error: why there is none behind the word, if so.
    """

    name: str
    source: Path | None = None
    error: str | None = None

    def content(self) -> Path | bytes:
        """What to read: a file, or the bytes that came through stdin.

        Raises:
            HandgradError: there is none.
        """
        if self.error is not None:
            raise HandgradError(self.error)
        return _stdin() if self.source is None else self.source


def meant_by(words: Sequence[str]) -> Iterator[Named]:
    """Find the pictures; a word that leads to none gives one `Named` that says why.

    A folder stands for the pictures directly in it, by their names' endings and in their order. A pattern that the
    shell has not filled in is filled in here, unless a file has that very name.
    """
    from handgrad.data.handwriting.picture import SUFFIXES

    for word in words:
        path = Path(word)
        if word == STDIN:
            yield Named("stdin")
            continue
        try:
            if path.is_dir():
                inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
                if not inside:
                    endings = ", ".join(sorted(SUFFIXES))
                    yield Named(word, error=f"the folder {word} holds no pictures ({endings})")
                yield from (Named(str(file), file) for file in inside)
            elif not path.exists() and glob.has_magic(word):
                matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207 - absolute too
                files = [match for match in matches if match.is_file()]
                if not files:
                    yield Named(word, error=f"no file matches {word}")
                yield from (Named(str(file), file) for file in files)
            else:
                yield Named(word, path)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            yield Named(word, error=f"cannot read {word}: {getattr(error, 'strerror', None) or error}")


def _stdin() -> bytes:
    from handgrad.data.handwriting.picture import MOST_BYTES

    if sys.stdin is None or sys.stdin.isatty():
        raise HandgradError("stdin is the keyboard; send a picture into it, as in: handgrad predict - < seven.png")
    return sys.stdin.buffer.read(MOST_BYTES + 1)
