"""What tasks measure of all rows at once: predictions of all photos, NaN where there is none."""

from types import SimpleNamespace

import numpy as np
import pytest

from whale_jax import tasks
from whale_jax.evaluation import retrieval
from whale_jax.runtime import errors

BOXES = np.float32([[0, 0, 2, 2], [10, 10, 4, 4], [5, 5, 1, 1]])
POINTS = np.float32([[[0, 0], [3, 4]], [[0, 0], [0, 10]], [[1, 1], [1, 2]]])


def test_a_box_that_was_not_predicted_overlaps_nothing():
    box = BOXES.copy()
    box[0, 2] = 1  # half of the true one
    box[1] = np.nan
    score = tasks.build({"name": "bbox"}, size=(8, 8)).score
    photos = SimpleNamespace(box=BOXES)
    assert score({"box": box}, photos, rows=np.array([0, 1])) == pytest.approx({"iou": 0.25, "iou>0.5": 0})
    assert score({"box": box}, photos, rows=np.array([2])) == {"iou": 1, "iou>0.5": 1}
    assert score({"box": box}, photos, rows=np.arange(0)) == {}


def test_points_that_were_not_predicted_are_outside_every_distance_and_no_part_of_the_mean():
    points = POINTS.copy()
    points[0, :, 0] += 0.4  # 0.08 head lengths
    points[1] = np.nan
    score = tasks.build({"name": "keypoints"}, size=(8, 8)).score
    metrics = score({"points": points}, SimpleNamespace(points=POINTS), rows=np.array([0, 1]))
    expected = {"point_error": 0.08, "point_error_median": 0.08, "pck@0.05": 0, "pck@0.1": 0.5, "pck@0.25": 0.5}
    assert metrics == pytest.approx(expected, rel=1e-5)


def test_whales_are_scored_where_there_are_logits():
    logits = np.log(np.float32([[0.5, 0.25, 0.25], [np.nan] * 3, [0.2, 0.2, 0.6]]))
    score = tasks.build({"name": "classify"}, size=(8, 8)).score
    photos = SimpleNamespace(label=np.array([0, 1, 0]))
    metrics = score({"logits": logits}, photos, rows=np.arange(3))
    assert metrics == pytest.approx({"log_loss": -np.log(0.5 * 0.2) / 2, "top1": 0.5, "top5": 1}, rel=1e-5)
    assert score({"logits": logits}, photos, rows=np.array([1])) == {}


def test_embeddings_are_scored_by_the_other_photos_that_have_features_and_a_label():
    features = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    features[6] = np.nan
    label, rows = np.array([0, 1, 0, 1, -1, 0, 1]), np.array([0, 1])
    score = tasks.build({"name": "embed"}, size=(8, 8)).score
    metrics = score({"features": features}, SimpleNamespace(label=label, whales=("a", "b")), rows=rows)
    gallery = [2, 3, 5]
    labels = {"query_label": label[rows], "label": label[gallery]}
    assert metrics == retrieval.score(features[rows], features[gallery], **labels, whales=2)
    assert score({"features": features}, SimpleNamespace(label=label, whales=("a", "b")), rows=np.arange(7)) == {}


@pytest.mark.parametrize(("loc_weight", "annotated"), [(1.0, 0.0), (2.0, 1.0)])
def test_a_localizer_needs_a_photo_with_points_that_are_used(loc_weight, annotated):
    spec = {"name": "stn", "crop": (4, 8), "loc_weight": loc_weight, "annotated_fraction": annotated}
    photos = SimpleNamespace(points=np.full((3, 2, 2), np.nan if annotated else 1.0))
    with pytest.raises(errors.InputError, match=f"has the weight {loc_weight:g}, and of the 3 photos to train on none"):
        tasks.build(spec, size=(8, 8)).check(photos, np.arange(3))
    tasks.build({**spec, "loc_weight": 0.0}, size=(8, 8)).check(photos, np.arange(3))
