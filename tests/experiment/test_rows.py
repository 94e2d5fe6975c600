"""No two photos of one burst or encounter are on both sides of what is learned and what is measured, for any task."""

from functools import partial

import numpy as np
import pytest

from tests.data.test_groups import sea_with_head
from tests.data.test_splits import as_photos
from whale_jax import tasks
from whale_jax.data import images, splits
from whale_jax.experiment import dataset, prediction, rows
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.rows import Holdout
from whale_jax.programs import split as program
from whale_jax.runtime import errors
from whale_jax.tasks import TASKS

SEEDS = range(8)  # of the head in each burst of two photos
WHALE = np.array([0, 0, 1, 1, 2, -1, -1, -1])  # in it: nobody knows three of them
ARGUMENTS = {"stn": {"crop": (16, 32)}}  # of tasks that need some


@pytest.fixture(scope="module")
def bursts():
    """(16,) the burst of each of 16 annotated photos; the last whale has one burst."""
    return np.repeat(np.arange(len(SEEDS)), 2)


@pytest.fixture(scope="module")
def data(bursts, tmp_path_factory):
    """The photos, dealt out by what the program finds in them."""
    folder = tmp_path_factory.mktemp("bursts")
    seas = [np.full((200, 300, 3), (40.0 + 20 * seed, 70, 90)) for seed in SEEDS]
    drawn = [sea_with_head(seas[seed], seed, spot) for seed in SEEDS for spot in ((20, 30), (130, 200))]
    files, points = zip(*drawn, strict=True)
    photos = as_photos(WHALE[bursts], points=points, size=(200, 300), files=files)
    box = np.array(photos.points.reshape(-1, 4))
    box[:, 2:] = 20
    photos = photos._replace(box=box)
    groups = program.head(photos, folder)
    assert len(set(groups)) == len(SEEDS)
    split = splits.make(photos, folds=2, seed=0, groups=groups)
    view = images.View(np.zeros((16, 8, 8, 3), np.uint8), np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)))
    return dataset.join(photos, view, split=split)


def annotation_of(task):
    return tasks.build({"name": task, **ARGUMENTS.get(task, {})}, size=(32, 32)).annotation


@pytest.mark.parametrize("num_subfolds", [0, 2, 3])
@pytest.mark.parametrize("task", TASKS)
def test_no_burst_is_both_learned_and_measured(data, bursts, task, num_subfolds):
    measured, annotation = [], annotation_of(task)
    for fold in (-1, 0, 1):
        for subfold in range(max(num_subfolds, 1)):
            train, valid = rows.choose(data, annotation=annotation, holdout=Holdout(fold, subfold, num_subfolds))
            assert not set(bursts[train]) & set(bursts[valid])
            measured += valid.tolist()
    named = annotation == "label"
    expected = WHALE[bursts] >= 0 if named else np.full(16, bool(annotation))
    expected &= ~((WHALE[bursts] == 2) & named)  # nobody would know a whale that is held out with all its photos
    if num_subfolds or named:
        assert set(measured) == set(np.flatnonzero(expected))


@pytest.mark.parametrize("num_subfolds", [0, 2])
def test_an_encounter_of_several_whales_stays_whole_though_one_of_them_has_no_other(num_subfolds):
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 3], np.int32)
    encounter = np.array(["a", "b", "c", "d", "e", "f", "g", "h", "a", "e"])  # whales 2 and 3 are seen once
    photos = as_photos(label, encounter=encounter)
    split = splits.make(photos, folds=2, seed=0, groups=np.unique(encounter, return_inverse=True)[1])
    view = images.View(np.zeros((10, 8, 8, 3), np.uint8), np.tile(np.eye(3, dtype=np.float32), (10, 1, 1)))
    data = Data(photos, split, view, None)
    for fold in (0, 1):
        for subfold in range(max(num_subfolds, 1)):
            train, valid = rows.choose(data, annotation="label", holdout=Holdout(fold, subfold, num_subfolds))
            assert len(valid)
            assert not set(encounter[train]) & set(encounter[valid])
            assert set(label[valid]) <= set(label[train])


@pytest.mark.parametrize(("subfold", "count", "message"), [(2, 2, "are 0 to 1"), (1, 0, "set config.num_subfolds")])
def test_a_subfold_that_is_none_is_refused(data, subfold, count, message):
    with pytest.raises(errors.InputError, match=f"config.subfold = {subfold}: .*{message}"):
        rows.choose(data, annotation="points", holdout=Holdout(-1, subfold, count))


def test_whales_that_no_network_was_taught_do_not_count_against_one(data):
    """A tenth of the whales, say, that a split keeps out for "none of these"."""
    labelled = np.flatnonzero(data.photos.label >= 0)
    fold = data.split.fold.copy()
    fold[labelled[:2]] = -1
    reduced = data.split._replace(fold=fold)
    logits = np.zeros((16, 3), np.float32)
    logits[labelled, data.photos.label[labelled]] = 9
    logits[labelled[:2]] *= -1
    task = tasks.build({"name": "classify"}, size=(32, 32), classes=3)
    measure = partial(prediction.summary, task, {"logits": logits}, photos=data.photos)
    summaries = [measure(split=split) for split in (data.split, reduced)]
    assert [summary["validated_on"] for summary in summaries] == [len(labelled), len(labelled) - 2]
    assert summaries[0]["metrics"]["top1"] < summaries[1]["metrics"]["top1"] == 1
