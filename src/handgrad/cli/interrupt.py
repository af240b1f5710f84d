"""Ctrl-C, politely: the first one asks a run to finish its step, a second one interrupts at once.

SIGTERM, by which a system or a scheduler ends a program, means the same as Ctrl-C.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code of what was interrupted, as shells have it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether somebody has asked to stop, by Ctrl-C or SIGTERM.

    Inside the block the first such signal is only noted, and every further one raises `KeyboardInterrupt`. The
    handlers of before are put back at its end.
    """
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    with _handled_by(handle):
        yield lambda: asked


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, too, raise `KeyboardInterrupt` inside the block, and nothing more once that has happened."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # an impatient second one must not disturb the way out
        raise KeyboardInterrupt

    with _handled_by(handle):
        yield


@contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
