"""A run so small that it is over at once, and what is asked of it again and again."""

import errno

import msgspec

from handgrad import modelfile, runs
from handgrad.training.recipe import Recipe

SMALL = Recipe(
    name="small", hidden_layer_sizes=(8,), epochs=4, batch_size=8, learning_rate=0.05, optimizer="adam", dropout=0.1
)
STEPS = 7


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def finish(run, folder, stop=lambda: False):
    return list(runs.conduct(run, folder, stop))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def without_time(history):
    return [msgspec.structs.replace(record, seconds=0.0, images_per_second=0.0) for record in history]


def ends_alike(expected, actual, folder):
    assert expected.network.theta.tobytes() == actual.network.theta.tobytes()
    assert without_time(expected.history) == without_time(actual.history) == without_time(runs.history_of(folder))
    assert expected.network.theta.tobytes() == modelfile.load(folder.model).network.theta.tobytes()
