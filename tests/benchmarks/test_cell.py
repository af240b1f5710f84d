import pytest
from benchmarks.cell import Cell, chosen, operations, products, rate

from handgrad.errors import UsageError


def test_there_are_two_networks_four_batches_and_three_rules():
    cells = list(Cell.all())

    assert 24 == len(cells) == len({cell.name for cell in cells})
    assert "784-128-64-10, batch 32, sgd" == cells[0].name
    assert "784-1024-512-10, batch 512, adam" == cells[-1].name


def test_a_choice_leaves_the_rest_out():
    assert [Cell("small", 64, "sgd")] == chosen(["small"], [64], ["sgd"])
    assert [Cell("wide", 7, rule) for rule in ("sgd", "momentum", "adam")] == chosen(["wide"], [7], [])
    assert list(Cell.all()) == chosen([], [], [])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((["huge"], [], []), "--network huge: choose small or wide"),
        (([], [], ["adamw"]), "--optimizer adamw: choose sgd or momentum or adam"),
        (([], [0], []), "--batch 0: a batch has at least one image"),
    ],
)
def test_what_no_cell_has_is_refused(given, sentence):
    with pytest.raises(UsageError) as raised:
        chosen(*given)

    assert sentence == str(raised.value)


def test_every_system_is_told_the_same():
    job = Cell("small", 32, "momentum").job(dataset="digits", images=100)

    assert ((128, 64), 32, "momentum") == (job.hidden, job.batch, job.optimizer)
    assert (0.0025, "digits", 100) == (job.learning_rate, job.dataset, job.images)


def test_the_rate_grows_with_the_batch_and_with_its_root_for_adam_up_to_128():
    assert [0.025, 0.05, 0.1, 0.1] == [rate("sgd", batch) for batch in (32, 64, 128, 512)]
    assert [0.0005, 0.001, 0.001] == [rate("adam", batch) for batch in (32, 128, 512)]


def test_a_step_multiplies_forward_then_down_and_never_the_input_s_own_gradient():
    expected = [(5, 4, 3), (5, 3, 2), (3, 5, 2), (5, 2, 3), (4, 5, 3)]

    assert expected == products((4, 3, 2), 5)
    assert 2 * 5 * (2 * 4 * 3 + 3 * 3 * 2) == operations((4, 3, 2), 5)
