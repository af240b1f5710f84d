"""One process against several that share each step: python -m benchmarks.workers [--pairs N] [--members N].

Each pair trains one epoch of MNIST alone and one together, one right after the other, from the same start. The ratio is
taken pair by pair, so that a machine that is slow for a while is slow for both. Beside it stands the floor: the matrix
products of an epoch and nothing else, with one BLAS thread.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import numpy as np

from handgrad.data import sources
from handgrad.data.dataset import Dataset
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord
from handgrad.training.threads import limited

NETWORKS = ((128, 64), (1024, 512))
BATCHES = (32, 128, 512)
RATES = {"sgd": 0.1, "adam": 0.001}


def epoch(recipe: Recipe, dataset: Dataset, workers: int) -> EpochRecord:
    """Train one epoch; its record counts updates and gathering, and leaves starting and evaluation out."""
    (record,) = (r for r in Run(recipe, dataset, workers).records() if isinstance(r, EpochRecord))
    return record


def floor(sizes: Sequence[int], batch: int, images: int) -> float:
    """Seconds that an epoch's matrix products take alone, from the median of a hundred steps."""
    generator = np.random.default_rng(0)
    a = [generator.random((batch, size), np.float32) for size in sizes]
    W = [generator.random(shape, np.float32) for shape in pairwise(sizes)]
    delta, dW = [np.empty_like(x) for x in a], [np.empty_like(w) for w in W]
    seconds = []
    with limited(1):
        for _ in range(100):
            began = time.perf_counter()
            for l, w in enumerate(W):
                np.dot(a[l], w, out=delta[l + 1])
            for l in reversed(range(len(W))):
                np.dot(a[l].T, a[l + 1], out=dW[l])
                if l:
                    np.dot(a[l + 1], W[l].T, out=delta[l])
            seconds.append(time.perf_counter() - began)
    return median(seconds) * images / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--members", type=int, default=2)
    given = parser.parse_args()
    dataset = sources.load("mnist", notify=print)
    images = len(dataset.training)
    print(f"seconds an epoch of {images:,} images; ratio = alone / {given.members} together, of {given.pairs} pairs")
    print(f"{'network':18} {'batch':>5} {'update':6}  floor  alone  together  ratio: median   min   max")
    for hidden in NETWORKS:
        for batch in BATCHES:
            for optimizer, rate in RATES.items():
                recipe = Recipe(
                    hidden_layer_sizes=hidden, batch_size=batch, optimizer=optimizer, learning_rate=rate, epochs=1
                )
                pairs = []
                for _ in range(given.pairs):
                    alone, together = (epoch(recipe, dataset, workers) for workers in (1, given.members))
                    if abs(alone.test_accuracy - together.test_accuracy) > 0.02:
                        raise SystemExit(
                            f"{recipe}: {alone.test_accuracy:.2%} alone, {together.test_accuracy:.2%} together"
                        )
                    pairs.append((alone.seconds, together.seconds))
                ratios = [a / b for a, b in pairs]
                sizes = (784, *hidden, 10)
                print(
                    f"{'-'.join(map(str, sizes)):18} {batch:5} {optimizer:6}  {floor(sizes, batch, images):5.2f}  "
                    f"{median(a for a, _ in pairs):5.2f}  {median(b for _, b in pairs):8.2f}         "
                    f"{median(ratios):6.2f} {min(ratios):5.2f} {max(ratios):5.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
