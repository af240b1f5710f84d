import numpy as np
from benchmarks.cell import TrainingJob, products
from benchmarks.floor import Training


def test_the_floor_is_the_products_of_an_epoch_and_nothing_else(monkeypatch):
    job = TrainingJob(dataset="digits", images=100, hidden=(8, 6), batch=32, optimizer="sgd", learning_rate=0.1)
    floor = Training(job, threads=1)
    multiplied = []
    dot = np.dot

    def watched(a, b, out):
        multiplied.append((*a.shape, b.shape[1]))
        return dot(a, b, out=out)

    monkeypatch.setattr(np, "dot", watched)
    seconds = floor.turn()

    assert seconds > 0
    sizes = (64, 8, 6, 10)
    assert 3 * products(sizes, 32) + products(sizes, 4) == multiplied
    assert floor.outcome() is None


def test_no_number_grows_out_of_float32():
    job = TrainingJob(dataset="digits", images=64, hidden=(8,), batch=32, optimizer="sgd", learning_rate=0.1)
    floor = Training(job, threads=1)
    for _ in range(3):
        floor.turn()

    ((step, times),) = floor._steps
    assert 2 == times
    assert all(np.isfinite(array).all() for array in (*step._z[1:], *step._dW))
