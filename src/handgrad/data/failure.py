"""Why a source did not answer, in a few words.

Network libraries wrap the cause in exceptions within exceptions whose texts run over lines. A person wants to read
"name not resolved", so the cause is looked up in the chain and said once.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import final

from handgrad.errors import HandgradError

_LONGEST = 90

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "name not resolved"),
    (ssl.SSLCertVerificationError, "its certificate is not valid"),
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "timed out"),
    (MemoryError, "it asks for more memory than there is"),
)

_NUMBERS = {
    errno.ENETUNREACH: "no network",
    errno.EHOSTUNREACH: "no network",
    errno.ENOSPC: "the disk is full",
}


@final
class SourceError(HandgradError):
    """A source did not deliver; the text is the reason, in a few words and without a full stop."""


def reason(error: BaseException) -> str:
    """The cause of `error`, in a few words."""
    chain = list(_chain(error))
    for link in chain:
        status = getattr(getattr(link, "response", None), "status_code", None) or getattr(link, "code", None)
        if isinstance(status, int):
            return f"HTTP {status}"
    known = [words for link in chain for kind, words in _KINDS if isinstance(link, kind)]
    known += [_NUMBERS[link.errno] for link in chain if isinstance(link, OSError) and link.errno in _NUMBERS]
    if known:
        return known[0]
    return brief(getattr(error, "strerror", None) or str(error)) or type(error).__name__


def brief(text: str) -> str:
    """The first line of `text`, cut where it would run over, without a full stop."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "").rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def _chain(error: object, seen: frozenset[int] = frozenset()) -> Iterator[BaseException]:
    """`error` and what it wraps: as its cause, its context, its `reason` (urllib) or an argument (requests)."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return
    yield error
    seen |= {id(error)}
    for inner in (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args):
        yield from _chain(inner, seen)
