"""What ships must be what it says it is."""

import numpy as np
import pytest

from handgrad import modelfile, models
from handgrad.data.dataset import Dataset


@pytest.mark.mnist
@pytest.mark.parametrize("name", models.names())
def test_a_shipped_model_reaches_what_it_claims(name: str, mnist: Dataset) -> None:
    model = modelfile.load(models.path(name))
    answers = model.predict_probabilities(mnist.test.images).argmax(axis=1)
    # Another machine's products differ in their last bits, which may turn a close call.
    assert model.provenance["test_accuracy"] == pytest.approx(np.mean(answers == mnist.test.labels), abs=3e-4)
    assert model.provenance["data"] == mnist.fingerprint


def test_every_shipped_model_is_found_by_its_name() -> None:
    assert "classic" in models.names()
    sizes = {name: models.path(name).stat().st_size for name in models.names()}
    assert {} == {name: size for name, size in sizes.items() if size > (8_000_000 if name == "record" else 500_000)}


def test_a_model_that_ships_is_called_by_its_name_and_another_by_its_place(tmp_path):
    assert "classic" == models.called(models.path("classic"))
    assert str(tmp_path / "classic.safetensors") == models.called(tmp_path / "classic.safetensors")
