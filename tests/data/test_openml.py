import hashlib
import json
import socket
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import _openml as scikit_learns

from handgrad.data import openml
from handgrad.data.failure import SourceError
from handgrad.data.sources import ignore

LISTING = "/api/v1/json/data/list/data_name/tiny/limit/2/data_version/1"


def feature(index, name, kind):
    flags = {"is_target": name == "class", "is_ignore": False, "is_row_identifier": False}
    return {
        "index": str(index),
        "name": name,
        "data_type": kind,
        "number_of_missing_values": "0",
        **{flag: str(value).lower() for flag, value in flags.items()},
    }


def arff(pixels, labels):
    """As OpenML keeps mnist_784: a column a pixel, and the class in quotes."""
    columns = [f"@ATTRIBUTE pixel{n} real" for n in range(pixels.shape[1])]
    rows = [",".join([*map(str, row), str(label)]) for row, label in zip(pixels.tolist(), labels, strict=True)]
    return "\n".join(["@RELATION tiny", *columns, "@ATTRIBUTE class {0,1,2}", "@DATA", *rows, ""]).encode()


@pytest.fixture
def collection(tiny):
    return replace(tiny, openml="Tiny")


@pytest.fixture
def serve(server, monkeypatch):
    """Let the loopback server be OpenML with these rows, for us and for scikit-learn."""
    base = f"{server.base}/api/v1/json"
    monkeypatch.setattr(openml, "API", base)
    for name in ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        monkeypatch.setattr(scikit_learns, name, getattr(scikit_learns, name).replace(openml_org, base))

    def serve(pixels, labels):
        table = arff(pixels, labels)
        features = [feature(n, f"pixel{n}", "numeric") for n in range(pixels.shape[1])]
        features.append(feature(pixels.shape[1], "class", "nominal"))
        description = {
            "id": "7",
            "name": "Tiny",
            "version": "1",
            "status": "active",
            "format": "ARFF",
            "description": "tiny",
            "url": f"{server.base}/data/v1/download/8/tiny.arff",
            "md5_checksum": hashlib.md5(table).hexdigest(),
        }
        answers = {
            LISTING: {"data": {"dataset": [{"did": 7, "name": "Tiny", "version": 1}]}},
            "/api/v1/json/data/7": {"data_set_description": description},
            "/api/v1/json/data/features/7": {"data_features": {"feature": features}},
            "/api/v1/json/data/qualities/7": {
                "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": f"{len(labels)}.0"}]}
            },
        }
        server.routes |= {path: json.dumps(answer).encode() for path, answer in answers.items()}
        server.routes["/data/v1/download/8/tiny.arff"] = table

    return serve


openml_org = openml.API


def test_scikit_learn_is_asked_where_we_knock():
    assert scikit_learns._SEARCH_NAME.startswith(f"{openml_org}/data/list/data_name/")


def test_the_rows_of_openml_become_the_four_files(serve, rows, collection, files, capfd):
    serve(*rows)
    said = []
    assert files == openml.fetch(collection, said.append)
    assert said == ["OpenML sends Tiny as text; reading it takes up to a minute."]
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() is None


def test_rows_in_another_order_are_refused(serve, rows, collection):
    pixels, labels = rows
    serve(pixels[::-1], labels[::-1])
    with pytest.raises(SourceError, match=r"^train-images-idx3-ubyte is not the one that was published as Tiny"):
        openml.fetch(collection, ignore)


def test_fewer_rows_are_refused(serve, rows, collection):
    pixels, labels = rows
    serve(pixels[:4], labels[:4])
    with pytest.raises(SourceError, match=r"^it holds \(4, 6\) pixels and \(4,\) labels, not 18 images$"):
        openml.fetch(collection, ignore)


def test_fractions_are_refused(serve, rows, collection):
    pixels, labels = rows
    serve(pixels + 0.5, labels)
    with pytest.raises(SourceError, match=r"^it sends numbers that are no whole bytes$"):
        openml.fetch(collection, ignore)


def test_a_damaged_table_is_refused(serve, rows, collection, server):
    serve(*rows)
    server.routes["/data/v1/download/8/tiny.arff"] = b"@RELATION nonsense"
    with pytest.raises(SourceError, match="md5 checksum"):
        openml.fetch(collection, ignore)


def test_a_server_without_the_data_set_says_so(serve, rows, collection, server):
    serve(*rows)
    server.routes[LISTING] = 412
    with pytest.raises(SourceError, match=r"^HTTP 412$"):
        openml.fetch(collection, ignore)


def test_a_server_that_fails_midway_says_so(serve, rows, collection, server):
    serve(*rows)
    server.routes["/data/v1/download/8/tiny.arff"] = 500
    with pytest.raises(SourceError, match=r"^HTTP 500$"):
        openml.fetch(collection, ignore)


def test_a_server_that_hangs_is_left(serve, rows, collection, server):
    serve(*rows)
    server.routes[LISTING] = server.hang
    with pytest.raises(SourceError, match=r"^timed out$"):
        openml.fetch(collection, ignore, connect_seconds=0.1)
    serve(*rows)
    server.routes["/data/v1/download/8/tiny.arff"] = server.hang
    with pytest.raises(SourceError, match=r"^timed out$"):
        openml.fetch(collection, ignore, read_seconds=0.1)


def test_a_page_in_place_of_an_answer_is_refused(serve, rows, collection, server):
    serve(*rows)
    server.routes[LISTING] = b"<html>please log in</html>"
    with pytest.raises(SourceError):
        openml.fetch(collection, ignore)


def test_pixels_come_back_as_bytes():
    assert openml._as_bytes(np.array([0.0, 255.0])).tolist() == [0, 255]
