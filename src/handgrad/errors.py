"""What handgrad raises when something outside it is wrong.

The text of each is one sentence that names the thing and the way out; the command line prints it and nothing
else.
"""


class HandgradError(Exception):
    """Something that the person at the keyboard can mend; the command line exits with 1."""


class UsageError(HandgradError):
    """The request itself cannot be right, whatever the disk and the network hold; the command line exits with 2."""
