import json
import re
import signal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from handgrad import files
from handgrad.data import idx
from handgrad.data.augment import PRESETS
from handgrad.errors import command
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.solo import Solo
from handgrad.training.workers.crew import Crew
from processors import where_steps_are_shared

DIGITS = ("train", "--dataset", "digits")
EPOCHS = ("--epochs", 2)
PARTS = {
    "checkpoint.safetensors",
    "history.jsonl",
    "model.safetensors",
    "recipe.toml",
    "test_accuracy.png",
    "training_loss.png",
}


@pytest.fixture
def interrupt_at(monkeypatch):
    """Send a signal to this process during some updates, counted from 1 over all runs of the test."""
    steps_of = {kind: kind.step for kind in (Solo, Crew)}

    def at(*steps, number=signal.SIGINT):
        count = 0

        def signalling(hands, rate):
            nonlocal count
            count += 1
            for _ in range(steps.count(count)):
                signal.raise_signal(number)
            return steps_of[type(hands)](hands, rate)

        for kind in steps_of:
            monkeypatch.setattr(kind, "step", signalling)

    return at


def test_a_run_leaves_its_folder_and_says_what_it_reached(handgrad):
    answer = handgrad(*DIGITS, *EPOCHS)

    assert 0 == answer.code
    assert {part.name for part in Path("runs/classic").iterdir()} == PARTS
    records = [json.loads(line) for line in Path("runs/classic/history.jsonl").read_text().splitlines()]
    assert [1, 2] == [record["epoch"] for record in records]
    facts = dict(re.split(r"\s{2,}", line) for line in answer.out.splitlines())
    accuracy = records[-1]["test_accuracy"]
    assert f"{accuracy:.2%}" == facts["test accuracy"]
    assert f"{round((1 - accuracy) * 360)} of 360" == facts["errors"]
    assert f"handgrad evaluate {Path('runs/classic')} --mistakes mistakes.png" == facts["next"]


def test_what_is_suggested_next_works(handgrad):
    answer = handgrad(*DIGITS, *EPOCHS, "--out", "a b", "--data-dir", "kept here")

    suggested = answer.out.splitlines()[-1].partition("next")[2].strip()
    words = [word.strip("'\"") for word in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", suggested)]
    assert ["handgrad", "evaluate", "a b"] == words[:3]
    assert ["--data-dir", "kept here"] == words[-2:]
    assert 0 == handgrad(*words[1:]).code
    assert Path("mistakes.png").is_file()


def test_progress_goes_to_stderr_in_plain_lines_one_an_epoch(handgrad):
    answer = handgrad(*DIGITS, *EPOCHS, "--validation", 0.1)

    head = next(line for line in answer.err.splitlines() if "images/s" in line)
    epochs = [line.split() for line in answer.err.splitlines() if re.match(r"\s+[12]/2 ", line)]
    assert ["epoch", "loss", "training", "validation", "test", "seconds", "images/s"] == head.split()
    assert 2 == len(epochs)
    assert {len(head.split())} == {len(cells) for cells in epochs}
    assert "64-128-64-10, relu, 17,226 parameters" in answer.err
    assert answer.err.isascii()
    assert "\x1b" not in answer.err + answer.out
    assert not any(line.endswith(" ") for line in answer.err.splitlines() + answer.out.splitlines())


def test_two_runs_are_byte_identical(handgrad):
    for out in ("one", "two"):
        handgrad(*DIGITS, *EPOCHS, "--dropout", 0.2, "--seed", 7, "--out", out)
    handgrad(*DIGITS, *EPOCHS, "--dropout", 0.2, "--seed", 8, "--out", "three")

    one, two, three = (Path(out, "model.safetensors").read_bytes() for out in ("one", "two", "three"))
    assert one == two
    assert one != three


def test_a_taken_place_is_left_alone(handgrad):
    for _ in range(2):
        handgrad(*DIGITS, "--epochs", 1)

    assert {"classic", "classic-2"} == {path.name for path in Path("runs").iterdir()}


FLAGS = {
    "hidden_layer_sizes": ("--hidden", "9,8", (9, 8)),
    "activation": ("--activation", "tanh,gelu", ("tanh", "gelu")),
    "batch_norm": ("--batch-norm", None, True),
    "deskew": ("--deskew", None, True),
    "name": ("--name", "mine", "mine"),
    "description": ("--description", "to see", "to see"),
    "dataset": ("--dataset", "digits", "digits"),
    "initializer": ("--initializer", "lecun", "lecun"),
    "loss": ("--loss", "cross_entropy", "cross_entropy"),
    "class_weight": ("--class-weight", "balanced", "balanced"),
    "optimizer": ("--optimizer", "adamw", "adamw"),
    "schedule": ("--schedule", "plateau", "plateau"),
    "augment": ("--augment", "strong", PRESETS["strong"]),
    "teachers": ("--teachers", "none", ()),
}
NUMBERS = {"epochs": 1, "batch_size": 50, "patience": 5, "early_stopping": 4, "seed": 3}


def test_every_field_of_a_recipe_has_its_flag(handgrad):
    words, wanted = [], {}
    for place, field in enumerate(Recipe.__struct_fields__):
        if field in FLAGS:
            flag, text, wanted[field] = FLAGS[field]
            words += [flag] if text is None else [flag, text]
        else:
            wanted[field] = NUMBERS.get(field, round(0.01 + place / 1000, 3))
            words += [f"--{field.replace('_', '-')}", wanted[field]]
    answer = handgrad("train", *words, "--out", "all")

    assert 0 == answer.code, answer.err
    recipe = msgspec.toml.decode(Path("all/recipe.toml").read_bytes(), type=Recipe)
    assert wanted == {field: getattr(recipe, field) for field in Recipe.__struct_fields__}


def test_a_network_that_was_trained_teaches_another(handgrad, refused, trained):
    answer = handgrad(*DIGITS, *EPOCHS, "--teachers", trained, "--soft-share", 0.9, "--out", "pupil")

    assert 0 == answer.code, answer.err
    assert 0 == handgrad("train", "--resume", "pupil").code
    sentence = refused(1, *DIGITS, "--teachers", "nobody", "--out", "other")
    assert "no model 'nobody'" in sentence
    assert not Path("other").exists()


@pytest.mark.parametrize("none", ["none", ""])
def test_no_hidden_layer(handgrad, none):
    answer = handgrad(*DIGITS, "--epochs", 1, "--hidden", none)

    assert 0 == answer.code
    assert "64-10, relu, 650 parameters" in answer.err


def test_a_recipe_of_ones_own_is_a_file(handgrad):
    Path("mine.toml").write_text('name = "mine"\ndataset = "digits"\nepochs = 9\nhidden_layer_sizes = [8]\n')
    answer = handgrad("train", "--recipe", "mine.toml", "--epochs", 1)

    assert 0 == answer.code
    assert "64-8-10" in answer.err
    assert Path("runs/mine/model.safetensors").is_file()


@pytest.mark.parametrize(
    ("step", "number"), [(1, signal.SIGINT), (44, signal.SIGTERM), (45, signal.SIGINT), (57, signal.SIGINT)]
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(handgrad, interrupt_at, step, number):  # 45 steps an epoch
    handgrad(*DIGITS, *EPOCHS, "--dropout", 0.2, "--optimizer", "adam", "--out", "whole")
    before = signal.getsignal(number)
    interrupt_at(step, number=number)
    stopped = handgrad(*DIGITS, *EPOCHS, "--dropout", 0.2, "--optimizer", "adam", "--out", "cut")

    assert 130 == stopped.code
    assert "" == stopped.out
    assert f"Stopped in epoch {1 + step // 46} of 2; everything is saved." == stopped.err.splitlines()[-2]
    assert "Go on with: handgrad train --resume cut" == stopped.err.splitlines()[-1]
    assert (step > 45) == Path("cut/training_loss.png").is_file()
    assert before == signal.getsignal(number)

    resumed = handgrad("train", "--resume", "cut")
    assert 0 == resumed.code
    assert Path("whole/model.safetensors").read_bytes() == Path("cut/model.safetensors").read_bytes()
    assert 2 == len(Path("cut/history.jsonl").read_text().splitlines())
    assert PARTS == {part.name for part in Path("cut").iterdir()}


def test_what_goes_on_knows_where_the_data_are(handgrad, interrupt_at):
    interrupt_at(44)
    stopped = handgrad(*DIGITS, *EPOCHS, "--out", "cut", "--data-dir", "kept here")

    *_, words = stopped.err.splitlines()[-1].partition("handgrad ")
    assert f"train --resume cut --data-dir {command('kept here')}" == words


def test_a_second_signal_interrupts_at_once_and_keeps_the_last_save(handgrad, interrupt_at):
    handgrad(*DIGITS, *EPOCHS, "--out", "whole")
    interrupt_at(50, 50)
    stopped = handgrad(*DIGITS, *EPOCHS, "--out", "cut")

    assert 130 == stopped.code
    assert "at once" in stopped.err
    assert "handgrad train --resume cut" in stopped.err
    assert 1 == len(Path("cut/history.jsonl").read_text().splitlines())
    assert 0 == handgrad("train", "--resume", "cut").code
    assert Path("whole/model.safetensors").read_bytes() == Path("cut/model.safetensors").read_bytes()


def test_an_interruption_while_drawing_says_how_to_go_on(handgrad, monkeypatch):
    from handgrad import plots

    with monkeypatch.context() as patch:
        patch.setattr(plots, "save", lambda *_: signal.raise_signal(signal.SIGINT))
        stopped = handgrad(*DIGITS, *EPOCHS, "--out", "cut")

    assert (130, "") == (stopped.code, stopped.out)
    assert stopped.err.endswith("Go on with: handgrad train --resume cut\n")
    assert 0 == handgrad("train", "--resume", "cut").code
    assert PARTS == {part.name for part in Path("cut").iterdir()}


def test_a_run_goes_on_where_its_data_lie_now(handgrad, refused, interrupt_at):
    for name, array in (
        ("images-idx3", np.eye(9, dtype=np.uint8)[:8].reshape(8, 3, 3)),
        ("labels-idx1", np.arange(8, dtype=np.uint8)),
    ):
        for half in ("train", "t10k"):
            Path("old").mkdir(exist_ok=True)
            Path("old", f"{half}-{name}-ubyte").write_bytes(idx.encode(array))
    words = ["train", "--dataset", "old", "--batch-size", 4, *EPOCHS, "--out"]
    handgrad(*words, "whole")
    interrupt_at(3)
    assert 130 == handgrad(*words, "cut").code
    Path("old").rename("new")

    assert "no data set 'old'" in refused(2, "train", "--resume", "cut")
    assert 0 == handgrad("train", "--resume", "cut", "--dataset", "new").code
    assert Path("whole/model.safetensors").read_bytes() == Path("cut/model.safetensors").read_bytes()
    assert "other data" in refused(1, "train", "--resume", "cut", "--dataset", "digits")


def test_an_interruption_before_the_run_leaves_nothing(handgrad, monkeypatch):
    from handgrad.data import sources

    monkeypatch.setattr(sources, "load", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    answer = handgrad(*DIGITS)

    assert (130, "", "interrupted\n") == (answer.code, answer.out, answer.err)
    assert not Path("runs").exists()


def test_a_finished_run_has_nothing_left_to_do(handgrad, trained):
    before = trained.joinpath("checkpoint.safetensors").read_bytes()
    answer = handgrad("train", "--resume", trained)

    assert 0 == answer.code
    assert "finished" in answer.err
    assert "test accuracy" in answer.out
    assert before == trained.joinpath("checkpoint.safetensors").read_bytes()


def test_flags_that_agree_with_the_run_are_no_hindrance(handgrad, trained):
    assert 0 == handgrad("train", "--resume", trained, "--hidden", "16", "--epochs", 2, "--dataset", "digits").code


def test_flags_that_contradict_the_run_are_refused(refused, trained):
    sentence = refused(2, "train", "--resume", trained, "--learning-rate", 0.7)
    assert "learning_rate" in sentence
    assert "0.7" in sentence
    assert f"{msgspec.toml.decode(trained.joinpath('recipe.toml').read_bytes())['learning_rate']}" in sentence
    assert "hidden_layer_sizes" in refused(2, "train", "--resume", trained, "--hidden", "none")
    assert "dataset" in refused(2, "train", "--resume", trained, "--recipe", "classic")
    assert "--out" in refused(2, "train", "--resume", trained, "--out", "elsewhere")


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_weights(handgrad):
    answer = handgrad(*DIGITS, "--learning-rate", 1e9)

    assert 1 == answer.code
    assert "" == answer.out
    assert "try --learning-rate 1e+08" in answer.err.splitlines()[-1]
    assert 0 == handgrad("evaluate", "runs/classic").code  # the weights it began with


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hidden", "0"], "hidden_layer_sizes"),
        (["--hidden", "12;8"], "--hidden"),
        (["--learning-rate", "nan"], "learning_rate"),
        (["--epochs", "0"], "epochs"),
        (["--epochs", "many"], "--epochs"),
        (["--batch-size", "-1"], "batch_size"),
        (["--optimizer", "sgdd"], "nesterov"),
        (["--schedule", "sloth"], "one_cycle"),
        (["--activation", "relu,tanh,relu"], "activation"),
        (["--early-stopping", "3"], "validation"),
        (["--recipe", "clasic"], "classic"),
        (["--epcohs", "3"], "--epochs"),
        (["--dataset", "nowhere"], "digits"),
        (["--dataset", "digits", "--source", "mirrors"], "digits"),
        (["--source", "moon"], "mirrors"),
        (["leftover"], "leftover"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_made(refused, words, said, elsewhere):
    assert said in refused(2, "train", *words)
    assert [] == list(elsewhere.iterdir())


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("epohcs = 3", 2, "did you mean 'epochs'"),
        ('epochs = "3"', 2, "epochs"),
        ("epochs = = 3", 2, "not TOML"),
        (None, 1, "mine.toml"),
    ],
)
def test_a_recipe_file_that_is_none_is_refused(refused, text, code, said):
    if text is not None:
        Path("mine.toml").write_text(text)
    assert said in refused(code, "train", "--recipe", "mine.toml")


def test_a_place_that_is_taken_is_refused(refused, trained):
    Path("file").touch()
    Path("full").mkdir()
    Path("full/thesis.txt").touch()

    assert "is a file" in refused(2, *DIGITS, "--out", "file")
    assert "not empty" in refused(2, *DIGITS, "--out", "full")
    assert "--resume" in refused(2, *DIGITS, "--out", trained)
    assert "file" in refused(1, *DIGITS, "--out", "file/run")


def test_a_folder_that_is_no_run_cannot_go_on(refused, elsewhere):
    assert "holds no run" in refused(1, "train", "--resume", "nowhere")
    assert "holds no run" in refused(1, "train", "--resume", elsewhere)


def test_a_disk_that_is_full_from_the_start_leaves_nothing(refused, monkeypatch, elsewhere):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_settle", full)

    assert "no space left" in refused(1, *DIGITS, "--out", "run")
    assert [] == list(elsewhere.iterdir())


def test_a_folder_that_vanishes_is_said_in_one_sentence(handgrad, monkeypatch):
    import shutil

    end = Run._end_epoch

    def vanish(run, *arguments):
        shutil.rmtree("run")
        return end(run, *arguments)

    monkeypatch.setattr(Run, "_end_epoch", vanish)
    answer = handgrad(*DIGITS, "--out", "run")

    assert 1 == answer.code
    assert "error: cannot write" in answer.err.splitlines()[-1]


@where_steps_are_shared
def test_two_workers_train_and_go_on(handgrad):
    answer = handgrad(*DIGITS, *EPOCHS, "--workers", "2")

    assert 0 == answer.code
    assert 0 == handgrad("train", "--resume", "runs/classic", "--workers", "1").code
    assert "cut for 2 workers" in handgrad("train", "--resume", "runs/classic", "--workers", "3").err
    refused = handgrad(*DIGITS, *EPOCHS, "--workers", "2", "--dropout", "0.5", "--out", "b")
    assert (2, False) == (refused.code, Path("b").exists())
    assert "leave --workers away" in refused.err
    assert 2 == handgrad(*DIGITS, "--workers", "0").code
