"""What a fit does: epochs of batches until nothing gets better, or L-BFGS over everything at once.

Order of chance, counting of patience and words are scikit-learn's, so that the same `random_state` draws the same start
and the same batches, and ends, but for rounding, with the same network. The steps are the engine's: one pass for each
size of batch, made once, and flat vectors.
"""

import inspect
import math
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.optimize import _check_optimize_result

from handgrad.engine.arrays import Array
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.objective import ROWS, Objective
from handgrad.engine.optimizers import BLOCK, SGD, clip_norm
from handgrad.engine.penalties import L2, MaxNorm
from handgrad.estimator.cores import shared
from handgrad.estimator.rows import Rows, logits
from handgrad.estimator.together import Together, divides
from handgrad.estimator.update import Update

if TYPE_CHECKING:
    from handgrad.estimator.multilayer import Multilayer

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
"""scikit-learn's words."""

ENOUGH_TO_VALIDATE = 2


@final
@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of a fit, after it; with L-BFGS, one iteration.

    Attributes:
        epoch: 1 for the first of this fit.
        loss: mean over the epoch's rows, penalty included, as in `loss_curve_`.
        validation_loss: of the weights at the end of the epoch, penalty left out; None without a validation set.
        validation_score: likewise; accuracy, R2, or what `scoring` says.
        learning_rate: of the epoch's last update; None with L-BFGS.
        seconds: since the fit began.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float | None
    seconds: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a fit learns from.

    Attributes:
        x: features, `(n, n_features)`: an array or a SciPy matrix.
        targets: what the logits should say, `(n, n_outputs)`.
        weights: what each row weighs, `(n,)`; None where all weigh the same.
        y: the answers as they were given, `(n,)` or `(n, n_outputs)`, for scores.
        strata: what a validation split keeps the shares of; None where it keeps none.
    """

    x: Any
    targets: Array
    weights: Array | None
    y: NDArray[Any]
    strata: NDArray[Any] | None


@final
class Steps:
    """Takes the steps of a fit: rows of the lesson in, a changed network out."""

    def __init__(
        self,
        owner: "Multilayer",
        network: Network,
        lesson: Lesson,
        update: Update,
        which: NDArray[np.intp],
        batch_size: int,
    ) -> None:
        """Stand before the first step; `which` rows of the lesson are to be learned from."""
        random = bool(owner.dropout or owner.input_dropout or owner.augment)
        noise = np.random.default_rng(owner._random_state.randint(2**31 - 1) if random else 0)
        self._which, self._batch_size = which, batch_size
        self._network, self._update, self._noise = network, update, noise
        self._loss = owner._loss()
        self._part_of_loss = owner._part_of_loss()
        self._rows = Rows(lesson.x, network, owner.augment, noise)
        self._targets, self._weights = lesson.targets, lesson.weights
        self._alpha = float(owner.alpha)
        self._clip = owner.clip_norm
        self._max_norm = MaxNorm(float(owner.max_norm), network.weight_matrices()) if owner.max_norm else None
        # for plain SGD decay and L2 are the same, and decay is a third of the work
        self._decays = isinstance(update.optimizer, SGD) and self._clip is None
        update.optimizer.decay = update.decay  # and not what an earlier call of `partial_fit` made of it
        self._gradient = np.zeros_like(network.theta)
        self._weight_gradient = self._gradient[: network.n_weights]
        self._scratch = np.empty(min(BLOCK, network.theta.size), network.dtype)
        self._passes: dict[int, TrainingPass] = {}

    def epoch(self, order: NDArray[np.intp]) -> float:
        """Take a step for each batch of the rows in `order`; return the mean loss, penalty included."""
        total, chosen = 0.0, self._which[order]
        for begin in range(0, len(order), self._batch_size):
            indices = chosen[begin : begin + self._batch_size]
            total += self.step(indices) * len(indices)
        return total / len(order)

    def step(self, indices: NDArray[np.intp]) -> float:
        """Take one step; return its loss, penalty included. A batch that weighs nothing teaches nothing."""
        network, n = self._network, len(indices)
        a = self._passes.get(n)
        if a is None:
            a = self._passes[n] = TrainingPass(network, n, self._loss, gradient=self._gradient)
        weight = float(n)
        if self._weights is not None:
            np.take(self._weights, indices, out=a.share, mode="clip")
            weight = float(a.share.sum())
            if weight == 0.0:
                return 0.0
            a.share /= weight
        self._rows.gather(indices, a, self._noise)
        np.take(self._targets, indices, axis=0, out=a.targets, mode="clip")

        a.forward_training(self._noise)
        loss = a.backward() * self._part_of_loss
        if self._alpha:
            penalty = L2(self._alpha / weight)
            loss += penalty.value(network.weights)
            if self._decays:
                self._update.optimizer.decay = self._update.decay + penalty.strength
            else:
                penalty.add_gradient(network.weights, self._weight_gradient, self._scratch)
        if self._clip is not None:
            clip_norm(self._gradient, self._clip)
        self._update.step(network.theta, self._gradient)
        if self._max_norm is not None:
            self._max_norm.project()
        return loss


@final
class Validation:
    """The rows set aside, and how they are scored."""

    def __init__(self, owner: "Multilayer", lesson: Lesson, rows: NDArray[np.intp]) -> None:
        self._owner = owner
        self._x = lesson.x[rows]
        self._targets, self._y = lesson.targets[rows], lesson.y[rows]
        self._weights = None if lesson.weights is None else lesson.weights[rows]

    def measure(self, network: Network) -> tuple[float, float]:
        """Compute mean loss and score of the network as it is now; a network without finite answers scores nan."""
        owner = self._owner
        z = logits(network, self._x)
        if not np.isfinite(z).all():
            return math.nan, math.nan
        weights = self._weights
        if weights is not None and not (weights.min() >= 0.0 and weights.sum() > 0.0):
            weights = None
        loss = owner._loss().value(z, self._targets, weights) * owner._part_of_loss()
        if owner.scoring is None:
            return loss, float(owner._score_of(self._y, owner._answers(z), self._weights))
        scorer = _scorer(owner)
        weighed = {} if self._weights is None or not _weighs(scorer) else {"sample_weight": self._weights}
        return loss, float(scorer(_without_names(owner), self._x, self._y, **weighed))


def _scorer(owner: "Multilayer") -> Callable[..., float]:
    from sklearn.metrics import check_scoring  # noqa: PLC0415 - imported late: only a custom score needs it

    scorer: Callable[..., float] = check_scoring(owner, owner.scoring)
    return scorer


def _weighs(scorer: Callable[..., float]) -> bool:
    """Say whether a score can weigh its rows: not all that scikit-learn has can, nor all that a user writes."""
    try:
        taken = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    except (TypeError, ValueError):  # something built in that does not say
        return False
    return "sample_weight" in taken or any(each.kind is each.VAR_KEYWORD for each in taken.values())


def _without_names(owner: "Multilayer") -> "Multilayer":
    """Give the same estimator without the names of features: the validation rows, already checked, have none."""
    same = object.__new__(type(owner))
    same.__dict__.update({name: value for name, value in owner.__dict__.items() if name != "feature_names_in_"})
    return same


def fit_in_batches(owner: "Multilayer", lesson: Lesson, *, incremental: bool) -> None:
    """Learn batch by batch: to the end, or for one epoch if `incremental`.

    Raises:
        ValueError: as scikit-learn's: a validation set that is too small, early stopping of a single epoch, or weights
            that are not finite any more; the estimator then keeps the last that were.
    """
    if owner.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    rows = np.arange(len(lesson.targets))
    validation = None
    if owner.early_stopping:
        rows, aside = train_test_split(
            rows, random_state=owner._random_state, test_size=owner.validation_fraction, stratify=lesson.strata
        )
        if len(aside) < ENOUGH_TO_VALIDATE:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        validation = Validation(owner, lesson, aside)

    batch_size = min(200, len(rows))
    if owner.batch_size != "auto":
        if int(owner.batch_size) > len(rows):
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=4
            )
        batch_size = min(int(owner.batch_size), len(rows))

    network = owner._current()
    if not (incremental and hasattr(owner, "_optimizer")):
        owner._optimizer = Update(owner, network, math.ceil(len(rows) / batch_size))
    divided = not incremental and divides(owner, network, lesson, len(rows), batch_size)
    try:
        with (
            _steps(owner, network, lesson, rows, batch_size, divided=divided) as steps,
            shared(network, batch_size, divided=divided),
            np.errstate(divide="ignore", over="ignore", invalid="ignore"),
        ):
            _epochs(owner, steps, len(rows), validation, incremental=incremental)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    if validation is not None:
        network.theta[...], network.statistics[...] = owner._best


def _steps(
    owner: "Multilayer",
    network: Network,
    lesson: Lesson,
    rows: NDArray[np.intp],
    batch_size: int,
    *,
    divided: bool,
) -> AbstractContextManager[Steps | Together]:
    """Choose who takes the steps of a fit: a crew if it is to be `divided` and there is memory to share."""
    if divided:
        with suppress(OSError):
            return Together(owner, network, lesson, owner._optimizer, rows, batch_size)
    return nullcontext(Steps(owner, network, lesson, owner._optimizer, rows, batch_size))


def _epochs(
    owner: "Multilayer",
    steps: Steps | Together,
    n: int,
    validation: Validation | None,
    *,
    incremental: bool,
) -> None:
    network, update, began = owner._network, owner._optimizer, time.perf_counter()
    order = np.arange(n)
    owner.n_iter_ = 0
    with owner._watched() as report:
        while owner.n_iter_ < owner.max_iter:
            if owner.shuffle:
                drawn = np.arange(n)
                owner._random_state.shuffle(drawn)
                order = order[drawn]
            good = network.theta.copy(), network.statistics.copy()
            loss = steps.epoch(order)
            owner.n_iter_ += 1
            owner.loss_ = loss
            owner.t_ += n
            owner.loss_curve_.append(loss)
            owner._say(f"Iteration {owner.n_iter_}, loss = {loss:.8f}")

            finite = bool(np.isfinite(network.theta).all() and np.isfinite(network.statistics).all())
            if not finite and validation is None:
                network.theta[...], network.statistics[...] = good
                raise ValueError(f"{NOT_FINITE} It was in iteration {owner.n_iter_}; the weights before it are kept.")
            validation_loss, score = (None, None) if validation is None else validation.measure(network)
            _count_patience(owner, network, score)
            rate = update.learning_rate
            update.epoch_ends(owner.t_, validation_loss)
            seconds = time.perf_counter() - began
            stop = report(EpochReport(owner.n_iter_, loss, validation_loss, score, rate, seconds))
            if owner._no_improvement_count > owner.n_iter_no_change:
                slower = update.patience_ends()
                owner._say(f"{_impatience(owner)} {slower or update.last_words}")
                if not slower:
                    return
                owner._no_improvement_count = 0
            if not finite:
                warnings.warn(
                    f"the loss overflowed in iteration {owner.n_iter_}; the best weights before it are kept",
                    ConvergenceWarning,
                    stacklevel=6,
                )
                return
            if stop or incremental:
                return
    warnings.warn(
        f"Stochastic Optimizer: Maximum iterations ({owner.max_iter}) reached "
        f"and the optimization hasn't converged yet.",
        ConvergenceWarning,
        stacklevel=6,
    )


def _impatience(owner: "Multilayer") -> str:
    what = "Validation score" if owner.early_stopping else "Training loss"
    return f"{what} did not improve more than tol={owner.tol:f} for {owner.n_iter_no_change:d} consecutive epochs."


def _count_patience(owner: "Multilayer", network: Network, score: float | None) -> None:
    """Count epochs in which nothing got better by `tol`, and keep the best."""
    if score is not None:
        owner.validation_scores_.append(score)
        owner._say(f"Validation score: {score:f}")
        owner._no_improvement_count += 1
        if not score < owner.best_validation_score_ + owner.tol:
            owner._no_improvement_count = 0
        if score > owner.best_validation_score_:
            owner.best_validation_score_ = score
            owner._best = network.theta.copy(), network.statistics.copy()
        return
    owner._no_improvement_count += 1
    if not owner.loss_ > owner.best_loss_ - owner.tol:
        owner._no_improvement_count = 0
    owner.best_loss_ = min(owner.best_loss_, owner.loss_)


def fit_at_once(owner: "Multilayer", lesson: Lesson) -> None:
    """Learn from all rows at once, by L-BFGS; in float64, whatever the network holds.

    The function is scikit-learn's, except for a regression with several outputs: theirs is the mean over the outputs,
    and its gradient that of the sum; here both are of the sum. `loss_` is the mean, as theirs.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - imported late: the other solvers do without

    network = owner._current()
    wide = Network(network.layers, np.float64)
    wide.theta[...] = network.theta
    rows = Rows(lesson.x, wide)
    weights = None if lesson.weights is None else lesson.weights.astype(np.float64)
    total = float(len(rows) if weights is None else weights.sum())
    penalty = L2(float(owner.alpha) / total)
    part, began, reports = owner._part_of_loss(), time.perf_counter(), [0]

    def as_loss(value: float) -> float:
        cost = penalty.value(wide.weights)
        return (value - cost) * part + cost

    with (
        owner._watched() as report,
        shared(network, min(ROWS, len(rows))),
        np.errstate(divide="ignore", over="ignore", invalid="ignore"),
    ):

        def after_each(intermediate_result: Any) -> None:  # noqa: ANN401 - SciPy's
            wide.theta[...] = intermediate_result.x
            reports[0] += 1
            loss = as_loss(float(intermediate_result.fun))
            owner._say(f"Iteration {reports[0]}, loss = {loss:.8f}")
            if report(EpochReport(reports[0], loss, None, None, None, time.perf_counter() - began)):
                raise StopIteration

        result = minimize(
            Objective(
                wide,
                owner._loss(),
                rows.block,
                lesson.targets.astype(np.float64),
                weights=weights,
                penalties=(penalty,),
            ),
            network.theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options={"maxfun": owner.max_fun, "maxiter": owner.max_iter, "gtol": owner.tol},
            callback=after_each,
        )
    if not (np.isfinite(result.x).all() and math.isfinite(result.fun)):
        raise ValueError(NOT_FINITE)
    owner.n_iter_ = int(result.nit) if owner._stopped else _check_optimize_result("lbfgs", result, owner.max_iter)
    network.theta[...] = wide.theta[...] = result.x
    owner.loss_ = as_loss(float(result.fun))
