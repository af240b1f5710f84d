"""What several networks, or several looks at an image, say together."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad import committee
from handgrad.data.augment import Warper
from handgrad.data.normalization import Normalization
from handgrad.engine.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from handgrad.engine.network import Network
from handgrad.errors import HandgradError
from handgrad.modelfile import Model

CLASSES = ("a", "b", "c")
LOOKS = Normalization(deskew=True), Normalization(width=1.0)


def model(seed, loss=None, classes=CLASSES):
    network = Network.fully_connected(16, (6,), len(classes))
    network.initialize(np.random.default_rng(seed))
    return Model(network, classes, (4, 4), 255, loss or SoftmaxCrossEntropy())


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (9, 16), dtype=np.uint8)


def normalized(log_p):
    p = np.exp(log_p)
    return p / p.sum(axis=1, keepdims=True)


def test_one_model_and_no_warp_is_the_single_pass(images):
    one = model(1)

    np.testing.assert_allclose(
        committee.predict_probabilities([one], images), one.predict_probabilities(images), rtol=1e-5
    )


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_model_sees_images_its_own_way_beside_another(look, images):
    plain, other = model(1), replace(model(2), normalization=look)
    alone = [np.log(one.predict_probabilities(images)) for one in (plain, other)]

    assert (other.predict_probabilities(images) != model(2).predict_probabilities(images)).any()
    np.testing.assert_allclose(
        committee.predict_probabilities([plain, other], images), normalized(np.mean(alone, axis=0)), rtol=1e-5
    )


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_images_made_alike_are_warped_as_in_training(look, images):
    one = replace(model(1), normalization=look)
    rows = np.empty((9, 16), np.float32)
    Warper(look.images(images, (4, 4)), (4, 4), 255, committee.WARPS, committee.SEED).warp(np.arange(9), 1, rows)
    logs = [np.log(one.predict_probabilities(images)), np.log(one.network.predict_probabilities(rows))]

    actual = committee.predict_probabilities([one], images, warps=1)
    np.testing.assert_allclose(actual, normalized(np.mean(logs, axis=0)), rtol=1e-5)


def test_several_models_average_their_log_probabilities(images):
    models = [model(1), model(2), model(3)]
    mean = np.mean([np.log(one.predict_probabilities(images)) for one in models], axis=0)

    np.testing.assert_allclose(committee.predict_probabilities(models, images), normalized(mean), rtol=1e-5)


def test_the_image_itself_and_its_warps_weigh_the_same(images):
    one = model(1)
    logs = [np.log(one.predict_probabilities(images))]
    warper = Warper(images, (4, 4), 255, committee.WARPS, committee.SEED)
    for turn in (1, 2):
        rows = np.empty((9, 16), np.float32)
        warper.warp(np.arange(9), turn, rows)
        logs.append(np.log(one.network.predict_probabilities(rows)))

    actual = committee.predict_probabilities([one], images, warps=2)
    np.testing.assert_allclose(actual, normalized(np.mean(logs, axis=0)), rtol=1e-5)


def test_no_two_parts_see_the_same_warps(images, monkeypatch):
    updates = []
    warp = Warper.warp
    monkeypatch.setattr(committee, "READ_AT_ONCE", 4)
    monkeypatch.setattr(
        Warper, "warp", lambda self, part, update, out: (updates.append(update), warp(self, part, update, out))
    )
    answers = committee.predict_probabilities([model(1)], images, warps=3)

    assert 9 == len(set(updates)) == len(updates)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0)


def test_a_model_that_is_sure_outweighs_those_that_are_not(images):
    sure, unsure = model(1), model(2)
    for one, logits in ((sure, (-50.0, 0.0, 0.0)), (unsure, (1.0, 0.0, 0.0))):
        one.network.theta[...] = 0.0
        one.network.views()[-1][1][...] = logits

    assert (committee.predict_probabilities([sure, unsure, unsure], images)[:, 0] < 1e-6).all()


def test_models_that_do_not_belong_together_are_refused(images):
    with pytest.raises(HandgradError, match="tell different classes"):
        committee.predict_probabilities([model(1), model(2, classes=("a", "b", "d"))], images)
    with pytest.raises(HandgradError, match="no probabilities"):
        committee.predict_probabilities([model(1), model(2, BinaryCrossEntropy())], images)
