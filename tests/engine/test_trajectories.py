"""A hundred steps of training, number for number as PyTorch took them.

`tests/reference/make_trajectories.py` made the numbers. Batches of two sizes share one gradient, as in a run.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from handgrad.engine.losses import LOSSES, SoftmaxCrossEntropy
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.optimizers import BLOCK, OPTIMIZERS, clip_norm
from handgrad.engine.penalties import L1, L2
from handgrad.engine.schedules import Constant, Cosine, Exponential, OneCycle, ReduceOnPlateau, StepDecay

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "trajectories.json").read_text(encoding="utf-8"))
X, LABELS, WEIGHTS = (np.array(REFERENCE[name]) for name in ("x", "labels", "weights"))
CLOSE = 1e-9

SCHEDULES = {
    None: Constant,
    "step": lambda rate, step_size, gamma: StepDecay(rate, every=step_size, factor=gamma),
    "exponential": lambda rate, gamma: Exponential(rate, every=1, factor=gamma),
    "cosine": lambda rate, T_max, eta_min: Cosine(rate, total=T_max, final=eta_min),
    "one_cycle": lambda rate, max_lr, total_steps, cycle_momentum: OneCycle(max_lr, total=total_steps),  # noqa: ARG005 - PyTorch's names
    "plateau": lambda rate, factor, patience: ReduceOnPlateau(rate, factor=factor, patience=patience),
}


def loss_of(case):
    if case["loss"] == "cross_entropy":
        return SoftmaxCrossEntropy(label_smoothing=case["label_smoothing"])
    return LOSSES[case["loss"]]()


def replay(case):
    """Train as PyTorch did: the network, every loss and every learning rate."""
    loss, hidden = loss_of(case), [8, 6][: len(case["activations"])]
    network = Network.fully_connected(
        12, hidden, 4, activation=case["activations"], batch_norm=case["batch_norm"], dtype=np.float64
    )
    network.theta[...] = case["start"]
    optimizer = OPTIMIZERS[case["optimizer"]](
        len(network.theta), np.float64, decay=case["decay"], n_decayed=network.n_weights
    )
    schedule = SCHEDULES[case["schedule"]](case["rate"], **case["schedule_numbers"])
    penalties = [penalty(case[name]) for penalty, name in ((L1, "l1"), (L2, "l2")) if case[name]]
    gradient, scratch = np.empty_like(network.theta), np.empty(BLOCK)
    targets = loss.target_rows(4)[LABELS]
    batches = [slice(begin, begin + REFERENCE["batch"]) for begin in range(0, len(X), REFERENCE["batch"])]
    passes = {n: TrainingPass(network, n, loss, gradient=gradient) for n in {len(X[rows]) for rows in batches}}

    losses, rates = [], []
    for step in range(len(case["losses"])):
        rows = batches[step % len(batches)]
        a = passes[len(X[rows])]
        a.x[...], a.targets[...] = X[rows], targets[rows]
        if case["weighted"]:
            a.share[...] = WEIGHTS[rows] / WEIGHTS[rows].sum()
        a.forward_training(np.random.default_rng(0))
        losses.append(a.backward())
        rates.append(schedule.rate(step))
        for penalty in penalties:
            if isinstance(penalty, L1):
                penalty.add_gradient(network.weights, gradient[: network.n_weights], scratch)
        if case["clip"]:
            clip_norm(gradient, case["clip"])
        for penalty in penalties:
            if isinstance(penalty, L2):  # PyTorch's weight_decay comes after clipping
                penalty.add_gradient(network.weights, gradient[: network.n_weights], scratch)
        optimizer.step(network.theta, gradient, rates[-1])
        if (step + 1) % REFERENCE["observed_every"] == 0:
            schedule.observe(losses[-1])
    return network, losses, rates


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: case["name"])
def test_a_hundred_steps(case):
    network, losses, rates = replay(case)
    np.testing.assert_allclose(rates, case["rates"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(losses, case["losses"], rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose(network.theta, case["theta"], rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose(network.statistics, case["statistics"], rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose(network.logits(X[:4]), case["logits"], rtol=CLOSE, atol=CLOSE)


def test_the_reference_holds_everything_once():
    cases = REFERENCE["cases"]
    assert set(OPTIMIZERS) == {case["optimizer"] for case in cases}
    assert set(LOSSES) == {case["loss"] for case in cases}
    assert set(SCHEDULES) == {case["schedule"] for case in cases}
    assert {100} == {len(case["losses"]) for case in cases}
    assert {8, 4} == {len(X[begin : begin + REFERENCE["batch"]]) for begin in range(0, len(X), REFERENCE["batch"])}
    plateau = next(case for case in cases if case["schedule"] == "plateau")
    assert len(set(plateau["rates"])) > 2
    assert REFERENCE["made_with"]["torch"].startswith("2.")
