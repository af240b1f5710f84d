"""How many cores the matrix products of a step may use.

Small products lose more to waking a second core than they gain. The rule is a function of shapes and cores alone, so
that a run repeats byte for byte on the same machine: the number of threads changes the last bits of a product.
"""

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from handgrad.engine.layers import Dense
from handgrad.engine.network import Network

ENOUGH = 64_000_000
"""Floating-point operations in the largest product of a step from which all cores are used.

In 784-128-64-10, batches of 128 lie below and batches of 512 above; so do all batches of 1024-512 from 64 on.
"""


def blas_threads(network: Network, batch: int) -> int:
    """Choose the number of BLAS threads for steps of `batch` rows through `network`."""
    largest = max(2 * batch * layer.n_in * layer.n_out for layer in network.layers if isinstance(layer, Dense))
    return cores() if largest >= ENOUGH else 1


_lock = threading.Lock()
_wanted: Counter[tuple[int, bool]] = Counter()
_before: list[tuple[Any, int]] = []


@contextmanager
def limited(threads: int, *, at_most: bool = False) -> Iterator[None]:
    """Hold BLAS to `threads` threads inside the block, and restore what was before.

    The number belongs to the whole process. Where several blocks are open at once, in threads of a program, all get the
    smallest number that any of them wants, and the last to leave restores what the first found.

    Args:
        threads: for each product.
        at_most: leave BLAS as it is where it has fewer.
    """
    want = threads, at_most
    with _lock:
        if not _wanted:
            _before[:] = [(library, library.num_threads) for library in libraries()]
        _wanted[want] += 1
        _apply()
    try:
        yield
    finally:
        with _lock:
            _wanted.subtract([want])
            if not _wanted[want]:
                del _wanted[want]
            _apply()


def _apply() -> None:
    """Give every library what is wanted of it, or what it had."""
    for library, before in _before:
        number = min((threads for threads, _ in _wanted), default=before)
        if all(at_most for _, at_most in _wanted):
            number = min(number, before)
        # threadpoolctl obeys one thread of a program alone, for as long as that lives, so that threads do not fight.
        # Here they agree; whoever is the last must be obeyed.
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


def libraries() -> list[Any]:
    """Find the BLAS libraries that are loaded, as threadpoolctl knows them: NumPy's, and SciPy's own."""
    return _libraries("scipy.linalg" in sys.modules)


@cache
def _libraries(_scipy_too: bool) -> list[Any]:  # the cache goes by it
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - imported late: finding libraries takes a while

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
