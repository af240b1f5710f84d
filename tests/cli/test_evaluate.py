import json
import struct
from pathlib import Path

import numpy as np
import pytest

from handgrad.cli import main
from handgrad.data import idx, sources

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def model(trained):
    return trained / "model.safetensors"


def rewritten(model: Path, **changes: object) -> Path:
    """A copy of a model file with some fields of its header changed."""
    raw = model.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    head = json.loads(raw[8 : 8 + length])
    inner = json.loads(head["__metadata__"]["handgrad"]) | changes
    head["__metadata__"]["handgrad"] = json.dumps(inner)
    new = json.dumps(head).encode()
    Path("changed.safetensors").write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + length :])
    return Path("changed.safetensors")


def folder_of_images(shape: tuple[int, int], classes: int) -> Path:
    folder = Path("images")
    folder.mkdir()
    for half in ("train", "t10k"):
        labels = np.arange(3 * classes, dtype=np.uint8) % classes
        folder.joinpath(f"{half}-images-idx3-ubyte").write_bytes(idx.encode(np.zeros((len(labels), *shape), np.uint8)))
        folder.joinpath(f"{half}-labels-idx1-ubyte").write_bytes(idx.encode(labels))
    return folder


def test_json_is_one_object_and_the_table_says_the_same(handgrad, trained):
    answer = handgrad("evaluate", trained, "--json")
    assert (0, "") == (answer.code, answer.err)
    assert 1 == len(answer.out.splitlines())
    told = json.loads(answer.out)
    assert 360 == told["n"]
    assert told["accuracy"] == 1 - told["errors"] / told["n"]
    assert {"dataset": "digits", "model": str(trained / "model.safetensors")}.items() <= told.items()

    table = handgrad("evaluate", trained)
    lines = table.out.splitlines()
    assert 0 == table.code
    assert f"accuracy       {told['accuracy']:.2%}" in lines
    assert f"errors         {told['errors']} of 360" in lines
    for score in told["per_class"]:
        ratios = [f"{score[name]:.2%}" for name in ("precision", "recall", "f1")]
        assert [score["name"], *ratios, str(score["support"])] in [line.split() for line in lines]


def test_it_reached_what_the_run_recorded(handgrad, trained):
    last = json.loads(trained.joinpath("history.jsonl").read_text().splitlines()[-1])

    assert last["test_accuracy"] == json.loads(handgrad("evaluate", trained, "--json").out)["accuracy"]


def test_it_draws_what_it_is_asked_for(handgrad, model):
    answer = handgrad("evaluate", model, "--json", "--confusion", "c.png", "--mistakes", "m.png")

    assert 0 == answer.code
    assert 1 == len(answer.out.splitlines())
    assert ["drew c.png", "drew m.png"] == answer.err.splitlines()
    assert [PNG, PNG] == [Path(name).read_bytes()[:8] for name in ("c.png", "m.png")]


def test_a_figure_that_cannot_be_written_is_said_after_the_result(handgrad, trained):
    answer = handgrad("evaluate", trained, "--confusion", "no/c.png")

    assert 1 == answer.code
    assert "no" in answer.err
    assert "accuracy" in answer.out


def test_a_figure_with_a_wrong_name_is_refused_before_the_work(refused, trained):
    for switch in ("--mistakes", "--confusion"):
        assert "m.jpeg" in refused(2, "evaluate", trained, "--mistakes", "m.png", switch, "m.jpeg")
    assert not Path("m.png").exists()


def test_a_model_from_before_provenance_is_tested_on_mnist(refused, model):
    sentence = refused(1, "evaluate", rewritten(model, provenance={}), "--source", "cache")

    assert "MNIST" in sentence  # the cache is empty


def test_a_loss_without_probabilities_has_no_calibration(handgrad):
    handgrad("train", "--dataset", "digits", "--epochs", 1, "--loss", "squared_error", "--out", "run")
    answer = handgrad("evaluate", "run", "--confusion", "c.png")

    assert (0, "drew c.png\n") == (answer.code, answer.err)
    assert "calibration" not in answer.out
    assert "log loss" not in answer.out
    assert "accuracy" in answer.out


def test_data_that_does_not_fit_is_refused(refused, model):
    assert "8x8" in refused(1, "evaluate", model, "--dataset", folder_of_images((4, 4), 10))
    assert "white" in refused(1, "evaluate", rewritten(model, white=255))


def test_data_with_other_classes_is_refused(refused, model):
    other = rewritten(model, classes=["naught", *"123456789"])

    assert "tells naught, 1, 2, ... (10) apart" in refused(1, "evaluate", other, "--dataset", "digits")
    assert "holds 0, 1, 2, ... (7)" in refused(
        1, "evaluate", rewritten(model, white=255), "--dataset", folder_of_images((8, 8), 7)
    )


def test_a_folder_of_ones_own_is_evaluated(handgrad, model):
    answer = handgrad("evaluate", rewritten(model, white=255), "--dataset", folder_of_images((8, 8), 10), "--json")

    assert 0 == answer.code, answer.err
    assert (30, 27) == (json.loads(answer.out)["n"], json.loads(answer.out)["errors"])  # all blank, so all alike


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[: len(raw) // 2], "not a model"),
        (lambda _: b"the quick brown fox", "not a model"),
        (lambda _: b"", "not a model"),
        (lambda _: PNG + bytes(1000), "not a model"),
    ],
)
def test_a_file_that_is_no_model_is_refused(refused, model, damage, said):
    Path("broken.safetensors").write_bytes(damage(model.read_bytes()))

    assert said in refused(1, "evaluate", "broken.safetensors")


def test_a_model_whose_header_lies_is_refused(refused, model):
    layers = [{"layer": "dense", "n_in": 64, "n_out": 10**12, "bias": True}]
    assert "not a model" in refused(1, "evaluate", rewritten(model, layers=layers))
    assert "not a model" in refused(1, "evaluate", rewritten(model, classes=["one", "two"]))


def test_what_is_not_there_is_refused(refused, elsewhere):
    assert "no model 'nothing'" in refused(1, "evaluate", "nothing")
    assert "holds no run" in refused(1, "evaluate", elsewhere)
    assert "MODEL" in refused(2, "evaluate")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another network for the digits."""
    folder = tmp_path_factory.mktemp("other") / "run"
    words = ["train", "--dataset", "digits", "--epochs", "3", "--hidden", "12", "--seed", "1", "--out", str(folder)]
    assert 0 == main(words)
    return folder


def test_averaging_over_warps_is_told_apart_from_the_single_pass(handgrad, trained):
    alone = json.loads(handgrad("evaluate", trained, "--json").out)
    told = json.loads(handgrad("evaluate", trained, "--json", "--warps", 3).out)
    (average,) = told.pop("averages")

    assert alone == told
    assert "each image and 3 mild warps of it" == average["averaged"]
    assert alone["log_loss"] != average["log_loss"]
    assert average["errors"] - alone["errors"] == average["mcnemar"]["only_first"] - average["mcnemar"]["only_second"]

    lines = handgrad("evaluate", trained, "--warps", 3).out.splitlines()
    accuracies = [line.split()[1] for line in lines if line.startswith("accuracy")]
    assert [f"{one['accuracy']:.2%}" for one in (alone, average)] == accuracies
    assert any("McNemar" in line for line in lines)


def test_several_models_are_tested_one_by_one_and_together(handgrad, trained, other):
    alone = [json.loads(handgrad("evaluate", one, "--json").out) for one in (trained, other)]
    told = json.loads(handgrad("evaluate", trained, other, "--json", "--warps", 2).out)

    assert [one.pop("dataset") for one in alone] == ["digits", told["dataset"]]
    assert alone == told["models"]
    names = [average["averaged"] for average in told["averages"]]
    assert ["2 models", "2 models, each image and 2 mild warps of it"] == names

    answer = handgrad("evaluate", trained, other)
    lines = answer.out.splitlines()
    first, second = (next(line.split() for line in lines if line.startswith(str(one))) for one in (trained, other))
    assert [f"{one['accuracy']:.2%}" for one in alone] == [first[1], second[1]]
    assert (6, 9) == (len(first), len(second))  # the second is held against the first
    assert ["averaged over  2 models"] == [line for line in lines if line.startswith("averaged over")]


def test_what_cannot_be_averaged_is_refused(handgrad, refused, model):
    handgrad("train", "--dataset", "digits", "--epochs", 1, "--loss", "squared_error", "--out", "run")

    assert "--warps -1" in refused(2, "evaluate", model, "--warps", -1)
    assert "no probabilities" in refused(1, "evaluate", "run", "--warps", 1)
    assert "no probabilities" in refused(1, "evaluate", model, "run")


@pytest.mark.mnist
def test_the_halves_of_mnist_and_its_disputed_images_are_noted(handgrad, mnist, monkeypatch):
    monkeypatch.setattr(sources, "load", lambda *_, **__: mnist)  # the cache of these tests is empty
    told = json.loads(handgrad("evaluate", "classic", "--json").out)

    assert told["errors"] == sum(told["errors_by_half"])
    assert 2 == len(told["errors_by_half"])
    assert 0 < told["errors_disputed"] <= 15
    text = handgrad("evaluate", "classic").out
    assert "model          classic\n" in text
    assert f"disputed       {told['errors_disputed']} are among the 15 images" in text
