"""The report against values worked by hand, against plain counting and against scikit-learn."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from handgrad.errors import HandgradError
from handgrad.evaluation.report import ClassScore, evaluate

CLASSES = ("cat", "dog", "eel", "fox")
# The dog is read as a cat, one cat as a dog; nobody is an eel, and nobody is read as a fox.
LABELS = np.array([0, 0, 0, 1, 1, 3])
PROBABILITIES = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.1, 0.6, 0.2, 0.1],
        [0.4, 0.2, 0.2, 0.2],
        [0.9, 0.1, 0.0, 0.0],
        [0.2, 0.5, 0.3, 0.0],
        [0.0, 0.3, 0.6, 0.1],
    ]
)


@pytest.fixture
def report():
    return evaluate(LABELS, PROBABILITIES, CLASSES)


def test_counts_by_hand(report):
    assert (6, 3, 0.5) == (report.n, report.errors, report.accuracy)
    assert [0, 1, 0, 0, 1, 2] == report.predictions.tolist()
    assert [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]] == report.confusion.tolist()


def test_classes_by_hand_and_undefined_is_none(report):
    assert (
        ClassScore("cat", precision=2 / 3, recall=2 / 3, f1=2 / 3, support=3, predicted=3),
        ClassScore("dog", precision=1 / 2, recall=1 / 2, f1=1 / 2, support=2, predicted=2),
        ClassScore("eel", precision=0.0, recall=None, f1=0.0, support=0, predicted=1),
        ClassScore("fox", precision=None, recall=0.0, f1=0.0, support=1, predicted=0),
    ) == report.per_class


def test_a_class_neither_there_nor_read_has_no_ratio_at_all():
    report = evaluate(np.array([0, 1]), np.array([[0.8, 0.2, 0.0], [0.3, 0.7, 0.0]]), ("a", "b", "c"))

    assert ClassScore("c", None, None, None, 0, 0) == report.per_class[2]


def test_log_loss_by_hand(report):
    expected = -sum(map(math.log, [0.7, 0.1, 0.4, 0.1, 0.5, 0.1])) / 6

    assert pytest.approx(expected) == report.log_loss


def test_certain_and_wrong_costs_36_nats_and_not_infinity():
    report = evaluate(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), ("a", "b"))

    assert pytest.approx(-math.log(np.finfo(np.float64).eps) / 2) == report.log_loss


def test_the_most_confident_errors_come_first(report):
    assert [3, 1, 5] == report.wrong.tolist()
    assert pytest.approx([0.9, 0.6, 0.6]) == report.confidences[report.wrong]


def test_float32_rows_that_almost_add_up_are_brought_to_one():
    rows = np.array([[0.7, 0.3002], [0.2, 0.8]], dtype=np.float32)

    report = evaluate(np.array([0, 1]), rows, ("a", "b"))

    assert pytest.approx(0.7 / 1.0002) == report.confidences[0]
    assert pytest.approx(-(math.log(0.7 / 1.0002) + math.log(0.8)) / 2) == report.log_loss


@pytest.mark.parametrize("answers", [[[1.2, -0.1], [0.4, 0.5]], [[0.9, 0.8], [0.1, 0.2]]])
def test_answers_that_are_no_probabilities_are_counted_but_not_believed(answers):
    report = evaluate(np.array([0, 0]), np.array(answers), ("a", "b"))

    assert 0.5 == report.accuracy
    assert (None, None) == (report.log_loss, report.calibration)
    assert min(answers[0][0], 1.0) == report.confidences[0]
    assert None is report.to_dict()["expected_calibration_error"]


def test_errors_beyond_certainty_keep_their_order():
    report = evaluate(np.array([0, 0, 0]), np.array([[0.0, 1.1], [0.0, 1.3], [0.0, 1.2]]), ("a", "b"))

    assert [1, 2, 0] == report.wrong.tolist()


def test_json_holds_the_numbers(report):
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))

    assert (6, 3, 0.5) == (told["n"], told["errors"], told["accuracy"])
    assert report.confusion.tolist() == told["confusion"]
    assert {"name": "eel", "precision": 0.0, "recall": None, "f1": 0.0, "support": 0, "predicted": 1} == told[
        "per_class"
    ][2]
    assert list(report.accuracy_interval) == told["accuracy_interval_95"]
    assert report.calibration.expected_error == told["expected_calibration_error"]
    assert report.log_loss == told["log_loss"]


@st.composite
def answers(draw):
    k = draw(st.integers(2, 6))
    n = draw(st.integers(1, 30))
    labels = draw(arrays(np.intp, n, elements=st.integers(0, k - 1)))
    rows = draw(arrays(np.float64, (n, k), elements=st.floats(0.015625, 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return labels, (rows / rows.sum(axis=1, keepdims=True)).astype(dtype)


@settings(max_examples=50, deadline=None)  # a slow machine is no failure
@given(answers())
def test_agrees_with_counting_and_with_scikit_learn(drawn):
    labels, probabilities = drawn
    n, k = probabilities.shape
    report = evaluate(labels, probabilities, [f"class {i}" for i in range(k)])
    read = [max(range(k), key=row.__getitem__) for row in probabilities.tolist()]

    counted = np.zeros((k, k), dtype=int)
    for true, answer in zip(labels, read, strict=True):
        counted[true, answer] += 1
    assert counted.tolist() == report.confusion.tolist()
    assert n - int(np.trace(counted)) == report.errors == len(report.wrong)
    assert pytest.approx(accuracy_score(labels, read)) == report.accuracy
    low, high = report.accuracy_interval
    assert 0 <= low <= report.accuracy <= high <= 1
    truth = probabilities.astype(np.float64)[np.arange(n), labels]
    assert pytest.approx(-np.log(truth).mean(), abs=1e-6) == report.log_loss

    assert sorted(i for i in range(n) if read[i] != labels[i]) == sorted(report.wrong)
    assert all(
        a >= b for a, b in zip(report.confidences[report.wrong][:-1], report.confidences[report.wrong][1:], strict=True)
    )
    assert n == sum(score.support for score in report.per_class) == sum(score.predicted for score in report.per_class)
    for field, theirs in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        expected = theirs(labels, read, labels=range(k), average=None, zero_division=np.nan)
        found = [getattr(score, field) for score in report.per_class]
        assert pytest.approx(list(expected), nan_ok=True) == [np.nan if f is None else f for f in found]


@pytest.mark.parametrize(
    ("labels", "probabilities", "classes", "sentence"),
    [
        (np.zeros(0, int), np.zeros((0, 2)), ("a", "b"), "nothing to evaluate"),
        (np.array([0]), np.array([[0.5, 0.5]] * 2), ("a", "b"), r"shape \(1,\)"),
        (np.array([0]), np.array([0.5]), ("a", "b"), "one row of answers an example"),
        (np.array([0]), np.array([[0.5, 0.5]]), ("a", "b", "c"), "2 classes apart and the data has 3"),
        (np.array([0]), np.array([[1.0]]), ("a",), "two classes or more"),
        (np.array([0, 2]), np.array([[0.5, 0.5]] * 2), ("a", "b"), "example 1 has the label 2"),
        (np.array([-1]), np.array([[0.5, 0.5]]), ("a", "b"), "example 0 has the label -1"),
        (np.array([0.0]), np.array([[0.5, 0.5]]), ("a", "b"), "these are float64"),
        (np.array([0]), np.array([[np.nan, 0.5]]), ("a", "b"), "not finite"),
        (np.array([0]), np.array([[np.inf, 0.5]]), ("a", "b"), "not finite"),
    ],
)
def test_what_does_not_belong_together_gets_a_sentence(labels, probabilities, classes, sentence):
    with pytest.raises(HandgradError, match=sentence):
        evaluate(labels, probabilities, classes)
