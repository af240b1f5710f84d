import os
import sys

import pytest
from benchmarks.contest import Ratio
from benchmarks.memory import peak_of
from benchmarks.startup import handgrad_command, interleaved

from handgrad.errors import HandgradError

MIB = 150 if hasattr(os, "wait4") else 0  # Windows keeps no such count


def test_the_peak_holds_what_was_given_back_before_the_end(tmp_path):
    program = "b = bytearray(b'x') * (150 << 20); import time; time.sleep(0.2); del b; time.sleep(0.1)"

    peak = peak_of([sys.executable, "-c", program], cwd=tmp_path, environment=os.environ)

    assert peak.mib >= MIB
    assert peak.largest_mib >= MIB
    assert peak.seconds > 0.3
    assert 1 == peak.processes


def test_processes_are_counted_together(tmp_path):
    child = "b = bytearray(b'x') * (100 << 20); import time; time.sleep(0.6)"
    program = f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {child!r}]); {child}; c.wait()"

    peak = peak_of([sys.executable, "-c", program], cwd=tmp_path, environment=os.environ)

    if sys.platform.startswith("linux"):
        assert 2 == peak.processes
        assert 200 <= peak.mib
        assert peak.largest_mib < 200


def test_a_command_that_fails_is_named(tmp_path):
    with pytest.raises(HandgradError, match="failed: oh"):
        peak_of([sys.executable, "-c", "import sys; sys.exit('oh')"], cwd=tmp_path, environment=os.environ)
    with pytest.raises(HandgradError, match="two failed: oh"):
        interleaved({"two": [sys.executable, "-c", "import sys; sys.exit('oh')"]}, 1)


def test_commands_take_turns(tmp_path):
    log = tmp_path / "log"
    commands = {
        name: [sys.executable, "-c", f"import pathlib; pathlib.Path({str(log)!r}).open('a').write({name!r})"]
        for name in "ab"
    }

    seconds = interleaved(commands, 2)

    assert "ababab" == log.read_text(encoding="utf-8")
    assert [2, 2] == [len(taken) for taken in seconds.values()]
    assert Ratio.paired(seconds["a"], seconds["b"]).min > 0


def test_the_command_line_is_the_installed_one_or_the_module():
    (seconds,) = interleaved({"help": [*handgrad_command(), "--help"]}, 1).values()

    assert 1 == len(seconds)
