"""What a measurement was made on: without it, a number of seconds says nothing."""

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import msgspec
import numpy as np
from threadpoolctl import threadpool_info

import handgrad
from handgrad.training.threads import cores


@final
class Machine(msgspec.Struct, frozen=True):
    """The machine, and the versions that every system stands on.

    Attributes:
        processor: what it calls itself.
        cores: that this process may use.
        memory_gib: all of it; 0 where it cannot be asked.
        system: the operating system.
        python: its version.
        handgrad: its version, with the commit where that is known.
        numpy: its version.
        blas: the library that NumPy multiplies by.
        day: on which it was measured, UTC.
    """

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    handgrad: str
    numpy: str
    blas: str
    day: str


def here() -> Machine:
    """Describe the machine that this runs on."""
    return Machine(
        processor=_processor(),
        cores=cores(),
        memory_gib=_memory_gib(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        handgrad=handgrad.__version__ + _commit(),
        numpy=np.__version__,
        blas=_blas(),
        day=datetime.now(UTC).date().isoformat(),
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    with suppress(ValueError, OSError, AttributeError):
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    return 0.0


def _blas() -> str:
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')})" for pool in found)


def _commit() -> str:
    """The commit of the working tree, and whether it was changed since."""
    git = ["git", "-C", str(Path(__file__).parent)]
    with suppress(OSError, subprocess.CalledProcessError):
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain", "src"], capture_output=True, text=True, check=True)  # noqa: S603
        return f" ({commit.stdout.strip()}{', changed' if changed.stdout.strip() else ''})"
    return ""
