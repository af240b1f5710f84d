"""Starting and memory: how long `handgrad --help` takes, and how much memory a whole `handgrad train` needs.

Both stand beside the same in PyTorch: an import, and a script that does the same job as thriftily as it can
(`in_torch.py`).
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import final

import msgspec
import numpy as np

from benchmarks.contest import Ratio
from benchmarks.memory import Peak, peak_of
from handgrad.data import sources
from handgrad.errors import HandgradError

HELP, IMPORT = "handgrad --help", 'python -c "import torch"'
EPOCHS = 2
OURS, OURS_SHARED, THEIRS = "handgrad train", "handgrad train --workers 2", "the same job in PyTorch"

_ROOT = Path(__file__).parents[1]


@final
class StartupResult(msgspec.Struct, frozen=True):
    """Seconds of each command, and peaks of each job, by what it is called; ratios are theirs over ours."""

    seconds: dict[str, float]
    ratio: Ratio | None
    peaks: dict[str, Peak]
    memory_ratio: dict[str, float]
    missing: list[str] = []


def measure(rounds: int, notify: Callable[[str], None], *, dataset: str = "mnist") -> StartupResult:
    """Measure both, interleaved; without PyTorch, handgrad alone."""
    torch = importlib.util.find_spec("torch") is not None
    commands = {HELP: [*handgrad_command(), "--help"]}
    if torch:
        commands[IMPORT] = [sys.executable, "-c", "import torch"]
    notify("starting: interleaved")
    times = interleaved(commands, rounds)
    ratio = Ratio.paired(times[IMPORT], times[HELP]) if torch else None
    with tempfile.TemporaryDirectory() as name:
        peaks = _peaks(Path(name), rounds, torch=torch, dataset=dataset, notify=notify)
    theirs = peaks.get(THEIRS)
    return StartupResult(
        seconds={label: median(seconds) for label, seconds in times.items()},
        ratio=ratio,
        peaks=peaks,
        memory_ratio={label: peak.mib / theirs.mib for label, peak in peaks.items() if label != THEIRS}
        if theirs
        else {},
        missing=[] if torch else ["torch"],
    )


def handgrad_command() -> list[str]:
    """The program as installed beside this interpreter, or as a module of it."""
    script = shutil.which("handgrad", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "handgrad"]


def interleaved(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Run the commands in turn, once to warm the disk's cache and then `rounds` times, and give their seconds.

    Raises:
        HandgradError: one of them fails.
    """
    seconds: dict[str, list[float]] = {label: [] for label in commands}
    for number in range(rounds + 1):
        for label, command in commands.items():
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, cwd=_ROOT, check=False)  # noqa: S603 - our own commands
            took = time.perf_counter() - began
            if done.returncode:
                raise HandgradError(f"{label} failed: {done.stderr.decode(errors='replace').strip()[-200:]}")
            if number:
                seconds[label].append(took)
    return seconds


def _peaks(folder: Path, rounds: int, *, torch: bool, dataset: str, notify: Callable[[str], None]) -> dict[str, Peak]:
    """The highest of a few peaks of each job, interleaved."""
    train = [*handgrad_command(), "train", "--recipe", "classic", "--dataset", dataset, "--epochs", str(EPOCHS)]
    jobs: dict[str, Callable[[int], Sequence[str]]] = {
        OURS: lambda n: [*train, "--out", str(folder / f"one-{n}")],
        OURS_SHARED: lambda n: [*train, "--workers", "2", "--out", str(folder / f"two-{n}")],
    }
    if torch:
        data = sources.load(dataset)
        np.savez(
            folder / "images.npz",
            x=data.training.images,
            y=data.training.labels,
            test_x=data.test.images,
            test_y=data.test.labels,
        )
        script = [sys.executable, str(Path(__file__).with_name("in_torch.py")), str(folder / "images.npz"), str(EPOCHS)]
        jobs[THEIRS] = lambda _: script
    measured: dict[str, list[Peak]] = {label: [] for label in jobs}
    for number in range(min(rounds, 3)):
        for label, command in jobs.items():
            notify(f"memory: {label}")
            measured[label].append(peak_of(command(number), cwd=_ROOT, environment=dict(os.environ)))
    return {label: max(peaks, key=lambda peak: peak.mib) for label, peaks in measured.items()}
