"""The command line, called as from a shell but in this process, in an empty folder of its own."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from handgrad.cli import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder, with an empty cache, and without the person's taste in colours."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HANDGRAD_DATA_DIR", str(tmp_path / "cache"))
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return folder


@pytest.fixture
def handgrad(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command; its words are given one by one."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return run


@pytest.fixture
def refused(handgrad: Callable[..., Answer]) -> Callable[..., str]:
    """Run a command that cannot be done, check that it says so in one line and in nothing else, and give the line."""

    def run(code: int, *words: object) -> str:
        answer = handgrad(*words)
        lines = answer.err.splitlines()
        assert (code, "") == (answer.code, answer.out), answer
        assert 1 == len(lines), answer.err
        assert lines[0].startswith("error: ")
        assert "Traceback" not in lines[0]
        return lines[0]

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two epochs on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    code = main(["train", "--dataset", "digits", "--epochs", "2", "--hidden", "16", "--out", str(folder)])
    assert 0 == code
    return folder


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run a command whose stdout and stderr are terminals."""

    def run(*words: object) -> Answer:
        out, err = Terminal(), Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main([str(word) for word in words])
        return Answer(code, out.getvalue(), err.getvalue())

    return run
