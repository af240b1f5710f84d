"""From scikit-learn's estimators to handgrad's and back, weights and all.

What both can say is carried over. Batch norm, which is linear once its averages are fixed, is folded into the weights
below it; dropout does nothing in prediction and is left out.
"""

import copy
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from handgrad.engine.folding import fold
from handgrad.estimator.parameters import LOGISTIC, PLAIN, SCIKIT_SCHEDULES

if TYPE_CHECKING:
    from handgrad.estimator.multilayer import Multilayer

THEIR_SOLVERS = ("lbfgs", "sgd", "adam")
THEIR_ACTIVATIONS = ("identity", LOGISTIC, "tanh", "relu")

CARRIED = (*PLAIN, "feature_names_in_", "classes_", "_label_binarizer", "_no_improvement_count")
"""Fitted attributes that mean the same on both sides."""


def from_sklearn(kind: type["Multilayer"], fitted: Any) -> "Multilayer":  # noqa: ANN401 - scikit-learn's estimator
    """Make an estimator of `kind` from scikit-learn's of the same name.

    Raises:
        NotFittedError: it is not fitted.
        TypeError: it is something else.
    """
    theirs = _theirs(kind)
    if not isinstance(fitted, theirs):
        raise TypeError(f"{kind.__name__}.from_sklearn takes scikit-learn's {theirs.__name__}, not {fitted!r}")
    check_is_fitted(fitted)
    known = inspect.signature(kind).parameters
    ours = kind(**{name: value for name, value in fitted.get_params().items() if name in known})
    _carry(fitted, ours)
    ours.history_ = {}
    ours.coefs_ = [np.array(W) for W in fitted.coefs_]
    ours.intercepts_ = [np.array(b) for b in fitted.intercepts_]
    network = ours._current()
    ours._best = network.theta.copy(), network.statistics.copy()
    return ours


def to_sklearn(ours: "Multilayer") -> Any:  # noqa: ANN401 - scikit-learn's estimator
    """Make scikit-learn's estimator of the same name, which answers the same.

    Parameters that it does not know are left out; a solver or a schedule that it does not know becomes its default.

    Raises:
        NotFittedError: `ours` is not fitted.
        ValueError: an activation that it does not have, several different ones, or a loss that its version lacks.
    """
    check_is_fitted(ours)
    names = {ours.activation} if isinstance(ours.activation, str) else set(ours.activation)
    names = {LOGISTIC if name == "sigmoid" else name for name in names} or {"identity"}
    if len(names) > 1 or not names <= set(THEIR_ACTIVATIONS):
        raise ValueError(
            f"scikit-learn has one activation for all layers, one of {', '.join(THEIR_ACTIVATIONS)}; "
            f"it cannot take {ours.activation!r}"
        )
    kind = _theirs(type(ours))
    known = inspect.signature(kind).parameters
    if ours.out_activation_ == "exp" and "loss" not in known:
        raise ValueError("this version of scikit-learn has no loss='poisson': upgrade to 1.7 or later")
    given = {name: value for name, value in ours.get_params().items() if name in known}
    given["activation"] = names.pop()
    if ours.solver not in THEIR_SOLVERS:
        given["solver"] = "adam"
    if ours.learning_rate not in SCIKIT_SCHEDULES:
        given["learning_rate"] = "constant"
    if ours.verbose == "bar":
        given["verbose"] = True
    theirs = kind(**given)
    _carry(ours, theirs)
    layers = [views for views in fold(ours._current()).views() if views]
    theirs.coefs_, theirs.intercepts_ = ([view.copy() for view in views] for views in zip(*layers, strict=True))
    theirs._best_coefs, theirs._best_intercepts = (
        [view.copy() for view in views] for views in zip(*layers, strict=True)
    )
    return theirs


def _theirs(kind: type["Multilayer"]) -> Any:  # noqa: ANN401 - scikit-learn's class
    from sklearn import neural_network  # noqa: PLC0415 - imported late: only a conversion needs it

    return getattr(neural_network, kind.__name__)


def _carry(giver: Any, taker: Any) -> None:  # noqa: ANN401 - an estimator of either side
    for name in CARRIED:
        if hasattr(giver, name):
            setattr(taker, name, copy.deepcopy(getattr(giver, name)))
