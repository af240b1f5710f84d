"""The door itself: help, exit codes, and what a shell sees of the program."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import handgrad as package
from handgrad.data.sources import COLLECTIONS, SOURCES
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.losses import LOSSES
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.training.recipe import CLASS_WEIGHTS, SCHEDULES

COMMANDS = ("train", "evaluate", "predict", "plot", "data", "check-gradients", "recipes")


def start(*words: object, **options: object) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1]), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "handgrad", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def test_help_names_every_command(handgrad):
    for words in ([], ["--help"], ["-h"]):
        answer = handgrad(*words)
        assert (0, "") == (answer.code, answer.err)
        assert set(COMMANDS) <= {line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")}
        assert "\x1b" not in answer.out
        assert answer.out.isascii()  # no frames


@pytest.mark.parametrize("command", [*COMMANDS, "data fetch", "data verify", "data info"])
def test_every_command_has_help_that_fits_a_narrow_terminal(handgrad, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = handgrad(*command.split(), "--help")

    assert (0, "") == (answer.code, answer.err)
    assert f"Usage: handgrad {command}" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80


def test_the_choices_in_the_help_are_those_there_are(handgrad):
    words = re.split(r"[\s,.;]+", handgrad("train", "--help").out)

    choices = (ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES, CLASS_WEIGHTS, COLLECTIONS, SOURCES)
    assert [] == [name for names in choices for name in names if name not in words]


def test_the_version(handgrad):
    assert f"handgrad {package.__version__}\n" == handgrad("--version").out


def test_a_misspelled_command_is_guessed(refused):
    assert "'train'" in refused(2, "trian")


def test_wrong_words_name_the_help(refused):
    assert "handgrad data fetch --help" in refused(2, "data", "fetch", "--qwertz")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory"),
        (PermissionError(13, "Permission denied", "secret.toml"), "secret.toml: Permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(refused, monkeypatch, error, said):
    def fail(*_):
        raise error

    monkeypatch.setattr("handgrad.runs.find_model", fail)

    assert said in refused(1, "evaluate", "model")


def test_a_program_has_its_results_on_stdout_and_its_code(tmp_path):
    process = start("train", "--dataset", "digits", "--epochs", 1, cwd=tmp_path)
    out, err = process.communicate()
    assert 0 == process.returncode
    assert out.startswith("test accuracy")
    assert "images/s" in err
    assert "images/s" not in out

    process = start("evaluate", "nothing")
    out, err = process.communicate()
    assert (1, "") == (process.returncode, out)
    assert err.startswith("error: there is no model 'nothing'")


def test_a_reader_that_has_enough_is_no_error():
    process = start("recipes", "--show", "classic")
    process.stdout.close()

    assert "" == process.stderr.read()
    assert 1 == process.wait()
    process.stderr.close()


@pytest.mark.skipif(os.name == "nt", reason="a signal to another process ends it there and then on Windows")
def test_ctrl_c_from_a_shell(tmp_path, handgrad):
    words = ["train", "--dataset", "digits", "--epochs", 20_000]
    process = start(*words, "--out", "cut", cwd=tmp_path)
    for line in process.stderr:
        if " 2/20000 " in line:
            break
    else:
        pytest.fail(f"it ended by itself, with {process.wait()}")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    assert (130, "") == (process.returncode, out)
    assert "Go on with: handgrad train --resume cut\n" == err.splitlines(keepends=True)[-1]
    assert (tmp_path / "cut/test_accuracy.png").is_file()
    answer = handgrad("evaluate", tmp_path / "cut")
    assert 0 == answer.code
