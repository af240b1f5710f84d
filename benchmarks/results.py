"""Results on disk: one JSON file that grows cell by cell, so that a long measurement that is cut short loses one cell.

Whatever is measured again takes the place of what stood there; `made` says of each part on what it was measured.
"""

from pathlib import Path
from typing import final

import msgspec

from benchmarks.growth import GrowthResult
from benchmarks.inference import InferenceResult
from benchmarks.machine import Machine
from benchmarks.startup import StartupResult
from benchmarks.training import AdamResult, CellResult
from handgrad import files
from handgrad.errors import HandgradError

STARTING, GROWTH, ADAM = "starting and memory", "growth", "Adam over SGD"


@final
class Results(msgspec.Struct):
    """Everything that was measured.

    Attributes:
        machine: the last that anything was measured on.
        made: the machine, versions and day of each part, by its name: a cell's, `prediction of ...`, `STARTING`,
            `GROWTH` or `ADAM`.
        cells: of training, by name.
        adam: its epoch over SGD's.
        inference: by the number of images.
        startup: starting, and memory.
        growth: of cost.
    """

    machine: Machine
    made: dict[str, Machine] = {}
    cells: dict[str, CellResult] = {}
    adam: AdamResult | None = None
    inference: dict[str, InferenceResult] = {}
    startup: StartupResult | None = None
    growth: GrowthResult | None = None

    def in_order(self) -> list[CellResult]:
        """The cells as the table shows them: by network, batch and update rule."""
        order = {"sgd": 0, "momentum": 1, "adam": 2}
        return sorted(
            self.cells.values(), key=lambda r: (sum(r.cell.sizes), r.cell.batch, order.get(r.cell.optimizer, 3))
        )


def read(path: Path) -> Results:
    """Read a results file.

    Raises:
        HandgradError: there is none, or it is not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except OSError as error:
        raise HandgradError(f"cannot read the results {path}: {files.reason(error)}") from error
    except msgspec.DecodeError as error:
        raise HandgradError(f"{path} holds no results of this version ({error}); measure again") from error


def write(path: Path, results: Results) -> None:
    """Write a results file, whole or not at all.

    Raises:
        HandgradError: it cannot be written there.
    """
    files.make_folder(path.parent)
    files.write(path, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
