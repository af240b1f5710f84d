"""The job of `handgrad train --recipe classic` as a PyTorch script: python in_torch.py IMAGES.npz EPOCHS.

Written to need little memory: images stay `uint8`, a batch becomes float when it is gathered, and the test images are
read a few thousand at a time. It imports nothing of the benchmark's.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its users' name for it
from torch import nn

BATCH, RATE, AT_ONCE = 32, 0.2, 4096


def floats(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float().mul_(1 / 255)


def main() -> None:
    torch.manual_seed(0)
    with np.load(sys.argv[1]) as file:
        x, y, test_x, test_y = (torch.from_numpy(file[name]) for name in ("x", "y", "test_x", "test_y"))
    y, test_y = y.long(), test_y.long()
    n_out = int(y.max()) + 1
    model = nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, n_out))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), RATE, fused=True)
    for epoch in range(int(sys.argv[2])):
        for chosen in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(floats(x[chosen])), y[chosen]).backward()
            optimizer.step()
        with torch.inference_mode():
            parts = zip(test_x.split(AT_ONCE), test_y.split(AT_ONCE), strict=True)
            right = sum(int((model(floats(a)).argmax(1) == b).sum()) for a, b in parts)
        print(f"epoch {epoch + 1}: {right / len(test_x):.2%}", flush=True)
    torch.save(model.state_dict(), sys.argv[1] + ".pt")


if __name__ == "__main__":
    main()
