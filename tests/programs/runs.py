"""A finished run, made up: every stage that a report can read, with known errors."""

import csv
import json

import numpy as np
from PIL import Image

from whale_jax import tasks
from whale_jax.data import images, predictions, right_whale, splits
from whale_jax.experiment import prediction
from whale_jax.programs import report
from whale_jax.report import approaches
from whale_jax.workflow import json_files, stage

SIZE = (80, 120)  # height, width of the photos
WHALES = 4
NOON = "2026-01-01T12:00:00.000+00:00"
NAMING = {"log_loss": 1.25, "top1": 0.6, "top5": 0.9}


def put(folder, program, inputs=(), config=(), **result):
    """A finished stage, of one second that ended at noon."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: str(folder.parent / name) if name else "" for name in inputs}
    json_files.write(folder / "config.json", {"program": program, "inputs": paths, **dict(config)})
    json_files.write(
        folder / "result.json", {"program": program, "seconds": 1.0, "device": "2 x cpu", "ended": NOON, **result}
    )


def put_training(folder, inputs=(), **values):
    """A finished training run of 40 steps, 32 photos a step, on 128 photos: 10 epochs."""
    training = {"seconds": 20.0, "images_per_second": 64.0, "best_step": 20}
    config = {"size": [48, 96], "batch": 32}
    size = {"trained_on": 128, "validated_on": 16, "steps": 40, "training": training}
    put(folder, "train", inputs, config, metrics=NAMING, **size)
    rows = [{"step": step, "train/loss": 50 / step} for step in (10, 20, 30, 40)]
    rows += [{"step": step, **{f"valid/{k}": v / step for k, v in values.items()}} for step in (20, 40)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def put_crossfit(folder, photos, arrays, **values):
    config = {"size": [32, 32], "batch": 32, "num_subfolds": 2}
    speed = {"training_seconds": 40.0, "images_per_second": 9.0}
    put(folder, "crossfit", ["photos", "split"], config, **measured(arrays, photos), **speed)
    predictions.save(folder, photos, arrays=arrays)
    for part in range(2):
        put_training(folder / f"subfold{part}", **values)


def measured(arrays, photos):
    """What a program says of points or boxes."""
    task = tasks.build({"name": "bbox" if "box" in arrays else "keypoints"}, size=(32, 32))
    return prediction.summary(task, arrays, photos=photos)


def annotate(i):
    """Bonnet and blowhead of photo i, 20 pixels apart."""
    return np.array([[30.0 + i, 40], [30 + i, 20]])


def write(root, run):
    """Into `run` every stage that a report can read, of photos in `root` with a red dot at their bonnets."""
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
    splits.save(run / "split", photos, split=split)

    box = photos.box + np.array([0, 0, 0, 40])  # half of it is the annotated one
    box[0] = np.nan
    for name in approaches.LOCALIZERS:
        put_crossfit(run / name, photos, {"box": box}, iou=10, loss=3)
    shift = np.linspace(19, 0, len(photos.name))[:, None, None] * np.array([1, 0])  # in pixels, along x
    put_crossfit(run / "aligner", photos, {"points": photos.points + shift}, point_error=9, loss=3)
    put_crossfit(run / "refined", photos, {"points": photos.points + shift / 10}, point_error=5, loss=3)
    third = {"points": photos.points + shift / 20}
    put(run / "third", "predict", ["photos", "refined"], **measured(third, photos))
    predictions.save(run / "third", photos, arrays=third)
    for name, frame, scale in (("boxed", "box", (0.5, 1.0)), ("aligned", "head", (1.0, 0.5))):
        matrices = np.tile(np.diag([*scale, 1]), (len(photos.name), 1, 1))
        images.save(run / name, photos, matrices=matrices, size=(24, 24))
        put(run / name, "align", ["photos"], {"frame": frame})
    for name in approaches.CLASSIFIERS:
        put_training(run / name, ["photos", "split"], log_loss=60, top1=8)
    extract = {"inputs": {"network": str(run / "aligned_classifier")}, "weights": "best"}
    put(run / "features", "extract", config=extract)
    put(run / "stack", "stack", ["features"])
    before, after = ({**NAMING, "log_loss": loss, "ece": 0.1} for loss in (1.5, 1.25))
    sources = {
        "network": {"before": before, "after": after},
        "stack": {"before": before, "after": {**after, "top1": 0.625}},
    }
    for name in ("naive_calibrated", "boxed_calibrated", "calibrated"):
        put(run / name, "calibrate", ["stack"], metrics=sources, validated_on=16)
    put(run / "fused", "fuse", ["photos"], metrics={"fused": NAMING}, validated_on=16)
    put(run / "submission", "submit", ["calibrated"], source="stack", rows=661, metrics=NAMING)
    rows = ["Image,whale_1,probability_1,whale_2,probability_2", "06.jpg,whale_2,0.5,whale_3,0.25"]
    rows += ["05.jpg,whale_1,0.9,whale_0,0.0625", "left_out.jpg,whale_1,0.25,whale_0,0.25"]
    (run / "submission" / "likeliest.csv").write_text("\n".join(rows) + "\n")


def inputs(run, *names):
    return {name: str(run / name) for name in names or report.STAGES}
