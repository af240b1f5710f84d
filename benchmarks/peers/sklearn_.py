"""scikit-learn's `MLPClassifier`, an epoch at a time through `partial_fit`, with its checks of the input off."""

import time
from typing import final

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import Images, load
from benchmarks.peers.weights import dense_layers
from benchmarks.prediction import PredictionJob
from benchmarks.start import start


def classifier(job: TrainingJob) -> MLPClassifier:
    """The job's network, which starts as Glorot says; `begin` changes that."""
    return MLPClassifier(
        job.hidden,
        solver="adam" if job.optimizer == "adam" else "sgd",
        alpha=0.0,
        batch_size=job.batch,
        learning_rate_init=job.learning_rate,
        momentum=MOMENTUM if job.optimizer == "momentum" else 0.0,
        nesterovs_momentum=False,
        beta_1=BETA1,
        beta_2=BETA2,
        epsilon=EPSILON,
        random_state=np.random.RandomState(job.seed),  # a plain seed would give every epoch the same order
    )


def begin(network: MLPClassifier, images: Images, job: TrainingJob) -> None:
    """Take a step of one batch, so that all arrays exist, and then start where the other systems do."""
    rows = slice(job.batch)
    network.partial_fit(images.x[rows], images.y[rows], classes=np.arange(images.n_classes))
    for W, b, (W0, b0) in zip(
        network.coefs_, network.intercepts_, start(images.sizes(job.hidden), job.seed), strict=True
    ):
        W[...], b[...] = W0, b0


@final
class Training:
    """`partial_fit` is one epoch over what it is given, shuffled."""

    def __init__(self, job: TrainingJob, threads: int) -> None:
        del threads  # the environment has said it
        self.versions = {"scikit-learn": sklearn.__version__}
        self.note = ""
        sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
        self._images = load(job.dataset, job.images)
        self._classifier = classifier(job)
        begin(self._classifier, self._images, job)

    def turn(self) -> float:
        began = time.perf_counter()
        self._classifier.partial_fit(self._images.x, self._images.y)
        return time.perf_counter() - began

    def outcome(self) -> float:
        return self._images.accuracy(self._classifier.predict(self._images.test_x))


@final
class Inference:
    """`predict` of a classifier that was given the weights."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        del threads  # the environment has said it
        self.versions = {"scikit-learn": sklearn.__version__}
        self.note = ""
        sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
        self._calls = job.calls
        layers = dense_layers(job.model)
        images = load(job.dataset, 100)
        self._x = np.ascontiguousarray(images.test_x[: job.images])
        self._classifier = MLPClassifier([len(b) for _, b in layers[:-1]], max_iter=1)
        self._classifier.partial_fit(images.x, images.y, classes=np.arange(images.n_classes))
        self._classifier.coefs_ = [np.ascontiguousarray(W) for W, _ in layers]
        self._classifier.intercepts_ = [b for _, b in layers]

    def turn(self) -> float:
        began = time.perf_counter()
        for _ in range(self._calls):
            self._classifier.predict(self._x)
        return (time.perf_counter() - began) / self._calls

    def outcome(self) -> list[int]:
        return [int(c) for c in self._classifier.predict(self._x)]
