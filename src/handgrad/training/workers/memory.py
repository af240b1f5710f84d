"""What the members of a crew share: one block of memory, and a place to meet.

The block is an unnamed file in memory (on Windows, a mapping with a random name): when the last process that holds it
ends, however it ends, the system takes it back, and nothing is left behind.
"""

import json
import mmap
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

Layout: TypeAlias = Mapping[str, tuple[tuple[int, ...], DTypeLike]]
"""Arrays by name: shape and type of each."""

_LINE = 128
"""Bytes between the starts of two arrays: two cache lines, so that no two members write into one."""

SPINS = 2000
"""Looks at another's count before a member lets go of its core: some 50 microseconds."""

_THREADS = tuple(f"{name}_THREADS" for name in ("OPENBLAS_NUM", "MKL_NUM", "BLIS_NUM", "OMP_NUM", "VECLIB_MAXIMUM"))
"""Where libraries look up how many threads to start: one, for every member has one core. Told beforehand, they need no
threadpoolctl, which a process would load first."""

AWAKE_SECONDS = 0.002
IDLE_SECONDS = 1.0
ASK_SECONDS = 0.05


@final
class Block:
    """A block of memory that several processes see, cut into arrays.

    Attributes:
        arrays: by the layout's names; all zero at first.
        handle: what another process needs to see the same block: a file descriptor, or on Windows a name.
    """

    def __init__(self, layout: Layout, handle: int | str) -> None:
        """See the block that `handle` names, for `layout`; the first to see it makes it."""
        size = sum(_padded(shape, dtype) for shape, dtype in layout.values())
        self.handle = handle
        if sys.platform == "win32":
            self._memory = mmap.mmap(-1, size, tagname=str(handle))
        else:
            if os.fstat(int(handle)).st_size < size:
                os.ftruncate(int(handle), size)
            self._memory = mmap.mmap(int(handle), size)
        self.arrays: dict[str, NDArray[Any]] = {}
        begin = 0
        for name, (shape, dtype) in layout.items():
            self.arrays[name] = np.ndarray(shape, dtype, buffer=self._memory, offset=begin)
            begin += _padded(shape, dtype)

    def release(self) -> None:
        """Let go of the block; its memory stays for as long as somebody holds an array of it."""
        self.arrays.clear()
        del self._memory
        forget(self.handle)


def reserve() -> int | str:
    """Name a block to come, so that processes that are to see it can start while its layout is found out.

    Raises:
        OSError: there can be none.
    """
    return f"handgrad-{secrets.token_hex(8)}" if sys.platform == "win32" else _unnamed_file()


def forget(handle: int | str) -> None:
    """Let go of what `reserve` gave."""
    if isinstance(handle, int):
        os.close(handle)


def _padded(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return -(-size // _LINE) * _LINE


def _unnamed_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("handgrad")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@final
class Meeting:
    """Where members wait for each other: each counts its own arrivals and watches the others' counts.

    A plain store becomes visible after the stores before it, because x86 processors keep their order; `crew.py` starts
    no crew on others.
    """

    def __init__(self, arrivals: NDArray[np.int64], member: int, alive: Callable[[], None] = lambda: None) -> None:
        """Join.

        Args:
            arrivals: `(members, 16)`, shared; column 0 counts.
            member: which row is one's own.
            alive: called now and then while waiting; raises when there is nobody to wait for any more.
        """
        rows = [memoryview(row).cast("B").cast("q") for row in arrivals]  # reads and writes without making an array
        self._mine = rows[member]
        self._others = rows[:member] + rows[member + 1 :]
        self._alive = alive

    def arrive(self) -> None:
        """Wait until every member has come as often as this one."""
        self._mine[0] = count = self._mine[0] + 1
        for other in self._others:
            for _ in range(SPINS):
                if other[0] >= count:
                    break
            else:
                wait_until(partial(_came, other, count), self._alive)


def _came(other: memoryview, count: int) -> bool:
    return bool(other[0] >= count)


def wait_until(there: Callable[[], bool], alive: Callable[[], None] = lambda: None) -> None:
    """Wait: at first politely, later asleep most of the time."""
    began = asked = time.perf_counter()
    while not there():
        now = time.perf_counter()
        if now - began < AWAKE_SECONDS:
            _let_others_run()
            continue
        time.sleep(0.0001 if now - began < IDLE_SECONDS else 0.003)
        if now - asked > ASK_SECONDS:
            alive()
            asked = now


def _let_others_run() -> None:
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


def start_process(handle: int | str) -> "subprocess.Popen[bytes]":
    """Start a Python that runs `member.serve`, may see the block of `handle`, and waits to be told its job."""
    inherited = (handle,) if isinstance(handle, int) else ()
    program = (
        f"import os, sys; sys.path[:] = {sys.path!r}; "
        "from handgrad.training.workers.member import serve; serve(sys.stdin.buffer); "
        "os._exit(0)"  # at once: there is nothing to clear away, and its starter waits
    )
    return subprocess.Popen(  # noqa: S603 - this interpreter, this program
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        pass_fds=inherited,
        bufsize=0,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
    )


def tell(process: "subprocess.Popen[bytes]", job: Mapping[str, Any]) -> None:
    """Tell a process its job."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.write(json.dumps(job).encode() + b"\n")  # a line far shorter than what a pipe holds
