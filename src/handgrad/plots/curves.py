"""The two curves of a run: how its loss fell and how its test accuracy rose.

One run shows its training beside its test; several runs are laid over one another. Each line ends in its last
value and its name, in its own colour, so that no legend is needed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.plots.style import DASHES, LINES, QUIET, head, new_figure, place, shorten, styled, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches, but for the last, which counts characters.
WIDTH, LEFT, TOP, BOTTOM = 8.0, 0.72, 0.9, 0.6
HEIGHT, NARROWEST = 3.0, 4.0  # of the axes
TO_LABEL, LINE_OF_TEXT = 0.16, 0.175
LONGEST_NAME = 34

EPOCH_STEPS = (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 10**9)

SOFTENING = 0.005  # shares of errors well below this stretch the accuracy axis no more, so that 100% has a place
ACCURACIES = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1)


class Epoch(Protocol):
    """What the curves read of an epoch's record: losses in nats, accuracies in 0..1."""

    @property
    def epoch(self) -> int: ...
    @property
    def training_loss(self) -> float: ...
    @property
    def training_accuracy(self) -> float: ...
    @property
    def validation_loss(self) -> float | None: ...
    @property
    def validation_accuracy(self) -> float | None: ...
    @property
    def test_accuracy(self) -> float: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """One line to be drawn, nan where there is nothing to draw; without a label it accompanies one that has it."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    label: str | None
    colour: str
    dashes: str
    width: float

    @property
    def end(self) -> tuple[float, float]:
        """The last point that can be drawn."""
        last = np.flatnonzero(np.isfinite(self.y))[-1]
        return float(self.x[last]), float(self.y[last])


def training_loss(histories: Mapping[str, Sequence[Epoch]]) -> "Figure":
    """Training loss by epoch, and validation loss where a run has one.

    Args:
        histories: the runs' names and their records, in the order of drawing.

    Raises:
        HandgradError: there is no run, or one of them has no epoch with a finite training loss.
    """
    _check(histories, lambda record: record.training_loss)
    alone = len(histories) == 1
    curves = []
    for (name, history), (dashes, colour) in zip(histories.items(), _looks(), strict=False):
        curves += _curve(history, lambda r: r.training_loss, "training" if alone else name, colour, dashes, 2.0)
        if alone:
            curves += _curve(history, lambda r: r.validation_loss, "validation", LINES[1], "-", 1.2)
        else:
            curves += _curve(history, lambda r: r.validation_loss, None, colour, ":", 1.2)
    values = np.concatenate([curve.y[np.isfinite(curve.y)] for curve in curves])
    log = values.min() > 0 and values.max() >= 5 * values.min()
    notes = [_runs(histories), "mean of each epoch, logarithmic scale" if log else "mean of each epoch"]
    if any(curve.label is None for curve in curves):
        notes.append("dotted: validation")
    with styled():
        return _draw("Training loss", notes, curves, _loss_text, _log_scale if log else _linear_scale)


def test_accuracy(histories: Mapping[str, Sequence[Epoch]]) -> "Figure":
    """Test accuracy by epoch; a single run has its training and validation accuracy beside it.

    The axis is stretched towards 100%: an equal step divides the errors by (almost) the same number, so that 97%
    and 98% are about as far apart as 70% and 80%.

    Args:
        histories: the runs' names and their records, in the order of drawing.

    Raises:
        HandgradError: there is no run, or one of them has no epoch with a test accuracy.
    """
    _check(histories, lambda record: record.test_accuracy)
    alone = len(histories) == 1
    curves = []
    for (name, history), (dashes, colour) in zip(histories.items(), _looks(), strict=False):
        if alone:
            curves += _curve(history, lambda r: r.training_accuracy, "training", LINES[-1], "-", 0.9)
            curves += _curve(history, lambda r: r.validation_accuracy, "validation", LINES[1], "-", 0.9)
        curves += _curve(history, lambda r: r.test_accuracy, "test" if alone else name, colour, dashes, 2.0)
    with styled():
        notes = [_runs(histories), "scale stretched towards 100%"]
        return _draw("Test accuracy", notes, curves, _accuracy_text, _accuracy_scale)


def _check(histories: Mapping[str, Sequence[Epoch]], read: Callable[[Epoch], float]) -> None:
    if not histories:
        raise HandgradError("there is no run to draw; name one run folder or more")
    for name, history in histories.items():
        if not any(isfinite(read(record)) for record in history):
            raise HandgradError(f"the run {name} has no finished epoch to draw; train it further, or leave it out")


def _looks() -> Iterator[tuple[str, str]]:
    """A dash pattern and a colour for each run: all colours solid first, then all of them dashed."""
    return cycle(product(DASHES, LINES))


def _curve(
    history: Sequence[Epoch],
    read: Callable[[Epoch], float | None],
    label: str | None,
    colour: str,
    dashes: str,
    width: float,
) -> list[_Curve]:
    """The curve of one field, or none when no epoch has a finite value of it."""
    x = np.array([record.epoch for record in history], dtype=np.float64)
    y = np.array([read(record) for record in history], dtype=np.float64)  # None becomes nan
    y[~np.isfinite(y)] = np.nan
    return [] if np.isnan(y).all() else [_Curve(x, y, label, colour, dashes, width)]


def _runs(histories: Mapping[str, Sequence[Epoch]]) -> str:
    """What is drawn, for the line under the title."""
    if len(histories) > 1:
        return f"{len(histories)} runs"
    ((name, history),) = histories.items()
    return f"{shorten(name, 2 * LONGEST_NAME)}, {len(history)} {'epoch' if len(history) == 1 else 'epochs'}"


def _draw(
    title: str,
    notes: Sequence[str],
    curves: Sequence[_Curve],
    say: Callable[[float, int], str],
    scale: Callable[["Axes", float, float], None],
) -> "Figure":
    from matplotlib.lines import Line2D  # noqa: PLC0415 - imported late: see `styled`

    figure = new_figure(WIDTH, TOP + HEIGHT + BOTTOM)
    inches = figure.dpi_scale_trans
    labelled = [(curve, shorten(curve.label, LONGEST_NAME)) for curve in curves if curve.label is not None]
    style: dict[str, Any] = {"va": "center", "transform": inches}
    said = _say_apart([curve.end[1] for curve, _ in labelled], say)
    values = [
        figure.text(0, 0, text, color=curve.colour, weight="bold", **style)
        for (curve, _), text in zip(labelled, said, strict=True)
    ]
    names = [figure.text(0, 0, name, color=c.colour, **style) for c, name in labelled]
    to_name = TO_LABEL + max(map(text_width, values)) + 0.08
    right = to_name + max(map(text_width, names)) + 0.15

    width = max(NARROWEST, WIDTH - LEFT - right)
    height = max(HEIGHT, LINE_OF_TEXT * len(labelled))
    figure.set_size_inches(LEFT + width + right, TOP + height + BOTTOM)
    head(figure, title, "  ·  ".join(notes), LEFT)
    axes = place(figure, LEFT, BOTTOM, width, height)
    for curve in curves:
        axes.plot(curve.x, curve.y, color=curve.colour, linestyle=curve.dashes, linewidth=curve.width)
        axes.plot(*curve.end, "o", color=curve.colour, markersize=2.5 + curve.width, clip_on=False)
    _number_epochs(axes, int(min(curve.x.min() for curve in curves)), int(max(curve.x.max() for curve in curves)))
    shown = np.concatenate([curve.y[np.isfinite(curve.y)] for curve in curves])
    scale(axes, float(shown.min()), float(shown.max()))

    ends = [axes.transData.transform(curve.end) / figure.dpi for curve, _ in labelled]
    rows = _spread([float(y) for _, y in ends], LINE_OF_TEXT, BOTTOM, BOTTOM + height)
    edge = LEFT + width
    for (curve, _), value, name, (x, y), row in zip(labelled, values, names, ends, rows, strict=True):
        value.set_position((edge + TO_LABEL, row))
        name.set_position((edge + to_name, row))
        if abs(row - y) > 0.02 or edge - x > 0.1:  # the label stands off its line: lead the eye
            way = ([x, edge, edge + TO_LABEL - 0.05], [y, y, row])
            figure.add_artist(Line2D(*way, color=curve.colour, linewidth=0.6, alpha=0.6, transform=inches))
    return figure


def _spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places nearest to those wanted, in their order, `gap` apart and within `low..high` if that has room."""
    groups: list[list[int]] = []  # of neighbours that touch
    middles: list[float] = []
    for i in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        group = [i]
        while True:
            half = gap * (len(group) - 1) / 2
            middle = sum(wanted[j] for j in group) / len(group)
            middle = max(min(middle, high - half), low + half)
            if not groups or middle - half - gap >= middles[-1] + gap * (len(groups[-1]) - 1) / 2 - 1e-9:
                break
            group = groups.pop() + group
            middles.pop()
        groups.append(group)
        middles.append(middle)
    places = [0.0] * len(wanted)
    for group, middle in zip(groups, middles, strict=True):
        for rank, i in enumerate(group):
            places[i] = middle + gap * (rank - (len(group) - 1) / 2)
    return places


def _number_epochs(axes: "Axes", first: int, last: int) -> None:
    axes.set_xlabel("epoch", color=QUIET)
    if first == last:
        axes.set_xlim(first - 0.5, last + 0.5)
        axes.set_xticks([first])
        return
    axes.set_xlim(first - 0.015 * (last - first), last)
    step = next(step for step in EPOCH_STEPS if last - first <= 10 * step)
    axes.set_xticks(sorted({first, *range(first + step - first % step, last + 1, step)}))


def _accuracy_scale(axes: "Axes", low: float, high: float) -> None:
    def stretch(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
        return -np.log10(np.maximum(1 - accuracy + SOFTENING, 1e-9))

    def relax(height: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 + SOFTENING - 10.0**-height

    axes.set_yscale("function", functions=(stretch, relax))
    low, high = stretch(np.array([low, high]))
    bottom, top = _margins(low, high, least=0.3 if low == high else 0.004)
    low, high = relax(np.array([bottom, top]))
    axes.set_ylim(low, high)
    _ticks(axes, [a for a in ACCURACIES if low <= a <= high], lambda a: f"{100 * a:.6g}%")


def _log_scale(axes: "Axes", low: float, high: float) -> None:
    axes.set_yscale("log")
    bottom, top = _margins(np.log10(low), np.log10(high), least=0.1)
    axes.set_ylim(10**bottom, 10**top)
    axes.minorticks_off()
    decades = range(int(np.floor(bottom)), int(np.ceil(top)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        ticks = [tick for tick in ticks if bottom <= np.log10(tick) <= top]
        if len(ticks) <= 9:
            break
    _ticks(axes, ticks, lambda loss: f"{loss:g}")


def _linear_scale(axes: "Axes", low: float, high: float) -> None:
    axes.set_ylim(*_margins(low, high, least=(0.5 if low == high else 0.001) * abs(high) or 1.0))
    _ticks(axes, [], lambda loss: f"{loss:g}")


def _margins(low: float, high: float, least: float) -> tuple[float, float]:
    """The ends of an axis that gives low..high some air, and shows no less than `least`."""
    air = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - air, high + air


def _ticks(axes: "Axes", ticks: Sequence[float], say: Callable[[float], str]) -> None:
    """Label these ticks where there is room between them; where fewer than three are in sight, evenly spaced ones."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - imported late: see `styled`

    if len(ticks) < 3:
        low, high = axes.get_ylim()
        ticks = [tick for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= tick <= high]
    room = LINE_OF_TEXT * axes.figure.dpi
    kept: list[float] = []
    lowest = np.inf
    for tick in sorted(ticks, reverse=True):
        height = axes.transData.transform((0, tick))[1]
        if lowest - height >= room:
            kept.append(tick)
            lowest = height
    axes.set_yticks(kept, [say(tick) for tick in kept])


def _say_apart(values: Sequence[float], say: Callable[[float, int], str]) -> list[str]:
    """The values as text, with up to three digits more than usual where two would look the same and are not."""
    for extra in range(4):
        texts = [say(value, extra) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def _loss_text(loss: float, extra: int) -> str:
    return f"{loss:.{4 + extra}f}" if loss >= 0.001 or loss == 0 else f"{loss:.{1 + extra}e}"


def _accuracy_text(accuracy: float, extra: int) -> str:
    text = f"{accuracy:.{2 + extra}%}"
    return ">99.99%" if accuracy < 1 and text.startswith("100") else text
