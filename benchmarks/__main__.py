"""How fast handgrad is, beside the others: python -m benchmarks [training|inference|startup|growth|report] [--quick].

Without a command, everything is measured and written to docs/performance.md; that takes hours. `--quick` gives the
headline rows in under three minutes and writes nothing.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import growth, inference, machine, report, startup, training
from benchmarks import results as stored
from benchmarks.cell import NETWORKS, RATES, Cell, chosen
from benchmarks.contest import PROBES
from benchmarks.peers import PEERS
from benchmarks.results import Results
from benchmarks.table import console, show
from handgrad import models
from handgrad.errors import HandgradError, UsageError

QUICK_CELLS = (Cell("small", 64, "sgd"), Cell("small", 64, "adam"))
QUICK_PEERS = ("torch", "jax", "sklearn")  # the others compile for longer than three minutes allow
QUICK_READERS = ("onnx", "torch", "sklearn")
QUICK_ROUNDS, ROUNDS = 3, 5
ROOMS = ("training", "inference", "startup", "growth")
REMEDY = "pip install -e '.[bench]' brings it"
FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Notify = Callable[[str], None]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--quick", action="store_true", help="the headline rows, in under three minutes")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="counted turns of each system (5)")
    shared.add_argument("--json", type=Path, metavar="FILE", help="also put the results into this file")
    peers = argparse.ArgumentParser(add_help=False)
    peers.add_argument("--peers", metavar="NAME,...", help="whom to compare with; usually everyone installed")
    train = commands.add_parser("training", parents=[shared, peers], help="an epoch, cell by cell")
    train.add_argument("--network", action="append", default=[], metavar="|".join(NETWORKS), help="only this network")
    train.add_argument("--batch", action="append", type=int, default=[], metavar="N", help="only this batch")
    train.add_argument("--optimizer", action="append", default=[], metavar="|".join(RATES), help="only this rule")
    train.add_argument("--probes", type=int, default=PROBES, metavar="N", help="turns that choose the threads (2)")
    train.add_argument("--no-adam", action="store_true", help="leave out Adam's epoch over SGD's")
    predict = commands.add_parser("inference", parents=[shared, peers], help="10,000 images, and one")
    predict.add_argument("--model", metavar="FILE", help="a model file; usually the shipped classic")
    commands.add_parser("startup", parents=[shared], help="starting, and memory")
    commands.add_parser("growth", parents=[shared], help="cost over width, depth, batch and images")
    drawn = commands.add_parser("report", help="fill docs/performance.md from a results file")
    drawn.add_argument("file", type=Path, nargs="?", default=report.RESULTS)
    return parser


def present(given: str | None, among: Sequence[str], notify: Notify) -> list[str]:
    """The peers to compare with: those that were named, or all, without those that are not installed.

    Raises:
        UsageError: a name that is none.
    """
    names = list(among) if given is None else [name.strip() for name in given.split(",") if name.strip()]
    here = []
    for name in names:
        if name not in among:
            raise UsageError(f"--peers {name}: choose from {', '.join(among)}")
        if missing := PEERS[name].missing():
            notify(f"{PEERS[name].title} is left out: {' and '.join(missing)} not installed; {REMEDY}")
        else:
            here.append(name)
    return here


class Keeper:
    """The results so far, and the file that they are kept in, if any."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.results = Results(machine.here())
        if path is not None and path.exists():
            before = stored.read(path)
            before.machine = self.results.machine
            self.results = before

    def keep(self, part: str) -> None:
        """Note on what a part was measured, and save everything."""
        self.results.made[part] = self.results.machine
        if self._path is not None:
            stored.write(self._path, self.results)


def run_training(
    keeper: Keeper, cells: Sequence[Cell], peers: Sequence[str], rounds: int, probes: int, notify: Notify, *, adam: bool
) -> None:
    for number, cell in enumerate(cells):
        place = f"cell {number + 1} of {len(cells)}: {cell.name}"
        notify(place)
        result = training.measure(cell, peers, rounds, probes, lambda line, place=place: notify(f"{place}: {line}"))
        keeper.results.cells[cell.name] = result
        keeper.keep(cell.name)
        if result.rows:
            show(report.cell_table(result))
        for line in (*(f"{PEERS[p].title} failed: {why}" for p, why in result.dropped.items()), *result.notes):
            console(stderr=False).print(f"  {line}")
    if adam:
        keeper.results.adam = training.adam_over_sgd(rounds, probes, notify)
        keeper.keep(stored.ADAM)
        show(report.adam_table(keeper.results.adam))


def run_inference(keeper: Keeper, model: str, peers: Sequence[str], rounds: int, notify: Notify) -> None:
    for images in inference.CALLS:
        result = inference.measure(model, images, peers, rounds, notify)
        keeper.results.inference[str(images)] = result
        keeper.keep(f"prediction of {result.what}")
        show(report.inference_table(result))
        for label, why in result.dropped.items():
            console(stderr=False).print(f"  {label} failed: {why}")


def run_startup(keeper: Keeper, rounds: int, notify: Notify) -> None:
    keeper.results.startup = startup.measure(rounds, notify)
    keeper.keep(stored.STARTING)
    for table in report.startup_tables(keeper.results.startup):
        show(table)
    for package in keeper.results.startup.missing:
        notify(f"{package} is not installed, so handgrad stands alone; {REMEDY}")


def run_growth(keeper: Keeper, rounds: int, notify: Notify) -> None:
    keeper.results.growth = growth.measure(rounds, notify)
    keeper.keep(stored.GROWTH)
    for table in report.growth_tables(keeper.results.growth):
        show(table)


@contextmanager
def progress() -> Iterator[Notify]:
    """On a terminal, one line that says what is going on; elsewhere, a line for each thing that begins."""
    err = console(stderr=True)
    if not err.is_terminal:
        yield err.print
        return
    with err.status("") as status:
        yield status.update


def carry_out(given: argparse.Namespace, notify: Notify) -> Results:
    """Measure what the command line asks for.

    Raises:
        HandgradError, UsageError: it cannot be done, or not understood.
    """
    everything = given.command is None and not given.quick
    rounds = getattr(given, "rounds", QUICK_ROUNDS if given.quick else ROUNDS)
    if rounds < 1 or getattr(given, "probes", 1) < 1:
        raise UsageError("--rounds and --probes are at least 1")
    wanted = (given.command,) if given.command else ("training", "inference") if given.quick else ROOMS
    keeper = Keeper(report.RESULTS if everything else getattr(given, "json", None))
    console(stderr=False).print(report.machine_lines(stored.Results(keeper.results.machine)))
    if "training" in wanted:
        cells = (
            QUICK_CELLS if given.quick else chosen(*(getattr(given, n, []) for n in ("network", "batch", "optimizer")))
        )
        peers = present(getattr(given, "peers", None), QUICK_PEERS if given.quick else training.AGAINST, notify)
        adam = not given.quick and not getattr(given, "no_adam", False)
        run_training(
            keeper, cells, peers, rounds, 1 if given.quick else getattr(given, "probes", PROBES), notify, adam=adam
        )
    if "inference" in wanted:
        among = QUICK_READERS if given.quick else inference.AGAINST
        model = getattr(given, "model", None) or str(models.path("classic"))
        run_inference(keeper, model, present(getattr(given, "peers", None), among, notify), rounds, notify)
    if "startup" in wanted:
        run_startup(keeper, rounds, notify)
    if "growth" in wanted:
        run_growth(keeper, rounds, notify)
    if everything:
        report.write(keeper.results)
    return keeper.results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "report":
            written = report.write(stored.read(given.file))
            console(stderr=False).print(f"wrote {', '.join(path.name for path in written)}")
            return 0
        with progress() as notify:
            results = carry_out(given, notify)
        if lines := report.summary_lines(results):
            show(report.summary_table(lines))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (HandgradError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, UsageError) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
