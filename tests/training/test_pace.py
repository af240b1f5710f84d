"""The faster way is found, kept, and asked about again."""

import pytest

from handgrad.training.workers.pace import MORE_TRUST, TRIAL_SECONDS, TRUST, Pace


class Machine:
    """A clock that goes on by what a step takes, together or alone."""

    def __init__(self, alone, together):
        self.now = 0.0
        self.takes = {False: alone, True: together}
        self.pace = Pace(clock=lambda: self.now)
        self.pace.begin()

    def steps(self, seconds, *, may_change=True):
        """The way of each step for so long."""
        end, ways = self.now + seconds, []
        while self.now < end:
            ways.append(self.pace.together)
            self.now += self.takes[self.pace.together]
            self.pace.stepped(lambda: may_change)
        return ways


@pytest.mark.parametrize(("alone", "together", "faster"), [(0.002, 0.001, True), (0.001, 0.002, False)])
def test_the_faster_way_is_kept_most_of_the_time(alone, together, faster):
    ways = Machine(alone, together).steps(20.0)

    assert 0.95 < ways.count(faster) / len(ways) < 0.99
    assert {True, False} == set(ways[-2 * MORE_TRUST * TRUST * round(TRIAL_SECONDS / together) :])


@pytest.mark.parametrize("epoch", [0.4 * TRIAL_SECONDS, 0.6 * TRUST * TRIAL_SECONDS])
def test_epochs_shorter_than_a_trial_add_up_to_one(epoch):
    machine, ways = Machine(0.002, 0.001), []
    for _ in range(round(20.0 / epoch)):
        machine.now += 3.0  # between two epochs, nobody takes steps
        machine.pace.begin()
        ways += machine.steps(epoch)

    assert 0.9 < ways.count(True) / len(ways) < 0.99
    assert False in ways[len(ways) // 2 :]
    assert 19.0 < machine.pace.seconds < 21.5


def test_it_notices_when_the_other_way_becomes_the_faster():
    machine = Machine(0.002, 0.001)
    machine.steps(5.0)
    machine.takes[True] = 0.008

    ways = machine.steps(5.0)[-1000:]

    assert ways.count(False) > 900


def test_trust_ends_when_steps_take_longer():
    machine = Machine(0.002, 0.001)
    machine.steps(10.0)
    machine.takes[True] = 0.004

    ways = machine.steps(MORE_TRUST * TRUST * TRIAL_SECONDS)

    assert ways.count(True) * 0.004 < 2.5 * TRUST * TRIAL_SECONDS


def test_nothing_changes_while_nothing_may():
    machine = Machine(0.002, 0.001)

    assert {False} == set(machine.steps(3.0, may_change=False))
    assert 2.9 < machine.pace.seconds < 3.1


def test_what_is_done_between_two_steps_is_no_step_s_time():
    machine = Machine(0.002, 0.001)

    def start_others():
        machine.now += 5.0
        return False

    for _ in range(200):
        machine.now += 0.002
        machine.pace.stepped(start_others)

    assert 0.3 < machine.pace.seconds < 0.41


def test_steps_far_longer_than_a_trial_are_told_apart_too():
    ways = Machine(3.0, 2.0).steps(600.0)

    assert ways.count(True) > ways.count(False)
