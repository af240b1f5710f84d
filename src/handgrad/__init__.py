"""handgrad: neural networks by hand, for handwriting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.estimator import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class
    """Import the estimators, and scikit-learn with them, when they are first asked for (PEP 562).

    Raises:
        ImportError: scikit-learn is not installed, or too old.
    """
    if name in {"MLPClassifier", "MLPRegressor"}:
        try:
            from handgrad import estimator  # noqa: PLC0415 - imported late: scikit-learn is slow to load
        except ImportError as error:
            if (error.name or "").split(".")[0] not in {"sklearn", "scipy"}:
                raise
            raise ImportError(
                f"{name} needs scikit-learn 1.6 or newer: pip install --upgrade scikit-learn", name=error.name
            ) from error
        return getattr(estimator, name)
    raise AttributeError(f"module 'handgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
