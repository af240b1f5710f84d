"""The figures of the page, in the manner of handgrad's own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.growth import GrowthResult, Point
from benchmarks.machine import Machine
from benchmarks.peers import PEERS
from benchmarks.training import AGAINST, FLOOR, CellResult
from handgrad.plots.style import FAINT, INK, LINES, QUIET, head, new_figure, place, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = ("o", "s", "D", "^", "v")
_TICKS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0)


def ratios(cells: Sequence[CellResult], machine: Machine) -> "Figure":
    """Every cell a row: how many times handgrad's time each system takes, the line at 1 being handgrad itself."""
    networks = list(dict.fromkeys(result.cell.sizes for result in cells))
    tallest = max(sum(result.cell.sizes == sizes for result in cells) for sizes in networks)
    rows = {sizes: [(r.cell.batch, r.cell.optimizer) for r in cells if r.cell.sizes == sizes] for sizes in networks}
    alike = all(row == rows[networks[0]] for row in rows.values())  # then the first panel's labels do for all
    row, panel, top, gap = 0.27, 3.9, 1.5, 0.25 if alike else 1.15
    height, width = top + tallest * row + 0.75, 1.35 + len(networks) * (panel + gap) + 0.1
    with styled():
        figure = new_figure(width, height)
        head(
            figure,
            "How many times as long as handgrad an epoch takes",
            f"MNIST; median of the rounds, with least and most. {machine.processor}, {machine.cores} cores, "
            f"the better of 1 and 2 threads for each.",
            0.25,
        )
        peers = [p for p in (*AGAINST, FLOOR) if any(result.row(p) for result in cells)]
        every = [r.ratio for result in cells for r in result.rows if r.peer in peers and not r.why_not]
        low = min(0.6, *(ratio.min for ratio in every)) * 0.93 if every else 0.6
        high = max(2.0, *(ratio.max for ratio in every)) * 1.08 if every else 2.0
        first: Axes | None = None
        for i, sizes in enumerate(networks):
            mine = [result for result in cells if result.cell.sizes == sizes]
            axes = place(figure, 1.35 + i * (panel + gap), height - top - len(mine) * row, panel, len(mine) * row)
            first = first or axes
            _ratio_panel(axes, mine, peers, labelled=i == 0 or not alike)
            if i:
                axes.set_ylabel("")
            axes.set_xlim(low, high)
            axes.set_xticks([t for t in _TICKS if low <= t <= high], [f"{t:g}" for t in _TICKS if low <= t <= high])
            axes.set_title("-".join(map(str, sizes)), loc="left", size=10, weight="bold", pad=8)
            axes.set_xlabel("time / handgrad's time", color=QUIET, size=8.5)
        if first is not None:
            _legend(figure, first, 0.25, 0.82)
        return figure


def _ratio_panel(axes: "Axes", cells: Sequence[CellResult], peers: Sequence[str], *, labelled: bool) -> None:
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.axvline(1.0, color=INK, linewidth=1.4, zorder=2, label="handgrad")
    for k, peer in enumerate(peers):
        found = [(y, r.ratio) for y, result in enumerate(cells) if (r := result.row(peer)) and not r.why_not]
        floor = peer == FLOOR
        color = FAINT if floor else LINES[k % len(LINES)]
        for y, ratio in found:
            axes.plot([ratio.min, ratio.max], [y, y], color=color, linewidth=1.2, alpha=0.55, zorder=3)
        axes.plot(
            [ratio.median for _, ratio in found],
            [y for y, _ in found],
            linestyle="none",
            marker="|" if floor else _MARKS[k % len(_MARKS)],
            markersize=11 if floor else 5.5,
            markeredgewidth=2.0 if floor else 0.8,
            markeredgecolor=QUIET if floor else "white",
            color=color,
            label=PEERS[peer].title,
            zorder=4,
        )
    for y in range(1, len(cells)):
        if cells[y].cell.batch != cells[y - 1].cell.batch:
            axes.axhline(y - 0.5, color=FAINT, linewidth=0.6, zorder=1)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    names = [f"{result.cell.batch}, {result.cell.optimizer}" for result in cells]
    axes.set_yticks(range(len(cells)), names if labelled else [""] * len(names))
    if labelled:
        axes.set_ylabel("batch, update rule", color=QUIET, size=8.5)


_PANELS = {
    "width": ("Width", "neurons in each of two hidden layers, batch 128", "ms a step"),
    "depth": ("Depth", "hidden layers of 256 neurons, batch 128", "ms a step"),
    "batch": ("Batch", "images in a batch, 784-128-64-10", "ms a step"),
    "images": ("Images", "training images, 784-128-64-10, batch 64", "ms an epoch"),
}


def growth(result: GrowthResult, machine: Machine) -> "Figure":
    """Four panels: what was measured as points, what arithmetic predicts as a line."""
    panel_w, panel_h, gap_x, gap_y, left, top = 3.55, 2.05, 0.95, 1.05, 0.8, 1.5
    width = left + 2 * panel_w + gap_x + 0.3
    height = top + 2 * panel_h + gap_y + 0.65
    with styled():
        figure = new_figure(width, height)
        head(
            figure,
            "How the cost of training grows",
            f"handgrad, plain SGD. Arithmetic predicts every matrix product at the {result.rate / 1e9:.0f} GFLOP/s "
            f"of one large one. {machine.processor}, {machine.cores} cores.",
            0.25,
        )
        first: Axes | None = None
        for number, (name, points) in enumerate(result.axes.items()):
            column, line = number % 2, number // 2
            axes = place(
                figure,
                left + column * (panel_w + gap_x),
                height - top - panel_h - line * (panel_h + gap_y),
                panel_w,
                panel_h,
            )
            if points:
                _growth_panel(axes, name, points)
                first = first or axes
        if first is not None:
            _legend(figure, first, 0.25, 0.82)
        return figure


def _growth_panel(axes: "Axes", name: str, points: Sequence[Point]) -> None:
    title, x_label, y_label = _PANELS.get(name, (name, name, "ms"))
    x = [point.x for point in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(visible=True, axis="both")
    axes.plot(
        x, [1e3 * p.predicted for p in points], color=INK, linewidth=1.4, label="as arithmetic predicts", zorder=2
    )
    axes.vlines(x, [1e3 * p.least for p in points], [1e3 * p.most for p in points], color=LINES[0], alpha=0.5, zorder=3)
    axes.plot(
        x,
        [1e3 * p.seconds for p in points],
        color=LINES[0],
        marker="o",
        markersize=5.5,
        markeredgecolor="white",
        linewidth=0.8,
        label="measured: median, least and most",
        zorder=4,
    )
    axes.set_title(title, loc="left", size=10, weight="bold", pad=8)
    axes.set_xlabel(x_label, color=QUIET, size=8.5)
    axes.set_ylabel(y_label, color=QUIET, size=8.5)
    axes.minorticks_off()
    axes.set_xticks(x, [f"{v // 1000}k" if v >= 10_000 else f"{v}" for v in x])
    low, high = axes.get_ylim()
    steps = (1, 3) if high / low > 100 else (1, 2, 5)
    ticks = [t for e in range(-3, 6) for step in steps if low <= (t := step * 10.0**e) <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])


def _legend(figure: "Figure", axes: "Axes", left: float, top: float) -> None:
    """What the marks in `axes` mean, in one line, its upper left corner so many inches from the figure's."""
    width, height = figure.get_size_inches()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - top / height),
        ncols=len(labels),
        frameon=False,
        handletextpad=0.5,
        columnspacing=1.6,
        borderpad=0,
        borderaxespad=0,
    )
