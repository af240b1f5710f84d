"""Real systems in real processes, on a data set of seconds."""

import sys

import msgspec
import pytest
from benchmarks.cell import TrainingJob
from benchmarks.contest import Entry, compete
from benchmarks.contestant import Contestant, ContestantFailed, environment, session_seconds
from benchmarks.training import judged

from processors import where_steps_are_shared

TOY = TrainingJob(dataset="digits", hidden=(16,), batch=16, optimizer="sgd", learning_rate=0.1)


def test_handgrad_and_scikit_learn_compete_on_the_digits():
    entries = [Entry(peer, peer, TOY, threads=(1,)) for peer in ("handgrad", "sklearn", "floor")]

    result = judged(None, compete(entries, 4, probes=1, pause=0), 6)

    assert {} == result.dropped == result.raw.dropped
    assert ["handgrad", "sklearn", "floor"] == [row.peer for row in result.rows]
    ours, theirs, floor = result.rows
    assert (1.0, 1.0, 1.0) == (ours.ratio.median, ours.ratio.min, ours.ratio.max)
    assert 0 < theirs.ratio.min <= theirs.ratio.median <= theirs.ratio.max
    assert ours.accuracy > 0.85
    assert theirs.accuracy > 0.85
    assert floor.accuracy is None
    assert {"handgrad", "numpy", "scikit-learn"} == set(result.versions)
    assert all(4 == len(standing.turns) for standing in result.raw.standings.values())


@where_steps_are_shared
def test_two_processes_of_handgrad_learn_too():
    with Contestant("handgrad", 2) as runner:
        # Few steps: where the cores are wanted elsewhere, two processes wait for each other twice in each.
        runner.prepare(msgspec.structs.replace(TOY, images=640, batch=64, learning_rate=0.5))
        runner.ready()
        for _ in range(3):
            assert runner.turn().seconds > 0
        assert runner.outcome() > 0.5
        if sys.platform.startswith("linux"):
            assert runner.busy_seconds() > 0


def test_a_system_that_cannot_says_why_and_can_be_asked_again():
    impossible = TrainingJob(dataset="no such data", hidden=(4,), batch=16, optimizer="sgd", learning_rate=0.1)
    with Contestant("floor", 1) as runner:
        runner.prepare(impossible)
        with pytest.raises(ContestantFailed, match="UsageError: there is no data set 'no such data'"):
            runner.ready()
        runner.prepare(TOY)
        runner.ready()
        assert {"numpy"} == set(runner.versions)


def test_a_process_that_ends_leaves_its_last_words():
    with Contestant("floor", 1, room="no such room") as runner:
        runner._process.kill()
        runner._process.wait()
        with pytest.raises(ContestantFailed, match="its process ended without a word"):
            runner.turn()


def test_each_process_is_bounded_before_it_imports_anything(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("XLA_FLAGS", "--anything")

    torch, jax, ours = (environment(peer, 2) for peer in ("torch", "jax", "handgrad"))

    assert "2" == torch["OMP_NUM_THREADS"] == torch["MKL_NUM_THREADS"] == jax["PJRT_NPROC"]
    assert "XLA_FLAGS" not in jax
    assert "OMP_NUM_THREADS" not in ours  # it chooses by its own rule, which a bound would hide


def test_a_session_that_has_ended_has_no_time():
    assert session_seconds(2**30) in (0.0, None)
