"""What a network got right and wrong on labelled examples.

Everything that the terminal prints and the figures draw about a trained network is one frozen value, made once
from its answers. Nothing here knows a network, a file or a screen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.evaluation.calibration import Calibration, calibrate
from handgrad.evaluation.interval import wilson


@final
@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fared; a ratio that divides by zero is None.

    Attributes:
        name: what the class is called.
        precision: of the examples read as this class, the share that are of it.
        recall: of the examples of this class, the share read as it.
        f1: the harmonic mean of both, 2·hits / (support + predicted).
        support: how many examples are of this class.
        predicted: how many were read as it.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What came out of n examples of k classes.

    Attributes:
        n: how many examples.
        errors: how many of them were read wrongly.
        accuracy: the share read rightly, 0..1.
        accuracy_interval: the 95% Wilson score interval of `accuracy`.
        log_loss: the mean of -ln(probability given to the true class), in nats; None without probabilities.
        per_class: one `ClassScore` a class, in the labels' order.
        confusion: `(k, k)`; row i, column j counts the examples of class i read as class j.
        predictions: `(n,)`, the most probable class of each example, the lowest of equals.
        confidences: `(n,)`, the probability given to that class, 0..1.
        wrong: `(errors,)`, the indices of the examples read wrongly, the most confident first, equals in order.
        calibration: whether the confidences can be believed; None without probabilities.
    """

    n: int
    errors: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    log_loss: float | None
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    predictions: NDArray[np.intp]
    confidences: NDArray[np.float64]
    wrong: NDArray[np.intp]
    calibration: Calibration | None

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain lists and dicts that `json.dumps` takes; single examples are left out."""
        return {
            "accuracy": self.accuracy,
            "errors": self.errors,
            "n": self.n,
            "accuracy_interval_95": list(self.accuracy_interval),
            "log_loss": self.log_loss,
            "expected_calibration_error": self.calibration.expected_error if self.calibration else None,
            "per_class": [asdict(score) for score in self.per_class],
            "confusion": self.confusion.tolist(),
        }


def evaluate(labels: NDArray[np.integer], probabilities: NDArray[np.floating], classes: Sequence[str]) -> Report:
    """Hold a network's answers against the truth.

    A network trained with another loss than softmax cross-entropy may answer with numbers that are no probabilities
    of k classes: some below 0, or rows that do not add up to 1 within 0.001. The largest number of a row still
    decides, and counts, cut to 0..1, as the confidence; log loss and calibration are then None.

    Args:
        labels: `(n,)`, the true classes, each in `0 .. k - 1`.
        probabilities: `(n, k)`, one row an example. Rows that add up to nearly 1 are brought to exactly 1 in float64;
            a probability of 0 for the true class counts as 2.2e-16 in the log loss.
        classes: the k names.

    Raises:
        HandgradError: there is nothing to evaluate, or the three do not belong together.
    """
    from sklearn.metrics import (  # noqa: PLC0415 - imported late: it takes a second
        confusion_matrix,
        log_loss,
        precision_recall_fscore_support,
    )

    _check(labels, probabilities, classes)
    n, k = probabilities.shape
    answers = probabilities.astype(np.float64)
    sums = answers.sum(axis=1, keepdims=True)
    believable = bool((answers >= 0).all() and (np.abs(sums - 1) <= 1e-3).all())
    if believable:
        answers /= sums
    predictions = probabilities.argmax(axis=1)
    sureness = answers.max(axis=1)
    confidences = sureness.clip(0.0, 1.0)
    correct = predictions == labels
    right = int(correct.sum())
    wrong = np.flatnonzero(~correct)

    names = np.arange(k)
    confusion = confusion_matrix(labels, predictions, labels=names)
    ratios = precision_recall_fscore_support(labels, predictions, labels=names, zero_division=np.nan)
    per_class = tuple(
        ClassScore(name, _ratio(precision), _ratio(recall), _ratio(f1), int(support), int(predicted))
        for name, precision, recall, f1, support, predicted in zip(classes, *ratios, confusion.sum(axis=0), strict=True)
    )
    return Report(
        n=n,
        errors=n - right,
        accuracy=right / n,
        accuracy_interval=wilson(right, n),
        log_loss=float(log_loss(labels, answers, labels=names)) if believable else None,
        per_class=per_class,
        confusion=confusion,
        predictions=predictions,
        confidences=confidences,
        wrong=wrong[np.argsort(-sureness[wrong], kind="stable")],
        calibration=calibrate(confidences, correct) if believable else None,
    )


def _ratio(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _check(labels: NDArray[np.integer], probabilities: NDArray[np.floating], classes: Sequence[str]) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise HandgradError(
            f"labels of shape {labels.shape} do not fit answers of shape {probabilities.shape}; "
            "evaluation needs one label and one row of answers an example"
        )
    n, k = probabilities.shape
    if n == 0:
        raise HandgradError("there is nothing to evaluate: the set holds no examples; choose another")
    if k < 2 or k != len(classes):
        raise HandgradError(
            f"the network tells {k} classes apart and the data has {len(classes)}; "
            "evaluate it, with two classes or more, on the data that it was trained on"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise HandgradError(f"labels are whole numbers from 0 to {k - 1}; these are {labels.dtype}")
    outside = np.flatnonzero((labels < 0) | (labels >= k))
    if len(outside):
        raise HandgradError(
            f"example {outside[0]} has the label {labels[outside[0]]}, and the {k} classes are 0 to {k - 1}; "
            "evaluate the network on the data that it was trained on"
        )
    if not np.isfinite(probabilities).all():
        raise HandgradError(
            "the network answers with numbers that are not finite; its weights are damaged: train it again"
        )
