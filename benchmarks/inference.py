"""Prediction: one trained network, read by every system, asked for the classes of many images and of one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import final

import msgspec

from benchmarks.contest import Entry, Ratio, Result, compete
from benchmarks.peers import PEERS
from benchmarks.prediction import PredictionJob

OURS, OURS_PIXELS = "handgrad", "handgrad, from uint8"
AGAINST = ("onnx", "torch", "torch-compile", "jax", "sklearn")

CALLS = {10_000: 10, 1: 2000}
"""Calls in a turn, by the number of images: a turn is long enough for the clock and short enough for many rounds."""

SAME_CLASSES = 0.999
"""Rounding may move an image that stands between two classes; rows count where at least this share agrees."""


@final
class PredictionRow(msgspec.Struct, frozen=True):
    """One system: seconds of a call (median), its time over handgrad's from float32, and the share that agrees."""

    label: str
    peer: str
    threads: int
    seconds: float
    ratio: Ratio
    agreement: float
    why_not: str = ""
    note: str = ""


@final
class InferenceResult(msgspec.Struct, frozen=True):
    """A contest of prediction."""

    images: int
    model: str
    rows: list[PredictionRow]
    dropped: dict[str, str]
    notes: list[str]
    versions: dict[str, str]

    @property
    def what(self) -> str:
        """What was read: `one image`, or how many."""
        return "one image" if self.images == 1 else f"{self.images:,} images"

    @property
    def fastest(self) -> PredictionRow | None:
        """The peer that counts and has the smallest ratio."""
        counted = [row for row in self.rows if row.peer != "handgrad" and not row.why_not]
        return min(counted, key=lambda row: row.ratio.median, default=None)


def measure(
    model: str,
    images: int,
    peers: Sequence[str],
    rounds: int,
    notify: Callable[[str], None],
    *,
    dataset: str = "mnist",
    calls: int | None = None,
) -> InferenceResult:
    """Let all systems read the first `images` test images with the weights of the model file `model`."""
    calls = calls or CALLS.get(images, max(1, 20_000 // images))
    job = PredictionJob(model=model, dataset=dataset, images=images, calls=calls)
    pixels = msgspec.structs.replace(job, pixels=True)
    entries = [
        Entry(OURS, "handgrad", job, "Inference"),
        Entry(OURS_PIXELS, "handgrad", pixels, "Inference"),
        *(Entry(PEERS[peer].title, peer, job, "Inference") for peer in peers),
    ]
    result = compete(entries, rounds, notify=notify)
    return judged(result, entries, images, Path(model).name)


def judged(result: Result, entries: Sequence[Entry], images: int, model: str) -> InferenceResult:
    """Read a contest: which rows count, and with which ratio."""
    if OURS not in result.standings:
        return InferenceResult(images, model, [], result.dropped, [], {})
    ours = result.standings[OURS].outcomes[-1]
    rows = []
    for entry in entries:
        if (standing := result.standings.get(entry.label)) is None:
            continue
        agreement = sum(a == b for a, b in zip(standing.outcomes[-1], ours, strict=True)) / len(ours)
        rows.append(
            PredictionRow(
                entry.label,
                entry.peer,
                standing.threads,
                median(standing.seconds),
                result.ratio(entry.label, OURS),
                agreement,
                "" if agreement >= SAME_CLASSES else f"not counted: only {agreement:.2%} of its classes are handgrad's",
                standing.note,
            )
        )
    notes = [f"{label} kept {busy:.0%} of a core busy in others' turns" for label, busy in result.restless.items()]
    versions = {name: number for standing in result.standings.values() for name, number in standing.versions.items()}
    return InferenceResult(images, model, rows, result.dropped, notes, versions)
