"""What scikit-learn asks of every estimator, and of its own neural networks."""

import inspect
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.utils.estimator_checks import check_estimator

import handgrad
from handgrad import MLPClassifier, MLPRegressor

INSTEAD = """
import sklearn.neural_network as theirs
import handgrad
theirs.MLPClassifier, theirs.MLPRegressor = handgrad.MLPClassifier, handgrad.MLPRegressor
"""


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.filterwarnings("ignore")  # the checks provoke many
def test_every_check_passes(kind):
    results = check_estimator(kind(max_iter=100), on_skip=None, on_fail=None)
    assert [] == [result["check_name"] for result in results if result["status"] not in {"passed", "skipped"}]
    assert 40 < sum(result["status"] == "passed" for result in results)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_constructor_is_theirs_and_more(kind):
    ours = inspect.signature(kind).parameters
    other = inspect.signature(getattr(theirs, kind.__name__)).parameters
    assert list(other) == [name for name in ours if name in other]
    for name, parameter in other.items():
        assert (parameter.default, parameter.kind) == (ours[name].default, ours[name].kind)
    more = [name for name in ours if name not in other and name != "loss"]  # which came with 1.7
    assert all(ours[name].kind is inspect.Parameter.KEYWORD_ONLY for name in more)


def test_their_own_tests_pass_with_ours_in_their_place(tmp_path):
    """All but `test_gradient`, which takes a private method apart."""
    (tmp_path / "instead.py").write_text(INSTEAD, encoding="utf-8")
    package = Path(handgrad.__file__).parents[1]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "instead", "-p", "no:cacheprovider"),
            *("--rootdir", str(tmp_path), "-c", os.devnull, "-k", "not test_gradient"),
            *("--pyargs", "sklearn.neural_network.tests.test_mlp"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(package)])},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert 0 == result.returncode, result.stdout
    passed = re.search(r"(\d+) passed", result.stdout)
    assert passed
    assert 40 < int(passed[1])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"solver": "newton"}, "The 'solver' parameter of MLPClassifier must be a str among"),
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be > 0, got"),
        ({"alpha": -1.0}, "The 'alpha' parameter of MLPClassifier must be a float in the range"),
        ({"activation": "step"}, "The 'activation' parameter of MLPClassifier must be"),
        ({"activation": ["relu", "tanh"]}, "activation names 2: 1 hidden layers need one for all or one for each"),
        ({"activation": ["step"]}, "no activation is called 'step'; there are"),
        ({"dropout": 1.0}, "The 'dropout' parameter of MLPClassifier must be"),
        ({"solver": "lbfgs", "dropout": 0.5}, "dropout=0.5 needs batches, but solver='lbfgs' sees all rows at once"),
        ({"learning_rate": "plateau"}, "set early_stopping=True"),
        ({"scoring": "roc_auc"}, "set early_stopping=True"),
    ],
)
def test_a_wrong_value_is_refused_in_a_sentence(ten_classes, given, words):
    with pytest.raises(ValueError, match=words):
        MLPClassifier(**({"hidden_layer_sizes": (4,)} | given)).fit(*ten_classes)


def test_a_size_that_is_no_whole_number_is_refused_as_theirs(ten_classes):
    for module in (handgrad, theirs):
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
            module.MLPClassifier(hidden_layer_sizes=(3.5,)).fit(*ten_classes)


def test_a_callback_that_cannot_be_called_is_refused(ten_classes):
    with pytest.raises(TypeError, match="callbacks holds 3, which cannot be called"):
        MLPClassifier(callbacks=[3]).fit(*ten_classes)


def test_counts_below_zero_are_refused(one_number):
    with pytest.raises(ValueError, match="out of the valid range of the loss 'poisson'"):
        MLPRegressor(loss="poisson").fit(one_number[0], one_number[1])


def test_partial_fit_is_hidden_where_the_solver_needs_everything():
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(MLPRegressor(), "partial_fit")
    with pytest.raises(AttributeError, match="'MLPRegressor' has no attribute 'partial_fit'"):
        MLPRegressor(solver="lbfgs").partial_fit([[1.0]], [1.0])


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_what_overflows_says_so_and_keeps_the_weights_before(one_number, solver):
    x, y = one_number
    estimator = MLPRegressor(solver=solver, activation="identity", learning_rate_init=1.0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            estimator.fit(x * 1e200, y * 1e200)
    assert all(np.isfinite(W).all() for W in estimator.coefs_)


def test_the_package_shows_its_estimators():
    assert {"MLPClassifier", "MLPRegressor"} <= set(dir(handgrad))
    with pytest.raises(AttributeError, match="module 'handgrad' has no attribute 'MLPCluster'"):
        handgrad.MLPCluster  # noqa: B018


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("sklearn", "MLPClassifier needs scikit-learn 1.6 or newer: pip install --upgrade scikit-learn"),
        ("msgspec", "import of msgspec halted"),  # nothing is said that is not so
    ],
)
def test_what_is_missing_is_named(missing, words):
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    from handgrad import MLPClassifier\nexcept ImportError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert words in result.stdout
