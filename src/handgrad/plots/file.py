"""A figure on disk.

The PNG is made in memory and appears under its name whole or not at all. It carries no date and no program's
version: the same figure gives the same bytes.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from handgrad import files
from handgrad.errors import UsageError
from handgrad.plots.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_name(path: Path) -> None:
    """Refuse a name that `save` would refuse, before the work that the figure takes.

    Raises:
        UsageError: the name ends in something other than .png.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"figures are written as PNG; give {path} a name that ends in .png")


def save(figure: "Figure", path: Path) -> None:
    """Write `figure` to `path` as PNG, replacing what was there.

    Raises:
        UsageError: the name ends in something other than .png.
        HandgradError: the folder or the disk refuses; whatever stood at `path` is still there.
    """
    check_name(path)
    image = io.BytesIO()
    with styled():
        figure.savefig(image, format="png", metadata={"Software": None})
    files.write(path, image.getvalue())
