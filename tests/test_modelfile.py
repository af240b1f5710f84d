"""A model file gives back the network that was kept, and says in one sentence why something else is none."""

import json
import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handgrad import modelfile, tensorfile
from handgrad.data.normalization import AS_WRITTEN, Normalization
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout
from handgrad.engine.losses import LOSSES, SoftmaxCrossEntropy
from handgrad.engine.network import Network
from handgrad.errors import HandgradError
from handgrad.modelfile import Model


def network_of_all_kinds(dtype=np.float32) -> Network:
    layers = [
        Dropout(6, 0.2),
        Dense(6, 5, bias=False),
        BatchNorm(5, 0.2, 1e-3),
        Activate(5, ACTIVATIONS["gelu"]),
        Dropout(5, 0.5),
        Dense(5, 4),
        Activate(4, ACTIVATIONS["leaky_relu"]),
        Dense(4, 3),
    ]
    network = Network(layers, dtype)
    generator = np.random.default_rng(0)
    network.theta[...] = generator.normal(size=network.theta.size)
    network.statistics[...] = generator.uniform(0.5, 1.5, network.statistics.size)
    return network


def model_of(network) -> Model:
    return Model(
        network=network,
        classes=("zéro", "one", "two"),
        image_shape=(3, 2),
        white=255,
        loss=LOSSES["cross_entropy"](),
        provenance={"recipe": {"seed": 3, "hidden_layer_sizes": [5, 4]}, "test_accuracy": 0.9, "more": None},
    )


@pytest.fixture
def model() -> Model:
    return model_of(network_of_all_kinds())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The bytes of a model file."""
    path = tmp_path_factory.mktemp("kept") / "model.safetensors"
    modelfile.save(path, model_of(network_of_all_kinds()))
    return path.read_bytes()


@pytest.fixture
def parts(kept, path):
    """Header and arrays of a model file, free to be spoilt."""
    path.write_bytes(kept)
    with tensorfile.opened(path, "model") as file:
        return json.loads(json.dumps(file.header)), {name: file.array(name) for name in file.names}


def refused(path) -> str:
    with pytest.raises(HandgradError) as caught:
        modelfile.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_model_comes_back_as_it_was(dtype, loss, path):
    model = replace(model_of(network_of_all_kinds(dtype)), loss=LOSSES[loss](), white=16)

    modelfile.save(path, model)
    back = modelfile.load(path)

    assert model.network.layers == back.network.layers
    assert model.network.dtype == back.network.dtype
    assert model.network.theta.tobytes() == back.network.theta.tobytes()
    assert model.network.statistics.tobytes() == back.network.statistics.tobytes()
    assert (model.classes, (3, 2), 16, model.loss) == (back.classes, back.image_shape, back.white, back.loss)
    assert model.provenance == back.provenance


@pytest.mark.parametrize(
    ("normalization", "named"),
    [
        (AS_WRITTEN, {}),
        (Normalization(width=float("0.0")), {}),  # another 0.0 than the default
        (Normalization(deskew=True), {"deskew": True}),
        (Normalization(width=0.5), {"normalize_width": 0.5}),
        (Normalization(deskew=True, width=1.0), {"deskew": True, "normalize_width": 1.0}),
    ],
)
def test_a_file_names_what_is_done_to_images_and_nothing_else(normalization, named, model, path):
    modelfile.save(path, replace(model, normalization=normalization))

    with tensorfile.opened(path, "model") as file:
        assert named == {key: file.header[key] for key in ("deskew", "normalize_width") if key in file.header}
    assert normalization == modelfile.load(path).normalization


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_half_precision_halves_the_arrays_and_computes_in_float32(dtype, path):
    model = model_of(network_of_all_kinds(dtype))

    modelfile.save(path, model, half=True)
    back = modelfile.load(path)

    with tensorfile.opened(path, "model") as file:
        assert {"F16"} == {file.dtype(name) for name in file.names}
    assert np.float32 == back.network.dtype
    assert model.network.theta.astype(np.float16).astype(np.float32).tobytes() == back.network.theta.tobytes()


def test_a_number_too_large_for_half_precision_is_refused_and_nothing_is_written(model, path):
    model.network.theta[0] = 70_000.0
    with pytest.raises(HandgradError, match="beyond 65,504, too large for half precision"):
        modelfile.save(path, model, half=True)
    assert not path.exists()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_comes_back(activation, path):
    network = Network([Dense(6, 4), Activate(4, ACTIVATIONS[activation]), Dense(4, 3)])
    network.initialize(np.random.default_rng(1))

    modelfile.save(path, model_of(network))

    assert ACTIVATIONS[activation] == modelfile.load(path).network.layers[1].function


def test_the_same_model_gives_the_same_bytes(model, path, kept):
    modelfile.save(path, model)
    assert kept == path.read_bytes()

    modelfile.save(path, modelfile.load(path))
    assert kept == path.read_bytes()


def test_what_comes_back_predicts_the_same(model, path):
    images = np.random.default_rng(2).integers(0, 256, (9, 6), dtype=np.uint8)
    modelfile.save(path, model)

    probabilities = modelfile.load(path).predict_probabilities(images)

    assert (9, 3) == probabilities.shape
    np.testing.assert_array_equal(probabilities, model.predict_probabilities(images))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)
    by_hand = model.network.predict_probabilities((images / 255).astype(np.float32))
    np.testing.assert_allclose(probabilities, by_hand, rtol=1e-5)


def test_a_darker_white_is_another_number(model):
    images = np.random.default_rng(2).integers(0, 17, (9, 6), dtype=np.uint8)

    of_sixteen = replace(model, white=16).predict_probabilities(images)

    np.testing.assert_allclose(of_sixteen, model.network.predict_probabilities((images / 16).astype(np.float32)))


def test_a_model_has_a_loss_that_reads_its_logits(model):
    images = np.zeros((2, 6), np.uint8)

    probabilities = replace(model, loss=LOSSES["binary_cross_entropy"]()).predict_probabilities(images)

    logits = model.network.logits(np.zeros((2, 6), np.float32))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize("pixels", [0, 5, 7, 784])
def test_images_of_another_size_are_refused(pixels, model):
    with pytest.raises(HandgradError) as caught:
        model.predict_probabilities(np.zeros((2, pixels), np.uint8))

    assert f"the model reads images of 3x2, not of {pixels} pixels" == str(caught.value)


def test_a_layer_without_a_word_is_not_kept(model, path):
    model.network.layers = ("convolution", *model.network.layers)

    with pytest.raises(TypeError, match="a model file has no word for convolution"):
        modelfile.save(path, model)

    assert not path.exists()


SPOILT = [
    ({"dtype": "float16"}, "it computes in float16, not in float32 or float64"),
    ({"dtype": "float64"}, "not float64"),
    ({"dtype": "object"}, "it computes in object"),
    ({"dtype": 3}, "Expected `str`"),
    ({"loss": "quantum"}, "this version knows no 'quantum'"),
    ({"classes": []}, "its layers do not fit its images and classes"),
    ({"classes": ["a", "b"]}, "its layers do not fit its images and classes"),
    ({"classes": [1, 2, 3]}, "Expected `str`"),
    ({"image_shape": [3, 3]}, "its layers do not fit its images and classes"),
    ({"image_shape": [-3, -2]}, "sizes below 1"),
    ({"image_shape": [0, 6]}, "sizes below 1"),
    ({"image_shape": [6]}, "length 2"),
    ({"white": 0}, "its white is 0"),
    ({"white": 256}, "its white is 256"),
    ({"white": 10**400}, "its white is 1000"),
    ({"white": "255"}, "Expected `int`"),
    ({"normalize_width": -0.1}, "alike by 0 to 1, not by -0.1"),
    ({"normalize_width": 1.5}, "alike by 0 to 1, not by 1.5"),
    ({"normalize_width": "1"}, "Expected `float`"),
    ({"layers": []}, "it has no layers"),
    ({"layers": [{}]}, "layer"),
    ({"layers": [{"layer": "quantum"}]}, "quantum"),
    ({"layers": "dense"}, "Expected `array`"),
    ({"provenance": None}, "Expected `object`"),
    ({"more": 1}, "more"),
]


@pytest.mark.parametrize(("spoilt", "words"), SPOILT, ids=lambda value: str(value)[:40])
def test_a_spoilt_header_is_refused(spoilt, words, parts, path):
    header, arrays = parts

    tensorfile.write(path, header | spoilt, arrays)

    sentence = refused(path)
    assert sentence.startswith(f"{path} is not a model that can be used: ")
    assert words in sentence


@pytest.mark.parametrize("key", ["dtype", "layers", "loss", "classes", "image_shape", "white", "provenance"])
def test_a_missing_word_is_named(key, parts, path):
    header, arrays = parts
    del header[key]
    tensorfile.write(path, header, arrays)

    assert f"`{key}`" in refused(path)


@pytest.mark.parametrize(
    ("layer", "spoilt", "words"),
    [
        (0, {"rate": 1.0}, "its dropout rate is 1.0"),
        (0, {"rate": -0.1}, "its dropout rate is -0.1"),
        (0, {"rate": float("nan")}, "its dropout rate is nan"),
        (0, {"n_in": 7}, "its layers do not fit its images and classes"),
        (1, {"bias": True}, "its arrays are not those of its layers"),
        (1, {"n_out": 10**12}, "its array 1.weights is F32 (6, 5), not float32 (6, 1000000000000)"),
        (1, {"n_in": 10**12}, "its array 1.weights is F32 (6, 5), not float32 (1000000000000, 5)"),
        (1, {"n_in": -6}, "sizes below 1"),
        (1, {"n_in": 6.5}, "Expected `int`"),
        (2, {"n_in": 6}, "its array 2.gamma is F32 (5,), not float32 (6,)"),
        (2, {"momentum": 1.5}, "its batch norm has momentum 1.5 and epsilon 0.001"),
        (2, {"epsilon": 0.0}, "its batch norm has momentum 0.2 and epsilon 0.0"),
        (2, {"epsilon": float("inf")}, "its batch norm has momentum 0.2 and epsilon inf"),
        (3, {"n_in": 10**12}, "gives 5 numbers, but "),
        (3, {"n_in": 4}, "gives 5 numbers, but "),
        (3, {"function": "quantum"}, "this version knows no 'quantum'"),
        (3, {"function": ["relu"]}, "Expected `str`"),
        (4, {"n_in": 10**12}, "gives 5 numbers, but "),
        (7, {"n_out": 0}, "sizes below 1"),
        (7, {"n_out": 2}, "its layers do not fit its images and classes"),
    ],
)
def test_a_spoilt_layer_is_refused(layer, spoilt, words, parts, path):
    header, arrays = parts
    header["layers"][layer] |= spoilt
    tensorfile.write(path, header, dict(sorted(arrays.items())))

    assert words in refused(path)


def test_a_network_that_does_not_end_in_logits_is_refused(parts, path):
    header, arrays = parts
    header["layers"].append({"layer": "activation", "n_in": 3, "function": "relu"})
    tensorfile.write(path, header, arrays)

    assert "the last layer of a network is Dense" in refused(path)


def test_arrays_of_no_bytes_claim_no_model(path):
    header = {
        "format": "model",
        "dtype": "float32",
        "layers": [{"layer": "dense", "n_in": 10**12, "n_out": 0, "bias": False}],
        "loss": "cross_entropy",
        "classes": [],
        "image_shape": [10**6, 10**6],
        "white": 255,
        "provenance": {},
    }
    tensorfile.write(path, header, {"0.weights": np.empty((10**12, 0), np.float32)})

    assert "sizes below 1" in refused(path)


@pytest.mark.parametrize(
    "lie",
    [
        {"layer": "dense", "n_in": 6, "n_out": 10**12, "bias": True},
        {"layer": "dense", "n_in": 10**12, "n_out": 3, "bias": True},
        {"layer": "dropout", "n_in": 10**12, "rate": 0.5},
        {"layer": "batch_norm", "n_in": 10**12, "momentum": 0.1, "epsilon": 1e-5},
    ],
    ids=lambda lie: f"{lie['layer']}-{lie['n_in']}",
)
def test_nothing_is_claimed_for_a_header_that_lies(lie, parts, path):
    header, arrays = parts
    tensorfile.write(path, header | {"layers": [lie, *header["layers"]], "image_shape": [10**6, 10**6]}, arrays)
    refused(path)  # what is imported late is imported now

    tracemalloc.start()
    try:
        refused(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


def test_a_missing_array_is_noticed(parts, path):
    header, arrays = parts
    for name in arrays:
        tensorfile.write(path, header, {other: array for other, array in arrays.items() if other != name})

        assert "its arrays are not those of its layers" in refused(path)


def test_an_array_too_many_is_noticed(parts, path):
    header, arrays = parts
    tensorfile.write(path, header, arrays | {"8.weights": np.zeros(3, np.float32)})

    assert "its arrays are not those of its layers" in refused(path)


@pytest.mark.parametrize("name", ["1.weights", "2.variance", "7.bias"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda array: array.astype(np.float64),
        lambda array: array.astype(np.int32),
        lambda array: array.astype(np.int16),
        lambda array: array[:1],
        lambda array: array[None],
    ],
    ids=["float64", "int32", "int16", "first", "deeper"],
)
def test_an_array_of_another_shape_or_type_is_named(name, spoil, parts, path):
    header, arrays = parts
    tensorfile.write(path, header, arrays | {name: spoil(arrays[name])})

    assert f"its array {name} is " in refused(path)


@pytest.mark.parametrize("name", ["1.weights", "2.gamma", "2.mean", "2.variance", "7.bias"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(name, number, parts, path):
    header, arrays = parts
    spoilt = arrays[name].copy()
    spoilt.flat[0] = number
    tensorfile.write(path, header, arrays | {name: spoilt})

    assert f"{path} holds numbers that are not finite; train the model again" == refused(path)


def test_a_variance_below_0_is_refused(parts, path):
    header, arrays = parts
    tensorfile.write(path, header, arrays | {"2.variance": -arrays["2.variance"]})

    assert f"{path} holds a variance below 0; train the model again" == refused(path)


@pytest.mark.parametrize("content", [b"", b"some text, not a model at all", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_model_is_refused(content, path):
    path.write_bytes(content)

    assert f"{path} is not a model, or it is damaged; use another file or train again" == refused(path)


def test_a_checkpoint_is_no_model(path):
    tensorfile.write(path, {"format": "checkpoint"}, {"theta": np.zeros(3, np.float32)})

    assert f"{path} is a safetensors file, but not a model that handgrad wrote" == refused(path)


def test_a_model_that_is_not_there_is_named(path):
    assert f"there is no model at {path}; check the path" == refused(path)


def loads_or_is_refused(path):
    """A spoilt model is refused, or is one that predicts."""
    try:
        model = modelfile.load(path)
    except HandgradError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return
    with np.errstate(all="ignore"):  # a weight of 1e38 is one
        assert (2, 3) == model.predict_probabilities(np.full((2, 6), 200, np.uint8)).shape


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_refused_or_harmless(flips, kept, path):
    spoilt = bytearray(kept)
    for place, mask in flips:
        spoilt[place % len(spoilt)] ^= mask
    path.write_bytes(spoilt)

    loads_or_is_refused(path)


def test_a_flip_of_any_byte_of_the_header_is_refused_or_harmless(kept, path):
    (length,) = struct.unpack("<Q", kept[:8])
    for place in range(8 + length):
        spoilt = bytearray(kept)
        spoilt[place] ^= 1 << place % 7
        path.write_bytes(spoilt)

        loads_or_is_refused(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(length=st.integers(0))
def test_a_file_cut_short_is_refused(length, kept, path):
    path.write_bytes(kept[: length % len(kept)])

    refused(path)


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"more than there was"])
def test_a_file_that_has_grown_is_refused(tail, kept, path):
    path.write_bytes(kept + tail)

    refused(path)


def test_many_images_are_read_in_parts(spots, monkeypatch):
    network = Network.fully_connected(16, (5,), 3)
    network.initialize(np.random.default_rng(0))
    model = modelfile.Model(network, spots.classes, spots.image_shape, spots.white, SoftmaxCrossEntropy())
    at_once = model.predict_probabilities(spots.training.images)
    monkeypatch.setattr(modelfile, "FLOAT_AT_ONCE", 7)

    np.testing.assert_allclose(model.predict_probabilities(spots.training.images), at_once, rtol=1e-5)
    assert (0, 3) == model.predict_probabilities(spots.training.images[:0]).shape
