"""fit() against scikit-learn's own: python -m benchmarks.estimator [--pairs N] [--only NAME] [--clock wall|cpu].

Each pair fits both from the same random_state, one right after the other and in turns first, so that a machine that is
slow for a while is slow for both; the ratio is taken pair by pair. Scores are on rows that neither has seen, each pair
with a seed of its own. Both run as a user finds them, BLAS threads included; `--threads 1` holds both to one, and the
clock of the processor (`--clock cpu`, which does not see a second process) is then fair on a machine that has much else
to do.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import mean, median, stdev
from typing import Any, final

import numpy as np
import sklearn
import sklearn.neural_network as theirs
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_classification, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import handgrad
from handgrad.data import sources

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@final
@dataclass(frozen=True, slots=True)
class Task:
    """One thing to fit.

    Attributes:
        name: for the table.
        kind: `MLPClassifier` or `MLPRegressor`.
        data: makes training rows and answers, then test rows and answers.
        given: parameters beside the random_state.
    """

    name: str
    kind: str
    data: Callable[[], tuple[NDArray[Any], ...]]
    given: dict[str, Any] = field(default_factory=dict)


def mnist(dtype: type) -> tuple[NDArray[Any], ...]:
    """All of MNIST, from 0 to 1."""
    data = sources.load("mnist", notify=print)
    white = dtype(data.white)
    training, test = data.training, data.test
    return training.images / white, training.labels, test.images / white, test.labels


def digits() -> tuple[NDArray[Any], ...]:
    """scikit-learn's 8x8 digits."""
    x, y = load_digits(return_X_y=True)
    return x[:1400] / 16.0, y[:1400], x[1400:] / 16.0, y[1400:]


def covertype_sized() -> tuple[NDArray[Any], ...]:
    """As many rows, features and classes as Covertype has."""
    x, y = make_classification(581_012, 54, n_informative=12, n_classes=7, class_sep=1.5, random_state=0)
    return x[100_000:], y[100_000:], x[:100_000], y[:100_000]


def friedman() -> tuple[NDArray[Any], ...]:
    """A regression as large as the Californian housing data, with the function of Friedman (1991)."""
    x, y = make_friedman1(25_000, 10, noise=0.5, random_state=0)
    y = (y - y.mean()) / y.std()
    return x[:20_000], y[:20_000], x[20_000:], y[20_000:]


def tasks() -> Iterator[Task]:
    wide = {"hidden_layer_sizes": (128, 64), "batch_size": 64, "max_iter": 10}
    ways: dict[str, dict[str, Any]] = {
        "sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
        "nesterov": {"solver": "sgd", "learning_rate_init": 0.03},
        "adam": {"solver": "adam"},
    }
    for dtype in (np.float32, np.float64):
        for way, given in ways.items():
            name = f"mnist {way} {dtype.__name__}"
            yield Task(name, "MLPClassifier", lambda dtype=dtype: mnist(dtype), wide | given)  # type: ignore[misc]
    for way, given in ways.items():
        yield Task(f"digits {way}", "MLPClassifier", digits, {"max_iter": 60} | given)
    yield Task("digits lbfgs", "MLPClassifier", digits, {"solver": "lbfgs", "max_iter": 100})
    yield Task("covertype-sized adam", "MLPClassifier", covertype_sized, {"max_iter": 2})
    yield Task("covertype-sized nesterov", "MLPClassifier", covertype_sized, {"max_iter": 2} | ways["nesterov"])
    yield Task("regression adam", "MLPRegressor", friedman, {"max_iter": 15})
    yield Task("regression lbfgs", "MLPRegressor", friedman, {"solver": "lbfgs", "max_iter": 100})


def fit(module: Any, task: Task, seed: int, data: tuple[NDArray[Any], ...], clock: str) -> tuple[float, float]:  # noqa: ANN401 - a module
    """Fit once; return seconds and the score on the test rows."""
    x, y, x_test, y_test = data
    estimator = getattr(module, task.kind)(random_state=seed, **task.given)
    began = CLOCKS[clock]()
    estimator.fit(x, y)
    return CLOCKS[clock]() - began, float(estimator.score(x_test, y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="", help="tasks whose name holds this")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--threads", type=int, default=0, help="BLAS threads for both; 0 leaves them as they are")
    given = parser.parse_args()
    if given.clock == "cpu" and given.threads != 1:
        parser.error("--clock cpu does not see a second process: it wants --threads 1")
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"handgrad {handgrad.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}; {given.clock} seconds, medians of {given.pairs} pairs; "
        f"scores: mean ± spread"
    )
    print(f"{'':26} {'ours':>8} {'theirs':>8}  ratio: median    min    max    {'score: ours':16} theirs")
    for task in tasks():
        if given.only not in task.name:
            continue
        data = task.data()
        pairs = []
        with threadpool_limits(given.threads, user_api="blas") if given.threads else nullcontext():
            for seed in range(given.pairs):
                order = (handgrad, theirs) if seed % 2 == 0 else (theirs, handgrad)
                measured = {module.__name__: fit(module, task, seed, data, given.clock) for module in order}
                pairs.append((*measured["handgrad"], *measured[theirs.__name__]))
        ours, our_scores, other, their_scores = (list(column) for column in zip(*pairs, strict=True))
        ratios = [b / a for a, b in zip(ours, other, strict=True)]
        print(
            f"{task.name:26} {median(ours):8.2f} {median(other):8.2f}         {median(ratios):6.2f} {min(ratios):6.2f} "
            f"{max(ratios):6.2f}    {_spread(our_scores):16} {_spread(their_scores)}",
            flush=True,
        )


def _spread(scores: list[float]) -> str:
    return f"{mean(scores):.4f} ± {stdev(scores) if len(scores) > 1 else 0.0:.4f}"


if __name__ == "__main__":
    main()
