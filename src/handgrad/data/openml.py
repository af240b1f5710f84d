"""The images as OpenML keeps them: one row of numbers each, through scikit-learn's `fetch_openml`.

This is how the original notebook got its digits. `fetch_openml` has no timeout of its own and tries again when it
meets one, so the server is asked first whether it is there.
"""

import contextlib
import socket
import tempfile
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from handgrad.data.collection import Collection
from handgrad.data.failure import SourceError, reason
from handgrad.data.server import knock
from handgrad.errors import HandgradError

API = "https://www.openml.org/api/v1/json"
"""OpenML's interface, as scikit-learn addresses it."""

CONNECT_SECONDS = 5.0
"""How long the server may take to answer the first question."""

READ_SECONDS = 30.0
"""How long it may fall silent in between."""


def fetch(
    collection: Collection,
    notify: Callable[[str], None],
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
) -> dict[str, bytes]:
    """The four files of `collection`, rebuilt from the rows that OpenML sends, checked.

    Raises:
        SourceError: they could not be had, or are not the ones that were published.
    """
    try:
        knock(API, connect_seconds)
        _ask(f"{API}/data/list/data_name/{collection.openml}/limit/2/data_version/1".lower(), connect_seconds)
        notify(f"OpenML sends {collection.title} as text; reading it takes up to a minute.")
        # imported late: scikit-learn takes longer to import than `handgrad --help` may take
        from sklearn.datasets import fetch_openml  # noqa: PLC0415

        with (
            tempfile.TemporaryDirectory(prefix="handgrad-") as folder,
            _socket_timeout(read_seconds),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # it warns of each retry; what failed is said by our error
            rows, labels = fetch_openml(
                collection.openml,
                version=1,
                data_home=folder,
                return_X_y=True,
                as_frame=False,
                parser="liac-arff",  # the other parser wants pandas
                n_retries=1,
                delay=0.1,
            )
        return collection.quartet(_as_bytes(rows), _as_bytes(labels.astype(np.float64)))
    except HandgradError as error:
        raise SourceError(str(error)) from error
    except Exception as error:  # a parser of foreign text may raise anything
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds a connection
        raise SourceError(reason(error)) from error


def _ask(url: str, seconds: float) -> None:
    with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - the scheme is a constant's
        answer.read(1)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Every socket opened within gives up after so long a silence."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _as_bytes(numbers: NDArray[np.float64]) -> NDArray[np.uint8]:
    """`numbers` as `uint8`, if that changes none of them."""
    if not np.all((numbers >= 0) & (numbers <= 255) & (numbers % 1 == 0)):
        raise SourceError("it sends numbers that are no whole bytes")
    return numbers.astype(np.uint8)
