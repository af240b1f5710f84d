"""That a figure appears on disk whole, the same each time, or not at all."""

import errno
import os
import warnings
from types import SimpleNamespace

import matplotlib as mpl
import pytest
from PIL import Image

from handgrad import plots
from handgrad.errors import HandgradError, UsageError

ROW = SimpleNamespace(
    epoch=1,
    training_loss=0.4,
    training_accuracy=0.9,
    validation_loss=None,
    validation_accuracy=None,
    test_accuracy=0.91,
)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def figure(name="classic"):
    return plots.test_accuracy({name: [ROW]})


def test_it_is_a_png_of_twice_the_size_of_a_screen(tmp_path):
    plots.save(figure(), tmp_path / "curve.png")

    with Image.open(tmp_path / "curve.png") as image:
        image.load()
        assert "PNG" == image.format
        assert pytest.approx((1600, 900), abs=1) == image.size
        assert {"dpi"} == set(image.info)  # no date, no version
        assert (255, 255, 255) == image.convert("RGB").getpixel((0, 0))
        assert 20 < len(image.convert("RGB").getcolors(1 << 24))
    assert ["curve.png"] == names_in(tmp_path)


def test_the_same_figure_gives_the_same_bytes_whatever_the_users_settings(tmp_path):
    plots.save(figure(), tmp_path / "one.png")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 30, "lines.linewidth": 9}):
        plots.save(figure(), tmp_path / "two.png")
        assert 30 == mpl.rcParams["font.size"]

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_what_was_there_is_replaced(tmp_path):
    path = tmp_path / "curve.PNG"
    path.write_bytes(b"old")

    plots.save(figure(), path)

    assert b"\x89PNG" == path.read_bytes()[:4]


@pytest.mark.parametrize("name", ["curve.pdf", "curve", "png"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"name that ends in \.png"):
        plots.save(figure(), tmp_path / name)
    assert [] == names_in(tmp_path)


@pytest.mark.parametrize("where", ["missing/curve.png", "file/curve.png"])
def test_a_folder_that_is_none_gets_a_sentence(tmp_path, where):
    (tmp_path / "file").touch()

    with pytest.raises(HandgradError, match=r"^cannot write .*curve\.png: [^\n]+$"):
        plots.save(figure(), tmp_path / where)


def test_a_folder_in_the_files_place_gets_a_sentence(tmp_path):
    (tmp_path / "curve.png").mkdir()

    with pytest.raises(HandgradError, match=r"^cannot write .*curve\.png"):
        plots.save(figure(), tmp_path / "curve.png")
    assert ["curve.png"] == names_in(tmp_path)


def test_a_full_disk_leaves_the_old_figure_and_no_crumbs(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    plots.save(figure(), tmp_path / "curve.png")
    before = (tmp_path / "curve.png").read_bytes()
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(HandgradError, match="no space left"):
        plots.save(figure("other"), tmp_path / "curve.png")
    assert ["curve.png"] == names_in(tmp_path)
    assert before == (tmp_path / "curve.png").read_bytes()


def test_a_name_that_the_font_lacks_is_still_drawn(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.save(plots.training_loss({"手書き": [ROW], "b": [ROW]}), tmp_path / "curve.png")

    assert (tmp_path / "curve.png").exists()


def test_a_name_that_is_no_text_is_drawn_in_numbers(tmp_path):
    name = b"r\xff".decode("utf-8", "surrogateescape")

    plots.save(plots.training_loss({name: [ROW]}), tmp_path / "one.png")
    plots.save(plots.training_loss({name: [ROW], "b": [ROW]}), tmp_path / "two.png")

    assert ["one.png", "two.png"] == sorted(names_in(tmp_path))
    assert "r\\udcff" == plots.style.drawable(name)


def test_pyplot_is_never_woken(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from types import SimpleNamespace; from pathlib import Path; from handgrad import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"row = SimpleNamespace(**{vars(ROW)!r})\n"
        "plots.save(plots.training_loss({'a': [row]}), Path(sys.argv[1]))\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")], capture_output=True, text=True, check=True
    )

    assert "True False" == done.stdout.strip()
