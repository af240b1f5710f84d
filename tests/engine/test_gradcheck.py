"""The check passes where the derivatives are right, and fails, with names and numbers, where one is not."""

import itertools

import numpy as np
import pytest

from handgrad.engine import gradcheck
from handgrad.engine.activations import ACTIVATIONS, Identity
from handgrad.engine.gradcheck import BOUND, Check, check_gradient, checks
from handgrad.engine.layers import BatchNorm, Dense, Dropout
from handgrad.engine.losses import LOSSES
from handgrad.engine.penalties import L1, L2

SLIP = 1.0 + 1e-5
ALONE = 4 + len(ACTIVATIONS) + 2 * len(LOSSES) + 2 + 1 + 2 + 2
"""Rows of single functions; whole networks follow."""


def failures():
    return {(check.kind, check.name): check for check in itertools.islice(checks(), ALONE) if not check.ok}


def cube(x):
    return float((x**3).sum())


def test_every_formula_is_right():
    rows = list(checks())
    assert [] == [str(check) for check in rows if not check.ok]
    assert all(0.0 <= check.error <= BOUND == check.bound for check in rows)


def test_every_formula_is_checked():
    rows = [(check.kind, check.name) for check in checks()]
    assert len(rows) == len(set(rows))
    assert {("layer", name) for name in ("dense", "dense without bias", "batch_norm", "dropout")} < set(rows)
    assert {("activation", name) for name in ACTIVATIONS} < set(rows)
    assert {("loss", name) for name in (*LOSSES, "poisson")} < set(rows)
    assert {("penalty", "l1"), ("penalty", "l2")} < set(rows)
    assert ["objective", "network", "network"] == [kind for kind, _ in rows[ALONE:]]


def test_rows_come_when_they_are_asked_for(monkeypatch):
    rows = checks()
    assert "dense" == next(rows).name
    monkeypatch.setattr(Dense, "backward", lambda *_: pytest.fail("asked for too early"))
    assert rows is iter(rows)


@pytest.mark.parametrize("seed", range(3))
def test_other_numbers_do_as_well(monkeypatch, seed):
    monkeypatch.setattr(gradcheck, "SEED", 100 + seed)
    assert {} == failures()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_slip_in_an_activation_is_caught(monkeypatch, name):
    right = type(ACTIVATIONS[name]).backward

    def wrong(self, a, delta, kept):
        right(self, a, delta, kept)
        delta *= SLIP

    monkeypatch.setattr(type(ACTIVATIONS[name]), "backward", wrong)
    found = failures()
    assert {("activation", name)} == set(found)
    (check,) = found.values()
    assert check.where.startswith("input [")
    assert pytest.approx(SLIP, rel=1e-7) == check.analytic / check.numeric


@pytest.mark.parametrize(
    ("layer", "part", "names"),
    [
        (Dense, "weights", {"dense", "dense without bias"}),
        (Dense, "bias", {"dense"}),
        (Dense, "input", {"dense", "dense without bias"}),
        (BatchNorm, "gamma", {"batch_norm"}),
        (BatchNorm, "beta", {"batch_norm"}),
        (BatchNorm, "input", {"batch_norm"}),
        (Dropout, "input", {"dropout"}),
    ],
)
def test_a_slip_in_a_layer_is_caught(monkeypatch, layer, part, names):
    right = layer.backward

    def wrong(self, p, g, a):
        right(self, p, g, a)
        pieces = dict(zip([parameter.name for parameter in self.parameters()], g, strict=True)) | {"input": a.dx}
        if part in pieces:
            pieces[part] *= SLIP

    monkeypatch.setattr(layer, "backward", wrong)
    found = failures()
    assert {("layer", name) for name in names} == set(found)
    for check in found.values():
        assert check.where.startswith(f"{part} [")
        assert pytest.approx(SLIP, rel=1e-7) == check.analytic / check.numeric


@pytest.mark.parametrize("name", LOSSES)
def test_a_slip_in_a_loss_is_caught(monkeypatch, name):
    right = LOSSES[name].delta

    def wrong(self, z, *rest):
        value = right(self, z, *rest)
        z *= SLIP
        return value

    monkeypatch.setattr(LOSSES[name], "delta", wrong)
    found = failures()
    assert (4 if name == "cross_entropy" else 2) == len(found)
    for (kind, called), check in found.items():
        assert "loss" == kind
        assert called.startswith(name)
        assert check.where.startswith("logits [")
        assert pytest.approx(SLIP, rel=1e-7) == check.analytic / check.numeric


@pytest.mark.parametrize(("penalty", "name"), [(L1, "l1"), (L2, "l2")])
def test_a_slip_in_a_penalty_is_caught(monkeypatch, penalty, name):
    right = penalty.add_gradient

    def wrong(self, weights, gradient, scratch):
        right(self, weights, gradient, scratch)
        gradient[5] += 1e-5

    monkeypatch.setattr(penalty, "add_gradient", wrong)
    (check,) = failures().values()
    assert ("penalty", name, "weights [5]") == (check.kind, check.name, check.where)
    assert pytest.approx(1e-5, rel=1e-4) == check.analytic - check.numeric


def test_a_slip_shows_in_whole_networks_too(monkeypatch):
    right = Dense.backward

    def wrong(self, p, g, a):
        right(self, p, g, a)
        if self.bias and self.n_out == 4:  # the last layer
            g[1][3] += 1.0

    monkeypatch.setattr(Dense, "backward", wrong)
    *_, plain, mixed = checks()
    assert [False, False] == [plain.ok, mixed.ok]
    assert "bias of layer 2 [3]" == plain.where  # the first of its two layers that are 4 wide
    assert "bias of layer 37 [3]" == mixed.where


def test_a_slip_in_the_input_gradient_of_a_network(monkeypatch):
    right = Dropout.backward

    def wrong(self, p, g, a):
        right(self, p, g, a)
        if self.n_in == 6:  # the dropout of the input
            a.dx[0, 4] += 1.0

    monkeypatch.setattr(Dropout, "backward", wrong)
    *_, mixed = checks()
    assert "input [0, 4]" == mixed.where


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_fails(monkeypatch, wrong):
    monkeypatch.setattr(Identity, "backward", lambda self, a, delta, kept: delta.__setitem__((1, 0), wrong))  # noqa: ARG005 - the signature it stands in for
    (check,) = failures().values()
    assert "input [1, 0]" == check.where
    np.testing.assert_equal(check.analytic, wrong)


def test_a_check_says_what_is_wrong():
    check = Check("loss", "mine", 0.5, 1e-7, "logits [0, 1]", 2.0, 1.0)
    assert "loss mine: logits [0, 1] is 2.0 by hand, 1.0 by differences" == str(check)
    assert not check.ok


def test_any_function_can_be_checked():
    x = np.array([[0.5, -2.0], [3.0, 1.0]])
    before = x.copy()
    check = check_gradient(cube, 3.0 * x**2, x)
    assert check.ok
    np.testing.assert_array_equal(before, x)
    gradient = 3.0 * x**2
    gradient[1, 0] = 28.0
    wrong = check_gradient(cube, gradient, x, kind="sum", name="of cubes", bound=0.1)
    assert ("sum", "of cubes", "[1, 0]", 28.0, 0.1) == (
        wrong.kind,
        wrong.name,
        wrong.where,
        wrong.analytic,
        wrong.bound,
    )
    assert pytest.approx(27.0) == wrong.numeric
    assert pytest.approx(1.0 / 28.0) == wrong.error
    assert wrong.ok


def test_small_entries_are_measured_by_the_size_of_the_gradient():
    x = np.array([10.0, 0.0])
    assert pytest.approx(1e-7 / 0.3, rel=1e-2) == check_gradient(cube, np.array([300.0, 1e-7]), x).error
    assert 0.0 == check_gradient(lambda _: 4.0, np.zeros(2), x).error
    assert not check_gradient(lambda _: 4.0, np.array([0.0, 1e-300]), x).ok


@pytest.mark.parametrize(
    ("gradient", "theta"),
    [(np.zeros(2), np.zeros(3)), (np.zeros(0), np.zeros(0)), (np.zeros(2), np.zeros(2, np.float32))],
)
def test_what_cannot_be_checked(gradient, theta):
    with pytest.raises(ValueError, match=r"^a gradient \(.*\) cannot be checked at float(32|64) numbers \("):
        check_gradient(cube, gradient, theta)
