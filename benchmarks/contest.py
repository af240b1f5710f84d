"""A contest: systems that take turns at the same work, so that a machine that is slow for a while is slow for all.

First each system shows which number of threads suits it; that one goes on. Then come the counted rounds, A B C A B C,
one turn each, the others asleep. Ratios are taken round by round.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any, Self, TypeVar, final

import msgspec

from benchmarks.contestant import Contestant, ContestantFailed, Turn
from benchmarks.peers import THREADS

T = TypeVar("T")

PROBES = 2
"""Turns by which a number of threads is chosen, after one to warm up; the shortest decides."""

PAUSE_SECONDS = 0.25
"""Before each turn: thread pools spin on for a while after their work, and would do so in the next one's time."""

EXTENSION = 5
"""Turns by which a contest grows, once, where the outcomes are not yet steady enough to be compared."""

ASLEEP_CORES = 0.05
"""The others may keep this much of a core busy during a turn; more is noted, for it spoils the comparison."""


@final
class Ratio(msgspec.Struct, frozen=True):
    """How many times as long as `ours` `theirs` took: above 1, ours is faster."""

    median: float
    min: float
    max: float

    @classmethod
    def paired(cls, theirs: Sequence[float], ours: Sequence[float]) -> Self:
        """Divide round by round.

        Raises:
            ValueError: not the same number of rounds, or none.
        """
        ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
        if not ratios:
            raise ValueError("a ratio needs at least one round")
        return cls(median(ratios), min(ratios), max(ratios))


@final
class Entry(msgspec.Struct, frozen=True):
    """What takes part: a system with its job. `label` tells two entries of one system apart."""

    label: str
    peer: str
    job: msgspec.Struct
    room: str = "Training"
    threads: tuple[int, ...] = THREADS


@final
class Standing(msgspec.Struct, frozen=True):
    """How an entry did.

    Attributes:
        threads: what it ran with.
        probed: the shortest probe in seconds, by the number of threads, as text.
        turns: of the counted rounds.
        outcomes: what it came to after each counted round, and after each turn of the extension, if there was one.
        versions: what it is and stands on.
        note: what a reader should know.
    """

    threads: int
    probed: dict[str, float]
    turns: list[Turn]
    outcomes: list[Any]
    versions: dict[str, str]
    note: str = ""

    @property
    def seconds(self) -> list[float]:
        return [turn.seconds for turn in self.turns]


@final
class Result(msgspec.Struct, frozen=True):
    """What a contest showed: the standing of each entry that came to the end, and why the others did not."""

    standings: dict[str, Standing]
    dropped: dict[str, str]
    restless: dict[str, float]
    """Entries that were not asleep in others' turns, and the most of a core that they kept busy."""

    def ratio(self, theirs: str, ours: str) -> Ratio:
        """Compare two entries round by round."""
        return Ratio.paired(self.standings[theirs].seconds, self.standings[ours].seconds)


def compete(
    entries: Sequence[Entry],
    rounds: int,
    *,
    probes: int = PROBES,
    pause: float = PAUSE_SECONDS,
    notify: Callable[[str], None] = lambda _: None,
    settled: Callable[[Mapping[str, Sequence[Any]]], bool] = lambda _: True,
    extension: int = EXTENSION,
) -> Result:
    """Let the entries take turns.

    Every entry takes the same number of turns before its first counted one, whichever threads it ends up with.

    Args:
        entries: in the order in which they take their turns.
        rounds: counted turns of each.
        probes: turns by which each chooses its threads.
        pause: seconds of silence before each turn.
        notify: gets a line whenever something has begun.
        settled: says of the outcomes so far, by label, whether they can be compared.
        extension: turns that all take after the last round where they cannot; their seconds are not counted.
    """
    dropped: dict[str, str] = {}
    with ExitStack() as stack:
        runners: dict[str, Contestant] = {}
        probed: dict[str, dict[str, float]] = {}
        for entry in entries:
            notify(f"{entry.label}: loading, compiling, choosing its threads")
            try:
                runner, seconds = _enter(entry, probes, pause)
            except ContestantFailed as error:
                dropped[entry.label] = str(error)
                continue
            runners[entry.label] = stack.enter_context(runner)
            probed[entry.label] = seconds
        turns: dict[str, list[Turn]] = {label: [] for label in runners}
        outcomes: dict[str, list[Any]] = {label: [] for label in runners}
        restless: dict[str, float] = {}

        @contextmanager
        def dropped_if_it_fails(label: str) -> Iterator[None]:
            try:
                yield
            except ContestantFailed as error:
                dropped[label] = str(error)
                runners.pop(label).close()

        for number in range(rounds):
            for label in list(runners):
                notify(f"round {number + 1} of {rounds}: {label}")
                others = {other: runner for other, runner in runners.items() if other != label}
                with dropped_if_it_fails(label):
                    turns[label].append(_watched_turn(runners[label], others, restless, pause))
                    outcomes[label].append(runners[label].outcome())
        if not settled(outcomes):
            for number in range(extension):
                for label in list(runners):
                    notify(f"not yet settled, turn {number + 1} of {extension}: {label}")
                    with dropped_if_it_fails(label):
                        runners[label].turn()
                        outcomes[label].append(runners[label].outcome())
        standings = {
            label: Standing(runner.threads, probed[label], turns[label], outcomes[label], runner.versions, runner.note)
            for label, runner in runners.items()
        }
    return Result(standings, dropped, restless)


def _enter(entry: Entry, probes: int, pause: float) -> tuple[Contestant, dict[str, float]]:
    """Start an entry with each number of threads, and keep the faster.

    Raises:
        ContestantFailed: it failed with every number of threads; with one of them it may.
    """
    heat = _Heat()
    try:
        for threads in entry.threads:
            heat.running[threads] = Contestant(entry.peer, threads, room=entry.room)
        heat.each(lambda runner: runner.prepare(entry.job))
        heat.each(Contestant.ready)  # all of them load and compile at once
        heat.each(partial(_after_a_pause, pause))  # warms up
        heat.each(Contestant.outcome)  # so does this: what it compiles or allocates is there before the rounds
        best = heat.each(partial(_after_a_pause, pause))
        for _ in range(probes - 1):
            again = heat.each(partial(_after_a_pause, pause))
            best = {threads: min(best[threads], seconds) for threads, seconds in again.items()}
        if not best:
            raise heat.failure
        return heat.running.pop(min(best, key=lambda threads: best[threads])), {str(n): s for n, s in best.items()}
    finally:
        for loser in heat.running.values():
            loser.close()


@final
class _Heat:
    """One system with several numbers of threads, side by side; whatever fails is out."""

    def __init__(self) -> None:
        self.running: dict[int, Contestant] = {}
        self.failure = ContestantFailed("no number of threads was tried")

    def each(self, do: Callable[[Contestant], T]) -> dict[int, T]:
        """Ask each in turn; give the answers of those that had one."""
        answers = {}
        for threads, runner in list(self.running.items()):
            try:
                answers[threads] = do(runner)
            except ContestantFailed as error:
                self.failure = error
                self.running.pop(threads).close()
        return answers


def _after_a_pause(pause: float, runner: Contestant) -> float:
    time.sleep(pause)
    return runner.turn().seconds


def _watched_turn(
    runner: Contestant, others: Mapping[str, Contestant], restless: dict[str, float], pause: float
) -> Turn:
    time.sleep(pause)
    before = {label: other.busy_seconds() for label, other in others.items()}
    began = time.perf_counter()
    turn = runner.turn()
    took = time.perf_counter() - began
    for label, other in others.items():
        was, now = before[label], other.busy_seconds()
        if was is not None and now is not None and took > 0.2:  # shorter, and a tick of the clock looks like work
            cores = (now - was) / took
            if cores > ASLEEP_CORES:
                restless[label] = max(cores, restless.get(label, 0.0))
    return turn
