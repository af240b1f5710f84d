"""How well pictures are read: python -m benchmarks.handwriting [--model NAME] [--images N] [--fonts DIR].

MNIST's 10,000 test images as they are; drawn again as a person would send them; a part of them in five places of the
same page; the digits of fonts; and scikit-learn's 8x8 digits enlarged. Each goes as a file or an array through what
`handgrad predict` does, and counts as wrong where no digit, or more than one, is found. Every figure of
docs/handwriting.md is printed here. The test images are for this alone: what can be tuned was tuned on
training images, the training part of the 8x8 digits among them.
"""

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.redrawn import Circumstances, circumstances, redraw
from handgrad import models
from handgrad.data import sources
from handgrad.data.dataset import Examples
from handgrad.errors import HandgradError
from handgrad.evaluation.interval import wilson
from handgrad.reading import Reader

SEED: Final = 7
PLACES: Final = {"middle": (0.5, 0.5), "top left": (0, 0), "top right": (1, 0), "bottom left": (0, 1),
                 "bottom right": (1, 1)}  # fmt: skip
FONT_SIZES: Final = (40, 120, 360)
NONE, SEVERAL = -1, -2

Run = Callable[..., list[tuple[int, float]]]


@cache
def reader(model: str) -> Reader:
    return Reader.named(model)


def read(model: str, source: object) -> tuple[int, float]:
    """The digit and its confidence, or why there is none."""
    page = reader(model).read(source)  # type: ignore[arg-type]  # anything may be handed in
    if len(page.readings) == 1:
        return page.readings[0].digit, page.readings[0].confidence
    return (SEVERAL if page.readings else NONE), 0.0


def read_redrawn(model: str, task: tuple[NDArray[np.uint8], Circumstances]) -> tuple[int, float]:
    return read(model, redraw(*task))


def share(right: Sequence[bool] | NDArray[np.bool_]) -> str:
    n, count = len(right), int(np.count_nonzero(right))
    low, high = wilson(count, n)
    return f"{count / n:7.2%}  of {n:6,}  ({low:.2%} to {high:.2%})"


def as_they_are(model: str, test: Examples) -> None:
    images = test.images.reshape(-1, 28, 28)
    plain = reader(model).model.predict_probabilities(test.images).argmax(axis=1) == test.labels
    print(f"the network alone               {share(plain)}")
    for name, turned in (("MNIST's images as they are", images), ("black on white", 255 - images)):
        right = [read(model, image)[0] == label for image, label in zip(turned, test.labels, strict=True)]
        print(f"{name:30}  {share(right)}", flush=True)


def redrawn(model: str, test: Examples, n: int, run: Run) -> None:
    images, labels = test.images.reshape(-1, 28, 28)[:n], test.labels[:n]
    hows = [circumstances(SEED, i) for i in range(n)]
    answers = run(partial(read_redrawn, model), list(zip(images, hows, strict=True)))
    digits, confidences = (np.array(column) for column in zip(*answers, strict=True))
    right = digits == labels
    sure = confidences >= reader(model).sure_from
    print(f"drawn again                     {share(right)}")
    print(f"  nothing found {np.sum(digits == NONE)}, several found {np.sum(digits == SEVERAL)}")
    print(f"  where it is sure              {share(right[sure])}")
    for name, values, edges in (
        ("pen", [how.pen for how in hows], (-1.5, -1, -0.5, 0, 0.3, 0.6)),
        ("times as large", [how.scale for how in hows], (3, 5, 8, 12, 20)),
        ("light lost", [how.gradient for how in hows], (0, 0.1, 0.2, 0.3, 0.4)),
        ("JPEG quality", [how.quality for how in hows], (40, 60, 80, 96)),
    ):
        for low, high in pairwise(edges):
            chosen = (np.array(values) >= low) & (np.array(values) <= high)
            print(f"  {name} {low:g} to {high:g}".ljust(30), f" {share(right[chosen])}")
    for name, wanted in (("dark on light", False), ("light on dark", True)):
        print(f"  {name:28}  {share(right[[how.light_on_dark is wanted for how in hows]])}", flush=True)


def in_places(model: str, test: Examples, n: int, run: Run) -> None:
    images, labels = test.images.reshape(-1, 28, 28)[:n], test.labels[:n]
    for name, place in PLACES.items():
        hows = [circumstances(SEED, i).at(*place) for i in range(n)]
        answers = run(partial(read_redrawn, model), list(zip(images, hows, strict=True)))
        right = np.array([digit for digit, _ in answers]) == labels
        print(f"  {name:28}  {share(right)}", flush=True)


def fonts(model: str, folder: Path) -> None:
    every: list[bool] = []
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in {".ttf", ".otf"})
    for file in files:
        right = []
        for size, digit, ground in product(FONT_SIZES, range(10), (255, 0)):
            font = ImageFont.truetype(str(file), size)
            left, top, r, bottom = (round(edge) for edge in font.getbbox(str(digit)))
            if r - left < 2 or bottom - top < 2:
                continue
            page = Image.new("L", (r - left + size, bottom - top + size), ground)
            ImageDraw.Draw(page).text((size // 2 - left, size // 2 - top), str(digit), 255 - ground, font)
            right.append(read(model, page)[0] == digit)
        if right:
            print(f"  {file.stem:28}  {np.mean(right):7.2%}  of {len(right):6,}", flush=True)
        every += right
    if every:
        print(f"  all fonts                     {share(every)}")


def enlarged_digits(model: str, run: Run) -> None:
    dataset = sources.load("digits")
    parts = (dataset.training, dataset.test)
    pixels = np.concatenate([part.images for part in parts]).reshape(-1, 8, 8)
    labels = np.concatenate([part.labels for part in parts])
    small = (pixels.astype(np.uint16) * 255 // 16).astype(np.uint8)
    for name, how in (("smoothly", Image.Resampling.BICUBIC), ("as squares", Image.Resampling.NEAREST)):
        large = [np.asarray(Image.fromarray(one).resize((200, 200), how)) for one in small]
        for polarity, pictures in (("light on dark", large), ("dark on light", [255 - one for one in large])):
            right = np.array([digit for digit, _ in run(partial(read, model), pictures)]) == labels
            print(f"  {name + ', ' + polarity:28}  {share(right)}")
            print(f"    the test part alone         {share(right[len(dataset.training) :])}", flush=True)


def seconds(model: str, test: Examples, times: int = 15) -> None:
    """From the start of a process to its answer, for a picture of about 600x600 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.jpg"
        how = replace(circumstances(SEED, 0), scale=10.0, page=(2.1, 2.1))
        file.write_bytes(redraw(test.images[0].reshape(28, 28), how))
        command = [sys.executable, "-m", "handgrad", "predict", str(file)]
        command += [] if model == models.DEFAULT else ["--model", model]
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command
            taken.append(time.perf_counter() - began)
    print(
        f"start to answer, {times} times: median {median(taken):.2f} s, {min(taken):.2f} to {max(taken):.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=models.DEFAULT)
    parser.add_argument("--images", type=int, default=10_000, help="drawn again")
    parser.add_argument("--places", type=int, default=1_000, help="of them, in five places each")
    parser.add_argument("--fonts", type=Path, help="a folder of TrueType and OpenType fonts, such as /usr/share/fonts")
    parser.add_argument("--only-seconds", action="store_true", help="measure nothing but how long an answer takes")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    try:
        test = sources.load("mnist", notify=print).test
        chosen = reader(given.model)
    except HandgradError as error:
        raise SystemExit(str(error)) from error
    seconds(given.model, test)
    if given.only_seconds:
        return
    print(f"model {given.model}, sure from {chosen.sure_from:.3f}; right, and the 95% interval")
    as_they_are(given.model, test)
    with multiprocessing.Pool(given.processes) as pool:
        run = partial(pool.map, chunksize=10)
        redrawn(given.model, test, given.images, run)
        if given.places:
            print(f"the first {given.places:,} in five places of the same page")
            in_places(given.model, test, given.places, run)
        print("scikit-learn's 8x8 digits, enlarged to 200x200")
        enlarged_digits(given.model, run)
    if given.fonts is not None:
        print("digits of fonts")
        fonts(given.model, given.fonts)


if __name__ == "__main__":
    main()
