"""How much memory a command needs at its highest, with every process that it starts."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

import msgspec

from handgrad.errors import HandgradError

SAMPLE_SECONDS = 0.02


@final
class Peak(msgspec.Struct, frozen=True):
    """The memory of a command at its highest.

    Attributes:
        mib: in MiB: proportional set sizes of all its processes together, a page that several share counted once,
            sampled every 20 ms. A library that a stranger has loaded too counts in part. Where there is no /proc,
            `largest_mib` stands in.
        largest_mib: the highest resident set of the command's own process, as the operating system kept count. Where
            there is no /proc, that count begins with what the process that started it held.
        processes: at once, at most.
        seconds: that the command took.
    """

    mib: float
    largest_mib: float
    processes: int
    seconds: float


def peak_of(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Peak:
    """Run a command to its end and watch it.

    Raises:
        HandgradError: it fails.
    """
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, cwd=cwd, env=dict(environment), stdout=said, stderr=said, start_new_session=True
        )
        try:
            highest, largest, most = 0.0, 0.0, 1
            while (ended := _ended(process)) is None:
                sizes = proportional_sizes(process.pid)
                largest = high_water(process.pid) or largest
                highest, most = max(highest, sum(sizes)), max(most, len(sizes))
                time.sleep(SAMPLE_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        if process.returncode:
            said.seek(0)
            raise HandgradError(f"{command[0]} failed: {said.read().decode(errors='replace').strip()[-200:]}")
    largest = largest or ended
    return Peak(highest or largest, largest, most, seconds)


def proportional_sizes(leader: int) -> list[float]:
    """MiB of each living process in the session of `leader`; empty where there is no /proc."""
    sizes = []
    if sys.platform.startswith("linux"):
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError, StopIteration):
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == leader:
                        lines = (folder / "smaps_rollup").read_text().splitlines()
                        sizes.append(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
    return sizes


def high_water(process: int) -> float:
    """The highest resident set of a living process in MiB since it began its program; 0 where there is no /proc."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return 0.0


def _ended(process: "subprocess.Popen[bytes]") -> float | None:
    """The highest resident set of an ended process in MiB, 0 where it cannot be asked; None while it runs."""
    if not hasattr(os, "wait4"):
        return None if process.poll() is None else 0.0
    done, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not done:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
