"""Tests of training count records, so none is told of how far an epoch is, however slow the machine."""

import math

import pytest

from handgrad.training import loop


@pytest.fixture(autouse=True)
def _no_progress(monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", math.inf)
