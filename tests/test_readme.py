"""The README's figures are computed and its programs run."""

import json
import re
from importlib import resources
from pathlib import Path
from statistics import fmean, stdev

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


REACHED = json.loads((resources.files("handgrad.training") / "recipes" / "reached.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recipe", ["classic", "best"])
def test_the_figures_are_those_that_were_measured(recipe: str) -> None:
    accuracies = REACHED[recipe]["accuracies"]
    assert f"**{fmean(accuracies):.2%} ± {stdev(accuracies):.2%}**" in README
    assert REACHED[recipe]["command"] in README


def test_the_seconds_are_those_that_were_measured() -> None:
    assert f"{fmean(REACHED['classic']['seconds']):.0f} seconds" in README


def test_the_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    assert [] == [picture for picture in pictures if not (ROOT / picture).is_file()]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_of_the_readme_runs(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), names)
    if "record" in names:
        assert capsys.readouterr().out.count("EpochRecord") == 5
    elif "classifier" in names:
        assert re.fullmatch(r"9\d\.\d%\n", capsys.readouterr().out)
    else:
        assert float(str(names["loss"])) < 2.0
