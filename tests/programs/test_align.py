"""Frames of views, and the points that a view is aligned by."""

import csv

import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax import frames, geometry
from whale_jax.data import predictions
from whale_jax.programs import align
from whale_jax.recognition import views
from whale_jax.runtime import errors
from whale_jax.workflow import stage


@pytest.mark.parametrize("size", [(112, 224), (224, 224)])
def test_the_head_frame_lays_the_bonnet_right_of_the_blowhead(size):
    data = photos()
    config = stage.config("align", frame="head", size=size)
    moved = geometry.move_points(views.head(config, data), data.points)
    # Where the crops of the competition have them, 224 x 224 and squashed: (178.8, 112) and (67, 112).
    expected = (np.array([[178.8, 112.0], [67.0, 112.0]]) + 0.5) * (np.array(size[::-1]) / 224) - 0.5
    np.testing.assert_allclose(moved, np.tile(expected, (6, 1, 1)), atol=0.6)


@pytest.mark.parametrize("annotated", [False, True])
def test_annotations_count_before_predictions_where_a_person_says_so(tmp_path, annotated):
    data = photos()
    predicted = data.points + 7
    predictions.save(tmp_path, data, arrays={"points": predicted})
    partly = data._replace(points=np.where(np.arange(6)[:, None, None] < 2, data.points, np.nan))
    config = stage.config("align", inputs={"predictions": str(tmp_path)}, frame="head", prefer_annotations=annotated)
    points = views.find(config, partly, kind="points")
    expected = np.where(np.arange(6)[:, None, None] < (2 if annotated else 0), data.points, predicted)
    np.testing.assert_array_equal(points, expected)


def test_points_that_a_person_has_set_are_not_moved_to_a_usual_length():
    stage.check(stage.config("align", steady=1.3, inputs={"predictions": "points"}))
    with pytest.raises(errors.InputError, match=r"config.steady is for predicted heads: leave it 0 without"):
        stage.check(stage.config("align", steady=1.3))


def test_a_squashed_frame_shows_the_same_part_of_the_photo():
    data = photos()
    wide, square = (views.head(stage.config("align", size=size), data) for size in [(100, 200), (200, 200)])
    for matrix, size in ((wide, (100, 200)), (square, (200, 200))):
        rim = geometry.corners(np.array([-0.5, -0.5, size[1], size[0]], np.float32))
        corners = geometry.move_points(geometry.invert(matrix), np.tile(rim, (6, 1, 1)))
        sides = np.linalg.norm(np.diff(corners[:, :3], axis=1), axis=-1)
        length = np.linalg.norm(data.points[:, 0] - data.points[:, 1], axis=-1)
        np.testing.assert_allclose(sides / length[:, None], np.tile([2.0, 1.0], (6, 1)), rtol=1e-3)


def test_steady_points_keep_their_middle_and_heading_and_a_likely_length():
    turn = np.exp(1j * np.linspace(0, 6, 7))
    arm = np.array([20, 22, 18, 20, 60, 5, np.nan]) * turn / 2
    middle = np.array([300.0, 250])
    points = np.stack([middle + np.stack([s * arm.real, s * arm.imag], -1) for s in (1, -1)], axis=1).astype(np.float32)
    steady = np.asarray(frames.steady(points, np.tile([[600, 800]], (7, 1)), within=1.5))
    length = np.linalg.norm(steady[:, 0] - steady[:, 1], axis=-1)
    np.testing.assert_allclose(length[:6], [20, 22, 18, 20, 30, 20 / 1.5], rtol=1e-5)
    np.testing.assert_allclose(steady[:6].mean(1), points[:6].mean(1), rtol=1e-5)
    heading = np.arctan2(*(steady[:, 0] - steady[:, 1]).T) - np.arctan2(*(points[:, 0] - points[:, 1]).T)
    np.testing.assert_allclose(heading[:6], 0, atol=1e-5)
    assert np.isnan(steady[6]).all()


def test_the_box_frame_fills_the_view_with_the_padded_box():
    data = photos()
    matrix = views.box(stage.config("align", size=(50, 60), padding=0.1), data)
    padded = data.box + data.box[:, [2, 3, 2, 3]] * np.array([-0.1, -0.1, 0.2, 0.2])
    corners = geometry.move_points(matrix, geometry.corners(padded))
    np.testing.assert_allclose(corners[:, [0, 2]], np.tile([[-0.5, -0.5], [59.5, 49.5]], (6, 1, 1)), atol=1e-3)


def test_a_square_box_keeps_the_heads_shape():
    data = photos()
    matrix = np.asarray(views.box(stage.config("align", frame="box", size=(50, 50), square=True), data))
    np.testing.assert_allclose(matrix[:, 0, 0], matrix[:, 1, 1])
    corners = geometry.move_points(matrix, geometry.corners(data.box))
    across = np.ptp(corners, axis=1)
    np.testing.assert_allclose(across.max(1), 50, rtol=1e-5)  # its longer side fills the view, about its middle
    np.testing.assert_allclose(corners.mean(1), 24.5, atol=1e-3)


def test_points_csv_holds_every_photo_and_leaves_unknown_ones_empty(tmp_path):
    data = photos()
    data.points[1] = np.nan
    align.write_points(tmp_path / "points.csv", data.name, points=data.points)
    rows = list(csv.DictReader((tmp_path / "points.csv").open()))
    assert [row["Image"] for row in rows] == data.name.tolist()
    assert set(list(rows[1].values())[1:]) == {""}
    assert float(rows[0]["blowhead_y"]) == pytest.approx(data.points[0, 1, 1], abs=0.01)
