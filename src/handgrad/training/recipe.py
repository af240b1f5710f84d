"""A recipe: everything that decides what a run ends with.

It is a frozen, typed value that is read from TOML and written back to it. Whatever cannot be trained is refused here,
in one sentence, before a file is touched. The recipes that ship stand in the folder `recipes`.
"""

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, final

import msgspec
import tomli_w

from handgrad import files
from handgrad.data.augment import PRESETS, Warps
from handgrad.data.normalization import Normalization
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.losses import LOSSES
from handgrad.engine.network import Network
from handgrad.engine.optimizers import OPTIMIZERS, Adam, Momentum, RMSProp
from handgrad.errors import HandgradError, UsageError

SCHEDULES = ("constant", "step", "exponential", "cosine", "one_cycle", "plateau")
"""Every schedule by its name."""

CLASS_WEIGHTS = ("none", "balanced")
"""Every way to weigh the classes by its name."""


@final
class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to make one network, from the data to the last update.

    Zero switches a number off where off makes sense: `l1`, `max_norm`, `early_stopping`, `averaging` and their like.

    Attributes:
        name: what the run is called.
        description: one line on what it is for.
        dataset: `mnist`, `fashion`, `digits`, or a folder of four IDX files.
        validation: the part of the training images set aside to choose by, in [0, 1).
        deskew: whether the network sees all images upright, in training and ever after.
        normalize_width: how far the digits' widths are made alike, in training and ever after, from 0 to 1.
        hidden_layer_sizes: neurons of each hidden layer, from the input on.
        activation: one for all hidden layers, or one for each.
        initializer: `auto` lets each activation decide.
        batch_norm: normalize before each activation.
        dropout: rate after each hidden layer.
        input_dropout: rate on the input.
        loss: what is made small.
        label_smoothing: of the cross-entropy.
        class_weight: `balanced` weighs each class by the inverse of its share.
        epochs: times every training image is seen.
        batch_size: images in an update.
        optimizer: the rule of the update.
        learning_rate: of the first update, or at the peak of a schedule that rises.
        momentum: of momentum and Nesterov.
        rho: of RMSProp.
        beta1: of Adam and AdamW.
        beta2: of Adam and AdamW.
        epsilon: of RMSProp, Adam and AdamW.
        weight_decay: decoupled from the gradient, with any optimiser; at 0 AdamW is Adam.
        schedule: how the learning rate changes.
        warmup: epochs of a linear rise before the cosine.
        final_learning_rate: where the cosine ends.
        decay_every: epochs between the steps of `step`, and in which `exponential` falls by one factor.
        decay_factor: of `step`, `exponential` and `plateau`.
        patience: epochs that `plateau` waits for the validation loss to fall.
        l1: strength of sum |w|.
        l2: strength of sum w^2 / 2.
        max_norm: longest vector of weights into one neuron.
        clip_norm: longest gradient.
        early_stopping: epochs without a better validation accuracy after which the run ends; its best epoch is kept.
        averaging: how much of the averaged weights each update leaves; they are what the run ends with.
        seed: of the start, the order of the images, their warps and the noise.
        teachers: models that it learns from besides the labels: files, folders of runs, or names of models that ship.
        temperature: what the teachers' logits and its own are divided by, where they are compared.
        soft_share: of the teachers in what is made small; the labels have the rest.
        augment: how far training images are warped, anew each time; a table, or `none`, `mild` or `strong`.
    """

    name: str = "custom"
    description: str = ""
    dataset: str = "mnist"
    validation: float = 0.0
    deskew: bool = False
    normalize_width: float = 0.0
    hidden_layer_sizes: tuple[int, ...] = (128, 64)
    activation: str | tuple[str, ...] = "relu"
    initializer: str = "auto"
    batch_norm: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weight: str = "none"
    epochs: int = 20
    batch_size: int = 32
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    rho: float = 0.99
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    final_learning_rate: float = 0.0
    decay_every: float = 10.0
    decay_factor: float = 0.1
    patience: int = 3
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    clip_norm: float = 0.0
    early_stopping: int = 0
    averaging: float = 0.0
    seed: int = 0
    teachers: tuple[str, ...] = ()
    temperature: float = 2.0
    soft_share: float = 0.5
    augment: Warps = Warps()

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: naming the field, its value, and what it may be.
        """
        for problem in chain(self._impossible_names(), self._impossible_numbers(), self._impossible_pairs()):
            raise UsageError(problem)

    def _impossible_names(self) -> Iterator[str]:
        if (
            len(self.name) > LONGEST_NAME
            or not self.name[:1].isalnum()
            or not all(c.isalnum() or c in "-_. " for c in self.name)
        ):
            yield (
                f"name = {self.name!r}: a recipe's name is up to {LONGEST_NAME} letters, digits, spaces and -_., "
                f"beginning with a letter or digit"
            )
        named = (("teachers", teacher) for teacher in self.teachers)
        for field, value in (("description", self.description), ("dataset", self.dataset), *named):
            if any("\ud800" <= c <= "\udfff" for c in value):  # what Python makes of a path that is not UTF-8
                yield f"{field} = {value!r}: it is not text in UTF-8, which a recipe is written in"
        if bad := [n for n in self.hidden_layer_sizes if not 1 <= n <= MOST_NEURONS]:
            yield f"hidden_layer_sizes holds {bad[0]}: a layer has 1 to {MOST_NEURONS:,} neurons"
        elif (weights := sum(below * above for below, above in pairwise(self.hidden_layer_sizes))) > MOST_WEIGHTS:
            yield f"hidden_layer_sizes asks for {weights:,} weights between hidden layers: at most {MOST_WEIGHTS:,}"
        yield from _unknown("initializer", self.initializer, ("auto", *INITIALIZERS))
        yield from _unknown("loss", self.loss, tuple(LOSSES))
        yield from _unknown("optimizer", self.optimizer, tuple(OPTIMIZERS))
        yield from _unknown("schedule", self.schedule, SCHEDULES)
        yield from _unknown("class_weight", self.class_weight, CLASS_WEIGHTS)
        activations = (self.activation,) if isinstance(self.activation, str) else self.activation
        for activation in activations:
            yield from _unknown("activation", activation, tuple(ACTIVATIONS))
        if not isinstance(self.activation, str) and len(activations) != len(self.hidden_layer_sizes):
            yield (
                f"activation names {len(activations)}: {len(self.hidden_layer_sizes)} hidden layers need "
                f"one for all or one for each"
            )

    def _impossible_numbers(self) -> Iterator[str]:
        for fields, fits, words in _RANGES:
            for field in fields:
                value = getattr(self, field)
                if not fits(value):
                    yield f"{field} = {value}: it is {words}"

    def _impossible_pairs(self) -> Iterator[str]:
        if self.label_smoothing and self.loss != "cross_entropy":
            yield f"label_smoothing = {self.label_smoothing}: only loss = 'cross_entropy' smooths labels"
        if self.teachers and self.loss != "cross_entropy":
            yield f"loss = {self.loss!r}: teachers and pupil are compared by loss = 'cross_entropy'"
        if self.schedule == "plateau" and not self.validation:
            yield "schedule = 'plateau' listens to the validation loss: set validation, 0.1 say"
        if self.early_stopping and not self.validation:
            yield f"early_stopping = {self.early_stopping} listens to the validation accuracy: set validation, 0.1 say"

    @property
    def normalization(self) -> Normalization:
        """What is taken away of images before the network sees them."""
        return Normalization(self.deskew, self.normalize_width)

    def network(self, n_in: int, n_out: int) -> Network:
        """Make the recipe's network for `n_in` pixels and `n_out` classes, every parameter zero."""
        return Network.fully_connected(
            n_in,
            self.hidden_layer_sizes,
            n_out,
            activation=self.activation,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
        )

    def optimizer_options(self) -> dict[str, float]:
        """Give the recipe's optimiser what it takes besides the learning rate and the decay, by name."""
        kind = OPTIMIZERS[self.optimizer]
        if issubclass(kind, Momentum):
            return {"momentum": self.momentum}
        if issubclass(kind, RMSProp):
            return {"rho": self.rho, "epsilon": self.epsilon}
        if issubclass(kind, Adam):
            return {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}
        return {}

    def to_toml(self) -> str:
        """Write every field, defaults too: a run's recipe says the same when a default has changed."""
        return tomli_w.dumps(msgspec.to_builtins(self))

    def but(self, **changes: Any) -> "Recipe":  # noqa: ANN401 - a field's type is checked as it is read
        """Make the same recipe with some fields changed.

        Raises:
            UsageError: an unknown field, a wrong type, or a value that cannot be trained.
        """
        return _convert(msgspec.to_builtins(self) | changes, "the recipe")


LONGEST_NAME = 60  # it names a folder, where 255 bytes are the usual limit
MOST_NEURONS = 100_000
MOST_WEIGHTS = 100_000_000
MOST_COUNTED = 2**31 - 1

_RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("validation", "dropout", "input_dropout", "label_smoothing", "momentum", "rho", "beta1", "beta2", "averaging"),
        lambda value: 0.0 <= value < 1.0,
        "a number from 0 up to, but not including, 1",
    ),
    (
        ("learning_rate", "epsilon", "temperature"),
        lambda value: 0.0 < value < math.inf,
        "a number above 0",
    ),
    (
        ("normalize_width", "soft_share"),
        lambda value: 0.0 <= value <= 1.0,
        "a number from 0 to 1",
    ),
    (
        ("decay_factor",),
        lambda value: 0.0 < value <= 1.0,
        "a number above 0 and up to 1",
    ),
    (
        ("decay_every",),
        lambda value: 0.0 < value <= MOST_COUNTED,
        f"a number above 0 and up to {MOST_COUNTED:,}",
    ),
    (
        ("warmup",),
        lambda value: 0.0 <= value <= MOST_COUNTED,
        f"a number from 0 to {MOST_COUNTED:,}",
    ),
    (
        ("weight_decay", "final_learning_rate", "l1", "l2", "max_norm", "clip_norm"),
        lambda value: 0.0 <= value < math.inf,
        "a number of at least 0",
    ),
    (
        ("epochs", "batch_size"),
        lambda value: 1 <= value <= MOST_COUNTED,
        f"a whole number from 1 to {MOST_COUNTED:,}",
    ),
    (
        ("patience", "early_stopping", "seed"),
        lambda value: 0 <= value <= MOST_COUNTED,
        f"a whole number from 0 to {MOST_COUNTED:,}",
    ),
)


def parse(text: str, origin: str) -> Recipe:
    """Read a recipe from TOML; what is not said keeps its default.

    Args:
        text: TOML.
        origin: what to call it in an error, such as the file's name.

    Raises:
        UsageError: not TOML, an unknown key, a wrong type, or a value that cannot be trained.
    """
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers too long and tables too deep
        raise UsageError(f"{origin} is not TOML: {_sentence(error)}") from error
    return _convert(fields, origin)


def read(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        HandgradError: the file cannot be read.
        UsageError: as `parse`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise HandgradError(f"cannot read the recipe {path}: {files.reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a recipe: it is not text in UTF-8") from error
    return parse(text, str(path))


def shipped() -> dict[str, Recipe]:
    """Read every recipe that ships with the package, by its name."""
    folder = resources.files("handgrad.training") / "recipes"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    recipes = [parse(file.read_text(encoding="utf-8"), file.name) for file in found]
    return {recipe.name: recipe for recipe in recipes}


def named(name: str) -> Recipe:
    """Find a recipe by the name of a shipped one or by the path of a TOML file.

    Raises:
        UsageError: neither exists, or the file is no recipe.
    """
    recipes = shipped()
    if name in recipes:
        return recipes[name]
    if name.endswith(".toml") or _is_file(Path(name)):
        return read(Path(name))
    raise UsageError(f"no recipe is called {name!r}; choose {', '.join(recipes)}, or give the path of a .toml file")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be looked into
        return False


def _convert(fields: dict[str, Any], origin: str) -> Recipe:
    _known(fields, Recipe.__struct_fields__, origin, "a recipe")
    match fields.get("augment"):
        case str(preset):
            for problem in _unknown("augment", preset, tuple(PRESETS)):
                raise UsageError(f"{origin}: {problem}, or give its ranges in a table")
            fields = fields | {"augment": msgspec.to_builtins(PRESETS[preset])}
        case dict(ranges):
            _known(ranges, Warps.__struct_fields__, origin, "augment")
    try:
        return msgspec.convert(fields, Recipe)
    except msgspec.ValidationError as error:
        raise UsageError(f"{origin}: {_sentence(error)}") from error
    except UsageError as error:
        raise UsageError(f"{origin}: {error}") from error


def _known(fields: Mapping[str, Any], known: Sequence[str], origin: str, owner: str) -> None:
    """Let through only fields that there are.

    Raises:
        UsageError: names the first other one, and what was perhaps meant.
    """
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise UsageError(f"{origin}: {unknown[0]!r} is no field of {owner}{_closest(unknown[0], known)}")


def _closest(name: str, known: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415 - imported late: only a typo needs it

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `handgrad recipes --show classic` prints them all"


def _unknown(field: str, value: str, choices: tuple[str, ...]) -> Iterator[str]:
    if value not in choices:
        yield f"{field} = {value!r}: choose {', '.join(choices[:-1])} or {choices[-1]}"


def _sentence(error: Exception) -> str:
    """Make `Expected `int`, got `str` - at `$.epochs`` read as one clause."""
    text, _, place = str(error).partition(" - at `$.")
    text = text.replace("`", "")
    return f"{place.rstrip('`')} is of the wrong type ({text[0].lower()}{text[1:]})" if place else text
