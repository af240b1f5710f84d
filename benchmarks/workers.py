"""Who carries out the shares of a step: python -m benchmarks.workers [--rounds N] [--busy N].

Each round trains three epochs of MNIST with one process, with two, and with whatever the run finds out by itself, one
right after the other, and compares the last two of the three with the first's. `--busy` puts programs beside them that
want a core each. `docs/decisions/0005` says what follows from it.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from handgrad.data import sources
from handgrad.data.dataset import Dataset
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord

CELLS = (((128, 64), 64, "sgd", 0.1), ((128, 64), 64, "adam", 0.001))
WAYS = {"one": 1, "two": 2, "by itself": None}


def seconds(recipe: Recipe, dataset: Dataset, workers: int | None) -> float:
    """An epoch, after a first that starts the processes; updates and gathering count, evaluation does not."""
    records = Run(recipe, dataset, workers).records()
    _, *others = [record.seconds for record in records if isinstance(record, EpochRecord)]
    return sum(others) / len(others)


@contextmanager
def beside(busy: int) -> Iterator[None]:
    """Run so many programs that never rest."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=0)
    given = parser.parse_args()
    dataset = sources.load("mnist", notify=print)
    print(
        f"seconds an epoch; ratio = one process / each way, of {given.rounds} rounds; {given.busy} busy programs beside"
    )
    print("| network | batch | update | way | s | ratio | min | max |\n|---|---|---|---|---|---|---|---|")
    with beside(given.busy):
        for hidden, batch, optimizer, rate in CELLS:
            recipe = Recipe(
                hidden_layer_sizes=hidden, batch_size=batch, optimizer=optimizer, learning_rate=rate, epochs=3
            )
            times = [{way: seconds(recipe, dataset, n) for way, n in WAYS.items()} for _ in range(given.rounds)]
            name = "-".join(map(str, (784, *hidden, 10)))
            for way in WAYS:
                ratios = [round_["one"] / round_[way] for round_ in times]
                print(
                    f"| {name} | {batch} | {optimizer} | {way} | {median(round_[way] for round_ in times):.2f} "
                    f"| {median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
