"""The report says what the stages measured, and its pictures show the photos and points they are said to show."""

import csv
import io
import json
import math

import matplotlib
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from whale_jax import errors
from whale_jax.data import images, predictions, right_whale, splits
from whale_jax.programs import crossfit, figures, finished, pictures, report, sheets, stage

SIZE = (80, 120)  # height, width of the photos
WHALES = 4
SETTINGS = dict(matplotlib.rcParams)
NAMING = {"log_loss": 1.25, "top1": 0.6, "top5": 0.9}


def put(folder, program, inputs=(), config=(), **result):
    """A finished stage."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: str(folder.parent / name) if name else "" for name in inputs}
    stage.write(folder / "config.json", {"program": program, "inputs": paths, **dict(config)})
    stage.write(folder / "result.json", {"program": program, "seconds": 1.0, "device": "2 x cpu", **result})


def put_training(folder, inputs=(), **values):
    """A finished training run of 40 steps, 32 photos a step, on 128 photos: 10 epochs."""
    training = {"seconds": 20.0, "images_per_second": 64.0, "best_step": 20}
    config = {"size": [48, 96], "batch": 32}
    more = {"trained_on": 128, "validated_on": 16, "steps": 40, "training": training}
    put(folder, "train", inputs, config, metrics=NAMING, **more)
    rows = [{"step": step, "train/loss": 50 / step} for step in (10, 20, 30, 40)]
    rows += [{"step": step, **{f"valid/{k}": v / step for k, v in values.items()}} for step in (20, 40)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def put_crossfit(folder, photos, found, **values):
    config = {"size": [32, 32], "batch": 32, "parts": 2}
    measured = crossfit.score(found, photos)
    put(folder, "crossfit", ["photos", "split"], config, metrics=measured, training_seconds=40.0, images_per_second=9.0)
    predictions.save(folder, photos, found)
    for part in range(2):
        put_training(folder / f"part{part}", **values)


def annotate(i):
    """Bonnet and blowhead of photo i, 20 pixels apart."""
    return np.array([[30.0 + i, 40], [30 + i, 20]])


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Every stage that a report can read; a photo has a red dot at its bonnet."""
    root, run = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("run")
    columns = ["Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "x", "y", "width", "height"]
    rows = [columns]
    for i in range(7 * WHALES):
        photo = Image.new("RGB", SIZE[::-1], (0, 60, 120))
        x, y = annotate(i)[0].astype(int)
        photo.paste((255, 0, 0), (x - 2, y - 2, x + 3, y + 3))
        photo.save(root / f"{i:02d}.jpg", quality=95)
        rows.append([f"{i:02d}.jpg", f"whale_{i % WHALES}", *annotate(i).ravel(), 20, 10, 30, 40])
    with (root / "whales.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    stage.run(stage.config("import_photos", root=str(root)), run / "photos")
    photos = right_whale.load(run / "photos")
    split = splits.make(photos, folds=2, seed=0, groups=np.arange(len(photos.name)) // (2 * WHALES))
    put(run / "split", "split", ["photos"])
    splits.save(run / "split", photos, split)

    box = photos.box + np.array([0, 0, 0, 40])  # half of it is the annotated one
    box[0] = np.nan
    for name in pictures.BOXES:
        put_crossfit(run / name, photos, {"box": box}, iou=10, loss=3)
    shift = np.linspace(0, 19, len(photos.name))[::-1, None, None] * [
        1.0,
        0,
    ]  # in pixels, the first photo's the largest
    put_crossfit(run / "aligner", photos, {"points": photos.points + shift}, point_error=9, loss=3)
    put_crossfit(run / "refined", photos, {"points": photos.points + shift / 10}, point_error=5, loss=3)
    third = {"points": photos.points + shift / 20}
    put(run / "third", "predict", ["photos", "refined"], metrics=crossfit.score(third, photos))
    predictions.save(run / "third", photos, third)
    for name, frame, scale in (("boxed", "box", (0.5, 1.0)), ("aligned", "head", (1.0, 0.5))):
        matrices = np.tile(np.diag([*scale, 1]), (len(photos.name), 1, 1))
        images.save(run / name, photos, matrices, (24, 24))
        put(run / name, "align", ["photos"], {"frame": frame})
    for name in pictures.CLASSIFIERS:
        put_training(run / name, ["photos", "split"], log_loss=60, top1=8)
    put(run / "features", "extract", ["aligned_classifier"])
    put(run / "stack", "stack", ["features"])
    before, after = ({**NAMING, "log_loss": loss, "ece": 0.1} for loss in (1.5, 1.25))
    both = {
        "network": {"before": before, "after": after},
        "stack": {"before": before, "after": {**after, "top1": 0.625}},
    }
    for name in ("naive_calibrated", "boxed_calibrated", "calibrated"):
        put(run / name, "calibrate", ["stack"], metrics=both)
    put(run / "submission", "submit", ["calibrated"], source="stack", rows=661, metrics=NAMING)
    rows = ["Image,whale_1,probability_1,whale_2,probability_2", "06.jpg,whale_2,0.5,whale_3,0.25"]
    rows += ["05.jpg,whale_1,0.9,whale_0,0.0625", "left_out.jpg,whale_1,0.25,whale_0,0.25"]
    (run / "submission" / "likeliest.csv").write_text("\n".join(rows) + "\n")
    return run


def inputs(run, *names):
    return {name: str(run / name) for name in names or report.STAGES}


def make(run, workdir, *names):
    workdir.mkdir(exist_ok=True)
    result = report.run(ConfigDict({"inputs": inputs(run, *names)}), workdir)
    return result, stage.read(workdir / "table.json")


def drawn(run, *names):
    """{name: arguments} of the pictures."""
    return {name: arguments for name, _, *arguments in pictures.draw(report.gather(inputs(run, *names)))}


@pytest.fixture(scope="module")
def whole(run_folder, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("report")
    return *make(run_folder, workdir), workdir


def test_table_says_what_was_measured(whole, run_folder):
    result, table, workdir = whole
    assert result["table"] == (workdir / "table.md").read_text().strip()
    guess, *approaches = table["classifier, on validation"]
    assert guess["log_loss"] == pytest.approx(math.log(WHALES))
    assert [row["name"] for row in approaches] == ["naive: whole photo", "boxed head", "aligned head"]
    expected = {**NAMING, "train_seconds": 20.0, "images_per_second": 64.0, "validated_on": 16, "steps": 40}
    for row in approaches:
        assert {key: row[key] for key in expected} == expected
    assert (
        "| naive: whole photo        |    1.250 | 60.0% |  90.0% |     16 | 48x96 |    40 |     20 s |       64 |"
        in (result["table"].splitlines())
    )
    first, second, third = table["points, out of fold (head lengths)"]
    assert second["point_error"] == pytest.approx(first["point_error"] / 10, rel=1e-4)
    assert third["point_error"] == pytest.approx(first["point_error"] / 20, rel=1e-4)
    assert "train_seconds" in second
    assert "train_seconds" not in third
    *outcome, submission = table["probabilities, on validation"]
    assert [row["name"].partition(":")[0] for row in outcome] == ["naive"] * 2 + ["boxed"] * 2 + ["aligned"] * 2
    assert [(row["log_loss"], row["calibrated"], row["top1"]) for row in outcome[-2:]] == [
        (1.5, 1.25, 0.6),
        (1.5, 1.25, 0.625),
    ]
    assert submission["name"] == "in submission.csv, 661 photos: logistic regression on features"


def test_every_stage_is_timed_once(whole):
    """Stages that only other stages name count too; of one that was resumed, all of its training counts."""
    *rows, total = whole[1]["stage"]
    seconds = {row["name"]: row["seconds"] for row in rows}
    assert seconds.keys() == {*report.STAGES, "features", "stack"}
    assert len(rows) == len(seconds)
    assert seconds["aligner"] == 40  # of training, though its last run took one second
    assert seconds["features"] == 1
    assert total["seconds"] == pytest.approx(sum(seconds.values()))


def test_pictures_are_whole_and_do_not_change(whole, run_folder, tmp_path):
    result, _, workdir = whole
    again, _ = make(run_folder, tmp_path)
    assert dict(matplotlib.rcParams) == SETTINGS
    names = ["curves_classifiers", "curves_localizer", "curves_aligner", "iou", "point_error"]
    names += ["points_aligner", "points_refined"]
    assert result["pictures"] == [
        f"{name}.png" for name in [*names, "points_third", "aligned_heads", "boxed_heads", "likeliest"]
    ]
    for name in again["pictures"]:
        with Image.open(workdir / name) as picture:
            assert 600 < picture.width < 2200
            assert 300 < picture.height < 2200
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
        assert (workdir / name).read_bytes() == (tmp_path / name).read_bytes()


def test_curves(run_folder):
    (panels, _) = drawn(run_folder)["curves_classifiers"]
    [loss], [top1] = panels
    training, validation = loss.lines[:2]
    assert training.x == (2.5, 5, 7.5, 10)
    assert training.y == (5, 2.5, 50 / 30, 1.25)
    assert (validation.x, validation.y, validation.best) == ((5, 10), (3, 1.5), 5)
    assert [line.name for line in top1.lines] == ["naive: whole photo", "boxed head", "aligned head"]
    for name in ("curves_localizer", "curves_aligner"):  # two looks of two parts; the third look is not trained
        columns, _ = drawn(run_folder)[name]
        assert [len(panel.lines) for column in columns for panel in column] == [4, 2] * 2


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
        points = np.concatenate([spot.true, spot.found])
        assert ((points > (left, top)) & (points < (right, bottom))).all()


def test_photos_that_nobody_named_or_annotated_are_shown_with_what_was_found(run_folder, monkeypatch):
    known = right_whale.load(run_folder / "photos")
    strangers = known._replace(
        label=np.full_like(known.label, -1), whales=(), points=np.full_like(known.points, np.nan)
    )
    monkeypatch.setattr(right_whale, "load", lambda folder: strangers)
    found = drawn(run_folder, "photos", "third", "aligned")
    assert list(found) == ["points_third", "aligned_heads"]
    rows, title = found["points_third"]
    assert {kind: len(spots) for kind, spots in rows.items()} == {"not annotated": 4}
    assert "error" not in title
    assert all(np.isnan(spot.true).all() and np.isfinite(spot.found).all() for spot in rows["not annotated"])
    assert [len(heads) for heads in found["aligned_heads"][0].values()] == [4, 4, 4, 4, 4, 4]
    assert report.networks({"third": finished.Stage(None, {}, {"metrics": {}})}, pictures.LOOKS, report.POINTS) == []


def test_sheets_show_the_same_photos_in_both_views(run_folder):
    found = drawn(run_folder)
    aligned, boxed = found["aligned_heads"][0], found["boxed_heads"][0]
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
    asked, first, second = rows["06.jpg"]
    for head, name in ((asked, "06.jpg"), (first, "02.jpg"), (second, "03.jpg")):  # the first photo of each whale
        row = np.array([photos.name.tolist().index(name)])
        assert np.array_equal(head.image, images.again(photos, view, row, height=pictures.HEAD_HEIGHT)[0])


def test_choose():
    label = np.array([0] * 9 + [1] * 2 + [2] * 8 + [-1])
    usable = label >= 0
    usable[0] = False
    chosen = pictures.choose(label, np.arange(20), usable)
    assert {whale: len(rows) for whale, rows in chosen.items()} == {0: 6, 2: 6}
    assert chosen[0].tolist() == [1, 2, 4, 5, 7, 8]
    assert pictures.choose(label, np.arange(20), np.zeros(20, bool)) == {}


def test_few_stages(run_folder, tmp_path):
    """A classifier on ready crops has no localizer, no aligner and no second look."""
    result, table = make(run_folder, tmp_path, "photos", "split", "aligned", "aligned_classifier", "calibrated")
    assert result["pictures"] == ["curves_classifiers.png", "aligned_heads.png"]
    assert list(table) == ["classifier, on validation", "probabilities, on validation", "stage"]
    result, table = make(run_folder, tmp_path / "less", "calibrated")
    assert result["pictures"] == []
    assert "classifier, on validation" not in table


def test_several_networks_have_a_row_each_and_one_for_their_average(run_folder, tmp_path):
    folder = run_folder / "calibrated"
    result = stage.read(folder / "result.json")
    own = result["metrics"]["network"]
    stage.write(folder / "result.json", {**result, "metrics": {**result["metrics"], "features": own, "features1": own}})
    _, table = make(run_folder, tmp_path, "calibrated")
    assert [row["name"] for row in table["probabilities, on validation"]] == [
        "aligned: network 1",
        "aligned: network 2",
        "aligned: average of 2 networks",
        "aligned: logistic regression on features",
    ]


def test_one_look_and_few_photos():
    """Figures do not need all rows and columns to be full."""
    spot = sheets.Spot(np.zeros((2, 3, 3), np.uint8), (0, 3, 2, 0), np.ones((2, 2)), np.ones((2, 2)), "one")
    head = sheets.Head(np.zeros((2, 3, 3), np.uint8), 1.5, "$a_$")  # no formula
    line = figures.Line([1.0], [0.0], "network", "black")
    with matplotlib.rc_context(figures.STYLE):
        for figure in (
            sheets.point_sheet({"best": [spot], "worst": [spot, spot]}, "points"),
            sheets.head_sheet({"a": [head], "b": [head, head]}, "heads", 1.5),
            figures.curves([[figures.Panel("loss", [])], [figures.Panel("top-1", [line], share=True)]], "curves"),
            figures.iou_histogram(np.zeros(1)),
            figures.error_curves([("look", "black", np.array([np.nan]))]),
        ):
            figure.savefig(picture := io.BytesIO(), format="png")
            assert np.asarray(Image.open(picture).convert("L")).std() > 1  # something is drawn


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to report"),
        ({"alligner": "aligner"}, "unknown input of report 'alligner': did you mean aligner"),
        ({"aligner": "localiser"}, "localiser holds no finished stage"),
        ({"calibrated": "stack"}, "stack was made by the program 'stack', and this wants one made by calibrate"),
        ({"photos": "photos", "aligner": "localizer"}, "localizer has not measured point_error_median, .* task"),
        ({"aligner": "aligner"}, "inputs.photos is empty, and the pictures of aligner need"),
    ],
)
def test_wrong_inputs(run_folder, tmp_path, given, message):
    with pytest.raises(errors.InputError, match=message):
        report.run(ConfigDict({"inputs": {name: str(run_folder / path) for name, path in given.items()}}), tmp_path)
    assert not (tmp_path / "table.md").exists()


def test_damaged_stages(tmp_path):
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(errors.InputError, match=r"damaged .* run its stage again"):
        finished.read(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.26, "0.3 s"), (42.4, "42 s"), (99.4, "99 s"), (450, "7.5 min"), (8280, "2.3 h")]
)
def test_duration(seconds, said):
    assert report.duration(seconds) == said
