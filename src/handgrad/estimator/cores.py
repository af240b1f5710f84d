"""How many cores the matrix products of a fit may use, when other fits may run beside it.

A search hands each worker a core. BLAS does not know of the others and would take all of them, once for each worker.
So a fit never raises the number of threads that it finds; and beside the main thread, where Dask's and joblib's
threads run, it takes one. The limit belongs to the whole process: the last to leave restores what the first found.
"""

import multiprocessing
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from handgrad.engine.network import Network
from handgrad.training.threads import blas_threads

_lock = threading.Lock()
_wanted: Counter[int] = Counter()
_before: list[int] = []


@contextmanager
def shared(network: Network, batch: int, *, divided: bool = False) -> Iterator[None]:
    """Hold BLAS, inside the block, to a number of threads that suits batches of this size and leaves others theirs.

    A step that is `divided` takes one.
    """
    beside = threading.current_thread() is not threading.main_thread()
    threads = 1 if divided or beside else blas_threads(network, batch)
    with _lock:
        if not _wanted:
            _before[:] = [library.num_threads for library in _libraries()]
        _wanted[threads] += 1
        _apply()
    try:
        yield
    finally:
        with _lock:
            _wanted.subtract([threads])
            if not _wanted[threads]:
                del _wanted[threads]
            _apply()


def may_take_another() -> bool:
    """Say whether a fit may start a second process: only where nobody has said that it is to keep to one core.

    Workers of joblib and Dask are processes of their own or work beside the main thread; whoever holds BLAS to one
    thread means one core; and a program that is not Python's own cannot start another Python.
    """
    at_home = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    named = multiprocessing.current_process().name == "MainProcess"  # joblib's workers do not all know their parent
    is_python = Path(sys.executable or "").name.lower().startswith("python") and not getattr(sys, "frozen", False)
    return at_home and named and is_python and all(library.num_threads > 1 for library in _libraries())


def _apply() -> None:
    """Give every library the smallest number that any fit wants, but never more than it had."""
    for library, before in zip(_libraries(), _before, strict=True):
        library.set_num_threads(min([before, *_wanted]))


@cache
def _libraries() -> list[Any]:
    """Find the BLAS libraries that are loaded: NumPy's, and SciPy's own."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - imported late: finding libraries takes a while

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
