"""The loop: a run from its first update to its last, as a generator of records.

`Run` holds the whole state of a training and prints nothing. Between any two updates it can be stopped, taken as a
`Snapshot` and made again from one; what follows is the same to the last bit. Whatever chooses (early stopping, the
plateau) is shown the validation split and never the test set.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from handgrad.data.batches import FLOAT_AT_ONCE, as_rows, memory_for
from handgrad.data.dataset import Dataset, Examples, split
from handgrad.engine.arrays import Array
from handgrad.engine.losses import Loss
from handgrad.engine.network import Network
from handgrad.engine.schedules import Constant, Cosine, Exponential, OneCycle, ReduceOnPlateau, Schedule, StepDecay
from handgrad.errors import HandgradError, UsageError
from handgrad.training.checkpoint import Snapshot
from handgrad.training.named import SILENTLY
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord, Progress
from handgrad.training.solo import Solo
from handgrad.training.task import Hands, Task
from handgrad.training.teachers import Teachers
from handgrad.training.threads import blas_threads, limited
from handgrad.training.workers.crew import SHARES, Crew, shares_of
from handgrad.training.workers.load import Load

PROGRESS_SECONDS = 0.1
"""Between two `Progress` records."""


class Diverged(HandgradError):  # noqa: N818 - it is what happened
    """The loss is no longer a number; the network holds the last good weights: of the last epoch, or as taken up."""


def never() -> bool:
    """Say that nobody asked to stop."""
    return False


@final
@dataclass(slots=True)
class _Epoch:
    """Where the current epoch stands."""

    order: NDArray[np.int32]
    step: int = 0
    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0


@final
class Run:
    """A training: from a recipe and a data set to a network.

    Attributes:
        recipe: what decides how it goes.
        dataset: what it learns from.
        network: what it has learned so far; it is what the next update changes.
        history: one record an epoch.
        shares: that each step is cut into; 0 if it is not.
    """

    def __init__(
        self, recipe: Recipe, dataset: Dataset, workers: int | None = None, teachers: Sequence[Network] = ()
    ) -> None:
        """Stand before the first update.

        Args:
            recipe: what decides how it goes.
            dataset: what it learns from.
            workers: processes that are to share each step; by default one, and two where that turns out faster. Up to
                two make no difference to the result.
            teachers: the networks that the recipe names; `runs.prepared` reads them.

        Raises:
            HandgradError: the validation split cannot be cut from this data set.
            UsageError: this network cannot be trained by more than one process.
            ValueError: there are more or fewer teachers than the recipe names, or they cannot read these images.
        """
        self.recipe = recipe
        self.dataset = dataset
        self.history: list[EpochRecord] = []
        n_classes = len(dataset.classes)

        start, order, noise = np.random.SeedSequence(recipe.seed).spawn(3)
        self._order_generator = np.random.Generator(np.random.PCG64(order))
        self._noise = np.random.Generator(np.random.PCG64(noise))
        self.network = recipe.network(dataset.training.images.shape[1], n_classes)
        initializer = None if recipe.initializer == "auto" else recipe.initializer
        self.network.initialize(np.random.default_rng(start), initializer)

        seen = recipe.normalization.dataset(dataset)
        self._test, self._training, self._validation = seen.test, seen.training, None
        if recipe.validation:
            self._training, self._validation = split(seen.training, recipe.validation, recipe.seed)
        self.steps_per_epoch = math.ceil(len(self._training) / recipe.batch_size)
        ends = (dataset.training.images.shape[1], n_classes)
        if len(teachers) != len(recipe.teachers) or any((one.n_in, one.n_out) != ends for one in teachers):
            raise ValueError(
                f"the recipe has {len(recipe.teachers)} teachers, networks of {ends[0]} pixels and {ends[1]} classes"
            )
        self._task = Task.of(
            recipe,
            self.network,
            self._training,
            n_classes,
            dataset.image_shape,
            dataset.white,
            self._noise,
            Teachers(teachers, recipe.temperature) if teachers else None,
        )
        self._workers = workers
        self.shares = shares_of(self._task, workers)
        self._schedule = _make_schedule(recipe, self.steps_per_epoch)

        self._epoch: _Epoch | None = None
        self._best: tuple[Array, Array] | None = None
        self._best_epoch = 0

    @property
    def loss(self) -> Loss:
        """What is made small; it also turns logits into probabilities."""
        return self._task.loss

    @property
    def updates(self) -> int:
        """Steps taken since the run began."""
        return self._task.optimizer.t

    @property
    def _judged(self) -> Network:
        """The network that is scored, chosen and kept: the average where there is one."""
        return self.network if self._task.average is None else self._task.average.network

    def _learned(self) -> dict[str, Array]:
        """All vectors of numbers that training changes, besides the optimiser's."""
        learned = {"theta": self.network.theta, "statistics": self.network.statistics}
        if self._task.average is not None:
            average = self._task.average.network
            learned |= {"average.theta": average.theta, "average.statistics": average.statistics}
        return learned

    @property
    def _taught_by(self) -> str:
        """The fingerprint of the teachers; empty without any."""
        return self._task.teachers.fingerprint if self._task.teachers else ""

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do: all epochs are done, or early stopping has ended the run."""
        if self.epochs_done >= self.recipe.epochs:
            return True
        patience = self.recipe.early_stopping
        return bool(patience) and self.epochs_done - self._best_epoch >= patience

    @property
    def best_record(self) -> EpochRecord | None:
        """The record of the epoch whose weights `result` gives; None before the first and in the middle of one."""
        if self._best_epoch:
            return self.history[self._best_epoch - 1]
        return self.history[-1] if self.history and self._epoch is None else None

    def result(self) -> Network:
        """The network that the run ends with: as of its best epoch with early stopping, else as it is now.

        With averaging it is the average.
        """
        if self._best is None:
            return self._judged
        network = Network(self.network.layers, self.network.dtype)
        network.theta[...], network.statistics[...] = self._best
        return network

    def records(self, stop: Callable[[], bool] = never) -> Iterator[Progress | EpochRecord]:
        """Train until finished, yielding `EpochRecord` after each epoch and `Progress` a few times a second between.

        NumPy's BLAS is held to a number of threads chosen from the shapes until the generator ends or is closed.

        Args:
            stop: asked after each update; when it says True, the generator ends there and the run can go on later.

        Raises:
            Diverged: the loss is not finite. The weights are again those from before the epoch, or as taken up in it.
        """
        with self._hands() as hands:
            while not self.finished:
                yield from self._one_epoch(hands, stop)
                if self._epoch is not None:
                    return

    @contextmanager
    def _hands(self) -> Iterator[Hands]:
        if self.shares:
            with limited(1), Crew(Load.of(self._task), self.shares, self._workers) as crew:
                yield crew
        else:
            networks = [self.network, *(self._task.teachers.networks if self._task.teachers else ())]
            with limited(max(blas_threads(network, self.recipe.batch_size) for network in networks)):
                yield Solo(self._task)

    def _one_epoch(self, hands: Hands, stop: Callable[[], bool]) -> Iterator[Progress | EpochRecord]:
        epoch = self._epoch or self._begin_epoch()
        good = {name: vector.copy() for name, vector in self._learned().items()}
        hands.go(epoch.order, epoch.step)
        try:
            stopping = yield from self._steps(epoch, hands, stop)
        finally:
            hands.pause()
        finite = np.isfinite(self.network.theta).all() and np.isfinite(self.network.statistics).all()
        if not (finite and math.isfinite(epoch.loss)):
            raise self._diverged(epoch, good)
        if not stopping:
            yield self._end_epoch(epoch, good)

    def _steps(self, epoch: _Epoch, hands: Hands, stop: Callable[[], bool]) -> Generator[Progress, None, bool]:
        """Take the steps of an epoch; return whether they ended early: asked to, or by a loss that is not finite."""
        shown = began = time.perf_counter()
        taken = epoch.step
        while taken < self.steps_per_epoch:
            hands.step(self._schedule.rate(self.updates))
            taken += 1
            now = time.perf_counter()
            stopping = stop()
            if stopping or now - shown > PROGRESS_SECONDS:
                stopping = self._count(epoch, hands) or stopping
                epoch.seconds += time.perf_counter() - began
                if stopping:
                    return True
                yield Progress(
                    epoch=self.epochs_done + 1,
                    step=epoch.step,
                    steps=self.steps_per_epoch,
                    loss=epoch.loss / epoch.seen,
                    accuracy=epoch.correct / epoch.seen,
                )
                shown = began = time.perf_counter()
        diverged = self._count(epoch, hands)
        epoch.seconds += time.perf_counter() - began
        return diverged

    def _count(self, epoch: _Epoch, hands: Hands) -> bool:
        """Add up what the steps since the last count said; return whether a loss was not finite, and stop at it."""
        size, images = self.recipe.batch_size, len(self._training)
        for loss, correct in hands.told():
            n = min(size, images - epoch.step * size)
            epoch.step += 1
            epoch.loss += loss * n
            epoch.correct += correct
            epoch.seen += n
            if not math.isfinite(loss):
                return True
        return False

    def _begin_epoch(self) -> _Epoch:
        self._epoch = _Epoch(self._order_generator.permutation(len(self._training)).astype(np.int32))
        return self._epoch

    def _end_epoch(self, epoch: _Epoch, good: Mapping[str, Array]) -> EpochRecord:
        validation = None if self._validation is None else self.score(self._validation)
        if validation is not None and not math.isfinite(validation[0]):
            raise self._diverged(epoch, good)
        _, test_accuracy = self.score(self._test)
        record = EpochRecord(
            epoch=self.epochs_done + 1,
            step=self.updates,
            learning_rate=self._schedule.rate(self.updates - 1),
            training_loss=epoch.loss / epoch.seen,
            training_accuracy=epoch.correct / epoch.seen,
            validation_loss=validation and validation[0],
            validation_accuracy=validation and validation[1],
            test_accuracy=test_accuracy,
            seconds=epoch.seconds,
            images_per_second=epoch.seen / epoch.seconds,
        )
        self.history.append(record)
        self._epoch = None
        if validation is not None:
            self._choose(*validation)
        return record

    def _choose(self, loss: float, accuracy: float) -> None:
        self._schedule.observe(loss)
        if self.recipe.early_stopping:
            best = self.history[self._best_epoch - 1].validation_accuracy if self._best_epoch else None
            if best is None or accuracy > best:
                self._best = self._judged.theta.copy(), self._judged.statistics.copy()
                self._best_epoch = self.epochs_done

    @SILENTLY
    def score(self, examples: Examples) -> tuple[float, float]:
        """Compute mean loss and accuracy of the network as it is now, or of its average, on images as it sees them."""
        loss, correct, n = 0.0, 0, len(examples)
        memory = memory_for(n, self.network.n_in, self.network.dtype)
        for begin in range(0, n, FLOAT_AT_ONCE):
            labels = examples.labels[begin : begin + FLOAT_AT_ONCE]
            images = examples.images[begin : begin + FLOAT_AT_ONCE]
            logits = self._judged.logits(as_rows(images, self.dataset.white, self.network.dtype, memory))
            correct += int(np.count_nonzero(logits.argmax(axis=1) == labels))
            loss += self._task.loss.value(logits, self._task.target_rows[labels]) * len(labels)
        return loss / n, correct / n

    def _diverged(self, epoch: _Epoch, good: Mapping[str, Array]) -> Diverged:
        for name, vector in self._learned().items():
            vector[...] = good[name]
        rate = self._schedule.rate(self.epochs_done * self.steps_per_epoch + epoch.step - 1)
        number = self.epochs_done + 1
        return Diverged(
            f"the loss is no longer a finite number at epoch {number}, update {epoch.step}: most likely the learning "
            f"rate {rate:g} is too high; try --learning-rate {rate / 10:g}, or --clip-norm 1 "
            "(the last good weights are kept)"
        )

    def snapshot(self) -> Snapshot:
        """Take all that `resume` needs. Copies nothing: save it before the run goes on."""
        epoch = self._epoch
        arrays: dict[str, NDArray[Any]] = {**self._learned()}
        arrays |= {f"slots.{name}": slot for name, slot in self._task.optimizer.slots.items()}
        if epoch is not None:
            arrays["order"] = epoch.order
        if self._best is not None:
            arrays["best.theta"], arrays["best.statistics"] = self._best
        values = _Values(
            recipe=self.recipe,
            shares=self.shares,
            data=self.dataset.fingerprint,
            schedule=dict(self._schedule.state()),
            generators=(self._order_generator.bit_generator.state, self._noise.bit_generator.state),
            epoch=None if epoch is None else (epoch.step, epoch.loss, epoch.correct, epoch.seen, epoch.seconds),
            best_epoch=self._best_epoch,
            history=self.history,
            teachers=self._taught_by,
        )
        return Snapshot(arrays, msgspec.to_builtins(values))

    @classmethod
    def resume(
        cls, snapshot: Snapshot, dataset: Dataset, workers: int | None = None, teachers: Sequence[Network] = ()
    ) -> "Run":
        """Stand where the snapshot was taken, with the same data and the same teachers; `workers` is as for a new run.

        Raises:
            HandgradError: it was taken with other data, or it does not hold what it should.
            UsageError: so many workers cannot share its steps, or not the steps as they were cut when it began.
        """
        try:
            values = msgspec.convert(snapshot.values, _Values)
            if values.data != dataset.fingerprint:
                raise HandgradError(f"the run was trained on other data than {dataset.name} holds now; start a new run")
            shares = values.shares if workers is None and values.shares > SHARES else workers
            run = cls(values.recipe, dataset, shares, teachers)
            if run.shares != values.shares:
                raise UsageError(
                    f"the run was begun with its steps cut for {values.shares} workers; leave --workers away, and "
                    "go on with it on the same machine"
                )
            if values.teachers != run._taught_by:
                raise HandgradError("the run was taught by other networks than its teachers are now; start a new run")
            run._take_up(values, snapshot.arrays)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise HandgradError(f"the checkpoint does not hold what it should ({error}); start a new run") from error
        return run

    def _take_up(self, values: "_Values", arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what a snapshot holds.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it does not hold what it should.
        """
        for name, vector in self._learned().items():
            _fill(vector, arrays[name])
        for name, slot in self._task.optimizer.slots.items():
            _fill(slot, arrays[f"slots.{name}"], finite=False)
        self._schedule.restore(values.schedule)
        for generator, state in zip((self._order_generator, self._noise), values.generators, strict=True):
            generator.bit_generator.state = state
        self.history = values.history
        self._task.optimizer.t = len(self.history) * self.steps_per_epoch
        first = 1 if self.recipe.early_stopping and self.history else 0
        if not first <= values.best_epoch <= len(self.history) <= self.recipe.epochs:
            raise ValueError("its epochs are miscounted")
        if first:
            self._best_epoch = values.best_epoch
            self._best = np.empty_like(self.network.theta), np.empty_like(self.network.statistics)
            _fill(self._best[0], arrays["best.theta"])
            _fill(self._best[1], arrays["best.statistics"])
        if values.epoch is not None:
            self._epoch = epoch = _Epoch(np.empty(len(self._training), np.int32), *values.epoch)
            _fill(epoch.order, arrays["order"])
            if not np.array_equal(np.sort(epoch.order), np.arange(len(epoch.order))):
                raise ValueError("its order of the images is no permutation")
            seen = min(epoch.step * self.recipe.batch_size, len(epoch.order))
            if not (0 <= epoch.step <= self.steps_per_epoch and epoch.seen == seen and math.isfinite(epoch.loss)):
                raise ValueError("its updates are miscounted")
            self._task.optimizer.t += epoch.step


@final
class _Values(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a snapshot holds besides arrays; `epoch` is an `_Epoch` without its order."""

    recipe: Recipe
    shares: int
    data: str
    schedule: dict[str, float]
    generators: tuple[Mapping[str, Any], Mapping[str, Any]]
    epoch: tuple[int, float, int, int, float] | None
    best_epoch: int
    history: list[EpochRecord]
    teachers: str = ""


def _fill(place: NDArray[Any], array: NDArray[Any], *, finite: bool = True) -> None:
    """Overwrite `place` with an array of a snapshot.

    Raises:
        ValueError: it is not of the same shape and type, or holds numbers that are not finite.
    """
    if array.shape != place.shape or array.dtype != place.dtype:
        raise ValueError(f"an array is {array.dtype} {array.shape}, not {place.dtype} {place.shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError("an array holds numbers that are not finite")
    place[...] = array


def _make_schedule(recipe: Recipe, steps_per_epoch: int) -> Schedule:
    peak, total = recipe.learning_rate, recipe.epochs * steps_per_epoch
    every = max(round(recipe.decay_every * steps_per_epoch), 1)
    schedules: dict[str, Schedule] = {
        "constant": Constant(peak),
        "step": StepDecay(peak, every, recipe.decay_factor),
        "exponential": Exponential(peak, every, recipe.decay_factor),
        "cosine": Cosine(peak, total, round(recipe.warmup * steps_per_epoch), recipe.final_learning_rate),
        "one_cycle": OneCycle(peak, total),
        "plateau": ReduceOnPlateau(peak, recipe.decay_factor, recipe.patience),
    }
    return schedules[recipe.schedule]
