"""PyTorch, eager: tensors in memory, one `index_select` a batch, the fused optimiser."""

import time
from typing import final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its users' name for it
from numpy.typing import NDArray
from torch import nn

from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import load
from benchmarks.peers.weights import dense_layers
from benchmarks.prediction import PredictionJob
from benchmarks.start import start

Weights = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


def sequential(weights: Weights) -> nn.Sequential:
    """Dense layers of these weights, `W` as `(n_in, n_out)`, with ReLU between them."""
    layers: list[nn.Module] = []
    for W, b in weights:
        dense = nn.Linear(*W.shape)
        with torch.no_grad():
            dense.weight.copy_(torch.from_numpy(W.T))
            dense.bias.copy_(torch.from_numpy(b))
        layers += [dense, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def optimizer_of(job: TrainingJob, model: nn.Module, **options: bool) -> torch.optim.Optimizer:
    """The update rule of the job."""
    if job.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), job.learning_rate, (BETA1, BETA2), EPSILON, **options)
    momentum = MOMENTUM if job.optimizer == "momentum" else 0.0
    return torch.optim.SGD(model.parameters(), job.learning_rate, momentum, **options)


def hold_to(threads: int) -> None:
    """Let PyTorch use this many cores."""
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


@final
class Training:
    """The loop of PyTorch's own tutorials, without a `DataLoader`, which would only slow it down."""

    def __init__(self, job: TrainingJob, threads: int) -> None:
        self.versions = {"torch": str(torch.__version__)}
        self.note = ""
        hold_to(threads)
        torch.manual_seed(job.seed)
        images = load(job.dataset, job.images)
        self._images, self._batch = images, job.batch
        self._x, self._y = torch.from_numpy(images.x), torch.from_numpy(images.y)
        self._model = sequential(start(images.sizes(job.hidden), job.seed))
        self._optimizer = optimizer_of(job, self._model, fused=True)

    def turn(self) -> float:
        model, optimizer, x, y = self._model, self._optimizer, self._x, self._y
        began = time.perf_counter()
        for chosen in torch.randperm(len(x)).split(self._batch):
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x.index_select(0, chosen)), y.index_select(0, chosen))
            loss.backward()
            optimizer.step()
        return time.perf_counter() - began

    @torch.inference_mode()
    def outcome(self) -> float:
        logits = self._model(torch.from_numpy(self._images.test_x))
        return self._images.accuracy(logits.argmax(1).numpy())


@final
class Inference:
    """Eager, in inference mode."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        self.versions = {"torch": str(torch.__version__)}
        self.note = ""
        hold_to(threads)
        self._calls = job.calls
        self._model = sequential(dense_layers(job.model)).eval()
        self._x = torch.from_numpy(load(job.dataset, 1).test_x[: job.images].copy())

    @torch.inference_mode()
    def turn(self) -> float:
        began = time.perf_counter()
        for _ in range(self._calls):
            self._model(self._x).argmax(1)
        return (time.perf_counter() - began) / self._calls

    @torch.inference_mode()
    def outcome(self) -> list[int]:
        return [int(c) for c in self._model(self._x).argmax(1)]
