"""A system in a process of its own, as seen from the process that holds the clock's results.

Each lives alone, so that its threads are bounded before anything is imported and nothing is shared between two systems.
It works only while it is asked.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import msgspec

from benchmarks.peers import PEERS

_BOUNDS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_XLA = ("PJRT_NPROC", "NPROC", "XLA_FLAGS")
_GRACE_SECONDS = 5.0
_ROOT = Path(__file__).parents[1]


class ContestantFailed(Exception):  # noqa: N818 - it is what happened
    """A system could not do what it was asked; the message says why, in its own words."""


@final
class Turn(msgspec.Struct, frozen=True):
    """What one turn took.

    Attributes:
        seconds: by the system's own clock, around the work alone.
        cores: that its processes kept busy, on average, as the operating system counts; None where it cannot be asked.
    """

    seconds: float
    cores: float | None


@final
class Contestant:
    """One system with a number of threads; a context, so that no process is left behind."""

    def __init__(self, peer: str, threads: int, *, room: str = "Training") -> None:
        """Start its process."""
        self.peer, self.threads = peer, threads
        self.versions: dict[str, str] = {}
        self.note = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and names from PEERS
            [sys.executable, "-m", "benchmarks.host", room, peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=_ROOT,
            env=environment(peer, threads),
            start_new_session=True,  # Ctrl-C reaches the parent alone, and its helpers can be told apart
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def prepare(self, job: msgspec.Struct) -> None:
        """Begin to load and compile; `ready` waits for the end of it."""
        self._ask({"ask": "prepare", "job": msgspec.to_builtins(job)})

    def ready(self) -> None:
        """Wait until it could begin.

        Raises:
            ContestantFailed: it cannot.
        """
        answer = self._answer()
        self.versions, self.note = answer["versions"], answer["note"]

    def turn(self) -> Turn:
        """Let it work for one turn.

        Raises:
            ContestantFailed: it could not.
        """
        busy, began = self.busy_seconds(), time.perf_counter()
        self._ask({"ask": "turn"})
        seconds = float(self._answer()["seconds"])
        took, now = time.perf_counter() - began, self.busy_seconds()
        return Turn(seconds, None if busy is None or now is None else (now - busy) / took)

    def outcome(self) -> Any:  # noqa: ANN401 - an accuracy, or classes
        """Ask what it has come to.

        Raises:
            ContestantFailed: it could not say.
        """
        self._ask({"ask": "outcome"})
        return self._answer()["outcome"]

    def busy_seconds(self) -> float | None:
        """Processor time of its process and its helpers since they began; None where there is no /proc."""
        return session_seconds(self._process.pid)

    def close(self) -> None:
        """End its processes: it is told to, and what does not listen is killed."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if hasattr(os, "killpg"):
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._errors.close()

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it was asked for
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ContestantFailed(self._last_words()) from error

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - as above
        line = self._process.stdout.readline()
        if not line:
            raise ContestantFailed(self._last_words())
        answer: dict[str, Any] = msgspec.json.decode(line)
        if "error" in answer:
            raise ContestantFailed(answer["error"])
        return answer

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "its process ended without a word"


def environment(peer: str, threads: int) -> dict[str, str]:
    """The variables of a system's process: this one's, with every bound on threads set anew."""
    variables = {name: value for name, value in os.environ.items() if name not in {*_BOUNDS, *_XLA}}
    if not PEERS[peer].chooses_itself:
        variables |= dict.fromkeys(_BOUNDS, str(threads))
    return variables | {name: value.format(threads=threads) for name, value in PEERS[peer].environment.items()}


def session_seconds(leader: int) -> float | None:
    """Processor time of all living processes in the session of `leader`, and of those it has waited for."""
    if not sys.platform.startswith("linux"):
        return None
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:  # counted from the state on: 3 is the session, 11 to 14 the times
                    own = folder.name == str(leader)
                    ticks += sum(map(int, fields[11 : 15 if own else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")
