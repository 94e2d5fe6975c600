"""A folder of photos in the competition's layout."""

import csv
import json

from PIL import Image

NAMES = ("w_1.jpg", "w_10.jpg", "w_2.jpg", "w_3.jpg")  # sorted as text
LABELS = [["Image", "whaleID"], ["w_1.jpg", "whale_b"], ["w_2.jpg", "whale_a"], ["w_10.jpg", "whale_b"]]
SAMPLE = [["Image", "whale_c", "whale_b", "whale_a"], ["w_3.jpg", "0.1", "0.2", "0.7"]]
BOXES = [["", "Image", "x", "y", "width", "height"], ["0", "w_2.jpg", "1.5", "2", "10", "8"]]


def write_csv(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def sloth(**points):
    """Entries of a Sloth file: w_1=(x, y)."""
    marks = {name: [] if at is None else [{"class": "point", "x": at[0], "y": at[1]}] for name, at in points.items()}
    return [{"annotations": mark, "class": "image", "filename": f"{name}.jpg"} for name, mark in marks.items()]


def competition(folder):
    """Writes the competition's layout: three labelled photos of 48x32, one to be named."""
    (folder / "imgs").mkdir()
    for i, name in enumerate(NAMES):
        Image.new("RGB", (48, 32), (20 * i, 40, 60)).save(folder / "imgs" / name)
    write_csv(folder / "train.csv", LABELS)
    write_csv(folder / "sample_submission.csv", SAMPLE)
    write_csv(folder / "train_with_annotations_vinh.csv", BOXES)
    (folder / "points1.json").write_text(json.dumps(sloth(w_1=(20, 10.5), w_2=None, w_10=(1, 2))))
    (folder / "points2.json").write_text(json.dumps(sloth(w_10=(30, 20), w_1=(5, 10))))
