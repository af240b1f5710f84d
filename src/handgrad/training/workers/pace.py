"""Whether a crew is faster together or alone: nobody can say beforehand, so both are tried now and then.

Together is faster where each process has a core to itself, and slower where something else wants that core, which may
change while a run goes on. The steps come out the same either way, to the last bit, so a run may change its mind.
"""

import time
from collections.abc import Callable
from typing import final

TRIAL_SECONDS = 0.05
"""How long each way is tried."""

TRUST = 10
"""The better way is kept for so many times the length of the other's trial."""

MORE_TRUST = 4
"""And at most for so many times as long where it has been found the better one again and again."""

WORSE = 1.25
"""Times as long as before that a step may take until the other way is tried ahead of time."""

SETTLING = 5
"""Steps after a change that tell nothing: caches are cold, and the others are on their way."""


@final
class Pace:
    """Chooses the way of the next step from how long the last ones took.

    Attributes:
        together: the way to go now.
        seconds: that steps have taken so far.
    """

    def __init__(self, *, together: bool = False, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin one way."""
        self.together = together
        self._clock = clock
        self._seconds: dict[bool, float] = {}  # a step takes, each way, when it was last tried
        self._until = TRIAL_SECONDS
        self._kept = 1  # how often the better way is kept for as long as it is trusted
        self._left = 0  # of these
        self._steps = 0
        self._began = self._last = clock()
        self.seconds = 0.0

    def begin(self) -> None:
        """Hear that steps follow now; the time since the last one does not count, but what came before it does.

        So epochs that are shorter than a trial add up to one.
        """
        now = self._clock()
        self._began += now - self._last
        self._last = now

    def stepped(self, may_change: Callable[[], bool]) -> None:
        """Hear that a step was taken; `together` may be another afterwards, if it may change: asked now and then."""
        self._steps += 1
        self._last = self._clock()
        if self._steps <= 0:
            self._began = self._last
            return
        elapsed = self._last - self._began
        if elapsed < self._until:
            return
        self.seconds += elapsed
        if not may_change():
            self._start_anew()
            return
        before, now = self._seconds.get(self.together, 0.0), elapsed / self._steps
        self._seconds[self.together] = now
        best = other = not self.together
        if other in self._seconds and self._until == TRIAL_SECONDS:  # both are known, this one freshly
            best = min(self._seconds, key=self._seconds.__getitem__)
            self._kept = min(2 * self._kept, MORE_TRUST) if best is other else 1
            self._left = self._kept - 1
            self._until = TRUST * TRIAL_SECONDS
        elif self._left and now < WORSE * before:
            self._left -= 1
            best = self.together
        else:
            self._until = TRIAL_SECONDS
        self._start_anew()
        if best is not self.together:
            self.together = best
            self._steps = -SETTLING

    def _start_anew(self) -> None:
        self._steps = 0
        self._began = self._last = self._clock()  # later than the step ended: others may have been started since
