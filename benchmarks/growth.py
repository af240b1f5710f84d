"""How cost grows: a step of handgrad over width, depth and batch, and an epoch over the number of images.

Beside each stands what arithmetic predicts: the floating-point operations of the matrix products, at the rate that one
large product reaches on the same machine.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import final

import msgspec
import numpy as np

from benchmarks.cell import TrainingJob, operations
from benchmarks.contest import Entry, compete
from benchmarks.peers import THREADS
from handgrad.training.threads import limited

STEPS = 40
"""In an epoch, at least: few enough for large networks, enough for the clock."""

WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
DEPTHS = (1, 2, 4, 8, 16)
BATCHES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
IMAGES = (1000, 2000, 5000, 10_000, 20_000, 40_000, 60_000)

LARGE = 2048
"""Rows and columns of the product that sets the rate."""


@final
class Point(msgspec.Struct, frozen=True):
    """One measurement: at `x`, `seconds` (median, least and most of the rounds), beside what arithmetic predicts."""

    x: int
    seconds: float
    least: float
    most: float
    predicted: float
    threads: int


@final
class GrowthResult(msgspec.Struct, frozen=True):
    """The points of each axis by its name, and the rate in operations a second."""

    axes: dict[str, list[Point]]
    rate: float
    rate_threads: int


@final
class Axis(msgspec.Struct, frozen=True):
    """What is varied, the job for each value of it, and whether the figure is that of a step or of an epoch."""

    name: str
    values: tuple[int, ...]
    job: Callable[[int], TrainingJob]
    per_step: bool = True


def _job(hidden: tuple[int, ...], batch: int, images: int = 0) -> TrainingJob:
    images = images or min(60_000, max(STEPS * batch, 5120) // batch * batch)
    return TrainingJob(hidden=hidden, batch=batch, images=images, optimizer="sgd", learning_rate=0.01)


AXES = (
    Axis("width", WIDTHS, lambda width: _job((width, width), 128)),
    Axis("depth", DEPTHS, lambda depth: _job((256,) * depth, 128)),
    Axis("batch", BATCHES, lambda batch: _job((128, 64), batch)),
    Axis("images", IMAGES, lambda images: _job((128, 64), 64, images), per_step=False),
)


def measure(
    rounds: int,
    notify: Callable[[str], None],
    *,
    axes: tuple[Axis, ...] = AXES,
    large: int = LARGE,
    n_in: int = 784,
    n_out: int = 10,
) -> GrowthResult:
    """Measure every point of every axis."""
    notify("the rate of one large product")
    rate, threads = largest_rate(large)
    points: dict[str, list[Point]] = {}
    for axis in axes:
        points[axis.name] = []
        for x in axis.values:
            notify(f"{axis.name} {x}")
            job = axis.job(x)
            result = compete([Entry("handgrad", "handgrad", job)], rounds)
            if (standing := result.standings.get("handgrad")) is None:
                notify(f"{axis.name} {x}: left out: {result.dropped['handgrad']}")
                continue
            full, rest = divmod(job.images, job.batch)
            sizes = (n_in, *job.hidden, n_out)
            steps = full + bool(rest)
            work = full * operations(sizes, job.batch) + (operations(sizes, rest) if rest else 0)
            share = steps if axis.per_step else 1
            seconds = [turn / share for turn in standing.seconds]
            points[axis.name].append(
                Point(x, median(seconds), min(seconds), max(seconds), work / rate / share, standing.threads)
            )
    return GrowthResult(points, rate, threads)


def largest_rate(size: int, times: int = 5) -> tuple[float, int]:
    """Operations a second of one product of `size` by `size` float32 matrices, and the better number of threads."""
    generator = np.random.default_rng(0)
    a, b = (generator.random((size, size), np.float32) for _ in range(2))
    out = np.empty_like(a)
    best: dict[int, float] = {}
    for threads in THREADS:
        with limited(threads):
            np.dot(a, b, out=out)
            for _ in range(times):
                began = time.perf_counter()
                np.dot(a, b, out=out)
                took = time.perf_counter() - began
                best[threads] = min(took, best.get(threads, took))
    threads = min(best, key=lambda n: best[n])
    return 2 * size**3 / best[threads], threads
