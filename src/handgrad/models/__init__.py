"""Trained networks that ship with the package, each made by one of its own commands."""

import json
from importlib import resources
from pathlib import Path

DEFAULT = "best"
"""The model that reads pictures, unless another is asked for."""

SURE_FROM = 0.5
"""The confidence from which a model is sure that nobody has calibrated: what it says is likelier than not."""


def names() -> list[str]:
    """Every shipped model, by the name of its recipe."""
    return sorted(file.stem for file in _folder().glob("*.safetensors"))


def path(name: str) -> Path:
    """Where the model file of a shipped model lies."""
    return _folder() / f"{name}.safetensors"


def called(model: Path) -> str:
    """What to call a model file: one that ships by its name, another by where it lies."""
    return model.stem if model.parent == _folder() else str(model)


def sure_from(model: Path) -> float:
    """The confidence from which a model is sure, as `scripts/calibrate-handwriting` found it for those that ship."""
    if model.parent != _folder():
        return SURE_FROM
    found = json.loads(calibrations().read_text(encoding="utf-8"))
    return float(found[model.stem]["sure_from"]) if model.stem in found else SURE_FROM


def calibrations() -> Path:
    """Where it is written from which confidence each shipped model is sure, and how that was found."""
    return _folder() / "sure.json"


def _folder() -> Path:
    return Path(str(resources.files("handgrad.models")))
