from types import SimpleNamespace

import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import images, splits
from whale_jax.evaluation import attribution
from whale_jax.experiment import dataset
from whale_jax.programs import saliency
from whale_jax.runtime import errors
from whale_jax.workflow import stage

VIEW, SPOT = (30, 45), (slice(6, 12), slice(27, 36))


@pytest.fixture
def data():
    """Six photos, seen whole; the head box of each lies over SPOT in the view."""
    world = photos()
    scale = VIEW[1] / 800
    matrices = np.tile(np.diag([scale, VIEW[0] / 600, 1.0]).astype(np.float32), (6, 1, 1))
    box = np.tile(np.float32([26 / scale, 5 * 600 / VIEW[0], 11 / scale, 8 * 600 / VIEW[0]]), (6, 1))
    view = images.View(np.random.default_rng(0).integers(0, 100, (6, *VIEW, 3), np.uint8), matrices)
    view.images[:, *SPOT] = 255
    fold = np.array([0, 0, 0, 1, -1, -1], np.int32)
    split = splits.Split(fold, np.minimum(fold, 0), np.zeros(6, bool), fold, "h", 2, 0)
    world = world._replace(box=box)
    return dataset.join(world, view, split=split)


def bright(state, batch):
    """A network that is the surer the brighter SPOT is."""
    light = batch["image"][:, *SPOT].mean((1, 2, 3)) / 255
    logits = np.eye(3)[batch["label"]] * 5 * light[:, None]
    return {"loss": (np.zeros(()), np.ones(()))}, {"logits": logits}


def test_a_network_that_looks_at_the_head_is_seen_to(data):
    whole = SimpleNamespace(put_batch=lambda batch: batch, gather=lambda predictions: predictions)
    network = SimpleNamespace(evaluate=bright, state=None, parallel=whole)
    boxes = attribution.windows(VIEW, side=0.2, step=0.1)
    saliency_map = saliency.explain(network, data, row=1, boxes=boxes, gradients=lambda row: np.zeros(VIEW), batch=7)
    spot = saliency_map.occlusion[SPOT].mean()
    saliency_map.occlusion[SPOT] = 0
    assert spot > 5 * saliency_map.occlusion.mean()
    assert attribution.share_inside(np.ones(VIEW), saliency_map.box) == pytest.approx(11 * 8 / (30 * 45), rel=0.2)
    assert saliency_map.title.startswith("1.jpg: ")


def test_boxes_that_leave_gaps_are_refused():
    stage.check(stage.config("saliency", side=0.1, step=0.1))
    with pytest.raises(errors.InputError, match=r"config.step = 0.1, config.side = 0.05: the boxes .* leave gaps"):
        stage.check(stage.config("saliency", side=0.05))


def test_photos_are_those_held_out_that_have_a_box(data):
    config = SimpleNamespace(seed=0, photos=9)
    assert sorted(saliency.choose(config, data, fold=0)) == [0, 1, 2]
    data.photos.box[1] = np.nan
    assert sorted(saliency.choose(config, data, fold=0)) == [0, 2]
    data.photos.box[:] = np.nan
    with pytest.raises(errors.InputError, match="no photo that is validated on has a head box"):
        saliency.choose(config, data, fold=0)
