"""How every figure of handgrad looks.

Colours, sizes and the frame around a drawing are decided here once. The user's own Matplotlib settings are put
aside while a figure is made, so that the same records give the same picture everywhere.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DPI = 200  # twice what a screen shows, so that a README is sharp
INK = "#22262b"
QUIET = "#6b7178"
FAINT = "#b9bec4"
GRID = "#e8eaed"
PAPER = "#f4f5f6"
RIGHT, NOTHING = "#e8eaed", "#f8f9fa"  # cells of right answers, and of none
ERRORS = ("#fdf0e6", "#f5b48a", "#c2410c", "#7c2207")  # cells of errors, from few to many

# Dark enough to be read as text on white, and told apart by colour-blind eyes too; tests/plots/test_style.py checks.
LINES = ("#0a66b0", "#d1490c", "#089964", "#8e3a80", "#6b3e12", "#2a99de", "#4b5158")
DASHES = ("-", "--", "-.")  # the eighth run gets the first colour again, dashed

_SETTINGS: Any = {  # Any, for Matplotlib types its settings by a list of all their names
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],  # ships with Matplotlib, so it is everywhere
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a run may be called cost_$5
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "xtick.labelcolor": QUIET,
    "xtick.major.size": 3,
    "ytick.labelcolor": QUIET,
    "ytick.major.size": 0,
    "ytick.major.pad": 6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
}


@contextmanager
def styled() -> Iterator[None]:
    """Inside, Matplotlib has this house's settings and none of the user's; outside, nothing has changed."""
    import matplotlib as mpl  # noqa: PLC0415 - imported late: it takes half a second

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the curves are still worth having.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of `width` by `height` inches, on an Agg canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - imported late: see `styled`
    from matplotlib.figure import Figure  # noqa: PLC0415 - imported late: see `styled`

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def place(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes at a place given in inches from the figure's lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def head(figure: "Figure", title: str, subtitle: str, left: float) -> None:
    """The two lines on top of a figure, their left edge `left` inches from its side."""
    w, h = figure.get_size_inches()
    figure.text(left / w, 1 - 0.22 / h, drawable(title), size=14, weight="bold", va="top")
    figure.text(left / w, 1 - 0.52 / h, drawable(subtitle), size=9.5, color=QUIET, va="top")


def text_width(text: "Text") -> float:
    """How wide a text is drawn, in inches."""
    figure = text.get_figure()
    assert figure is not None  # noqa: S101 - for the type checker: every text here was put on a figure
    return text.get_window_extent().width / figure.dpi


def drawable(text: str) -> str:
    """A text that can be drawn: a file's name may hold bytes that are no character, and they are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(name: str, length: int) -> str:
    """A name on one line of at most `length` characters; its middle goes, for both ends tell runs apart."""
    name = " ".join(drawable(name).split())
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[len(name) - tail :]}"
