import json
import sys
from types import SimpleNamespace

import pytest

from handgrad.training.recipe import parse, shipped


def test_every_recipe_is_listed(handgrad):
    answer = handgrad("recipes")

    rows = [line.split() for line in answer.out.splitlines()]
    assert 0 == answer.code
    for name, recipe in shipped().items():
        row = next(row for row in rows if row[:1] == [name])
        assert [recipe.optimizer, str(recipe.epochs)] == row[2:4]
        assert recipe.description in answer.out
    assert ["classic", "784-128-64-10", "sgd"] in [row[:3] for row in rows]


@pytest.mark.parametrize(
    ("reached", "cells"),
    [
        ({}, ["-", "-", "-"]),
        (
            {"classic": {"accuracies": [0.98, 0.982, 0.984], "seconds": [30, 32.2, 31]}},
            ["98.20%", "±", "0.20%", "3", "31"],
        ),
        ({"classic": {"accuracies": [0.98], "seconds": [30]}}, ["98.00%", "1", "30"]),
    ],
)
def test_what_a_recipe_reached_is_shown(handgrad, monkeypatch, tmp_path, reached, cells):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "reached.json").write_text(json.dumps(reached))
    module = sys.modules["handgrad.cli.recipes"]  # its name in the package is the command's
    monkeypatch.setattr(module, "resources", SimpleNamespace(files=lambda _: tmp_path))
    answer = handgrad("recipes")

    row = next(line.split() for line in answer.out.splitlines() if line.startswith("classic"))
    assert cells == row[4:]


def test_a_recipe_in_full_can_be_read_back(handgrad):
    answer = handgrad("recipes", "--show", "classic")

    assert (0, "") == (answer.code, answer.err)
    assert shipped()["classic"] == parse(answer.out, "what was printed")


def test_an_unknown_one_is_refused(refused):
    assert "classic" in refused(2, "recipes", "--show", "clasic")
