"""Small data of every kind, and both sides of the comparison."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression


@pytest.fixture(scope="session")
def ten_classes():
    """The 8x8 digits, from 0 to 1."""
    x, y = load_digits(return_X_y=True)
    return x[:400] / 16.0, y[:400]


@pytest.fixture(scope="session")
def two_classes(ten_classes):
    x, y = ten_classes
    return x, np.where(y > 4, "large", "small")


@pytest.fixture(scope="session")
def several_labels():
    return make_multilabel_classification(n_samples=120, n_features=8, n_classes=4, random_state=0)


@pytest.fixture(scope="session")
def one_number():
    x, y = make_regression(n_samples=150, n_features=6, random_state=0)
    return x, y / y.std()


@pytest.fixture(scope="session")
def two_numbers():
    x, y = make_regression(n_samples=150, n_features=6, n_targets=2, random_state=0)
    return x, y / y.std(axis=0)
