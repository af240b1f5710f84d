"""A run's folder is whole at any moment, also after a kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import handgrad
from handgrad import modelfile, runs
from handgrad.errors import HandgradError, UsageError
from handgrad.runs import RunFolder
from handgrad.training import checkpoint
from handgrad.training.recipe import Recipe
from small_runs import without_time

PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from handgrad import runs
from handgrad.data.dataset import Examples, assemble
from handgrad.training.loop import Run
from handgrad.training.recipe import parse

generator = np.random.default_rng(0)
def examples(n):
    return Examples(generator.integers(0, 256, (n, 64), dtype=np.uint8), np.arange(n, dtype=np.intp) % 4)
data = assemble("noise", examples(400), examples(40), image_shape=(8, 8), classes=tuple("abcd"))
path, recipe = Path(sys.argv[1]), parse(sys.argv[2], "recipe")
print("ready", flush=True)
if path.is_dir():
    run = runs.taken_up(folder := runs.opened(path), data)
else:
    folder = runs.begin(run := Run(recipe, data), path)
for _ in runs.conduct(run, folder):
    print("saved", flush=True)
"""


LONG = Recipe(
    name="long",
    hidden_layer_sizes=(32,),
    epochs=60,
    batch_size=16,
    optimizer="adam",
    learning_rate=0.001,
    batch_norm=True,
    dropout=0.1,
    schedule="cosine",
)


CUT = """
import os
rename, left = os.replace, [None] * {renames}
os.replace = lambda *paths: rename(*paths, *(left.pop() or ())) if left else os._exit(9)
"""


def train(path, kill_after=None, before="") -> int:
    """Train in another process and give its exit status; kill it so many lines and seconds after its start, if told."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, str(path), LONG.to_toml()],
        env=os.environ | {"PYTHONPATH": str(Path(handgrad.__file__).parents[1])},
        stdout=subprocess.PIPE,
    )
    with process:
        assert b"ready" == process.stdout.readline().strip()
        if kill_after is not None:
            lines, seconds = kill_after
            for _ in range(lines):
                process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        process.stdout.read()
    return process.returncode


def test_a_run_that_is_killed_goes_on_where_it_was_saved(tmp_path):
    whole, killed = (RunFolder(tmp_path / name) for name in ("whole", "killed"))
    assert 0 == train(whole.path)
    generator = np.random.default_rng(5)

    train(killed.path, kill_after=(3, 0.0))
    for lines in (0, 1, 4, 7, 9):
        train(killed.path, kill_after=(lines, generator.uniform(0.0, 0.02)))
        modelfile.load(killed.model)
        assert 3 <= len(runs.history_of(killed))
        assert 3 <= len(checkpoint.load(killed.checkpoint).values["history"])
    assert 0 == train(killed.path)

    assert whole.model.read_bytes() == killed.model.read_bytes()
    assert without_time(runs.history_of(whole)) == without_time(runs.history_of(killed))
    ends = [checkpoint.load(folder.checkpoint).arrays for folder in (whole, killed)]
    assert ends[0].keys() == ends[1].keys()
    for name, array in ends[0].items():
        assert array.tobytes() == ends[1][name].tobytes()


@pytest.mark.parametrize("renames", range(7))  # four as a run begins, and three after its first epoch
def test_no_rename_is_a_bad_moment(renames, tmp_path):
    """The power fails as the next file is about to be renamed: nothing is tidied up any more."""
    folder = RunFolder(tmp_path / "run")
    cut = CUT.format(renames=renames)

    assert 9 == train(folder.path, before=cut)

    parts = [folder.recipe, folder.history, folder.model, folder.checkpoint]
    assert [renames > i for i in range(4)] == [part.is_file() for part in parts]
    if renames < 4:
        with pytest.raises(HandgradError, match=r"holds no run|was stopped before it was first saved"):
            runs.taken_up(runs.opened(folder.path), None)
        with pytest.raises(UsageError, match="choose another --out"):
            runs.found(LONG, folder.path)
        return
    modelfile.load(folder.model)
    assert (renames > 4) == (len(runs.history_of(folder)) == 1)
    assert [] == checkpoint.load(folder.checkpoint).values["history"]
    assert 0 == train(folder.path)
    assert 60 == modelfile.load(folder.model).provenance["epoch"]
