"""What handgrad raises when something outside it is wrong, and how it writes the command that helps.

The text of each is one sentence that names the thing and the way out; the command line prints it and nothing
else.
"""

import os
import shlex
from pathlib import Path


class HandgradError(Exception):
    """Something that the person at the keyboard can mend; the command line exits with 1."""


class UsageError(HandgradError):
    """The request itself cannot be right, whatever the disk and the network hold; the command line exits with 2."""


def command(*words: str | Path) -> str:
    """Write a command, or a part of one, so that it can be typed."""
    texts = [str(word) for word in words]
    if os.name == "nt":
        from subprocess import list2cmdline  # noqa: PLC0415 - imported late: only here it is needed

        return list2cmdline(texts)
    return shlex.join(texts)
