"""The report's pictures show the photos and points that they are said to show."""

import io
import shutil

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tests.programs.runs import WHALES, inputs
from whale_jax.data import images, right_whale
from whale_jax.programs import report
from whale_jax.report import approaches, charts, figures, heads, pictures, sheets
from whale_jax.workflow import finished_runs, json_files


def drawn(run, *names):
    """{name: arguments} of the pictures."""
    return {name: arguments for name, _, *arguments in pictures.draw(report.gather(inputs(run, *names)))}


def test_curves(run_folder):
    (panels, _) = drawn(run_folder)["curves_classifiers"]
    [loss], [top1] = panels
    training, validation = loss.lines[:2]
    assert training.x == (2.5, 5, 7.5, 10)
    assert training.y == (5, 2.5, 50 / 30, 1.25)
    assert (validation.x, validation.y, validation.used) == ((5, 10), (3, 1.5), 5)
    assert [line.name for line in top1.lines] == ["naive: whole photo", "boxed head", "aligned head"]
    for name in ("curves_localizer", "curves_aligner"):  # two looks of two parts; the third look is not trained
        columns, _ = drawn(run_folder)[name]
        assert [len(panel.lines) for column in columns for panel in column] == [4, 2] * 2


def test_the_weights_that_later_stages_take_are_marked(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    features = tmp_path / "run" / "features"
    inputs_of = {"inputs": {"network": str(tmp_path / "run" / "aligned_classifier")}, "program": "extract"}
    json_files.write(features / "config.json", {**inputs_of, "weights": "last"})
    json_files.write(tmp_path / "run" / "stack" / "config.json", {"inputs": {"features": str(features)}})
    json_files.write(
        tmp_path / "run" / "calibrated" / "config.json", {"inputs": {"stack": str(tmp_path / "run" / "stack")}}
    )
    ([loss], [top1]), _ = drawn(tmp_path / "run")["curves_classifiers"]
    for panel, count in ((loss, 6), (top1, 3)):
        used = {line.name: line.used for line in panel.lines if line.valid}
        assert used == {"naive: whole photo": 5, "boxed head": 5, "aligned head": 10}
        assert len(panel.lines) == count
    refined = json_files.read(tmp_path / "run" / "refined" / "config.json")
    json_files.write(tmp_path / "run" / "refined" / "config.json", {**refined, "weights": "last"})
    (first, second), _ = drawn(tmp_path / "run")["curves_aligner"]
    assert {line.used for panel in first for line in panel.lines if line.valid} == {5}
    assert {line.used for panel in second for line in panel.lines if line.valid} == {10}


def test_ready_crops_are_drawn_as_wide_as_heads_are_however_they_are_stored(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    config = json_files.read(tmp_path / "run" / "aligned" / "config.json")
    json_files.write(tmp_path / "run" / "aligned" / "config.json", {**config, "frame": "whole", "aspect": 2.0})
    pictures_of = drawn(tmp_path / "run")
    for name in ("aligned_heads", "likeliest"):
        assert {head.aspect for heads in pictures_of[name][0].values() for head in heads} == {2.0}


def test_overlaps(run_folder):
    """Half of every box is right; a box that is missing overlaps nothing."""
    [overlap] = drawn(run_folder)["iou"]
    np.testing.assert_allclose(np.sort(overlap), [0] + [0.5] * (7 * WHALES - 1), atol=1e-6)


def test_spots_show_the_points(run_folder):
    """Best to worst; where the annotated bonnet is drawn, the picture shows the photo's dot."""
    rows, _ = drawn(run_folder)["points_aligner"]
    error = {kind: [float(spot.title.split()[1]) for spot in row] for kind, row in rows.items()}
    assert error["best"] == sorted(error["best"])
    assert max(error["best"]) < min(error["median"]) < max(error["median"]) < min(error["worst"])
    assert error["best"][0] == 0
    assert error["worst"][-1] == pytest.approx(19 / 20, abs=1e-3)
    for spot in [spot for row in rows.values() for spot in row]:
        left, right, bottom, top = spot.extent
        height, width = spot.image.shape[:2]
        x, y = spot.true[0]
        red = spot.image[int((y - top) / (bottom - top) * height), int((x - left) / (right - left) * width)]
        assert red[0] > 150 > red[2]
        points = np.concatenate([spot.true, spot.predicted])
        assert ((points > (left, top)) & (points < (right, bottom))).all()


def test_photos_that_nobody_named_or_annotated_are_shown_with_what_was_found(run_folder, monkeypatch):
    photos = right_whale.load(run_folder / "photos")
    strangers = photos._replace(
        label=np.full_like(photos.label, -1), whales=(), points=np.full_like(photos.points, np.nan)
    )
    monkeypatch.setattr(right_whale, "load", lambda folder: strangers)
    pictures_of = drawn(run_folder, "photos", "third", "aligned")
    assert list(pictures_of) == ["points_third", "aligned_heads"]
    rows, title = pictures_of["points_third"]
    assert {kind: len(spots) for kind, spots in rows.items()} == {"not annotated": 4}
    assert "error" not in title
    assert all(np.isnan(spot.true).all() and np.isfinite(spot.predicted).all() for spot in rows["not annotated"])
    assert [len(heads) for heads in pictures_of["aligned_heads"][0].values()] == [4, 4, 4, 4, 4, 4]
    unmeasured = {"third": finished_runs.Stage(None, {}, {"metrics": {}})}
    assert approaches.network_rows(unmeasured, approaches.ALIGNERS, metrics=approaches.POINT_METRICS) == []


def test_sheets_show_the_same_photos_in_both_views(run_folder):
    pictures_of = drawn(run_folder)
    aligned, boxed = pictures_of["aligned_heads"][0], pictures_of["boxed_heads"][0]
    titles = {whale: [head.title for head in heads] for whale, heads in aligned.items()}
    assert titles == {whale: [head.title for head in heads] for whale, heads in boxed.items()}
    assert list(titles) == [f"whale_{i}" for i in range(WHALES)]
    for whale, names in titles.items():
        assert {f"whale_{int(name[:2]) % WHALES}" for name in names} == {whale}
        assert len(names) == 4  # of each burst of two, one
    assert {head.aspect for heads in boxed.values() for head in heads} == {2.0}  # unsquashed
    assert {head.aspect for heads in aligned.values() for head in heads} == {0.5}


def test_likeliest_whales_are_shown_from_the_surest_answer_on(run_folder):
    rows, *_ = drawn(run_folder)["likeliest"]
    titles = {name: [head.title for head in heads] for name, heads in rows.items()}
    assert titles == {
        "05.jpg": ["who is it?", "whale_1: 90.0%", "whale_0: 6.2%"],
        "06.jpg": ["who is it?", "whale_2: 50.0%", "whale_3: 25.0%"],
    }
    view, photos = images.load(run_folder / "aligned"), right_whale.load(run_folder / "photos")
    query, first, second = rows["06.jpg"]
    for head, name in ((query, "06.jpg"), (first, "02.jpg"), (second, "03.jpg")):  # the first photo of each whale
        row = np.array([photos.name.tolist().index(name)])
        assert np.array_equal(head.image, images.enlarge(photos, view, rows=row, height=heads.HEAD_HEIGHT)[0])


def test_choose():
    label = np.array([0] * 9 + [1] * 2 + [2] * 8 + [-1])
    usable = label >= 0
    usable[0] = False
    chosen = heads.choose(label, np.arange(20), usable=usable)
    assert {whale: len(rows) for whale, rows in chosen.items()} == {0: 6, 2: 6}
    assert chosen[0].tolist() == [1, 2, 4, 5, 7, 8]
    assert heads.choose(label, np.arange(20), usable=np.zeros(20, bool)) == {}


@pytest.mark.slow
def test_one_look_and_few_photos():
    """Figures do not need all rows and columns to be full."""
    spot = sheets.Spot(np.zeros((2, 3, 3), np.uint8), (0, 3, 2, 0), np.ones((2, 2)), np.ones((2, 2)), "one")
    head = sheets.Head(np.zeros((2, 3, 3), np.uint8), 1.5, "$a_$")  # no formula
    line = figures.Line([1.0], [0.0], "network", "black")
    with matplotlib.rc_context(figures.STYLE):
        for figure in (
            sheets.point_sheet({"best": [spot], "worst": [spot, spot]}, "points"),
            sheets.head_sheet({"a": [head], "b": [head, head]}, "heads"),
            figures.curves([[figures.Panel("loss", [])], [figures.Panel("top-1", [line], share=True)]], "curves"),
            charts.iou_histogram(np.zeros(1)),
            charts.error_curves([("look", "black", np.array([np.nan]))]),
        ):
            figure.savefig(picture := io.BytesIO(), format="png")
            assert np.asarray(Image.open(picture).convert("L")).std() > 1  # something is drawn
