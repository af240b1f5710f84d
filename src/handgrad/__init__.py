"""handgrad: neural networks by hand, for handwriting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.estimator import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class
    """Import the estimators, and scikit-learn with them, when they are first asked for (PEP 562)."""
    if name in {"MLPClassifier", "MLPRegressor"}:
        from handgrad import estimator  # noqa: PLC0415 - imported late: scikit-learn is slow to load

        return getattr(estimator, name)
    raise AttributeError(f"module 'handgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
