"""The rules of a contest, held over systems of paper; `test_contestant.py` lets real ones compete."""

from typing import ClassVar

import pytest
from benchmarks.cell import Cell
from benchmarks.contest import Entry, Ratio, Standing, compete
from benchmarks.contestant import ContestantFailed, Turn

from benchmarks import contest

JOB = Cell("small", 64, "sgd").job()


class Paper:
    """A contestant that takes the seconds it is told to, by its name and threads, and writes down what happens."""

    seconds: ClassVar[dict[tuple[str, int], list[float]]] = {}
    log: ClassVar[list[tuple[str, int, str]]] = []

    def __init__(self, peer, threads, *, room):
        self.peer, self.threads, self.room = peer, threads, room
        self.versions, self.note = {peer: "1.0"}, ""
        self._left = iter(self.seconds[peer, threads])
        self._busy = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def prepare(self, job):
        assert job is JOB

    def ready(self):
        self.log.append((self.peer, self.threads, "ready"))

    def turn(self):
        self.log.append((self.peer, self.threads, "turn"))
        seconds = next(self._left)
        if seconds < 0:
            raise ContestantFailed("out of paper")
        return Turn(seconds, None)

    def outcome(self):
        return 0.5

    def busy_seconds(self):
        return None

    def close(self):
        self.log.append((self.peer, self.threads, "closed"))


@pytest.fixture
def paper(monkeypatch):
    monkeypatch.setattr(contest, "Contestant", Paper)
    monkeypatch.setattr(Paper, "seconds", {})
    monkeypatch.setattr(Paper, "log", [])
    return Paper


def entries(*names):
    return [Entry(name, name, JOB) for name in names]


def test_a_ratio_is_taken_round_by_round():
    assert Ratio(2.0, 0.5, 4.0) == Ratio.paired([4.0, 1.0, 6.0], [1.0, 2.0, 3.0])


def test_a_ratio_needs_pairs():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        Ratio.paired([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least one round"):
        Ratio.paired([], [])


def test_the_faster_number_of_threads_goes_on_and_the_other_ends_before_the_rounds(paper):
    paper.seconds |= {
        ("a", 1): [9, 3, 5, 1, 1],
        ("a", 2): [1, 4, 2, 7, 8],
        ("b", 1): [1, 1, 1, 5, 5],
        ("b", 2): [1, 2, 2],
    }

    result = compete(entries("a", "b"), 2, pause=0)

    assert {"1": 3, "2": 2} == result.standings["a"].probed  # the first turn warms up, the shortest of the rest decides
    assert (2, [7, 8]) == (result.standings["a"].threads, result.standings["a"].seconds)
    assert (1, [5, 5]) == (result.standings["b"].threads, result.standings["b"].seconds)
    assert Ratio(median=5 / 7 / 2 + 5 / 8 / 2, min=5 / 8, max=5 / 7) == result.ratio("b", "a")
    closed = paper.log.index(("a", 1, "closed"))
    assert closed < paper.log.index(("b", 1, "ready"))
    assert {("a", 1), ("a", 2), ("b", 1), ("b", 2)} == {entry[:2] for entry in paper.log if "closed" == entry[2]}


def test_rounds_go_a_b_a_b(paper):
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}

    compete(entries("a", "b"), 3, probes=1, pause=0)

    last = max(i for i, entry in enumerate(paper.log) if "ready" == entry[2])
    turns = [peer for peer, _, what in paper.log[last:] if "turn" == what]
    assert ["a", "b"] * 3 == turns[-6:]


def test_one_that_fails_with_every_number_of_threads_is_dropped_and_the_others_go_on(paper):
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}
    paper.seconds["a", 1] = paper.seconds["a", 2] = [-1]

    result = compete(entries("a", "b"), 2, pause=0)

    assert {"a": "out of paper"} == result.dropped
    assert ["b"] == list(result.standings)


def test_one_that_fails_with_two_threads_goes_on_with_one(paper):
    paper.seconds |= {("a", 1): [1.0] * 9, ("a", 2): [1.0, -1]}

    assert 1 == compete(entries("a"), 2, pause=0).standings["a"].threads


def test_one_that_fails_in_a_round_is_dropped(paper):
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}
    paper.seconds["a", 1] = [1.0, 1.0, 1.0, 1.0, -1]

    result = compete(entries("a", "b"), 3, pause=0)

    assert ({"a": "out of paper"}, [1.0] * 3) == (result.dropped, result.standings["b"].seconds)


def test_where_outcomes_are_not_settled_all_go_on_once_and_those_turns_are_not_counted(paper):
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}
    asked = []

    def never(outcomes):
        asked.append({label: list(found) for label, found in outcomes.items()})
        return False

    result = compete(entries("a", "b"), 2, pause=0, settled=never, extension=3)

    assert [{"a": [0.5] * 2, "b": [0.5] * 2}] == asked
    assert [(2, 5), (2, 5)] == [(len(s.turns), len(s.outcomes)) for s in result.standings.values()]


def test_who_fails_in_the_turns_that_are_not_counted_is_dropped(paper):
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}
    paper.seconds["a", 1] = [1.0] * 5 + [-1]
    asked = []

    result = compete(entries("a", "b"), 2, pause=0, settled=lambda outcomes: asked.append(len(outcomes)), extension=3)

    assert [2] == asked
    assert {"a": "out of paper"} == result.dropped
    assert ["b"] == list(result.standings)
    assert 5 == len(result.standings["b"].outcomes)


def test_one_that_works_in_another_s_turn_is_named(paper, monkeypatch):
    ticks = {"a": 0.0, "b": 0.0}
    clock = iter(range(1000))
    paper.seconds |= {(name, threads): [1.0] * 9 for name in "ab" for threads in (1, 2)}

    def busy(self):
        ticks[self.peer] += 0.3 if "b" == self.peer else 0.01
        return ticks[self.peer]

    monkeypatch.setattr(Paper, "busy_seconds", busy)
    monkeypatch.setattr(contest.time, "perf_counter", lambda: next(clock))

    result = compete(entries("a", "b"), 1, pause=0)

    assert ["b"] == list(result.restless)
    assert 0.3 == pytest.approx(result.restless["b"])


def test_a_standing_knows_its_seconds():
    assert [1.0, 2.0] == Standing(1, {}, [Turn(1.0, None), Turn(2.0, 1.0)], [], {}).seconds
