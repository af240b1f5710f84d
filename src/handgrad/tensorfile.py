"""Named arrays and a header of JSON in one safetensors file: what models and checkpoints are made of.

Nothing is unpickled. A file is looked over (its size, header, names, shapes and types) before any array is allocated.
The header stands under a single key, because the format keeps no order among several and the same run must give the
same bytes.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

import handgrad
from handgrad import files
from handgrad.errors import HandgradError

_KEY = "handgrad"
_TYPES = ("F16", "F32", "F64", "I32")  # what models and checkpoints are made of


@final
class TensorFile:
    """An open file: its header is read, its arrays are not until asked for."""

    def __init__(self, path: Path, header: Mapping[str, Any], handle: Any) -> None:  # noqa: ANN401 - safetensors has no type for it
        self.path = path
        self.header = header
        self._handle = handle
        self.names: frozenset[str] = frozenset(handle.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape that the header states."""
        return tuple(self._handle.get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """The type that the header states, as safetensors calls it: F32, F64, I64, ..."""
        return str(self._handle.get_slice(name).get_dtype())

    def array(self, name: str) -> NDArray[Any]:
        """Read one array.

        Raises:
            HandgradError: there is none of this name, or it is of a type that handgrad does not write.
        """
        if name not in self.names or self.dtype(name) not in _TYPES:
            raise HandgradError(f"{self.path} is damaged: it holds no array {name!r} of type {', '.join(_TYPES)}")
        array: NDArray[Any] = self._handle.get_tensor(name)
        return array


def write(path: Path, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the file, whole or not at all; the same content gives the same bytes.

    Raises:
        HandgradError: it cannot be written there.
    """
    from safetensors.numpy import save  # noqa: PLC0415 - imported late: the command line starts without it

    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    files.write(path, save(contiguous, metadata={_KEY: json.dumps(header, sort_keys=True)}))


@contextmanager
def opened(path: Path, kind: str) -> Iterator[TensorFile]:
    """Open a file and read its header.

    Args:
        path: of the file.
        kind: what its header's `format` must say; also what to call it in an error.

    Raises:
        HandgradError: no such file, not a safetensors file, or one of another kind.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - imported late: the command line starts without it

    one = f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
    try:
        if not path.is_file():
            raise HandgradError(f"there is no {kind} at {path}; check the path")
        with safe_open(path, framework="numpy") as handle:
            header = _parsed((handle.metadata() or {}).get(_KEY, "null"))
            if not isinstance(header, dict) or header.get("format") != kind:
                raise HandgradError(f"{path} is a safetensors file, but not {one} that handgrad wrote")
            yield TensorFile(path, header, handle)
    except SafetensorError as error:
        raise HandgradError(f"{path} is not {one}, or it is damaged; use another file or train again") from error
    except OSError as error:
        raise HandgradError(f"cannot read {path}: {files.reason(error)}") from error


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read JSON; None if it is not."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also of numbers too long and lists too deep
        return None


def versions() -> dict[str, str]:
    """What made a file: results are byte-identical only where these are the same."""
    return {"handgrad": handgrad.__version__, "numpy": np.__version__, "python": platform.python_version()}
