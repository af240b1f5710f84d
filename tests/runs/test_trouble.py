"""A run that diverges, or a full disk, costs no epoch that was good."""

import itertools
import os

import numpy as np
import pytest

from handgrad import files, modelfile, runs
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.errors import HandgradError
from handgrad.training.loop import Diverged, Run
from small_runs import SMALL, STEPS, contents, ends_alike, finish, full


def spoiled_at(monkeypatch, update):
    step = OPTIMIZERS["adam"].step

    def spoil(self, theta, gradient, learning_rate):
        step(self, theta, gradient, learning_rate)
        if self.t == update:
            theta[0] = np.nan

    monkeypatch.setattr(OPTIMIZERS["adam"], "step", spoil)


@pytest.mark.parametrize("update", [2 * STEPS + 1, 3 * STEPS - 1, 3 * STEPS])
def test_a_run_that_diverges_leaves_its_last_good_epoch(update, folder, spots, monkeypatch, unstopped):
    with monkeypatch.context() as patched:
        spoiled_at(patched, update)
        run = Run(SMALL, spots)
        with pytest.raises(Diverged, match="at epoch 3, update "):
            finish(run, folder)

    assert 2 == len(runs.history_of(folder))
    model = modelfile.load(folder.model)
    assert run.network.theta.tobytes() == model.network.theta.tobytes()
    assert 2 == model.provenance["epoch"]
    again = runs.taken_up(folder, spots)
    assert 2 == again.epochs_done
    finish(again, folder)  # what spoilt it has been mended
    ends_alike(unstopped, again, folder)


def test_a_run_stopped_on_what_is_no_number_leaves_its_last_good_epoch(folder, spots, monkeypatch):
    run = Run(SMALL, spots)
    spoiled_at(monkeypatch, STEPS + 3)

    with pytest.raises(Diverged, match="at epoch 2, update 3: "):
        finish(run, folder, stop=lambda: run.updates == STEPS + 3)

    assert 1 == modelfile.load(folder.model).provenance["epoch"]
    assert 1 == runs.taken_up(folder, spots).epochs_done


def test_a_run_that_diverges_at_once_leaves_its_start(tmp_path, spots, monkeypatch, unstopped):
    with monkeypatch.context() as patched:
        spoiled_at(patched, 3)
        run = Run(SMALL, spots)
        folder = runs.begin(run, tmp_path / "run")
        with pytest.raises(Diverged, match="at epoch 1, update 4: "):
            finish(run, folder)

    assert [] == runs.history_of(folder)
    assert Run(SMALL, spots).network.theta.tobytes() == modelfile.load(folder.model).network.theta.tobytes()
    again = runs.taken_up(folder, spots)
    finish(again, folder)
    ends_alike(unstopped, again, folder)


@pytest.mark.parametrize(("module", "name"), [(files, "_pour"), (os, "fsync"), (os, "replace")])
@pytest.mark.parametrize("writes", range(1, 4))
def test_a_full_disk_costs_no_epoch(module, name, writes, folder, spots, monkeypatch, unstopped):
    run = Run(SMALL, spots)
    records = runs.conduct(run, folder)
    next(records)
    left = itertools.count(-writes)
    works = getattr(module, name)

    def fills(*args):
        return works(*args) if next(left) < 0 else full()

    with monkeypatch.context() as patched:
        patched.setattr(module, name, fills)
        with pytest.raises(HandgradError, match="no space left on device"):
            list(records)

    assert {"recipe.toml", "history.jsonl", "model.safetensors", "checkpoint.safetensors"} == contents(folder).keys()
    modelfile.load(folder.model)
    again = runs.taken_up(folder, spots)
    assert again.epochs_done >= 1
    finish(again, folder)
    ends_alike(unstopped, again, folder)
