"""A folder for a run, and what a run ends with that nothing has happened to."""

import math

import pytest

from handgrad import runs
from handgrad.training import loop
from handgrad.training.loop import Run
from small_runs import SMALL, finish


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", math.inf)  # an epoch is one record, however slow the machine


@pytest.fixture
def folder(tmp_path):
    return runs.found(SMALL, tmp_path / "run")


@pytest.fixture
def unstopped(spots, tmp_path):
    """What a run ends with that nothing has happened to."""
    run = Run(SMALL, spots)
    finish(run, runs.found(SMALL, tmp_path / "unstopped"))
    return run
