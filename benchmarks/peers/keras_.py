"""Keras 3 on JAX: `model.fit`, its step compiled by XLA."""

import time
from typing import final

import jax
import keras
import numpy as np

from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import load
from benchmarks.start import start


def optimizer_of(job: TrainingJob) -> keras.optimizers.Optimizer:
    if job.optimizer == "adam":
        return keras.optimizers.Adam(job.learning_rate, BETA1, BETA2, EPSILON)
    return keras.optimizers.SGD(job.learning_rate, MOMENTUM if job.optimizer == "momentum" else 0.0)


@final
class Training:
    """Arrays in memory, shuffled by `fit` itself, and nothing reported but the loss.

    Tried and no faster: a `PyDataset`, one-hot labels, several steps an execution (on JAX they are a loop in Python).
    """

    def __init__(self, job: TrainingJob, threads: int) -> None:
        del threads  # the environment has said it
        self.versions = {"keras": keras.__version__, "jax": jax.__version__}
        self.note = ""
        keras.utils.set_random_seed(job.seed)
        self._images, self._batch = load(job.dataset, job.images), job.batch
        x = self._images.x
        layers = [keras.layers.Dense(n, "relu") for n in job.hidden]
        last = keras.layers.Dense(self._images.n_classes)
        self._model = keras.Sequential([keras.Input(x.shape[1:]), *layers, last])
        self._model.compile(
            optimizer_of(job), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True
        )
        weights = start(self._images.sizes(job.hidden), job.seed)
        self._model.set_weights([array for layer in weights for array in layer])
        self._x, self._y = jax.numpy.asarray(x), jax.numpy.asarray(self._images.y.astype(np.int32))

    def turn(self) -> float:
        began = time.perf_counter()
        self._model.fit(self._x, self._y, batch_size=self._batch, verbose=0)
        jax.block_until_ready([variable.value for variable in self._model.trainable_variables])
        return time.perf_counter() - began

    def outcome(self) -> float:
        logits = np.asarray(self._model.predict_on_batch(self._images.test_x))
        return self._images.accuracy(logits.argmax(1))
