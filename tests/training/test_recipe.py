"""A recipe says what it means, keeps it through TOML, and refuses in one sentence what cannot be trained."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.augment import PRESETS, Warps
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout
from handgrad.engine.losses import LOSSES
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.errors import HandgradError, UsageError
from handgrad.training import recipe as recipes
from handgrad.training.recipe import CLASS_WEIGHTS, MOST_COUNTED, SCHEDULES, Recipe

SHARES = (
    "validation",
    "dropout",
    "input_dropout",
    "label_smoothing",
    "momentum",
    "rho",
    "beta1",
    "beta2",
    "averaging",
)
ABOVE_ZERO = ("learning_rate", "epsilon", "decay_every", "decay_factor")
STRENGTHS = ("weight_decay", "warmup", "final_learning_rate", "l1", "l2", "max_norm", "clip_norm")
COUNTS = ("epochs", "batch_size")
COUNTS_OR_NONE = ("patience", "early_stopping", "seed")
NAMES = {
    "initializer": ("auto", *INITIALIZERS),
    "loss": tuple(LOSSES),
    "optimizer": tuple(OPTIMIZERS),
    "schedule": SCHEDULES,
    "class_weight": CLASS_WEIGHTS,
    "activation": tuple(ACTIVATIONS),
}

shares = st.floats(0.0, 1.0, exclude_max=True)
strengths = st.floats(0.0, allow_infinity=False, allow_nan=False)
above_zero = st.floats(0.0, exclude_min=True, allow_infinity=False, allow_nan=False)
text = st.text(st.characters(codec="utf-8"))


@st.composite
def possible(draw):
    """Any recipe that is not refused."""
    loss = draw(st.sampled_from(list(LOSSES)))
    validation = draw(shares)
    sizes = draw(st.lists(st.integers(1, 1000), max_size=3))
    each = st.lists(st.sampled_from(list(ACTIVATIONS)), min_size=len(sizes), max_size=len(sizes)).map(tuple)
    schedules = [name for name in SCHEDULES if validation or name != "plateau"]
    fields = {
        "name": draw(st.sampled_from("aZ0é")) + draw(st.text("aZ0é-_. ", max_size=59)),
        "description": draw(text),
        "dataset": draw(text),
        "validation": validation,
        "hidden_layer_sizes": tuple(sizes),
        "activation": draw(st.sampled_from(list(ACTIVATIONS)) | each),
        "initializer": draw(st.sampled_from(NAMES["initializer"])),
        "batch_norm": draw(st.booleans()),
        "loss": loss,
        "label_smoothing": draw(shares) if loss == "cross_entropy" else 0.0,
        "class_weight": draw(st.sampled_from(CLASS_WEIGHTS)),
        "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
        "schedule": draw(st.sampled_from(schedules)),
        "learning_rate": draw(above_zero),
        "epsilon": draw(above_zero),
        "decay_factor": draw(st.floats(0.0, 1.0, exclude_min=True)),
        "decay_every": draw(st.floats(0.0, MOST_COUNTED, exclude_min=True)),
        "warmup": draw(st.floats(0.0, MOST_COUNTED)),
        "early_stopping": draw(st.integers(0, MOST_COUNTED)) if validation else 0,
        "patience": draw(st.integers(0, MOST_COUNTED)),
        "seed": draw(st.integers(0, MOST_COUNTED)),
        "augment": draw(st.sampled_from(list(PRESETS.values())) | st.builds(Warps, scale=st.floats(0.0, 0.9))),
    }
    fields |= {name: draw(st.integers(1, MOST_COUNTED)) for name in COUNTS}
    fields |= {
        name: draw(shares) for name in ("dropout", "input_dropout", "momentum", "rho", "beta1", "beta2", "averaging")
    }
    fields |= {name: draw(strengths) for name in ("weight_decay", "final_learning_rate", "l1", "l2", "max_norm")}
    return Recipe(**fields)


@given(possible())
def test_toml_gives_back_what_was_written(recipe):
    assert recipe == recipes.parse(recipe.to_toml(), "written")


def test_toml_names_every_field():
    assert list(Recipe.__struct_fields__) == list(tomllib.loads(Recipe().to_toml()))


def test_what_is_not_said_keeps_its_default():
    assert Recipe(epochs=3) == recipes.parse("epochs = 3", "short")
    assert Recipe() == recipes.parse("", "empty")


def test_a_whole_number_may_stand_for_a_fraction():
    recipe = recipes.parse("learning_rate = 1", "whole")

    assert 1.0 == recipe.learning_rate
    assert isinstance(recipe.learning_rate, float)


def refused(**fields) -> str:
    with pytest.raises(UsageError) as caught:
        Recipe().but(**fields)
    sentence = str(caught.value)
    assert sentence.startswith("the recipe: ")
    assert "\n" not in sentence
    return sentence.removeprefix("the recipe: ")


@pytest.mark.parametrize("field", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.0, 2.0, math.nan, math.inf, -math.inf])
def test_a_share_lies_from_0_up_to_1(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: it is a number from 0 up to")


@pytest.mark.parametrize("field", ABOVE_ZERO)
@pytest.mark.parametrize("value", [-0.1, 0.0, math.nan, math.inf])
def test_what_divides_or_drives_is_above_0(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: it is a number above 0")


@pytest.mark.parametrize("field", STRENGTHS)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_strength_is_at_least_0(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: it is a number ")


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [0, -1, MOST_COUNTED + 1, 10**30])
def test_a_count_starts_at_1(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: it is a whole number from 1 ")


@pytest.mark.parametrize("field", COUNTS_OR_NONE)
@pytest.mark.parametrize("value", [-1, MOST_COUNTED + 1])
def test_a_count_that_may_be_off_starts_at_0(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: it is a whole number from 0 ")


@pytest.mark.parametrize(
    ("field", "value"), [("decay_factor", 1.5), ("decay_every", 1e300), ("warmup", 1e300), ("decay_factor", 1e300)]
)
def test_a_schedule_cannot_leave_the_numbers(field, value):
    assert refused(**{field: value}).startswith(f"{field} = {value}: ")


@pytest.mark.parametrize("field", NAMES)
def test_an_unknown_name_is_answered_by_the_known_ones(field):
    sentence = refused(**{field: "quantum"})

    assert sentence.startswith(f"{field} = 'quantum': choose ")
    assert [] == [name for name in NAMES[field] if name not in sentence]


@pytest.mark.parametrize("sizes", [(0,), (128, 0), (-1,), (100_001,)])
def test_a_layer_has_a_neuron_and_not_too_many(sizes):
    assert f"hidden_layer_sizes holds {sizes[-1]}: a layer has 1 to 100,000 neurons" == refused(
        hidden_layer_sizes=sizes
    )


def test_layers_that_no_memory_holds_are_refused():
    sentence = refused(hidden_layer_sizes=(100_000, 100_000))

    assert "hidden_layer_sizes asks for 10,000,000,000 weights between hidden layers: at most 100,000,000" == sentence


@pytest.mark.parametrize("name", ["", "a/b", "..\\b", "..", " ", "-", "a\nb", "a\0", "x" * 61])
def test_a_name_can_name_a_folder(name):
    assert refused(name=name).startswith(f"name = {name!r}: a recipe's name is ")


@pytest.mark.parametrize("field", ["description", "dataset"])
def test_a_path_that_no_text_can_hold_is_refused(field):
    assert f"{field} = 'a\\udcff': it is not text in UTF-8, which a recipe is written in" == refused(
        **{field: "a\udcff"}
    )


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("sgd", {}),
        ("momentum", {"momentum": 0.5}),
        ("nesterov", {"momentum": 0.5}),
        ("rmsprop", {"rho": 0.6, "epsilon": 0.1}),
        ("adam", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.1}),
        ("adamw", {"beta1": 0.7, "beta2": 0.8, "epsilon": 0.1}),
    ],
)
def test_an_optimizer_is_given_what_it_takes(optimizer, options):
    recipe = Recipe(optimizer=optimizer, momentum=0.5, rho=0.6, beta1=0.7, beta2=0.8, epsilon=0.1)

    assert options == recipe.optimizer_options()
    made = OPTIMIZERS[optimizer](3, **options)
    assert options == {name: getattr(made, name) for name in options}


@pytest.mark.parametrize("activation", [(), ("relu",), ("relu", "tanh", "elu")])
def test_activations_are_one_for_all_or_one_for_each(activation):
    assert f"activation names {len(activation)}: 2 hidden layers need one for all or one for each" == refused(
        activation=activation
    )


def test_one_unknown_activation_of_several_is_found():
    assert refused(activation=("relu", "quantum")).startswith("activation = 'quantum': choose ")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"label_smoothing": 0.1, "loss": "squared_error"},
            "label_smoothing = 0.1: only loss = 'cross_entropy' smooths labels",
        ),
        ({"schedule": "plateau"}, "schedule = 'plateau' listens to the validation loss: set validation, 0.1 say"),
        (
            {"early_stopping": 4},
            "early_stopping = 4 listens to the validation accuracy: set validation, 0.1 say",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(fields, sentence):
    assert sentence == refused(**fields)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epochs", "3", "expected int, got str"),
        ("epochs", 3.0, "expected int, got float"),
        ("epochs", True, "expected int, got bool"),
        ("learning_rate", "0.1", "expected float, got str"),
        ("learning_rate", True, "expected float, got bool"),
        ("learning_rate", 10**400, "number out of range"),
        ("batch_norm", 1, "expected bool, got int"),
        ("name", 3, "expected str, got int"),
        ("schedule", 3, "expected str, got int"),
        ("activation", 3, "expected str | array, got int"),
        ("hidden_layer_sizes", 128, "expected array, got int"),
    ],
)
def test_a_wrong_type_is_named(field, value, words):
    assert f"{field} is of the wrong type ({words})" == refused(**{field: value})


def test_a_wrong_type_inside_a_list_is_named():
    assert "hidden_layer_sizes[1] is of the wrong type (expected int, got str)" == refused(hidden_layer_sizes=[1, "a"])


def test_but_changes_what_it_is_told_and_no_more():
    recipe = Recipe(epochs=3, seed=4)

    assert Recipe(epochs=3, seed=5) == recipe.but(seed=5)
    assert Recipe(epochs=3, seed=4) == recipe


def test_an_unknown_field_is_met_by_the_nearest():
    assert "'learning_rat' is no field of a recipe; did you mean 'learning_rate'?" == refused(learning_rat=1.0)
    assert "'xyzzy' is no field of a recipe; `handgrad recipes --show classic` prints them all" == refused(xyzzy=1)


@pytest.mark.parametrize(
    "toml",
    [
        "epochs",
        "epochs = ",
        "epochs = 1\nepochs = 2",
        "epochs = " + "1" * 5000,
        "a = " + "[" * 100_000,
        "\0",
    ],
)
def test_what_is_not_toml_is_refused(toml):
    with pytest.raises(UsageError, match=r"^somewhere is not TOML: "):
        recipes.parse(toml, "somewhere")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_a_recipe_or_a_sentence(toml):
    try:
        written = recipes.parse(toml, "somewhere").to_toml()
    except UsageError as error:
        assert str(error).startswith("somewhere")  # noqa: PT017 - either outcome is right
    else:
        assert recipes.parse(toml, "again") == recipes.parse(written, "written")


def test_every_shipped_recipe_parses_and_makes_its_network():
    shipped = recipes.shipped()

    assert "classic" in shipped
    for name, recipe in shipped.items():
        assert name == recipe.name
        assert recipe.description
        network = recipe.network(784, 10)
        assert (784, 10) == (network.n_in, network.n_out)


def test_classic_is_the_notebooks_own():
    classic = recipes.named("classic")

    assert (128, 64) == classic.hidden_layer_sizes
    assert ("relu", "he", "sgd", "constant") == (
        classic.activation,
        classic.initializer,
        classic.optimizer,
        classic.schedule,
    )
    assert (0.0, 0.0, 0.0) == (classic.dropout, classic.l2, classic.validation)


def test_a_recipe_is_named_by_its_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nepochs = 2\n', encoding="utf-8")
    bare = path.rename(tmp_path / "bare")

    assert Recipe(name="mine", epochs=2) == recipes.named(str(bare))
    path.write_bytes(bare.read_bytes())
    assert Recipe(name="mine", epochs=2) == recipes.named(str(path))


@pytest.mark.parametrize("name", ["quantum", "", "\0", "x" * 5000])
def test_an_unknown_recipe_is_met_by_the_known_ones(name):
    with pytest.raises(UsageError, match=r"^no recipe is called .* classic.*, or give the path of a .toml file"):
        recipes.named(name)


def test_a_recipe_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "none.toml"

    with pytest.raises(HandgradError) as caught:
        recipes.named(str(path))

    assert f"cannot read the recipe {path}: no such file or directory" == str(caught.value)


def test_a_file_that_is_not_text_is_no_recipe(tmp_path):
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")

    with pytest.raises(UsageError) as caught:
        recipes.read(path)

    assert f"{path} is not a recipe: it is not text in UTF-8" == str(caught.value)


def test_what_is_wrong_in_a_file_is_told_with_its_path(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("epochs = 0", encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        recipes.read(path)

    assert str(caught.value).startswith(f"{path}: epochs = 0: ")


def test_a_network_has_the_layers_that_were_asked_for():
    recipe = Recipe(
        hidden_layer_sizes=(7, 5), activation=("tanh", "gelu"), batch_norm=True, dropout=0.5, input_dropout=0.2
    )

    layers = recipe.network(9, 3).layers

    assert (
        Dropout(9, 0.2),
        Dense(9, 7, bias=False),
        BatchNorm(7),
        Activate(7, ACTIVATIONS["tanh"]),
        Dropout(7, 0.5),
        Dense(7, 5, bias=False),
        BatchNorm(5),
        Activate(5, ACTIVATIONS["gelu"]),
        Dropout(5, 0.5),
        Dense(5, 3),
    ) == layers
    assert np.dtype("float32") == recipe.network(9, 3).dtype


def test_a_network_may_have_no_hidden_layer():
    assert (Dense(9, 3),) == Recipe(hidden_layer_sizes=()).network(9, 3).layers
    assert (Dense(9, 3),) == Recipe(hidden_layer_sizes=(), activation=()).network(9, 3).layers


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_of_warps_may_be_called_by_its_name(name):
    recipe = recipes.parse(f"augment = '{name}'", "named")

    assert PRESETS[name] == recipe.augment
    assert recipe == Recipe().but(augment=name)
    assert PRESETS[name] == recipe.but(epochs=3).augment


def test_ranges_of_warps_are_a_table():
    recipe = recipes.parse("[augment]\nrotation = 9\nelastic = 0.5", "table")

    assert Warps(rotation=9.0, elastic=0.5) == recipe.augment


def test_impossible_warps_are_refused():
    assert "augment = 'wild': choose none, mild or strong, or give its ranges in a table" == refused(augment="wild")
    assert "'rotatio' is no field of augment; did you mean 'rotation'?" == refused(augment={"rotatio": 1.0})
    assert "augment.scale = -0.1: it is a number from 0 to 0.9" == refused(augment={"scale": -0.1})
    assert "augment.rotation is of the wrong type (expected float, got str)" == refused(augment={"rotation": "9"})
    assert "augment is of the wrong type (expected object, got int)" == refused(augment=3)


def test_a_recipe_stays_as_it_is():
    with pytest.raises(AttributeError):
        Recipe().epochs = 3


def test_a_recipe_tells_every_field_in_its_docstring():
    told = [line.split(":")[0].strip() for line in Recipe.__doc__.split("Attributes:")[1].splitlines()]

    assert [] == [field for field in Recipe.__struct_fields__ if field not in told]


def test_a_folder_is_no_recipe(tmp_path):
    folder = tmp_path / "folder.toml"
    folder.mkdir()

    with pytest.raises(HandgradError, match=r"^cannot read the recipe "):
        recipes.named(str(folder))
    with pytest.raises(UsageError, match=r"^no recipe is called "):
        recipes.named(str(Path(folder).parent))
