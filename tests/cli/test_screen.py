import io
import re

from handgrad.cli import main
from handgrad.errors import command

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DIGITS = ("train", "--dataset", "digits", "--epochs", 2)


def test_a_terminal_gets_colours_and_a_bar(on_terminal, monkeypatch):
    monkeypatch.setattr("handgrad.training.loop.PROGRESS_SECONDS", 0.0)
    answer = on_terminal(*DIGITS)

    assert 0 == answer.code
    assert ESCAPES.search(answer.out)
    assert "%  " in answer.err
    assert "left" in answer.err
    assert "images/s" in answer.err
    assert " 2/2 " in ESCAPES.sub("", answer.err)


def test_no_color_gets_words_alone(on_terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    answer = on_terminal(*DIGITS)

    assert 0 == answer.code
    assert "\x1b" not in answer.out + answer.err
    assert "\r" not in answer.err
    assert "left" not in answer.err
    assert "\x1b" not in on_terminal("train", "--help").out


def test_a_terminal_that_can_do_nothing_gets_words_alone(on_terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    assert "\x1b" not in "".join(vars(on_terminal(*DIGITS))[stream] for stream in ("out", "err"))


def test_a_narrow_terminal_breaks_no_row(on_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = on_terminal(*DIGITS, "--validation", 0.2)

    lines = ESCAPES.sub("", answer.err).replace("\r", "\n").splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert any(line.split()[:1] == ["2/2"] and len(line.split()) == 7 for line in lines)


def test_a_narrow_terminal_breaks_no_command(on_terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    folder = "a folder with a name that is as long as a terminal is wide"
    answer = on_terminal(*DIGITS, "--out", folder)

    wanted = command("handgrad", "evaluate", folder, "--mistakes", "mistakes.png")
    assert f"next           {wanted}" == ESCAPES.sub("", answer.out).splitlines()[-1]


def test_help_is_coloured_on_a_terminal(on_terminal):
    answer = on_terminal("train", "--help")

    assert "\x1b[36m--epochs N" in answer.out
    assert "\x1b[1mNetwork\x1b[0m" in answer.out


def test_names_that_a_stream_cannot_write_do_no_harm(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", stream)

    assert 1 == main(["evaluate", "größe"])
    assert b"'gr\\xf6\\xdfe'" in stream.buffer.getvalue()
