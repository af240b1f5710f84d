from pathlib import Path

import pytest

from handgrad.cli.preview import tell
from handgrad.data.augment import PRESETS, Warps


def test_a_preview_is_a_figure(handgrad):
    answer = handgrad("data", "preview", "--dataset", "digits", "--out", "seen.png")

    assert 0 == answer.code, answer.err
    assert "seen.png\n" == answer.out
    assert b"\x89PNG" == Path("seen.png").read_bytes()[:4]


def test_a_recipe_brings_its_warps_and_its_data(handgrad):
    Path("mine.toml").write_text("dataset = 'digits'\naugment = 'strong'", encoding="utf-8")

    for out, words in (
        ("one.png", ["--recipe", "mine.toml"]),
        ("two.png", ["--dataset", "digits", "--augment", "strong"]),
        ("three.png", ["--recipe", "mine.toml", "--seed", "1"]),
    ):
        assert 0 == handgrad("data", "preview", *words, "--out", out).code

    one, two, three = (Path(name).read_bytes() for name in ("one.png", "two.png", "three.png"))
    assert one == two
    assert one != three


def test_images_made_alike_are_shown_so(handgrad):
    looks = "", "deskew = true", "deskew = true\nnormalize_width = 1.0"
    for look in looks:
        Path("mine.toml").write_text(f"dataset = 'digits'\naugment = 'mild'\n{look}", encoding="utf-8")
        answer = handgrad("data", "preview", "--recipe", "mine.toml", "--out", f"{len(look)}.png")
        assert 0 == answer.code, answer.err

    assert len(looks) == len({Path(f"{len(look)}.png").read_bytes() for look in looks})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--augment", "wild"], "augment = 'wild': choose none, mild or strong"),
        (["--augment", "none"], "none does not warp images; try --augment mild"),
        (["--recipe", "classic"], "classic does not warp images"),
        (["--recipe", "classic", "--augment", "mild"], "both name warps; leave one away"),
        (["--out", "a.jpg"], "ends in .png"),
    ],
)
def test_what_cannot_be_shown_is_refused(words, sentence, handgrad):
    answer = handgrad("data", "preview", *words)

    assert 2 == answer.code
    assert sentence in answer.err
    assert [] == list(Path().iterdir())


def test_warps_are_told_in_a_line():
    told = "rotated by ±12°, scaled by ±12%, slanted by ±0.2, shifted by ±1.5 px, bent by 0.8 px"
    assert told == tell(PRESETS["mild"])
    assert "bent by 1 px" == tell(Warps(elastic=1.0))
