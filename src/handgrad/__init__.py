"""handgrad: neural networks by hand, for handwriting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handgrad.reading import read_digit, read_number

__version__ = "0.1.0"

__all__ = ["__version__", "read_digit", "read_number"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - it gives whatever has that name
    """Load what is offered here when it is asked for, so that `import handgrad` takes no time."""
    if name in ("read_digit", "read_number"):
        from handgrad import reading  # noqa: PLC0415 - imported late: see above

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
