"""What a teacher adds to a loss: the formula, its limits, and its factor T²."""

import numpy as np
import pytest

from handgrad.engine.distillation import Distillation
from handgrad.engine.losses import SoftmaxCrossEntropy, shares


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture
def case():
    generator = np.random.default_rng(0)
    z, v = generator.normal(0.0, 2.0, (2, 6, 4))
    return z, np.eye(4)[generator.integers(0, 4, 6)], v


def slope(loss, z, targets):
    delta = z.copy()
    loss.delta(delta, targets, shares(len(z), z.dtype), loss.keep(*z.shape, z.dtype))
    return delta


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.3), (2.0, 0.5), (20.0, 1.0), (0.5, 0.0)])
def test_loss_and_delta_are_the_formulas(case, temperature, share):
    z, t, v = case
    q = softmax(v / temperature)
    loss = Distillation(temperature, share)

    hard = -(t * np.log(softmax(z))).sum(axis=1)
    soft = -(q * np.log(softmax(z / temperature))).sum(axis=1)
    expected = (1 - share) * hard + share * temperature**2 * soft
    np.testing.assert_allclose(loss.of_rows(z, np.hstack([t, q])), expected, rtol=1e-12)
    assert expected.mean() == pytest.approx(loss.value(z, np.hstack([t, q])))
    delta = (1 - share) * (softmax(z) - t) + share * temperature * (softmax(z / temperature) - q)
    np.testing.assert_allclose(slope(loss, z, np.hstack([t, q])), delta / 6, rtol=1e-10, atol=1e-12)


def test_without_a_share_it_is_cross_entropy(case):
    z, t, v = case
    expected = slope(SoftmaxCrossEntropy(), z, t)

    np.testing.assert_allclose(slope(Distillation(3.0, 0.0), z, np.hstack([t, softmax(v)])), expected, atol=1e-15)


def test_a_high_temperature_asks_for_the_teachers_logits(case):
    z, t, v = (array - array.mean(axis=1, keepdims=True) for array in case)
    q = softmax(v / 1e4)

    np.testing.assert_allclose(
        slope(Distillation(1e4, 1.0), z, np.hstack([t, q])), (z - v) / 4 / 6, rtol=2e-3, atol=1e-4
    )


def test_a_pupil_that_agrees_with_its_teacher_stays(case):
    z, t, _ = case

    assert np.abs(slope(Distillation(5.0, 1.0), z, np.hstack([t, softmax(z / 5.0)]))).max() < 1e-15


def test_logits_of_a_thousand_are_no_trouble():
    z = np.array([[1000.0, -1000.0, 0.0]], np.float32)
    targets = np.array([[0.0, 1.0, 0.0, 0.2, 0.3, 0.5]], np.float32)
    loss = Distillation(2.0, 0.5)

    assert np.isfinite(slope(loss, z, targets)).all()
    assert np.isfinite(loss.of_rows(z, targets)).all()
    answers = z.copy()
    loss.activate(answers)
    assert [1.0, 0.0, 0.0] == answers[0].tolist()


def test_targets_without_a_teacher_are_refused(case):
    z, t, _ = case

    with pytest.raises(ValueError, match="targets"):
        Distillation().value(z, t)
