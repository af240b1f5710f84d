import math

import pytest

from handgrad.engine import gradcheck
from handgrad.engine.gradcheck import Check


def check(error: float) -> Check:
    return Check("activation", "gelu", error, 1e-7, "input [0, 4]", 0.5, 0.25)


def test_every_gradient_is_right(handgrad):
    answer = handgrad("check-gradients")

    rows = [line.split() for line in answer.out.splitlines()]
    assert (0, "") == (answer.code, answer.err)
    assert {"relu", "gelu", "batch_norm", "cross_entropy", "l1"} <= {row[-3] for row in rows if row[-1:] == ["ok"]}
    assert [] == [row for row in rows if row[-1:] == ["wrong"]]
    assert any(row[:2] == ["worst", max((row[-2] for row in rows if row[-1:] == ["ok"]), key=float)] for row in rows)


@pytest.mark.parametrize("error", [0.5, math.inf, math.nan])
def test_a_wrong_one_is_named_with_both_values(handgrad, monkeypatch, error):
    monkeypatch.setattr(gradcheck, "checks", lambda: iter([check(1e-9), check(error)]))
    answer = handgrad("check-gradients")

    assert 1 == answer.code
    assert 1 == len(answer.err.splitlines())
    for word in ("activation gelu", "input [0, 4]", "0.5 by hand", "0.25 by differences"):
        assert word in answer.err
    assert "1 of them wrong" in answer.out
    assert f"{error:.1e}" in answer.out.splitlines()[-1]
