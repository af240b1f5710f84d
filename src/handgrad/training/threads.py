"""How many cores the matrix products of a step may use.

Small products lose more to waking a second core than they gain. The rule is a function of shapes and cores alone, so
that a run repeats byte for byte on the same machine: the number of threads changes the last bits of a product.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Hold NumPy's BLAS to `threads` threads inside the block, and restore what was before."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - imported late: the command line starts without it

    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
