"""The floor: the matrix products of an epoch, in the order of training, and nothing else, through NumPy's own BLAS."""

import time
from itertools import pairwise
from typing import final

import numpy as np

from benchmarks.cell import TrainingJob
from benchmarks.images import load_dataset
from handgrad.training.threads import limited


@final
class Training:
    """Products of arrays that stay where they are: nothing is gathered, added, activated or updated."""

    def __init__(self, job: TrainingJob, threads: int) -> None:
        self.versions = {"numpy": np.__version__}
        self.note = ""
        data = load_dataset(job.dataset, job.images)
        sizes = (data.training.images.shape[1], *job.hidden, len(data.classes))
        full, rest = divmod(len(data.training), job.batch)
        self._steps = [(_Step(sizes, job.batch), full)] + ([(_Step(sizes, rest), 1)] if rest else [])
        self._threads = threads

    def turn(self) -> float:
        with limited(self._threads):
            began = time.perf_counter()
            for step, times in self._steps:
                for _ in range(times):
                    step.take()
            return time.perf_counter() - began

    def outcome(self) -> None:
        """Nothing is learned."""


@final
class _Step:
    def __init__(self, sizes: tuple[int, ...], batch: int) -> None:
        generator = np.random.default_rng(0)
        self._a = [generator.random((batch, size), np.float32) for size in sizes]
        self._delta = [generator.random((batch, size), np.float32) for size in sizes]
        self._W = [generator.random(shape, np.float32) for shape in pairwise(sizes)]
        self._z = [np.empty((batch, size), np.float32) for size in sizes]
        self._dW = [np.empty_like(W) for W in self._W]

    def take(self) -> None:
        """The products that `benchmarks.cell.products` lists."""
        a, W, delta = self._a, self._W, self._delta
        for l, w in enumerate(W):
            np.dot(a[l], w, out=self._z[l + 1])
        for l in reversed(range(len(W))):
            np.dot(a[l].T, delta[l + 1], out=self._dW[l])
            if l:
                np.dot(delta[l + 1], W[l].T, out=self._z[l])
