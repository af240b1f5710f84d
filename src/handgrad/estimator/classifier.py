"""Classes from features: scikit-learn's `MLPClassifier`, and more."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from handgrad.engine.arrays import Array
from handgrad.estimator.fitting import Lesson
from handgrad.estimator.multilayer import Multilayer, by_batches, take
from handgrad.estimator.parameters import LOGISTIC


@final
class MLPClassifier(ClassifierMixin, Multilayer):  # type: ignore[misc]  # scikit-learn has no types
    """A fully connected network that tells classes apart: two, several, or any number of labels at once.

    The parameters up to `max_fun` are those of scikit-learn 1.9's `sklearn.neural_network.MLPClassifier`, with the same
    meaning and defaults; so are the methods and the fitted attributes. The same `random_state` draws the same start and
    the same batches as theirs. Beyond them:

    Args:
        activation: also one of the engine's others, or a list with one name for each hidden layer.
        solver: also `adamw`, `rmsprop`, `momentum` or `nesterov`.
        learning_rate: also `cosine`, `exponential`, `one_cycle`, `step` or `plateau`, with any solver but `lbfgs`.
        verbose: also `"bar"`, for a progress bar on stderr.
        dropout: rate after each hidden layer.
        input_dropout: rate on the input.
        batch_norm: normalize before each activation. `intercepts_` then holds batch norm's beta for hidden layers.
        weight_decay: decoupled from the gradient; None is 0.01 with `adamw` and 0 with others.
        max_norm: the longest that the weights into one neuron may be.
        clip_norm: the longest that a gradient may be.
        warmup: epochs of a linear rise before the `cosine` falls.
        decay_every: epochs between two steps of `step`, and in which `exponential` falls by one factor.
        decay_factor: of `step`, `exponential` and `plateau`.
        scoring: what early stopping goes by: a scorer's name, or `scorer(estimator, X, y)`, given `sample_weight`
            too if it takes that; None is accuracy.
        callbacks: called with an `EpochReport` after each epoch, or a list of such; any that returns true ends the fit.
        augment: `augment(x, generator)` gives a batch, `(n, n_features)`, as it is to be learned from, or changes it;
            for square images also `"mild"` or `"strong"`: turned, slanted, moved and bent a little, anew in each epoch.
        label_smoothing: the share of each target that is spread evenly over all classes.
        class_weight: `"balanced"`, or a weight for each label; multiplies `sample_weight`.

    Attributes:
        history_: what the reports said, a list for each field of `EpochReport`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Multilayer._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    loss = "log_loss"
    classes_: NDArray[Any]

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),  # noqa: ANN401 - a number or any sequence of numbers
        activation: str | Sequence[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,  # noqa: ANN401 - a number, a RandomState or None
        tol: float = 1e-4,
        verbose: bool | int | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        batch_norm: bool = False,
        weight_decay: float | None = None,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        warmup: float = 0.0,
        decay_every: float = 10.0,
        decay_factor: float = 0.1,
        scoring: Any = None,  # noqa: ANN401 - a name or a scorer
        callbacks: Any = None,  # noqa: ANN401 - a callable or several
        augment: Any = None,  # noqa: ANN401 - a name or a callable
        label_smoothing: float = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,
    ) -> None:
        take(self, locals())

    def _read(self, x: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:  # noqa: ANN401
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim > 1 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return x, y
        classes = unique_labels(y)
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    f"warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )
        return x, y

    def _lesson(self, x: Any, y: NDArray[Any], weights: Array | None, *, incremental: bool) -> Lesson:  # noqa: ANN401
        if self.class_weight is not None:
            if incremental and self.class_weight == "balanced":
                raise ValueError(
                    "class_weight 'balanced' cannot be told from a part of the data: give partial_fit a dict"
                )
            by_class = _weights_by_class(self.class_weight, y, self.classes_)
            weights = by_class if weights is None else weights * by_class
        hot = self._label_binarizer.transform(y)
        targets = hot.reshape(len(hot), -1).astype(x.dtype)
        if self.label_smoothing:
            n_answers = targets.shape[1] if self._ending() == "softmax" else 2
            targets *= 1.0 - self.label_smoothing
            targets += self.label_smoothing / n_answers
        scored = self.scoring is not None and y.ndim == 1  # scorers may want to see every class
        strata = hot.astype(bool) if targets.shape[1] == 1 else y if scored else None  # the first is scikit-learn's
        return Lesson(x, targets, weights, y, strata)

    def _ending(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else LOGISTIC

    def _probabilities(self, z: Array) -> Array:
        self._loss().activate(z)
        return z

    def _answers(self, z: Array) -> NDArray[Any]:
        p = self._probabilities(z)
        labels: NDArray[Any] = self._label_binarizer.inverse_transform(p.ravel() if self.n_outputs_ == 1 else p)
        return labels

    def _score_of(self, y: NDArray[Any], answers: NDArray[Any], weights: Array | None) -> float:
        return float(accuracy_score(y, answers, sample_weight=weights))

    @by_batches
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:  # noqa: ANN401
        """Take one pass over the rows, going on from the weights and the optimiser's memory that there are.

        Args:
            X: as in `fit`.
            y: as in `fit`; not all classes need to be among them.
            sample_weight: as in `fit`.
            classes: all classes that will ever be; asked for with the first call.

        Raises:
            ValueError: as `fit`; no classes with the first call, unknown ones later; early_stopping=True.
            AttributeError: solver='lbfgs'.
        """
        if _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict_proba(self, X: Any) -> Array:  # noqa: ANN401 - as in `predict`
        """The probability of each class, `(n_samples, n_classes)`; of each label, where several may hold.

        Raises:
            NotFittedError, ValueError: as `predict`.
        """
        p = self._probabilities(self._logits(X))
        return np.hstack([1.0 - p, p]) if self.n_outputs_ == 1 else p

    def predict_log_proba(self, X: Any) -> Array:  # noqa: ANN401 - as in `predict`
        """The natural logarithm of `predict_proba`."""
        p = self.predict_proba(X)
        return np.log(p, out=p)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _weights_by_class(class_weight: Any, y: NDArray[Any], classes: NDArray[Any]) -> Array:  # noqa: ANN401 - a dict, "balanced", or a list of them
    """Give what each row weighs by its class; of codes, because scikit-learn takes the text "1" for a number.

    Raises:
        ValueError: a weight for something that is no class.
    """
    if y.ndim > 1:
        weights: Array = compute_sample_weight(class_weight, y)
        return weights
    labels, codes = np.unique(y, return_inverse=True)
    if isinstance(class_weight, Mapping):
        unknown = [label for label in class_weight if label not in classes.tolist()]
        if unknown:
            raise ValueError(f"class_weight has a weight for {unknown[0]!r}, but the classes are {classes.tolist()}")
        coded = {code: class_weight[label] for code, label in enumerate(labels.tolist()) if label in class_weight}
    else:
        coded = class_weight
    by_class: Array = compute_class_weight(coded, classes=np.arange(len(labels)), y=codes)
    return by_class[codes]
