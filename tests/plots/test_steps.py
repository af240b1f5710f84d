import numpy as np
import pytest

from handgrad import plots
from handgrad.errors import HandgradError
from handgrad.plots.steps import MOST_ROWS


def panel(name="grey", shape=(20, 30), boxes=()):
    return plots.Panel(name, "as bright as it looks", np.zeros(shape, np.uint8), boxes)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_each_step_has_its_name_its_caption_and_its_picture():
    figure = plots.steps([[panel("picture", (20, 30, 3)), panel("ink")]], "seven.png", "read as 7")

    assert {"seven.png", "read as 7", "picture", "ink", "as bright as it looks"} == set(texts(figure))
    assert [(20, 30, 3), (20, 30)] == [axes.images[0].get_array().shape for axes in figure.axes]


def test_boxes_are_drawn_around_pixels():
    figure = plots.steps([[panel(boxes=[np.array([2, 3, 10, 12])])]], "a", "b")

    (line,) = figure.axes[0].lines
    assert (2.5, 11.5) == (min(line.get_xdata()), max(line.get_xdata()))
    assert (1.5, 9.5) == (min(line.get_ydata()), max(line.get_ydata()))


def test_a_shorter_row_stands_under_the_last_panels():
    figure = plots.steps([[panel("a"), panel("b")], [panel("c")]], "x", "y")
    left = {text.get_text(): text.get_position()[0] for text in figure.texts}

    assert left["b"] == left["c"] > left["a"]


def test_very_many_rows_are_cut():
    figure = plots.steps([[panel()]] * 40, "x", "y")

    assert MOST_ROWS == len(figure.axes)


@pytest.mark.parametrize("rows", [[], [[]], [[panel()], []]])
def test_nothing_is_no_strip(rows):
    with pytest.raises(HandgradError, match="at least one panel"):
        plots.steps(rows, "x", "y")
