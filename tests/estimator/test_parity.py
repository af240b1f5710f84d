"""The same numbers as scikit-learn's: from the same random_state, step by step, whatever is asked for."""

import warnings

import numpy as np
import pytest
import sklearn.neural_network as theirs
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from handgrad import MLPClassifier, MLPRegressor

CLOSE = {"rtol": 1e-9, "atol": 1e-11}
KINDS = {"ten_classes": "MLPClassifier", "two_classes": "MLPClassifier", "several_labels": "MLPClassifier"}
DATA = ["ten_classes", "two_classes", "several_labels", "one_number", "two_numbers"]
WAYS = {
    "adam": {},
    "adam, strong alpha": {"alpha": 1.0},
    "adam, other betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "learning_rate_init": 0.01},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.05},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    "plain sgd": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "momentum, inverse scaling": {
        "solver": "sgd",
        "nesterovs_momentum": False,
        "learning_rate": "invscaling",
        "learning_rate_init": 0.1,
    },
    "inverse scaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2, "learning_rate_init": 0.1},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    "in order": {"shuffle": False, "batch_size": 37},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "tanh": {"activation": "tanh", "hidden_layer_sizes": (7, 5)},
    "logistic": {"activation": "logistic"},
    "identity": {"activation": "identity"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "no penalty": {"alpha": 0.0},
}


def pair(data, **given):
    """Ours and scikit-learn's, with the same parameters."""
    name = KINDS.get(data, "MLPRegressor")
    given = {"hidden_layer_sizes": (9,), "max_iter": 8, "random_state": 3} | given
    return {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name](**given), getattr(theirs, name)(**given)


def fitted(data, x, y, given, method="fit", **more):
    made = pair(data, **given)
    for estimator in made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            getattr(estimator, method)(x, y, **more)
    return made


def assert_same(ours, other, x):
    for name in ("coefs_", "intercepts_"):
        for own, their in zip(getattr(ours, name), getattr(other, name), strict=True):
            np.testing.assert_allclose(own, their, **CLOSE)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(other, name) == getattr(ours, name)
    np.testing.assert_allclose(ours.loss_, other.loss_, rtol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-9)
    for name in ("best_loss_", "best_validation_score_", "validation_scores_"):
        own, their = getattr(ours, name), getattr(other, name)
        assert (their is None) == (own is None)
        if own is not None:
            np.testing.assert_allclose(own, their, rtol=1e-9)
    if hasattr(other, "classes_"):
        np.testing.assert_array_equal(other.classes_, ours.classes_)
        np.testing.assert_allclose(ours.predict_proba(x), other.predict_proba(x), **CLOSE)
        np.testing.assert_allclose(ours.predict_log_proba(x), other.predict_log_proba(x), rtol=1e-8)
        np.testing.assert_array_equal(other.predict(x), ours.predict(x))
    else:
        np.testing.assert_allclose(ours.predict(x), other.predict(x), **CLOSE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", DATA)
def test_the_same_network_from_the_same_random_state(request, data, way):
    x, y = request.getfixturevalue(data)
    assert_same(*fitted(data, x, y, WAYS[way]), x)


@pytest.mark.parametrize("data", DATA)
def test_the_same_with_weights(request, data):
    x, y = request.getfixturevalue(data)
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(x))
    for way in ({}, {"early_stopping": True}):
        assert_same(*fitted(data, x, y, way, sample_weight=weights), x)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("way", ["adam", "early stopping"])
def test_the_same_of_sparse_rows(ten_classes, form, way):
    x, y = form(ten_classes[0]), ten_classes[1]
    assert_same(*fitted("ten_classes", x, y, WAYS[way]), x)


@pytest.mark.parametrize("data", ["ten_classes", "two_classes", "several_labels", "one_number"])
@pytest.mark.parametrize("given", [{}, {"alpha": 1.0}, {"activation": "tanh", "hidden_layer_sizes": (6, 4)}])
def test_lbfgs_goes_the_same_way(request, data, given):
    x, y = request.getfixturevalue(data)
    ours, other = fitted(data, x, y, {"solver": "lbfgs", "max_iter": 6} | given)
    np.testing.assert_allclose(ours.loss_, other.loss_, rtol=1e-6)
    assert other.n_iter_ == ours.n_iter_
    for own, their in zip(ours.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(own, their, rtol=1e-3, atol=1e-5)


def test_lbfgs_takes_weights_and_sparse_rows(two_classes):
    x, y = two_classes
    weights = np.random.default_rng(0).uniform(0.0, 3.0, len(x))
    ours, other = fitted(
        "two_classes", sparse.csr_matrix(x), y, {"solver": "lbfgs", "max_iter": 6}, sample_weight=weights
    )
    np.testing.assert_allclose(ours.loss_, other.loss_, rtol=1e-6)


def test_lbfgs_of_several_outputs_goes_lower(two_numbers):
    """scikit-learn's function and gradient are of different scale there, and its line searches suffer."""
    ours, other = fitted("two_numbers", *two_numbers, {"solver": "lbfgs", "max_iter": 60})
    assert ours.loss_ <= 1.01 * other.loss_


def test_counts_are_fitted_the_same(one_number):
    x = one_number[0]
    y = np.random.default_rng(0).poisson(2.0, len(x))
    for given in ({}, {"solver": "lbfgs", "max_iter": 5}):
        ours, other = fitted("one_number", x, y, {"loss": "poisson"} | given)
        np.testing.assert_allclose(ours.predict(x), other.predict(x), rtol=1e-6)
        np.testing.assert_allclose(ours.loss_, other.loss_, rtol=1e-9)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("given", [{}, WAYS["nesterov"], WAYS["plain sgd"] | {"alpha": 1.0}, WAYS["inverse scaling"]])
def test_the_same_a_little_at_a_time(request, data, given):
    x, y = request.getfixturevalue(data)
    made = pair(data, **given)
    for estimator in made:
        classes = {"classes": np.arange(4) if y.ndim > 1 else np.unique(y)} if data in KINDS else {}
        for part in (slice(50), slice(50, None), slice(80)):
            estimator.partial_fit(x[part], y[part], **classes)
    assert_same(*made, x)


def test_the_same_when_the_penalty_changes_on_the_way(ten_classes):
    x, y = ten_classes
    made = pair("ten_classes", **WAYS["plain sgd"], alpha=10.0)
    for estimator in made:
        estimator.partial_fit(x, y, classes=np.unique(y))
        estimator.set_params(alpha=0.0).partial_fit(x, y)
    assert_same(*made, x)


@pytest.mark.parametrize("given", [{}, {"solver": "sgd", "learning_rate": "invscaling"}])
def test_the_same_from_a_warm_start(ten_classes, given):
    x, y = ten_classes
    made = pair("ten_classes", warm_start=True, max_iter=3, **given)
    for estimator in made:
        for _ in range(3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(x, y)
    assert_same(*made, x)


@pytest.mark.parametrize("given", [{}, {"verbose": 1}, {"early_stopping": True, "max_iter": 30, "tol": 0.1}])
def test_the_same_words(capsys, ten_classes, given):
    made = pair("ten_classes", **({"verbose": True} | given))
    said = []
    for estimator in made:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(*ten_classes)
        said.append((capsys.readouterr().out, [(str(w.message), w.category) for w in caught]))
    assert said[1] == said[0]
    assert "Iteration 1, loss = " in said[0][0]


def test_float32_stays_float32(ten_classes, one_number):
    for solver in ("adam", "sgd", "lbfgs"):
        for kind, (x, y) in ((MLPClassifier, ten_classes), (MLPRegressor, one_number)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                small = kind(hidden_layer_sizes=5, solver=solver, max_iter=3, random_state=0).fit(
                    x.astype(np.float32), y
                )
                large = kind(hidden_layer_sizes=5, solver=solver, max_iter=3, random_state=0).fit(x, y)
            assert {np.dtype(np.float32)} == {array.dtype for array in (*small.coefs_, *small.intercepts_)}
            assert {np.dtype(np.float64)} == {array.dtype for array in (*large.coefs_, *large.intercepts_)}
            np.testing.assert_allclose(small.coefs_[0], large.coefs_[0], rtol=2e-2, atol=2e-4)
            output = (small.predict_proba if kind is MLPClassifier else small.predict)(x.astype(np.float32))
            assert np.float32 == output.dtype
