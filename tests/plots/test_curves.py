"""That the curves show the records, and that their labels can be read."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import plots
from handgrad.errors import HandgradError
from handgrad.plots import curves
from handgrad.training.records import EpochRecord


@dataclass(frozen=True)
class Row:
    epoch: int
    training_loss: float
    training_accuracy: float
    test_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


RUN = [Row(1, 0.38, 0.89, 0.912), Row(2, 0.1, 0.96, 0.965), Row(3, 0.02, 0.99, 0.9802)]
WATCHED = [replace(r, validation_loss=0.1 + r.epoch, validation_accuracy=r.test_accuracy - 0.001) for r in RUN]
BOTH = pytest.mark.parametrize("draw", [plots.training_loss, plots.test_accuracy])


def lines(figure):
    """The curves that are drawn, without the dots at their ends."""
    return [line for line in figure.axes[0].lines if line.get_marker() == "None"]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def crowded(figure):
    """Whether two labels of the upright axis touch."""
    figure.draw_without_rendering()
    extents = [label.get_window_extent() for label in figure.axes[0].yaxis.get_ticklabels()]
    return any(a.overlaps(b) for i, a in enumerate(extents) for b in extents[:i])


def boxes(figure):
    return [text.get_window_extent() for text in figure.texts]


def overlapping(figure):
    found = boxes(figure)
    return [
        (figure.texts[i].get_text(), figure.texts[j].get_text())
        for i in range(len(found))
        for j in range(i)
        if found[i].shrunk(0.9, 0.75).overlaps(found[j].shrunk(0.9, 0.75))
    ]


def test_the_loss_is_the_records_loss():
    figure = plots.training_loss({"classic": RUN})

    (line,) = lines(figure)
    assert [1, 2, 3] == line.get_xdata().tolist()
    assert [0.38, 0.1, 0.02] == line.get_ydata().tolist()
    assert ["Training loss", "classic, 3 epochs  ·  mean of each epoch, logarithmic scale"] == texts(figure)[2:]
    assert ["0.0200", "training"] == texts(figure)[:2]


def test_validation_loss_stands_beside_it():
    figure = plots.training_loss({"classic": WATCHED})

    training, validation = lines(figure)
    assert [0.38, 0.1, 0.02] == training.get_ydata().tolist()
    assert [1.1, 2.1, 3.1] == validation.get_ydata().tolist()
    assert {"training", "validation", "0.0200", "3.1000"} < set(texts(figure))


def test_the_accuracy_of_one_run_has_its_training_beside_it():
    figure = plots.test_accuracy({"classic": WATCHED})

    training, validation, test = lines(figure)
    assert [0.89, 0.96, 0.99] == training.get_ydata().tolist()
    assert [r.validation_accuracy for r in WATCHED] == validation.get_ydata().tolist()
    assert [0.912, 0.965, 0.9802] == test.get_ydata().tolist()
    assert test.get_linewidth() > 2 * training.get_linewidth()
    assert {"98.02%", "test", "99.00%", "training", "97.92%", "validation"} < set(texts(figure))


def test_several_runs_are_overlaid_by_name():
    histories = {"sgd": WATCHED, "adam": [replace(r, test_accuracy=r.test_accuracy + 0.01) for r in RUN[:2]]}

    accuracy, loss = plots.test_accuracy(histories), plots.training_loss(histories)

    assert [[0.912, 0.965, 0.9802], [0.922, 0.975]] == [line.get_ydata().tolist() for line in lines(accuracy)]
    assert {"sgd", "adam", "98.02%", "97.50%"} < set(texts(accuracy))
    assert [3, 3, 2] == [len(line.get_ydata()) for line in lines(loss)]
    assert "2 runs  ·  mean of each epoch, logarithmic scale  ·  dotted: validation" in texts(loss)
    assert 2 == len({line.get_color() for line in lines(accuracy)})


def test_the_training_rooms_record_is_what_is_read():
    record = EpochRecord(
        epoch=1,
        step=938,
        learning_rate=0.1,
        training_loss=0.4,
        training_accuracy=0.9,
        validation_loss=None,
        validation_accuracy=None,
        test_accuracy=0.91,
        seconds=0.5,
        images_per_second=120_000.0,
    )

    assert [0.4] == lines(plots.training_loss({"a": [record]}))[0].get_ydata().tolist()
    assert [0.91] == lines(plots.test_accuracy({"a": [record]}))[-1].get_ydata().tolist()


@BOTH
def test_one_epoch_is_a_dot_with_a_label(draw):
    figure = draw({"classic": RUN[:1]})

    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [1.0] == dots[-1].get_xdata()
    assert ["1"] == ticks(figure.axes[0].xaxis)
    assert 2 <= len(ticks(figure.axes[0].yaxis))


def test_97_and_98_percent_can_be_told_apart():
    figure = plots.test_accuracy({"a": RUN, "b": [replace(r, test_accuracy=0.8) for r in RUN]})

    def height(accuracy):
        return figure.axes[0].transData.transform((1, accuracy))[1]

    assert height(0.98) - height(0.97) > 0.75 * (height(0.8) - height(0.7))
    assert figure.axes[0].get_ylim()[0] < 0.8
    assert ["98%", "97%", "95%", "90%", "80%"] == ticks(figure.axes[0].yaxis)


def test_an_axis_from_nothing_to_everything_is_not_crowded():
    figure = plots.test_accuracy({"a": [replace(RUN[0], test_accuracy=0.0), replace(RUN[1], test_accuracy=1.0)]})

    assert {"100%", "99%", "90%", "0%"} < set(ticks(figure.axes[0].yaxis))
    assert not crowded(figure)


def test_everything_right_still_has_a_place():
    figure = plots.test_accuracy({"a": [replace(r, test_accuracy=1.0, training_accuracy=0.99999) for r in RUN]})

    low, high = figure.axes[0].get_ylim()
    assert low < 1.0 < high
    assert {"100.00%", ">99.99%"} < set(texts(figure))


def test_tiny_differences_are_seen_and_said():
    figure = plots.training_loss(
        {f"seed {i}": [replace(r, training_loss=0.07 + i * 1e-6) for r in RUN] for i in range(3)}
    )

    assert {"0.070000", "0.070001", "0.070002"} < set(texts(figure))
    low, high = figure.axes[0].get_ylim()
    assert high - low < 1e-3
    assert len(set(ticks(figure.axes[0].yaxis))) == len(ticks(figure.axes[0].yaxis)) >= 2


def test_values_equal_to_all_that_is_shown_are_said_alike():
    figure = plots.training_loss({"a": RUN, "b": [replace(r, training_loss=r.training_loss + 1e-12) for r in RUN]})

    assert 2 == texts(figure).count("0.0200000")


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([0.5, 0.05], "log"), ([2.3, 2.2], "linear"), ([0.5, 0.0], "linear"), ([0.0, 0.0], "linear")],
)
def test_the_loss_is_logarithmic_where_that_helps(losses, scale):
    figure = plots.training_loss({"a": [replace(RUN[0], epoch=i + 1, training_loss=l) for i, l in enumerate(losses)]})

    assert scale == figure.axes[0].get_yscale()
    low, high = figure.axes[0].get_ylim()
    assert low < min(losses) <= max(losses) < high


@pytest.mark.parametrize("last", [1e-3, 1e-7, 1e-15])
def test_a_log_axis_is_labelled_and_not_crowded(last):
    figure = plots.training_loss({"a": [replace(RUN[0], training_loss=0.5), replace(RUN[1], training_loss=last)]})

    assert 3 <= len(ticks(figure.axes[0].yaxis)) <= 17
    assert not crowded(figure)


def test_a_value_that_is_not_finite_is_a_gap():
    broken = [*RUN, replace(RUN[0], epoch=4, training_loss=math.inf, test_accuracy=math.nan)]

    figure = plots.training_loss({"a": broken})

    assert np.isnan(lines(figure)[0].get_ydata()[-1])
    assert "0.0200" in texts(figure)
    assert "98.02%" in texts(plots.test_accuracy({"a": broken}))


@BOTH
def test_nothing_to_draw_gets_a_sentence(draw):
    with pytest.raises(HandgradError, match="no run to draw"):
        draw({})
    with pytest.raises(HandgradError, match="the run b has no finished epoch"):
        draw({"a": RUN, "b": []})
    with pytest.raises(HandgradError, match="the run c has no finished epoch"):
        draw({"c": [replace(RUN[0], training_loss=math.nan, test_accuracy=math.nan)]})


@BOTH
def test_long_names_keep_both_ends_and_leave_room_for_the_curve(draw):
    names = [f"runs/2025-11-2{i}-classic-784-1024-512-10-momentum-seed{i}" for i in range(5)]

    figure = draw(dict.fromkeys(names, RUN))

    shown = [text for text in texts(figure) if "…" in text]
    assert 5 == len(set(shown))
    assert all(name.startswith("runs/2025-11-2") and name[-1].isdigit() and len(name) == 34 for name in shown)
    assert figure.axes[0].get_position().width * figure.get_figwidth() >= 3.9
    assert all(0 < box.x0 and box.x1 < figure.bbox.width for box in boxes(figure))


@BOTH
def test_a_name_is_not_read_as_mathematics(draw):
    figure = draw({"cost_$5_$6": RUN, "line\nbreak": RUN})

    assert {"cost_$5_$6", "line break"} < set(texts(figure))
    assert all(not text.get_parse_math() for text in figure.texts)


@BOTH
@pytest.mark.parametrize("n", [2, 7, 30])
def test_labels_never_lie_on_one_another(draw, n):
    figure = draw({f"run {i}": RUN for i in range(n)})

    assert [] == overlapping(figure)
    assert min(n, 21) == len({(line.get_color(), line.get_linestyle()) for line in lines(figure)})


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(3, [1, 2, 3]), (11, [*range(1, 12)]), (20, [1, 5, 10, 15, 20]), (60, [1, 10, 20, 30, 40, 50, 60])],
)
def test_epochs_are_numbered_from_one_in_round_steps(epochs, expected):
    figure = plots.training_loss({"a": [replace(RUN[0], epoch=i + 1) for i in range(epochs)]})

    assert list(map(str, expected)) == ticks(figure.axes[0].xaxis)


def test_a_run_taken_up_in_the_middle_keeps_its_epochs():
    figure = plots.training_loss({"a": [replace(r, epoch=r.epoch + 20) for r in RUN]})

    assert [21, 22, 23] == lines(figure)[0].get_xdata().tolist()
    assert ["21", "22", "23"] == ticks(figure.axes[0].xaxis)


@settings(deadline=None)  # a slow machine is no failure
@given(st.lists(st.floats(0, 3), min_size=1, max_size=15))
def test_spreading_keeps_order_distance_and_bounds(wanted):
    places = curves._spread(wanted, 0.2, 0.0, 3.0)

    ranked = sorted(range(len(wanted)), key=lambda i: wanted[i])
    gaps = [places[b] - places[a] for a, b in pairwise(ranked)]
    assert all(gap >= 0.2 - 1e-6 for gap in gaps)
    assert -1e-6 <= min(places) <= max(places) <= 3.0 + 1e-6


def test_spreading_moves_nothing_that_has_room():
    assert pytest.approx([0.5, 2.5, 1.5]) == curves._spread([0.5, 2.5, 1.5], 0.2, 0.0, 3.0)
