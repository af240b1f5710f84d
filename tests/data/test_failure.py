import errno
import socket
import ssl
import urllib.error

import pytest

from handgrad.data.failure import brief, reason


def wrapped(cause, text="Max retries exceeded with url: /mnist (Caused by ...)"):
    """As requests hands over what urllib3 wrapped around the cause."""
    middle = RuntimeError(text)
    middle.__cause__ = cause
    return OSError(middle)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "name not resolved"),
        (ssl.SSLCertVerificationError("self-signed"), "its certificate is not valid"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError("The read operation timed out"), "timed out"),
        (MemoryError(), "it asks for more memory than there is"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no network"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
    ],
)
def test_the_cause_is_found_within_its_wrappings(cause, words):
    assert words == reason(cause)
    assert words == reason(wrapped(cause))
    assert words == reason(urllib.error.URLError(cause))


def test_an_answer_that_is_an_error_is_its_number():
    error = urllib.error.HTTPError("http://127.0.0.1/", 403, "Forbidden", None, None)
    assert reason(error) == "HTTP 403"
    error.close()


def test_anything_else_is_its_own_first_line():
    assert reason(ValueError("odd thing.\nmore")) == "odd thing"
    assert reason(PermissionError(13, "Permission denied", "/root")) == "Permission denied"
    assert reason(KeyError()) == "KeyError"


def test_an_error_that_wraps_itself_comes_to_an_end():
    error = OSError("round")
    error.args = (error,)
    error.__cause__ = error
    error.strerror = "round"
    assert reason(error) == "round"


def test_a_long_line_is_cut():
    assert len(brief("x" * 300)) == 90
    assert brief("\n \n") == ""
