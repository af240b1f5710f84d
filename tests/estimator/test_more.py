"""What there is beyond scikit-learn's own: each does what it says, and is off unless asked for."""

import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from handgrad import MLPClassifier, MLPRegressor
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.layers import Activate, BatchNorm, Dropout
from handgrad.engine.network import Network, Pass
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.estimator import bar as bars
from handgrad.estimator.parameters import STEP_SCHEDULES
from handgrad.estimator.rows import Rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**given):
    return MLPClassifier(**({"hidden_layer_sizes": (16,), "max_iter": 12, "random_state": 0} | given))


@pytest.mark.parametrize("name", [*ACTIVATIONS, "logistic"])
def test_every_activation_learns(ten_classes, name):
    assert 0.8 < classifier(activation=name, max_iter=40, learning_rate_init=0.01).fit(*ten_classes).score(*ten_classes)


def test_an_activation_for_each_layer(ten_classes):
    estimator = classifier(hidden_layer_sizes=(12, 8), activation=["gelu", "tanh"]).fit(*ten_classes)
    functions = [layer.function.name for layer in estimator._network.layers if isinstance(layer, Activate)]
    assert ["gelu", "tanh"] == functions


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(ten_classes, name):
    estimator = classifier(solver=name, max_iter=40, learning_rate_init=0.1 if "ad" not in name else 0.01)
    if name == "rmsprop":
        estimator.set_params(learning_rate_init=0.005)
    assert 0.8 < estimator.fit(*ten_classes).score(*ten_classes)
    assert 0.0 < estimator.partial_fit(*ten_classes).loss_
    kind = type(estimator._optimizer.optimizer)
    assert OPTIMIZERS["nesterov" if name == "sgd" else name] is kind


def test_adamw_decays_by_itself_and_others_when_asked(ten_classes):
    decays = [classifier(solver=s, max_iter=1).fit(*ten_classes)._optimizer.optimizer.decay for s in ("adamw", "adam")]
    assert [0.01, 0.0] == decays
    large, small = (
        sum(float((W**2).sum()) for W in classifier(weight_decay=decay, max_iter=30).fit(*ten_classes).coefs_)
        for decay in (None, 3.0)
    )
    assert small < 0.95 * large


@pytest.mark.parametrize("name", sorted({*STEP_SCHEDULES} - {"plateau"}))
def test_every_schedule_changes_the_rate(ten_classes, name):
    estimator = classifier(learning_rate=name, decay_every=2, learning_rate_init=0.2).fit(*ten_classes)
    rates = estimator.history_["learning_rate"]
    assert 12 == len(rates)
    assert 0.0 <= min(rates) < max(rates) <= 0.2


def test_a_plateau_lowers_the_rate(ten_classes):
    estimator = classifier(
        learning_rate="plateau", early_stopping=True, learning_rate_init=0.3, n_iter_no_change=60, max_iter=60
    ).fit(*ten_classes)
    rates = estimator.history_["learning_rate"]
    assert 0.3 == rates[0] > rates[-1]


def test_the_cosine_ends_near_zero_after_a_warm_up(ten_classes):
    rates = classifier(learning_rate="cosine", warmup=3).fit(*ten_classes).history_["learning_rate"]
    assert rates[0] < rates[1] < rates[2]
    assert rates[-1] < 0.05 * max(rates)


def test_dropout_draws_and_prediction_does_not(ten_classes):
    x, y = ten_classes
    estimator = classifier(dropout=0.5, input_dropout=0.1).fit(x, y)
    assert 2 == sum(isinstance(layer, Dropout) for layer in estimator._network.layers)
    np.testing.assert_array_equal(estimator.predict_proba(x), estimator.predict_proba(x))
    again = classifier(dropout=0.5, input_dropout=0.1).fit(x, y)
    np.testing.assert_array_equal(estimator.coefs_[0], again.coefs_[0])
    assert estimator.loss_ > classifier().fit(x, y).loss_


def test_sparse_rows_are_dropped_out_and_augmented_as_dense_ones(ten_classes):
    x, y = ten_classes
    for given in ({"input_dropout": 0.2}, {"augment": lambda batch, _: 0.5 * batch}):
        dense, thin = (classifier(max_iter=3, **given).fit(rows, y) for rows in (x, sparse.csr_matrix(x)))
        np.testing.assert_allclose(dense.coefs_[0], thin.coefs_[0], rtol=1e-12)
        np.testing.assert_allclose(dense.predict_proba(x), thin.predict_proba(sparse.csc_matrix(x)), rtol=1e-12)


def test_batch_norm_learns_and_survives_pickle(ten_classes):
    x, y = ten_classes
    estimator = classifier(batch_norm=True, hidden_layer_sizes=(12, 8), max_iter=40, learning_rate_init=0.01).fit(x, y)
    assert 2 == sum(isinstance(layer, BatchNorm) for layer in estimator._network.layers)
    assert [(12,), (8,), (10,)] == [bias.shape for bias in estimator.intercepts_]
    assert 0.9 < estimator.score(x, y)
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(estimator.predict_proba(x), again.predict_proba(x))


@pytest.mark.parametrize("data", ["ten_classes", "two_classes"])
def test_smoothed_labels_keep_it_from_being_certain(request, data):
    x, y = (part[:150] for part in request.getfixturevalue(data))
    sure, unsure = (
        classifier(label_smoothing=s, solver="lbfgs", max_iter=150, alpha=0.0)
        .fit(x, y)
        .predict_proba(x)
        .max(axis=1)
        .mean()
        for s in (0.0, 0.2)
    )
    expected = 0.8 + 0.2 / len(np.unique(y))
    assert pytest.approx(expected, abs=0.05) == unsure
    assert sure > 0.97


def test_class_weight_is_sample_weight(two_classes):
    x, y = two_classes
    for weight in ("balanced", {"large": 3.0, "small": 1.0}):
        by_class = classifier(class_weight=weight).fit(x, y)
        by_row = classifier().fit(x, y, sample_weight=compute_sample_weight(weight, y))
        np.testing.assert_allclose(by_class.coefs_[0], by_row.coefs_[0], rtol=1e-12)
    with pytest.raises(ValueError, match="class_weight 'balanced' cannot be told from a part of the data"):
        classifier(class_weight="balanced").partial_fit(x, y, classes=["large", "small"])
    with pytest.raises(ValueError, match=r"a weight for 'huge', but the classes are \['large', 'small'\]$"):
        classifier(class_weight={"large": 2.0, "huge": 3.0}).fit(x, y)
    doubled = classifier(class_weight={"large": 2.0, "small": 1.0}).fit(x, y, sample_weight=np.full(len(y), 0.5))
    assert np.isfinite(doubled.loss_)


def test_rows_that_weigh_nothing_teach_nothing(ten_classes):
    x, y = ten_classes
    weights = np.zeros(len(y))
    weights[:50] = 1.0
    estimator = classifier(batch_size=10, shuffle=False, max_iter=3).fit(x, y, sample_weight=weights)
    alone = classifier(batch_size=10, shuffle=False, max_iter=3).fit(x[:50], y[:50])
    np.testing.assert_allclose(estimator.coefs_[0], alone.coefs_[0], rtol=1e-12)


def test_max_norm_and_clip_norm_hold(ten_classes):
    estimator = classifier(max_norm=0.7, clip_norm=0.1).fit(*ten_classes)
    assert max(np.linalg.norm(W, axis=0).max() for W in estimator.coefs_) <= 0.7 * (1 + 1e-12)


def test_callbacks_see_each_epoch_and_can_stop(ten_classes, capsys):
    seen = []

    def stop_after_three(report):
        seen.append(report)
        return report.epoch == 3

    for solver in ("adam", "lbfgs"):
        seen.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)  # who asks to stop needs no warning
            estimator = classifier(callbacks=[lambda _: None, stop_after_three], solver=solver).fit(*ten_classes)
        assert [1, 2, 3] == [report.epoch for report in seen] == estimator.history_["epoch"]
        assert 3 == estimator.n_iter_
        assert [report.loss for report in seen] == estimator.history_["loss"]
    assert "" == capsys.readouterr().out


def test_history_holds_both_curves(ten_classes):
    estimator = classifier(early_stopping=True).fit(*ten_classes)
    history = estimator.history_
    assert estimator.loss_curve_ == history["loss"]
    assert estimator.validation_scores_ == history["validation_score"]
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    assert all(b >= a for a, b in zip(history["seconds"], history["seconds"][1:], strict=False))


@pytest.mark.parametrize("scoring", ["balanced_accuracy", "neg_log_loss", make_scorer(balanced_accuracy_score)])
def test_another_score_decides_when_to_stop(ten_classes, scoring):
    x = pd.DataFrame(ten_classes[0], columns=[f"pixel {i}" for i in range(64)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of features without names
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = classifier(early_stopping=True, scoring=scoring).fit(x, ten_classes[1])
    assert 64 == len(estimator.feature_names_in_)
    assert max(estimator.validation_scores_) == estimator.best_validation_score_
    if scoring == "neg_log_loss":
        assert estimator.best_validation_score_ < 0.0


def test_a_score_that_cannot_weigh_rows_is_given_none(ten_classes, one_number):
    x, y = ten_classes
    given = []

    def plain(estimator, x, y):
        return float(np.mean(estimator.predict(x) == y))

    def weighed(estimator, x, y, sample_weight=None):
        given.append(sample_weight)
        return plain(estimator, x, y)

    for scoring in (plain, weighed):
        estimator = classifier(early_stopping=True, scoring=scoring, class_weight="balanced").fit(x, y)
        assert 0.0 < estimator.best_validation_score_ <= 1.0
    assert given
    assert all(weights is not None for weights in given)
    MLPRegressor(early_stopping=True, scoring="neg_max_error", max_iter=3).fit(
        *one_number, sample_weight=one_number[1] ** 2
    )


def test_early_stopping_gives_the_best_weights_back(ten_classes):
    x, y = ten_classes
    kept = []

    def keep(report):
        kept.append((report.validation_score, estimator.coefs_[0].copy()))

    estimator = classifier(early_stopping=True, callbacks=keep, learning_rate_init=0.05, n_iter_no_change=2)
    estimator.fit(x, y)
    best = max(range(len(kept)), key=lambda i: kept[i][0])
    np.testing.assert_array_equal(kept[best][1], estimator.coefs_[0])


def test_what_overflows_beside_a_validation_set_keeps_the_best(one_number):
    x, y = one_number
    estimator = MLPRegressor(early_stopping=True, solver="sgd", learning_rate_init=5.0, activation="identity")
    with pytest.warns(ConvergenceWarning, match="the loss overflowed in iteration"):
        estimator.fit(10.0 * x, 1e3 * y)
    assert all(np.isfinite(W).all() for W in estimator.coefs_)
    assert np.isnan(estimator.validation_scores_[-1])


def test_augment_is_given_each_batch_and_a_generator(ten_classes):
    x, y = ten_classes
    seen = []

    def blank(batch, generator):
        seen.append((batch.copy(), generator.random()))
        batch[...] = 0.0
        return batch

    estimator = classifier(augment=blank, max_iter=2, batch_size=100, shuffle=False, alpha=0.0).fit(x, y)
    assert 8 == len(seen) == len({number for _, number in seen})
    np.testing.assert_array_equal(x[:100], seen[0][0])
    np.testing.assert_array_equal(x[300:], seen[7][0])
    untouched = classifier(max_iter=2, batch_size=100, shuffle=False, alpha=0.0)
    untouched.set_params(callbacks=lambda _: True).fit(0 * x, y)
    assert not np.allclose(estimator.intercepts_[1], untouched.intercepts_[1])


def test_augment_may_work_in_place_but_not_change_the_shape(ten_classes):
    def halve(batch, _):
        batch *= 0.5

    halved, in_place = (
        classifier(augment=augment, shuffle=False).fit(*ten_classes)
        for augment in (lambda batch, _: 0.5 * batch, halve)
    )
    np.testing.assert_array_equal(halved.coefs_[0], in_place.coefs_[0])
    with pytest.raises(ValueError, match=r"augment gave \(3, 64\) in place of a batch of \(200, 64\)$"):
        classifier(augment=lambda batch, _: batch[:3]).fit(*ten_classes)


def test_the_bar_moves_on_a_terminal(ten_classes, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(bars, "Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    classifier(verbose="bar", early_stopping=True).fit(*ten_classes)
    assert "12/12 epochs" in shown.getvalue()
    assert "validation 0." in shown.getvalue()


def test_the_bar_is_silent_elsewhere(ten_classes, capsys):
    classifier(verbose="bar").fit(*ten_classes)
    assert ("", "") == tuple(capsys.readouterr())


def test_coefficients_can_be_changed_and_replaced(ten_classes):
    x, y = ten_classes
    estimator = classifier().fit(x, y)
    before = estimator.predict_proba(x)
    estimator.coefs_[0] *= 0.5
    assert not np.allclose(before, estimator.predict_proba(x))
    estimator.coefs_[0] = 2.0 * estimator.coefs_[0]
    np.testing.assert_allclose(before, estimator.predict_proba(x), rtol=1e-12)
    estimator.coefs_[0] = np.zeros(3)
    with pytest.raises(ValueError, match=r"an array of shape \(3,\) cannot stand for one of \(64, 16\)"):
        estimator.predict(x)


def test_a_warm_start_needs_the_same_network(ten_classes):
    estimator = classifier(warm_start=True).fit(*ten_classes)
    estimator.set_params(dropout=0.2).fit(*ten_classes)
    assert any(isinstance(layer, Dropout) for layer in estimator._network.layers)
    with pytest.raises(ValueError, match="set warm_start=False, or hidden_layer_sizes"):
        estimator.set_params(hidden_layer_sizes=(3,)).fit(*ten_classes)


def test_a_warm_start_may_begin_to_stop_early(ten_classes):
    estimator = classifier(warm_start=True).fit(*ten_classes)
    estimator.set_params(early_stopping=True).fit(*ten_classes)
    assert (12, None) == (len(estimator.validation_scores_), estimator.best_loss_)
    estimator.set_params(early_stopping=False).fit(*ten_classes)
    assert None is estimator.validation_scores_


def test_what_l_bfgs_began_another_solver_goes_on_with(ten_classes):
    x, y = ten_classes
    for go_on in (lambda it: it.fit(x, y), lambda it: it.partial_fit(x, y)):
        estimator = classifier(solver="lbfgs", warm_start=True).fit(x, y)
        before = estimator.loss_
        go_on(estimator.set_params(solver="adam"))
        assert estimator.loss_curve_[-1] < 1.5 * before


def test_the_logistic_function_starts_alike_by_either_name(ten_classes):
    same = ["logistic", "sigmoid", ["logistic"], ["sigmoid"]]
    starts = [classifier(activation=name, max_iter=1).fit(*ten_classes).coefs_[0] for name in same]

    for start in starts[1:]:
        np.testing.assert_array_equal(starts[0], start)


@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
def test_pickle_keeps_what_the_optimizer_remembers(ten_classes, solver):
    x, y = ten_classes
    one = classifier(solver=solver).partial_fit(x, y, classes=np.arange(10))
    other = pickle.loads(pickle.dumps(one))
    for estimator in (one, other):
        estimator.partial_fit(x, y)
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])
    assert other.coefs_[0].base is other._network.theta


def test_it_clones_and_pipelines(ten_classes):
    x, y = ten_classes
    given = {"dropout": 0.1, "class_weight": "balanced", "activation": ["relu"], "max_iter": 60}
    pipeline = make_pipeline(StandardScaler(), classifier(**given))
    assert 0.5 < clone(pipeline).fit(x, y).score(x, y)


def test_an_interrupted_fit_keeps_what_it_learned(ten_classes):
    def interrupt(report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator = classifier(callbacks=interrupt).fit(*ten_classes)
    assert 2 == estimator.n_iter_


def test_images_are_warped_by_name(ten_classes):
    x, y = ten_classes
    plain, warped, again = (
        classifier(augment=augment, max_iter=15, batch_size=32, learning_rate_init=0.01).fit(x, y)
        for augment in (None, "mild", "mild")
    )
    np.testing.assert_array_equal(warped.coefs_[0], again.coefs_[0])
    assert plain.loss_ < warped.loss_  # what is new each time is harder to know
    assert 0.4 < warped.score(x, y)  # the warps are meant for larger images than 8x8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_warped_images_are_as_bright_as_they_were(ten_classes, dtype):
    x = (16.0 * ten_classes[0]).astype(dtype)
    network = Network.fully_connected(64, (4,), 10, dtype=dtype)
    rows, batch = Rows(x, network, "strong", np.random.default_rng(0)), Pass(network, 200)
    rows.gather(np.arange(200), batch, np.random.default_rng(0))

    assert 15.0 < batch.x.max() <= 16.0
    assert 0.0 == batch.x.min()
    assert pytest.approx(x[:200].mean(), rel=0.3) == batch.x.mean()
    assert not np.isclose(x[:200], batch.x).all(axis=1).any()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((20, 5)), r"square images, but rows of 5 numbers are none: give it a function$"),
        (-np.ones((20, 4)), r"empty pixels are 0, but there are numbers below: -1$"),
        (sparse.csr_array(np.ones((20, 4))), r"no sparse rows: give it their toarray\(\)$"),
    ],
)
def test_what_is_no_image_is_not_warped(x, words):
    with pytest.raises(ValueError, match=words):
        classifier(augment="mild").fit(x, np.arange(20) % 2)


def test_nothing_at_all_can_be_warped():
    assert classifier(augment="strong").fit(np.zeros((20, 4)), np.arange(20) % 2).loss_ < 1.0
