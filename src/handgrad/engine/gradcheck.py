"""The proof that the derivatives are right: every formula against differences of the function it came from.

A derivative written by hand can be wrong in one term and still train, only worse. Here each layer, activation, loss and
penalty is run backward once, and then every number it depends on is moved a little both ways. Where the two
answers part, the check says at which number, and what each of them is.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.arrays import Array
from handgrad.engine.distillation import Distillation
from handgrad.engine.layers import Activate, Arrays, BatchNorm, Dense, Dropout, Layer
from handgrad.engine.losses import LOSSES, Loss, Poisson, SoftmaxCrossEntropy, shares
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.objective import Objective
from handgrad.engine.optimizers import BLOCK
from handgrad.engine.penalties import L1, L2, Penalty

BOUND = 1e-7
"""The largest relative error that passes; see `check_gradient` for what it is relative to."""

STEP = 1e-3
"""How far a number near 1 is moved: near the fifth root of float64's precision, the best for a fourth-order formula."""

FLOOR = 1e-3
"""Entries smaller than this part of the largest are measured against it: their own last digits are rounding."""

CLEARANCE = 0.02
"""How far from 0 everything stays that has a kink there: more than twice a step, also behind many layers."""

NETWORK_STEP = 1e-4
"""The same in a network: many layers bend the function more, batch norm over few rows most of all."""

BATCH = 8
SEED = 2

Part: TypeAlias = tuple[str, NDArray[np.intp]]
"""What a piece of a flat vector is called, and at which places it lies, in the piece's own shape."""


@final
@dataclass(frozen=True, slots=True)
class Check:
    """One gradient, held against central differences.

    Attributes:
        kind: `layer`, `activation`, `loss`, `penalty`, `network` or `objective`.
        name: of the function whose gradient it is.
        error: the worst relative error of any entry.
        bound: the largest that passes.
        where: the worst entry, such as `weights of layer 1 [3, 2]` or `input [0, 4]`.
        analytic: that entry as the formula gives it.
        numeric: the same entry by differences.
    """

    kind: str
    name: str
    error: float
    bound: float
    where: str
    analytic: float
    numeric: float

    @property
    def ok(self) -> bool:
        """Whether every entry is within the bound; an error that is not a number is not."""
        return self.error <= self.bound

    def __str__(self) -> str:
        """Name the function, the worst entry and both of its values, in a sentence."""
        return f"{self.kind} {self.name}: {self.where} is {self.analytic!r} by hand, {self.numeric!r} by differences"


def check_gradient(
    f: Callable[[Array], float],
    gradient: Array,
    theta: Array,
    *,
    kind: str = "function",
    name: str = "f",
    parts: Sequence[Part] | None = None,
    bound: float = BOUND,
    step: float = STEP,
) -> Check:
    """Hold a gradient against fourth-order central differences, entry by entry.

    df/dx = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h, off by h^4 / 30 times the fifth derivative
    (Abramowitz and Stegun 1964, table 25.2), with h = step * max(1, |x|).

    The relative error of an entry is |analytic - numeric| / max(|analytic|, |numeric|, FLOOR * largest |numeric|).
    An entry near zero is so measured by the size of the whole gradient: it need not match in digits of its own.

    Args:
        f: a scalar function of an array like `theta`.
        gradient: df/dtheta by formula, of theta's shape.
        theta: float64, where to check; left as it is.
        kind: of function, for the result.
        name: of the function, for the result.
        parts: what the places of a flat `theta` are called; by default the index alone.
        bound: the largest relative error that passes.
        step: how far to move a number near 1.

    Raises:
        ValueError: `gradient` and `theta` of different shapes, `theta` empty or not float64.
    """
    if gradient.shape != theta.shape or theta.size == 0 or theta.dtype != np.float64:
        raise ValueError(f"a gradient {gradient.shape} cannot be checked at {theta.dtype} numbers {theta.shape}")
    moved = theta.copy()
    numeric = np.zeros_like(theta)
    for place in np.ndindex(theta.shape):
        x = float(theta[place])
        h = step * max(1.0, abs(x))
        for steps, factor in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
            moved[place] = x + steps * h
            numeric[place] += factor * f(moved) / (12.0 * h)
        moved[place] = x

    with np.errstate(invalid="ignore"):  # what is infinite or no number fails, without a warning
        floor = max(FLOOR * float(np.abs(numeric).max()), float(np.finfo(np.float64).tiny))
        size = np.maximum(np.maximum(np.abs(gradient), np.abs(numeric)), floor)
        errors = np.abs(gradient - numeric) / size
    worst = int(np.argmax(errors))  # the first that is no number, if there is one
    return Check(
        kind=kind,
        name=name,
        error=float(errors.flat[worst]),
        bound=bound,
        where=_locate(worst, parts or [("", np.arange(theta.size).reshape(theta.shape))]),
        analytic=float(gradient.flat[worst]),
        numeric=float(numeric.flat[worst]),
    )


def checks() -> Iterator[Check]:
    """Check every layer, activation, loss and penalty in turn, and then whole networks; each when it is asked for.

    The numbers are drawn from a fixed seed, in float64. Where a function has a kink at 0, numbers are drawn
    until all of them are `CLEARANCE` away from it.
    """
    yield _check_layer("layer", "dense", Dense(5, 4))
    yield _check_layer("layer", "dense without bias", Dense(5, 4, bias=False))
    yield _check_layer("layer", "batch_norm", BatchNorm(5))
    yield _check_layer("layer", "dropout", Dropout(5, 0.4))
    for name, function in ACTIVATIONS.items():
        yield _check_layer("activation", name, Activate(5, function))

    labels = np.random.default_rng(SEED).integers(0, 4, BATCH)
    soft = np.random.default_rng(SEED).dirichlet(np.ones(4), BATCH)
    smoothed = SoftmaxCrossEntropy(label_smoothing=0.1)
    for name, make in LOSSES.items():
        yield _check_loss(name, make(), np.eye(4)[labels])
        yield _check_loss(f"{name}, weighted rows", make(), np.eye(4)[labels], weighted=True)
    yield _check_loss("cross_entropy, smoothed labels", smoothed, smoothed.target_rows(4)[labels])
    yield _check_loss("cross_entropy, soft targets", smoothed, soft)
    yield _check_loss("poisson", Poisson(), np.random.default_rng(SEED).poisson(1.0, (BATCH, 4)).astype(np.float64))
    taught = Distillation(temperature=3.0, share=0.7)
    for weighted in (False, True):
        name = f"{taught.name}, weighted rows" if weighted else taught.name
        yield _check_loss(name, taught, np.hstack([np.eye(4)[labels], soft]), weighted=weighted)
    yield _check_penalty("l1", L1(0.3))
    yield _check_penalty("l2", L2(0.3))

    small = Network.fully_connected(6, (5,), 4, activation="tanh", dtype=np.float64)
    yield _check_objective("6-5-4, in blocks", small)
    plain = Network.fully_connected(6, (5, 4, 5), 4, activation=("relu", "tanh", "gelu"), dtype=np.float64)
    yield _check_network("6-5-4-5-4", plain, LOSSES["squared_error"](), ())
    mixed = Network.fully_connected(
        6,
        [5] * len(ACTIVATIONS),
        4,
        activation=list(ACTIVATIONS),
        batch_norm=True,
        dropout=0.1,
        input_dropout=0.1,
        dtype=np.float64,
    )
    yield _check_network("everything at once", mixed, smoothed, (L1(1e-2), L2(1e-1)))


def _check_layer(kind: str, name: str, layer: Layer) -> Check:
    """Check r . y for a fixed random r, whose delta is r itself, by the layer's parameters and by its input."""
    generator = np.random.default_rng(SEED)
    kinked = isinstance(layer, Activate) and not layer.function.smooth
    learned = [(parameter.name, parameter.shape) for parameter in layer.parameters()]
    parts = _lay_out([*learned, ("input", (BATCH, layer.n_in))])
    theta = _draw(generator, sum(places.size for _, places in parts), kinked=kinked)
    statistics = tuple(np.ones(parameter.shape) for parameter in layer.statistics())
    r = generator.normal(size=(BATCH, layer.n_out))

    def run(vector: Array) -> tuple[list[Array], Arrays]:
        *p, x = (vector[places] for _, places in parts)
        delta = r.copy()
        dx = delta if layer.dx_over_delta else np.empty_like(x)
        a = Arrays(x, np.empty_like(r), layer.keep(BATCH, theta.dtype), delta, dx)
        layer.forward_training((*p, *statistics), a, np.random.default_rng(SEED))
        return p, a

    p, a = run(theta)
    g = tuple(np.empty(shape) for _, shape in learned)
    layer.backward((*p, *statistics), g, a)
    gradient = np.concatenate([np.ravel(piece) for piece in (*g, a.dx) if piece is not None])
    return check_gradient(
        lambda vector: float(np.vdot(r, run(vector)[1].y)), gradient, theta, kind=kind, name=name, parts=parts
    )


def _check_loss(name: str, loss: Loss, targets: Array, *, weighted: bool = False) -> Check:
    generator = np.random.default_rng(SEED)
    logits = generator.normal(0.0, 2.0, (len(targets), 4))
    share = shares(len(logits), logits.dtype, generator.uniform(0.0, 3.0, len(logits)) if weighted else None)

    delta = logits.copy()
    loss.delta(delta, targets, share, loss.keep(len(delta), delta.shape[1], delta.dtype))
    parts = _lay_out([("logits", logits.shape)])

    def value(z: Array) -> float:
        return float(np.dot(loss.of_rows(z, targets), share))

    return check_gradient(value, delta, logits, kind="loss", name=name, parts=parts)


def _check_penalty(name: str, penalty: Penalty) -> Check:
    """Check value(w) + c . w for a fixed random c: a penalty adds to what is there."""
    generator = np.random.default_rng(SEED)
    weights = _draw(generator, 12, kinked=True)
    c = generator.normal(size=weights.shape)
    gradient = c.copy()
    penalty.add_gradient(weights, gradient, np.empty(BLOCK))
    parts = _lay_out([("weights", weights.shape)])

    def cost(w: Array) -> float:
        return penalty.value(w) + float(np.vdot(c, w))

    return check_gradient(cost, gradient, weights, kind="penalty", name=name, parts=parts)


def _check_network(name: str, network: Network, loss: Loss, penalties: Sequence[Penalty]) -> Check:
    """Check loss and penalties by every parameter and every input, through a pass as training uses it."""
    generator = np.random.default_rng(SEED)
    a = TrainingPass(network, BATCH, loss, wants_input_gradient=True)
    a.targets[...] = loss.target_rows(network.n_out)[generator.integers(0, network.n_out, BATCH)]
    a.share[...] = shares(BATCH, network.dtype, generator.uniform(0.5, 1.5, BATCH))
    n = len(network.theta)
    near = True
    while near:
        network.initialize(generator)
        network.theta += generator.normal(0.0, 0.1, n)
        theta = np.concatenate([network.theta, generator.normal(size=a.x.size)])
        nearest_weight = float(np.abs(network.weights).min())  # L1 has its kink at 0
        near = nearest_weight < 2.0 * NETWORK_STEP or _clearance(network, theta[n:].reshape(a.x.shape)) < CLEARANCE

    def run(vector: Array) -> float:
        network.theta[...] = vector[:n]
        a.x[...] = vector[n:].reshape(a.x.shape)
        a.forward_training(np.random.default_rng(SEED))
        return a.backward() + sum(penalty.value(network.weights) for penalty in penalties)

    run(theta)
    for penalty in penalties:
        penalty.add_gradient(network.weights, a.gradient[: network.n_weights], np.empty(BLOCK))
    gradient = np.concatenate([piece.ravel() for piece in (a.gradient, a.input_gradient) if piece is not None])
    parts: list[Part] = [("input", n + np.arange(a.x.size).reshape(a.x.shape))]
    for i, views in enumerate(network.views(np.arange(n, dtype=np.float64))):
        for parameter, places in zip(network.layers[i].parameters(), views, strict=True):
            parts.append((f"{parameter.name} of layer {i}", places.astype(np.intp)))
    return check_gradient(run, gradient, theta, kind="network", name=name, parts=parts, step=NETWORK_STEP)


def _check_objective(name: str, network: Network) -> Check:
    """Check the loss of a whole data set, whose last block is shorter, by every parameter."""
    generator = np.random.default_rng(SEED)
    network.initialize(generator)
    theta = network.theta + generator.normal(0.0, 0.1, len(network.theta))
    x, targets = generator.normal(size=(BATCH, network.n_in)), generator.normal(size=(BATCH, network.n_out))
    weights = generator.uniform(0.5, 1.5, BATCH)
    penalties = (L2(1e-1),)
    f = Objective(
        network, LOSSES["squared_error"](), x.__getitem__, targets, weights=weights, penalties=penalties, rows=3
    )
    return check_gradient(lambda vector: f(vector)[0], f(theta)[1], theta, kind="objective", name=name)


def _clearance(network: Network, x: Array) -> float:
    """Measure how near the input of any activation that has a kink comes to it."""
    nearest, noise = math.inf, np.random.default_rng(SEED)
    for layer, p in zip(network.layers, network.views(), strict=True):
        if isinstance(layer, Activate) and not layer.function.smooth:
            nearest = min(nearest, float(np.abs(x).min()))
        a = Arrays(x, np.empty((BATCH, layer.n_out)), layer.keep(BATCH, x.dtype), np.empty((0, 0)), None)
        layer.forward_training(p, a, noise)
        x = a.y
    return nearest


def _draw(generator: np.random.Generator, size: int, *, kinked: bool) -> Array:
    """Draw `size` numbers; again, where there is a kink at 0, until none is near it."""
    while True:
        drawn = generator.normal(size=size)
        if not kinked or np.abs(drawn).min() > CLEARANCE:
            return drawn


def _lay_out(pieces: Sequence[tuple[str, tuple[int, ...]]]) -> list[Part]:
    """Put pieces of these shapes one after the other into a vector, or one piece into its own shape."""
    parts: list[Part] = []
    begin = 0
    for name, shape in pieces:
        parts.append((name, begin + np.arange(math.prod(shape)).reshape(shape)))
        begin += math.prod(shape)
    return parts


def _locate(place: int, parts: Sequence[Part]) -> str:
    """Say what lies at this place, with the index it has there."""
    name, index = next((name, np.argwhere(places == place)[0]) for name, places in parts if place in places)
    return f"{name} {index.tolist()}".strip()
