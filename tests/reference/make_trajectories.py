"""Train small networks for 100 steps with PyTorch in float64, and write every loss to `trajectories.json`, beside this.

Run it by hand, in an environment that has torch and numpy; the tests need neither torch nor this script:

    python tests/reference/make_trajectories.py

Each case starts from the same rounded numbers, which are written down too, so that nothing depends on a generator.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

STEPS, ROWS, BATCH, OBSERVED_EVERY = 100, 60, 8, 5  # 60 rows in batches of 8: the last of each round has 4

ACTIVATIONS = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
}

SCHEDULES = {
    "step": lr_scheduler.StepLR,
    "exponential": lr_scheduler.ExponentialLR,
    "cosine": lr_scheduler.CosineAnnealingLR,
    "one_cycle": lr_scheduler.OneCycleLR,
    "plateau": lr_scheduler.ReduceLROnPlateau,
}

COMMON = {
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "batch_norm": False,
    "weighted": False,
    "decay": 0.0,  # AdamW's; weights only
    "l1": 0.0,  # added to the loss; weights only
    "l2": 0.0,  # PyTorch's weight_decay; weights only
    "clip": None,  # the length of the whole gradient
    "schedule": None,
    "schedule_numbers": {},
}

CASES = [
    {"name": "sgd, relu", "optimizer": "sgd", "rate": 0.1, "activations": ["relu", "relu"]},
    {"name": "momentum, tanh", "optimizer": "momentum", "rate": 0.05, "activations": ["tanh", "tanh"]},
    {"name": "nesterov, leaky relu, elu", "optimizer": "nesterov", "rate": 0.03, "activations": ["leaky_relu", "elu"]},
    {"name": "rmsprop, two curves", "optimizer": "rmsprop", "rate": 0.01, "activations": ["sigmoid", "softplus"]},
    {"name": "adam, gelu", "optimizer": "adam", "rate": 0.01, "activations": ["gelu", "gelu"]},
    {"name": "adamw, silu", "optimizer": "adamw", "rate": 0.01, "activations": ["silu", "silu"], "decay": 0.01},
    {"name": "no hidden layer", "optimizer": "sgd", "rate": 0.2, "activations": []},
    {"name": "batch norm, smoothed, in steps", "optimizer": "sgd", "rate": 0.2, "activations": ["relu", "relu"],
     "batch_norm": True, "label_smoothing": 0.1,
     "schedule": "step", "schedule_numbers": {"step_size": 30, "gamma": 0.3}},
    {"name": "l2, exponential", "optimizer": "sgd", "rate": 0.2, "activations": ["relu", "tanh"], "l2": 0.01,
     "schedule": "exponential", "schedule_numbers": {"gamma": 0.97}},
    {"name": "l1, clipped, cosine", "optimizer": "sgd", "rate": 0.2, "activations": ["tanh", "relu"], "l1": 0.001,
     "clip": 0.5, "schedule": "cosine", "schedule_numbers": {"T_max": STEPS, "eta_min": 0.001}},
    {"name": "batch norm, one cycle", "optimizer": "adam", "rate": 0.03, "activations": ["gelu", "relu"],
     "batch_norm": True, "schedule": "one_cycle",
     "schedule_numbers": {"max_lr": 0.03, "total_steps": STEPS, "cycle_momentum": False}},
    {"name": "batch norm, decay, plateau", "optimizer": "adamw", "rate": 0.05, "activations": ["silu", "relu"],
     "batch_norm": True, "decay": 0.1, "label_smoothing": 0.05, "weighted": True,
     "schedule": "plateau", "schedule_numbers": {"factor": 0.5, "patience": 2}},
    {"name": "squared error, clipped", "optimizer": "rmsprop", "rate": 0.005, "activations": ["tanh", "identity"],
     "loss": "squared_error", "clip": 0.3, "l2": 0.01, "weighted": True},
    {"name": "binary cross-entropy", "optimizer": "adam", "rate": 0.02, "activations": ["elu", "sigmoid"],
     "loss": "binary_cross_entropy", "weighted": True},
]  # fmt: skip


class Network(nn.Module):
    def __init__(self, sizes, activations, *, batch_norm):
        super().__init__()
        layers = []
        for n_in, n_out, activation in zip(sizes[:-2], sizes[1:-1], activations, strict=True):
            layers.append(nn.Linear(n_in, n_out, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(n_out))
            layers.append(ACTIVATIONS[activation]())
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1])).double()

    def forward(self, x):
        return self.layers(x)

    def matrices(self):
        return [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)]

    def others(self):
        """Biases, and batch norm's gamma and beta, from the first layer on."""
        found = []
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm1d):
                found.append(layer.weight)
            if isinstance(layer, nn.Linear | nn.BatchNorm1d) and layer.bias is not None:
                found.append(layer.bias)
        return found

    def theta(self):
        """Every parameter: matrices as (n_in, n_out), then the others."""
        pieces = [W.detach().T for W in self.matrices()] + [b.detach() for b in self.others()]
        return np.concatenate([piece.numpy().ravel() for piece in pieces])

    def load(self, theta):
        begin = 0
        with torch.no_grad():
            for view in [W.T for W in self.matrices()] + self.others():
                view.copy_(torch.tensor(theta[begin : begin + view.numel()]).reshape(view.shape))
                begin += view.numel()

    def statistics(self):
        pieces = []
        for layer in self.layers:
            if isinstance(layer, nn.BatchNorm1d):
                pieces += [layer.running_mean, layer.running_var]
        return np.concatenate([piece.numpy() for piece in pieces]) if pieces else np.zeros(0)


def losses_of_rows(case, z, labels):
    one_hot = functional.one_hot(labels, z.shape[1]).double()
    if case["loss"] == "cross_entropy":
        return functional.cross_entropy(z, labels, reduction="none", label_smoothing=case["label_smoothing"])
    if case["loss"] == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(z, one_hot, reduction="none").sum(dim=1)
    return 0.5 * functional.mse_loss(z, one_hot, reduction="none").sum(dim=1)


def trajectory(case, x, labels, weights):
    case = COMMON | case
    sizes = [12, 8, 6, 4] if case["activations"] else [12, 4]
    network = Network(sizes, case["activations"], batch_norm=case["batch_norm"])
    start = np.round(0.4 * np.random.default_rng(1).normal(size=len(network.theta())), 3)
    network.load(start)
    constructor, numbers = OPTIMIZERS[case["optimizer"]]
    optimizer = constructor(
        [
            {"params": network.matrices(), "weight_decay": case["decay"] + case["l2"]},
            {"params": network.others(), "weight_decay": 0.0},
        ],
        lr=case["rate"],
        **numbers,
    )
    schedule = SCHEDULES[case["schedule"]](optimizer, **case["schedule_numbers"]) if case["schedule"] else None

    losses, rates = [], []
    for step in range(STEPS):
        begin = step * BATCH % (ROWS + BATCH - ROWS % BATCH)
        rows = slice(begin, min(begin + BATCH, ROWS))
        w = weights[rows] if case["weighted"] else torch.ones_like(weights[rows])
        share = w / w.sum()
        loss = (share * losses_of_rows(case, network(x[rows]), labels[rows])).sum()
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(loss.item())
        optimizer.zero_grad()
        (loss + case["l1"] * sum(W.abs().sum() for W in network.matrices())).backward()
        if case["clip"]:  # by hand: clip_grad_norm_ adds 1e-6 to the length
            gradients = [p.grad for p in network.parameters()]
            length = torch.cat([g.ravel() for g in gradients]).norm()
            for g in gradients:
                g.mul_(min(1.0, case["clip"] / length.item()))
        optimizer.step()
        if case["schedule"] == "plateau":
            if (step + 1) % OBSERVED_EVERY == 0:
                schedule.step(loss.item())
        elif schedule and step + 1 < STEPS:
            schedule.step()

    network.eval()
    return {
        **case,
        "start": start.tolist(),
        "losses": losses,
        "rates": rates,
        "theta": network.theta().tolist(),
        "statistics": network.statistics().tolist(),
        "logits": network(x[:4]).detach().tolist(),
    }


def main():
    generator = np.random.default_rng(0)
    x = np.round(generator.normal(size=(ROWS, 12)), 3)
    labels = (x @ generator.normal(size=(12, 4)) + generator.normal(size=(ROWS, 4))).argmax(axis=1)
    weights = np.round(generator.uniform(0.2, 2.0, ROWS), 2)
    tensors = torch.tensor(x), torch.tensor(labels), torch.tensor(weights)
    content = {
        "made_with": {"torch": torch.__version__, "numpy": np.__version__},
        "batch": BATCH,
        "observed_every": OBSERVED_EVERY,
        "x": x.tolist(),
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "cases": [trajectory(case, *tensors) for case in CASES],
    }
    lines = json.dumps(content).replace('{"name"', '\n{"name"').replace('"cases"', '\n"cases"')
    Path(__file__).with_name("trajectories.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
