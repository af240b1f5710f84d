"""All that a run needs to go on as if it had never stopped, as one file.

A `Snapshot` is arrays (parameters, what the optimiser remembers, the order of the epoch) and plain values (generators,
counts, history). It is written atomically and never by pickle: a power cut leaves the last one whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from numpy.typing import NDArray

from handgrad import tensorfile
from handgrad.errors import HandgradError

_KIND = "checkpoint"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A run between two updates.

    Attributes:
        arrays: by name.
        values: JSON: numbers, strings, lists and mappings.
    """

    arrays: Mapping[str, NDArray[Any]]
    values: Mapping[str, Any]


def save(path: Path, snapshot: Snapshot) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        HandgradError: it cannot be written there.
    """
    header = {"format": _KIND, "versions": tensorfile.versions(), "values": snapshot.values}
    tensorfile.write(path, header, snapshot.arrays)


def load(path: Path) -> Snapshot:
    """Read a checkpoint.

    Raises:
        HandgradError: there is none, or it is damaged.
    """
    with tensorfile.opened(path, _KIND) as file:
        values = file.header.get("values")
        if not isinstance(values, dict):
            raise HandgradError(f"{path} is damaged: its header holds no values; start the run anew")
        return Snapshot({name: file.array(name) for name in file.names}, values)
