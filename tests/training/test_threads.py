"""How many threads a step may use follows from its shapes, is held while a run goes on, and is given back."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import handgrad
from handgrad.engine.network import Network
from handgrad.training import threads
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.threads import blas_threads, limited

SMALL = Recipe(name="small", hidden_layer_sizes=(8,), epochs=2, batch_size=8)


def in_use() -> set[int]:
    """The number of threads of each BLAS that is loaded."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


needs_control = pytest.mark.skipif(not in_use(), reason="nobody can tell this BLAS how many threads to use")


@pytest.fixture(autouse=True)
def two_before():
    with threadpool_limits(limits=2, user_api="blas"):
        yield in_use()


@needs_control
def test_inside_it_is_what_was_asked_for_and_outside_what_was_before(two_before):
    with limited(1):
        assert {1} == in_use()
    assert two_before == in_use()


def test_it_is_given_back_after_an_error_too(two_before):
    with pytest.raises(KeyError), limited(1):
        raise KeyError

    assert two_before == in_use()


@needs_control
def test_blocks_in_several_threads_agree_and_the_last_restores(two_before):
    """threadpoolctl obeys the first of two threads alone; the second outlives it here."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with limited(1):
            entered.set()
            leave.wait()

    with ThreadPoolExecutor(1) as pool:
        other = limited(2)
        pool.submit(other.__enter__).result()  # and so that thread lives on
        held = threading.Thread(target=hold)
        held.start()
        entered.wait()
        both = in_use()
        pool.submit(other.__exit__, None, None, None).result()
        one = in_use()
        leave.set()
        held.join()
        assert ({1}, {1}, two_before) == (both, one, in_use())


@needs_control
def test_it_raises_the_number_only_where_it_may():
    with limited(1):
        pass
    with threadpool_limits(1, user_api="blas"):
        with limited(2, at_most=True):
            assert {1} == in_use()
        with limited(2):
            assert {2} == in_use()
        assert {1} == in_use()


def test_small_products_run_on_one_core_and_large_ones_on_all(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 6)
    network = Network.fully_connected(784, (128, 64), 10)
    largest = 2 * 784 * 128
    enough = -(-threads.ENOUGH // largest)

    assert 1 == blas_threads(network, 1)
    assert 1 == blas_threads(network, enough - 1)
    assert 6 == blas_threads(network, enough)
    assert 6 == blas_threads(network, 2**31)


def test_more_work_never_takes_fewer_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 6)
    for hidden in ((), (32,), (128, 64), (2048, 2048)):
        network = Network.fully_connected(784, hidden, 10)
        chosen = [blas_threads(network, 2**power) for power in range(20)]
        assert sorted(chosen) == chosen

    wider = [blas_threads(Network.fully_connected(64, (2**power,), 10), 64) for power in range(16)]
    assert sorted(wider) == wider
    assert {1, 6} == set(wider)


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert 3 == threads.cores()

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert 12 == threads.cores()

    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert 1 == threads.cores()


@needs_control
def test_a_run_holds_its_threads_until_it_ends(spots, two_before):
    run = Run(SMALL, spots)

    records = run.records()
    next(records)
    assert {1} == in_use()
    list(records)

    assert run.finished
    assert two_before == in_use()


def test_a_run_that_is_left_alone_gives_its_threads_back(spots, two_before):
    records = Run(SMALL, spots).records()
    next(records)

    records.close()

    assert two_before == in_use()


PROGRAM = """
import hashlib
import numpy as np
from handgrad.data.dataset import Examples, assemble
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
generator = np.random.default_rng(0)
examples = Examples(generator.integers(0, 256, (600, 784), dtype=np.uint8), generator.integers(0, 10, 600))
data = assemble("noise", examples, examples.take(np.arange(9)), image_shape=(28, 28), classes=tuple("0123456789"))
run = Run(Recipe(epochs=2, batch_size=64), data)
for _ in run.records():
    pass
print(hashlib.sha256(run.network.theta.tobytes()).hexdigest())
"""


def test_what_the_environment_asks_of_blas_changes_nothing():
    results = set()
    for number in ("1", "2"):
        variables = {"OMP_NUM_THREADS": number, "OPENBLAS_NUM_THREADS": number, "MKL_NUM_THREADS": number}
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | variables | {"PYTHONPATH": str(Path(handgrad.__file__).parents[1])},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert 0 == result.returncode, result.stderr
        results.add(result.stdout.strip())

    assert 1 == len(results)
