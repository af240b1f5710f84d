"""Training: every cell a contest of all systems, beside the floor; at the end, what the cells say together."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, geometric_mean, median
from typing import final

import msgspec

from benchmarks.cell import Cell
from benchmarks.contest import Entry, Ratio, Result, compete
from benchmarks.peers import PEERS

OURS, FLOOR = "handgrad", "floor"
AGAINST = ("torch", "torch-compile", "jax", "keras", "sklearn")
"""Whom handgrad is measured against."""

SAME_ACCURACY = 0.005
"""Rows count where the two accuracies differ by no more than this."""

LAST = 5
"""Epochs at the end over which an accuracy is the mean: that of a single one moves by more than 0.2 points."""


@final
class Row(msgspec.Struct, frozen=True):
    """One system in one cell.

    Attributes:
        peer: its name.
        threads: the better number of them.
        seconds: an epoch, median of the counted rounds.
        ratio: its time over handgrad's, round by round.
        accuracy: on the test images, mean of the last epochs; None for the floor.
        why_not: why the row does not count; empty where it does.
        note: what a reader should know.
    """

    peer: str
    threads: int
    seconds: float
    ratio: Ratio
    accuracy: float | None
    why_not: str = ""
    note: str = ""


@final
class CellResult(msgspec.Struct, frozen=True):
    """A cell after its contest.

    Attributes:
        cell: which.
        epochs: that each system had trained at the end.
        rows: handgrad's first, then the peers', then the floor's.
        dropped: systems that failed, and why.
        notes: what disturbed the measurement.
        versions: of all that took part.
        raw: everything measured.
    """

    cell: Cell
    epochs: int
    rows: list[Row]
    dropped: dict[str, str]
    notes: list[str]
    versions: dict[str, str]
    raw: Result

    def row(self, peer: str) -> Row | None:
        """The row of a system, if it has one."""
        return next((row for row in self.rows if row.peer == peer), None)

    @property
    def fastest(self) -> Row | None:
        """The peer that counts and has the smallest ratio."""
        counted = [row for row in self.rows if row.peer not in (OURS, FLOOR) and not row.why_not]
        return min(counted, key=lambda row: row.ratio.median, default=None)


def measure(
    cell: Cell, peers: Sequence[str], rounds: int, probes: int, notify: Callable[[str], None], **changes: object
) -> CellResult:
    """Hold the contest of one cell."""
    job = cell.job(**changes)
    entries = [Entry(peer, peer, job) for peer in (OURS, *peers, FLOOR)]
    result = compete(entries, rounds, probes=probes, notify=notify, settled=agreeing)
    return judged(cell, result, 1 + probes)


def agreeing(accuracies: Mapping[str, Sequence[float | None]]) -> bool:
    """Whether everyone has learned what handgrad has."""
    ours = mean_of_last(accuracies.get(OURS, ()))
    others = [mean_of_last(outcomes) for outcomes in accuracies.values()]
    return ours is None or all(other is None or abs(other - ours) <= SAME_ACCURACY for other in others)


def mean_of_last(accuracies: Sequence[float | None]) -> float | None:
    """The mean over the last epochs; None of whatever learns nothing."""
    last = [accuracy for accuracy in accuracies[-LAST:] if accuracy is not None]
    return fmean(last) if last else None


def judged(cell: Cell, result: Result, before: int) -> CellResult:
    """Read a contest: which rows count, and with which ratio.

    Args:
        cell: that it was about.
        result: what it showed.
        before: epochs that each system had trained before the first counted one.
    """
    if OURS not in result.standings:
        return CellResult(cell, before, [], result.dropped, [], {}, result)
    ours = mean_of_last(result.standings[OURS].outcomes)
    epochs = before + len(result.standings[OURS].outcomes)
    rows = []
    for label, standing in result.standings.items():
        accuracy = mean_of_last(standing.outcomes)
        why_not = ""
        if accuracy is not None and ours is not None and abs(accuracy - ours) > SAME_ACCURACY:
            why_not = f"not counted: it ended at {accuracy:.2%} and handgrad at {ours:.2%}"
        rows.append(
            Row(
                label,
                standing.threads,
                median(standing.seconds),
                result.ratio(label, OURS),
                accuracy,
                why_not,
                standing.note,
            )
        )
    notes = [
        f"{PEERS[label].title} kept {busy:.0%} of a core busy in others' turns"
        for label, busy in result.restless.items()
    ]
    versions = {name: number for standing in result.standings.values() for name, number in standing.versions.items()}
    return CellResult(cell, epochs, rows, result.dropped, notes, versions, result)


@final
class AdamResult(msgspec.Struct, frozen=True):
    """handgrad's own epoch with Adam over the one with plain SGD, paired."""

    sgd_seconds: float
    adam_seconds: float
    ratio: Ratio


def adam_over_sgd(rounds: int, probes: int, notify: Callable[[str], None], batch: int = 64) -> AdamResult:
    """Interleave two runs of the small network that differ in the update rule alone."""
    entries = [Entry(rule, OURS, Cell("small", batch, rule).job()) for rule in ("sgd", "adam")]
    result = compete(entries, rounds, probes=probes, notify=notify)
    seconds = {label: median(standing.seconds) for label, standing in result.standings.items()}
    return AdamResult(seconds["sgd"], seconds["adam"], result.ratio("adam", "sgd"))


@final
class Line(msgspec.Struct, frozen=True):
    """One line of the summary: what was measured, its figure, the target, and whether that is reached."""

    what: str
    figure: str
    target: str
    reached: bool


def summary(cells: Sequence[CellResult], adam: AdamResult | None) -> list[Line]:
    """What the cells say together; a line without any cell to stand on is left out."""
    fastest = [(result, row) for result in cells if (row := result.fastest) is not None]
    lines = []
    if fastest:
        worst, row = min(fastest, key=lambda pair: pair[1].ratio.median)
        ratio = row.ratio.median
        lines.append(
            Line(
                "slowest cell, against its fastest peer",
                f"{ratio:.2f} ({worst.cell.name}; {PEERS[row.peer].title})",
                ">= 1.0",
                ratio >= 1.0,
            )
        )
        mean = geometric_mean([row.ratio.median for _, row in fastest])
        lines.append(
            Line(
                f"geometric mean over {len(fastest)} cells, against the fastest peer of each",
                f"{mean:.2f}",
                ">= 1.2",
                mean >= 1.2,
            )
        )
    lines += _least(cells, "torch", 2.5, "small network, batch <= 64, against PyTorch eager", most_batch=64)
    lines += _least(cells, "sklearn", 3.0, "all cells, against scikit-learn")
    over = [
        (1 / row.ratio.median, result.cell.batch)
        for result in cells
        if (result.cell.network, result.cell.optimizer) == ("small", "sgd")
        and 64 <= result.cell.batch <= 512
        and (row := result.row(FLOOR)) is not None
    ]
    if over:
        most, batch = max(over)
        lines.append(
            Line(
                "small network, SGD epoch over its products alone, batch 64 to 512, at most",
                f"{most:.2f} (batch {batch})",
                "<= 1.25",
                most <= 1.25,
            )
        )
    if adam is not None:
        ratio = adam.ratio.median
        lines.append(Line("small network, Adam's epoch over SGD's, batch 64", f"{ratio:.2f}", "<= 1.3", ratio <= 1.3))
    return lines


def _least(
    cells: Sequence[CellResult], peer: str, target: float, what: str, most_batch: int | None = None
) -> list[Line]:
    rows = [
        (row.ratio.median, result.cell.name)
        for result in cells
        if (row := result.row(peer)) is not None
        and not row.why_not
        and (most_batch is None or (result.cell.network == "small" and result.cell.batch <= most_batch))
    ]
    if not rows:
        return []
    least, name = min(rows)
    return [Line(f"{what}, at least", f"{least:.2f} ({name})", f">= {target:g}", least >= target)]
