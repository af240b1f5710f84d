"""handgrad, called as its command line calls it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

import handgrad
from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import load, load_dataset
from benchmarks.prediction import PredictionJob
from benchmarks.start import start
from handgrad import modelfile
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord
from handgrad.training.threads import limited

FOREVER = 1_000_000  # epochs; whoever asks decides when it is enough


@final
class Training:
    """A run whose records are taken one by one.

    Its two choices are one process, whose BLAS threads it sets by its own rule, and two processes.
    """

    def __init__(self, job: TrainingJob, threads: int) -> None:
        self.versions = {"handgrad": handgrad.__version__, "numpy": np.__version__}
        self.note = ""
        data = load_dataset(job.dataset, job.images)
        self._test, self._white = data.test, data.white
        recipe = Recipe(
            dataset=job.dataset,
            hidden_layer_sizes=job.hidden,
            batch_size=job.batch,
            optimizer=job.optimizer,
            learning_rate=job.learning_rate,
            momentum=MOMENTUM,
            beta1=BETA1,
            beta2=BETA2,
            epsilon=EPSILON,
            epochs=FOREVER,
            seed=job.seed,
        )
        # The loop tests after every epoch, and testing is not counted: here it tests by one image, inside the clock.
        self._run = Run(recipe, replace(data, test=data.test.take(np.arange(1))), workers=threads)
        layers = [views for views in self._run.network.views() if views]
        sizes = (data.training.images.shape[1], *job.hidden, len(data.classes))
        for (W, b), (W0, b0) in zip(layers, start(sizes, job.seed), strict=True):
            W[...], b[...] = W0, b0
        self._records = self._run.records()

    def turn(self) -> float:
        began = time.perf_counter()
        for record in self._records:
            if isinstance(record, EpochRecord):
                break
        return time.perf_counter() - began

    def outcome(self) -> float:
        images, labels = self._test.images, self._test.labels
        classes = self._run.network.predict(images.astype(np.float32) / np.float32(self._white))
        return float(np.mean(classes == labels))


@final
class Inference:
    """`Network.predict` of float32 rows, or `Model.predict_probabilities` of pixels and the largest of them."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        self.versions = {"handgrad": handgrad.__version__, "numpy": np.__version__}
        self.note = ""
        self._calls, self._threads, self._pixels = job.calls, threads, job.pixels
        self._model = modelfile.load(Path(job.model))
        if job.pixels:
            self._images: np.ndarray = np.ascontiguousarray(load_dataset(job.dataset).test.images[: job.images])
        else:
            self._images = np.ascontiguousarray(load(job.dataset, 1).test_x[: job.images])

    def turn(self) -> float:
        with limited(self._threads):
            began = time.perf_counter()
            for _ in range(self._calls):
                self._predict()
            return (time.perf_counter() - began) / self._calls

    def outcome(self) -> list[int]:
        return [int(c) for c in self._predict()]

    def _predict(self) -> np.ndarray:
        if self._pixels:
            return self._model.predict_probabilities(self._images).argmax(axis=1)
        return self._model.network.predict(self._images)
