import importlib.util
from types import MappingProxyType

import pytest
from benchmarks.peers import PEERS, Peer

from benchmarks import __main__ as program
from benchmarks import peers


def test_a_system_that_is_not_installed_is_left_out_in_one_sentence(monkeypatch):
    absent = PEERS | {"jax": Peer("JAX", "benchmarks.peers.jax_", ("no_such_package",))}
    monkeypatch.setattr(program, "PEERS", MappingProxyType(absent))
    said = []

    assert ["sklearn"] == program.present("jax,sklearn", ("jax", "sklearn"), said.append)
    assert ["JAX is left out: no_such_package not installed; pip install -e '.[bench]' brings it"] == said


def test_all_are_asked_for_unless_some_are_named():
    assert ["sklearn"] == program.present(None, ("sklearn",), print)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["training", "--peers", "theano"], "error: --peers theano: choose from torch,"),
        (["training", "--network", "huge"], "error: --network huge: choose small or wide"),
        (["training", "--rounds", "0"], "error: --rounds and --probes are at least 1"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, sentence, capsys):
    assert 2 == program.main(arguments)
    assert sentence in capsys.readouterr().err


def test_a_report_of_nothing_is_one_sentence(capsys, tmp_path):
    assert 1 == program.main(["report", str(tmp_path / "none.json")])
    assert "error: cannot read the results" in capsys.readouterr().err


def test_a_ctrl_c_ends_it(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "carry_out", interrupted)

    assert 130 == program.main(["startup"])
    assert "interrupted\n" == capsys.readouterr().err


def test_every_file_of_a_peer_exists():
    assert all(importlib.util.find_spec(peer.module) for peer in peers.PEERS.values())


def test_help_names_the_rooms(capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["--help"])

    assert 0 == ended.value.code
    said = capsys.readouterr().out
    assert all(room in said for room in (*program.ROOMS, "report", "--quick"))
