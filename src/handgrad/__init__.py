"""Neural networks by hand, for handwriting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.estimator import MLPClassifier, MLPRegressor
    from handgrad.reading import read_digit, read_number

__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "read_digit", "read_number"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    """Load what is offered here when it is first asked for, so that `import handgrad` takes no time (PEP 562).

    Raises:
        ImportError: an estimator was asked for, and scikit-learn is not installed, or too old.
        AttributeError: nothing here has this name.
    """
    if name in {"read_digit", "read_number"}:
        from handgrad import reading  # noqa: PLC0415 - imported late: see above

        return getattr(reading, name)
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
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
