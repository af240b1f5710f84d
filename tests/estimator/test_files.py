"""Estimators on disk, in scikit-learn's hands, and as ONNX: the same answers everywhere."""

import json

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import sklearn.neural_network as theirs
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.exceptions import NotFittedError

from handgrad import MLPClassifier, MLPRegressor
from handgrad.engine.activations import ACTIVATIONS
from handgrad.errors import HandgradError
from handgrad.estimator import parameters

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DATA = ["ten_classes", "two_classes", "several_labels", "one_number", "two_numbers"]
WAYS = [
    {},
    {"solver": "lbfgs"},
    {"early_stopping": True, "scoring": "accuracy"},
    {"batch_norm": True, "dropout": 0.1, "activation": ["tanh"]},
]


def fitted(data, x, y, **given):
    kind = MLPRegressor if data in {"one_number", "two_numbers"} else MLPClassifier
    if kind is MLPRegressor:
        given.pop("scoring", None)
    return kind(**({"hidden_layer_sizes": (9,), "max_iter": 5, "random_state": 1} | given)).fit(x, y)


def answers(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("given", WAYS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_comes_back_the_same(request, tmp_path, data, given, dtype):
    x, y = request.getfixturevalue(data)
    x = x.astype(dtype)
    estimator = fitted(data, x, y, **given)
    estimator.save(tmp_path / "it.safetensors", preprocessing={"divided_by": 16})
    again = type(estimator).load(tmp_path / "it.safetensors")
    np.testing.assert_array_equal(answers(estimator, x), answers(again, x))
    np.testing.assert_array_equal(estimator.predict(x), again.predict(x))
    assert estimator.predict(x).dtype == again.predict(x).dtype
    assert {"divided_by": 16} == again.preprocessing_
    assert estimator.n_iter_ == again.n_iter_
    assert estimator.history_ == again.history_
    assert estimator.get_params() == again.get_params()
    if given.get("solver") != "lbfgs" and not given.get("early_stopping"):
        again.partial_fit(x, y)


def test_what_is_not_finite_comes_back(ten_classes, tmp_path):
    x, y = ten_classes
    estimator = fitted("ten_classes", x, y, n_iter_no_change=np.inf, early_stopping=True, warm_start=True)
    estimator.best_validation_score_ = -np.inf
    estimator.save(tmp_path / "it.safetensors", preprocessing={"not finite": "what is odd", "least": [-np.inf]})

    again = MLPClassifier.load(tmp_path / "it.safetensors")

    assert (np.inf, -np.inf) == (again.n_iter_no_change, again.best_validation_score_)
    assert {"not finite": "what is odd", "least": [-np.inf]} == again.preprocessing_
    again.fit(x, y)
    assert again.best_validation_score_ > 0.0


def test_the_safetensors_library_reads_it(ten_classes, tmp_path):
    estimator = fitted("ten_classes", *ten_classes)
    estimator.save(str(tmp_path / "it.safetensors"))
    arrays = load_file(tmp_path / "it.safetensors")
    assert {"0.weights", "0.bias", "2.weights", "2.bias"} == set(arrays)
    np.testing.assert_array_equal(estimator.coefs_[1], arrays["2.weights"])
    with safe_open(tmp_path / "it.safetensors", framework="numpy") as file:
        header = json.loads(file.metadata()["handgrad"])
    assert ("MLPClassifier", list(range(10))) == (header["estimator"], header["classes"]["values"])
    assert {"handgrad", "numpy", "python"} == set(header["provenance"])


def test_names_of_features_and_odd_classes_come_back(ten_classes, tmp_path):
    x = pd.DataFrame(ten_classes[0], columns=[f"pixel {i}" for i in range(64)])
    for y in (ten_classes[1] + 0.0, ten_classes[1].astype(str).astype(object), ten_classes[1] > 4):
        estimator = fitted("ten_classes", x, y, callbacks=[print], class_weight=dict.fromkeys(np.unique(y), 1.0))
        estimator.save(tmp_path / "it.safetensors")
        again = MLPClassifier.load(tmp_path / "it.safetensors")
        np.testing.assert_array_equal(estimator.predict(x), again.predict(x))
        assert estimator.classes_.dtype == again.classes_.dtype
        np.testing.assert_array_equal(estimator.feature_names_in_, again.feature_names_in_)
        assert (None, None) == (again.callbacks, again.class_weight)


def test_what_is_wrong_with_a_file_is_said(ten_classes, one_number, tmp_path):
    path = tmp_path / "it.safetensors"
    with pytest.raises(NotFittedError):
        MLPClassifier().save(path)
    with pytest.raises(HandgradError, match="there is no estimator at"):
        MLPClassifier.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(HandgradError, match=r"is not an estimator, or it is damaged; use another file"):
        MLPClassifier.load(path)
    fitted("one_number", *one_number).save(path)
    with pytest.raises(HandgradError, match=r"holds an MLPRegressor: load it with MLPRegressor\.load"):
        MLPClassifier.load(path)
    estimator = fitted("ten_classes", *ten_classes)
    with pytest.raises(HandgradError, match=r"by holds \{1, 2\}, which a file has no word for"):
        estimator.save(path, preprocessing={"by": {1, 2}})
    estimator.classes_ = np.arange(10).astype("datetime64[D]")
    with pytest.raises(HandgradError, match=r"classes of datetime64\[D\] cannot be put into a file"):
        estimator.save(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header, _: header.update(dtype="float16"), "it computes in float16"),
        (lambda header, _: header["parameters"].update(solver="newton"), "The 'solver' parameter"),
        (lambda header, _: header["parameters"].update(colour="red"), "unexpected keyword argument 'colour'"),
        (lambda header, _: header["fitted"].update(n_features_in_=3), "its layers do not fit its features"),
        (lambda header, _: header.pop("layers"), "missing required field `layers`"),
        (lambda _, arrays: arrays.pop("0.bias"), "its arrays are not those of its layers"),
        (lambda _, arrays: arrays.update({"0.bias": np.zeros(3)}), r"its array 0\.bias is F64 \(3,\)"),
        (lambda _, arrays: arrays["0.bias"].fill(np.nan), "numbers that are not finite"),
    ],
)
def test_a_file_that_does_not_agree_with_itself_is_refused(ten_classes, tmp_path, change, words):
    path = tmp_path / "it.safetensors"
    fitted("ten_classes", *ten_classes).save(path)
    arrays = load_file(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["handgrad"])
    change(header, arrays)
    save_file(arrays, path, metadata={"handgrad": json.dumps(header)})
    with pytest.raises(HandgradError, match=words):
        MLPClassifier.load(path)


@pytest.mark.parametrize("data", DATA)
def test_weights_come_from_scikit_learn_and_go_back(request, data):
    x, y = request.getfixturevalue(data)
    name = "MLPRegressor" if data in {"one_number", "two_numbers"} else "MLPClassifier"
    kind = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    other = getattr(theirs, name)((9, 4), max_iter=5, random_state=1) if name == "MLPClassifier" else None
    other = other or theirs.MLPRegressor(hidden_layer_sizes=(9, 4), max_iter=5, random_state=1)
    other.fit(x, y)
    ours = kind.from_sklearn(other)
    np.testing.assert_allclose(answers(ours, x), answers(other, x), rtol=1e-10)
    assert other.loss_curve_ == ours.loss_curve_
    back = ours.to_sklearn()
    assert type(other) is type(back)
    np.testing.assert_array_equal(answers(other, x), answers(back, x))
    assert other.get_params() == back.get_params()
    ours.coefs_[0][...] = 0.0
    assert other.coefs_[0].any()  # an array of its own
    assert back.partial_fit(x, y).loss_ > 0.0
    assert kind.from_sklearn(other).partial_fit(x, y).loss_ > 0.0


def test_batch_norm_is_folded_for_scikit_learn(ten_classes):
    x, y = ten_classes
    ours = fitted("ten_classes", x, y, batch_norm=True, solver="adamw", learning_rate="cosine", verbose="bar")
    other = ours.to_sklearn()
    np.testing.assert_allclose(ours.predict_proba(x), other.predict_proba(x), rtol=1e-9, atol=1e-12)
    assert ("adam", "constant", True) == (other.solver, other.learning_rate, other.verbose)


def test_what_scikit_learn_cannot_hold_is_refused(ten_classes, one_number):
    x, y = ten_classes
    with pytest.raises(ValueError, match="scikit-learn has one activation for all layers"):
        fitted("ten_classes", x, y, activation="gelu").to_sklearn()
    with pytest.raises(TypeError, match=r"MLPRegressor\.from_sklearn takes scikit-learn's MLPRegressor, not MLPCl"):
        MLPRegressor.from_sklearn(theirs.MLPClassifier())
    with pytest.raises(NotFittedError):
        MLPClassifier.from_sklearn(theirs.MLPClassifier())
    assert "logistic" == fitted("one_number", *one_number, activation="sigmoid").to_sklearn().activation


def onnx_answers(path, x):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": x.astype(np.float32)})


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("given", [{}, {"batch_norm": True, "dropout": 0.1}, {"hidden_layer_sizes": ()}])
def test_onnx_gives_the_same(request, tmp_path, data, given):
    x, y = request.getfixturevalue(data)
    estimator = fitted(data, x.astype(np.float32), y, **given)
    estimator.export_onnx(tmp_path / "it.onnx")
    first, *rest = onnx_answers(tmp_path / "it.onnx", x)
    if rest:
        assert estimator.predict(x).tolist() == first.tolist()
        np.testing.assert_allclose(rest[0], estimator.predict_proba(x), atol=1e-5)
    else:
        np.testing.assert_allclose(np.squeeze(first), estimator.predict(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_onnx_knows_every_activation(ten_classes, tmp_path, name):
    x, y = ten_classes
    estimator = fitted("ten_classes", x, y, activation=name)
    estimator.export_onnx(str(tmp_path / "it.onnx"))
    np.testing.assert_allclose(onnx_answers(tmp_path / "it.onnx", x)[1], estimator.predict_proba(x), atol=1e-5)


def test_onnx_knows_rates_and_other_labels(ten_classes, tmp_path):
    x, y = ten_classes
    rates = fitted("one_number", x, y, loss="poisson")
    rates.export_onnx(tmp_path / "it.onnx")
    np.testing.assert_allclose(onnx_answers(tmp_path / "it.onnx", x)[0].ravel(), rates.predict(x), rtol=1e-4)
    for labels in (y + 0.0, y.astype(str).astype(object), y > 4):
        estimator = fitted("ten_classes", x, labels)
        estimator.export_onnx(tmp_path / "it.onnx")
        np.testing.assert_array_equal(estimator.predict(x), onnx_answers(tmp_path / "it.onnx", x)[0])


def test_onnx_that_is_not_there_is_named(ten_classes, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(HandgradError, match=r"pip install 'handgrad\[onnx\]'"):
        fitted("ten_classes", *ten_classes).export_onnx(tmp_path / "it.onnx")


@pytest.mark.mnist
def test_onnx_reads_all_of_mnist_the_same(mnist, tmp_path):
    images = (mnist.training.images[:20_000] / 255.0).astype(np.float32)
    test = (mnist.test.images / 255.0).astype(np.float32)
    estimator = MLPClassifier((128, 64), max_iter=2, random_state=0).fit(images, mnist.training.labels[:20_000])
    assert 0.9 < estimator.score(test, mnist.test.labels)
    estimator.export_onnx(tmp_path / "it.onnx")
    labels, probabilities = onnx_answers(tmp_path / "it.onnx", test)
    np.testing.assert_array_equal(estimator.predict(test), labels)
    np.testing.assert_allclose(probabilities, estimator.predict_proba(test), atol=1e-5)


def test_the_names_of_solvers_are_the_engines():
    assert {"lbfgs", "sgd", "adam", "adamw", "rmsprop", "momentum", "nesterov"} <= set(parameters.SOLVERS)
