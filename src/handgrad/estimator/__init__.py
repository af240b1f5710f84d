"""The face for scikit-learn: its neural networks' constructor, methods and attributes, over handgrad's engine.

`MLPClassifier` and `MLPRegressor` go where scikit-learn's own go. Read `fitting.py` for what a fit does,
`parameters.py` for what its parameters may be, and `docs/estimator.md` for what there is beyond the original.
"""

from handgrad.estimator.classifier import MLPClassifier
from handgrad.estimator.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
