"""Numbers from features: scikit-learn's `MLPRegressor`, and more."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from handgrad.engine.arrays import Array
from handgrad.estimator.fitting import Lesson
from handgrad.estimator.multilayer import Multilayer, by_batches, take


@final
class MLPRegressor(RegressorMixin, Multilayer):  # type: ignore[misc]  # scikit-learn has no types
    """A fully connected network that answers with one number or several.

    The parameters up to `max_fun` are those of scikit-learn 1.9's `sklearn.neural_network.MLPRegressor`, with the same
    meaning and defaults; so are the methods and the fitted attributes. What there is beyond them is described in
    `MLPClassifier`, which shares it, apart from `label_smoothing` and `class_weight`, which are about classes.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Multilayer._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
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
    ) -> None:
        take(self, locals())

    def _read(self, x: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, NDArray[Any]]:  # noqa: ANN401, ARG002
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        if y.ndim > 1 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("Some value(s) of y are out of the valid range of the loss 'poisson': they must be >= 0.")
        return x, y

    def _lesson(self, x: Any, y: NDArray[Any], weights: Array | None, *, incremental: bool) -> Lesson:  # noqa: ANN401, ARG002
        return Lesson(x, y.reshape(len(y), -1), weights, y, None)

    def _ending(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _answers(self, z: Array) -> NDArray[Any]:
        self._loss().activate(z)
        return z.ravel() if z.shape[1] == 1 else z

    def _score_of(self, y: NDArray[Any], answers: NDArray[Any], weights: Array | None) -> float:
        if not np.isfinite(answers).all():
            return np.nan
        return float(r2_score(y, answers, sample_weight=weights))

    @by_batches
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: ANN401 - as in `fit`
        """Take one pass over the rows, going on from the weights and the optimiser's memory that there are.

        Raises:
            ValueError: as `fit`; early_stopping=True.
            AttributeError: solver='lbfgs'.
        """
        return self._fit(X, y, sample_weight, incremental=True)
