"""What both estimators have in common: from checked input to a fit, and from a fitted network to answers.

The network holds the numbers; `coefs_` and `intercepts_` are views into it, so that whoever changes an entry changes
the network. An array that has been put in their place is copied into the network before it is next used.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from handgrad.engine.activations import Sigmoid
from handgrad.engine.arrays import Array
from handgrad.engine.layers import BatchNorm, Dense
from handgrad.engine.losses import Loss
from handgrad.engine.network import Network
from handgrad.estimator import parameters
from handgrad.estimator.fitting import EpochReport, Lesson, fit_at_once, fit_in_batches
from handgrad.estimator.rows import logits

if TYPE_CHECKING:
    from handgrad.estimator.update import Update

_Method = TypeVar("_Method", bound=Callable[..., Any])


def take(owner: object, given: Mapping[str, Any]) -> None:
    """Set each constructor parameter in `given`, the constructor's locals, as an attribute, as scikit-learn asks."""
    for name, value in given.items():
        if name not in {"self", "__class__"}:
            setattr(owner, name, value)


def _by_batches(owner: "Multilayer") -> bool:
    """Say whether the solver can learn a little at a time.

    Raises:
        AttributeError: it cannot; scikit-learn hides the method then.
    """
    if owner.solver == "lbfgs":
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {owner.solver} is not stochastic."
        )
    return True


def by_batches(method: _Method) -> _Method:
    """Show a method only where the solver learns by batches."""
    return cast("_Method", available_if(_by_batches)(method))


class Multilayer(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """A fully connected network with scikit-learn's face; `MLPClassifier` and `MLPRegressor` are to be used."""

    hidden_layer_sizes: Any
    activation: str | Sequence[str]
    solver: str
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool | int | str
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: int
    max_fun: int
    dropout: float
    input_dropout: float
    batch_norm: bool
    weight_decay: float | None
    max_norm: float | None
    clip_norm: float | None
    warmup: float
    decay_every: float
    decay_factor: float
    scoring: Any
    callbacks: Any
    augment: Any

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **parameters.SCIKIT_CONSTRAINTS,
        **parameters.MORE_CONSTRAINTS,
    }

    n_iter_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: Any  # None with early stopping, where best_validation_score_ is a number
    validation_scores_: Any
    best_validation_score_: Any
    coefs_: list[Array]
    intercepts_: list[Array]
    history_: dict[str, list[Any]]
    feature_names_in_: NDArray[Any]
    preprocessing_: dict[str, Any]

    _random_state: Any
    _network: Network
    _views: tuple[list[Array], list[Array]]
    _plan: tuple[Any, ...] = ()
    _optimizer: "Update"
    _best: tuple[Array, Array]
    _no_improvement_count: int
    _stopped: bool

    @abstractmethod
    def _read(self, x: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:  # noqa: ANN401
        """Check input; return the features and the answers, `(n,)` or `(n, n_outputs)`."""

    @abstractmethod
    def _lesson(self, x: Any, y: NDArray[Any], weights: Array | None, *, incremental: bool) -> Lesson:  # noqa: ANN401
        """Make what the network is to learn from."""

    @abstractmethod
    def _ending(self) -> str:
        """Name the function that follows the last layer, as `out_activation_` does."""

    @abstractmethod
    def _answers(self, z: Array) -> NDArray[Any]:
        """Turn logits, `(n, n_outputs_)`, which may be overwritten, into answers as `predict` gives them."""

    @abstractmethod
    def _score_of(self, y: NDArray[Any], answers: NDArray[Any], weights: Array | None) -> float:
        """Compare answers with the truth: accuracy or R2."""

    def _loss(self) -> Loss:
        return parameters.make_loss(self.out_activation_)

    def _part_of_loss(self) -> float:
        """By what the engine's loss, a sum over outputs, is multiplied to be scikit-learn's: a mean for squares."""
        return 1.0 / self.n_outputs_ if self.out_activation_ == "identity" else 1.0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ANN401 - whatever scikit-learn can check
        """Learn from `X`, `(n_samples, n_features)`, and `y`, `(n_samples,)` or `(n_samples, n_outputs)`.

        Args:
            X: an array, a data frame or a sparse matrix. float32 is learned from in float32, all else in float64.
            y: class labels or numbers.
            sample_weight: what each row weighs, `(n_samples,)`.

        Raises:
            ValueError: as scikit-learn's: wrong shapes, NaN, unknown values of parameters, weights that overflow.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, x: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:  # noqa: ANN401
        self._validate_params()
        parameters.check(self)
        hidden = parameters.hidden_sizes(self.hidden_layer_sizes)
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        x, y = self._read(x, y, incremental=incremental, reset=first)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        self._random_state = check_random_state(self.random_state)
        lesson = self._lesson(x, y, weights, incremental=incremental)
        self.n_outputs_ = lesson.targets.shape[1]
        sizes = (x.shape[1], *hidden, self.n_outputs_)
        if first:
            self._begin(sizes, x.dtype)
        else:
            self._go_on(sizes)
            self.history_ = getattr(self, "history_", {})
            counted = hasattr(self, "loss_curve_")  # L-BFGS counts nothing that another solver could go on with
            if self.solver != "lbfgs" and not (
                counted and self.early_stopping == (getattr(self, "validation_scores_", None) is not None)
            ):
                self._begin_to_count()
        lesson = self._in_own_precision(lesson)
        self._stopped = False
        if self.solver == "lbfgs":
            fit_at_once(self, lesson)
        else:
            fit_in_batches(self, lesson, incremental=incremental)
        return self

    def _begin(self, sizes: Sequence[int], dtype: np.dtype[Any]) -> None:
        """Make a network and draw its start from the same numbers as scikit-learn, in the same order."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self.out_activation_ = self._ending()
        self._adopt(parameters.make_network(self, sizes[0], sizes[-1], dtype))
        self._plan = self._planned(sizes)
        names = {self.activation} if isinstance(self.activation, str) else set(self.activation)
        factor = 2.0 if names and names <= {parameters.LOGISTIC, Sigmoid.name} else 6.0
        layers = zip(self._network.layers, self._network.views(), strict=True)
        for layer, views in layers:
            if isinstance(layer, Dense):  # uniform, as Glorot and Bengio (2010) have it; biases too
                bound = np.sqrt(factor / (layer.n_in + layer.n_out))
                views[0][...] = self._random_state.uniform(-bound, bound, (layer.n_in, layer.n_out))
                bias = self._random_state.uniform(-bound, bound, layer.n_out)
                if layer.bias:
                    views[1][...] = bias
        self._best = self._network.theta.copy(), self._network.statistics.copy()
        self.history_ = {}
        if self.solver != "lbfgs":
            self._begin_to_count()

    def _begin_to_count(self) -> None:
        """Forget what was reached before: the solvers that count epochs keep these attributes, as scikit-learn's do."""
        self.loss_curve_ = []
        self._no_improvement_count = 0
        self.best_loss_ = None if self.early_stopping else np.inf
        self.validation_scores_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None

    def _go_on(self, sizes: Sequence[int]) -> None:
        """Go on from the network that there is, with the parameters of today.

        Raises:
            ValueError: they describe a network of another shape.
        """
        before = self._current()
        if self._plan == self._planned(sizes):
            return
        network = parameters.make_network(self, sizes[0], sizes[-1], before.dtype)
        shapes = [[view.shape for views in each.views() for view in views] for each in (before, network)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"the network has coefficients of {[W.shape for W in self.coefs_]}, but its parameters ask for others: "
                f"set warm_start=False, or hidden_layer_sizes and batch_norm to what they were"
            )
        network.theta[...], network.statistics[...] = before.theta, before.statistics
        self._adopt(network)
        self._plan = self._planned(sizes)

    def _planned(self, sizes: Sequence[int]) -> tuple[Any, ...]:
        """Give what the layers follow from; as long as it is the same, so are they."""
        names = self.activation if isinstance(self.activation, str) else tuple(self.activation)
        return tuple(sizes), names, bool(self.batch_norm), self.dropout, self.input_dropout

    def _in_own_precision(self, lesson: Lesson) -> Lesson:
        dtype = self._network.dtype
        weights = None if lesson.weights is None else lesson.weights.astype(dtype, copy=False)
        return Lesson(lesson.x, lesson.targets.astype(dtype, copy=False), weights, lesson.y, lesson.strata)

    def _adopt(self, network: Network) -> None:
        """Take this network as one's own, with `coefs_` and `intercepts_` as views into it."""
        matrices: list[Array] = []
        biases: list[Array] = []
        for layer, views in zip(network.layers, network.views(), strict=True):
            if isinstance(layer, Dense):
                matrices.append(views[0])
                biases.extend(views[1:])
            elif isinstance(layer, BatchNorm):
                biases.append(views[1])  # beta is the bias of the layer below
        self._network, self._views = network, (matrices, biases)
        self.coefs_, self.intercepts_ = list(matrices), list(biases)

    def _current(self) -> Network:
        """Give the network, brought up to date with what was put into `coefs_` and `intercepts_`.

        Raises:
            ValueError: an array there has another shape than it had.
        """
        if not hasattr(self, "_network"):  # an estimator that was given its coefficients, and never fitted
            sizes = [len(self.coefs_[0]), *(len(bias) for bias in self.intercepts_)]
            network = parameters.make_network(self, sizes[0], sizes[-1], self.coefs_[0].dtype)
            given = self.coefs_, self.intercepts_
            self._adopt(network)
            self.coefs_, self.intercepts_ = (list(arrays) for arrays in given)
        for own, views in zip((self.coefs_, self.intercepts_), self._views, strict=True):
            for i, view in enumerate(views):
                if own[i] is not view:
                    if np.shape(own[i]) != view.shape:
                        raise ValueError(f"an array of shape {np.shape(own[i])} cannot stand for one of {view.shape}")
                    view[...] = own[i]
                    own[i] = view
        return self._network

    def _logits(self, x: Any) -> Array:  # noqa: ANN401 - whatever scikit-learn can check
        """Check features and give the logits, `(n, n_outputs_)`."""
        check_is_fitted(self)
        return logits(self._current(), validate_data(self, x, accept_sparse=["csr", "csc"], reset=False))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401 - whatever scikit-learn can check
        """Answer for each row of `X`, `(n_samples, n_features)`: its class, its labels or its numbers.

        Raises:
            NotFittedError: before `fit`.
            ValueError: features of another number, or NaN.
        """
        return self._answers(self._logits(X))

    @contextmanager
    def _watched(self) -> Iterator[Callable[[EpochReport], bool]]:
        """Give a function that takes each report to `history_`, the callbacks and the bar, and says whether to stop."""
        functions = parameters.callbacks(self.callbacks)

        def report(one: EpochReport) -> bool:
            for name in EpochReport.__slots__:
                self.history_.setdefault(name, []).append(getattr(one, name))
            if bar is not None:
                bar.show(one)
            answers = [function(one) for function in functions]
            self._stopped = any(answers)
            return self._stopped

        bar = None
        if self.verbose == "bar":
            from handgrad.estimator.bar import Bar  # noqa: PLC0415 - imported late: Rich is slow to load

            with Bar(self.max_iter) as bar:
                yield report
        else:
            yield report

    def _say(self, line: str) -> None:
        if self.verbose and self.verbose != "bar":
            print(line)  # noqa: T201 - scikit-learn's own way to be verbose

    def save(self, path: str | Path, *, preprocessing: Mapping[str, Any] | None = None) -> None:
        """Write the estimator to a safetensors file, without pickle: parameters, network, classes, history.

        Callables among the parameters, a `RandomState`, a dict of class weights and what the optimiser remembers are
        left out.

        Args:
            path: of the file.
            preprocessing: plain values that say how the rows were made, such as `{"divided_by": 255}`; `load` gives
                them back as `preprocessing_`.

        Raises:
            NotFittedError: before `fit`.
            HandgradError: it cannot be written there, or its classes are of a kind that JSON has no word for.
        """
        from handgrad.estimator import files  # noqa: PLC0415 - imported late: files imports this class

        files.save(self, Path(path), preprocessing)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an estimator that `save` wrote.

        Raises:
            HandgradError: there is none, it is damaged, or it is of the other kind.
        """
        from handgrad.estimator import files  # noqa: PLC0415 - imported late: files imports this class

        return cast("Self", files.load(cls, Path(path)))

    def export_onnx(self, path: str | Path) -> None:
        """Write the network as ONNX, with the extra `handgrad[onnx]`.

        Raises:
            NotFittedError: before `fit`.
            HandgradError: the package onnx is not installed, or the file cannot be written there.
        """
        from handgrad.estimator import onnx  # noqa: PLC0415 - imported late: the package onnx is optional

        onnx.export(self, Path(path))

    @classmethod
    def from_sklearn(cls, fitted: Any) -> Self:  # noqa: ANN401 - scikit-learn's estimator
        """Make an estimator of scikit-learn's fitted `MLPClassifier` or `MLPRegressor`, with its weights.

        Raises:
            NotFittedError: it is not fitted.
            TypeError: it is of the other kind.
        """
        from handgrad.estimator import convert  # noqa: PLC0415 - imported late: convert imports this class

        return cast("Self", convert.from_sklearn(cls, fitted))

    def to_sklearn(self) -> Any:  # noqa: ANN401 - scikit-learn's estimator
        """Make scikit-learn's own estimator with these weights; batch norm is folded into them.

        Raises:
            NotFittedError: before `fit`.
            ValueError: an activation that scikit-learn does not have, or several different ones.
        """
        from handgrad.estimator import convert  # noqa: PLC0415 - imported late: convert imports this class

        return convert.to_sklearn(self)

    def __getstate__(self) -> dict[str, Any]:
        """Give what pickle keeps: the network's numbers once, as its layers and two vectors."""
        state: dict[str, Any] = super().__getstate__()
        if "_network" in state:
            network = self._current()
            state = {name: value for name, value in state.items() if name not in _LOOKS}
            state["_network"] = network.layers, str(network.dtype), network.theta, network.statistics
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.pop("_network", None)
        super().__setstate__(state)
        if packed is not None:
            layers, dtype, theta, statistics = packed
            network = Network(layers, dtype)
            network.theta[...], network.statistics[...] = theta, statistics
            self._adopt(network)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


_LOOKS = frozenset({"_network", "_views", "coefs_", "intercepts_"})
