"""A fit lowers the number of BLAS threads, never raises it, and the last to leave restores it."""

import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV
from threadpoolctl import ThreadpoolController

from handgrad import MLPClassifier
from handgrad.engine.network import Network
from handgrad.estimator import cores

SMALL = Network.fully_connected(4, (3,), 2)
WIDE = Network.fully_connected(2000, (2000,), 2)


class Library:
    """Stands for a BLAS."""

    def __init__(self, num_threads):
        self.num_threads = num_threads

    def set_num_threads(self, number):
        self.num_threads = number


@pytest.fixture
def library(monkeypatch):
    blas = Library(8)
    monkeypatch.setattr("handgrad.training.threads.libraries", lambda: [blas])
    monkeypatch.setattr(cores, "libraries", lambda: [blas])
    monkeypatch.setattr("handgrad.training.threads.cores", lambda: 4)
    return blas


def test_a_fit_takes_what_suits_it(library):
    for network, threads in ((SMALL, 1), (WIDE, 4)):
        with cores.shared(network, 64):
            assert threads == library.num_threads
        assert 8 == library.num_threads


def test_a_fit_never_takes_more_than_it_finds(library):
    library.num_threads = 2
    with cores.shared(WIDE, 64):
        assert 2 == library.num_threads
    assert 2 == library.num_threads


def test_beside_the_main_thread_a_fit_takes_one(library):
    seen = []

    def fit():
        with cores.shared(WIDE, 64):
            seen.append(library.num_threads)

    thread = threading.Thread(target=fit)
    thread.start()
    thread.join()
    assert ([1], 8) == (seen, library.num_threads)


def test_the_last_to_leave_restores_what_the_first_found(library):
    first, second = cores.shared(WIDE, 64), cores.shared(SMALL, 8)
    first.__enter__()
    second.__enter__()
    assert 1 == library.num_threads
    first.__exit__(None, None, None)
    assert 1 == library.num_threads
    second.__exit__(None, None, None)
    assert 8 == library.num_threads


def test_a_divided_step_takes_one(library):
    with cores.shared(WIDE, 64, divided=True):
        assert 1 == library.num_threads
    assert 8 == library.num_threads


def test_another_process_is_taken_by_the_main_thread_of_a_program_with_cores(library, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/somewhere/bin/python3.13")
    assert cores.may_take_another()

    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(cores.may_take_another).result()
    with monkeypatch.context() as changed:
        changed.setattr(multiprocessing.current_process(), "name", "LokyProcess-1")
        assert not cores.may_take_another()
    with monkeypatch.context() as changed:
        changed.setattr(multiprocessing, "parent_process", lambda: "a pool's")
        assert not cores.may_take_another()
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", "/usr/bin/uwsgi")
        assert not cores.may_take_another()
    library.num_threads = 1
    assert not cores.may_take_another()


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib_keeps_its_workers_to_one_process(backend):
    answers = Parallel(n_jobs=2, backend=backend)(delayed(_may_take_another)() for _ in range(2))
    assert [False, False] == answers


def _may_take_another():
    return cores.may_take_another()


def test_fits_in_threads_agree_with_fits_alone(ten_classes):
    x, y = ten_classes

    def fit(seed):
        return MLPClassifier((8,), max_iter=3, random_state=seed, callbacks=lambda r: r.epoch == 3).fit(x, y).coefs_[0]

    before = [library.num_threads for library in ThreadpoolController().select(user_api="blas").lib_controllers]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(8)))
    for seed, weights in enumerate(together):
        np.testing.assert_allclose(fit(seed), weights, rtol=1e-9)
    after = [library.num_threads for library in ThreadpoolController().select(user_api="blas").lib_controllers]
    assert before == after


@pytest.mark.filterwarnings("ignore")
def test_a_search_in_several_processes(ten_classes):
    grid = {"hidden_layer_sizes": [(4,), (16,)], "solver": ["adam", "lbfgs"]}
    estimator = MLPClassifier(max_iter=15, random_state=0)
    alone, together = (GridSearchCV(estimator, grid, cv=2, n_jobs=jobs).fit(*ten_classes) for jobs in (None, 2))
    np.testing.assert_allclose(alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"], atol=0.01)
    assert alone.best_params_ == together.best_params_
