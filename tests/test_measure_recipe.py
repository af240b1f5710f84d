"""What a recipe reached is measured by a program, and the page on accuracy says just that."""

import json
import runpy
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from handgrad import modelfile, tensorfile
from handgrad.data import sources
from handgrad.data.normalization import AS_WRITTEN, Normalization
from handgrad.training.recipe import Recipe, named

ROOT = Path(__file__).parents[1]


@pytest.fixture
def program():
    return runpy.run_path(str(ROOT / "scripts" / "measure-recipe"))


@pytest.fixture
def measure(program, monkeypatch, tmp_path):
    """Measure a small recipe into a folder of the test's own."""
    names = program["main"].__globals__
    page = tmp_path / "page.md"
    page.write_text(f"before\n{program['BEGIN']}old\n{program['END']}after\n", encoding="utf-8")
    monkeypatch.setitem(names, "REACHED", tmp_path / "reached.json")
    monkeypatch.setitem(names, "PAGE", page)
    monkeypatch.setitem(names, "PACKAGE", tmp_path)
    (tmp_path / "models").mkdir()

    def run(*words, **changes):
        small = Recipe(name="tiny", dataset="digits", hidden_layer_sizes=(8,), epochs=2).but(**changes)
        monkeypatch.setitem(names, "named", lambda _: small)
        monkeypatch.setattr("sys.argv", ["measure-recipe", "tiny", "--runs", str(tmp_path / "runs"), *words])
        program["main"]()
        return json.loads((tmp_path / "reached.json").read_text())["tiny"], page.read_text(encoding="utf-8")

    return run


def test_the_page_holds_what_was_measured(program):
    reached = json.loads(program["REACHED"].read_text(encoding="utf-8"))

    assert program["table"](reached) in program["PAGE"].read_text(encoding="utf-8")


def test_seeds_are_measured_one_by_one_and_what_is_averaged_apart(measure, program, capsys):
    reached, page = measure("--seeds", "2", "--warps", "1")

    assert 2 == len(reached["accuracies"]) == len(set(reached["accuracies"]))
    assert ["1 warps", "together", "together, 1 warps"] == sorted(reached["averaged"])
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert program["table"]({"tiny": reached}) in page
    assert "old" not in page
    assert f"seed 1: {reached['accuracies'][1]:.2%}" in capsys.readouterr().out


def test_what_was_measured_is_not_trained_again(measure):
    first, _ = measure("--seeds", "1")
    second, _ = measure("--seeds", "2")

    assert first["accuracies"] == second["accuracies"][:1]
    assert first["seconds"] == second["seconds"][:1]


def test_the_members_of_a_committee_see_digits_each_its_own_way(measure, program, tmp_path, monkeypatch):
    names = program["main"].__globals__
    monkeypatch.setitem(names, "LOOKS", {"tiny": ({}, {"deskew": True, "normalize_width": 0.5})})
    measure("--seeds", "3")

    models = [modelfile.load(tmp_path / "runs" / f"tiny-seed-{seed}" / "model.safetensors") for seed in range(3)]
    looks = [AS_WRITTEN, Normalization(deskew=True, width=0.5), AS_WRITTEN]
    assert looks == [model.normalization for model in models]


def test_looks_are_those_of_recipes_that_ship(program):
    for name, looks in program["LOOKS"].items():
        assert len(looks) == len({named(name).but(**look) for look in looks})


def test_a_recipe_that_has_changed_is_not_taken_for_the_old_one(measure):
    measure("--seeds", "1")

    with pytest.raises(SystemExit, match="another recipe"):
        measure("--seeds", "1", learning_rate=0.2)


def test_a_teacher_that_is_not_there_is_named(measure):
    with pytest.raises(SystemExit, match="error: there is no model 'nobody'"):
        measure("--seeds", "1", teachers=["nobody"], soft_share=0.5)


@pytest.mark.parametrize("half", [True, False])
def test_what_ships_has_a_date_and_claims_what_it_reaches_itself(half, measure, tmp_path):
    measure("--seeds", "1", "--ship", *["--half"] * half)

    shipped = modelfile.load(tmp_path / "models" / "tiny.safetensors")
    test = sources.load("digits").test
    answers = shipped.predict_probabilities(test.images).argmax(axis=1)
    assert np.mean(answers == test.labels) == pytest.approx(shipped.provenance["test_accuracy"], abs=1e-9)
    assert 2000 < date.fromisoformat(shipped.provenance["date"]).year
    with tensorfile.opened(tmp_path / "models" / "tiny.safetensors", "model") as file:
        assert {"F16" if half else "F32"} == {file.dtype(name) for name in file.names}
