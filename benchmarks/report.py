"""Results as they are shown: tables on the terminal, and the same tables and figures on the page docs/performance.md.

Between `<!-- measured: NAME -->` and `<!-- end -->` the page belongs to this file; every other line is its authors'.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import figures, training
from benchmarks.growth import GrowthResult
from benchmarks.inference import InferenceResult
from benchmarks.peers import PEERS
from benchmarks.results import Results
from benchmarks.startup import StartupResult
from benchmarks.table import Table, number, spread, verdicts
from benchmarks.training import FLOOR, AdamResult, CellResult, Line
from handgrad import files
from handgrad.errors import HandgradError
from handgrad.plots import file

if TYPE_CHECKING:
    from benchmarks.machine import Machine

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"
FOLDER: Final = ROOT / "docs" / "performance"
RESULTS: Final = FOLDER / "results.json"

FEW_CELLS = 4
"""So many cells of training are named; more are counted."""

_MARKED = re.compile(r"(?P<begin><!-- measured: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def rewritten(page: str, parts: Mapping[str, str]) -> str:
    """The page with each marked place filled anew; places without a part stay as they are.

    Raises:
        HandgradError: a part has no place on the page.
    """
    places = {match["name"] for match in _MARKED.finditer(page)}
    for name in parts:
        if name not in places:
            raise HandgradError(f"the page has no place for {name}: add <!-- measured: {name} --> and <!-- end -->")

    def fill(match: re.Match[str]) -> str:
        if match["name"] not in parts:
            return match[0]
        return f"{match['begin']}\n{parts[match['name']].strip()}\n\n{match['end']}"

    return _MARKED.sub(fill, page)


def write(results: Results, page: Path = PAGE, folder: Path = FOLDER) -> list[Path]:
    """Fill the page and draw the figures; return what was written.

    Raises:
        HandgradError: the page is not there, has lost a place, or cannot be written.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise HandgradError(f"cannot read the page {page}: {files.reason(error)}") from error
    files.make_folder(folder)
    written = []
    parts = parts_of(results)
    if results.cells:
        file.save(figures.ratios(results.in_order(), results.machine), folder / "training.png")
        written.append(folder / "training.png")
    if results.growth is not None:
        file.save(figures.growth(results.growth, results.machine), folder / "growth.png")
        written.append(folder / "growth.png")
    files.write(page, rewritten(text, parts).encode())
    return [*written, page]


def parts_of(results: Results) -> dict[str, str]:
    """What is said in each marked place, as Markdown, for everything that has been measured."""
    parts = {"machine": machine_lines(results)}
    cells = results.in_order()
    if cells:
        tables = [matrix(cells, sizes) for sizes in dict.fromkeys(result.cell.sizes for result in cells)]
        said = [f"**{table.title}**\n\n{table.markdown()}" for table in tables]
        parts["training"] = "\n\n".join(said + [f"- {line}" for line in remarks(cells)])
        if lines := summary_lines(results):
            parts["summary"] = summary_table(lines).markdown()
    if results.inference:
        tables = [
            inference_table(result) for _, result in sorted(results.inference.items(), key=lambda kv: -int(kv[0]))
        ]
        parts["inference"] = "\n\n".join(f"**{table.title}**\n\n{table.markdown()}" for table in tables)
    if results.startup is not None:
        tables = startup_tables(results.startup)
        parts["startup"] = "\n\n".join(f"**{table.title}**\n\n{table.markdown()}" for table in tables)
    return parts


def machine_lines(results: Results) -> str:
    """The machines and the versions, as a list, and what was measured on each."""
    found: dict[str, str] = {}
    for part in (*results.cells.values(), *results.inference.values()):
        found |= part.versions
    found.pop("handgrad", None)
    found.pop("numpy", None)
    peers = ", ".join(f"{name} {version}" for name, version in sorted(found.items()))
    machines: dict[Machine, list[str]] = {}
    for part, machine in results.made.items():
        machines.setdefault(machine, []).append(part)
    lines, before = [], ""
    for machine in sorted(machines, key=lambda machine: len(machines[machine]), reverse=True) or [results.machine]:
        told = (
            f"- {machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB; {machine.system}; "
            f"Python {machine.python}, NumPy {machine.numpy}, {machine.blas}"
        )
        if told != before:
            lines.append(before := told)
        parts = _together(machines.get(machine, []), results)
        lines.append(f"- {machine.day}, handgrad {machine.handgrad}" + (f": {parts}" if parts else ""))
    return "\n".join(lines + ([f"- {peers}"] if peers else []))


def _together(parts: list[str], results: Results) -> str:
    """Name parts; cells of training by their number, where there are many."""
    cells = [part for part in parts if part in results.cells]
    if len(cells) <= FEW_CELLS:
        return "; ".join(parts)
    return "; ".join([f"{len(cells)} cells of training", *(part for part in parts if part not in cells)])


def cell_table(result: CellResult) -> Table:
    """One cell, a line for each system: what the terminal shows as soon as it is measured."""
    rows = [
        (
            PEERS[row.peer].title,
            str(row.threads),
            number(row.seconds),
            *(("", "", "") if row.peer == training.OURS else spread(row.ratio.median, row.ratio.min, row.ratio.max)),
            "" if row.accuracy is None else f"{row.accuracy:.2%}",
            row.why_not or row.note,
        )
        for row in result.rows
    ]
    columns = ("", "threads", "s/epoch", "ratio", "min", "max", "test accuracy", "")
    return Table(f"{result.cell.name} ({result.epochs} epochs)", columns, rows)


def matrix(cells: list[CellResult], sizes: tuple[int, ...]) -> Table:
    """The cells of one network: a line each, a column for each system, median and in brackets least and most."""
    mine = [result for result in cells if result.cell.sizes == sizes]
    peers = [peer for peer in (*training.AGAINST, FLOOR) if any(result.row(peer) for result in mine)]
    rows = []
    for result in mine:
        ours = result.row(training.OURS)
        columns = [f"{result.cell.batch}", result.cell.optimizer, number(ours.seconds) if ours else "failed"]
        for peer in peers:
            row = result.row(peer)
            if row is None:
                columns.append("")
            elif row.why_not:
                columns.append("not counted")
            else:
                columns.append(f"{row.ratio.median:.2f} ({row.ratio.min:.2f}–{row.ratio.max:.2f})")
        rows.append(tuple(columns))
    titles = [PEERS[peer].title for peer in peers]
    return Table("-".join(map(str, sizes)), ("batch", "update", "handgrad, s", *titles), rows, words=2)


def remarks(cells: list[CellResult]) -> list[str]:
    """What a reader of the table should know, in sentences."""
    lines = []
    for result in cells:
        for row in result.rows:
            if row.why_not:
                lines.append(f"{result.cell.name}: {PEERS[row.peer].title} is {row.why_not}")
            elif row.note:
                lines.append(f"{result.cell.name}: {PEERS[row.peer].title}: {row.note}")
        lines += [f"{result.cell.name}: {PEERS[peer].title} failed: {why}" for peer, why in result.dropped.items()]
        lines += [f"{result.cell.name}: {note}" for note in result.notes]
    return lines


def inference_table(result: InferenceResult) -> Table:
    """One contest of prediction."""
    rows = [
        (
            row.label,
            str(row.threads),
            f"{row.seconds * 1e6:.1f}" if result.images == 1 else f"{row.seconds * 1e3:.2f}",
            *(("", "", "") if row.label == "handgrad" else spread(row.ratio.median, row.ratio.min, row.ratio.max)),
            f"{row.agreement:.2%}",
            row.why_not or row.note or "",
        )
        for row in result.rows
    ]
    unit = "µs" if result.images == 1 else "ms"
    columns = ("", "threads", unit, "ratio", "min", "max", "same classes", "")
    return Table(f"Prediction of {result.what}", columns, rows)


def startup_tables(result: StartupResult) -> list[Table]:
    """Starting, and memory."""
    ratio = result.ratio
    starting = [
        (label, f"{seconds:.3f}", *(spread(ratio.median, ratio.min, ratio.max) if ratio and i else ("", "", "")))
        for i, (label, seconds) in enumerate(result.seconds.items())
    ]
    memory = [
        (
            label,
            f"{peak.mib:.0f}",
            f"{peak.largest_mib:.0f}",
            str(peak.processes),
            f"{result.memory_ratio[label]:.2f}" if label in result.memory_ratio else "",
            f"{peak.seconds:.1f}",
        )
        for label, peak in result.peaks.items()
    ]
    return [
        Table("Starting", ("", "s", "ratio", "min", "max"), starting),
        Table(
            "Peak memory of a whole training of two epochs",
            ("", "MiB", "largest process", "processes", "over PyTorch's", "s"),
            memory,
        ),
    ]


def growth_tables(result: GrowthResult) -> list[Table]:
    """The points of each axis."""
    return [
        Table(
            name,
            (name, "threads", "ms", "min", "max", "predicted, ms", "measured / predicted"),
            [
                (
                    f"{p.x:,}",
                    str(p.threads),
                    *(number(1e3 * seconds) for seconds in (p.seconds, p.least, p.most, p.predicted)),
                    f"{p.seconds / p.predicted:.2f}",
                )
                for p in points
            ],
            words=0,
        )
        for name, points in result.axes.items()
    ]


def summary_lines(results: Results) -> list[Line]:
    """Everything that has a target."""
    lines = training.summary(results.in_order(), results.adam)
    for _, result in sorted(results.inference.items(), key=lambda kv: -int(kv[0])):
        if (row := result.fastest) is not None:
            ratio = row.ratio.median
            lines.append(
                Line(f"prediction of {result.what}, fastest peer", f"{ratio:.2f} ({row.label})", ">= 1", ratio >= 1)
            )
    if (start := results.startup) is not None:
        for label, ratio in start.memory_ratio.items():
            lines.append(Line(f"peak memory of {label}, over PyTorch's", f"{ratio:.2f}", "<= 0.5", ratio <= 0.5))
        if start.ratio is not None:
            share = 1 / start.ratio.median
            lines.append(Line("handgrad --help over import torch", f"{share:.2f}", "<= 0.25", share <= 0.25))
    return lines


def summary_table(lines: list[Line]) -> Table:
    """The targets."""
    return verdicts([(line.what, line.figure, line.target, line.reached) for line in lines])


def adam_table(adam: AdamResult) -> Table:
    """Handgrad against itself."""
    ratio = adam.ratio
    return Table(
        "784-128-64-10, batch 64: Adam's epoch over SGD's",
        ("sgd, s", "adam, s", "ratio", "min", "max"),
        [(number(adam.sgd_seconds), number(adam.adam_seconds), *spread(ratio.median, ratio.min, ratio.max))],
        words=0,
    )
