"""What single ideas give, each against what it replaced: python -m benchmarks.ideas.

Each pair of programs does the same work, at the shapes of 784-128-64-10 unless it says otherwise. They take turns, a
hundred times each with one BLAS thread, and the ratio is taken turn by turn: above 1, the idea pays. What stands in
`docs/performance.md` under "What pays, and what does not" was printed here.
"""

import mmap
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from statistics import median

import numpy as np

from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.training.threads import limited

TURNS = 100
GENERATOR = np.random.default_rng(0)
Program = Callable[[], object]


def some(*shape: int) -> np.ndarray:
    return GENERATOR.standard_normal(shape, np.float32)


def ideas() -> Iterator[tuple[str, Program, Program]]:
    """Each idea, what it replaced, and itself."""
    for batch, neurons in ((64, 128), (64, 64), (512, 64)):
        x, W, delta = some(batch, 784)[:, :621], some(621, neurons), some(batch, neurons)
        turned, delta_turned = np.ascontiguousarray(x.T), np.ascontiguousarray(delta.T)
        z, z_turned, G = some(batch, neurons), some(neurons, batch), some(621, neurons)
        shape = f"{batch} images, {neurons} neurons"
        yield (
            f"first product, an image a column: {shape}",
            lambda x=x, W=W, z=z: np.dot(x, W, out=z),
            lambda x=turned, W=W, z=z_turned: np.dot(W.T, x, out=z),
        )
        yield (
            f"its gradient, an image a column: {shape}",
            lambda x=x, d=delta, G=G: np.dot(x.T, d, out=G),
            lambda x=turned, d=delta_turned, G=G: np.dot(x, d.T, out=G),
        )
    pixels = GENERATOR.integers(0, 256, (64, 784), np.uint8)
    rows, columns = some(64, 784), some(784, 64)
    yield "turning 64 images into columns", lambda: np.copyto(rows, pixels), lambda: np.copyto(columns, pixels.T)

    for batch in (64, 512):
        own, x = GENERATOR.integers(0, 256, (batch, 311), np.uint8), some(311, batch)
        turned = np.empty((311, batch), np.uint8)
        yield (
            f"311 pixels of {batch} images turned as bytes, then made numbers",
            lambda own=own, x=x: np.copyto(x, own.T),
            lambda own=own, x=x, turned=turned: (np.copyto(turned, own.T), np.copyto(x, turned)),
        )

    x, W, z = some(64, 784), some(784, 128), some(64, 128)
    yield (
        "pixels sorted, only the first 621 multiplied",
        lambda: np.dot(x, W, out=z),
        lambda: np.dot(x[:, :621], W[:621], out=z),
    )
    logits = some(10, 4096)
    yield (
        "the class of 4,096 images, through the largest logit",
        lambda: logits.argmax(axis=0),
        lambda: np.equal(logits, np.maximum.reduce(logits, axis=0)).argmax(axis=0),
    )
    a, zeros = some(64, 128), np.zeros((64, 128), np.float32)
    yield (
        "ReLU against an array of zeros, not a number",
        lambda: np.maximum(a, 0.0, out=z),
        lambda: np.maximum(a, zeros, out=z),
    )
    many, bias, lowest, none = some(1024, 128), some(128), some(128), np.zeros((1024, 128), np.float32)
    yield (
        "biases that hidden layers do not add: 1,024 images, 128 neurons",
        lambda: biased(many, bias, none),
        lambda: np.maximum(many, lowest, out=many),
    )
    logits, by_class, row = some(64, 10), np.asfortranarray(some(64, 10)), some(64)
    yield (
        "largest logit of each image, stored by class",
        lambda: np.maximum.reduce(logits, axis=1, out=row),
        lambda: np.maximum.reduce(by_class, axis=1, out=row),
    )
    yield from ideas_of_a_share()
    yield from ideas_of_a_wide_share()
    n = 109_386
    w, g, M, V = some(n), some(n), some(n), np.abs(some(n))
    yield "Adam: sums in place of means", lambda: adam(w, g, M, V, 65_536), lambda: adam_of_sums(w, g, M, V, 65_536)
    for block in (4_096, 16_384, 262_144):
        yield (
            f"Adam in blocks of 65,536 numbers, not {block:,}",
            lambda block=block: adam_of_sums(w, g, M, V, block),
            lambda: adam_of_sums(w, g, M, V, 65_536),
        )
    yield "a rate that rides on the delta", lambda: sgd(w, g), lambda: np.subtract(w, g, out=w)
    half, scratch = slice(0, n // 2), some(n // 2)
    yield (
        "momentum whose rate rides on the delta",
        lambda: momentum(w[half], g[half], M[half], scratch),
        lambda: momentum_of_steps(w[half], g[half], M[half]),
    )
    stacked, moved = np.stack([w[half], M[half], g[half]]), some(2, n // 2)
    formula = np.array([[1.0, -0.9, -1.0], [0.0, 0.9, 1.0]], np.float32)
    yield (
        "momentum as one product with a 2x3 matrix",
        lambda: momentum_of_steps(w[half], g[half], M[half]),
        lambda: np.dot(formula, stacked, out=moved),
    )


def ideas_of_a_wide_share() -> Iterator[tuple[str, Program, Program]]:
    """Half of the way through the second layer of 784-1024-512-10 and back: by images, as it is, and by rows of W."""
    W = some(1024, 512)
    for batch in (32, 64, 128):
        below, above = (some(1024, batch // 2), some(512, batch)), (some(512, batch // 2), some(512, batch))
        there, back = [np.empty_like(z) for z in above], [np.empty_like(a) for a in below]
        yield (
            f"a wide second layer there and back, by rows: {batch} images (not there yet)",
            lambda a=below, d=above, z=there, e=back: (np.dot(W.T, a[0], out=z[0]), np.dot(W, d[0], out=e[0])),
            lambda a=below, d=above, z=there, e=back: (
                np.dot(W[:512].T, a[1], out=z[1]),
                np.dot(W[:512], d[1], out=e[1]),
            ),
        )


def ideas_of_a_share() -> Iterator[tuple[str, Program, Program]]:
    """Ideas in one of two shares of a step: 32 images through the layers above the first, half the pixels of 64."""
    loss, share, table = SoftmaxCrossEntropy(), np.full(32, 0.01, np.float32), np.eye(10, dtype=np.float32)
    logits, targets, labels = some(10, 32), np.empty((10, 32), np.float32), GENERATOR.integers(0, 10, 32)
    kept = tuple(np.asfortranarray(one) for one in loss.keep(32, 10, logits.dtype))
    yield (
        "softmax and its delta along columns: 32 images",
        lambda: loss.delta(logits.T, targets.T, share, kept),
        lambda: loss.delta_of_columns(logits, targets, share, kept),
    )
    epoch = [np.take(table, labels, axis=1)] * 938
    yield (
        "what 32 images should say, looked up once an epoch",
        lambda: np.take(table, labels, axis=1, out=targets, mode="clip"),
        lambda: epoch[7],
    )
    x = some(311, 64)
    order = cycle(GENERATOR.permutation(60_000)[: 937 * 64].reshape(937, 64))
    as_bytes = shared(GENERATOR.integers(0, 256, (60_000, 311), np.uint8))
    as_numbers = shared(as_bytes / np.float32(255))
    rows, numbers = np.empty((64, 311), np.uint8), some(64, 311)

    def gather(source: np.ndarray, out: np.ndarray) -> None:
        np.take(source, next(order), axis=0, out=out, mode="clip")
        x[...] = out.T
        if source is as_bytes:
            np.multiply(x, 1.0 / 255.0, out=x)

    yield (
        "311 pixels of 64 images from bytes, not from float32",
        lambda: gather(as_numbers, numbers),
        lambda: gather(as_bytes, rows),
    )


def shared(array: np.ndarray) -> np.ndarray:
    """Copy to memory that other processes could see, as a crew does: it comes in small pages."""
    copy = np.ndarray(array.shape, array.dtype, buffer=mmap.mmap(-1, array.nbytes))
    copy[...] = array
    return copy


def adam(w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, block: int) -> None:
    """Kingma and Ba's running means, with the corrections folded into numbers."""
    scratch = np.empty(min(block, len(w)), np.float32)
    for begin in range(0, len(w), block):
        W, G, M, V = (vector[begin : begin + block] for vector in (w, g, m, v))
        s = scratch[: len(W)]
        np.multiply(G, 0.1, out=s)
        M *= 0.9
        M += s
        np.multiply(G, G, out=s)
        s *= 0.001
        V *= 0.999
        V += s
        _descend(W, M, V, s)


def adam_of_sums(w: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, block: int) -> None:
    """The same without the factors (1 - beta), which go into the numbers too."""
    scratch = np.empty(min(block, len(w)), np.float32)
    for begin in range(0, len(w), block):
        W, G, M, V = (vector[begin : begin + block] for vector in (w, g, m, v))
        s = scratch[: len(W)]
        M *= 0.9
        M += G
        np.multiply(G, G, out=s)
        V *= 0.999
        V += s
        _descend(W, M, V, s)


def _descend(w: np.ndarray, m: np.ndarray, v: np.ndarray, s: np.ndarray) -> None:
    np.sqrt(v, out=s)
    s += 1e-8
    np.divide(m, s, out=s)
    s *= 1e-6
    w -= s


def sgd(w: np.ndarray, g: np.ndarray) -> None:
    scratch = np.empty(65_536, np.float32)
    for begin in range(0, len(w), 65_536):
        W = w[begin : begin + 65_536]
        s = scratch[: len(W)]
        np.multiply(g[begin : begin + 65_536], 1e-6, out=s)
        W -= s


def biased(z: np.ndarray, bias: np.ndarray, zeros: np.ndarray) -> None:
    z += bias
    np.maximum(z, zeros, out=z)


def momentum(w: np.ndarray, g: np.ndarray, v: np.ndarray, scratch: np.ndarray) -> None:
    v *= 0.9
    v += g
    np.multiply(v, 1e-6, out=scratch)
    w -= scratch


def momentum_of_steps(w: np.ndarray, g: np.ndarray, v: np.ndarray) -> None:
    """The same where `g` and `v` already hold the rate."""
    v *= 0.9
    v += g
    w -= v


def seconds(program: Program) -> float:
    began = time.perf_counter()
    program()
    return time.perf_counter() - began


def main() -> None:
    print("| idea | before, µs | after, µs | ratio | 5% | 95% |\n|---|---|---|---|---|---|")
    with limited(1):
        for name, before, after in ideas():
            pairs = [(seconds(before), seconds(after)) for _ in range(TURNS + 10)][10:]
            ratios = sorted(b / a for b, a in pairs)
            low, high = ratios[TURNS // 20], ratios[-TURNS // 20]
            b, a = (1e6 * median(times) for times in zip(*pairs, strict=True))
            print(f"| {name} | {b:.1f} | {a:.1f} | {median(ratios):.2f} | {low:.2f} | {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
