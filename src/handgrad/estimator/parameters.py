"""What may be asked of an estimator, and what the engine makes of it.

The names, defaults and ranges of the first table are scikit-learn's; the second holds what is more. Both are checked
by scikit-learn's own machinery, so that a wrong value gets its wording. Below them, values become the engine's things.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils._param_validation import Interval, Options, StrOptions

from handgrad.data.augment import PRESETS
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.losses import BinaryCrossEntropy, Loss, Poisson, SoftmaxCrossEntropy, SquaredError
from handgrad.engine.network import Network
from handgrad.engine.optimizers import OPTIMIZERS, SGD, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSProp
from handgrad.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
)

if TYPE_CHECKING:
    from handgrad.estimator.multilayer import Multilayer

LOGISTIC = "logistic"
"""What scikit-learn calls the sigmoid."""

ACTIVATION_NAMES = (*(name for name in ACTIVATIONS if name != "sigmoid"), "sigmoid", LOGISTIC)
SOLVERS = ("lbfgs", *OPTIMIZERS)
SCIKIT_SCHEDULES = ("constant", "invscaling", "adaptive")
STEP_SCHEDULES = ("cosine", "exponential", "one_cycle", "plateau", "step")

PLAIN = (
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "n_features_in_",
)
"""Fitted attributes that are numbers, texts or lists of them, and mean what they mean in scikit-learn."""

_AT_LEAST_0 = Interval(Real, 0, None, closed="left")
_ABOVE_0 = Interval(Real, 0, None, closed="neither")
_SHARE = Interval(Real, 0, 1, closed="left")
_COUNT = Interval(Integral, 1, None, closed="left")

SCIKIT_CONSTRAINTS: Mapping[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _COUNT],
    "activation": [StrOptions(set(ACTIVATION_NAMES)), list, tuple],
    "solver": [StrOptions(set(SOLVERS))],
    "alpha": [_AT_LEAST_0],
    "batch_size": [StrOptions({"auto"}), _COUNT],
    "learning_rate": [StrOptions({*SCIKIT_SCHEDULES, *STEP_SCHEDULES})],
    "learning_rate_init": [_ABOVE_0],
    "power_t": [_AT_LEAST_0],
    "max_iter": [_COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [_AT_LEAST_0],
    "verbose": ["verbose", StrOptions({"bar"})],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_SHARE],
    "beta_1": [_SHARE],
    "beta_2": [_SHARE],
    "epsilon": [_ABOVE_0],
    "n_iter_no_change": [_COUNT, Options(Real, {np.inf})],
    "max_fun": [_COUNT],
}

MORE_CONSTRAINTS: Mapping[str, list[Any]] = {
    "dropout": [_SHARE],
    "input_dropout": [_SHARE],
    "batch_norm": ["boolean"],
    "weight_decay": [_AT_LEAST_0, None],
    "max_norm": [_ABOVE_0, None],
    "clip_norm": [_ABOVE_0, None],
    "warmup": [_AT_LEAST_0],
    "decay_every": [_ABOVE_0],
    "decay_factor": [Interval(Real, 0, 1, closed="right")],
    "scoring": [str, callable, None],
    "callbacks": [callable, list, tuple, None],
    "augment": [callable, StrOptions({name for name, warps in PRESETS.items() if warps.active}), None],
}


def check(owner: "Multilayer") -> None:
    """Hold the parameters against one another, after each has been held against its own range.

    Raises:
        ValueError: naming the parameter, what it is and what it may be.
        TypeError: a callback that cannot be called.
    """
    for problem in chain(_impossible_activations(owner), _impossible_pairs(owner)):
        raise ValueError(problem)
    for function in callbacks(owner.callbacks):
        if not callable(function):
            raise TypeError(f"callbacks holds {function!r}, which cannot be called")


def _impossible_activations(owner: "Multilayer") -> Iterator[str]:
    names = [owner.activation] if isinstance(owner.activation, str) else list(owner.activation)
    for name in names:
        if name not in ACTIVATION_NAMES:
            yield f"no activation is called {name!r}; there are {', '.join(ACTIVATION_NAMES)}"
    n_hidden = len(hidden_sizes(owner.hidden_layer_sizes))
    if not isinstance(owner.activation, str) and len(names) != n_hidden:
        yield f"activation names {len(names)}: {n_hidden} hidden layers need one for all or one for each"


def _impossible_pairs(owner: "Multilayer") -> Iterator[str]:
    if owner.solver == "lbfgs":
        for name in ("dropout", "input_dropout", "batch_norm", "max_norm", "clip_norm", "augment", "weight_decay"):
            if getattr(owner, name):
                yield f"{name}={getattr(owner, name)!r} needs batches, but solver='lbfgs' sees all rows at once"
    if owner.learning_rate == "plateau" and not owner.early_stopping:
        yield "learning_rate='plateau' listens to the validation loss: set early_stopping=True"
    if owner.scoring is not None and not owner.early_stopping:
        yield "scoring scores the validation set: set early_stopping=True"


def hidden_sizes(value: Any) -> list[int]:  # noqa: ANN401 - a number, or several in any kind of sequence
    """Make a list of `hidden_layer_sizes`.

    Raises:
        ValueError: a size below 1.
        TypeError: a size that is not a whole number.
    """
    sizes = list(value) if hasattr(value, "__iter__") else [value]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [operator.index(size) for size in sizes]


def callbacks(value: Any) -> Sequence[Callable[..., Any]]:  # noqa: ANN401 - one, several or none
    """Make a list of `callbacks`."""
    if value is None:
        return ()
    return (value,) if callable(value) else tuple(value)


def make_network(owner: "Multilayer", n_in: int, n_out: int, dtype: DTypeLike) -> Network:
    """Make the network that the parameters describe, every weight zero."""
    names = [owner.activation] if isinstance(owner.activation, str) else owner.activation
    engines = ["sigmoid" if name == LOGISTIC else name for name in names]
    return Network.fully_connected(
        n_in,
        hidden_sizes(owner.hidden_layer_sizes),
        n_out,
        activation=engines[0] if isinstance(owner.activation, str) else engines,
        batch_norm=bool(owner.batch_norm),
        dropout=float(owner.dropout),
        input_dropout=float(owner.input_dropout),
        dtype=dtype,
    )


def make_loss(out_activation: str) -> Loss:
    """Give the loss that belongs to what the last layer ends in."""
    losses: Mapping[str, Loss] = {
        "softmax": SoftmaxCrossEntropy(),
        LOGISTIC: BinaryCrossEntropy(),
        "identity": SquaredError(),
        "exp": Poisson(),
    }
    return losses[out_activation]


def make_optimizer(owner: "Multilayer", network: Network) -> Optimizer:
    """Make the rule of the update; scikit-learn's `sgd` is three of the engine's, as the momentum says."""
    kind: type[Optimizer] = OPTIMIZERS[owner.solver]
    if kind is SGD and owner.momentum:
        kind = Nesterov if owner.nesterovs_momentum else Momentum
    decay = owner.weight_decay
    if decay is None:
        decay = 0.01 if kind is AdamW else 0.0
    options: dict[str, Any] = optimizer_options(owner, kind)
    return kind(network.theta.size, network.dtype, decay=float(decay), n_decayed=network.n_weights, **options)


def optimizer_options(owner: "Multilayer", kind: type[Optimizer]) -> dict[str, float]:
    """Give what the rule of the update takes besides the learning rate and the decay, by name."""
    if issubclass(kind, Momentum):
        return {"momentum": float(owner.momentum)}
    if issubclass(kind, Adam):
        betas = {"beta1": float(owner.beta_1), "beta2": float(owner.beta_2)}
        return betas | {"epsilon": float(owner.epsilon), "epsilon_hat": 1.0}
    if kind is RMSProp:
        return {"epsilon": float(owner.epsilon)}
    return {}


def make_schedule(owner: "Multilayer", steps_per_epoch: int) -> Schedule:
    """Make the schedule; inverse scaling counts rows, all others count updates.

    As in scikit-learn, `invscaling` and `adaptive` are for `sgd` alone; `adaptive` is constant until patience ends.
    """
    peak, total = float(owner.learning_rate_init), owner.max_iter * steps_per_epoch
    every = max(round(owner.decay_every * steps_per_epoch), 1)
    schedules: Mapping[str, Schedule] = {
        "step": StepDecay(peak, every, float(owner.decay_factor)),
        "exponential": Exponential(peak, every, float(owner.decay_factor)),
        "cosine": Cosine(peak, total, round(owner.warmup * steps_per_epoch)),
        "one_cycle": OneCycle(peak, total),
        "plateau": ReduceOnPlateau(peak, float(owner.decay_factor)),
    }
    if owner.learning_rate == "invscaling" and owner.solver == "sgd":
        return InverseScaling(peak, float(owner.power_t))
    return schedules.get(owner.learning_rate, Constant(peak))
