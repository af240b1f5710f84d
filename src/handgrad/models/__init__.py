"""Trained networks that ship with the package, each made by one of its own commands."""

from importlib import resources
from pathlib import Path


def names() -> list[str]:
    """Every shipped model, by the name of its recipe."""
    return sorted(file.stem for file in _folder().glob("*.safetensors"))


def path(name: str) -> Path:
    """Where the model file of a shipped model lies."""
    return _folder() / f"{name}.safetensors"


def _folder() -> Path:
    return Path(str(resources.files("handgrad.models")))
