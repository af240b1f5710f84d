import pytest
from benchmarks.cell import Cell
from benchmarks.contest import Ratio, Result, Standing
from benchmarks.contestant import Turn
from benchmarks.training import AdamResult, agreeing, judged, summary


def standing(seconds, accuracy):
    turns = [Turn(s, 1.0) for s in seconds]
    return Standing(1, {"1": seconds[0]}, turns, [accuracy] * len(turns), {})


def contest(network="small", batch=64, optimizer="sgd", **others):
    standings = {"handgrad": standing([1.0, 1.0], 0.97)} | others
    return judged(Cell(network, batch, optimizer), Result(standings, {}, {}), 5)


def test_a_row_that_learned_something_else_does_not_count():
    result = contest(
        torch=standing([2.0, 4.0], 0.974), jax=standing([1.5, 1.5], 0.96), floor=standing([0.5, 0.5], None)
    )

    assert "" == result.row("torch").why_not
    assert "not counted: it ended at 96.00% and handgrad at 97.00%" == result.row("jax").why_not
    assert "" == result.row("floor").why_not
    assert ("torch", Ratio(3.0, 2.0, 4.0)) == (result.fastest.peer, result.fastest.ratio)
    assert result.row("keras") is None


def test_accuracy_is_that_of_the_last_epochs():
    noisy = Standing(1, {}, [Turn(1.0, None)] * 7, [0.0, 0.0, 0.96, 0.97, 0.98, 0.96, 0.98], {})

    assert 0.97 == pytest.approx(contest(handgrad=standing([1.0] * 7, 0.97), sklearn=noisy).row("sklearn").accuracy)


def test_all_agree_where_nobody_is_further_than_half_a_point_from_handgrad():
    assert agreeing({"handgrad": [0.1, 0.96, 0.97, 0.98, 0.97, 0.97], "jax": [0.974], "floor": [None, None]})
    assert not agreeing({"handgrad": [0.97], "jax": [0.976]})
    assert agreeing({"jax": [0.5]})


def test_epochs_are_counted_from_the_first():
    assert 5 + 2 == contest().epochs


def test_without_handgrad_nothing_is_compared():
    result = judged(Cell("small", 64, "sgd"), Result({"torch": standing([1.0], 0.9)}, {"handgrad": "why"}, {}), 5)

    assert ([], {"handgrad": "why"}, None) == (result.rows, result.dropped, result.fastest)


def test_who_did_not_sleep_is_noted():
    result = judged(Cell("small", 64, "sgd"), Result({"handgrad": standing([1.0], 0.9)}, {}, {"jax": 0.5}), 5)

    assert ["JAX kept 50% of a core busy in others' turns"] == result.notes


def test_the_summary_names_the_worst_and_says_what_is_reached():
    cells = [
        contest(
            torch=standing([3.0, 3.0], 0.97),
            jax=standing([2.0, 2.0], 0.97),
            sklearn=standing([4.0, 4.0], 0.97),
            floor=standing([0.5, 0.5], None),
        ),
        contest(batch=32, torch=standing([2.0, 2.0], 0.97), jax=standing([0.5, 0.5], 0.97)),
        contest(network="wide", batch=32, torch=standing([2.0, 2.0], 0.97)),
    ]

    lines = {line.what.partition(",")[0]: line for line in summary(cells, AdamResult(1.0, 1.2, Ratio(1.2, 1.1, 1.3)))}

    worst, mean, *_ = summary(cells, None)
    assert ("0.50 (784-128-64-10, batch 32, sgd; JAX)", False) == (worst.figure, worst.reached)
    assert ("1.26", True) == (mean.figure, mean.reached)  # the cube root of 2 * 0.5 * 2
    assert [
        "2.00 (784-128-64-10, batch 32, sgd)",
        "4.00 (784-128-64-10, batch 64, sgd)",
        "2.00 (batch 64)",
        "1.20",
    ] == [line.figure for line in summary(cells, AdamResult(1.0, 1.2, Ratio(1.2, 1.1, 1.3)))[2:]]
    assert not lines["small network"].reached or lines["small network"].target == "<= 1.3"


def test_nothing_measured_gives_no_line():
    assert [] == summary([], None)
