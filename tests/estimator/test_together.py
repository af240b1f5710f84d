"""A crew teaches an estimator what it would learn alone, by one process or by two."""

import platform

import numpy as np
import pytest
from scipy import sparse

from handgrad import MLPClassifier, MLPRegressor
from handgrad.estimator import fitting, together
from handgrad.training.workers import crew

pytestmark = [
    pytest.mark.skipif(
        platform.machine().lower() not in {"x86_64", "amd64"},
        reason="a crew needs a processor that shows stores in their order",
    ),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

WAYS = {
    "adam": {},
    "adam, strong alpha": {"alpha": 1.0},
    "adamw": {"solver": "adamw", "weight_decay": 0.1},
    "rmsprop": {"solver": "rmsprop", "alpha": 0.1},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5, "alpha": 0.5},
    "plain sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1, "alpha": 0.1},
    "plain sgd that decays": {"solver": "sgd", "momentum": 0.0, "weight_decay": 0.1},
    "momentum, inverse scaling": {
        "solver": "sgd",
        "nesterovs_momentum": False,
        "learning_rate": "invscaling",
        "learning_rate_init": 0.1,
    },
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2, "learning_rate_init": 0.1},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    "cosine": {"learning_rate": "cosine", "warmup": 1.5},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3, "learning_rate": "plateau"},
    "several layers": {"activation": ["gelu", "tanh"], "hidden_layer_sizes": (7, 5)},
    "no penalty": {"alpha": 0.0},
}
GIVEN = {"hidden_layer_sizes": (9,), "max_iter": 6, "random_state": 3, "batch_size": 33}


class Crews:
    """The crews of a test, and of how many processes the next one will be; by default of one."""

    def __init__(self, monkeypatch):
        self.made, self.workers = [], 1
        self._monkeypatch = monkeypatch
        for name, value in (("ENOUGH_A_STEP", 0), ("ENOUGH_IN_ALL", 0), ("cores", lambda: 2), ("Crew", self._make)):
            monkeypatch.setattr(together, name, value)
        monkeypatch.setattr(together, "may_take_another", lambda: True)

    def _make(self, load, shares, workers=None, **_):
        self.made.append(crew.Crew(load, shares, workers or self.workers))
        return self.made[-1]

    def none(self):
        """Have the fits to come taken whole."""
        self._monkeypatch.setattr(fitting, "divides", lambda *_: False)


@pytest.fixture
def crews(monkeypatch):
    return Crews(monkeypatch)


def assert_close(ours, expected, *, tolerance=1e-8):
    for one, other in zip(ours.coefs_ + ours.intercepts_, expected.coefs_ + expected.intercepts_, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance / 100)
    np.testing.assert_allclose(ours.loss_curve_, expected.loss_curve_, rtol=tolerance)
    assert (expected.n_iter_, expected.t_) == (ours.n_iter_, ours.t_)
    assert expected.history_["learning_rate"] == ours.history_["learning_rate"]
    assert expected._optimizer.optimizer.t == ours._optimizer.optimizer.t
    for one, other in zip(
        ours._optimizer.optimizer.slots.values(), expected._optimizer.optimizer.slots.values(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance / 100)


def learned(estimator):
    return estimator._network.theta.tobytes(), estimator.loss_curve_


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", ["ten_classes", "two_classes", "several_labels", "one_number", "two_numbers"])
def test_it_learns_what_it_would_learn_whole(request, crews, data, way):
    x, y = request.getfixturevalue(data)
    kind = MLPRegressor if "number" in data else MLPClassifier
    divided = kind(**GIVEN | WAYS[way]).fit(x, y)
    assert 1 == len(crews.made)
    crews.none()

    assert_close(divided, kind(**GIVEN | WAYS[way]).fit(x, y))
    assert 1 == len(crews.made)


@pytest.mark.parametrize("given", [{}, {"class_weight": "balanced", "label_smoothing": 0.1, "early_stopping": True}])
def test_with_weights_and_in_float32_too(ten_classes, crews, given):
    x, y = ten_classes[0].astype(np.float32), ten_classes[1]
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(x))
    divided = MLPClassifier(**GIVEN | given).fit(x, y, weights)
    crews.none()

    assert_close(divided, MLPClassifier(**GIVEN | given).fit(x, y, weights), tolerance=2e-3)
    assert np.float32 == divided.coefs_[0].dtype
    assert 1 == len(crews.made)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_two_processes_change_no_bit(ten_classes, crews, solver, dtype):
    x, y = ten_classes[0].astype(dtype), ten_classes[1]
    alone = MLPClassifier(**GIVEN, solver=solver).fit(x, y)
    crews.workers = 2

    assert learned(alone) == learned(MLPClassifier(**GIVEN, solver=solver).fit(x, y))
    assert 2 == len(crews.made)


def test_a_second_process_that_is_lost_is_not_missed(ten_classes, crews):
    alone = MLPClassifier(**GIVEN).fit(*ten_classes)
    crews.workers = 2

    def lose(report):
        if report.epoch == 2:
            (process,) = crews.made[-1]._processes
            process.kill()
            process.wait()

    robbed = MLPClassifier(**GIVEN, callbacks=lose).fit(*ten_classes)
    assert learned(alone) == learned(robbed)
    assert 3 == len(crews.made)


def test_an_interruption_keeps_what_was_learned(ten_classes, crews):
    def interrupt(report):
        if report.epoch == 3:
            raise KeyboardInterrupt

    crews.workers = 2
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        interrupted = MLPClassifier(**GIVEN, callbacks=interrupt).fit(*ten_classes)
    shorter = MLPClassifier(**GIVEN | {"max_iter": 3}).fit(*ten_classes)

    assert learned(shorter) == learned(interrupted)
    assert [] == [one for one in crews.made if hasattr(one, "_members")]  # all are closed


def test_weights_that_overflow_raise(ten_classes, crews):
    x, y = ten_classes
    estimator = MLPRegressor(**GIVEN, solver="sgd", learning_rate_init=1e3, activation="identity")
    with pytest.raises(ValueError, match=r"non-finite parameter weights.*the weights before it are kept"):
        estimator.fit(x, y.astype(float))
    assert np.isfinite(estimator.coefs_[0]).all()
    assert 1 == len(crews.made)


@pytest.mark.parametrize(
    "given",
    [
        {"dropout": 0.1},
        {"batch_norm": True},
        {"clip_norm": 1.0},
        {"max_norm": 1.0},
        {"augment": lambda x, _: x},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (1,)},
        {"batch_size": 1, "max_iter": 1},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_cannot_be_divided_is_taken_whole(ten_classes, crews, given):
    MLPClassifier(**GIVEN | given).fit(*ten_classes)
    assert [] == crews.made


def test_rows_that_weigh_nothing_are_taken_whole(ten_classes, crews):
    x, y = ten_classes
    MLPClassifier(**GIVEN).fit(x, y, np.arange(len(x)) % 2)
    assert [] == crews.made


def test_sparse_rows_counts_and_parts_are_taken_whole(ten_classes, crews):
    x, y = ten_classes
    MLPClassifier(**GIVEN).fit(sparse.csr_array(x), y)
    MLPRegressor(**GIVEN, loss="poisson").fit(x, y)
    MLPClassifier(**GIVEN).partial_fit(x, y, classes=range(10))
    assert [] == crews.made


def test_small_fits_and_single_cores_are_taken_whole(ten_classes, crews, monkeypatch):
    for name, value in (
        ("ENOUGH_A_STEP", 10**9),
        ("ENOUGH_IN_ALL", 10**12),
        ("MOST_BYTES", 10**3),
        ("cores", lambda: 1),
        ("may_take_another", lambda: False),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(together, name, value)
            MLPClassifier(**GIVEN).fit(*ten_classes)
    assert [] == crews.made


def test_where_memory_cannot_be_shared_it_is_taken_whole(ten_classes, crews, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no memory")

    monkeypatch.setattr(together, "Crew", refuse)
    estimator = MLPClassifier(**GIVEN).fit(*ten_classes)
    crews.none()

    assert learned(MLPClassifier(**GIVEN).fit(*ten_classes)) == learned(estimator)
