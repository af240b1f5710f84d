"""PyTorch under `torch.compile`: gathering, both passes and the update are one compiled function.

Tried and slower: compiling the loss and the optimiser's `step` apart, with eager `backward` between them.
"""

import time
from typing import final

import torch
import torch._inductor.config as inductor
import torch.nn.functional as F  # noqa: N812 - its users' name for it
from torch import Tensor

from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import load
from benchmarks.peers.torch_ import hold_to, sequential
from benchmarks.peers.weights import dense_layers
from benchmarks.prediction import PredictionJob
from benchmarks.start import start

Tensors = list[Tensor]


def logits_of(parameters: Tensors, x: Tensor) -> Tensor:
    for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = F.relu(F.linear(x, W, b))
    return F.linear(x, parameters[-2], parameters[-1])


def update(
    optimizer: str, rate: float, parameters: Tensors, slots: list[Tensors], t: Tensor, gradient: Tensors
) -> None:
    """PyTorch's own update rules, in its functional style."""
    if optimizer == "sgd":
        for w, g in zip(parameters, gradient, strict=True):
            w.sub_(rate * g)
    elif optimizer == "momentum":
        for w, v, g in zip(parameters, *slots, gradient, strict=True):
            v.mul_(MOMENTUM).add_(g)
            w.sub_(rate * v)
    else:
        t.add_(1)
        root = torch.sqrt(1 - BETA2**t)
        scale = rate * root / (1 - BETA1**t)
        for w, m, v, g in zip(parameters, *slots, gradient, strict=True):
            m.mul_(BETA1).add_(g, alpha=1 - BETA1)
            v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
            w.sub_(scale * m / (v.sqrt() + EPSILON * root))


@final
class Training:
    """Compiled for both sizes of batch, the full one and an epoch's last, before the clock starts."""

    def __init__(self, job: TrainingJob, threads: int) -> None:
        self.versions = {"torch": str(torch.__version__)}
        self.note = ""
        hold_to(threads)
        torch.manual_seed(job.seed)
        images = load(job.dataset, job.images)
        self._images, self._batch = images, job.batch
        self._x, self._y = torch.from_numpy(images.x), torch.from_numpy(images.y)
        model = sequential(start(images.sizes(job.hidden), job.seed))
        self._parameters = [parameter.detach() for parameter in model.parameters()]
        n_slots = {"sgd": 0, "momentum": 1, "adam": 2}[job.optimizer]
        self._slots = [[torch.zeros_like(p) for p in self._parameters] for _ in range(n_slots)]
        self._t = torch.zeros(())

        def loss(parameters: Tensors, x: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(logits_of(parameters, x), y)

        def step(parameters: Tensors, slots: list[Tensors], t: Tensor, x: Tensor, y: Tensor, chosen: Tensor) -> None:
            gradient = torch.func.grad(loss)(parameters, x.index_select(0, chosen), y.index_select(0, chosen))
            update(job.optimizer, job.learning_rate, parameters, slots, t, gradient)

        self._step = torch.compile(step, dynamic=False)
        before = [p.clone() for p in self._parameters]
        rest = len(self._x) % self._batch
        for size in (self._batch, rest) if rest else (self._batch,):
            self._take(torch.arange(size))
        for p, was in zip(self._parameters, before, strict=True):  # what was learned while compiling is forgotten
            p.copy_(was)
        for slot in self._slots:
            for s in slot:
                s.zero_()
        self._t.zero_()

    def turn(self) -> float:
        began = time.perf_counter()
        for chosen in torch.randperm(len(self._x)).split(self._batch):
            self._take(chosen)
        return time.perf_counter() - began

    @torch.no_grad()
    def _take(self, chosen: Tensor) -> None:
        self._step(self._parameters, self._slots, self._t, self._x, self._y, chosen)

    @torch.inference_mode()
    def outcome(self) -> float:
        logits = logits_of(self._parameters, torch.from_numpy(self._images.test_x))
        return self._images.accuracy(logits.argmax(1).numpy())


@final
class Inference:
    """Compiled with the weights frozen into it, the largest logit found inside."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        self.versions = {"torch": str(torch.__version__)}
        self.note = ""
        hold_to(threads)
        inductor.freezing = True
        self._calls = job.calls
        model = sequential(dense_layers(job.model)).eval()
        self._classes = torch.compile(lambda x: model(x).argmax(1), dynamic=False)
        self._x = torch.from_numpy(load(job.dataset, 1).test_x[: job.images].copy())
        self.outcome()

    @torch.inference_mode()
    def turn(self) -> float:
        began = time.perf_counter()
        for _ in range(self._calls):
            self._classes(self._x)
        return (time.perf_counter() - began) / self._calls

    @torch.inference_mode()
    def outcome(self) -> list[int]:
        return [int(c) for c in self._classes(self._x)]
