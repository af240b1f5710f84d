"""Records in, Matplotlib figures out.

Each function returns a `Figure` and `save` writes it; nothing here opens a window, keeps a global figure or knows
where the records came from.
"""

from handgrad.plots.confusion import confusion
from handgrad.plots.curves import test_accuracy, training_loss
from handgrad.plots.file import check_name, save
from handgrad.plots.mistakes import mistakes
from handgrad.plots.warps import warps

__all__ = ["check_name", "confusion", "mistakes", "save", "test_accuracy", "training_loss", "warps"]
