"""That the matrix shows the counts, colours the errors only, and says what its margins are."""

import numpy as np
import pytest

from handgrad import plots
from handgrad.evaluation.report import evaluate

LABELS = np.array([0] * 100 + [1] * 100 + [2] * 3)
READ = np.array([0] * 95 + [1] * 5 + [1] * 99 + [0] + [1] * 3)  # nobody is read as the third


def figure_of(labels, read, classes):
    return plots.confusion(evaluate(labels, np.eye(len(classes))[read], classes), "a title")


@pytest.fixture
def figure():
    return figure_of(LABELS, READ, ("cat", "dog", "eel"))


def cells(figure):
    """What is written inside the matrix, by row and column."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in figure.axes[0].texts
        if all(0 < place < 3 for place in text.get_position())
    }


def colours(figure):
    (mesh,) = figure.axes[0].collections
    k = int(figure.axes[0].get_xlim()[1])
    return mesh.get_array().reshape(k, k, 4)[:, :, :3]


def test_the_counts_stand_in_their_cells_and_zeros_are_left_out(figure):
    assert {(0, 0): "95", (0, 1): "5", (1, 0): "1", (1, 1): "99", (2, 1): "3", (2, 2): "0"} == cells(figure)


def test_rows_go_down(figure):
    assert (3.0, 0.0) == figure.axes[0].get_ylim()


def test_only_errors_are_coloured_the_more_the_deeper(figure):
    darkness = 1 - colours(figure).mean(axis=2)
    strayed = np.ptp(colours(figure), axis=2)  # a grey has none

    assert darkness[0, 1] > darkness[2, 1] > darkness[1, 0] > darkness.diagonal().max()
    assert strayed.diagonal().max() < 0.03
    assert np.array_equal(colours(figure)[0, 2], colours(figure)[1, 2])


def test_the_margins_name_and_count(figure):
    said = [text.get_text() for text in figure.axes[0].texts]

    assert [2, 2, 2] == [said.count(name) for name in ("cat", "dog", "eel")]
    assert {"true", "read as", "recall", "precision", "95.0%", "99.0%", "0.0%", "92.5%"} < set(said)
    assert 1 == said.count("–")  # the precision of the third
    assert {"100", "3", "96", "107", "0"} < set(said)


def test_the_head_says_what_it_comes_to(figure):
    assert [
        "a title",
        "9 of 203 wrong  ·  accuracy 95.57% (95% interval 91.79% to 97.65%)",
    ] == [text.get_text() for text in figure.texts]


def test_no_error_at_all_is_a_quiet_figure():
    figure = figure_of(np.array([0, 1, 2]), np.array([0, 1, 2]), ("a", "b", "c"))

    assert np.ptp(colours(figure), axis=2).max() < 0.03


def test_long_names_stand_upright_and_inside_the_figure():
    figure = figure_of(LABELS, READ, ("T-shirt/top", "Ankle boot", "a name far longer than any matrix"))

    upright = [text.get_text() for text in figure.axes[0].texts if text.get_rotation() == 90]
    assert ["T-shirt/top", "Ankle boot", "a name f… matrix"] == upright
    extents = [text.get_window_extent() for text in (*figure.axes[0].texts, *figure.texts)]
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in extents)
    assert all(box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height for box in extents)


def test_many_classes_shrink_and_then_leave_their_text_out():
    labels = np.arange(120)

    some = figure_of(labels[:40], labels[:40], [f"c{i}" for i in range(40)])
    many = figure_of(labels, labels, [f"c{i}" for i in range(120)])

    assert 17 > some.get_figwidth()
    assert 17 > many.get_figwidth()
    assert "c39" in [text.get_text() for text in some.axes[0].texts]
    assert 0 == len(many.axes[0].texts)
