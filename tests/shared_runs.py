"""A run whose steps are cut into shares, and the same run taken whole."""

from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe

SMALL = Recipe(hidden_layer_sizes=(9, 6), batch_size=16, epochs=3, learning_rate=0.05, initializer="he")


def train(recipe, dataset, workers):
    run = Run(recipe, dataset, workers)
    for _ in run.records():
        pass
    return run


def train_undivided(recipe, dataset):
    run = Run(recipe, dataset)
    run.shares = 0
    for _ in run.records():
        pass
    return run
