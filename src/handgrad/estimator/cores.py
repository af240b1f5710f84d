"""How many cores the matrix products of a fit may use, when other fits may run beside it.

A search hands each worker a core. BLAS does not know of the others and would take all of them, once for each worker.
So a fit never raises the number of threads that it finds; and beside the main thread, where Dask's and joblib's
threads run, it takes one. `training/threads.py` sees to it that fits at once agree.
"""

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handgrad.engine.network import Network
from handgrad.training.threads import blas_threads, libraries, limited


@contextmanager
def shared(network: Network, batch: int, *, divided: bool = False) -> Iterator[None]:
    """Hold BLAS, inside the block, to a number of threads that suits batches of this size and leaves others theirs.

    A step that is `divided` takes one.
    """
    beside = threading.current_thread() is not threading.main_thread()
    threads = 1 if divided or beside else blas_threads(network, batch)
    with limited(threads, at_most=True):
        yield


def may_take_another() -> bool:
    """Say whether a fit may start a second process: only where nobody has said that it is to keep to one core.

    Workers of joblib and Dask are processes of their own or work beside the main thread; whoever holds BLAS to one
    thread means one core; and a program that is not Python's own cannot start another Python.
    """
    at_home = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    named = multiprocessing.current_process().name == "MainProcess"  # joblib's workers do not all know their parent
    is_python = Path(sys.executable or "").name.lower().startswith("python") and not getattr(sys, "frozen", False)
    return at_home and named and is_python and all(library.num_threads > 1 for library in libraries())
