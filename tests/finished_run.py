"""Small finished runs on drawn heads: one on ready crops, one on photos in which the heads lie at their points."""

import functools

import numpy as np
from PIL import Image
from scipy import ndimage

from configs import matching
from configs.stages import cut, network, submission
from tests.data.folders import write_csv
from whale_jax import frames
from whale_jax.workflow import stage

WHALES, PHOTOS, UNNAMED = 5, 8, 6
POINTS = ["bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"]
SIZE = (64, 128)  # of a head in a photo, in pixels
PHOTO = (120, 200)


class Recipe:
    """A small network that is hardly trained, in place of configs/classifier.py."""

    @staticmethod
    def get_config(preset, **changes):
        model = {"name": "vgg", "stages": ((8, 1), (8, 1))}
        return stage.config("train", model=model, size=(24, 48), epochs=1.0, batch=8, devices=1, num_evals=1, **changes)


def head(whale, seed):
    """A picture of an individual's pattern, a little moved and under its own light."""
    pattern = ndimage.gaussian_filter(np.random.default_rng(whale).normal(size=(32, 64)), 2).repeat(2, 0).repeat(2, 1)
    rng = np.random.default_rng(100 + seed)
    moved = ndimage.shift(pattern / pattern.std(), rng.integers(-2, 3, 2), mode="nearest")
    return np.clip(120 + 40 * moved + rng.normal(0, 6, moved.shape), 0, 255).astype(np.uint8)


def photo(whale, seed):
    """A photo with a head somewhere in it, and the head's points as (x, y)."""
    rng = np.random.default_rng(500 + seed)
    pixels = np.clip(rng.normal(90, 10, PHOTO), 0, 255).astype(np.uint8)
    y, x = (int(rng.integers(4, whole - part - 4)) for whole, part in zip(PHOTO, SIZE, strict=True))
    pixels[y : y + SIZE[0], x : x + SIZE[1]] = head(whale, seed)
    return pixels, np.array([x, y]) + frames.places(SIZE)


def write_crops(root, whales, *, start=0, named=True):
    """A folder of crops, two of an encounter: crop i is of whale whales[i], and called by its number from `start`."""
    rows = [["Image", "whaleID", "encounter"]]
    for i, whale in enumerate(whales, start=start):
        Image.fromarray(head(whale, i)).save(root / f"{i:02d}.png")
        rows.append([f"{i:02d}.png", f"w{whale}" if named else "", f"s{i // 2}"])
    return rows


def write_photos(root, whales, *, start=0, named=True):
    """As `write_crops`, of photos with points."""
    rows = [["Image", "whaleID", "encounter", *POINTS]]
    for i, whale in enumerate(whales, start=start):
        pixels, points = photo(whale, i)
        Image.fromarray(pixels).save(root / f"{i:02d}.png")
        rows.append([f"{i:02d}.png", f"w{whale}" if named else "", f"s{i // 2}", *points.ravel().tolist()])
    return rows


def finish(root, run, *, write=write_crops, frame="whole"):
    """A run on a folder that `write` fills: searches, re-ranking and a network; the last photos have no name."""
    rows = write(root, np.arange(WHALES * PHOTOS) % WHALES)
    rows += write(root, np.arange(UNNAMED) % WHALES, start=WHALES * PHOTOS, named=False)[1:]
    write_csv(root / "whales.csv", rows)
    heads = functools.partial(cut, frame)
    stages = {
        "photos": stage.config("import_photos", root=str(root)),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none", folds=4),
        "view": heads((24, 48)),
        "classifier": network(Recipe, "", "view"),
        "features": stage.config("extract", inputs={"network": "classifier"}, weights="last"),
        **matching.fused((), features=["features"], heads=heads),
        "map": stage.config("describe", inputs={"photos": "photos", "view": "described"}, size=(56, 120)),
        "submission": submission("fused"),
    }
    for name, size in {"hog64": (32, 64), "hog96": (48, 96), "hog128": (64, 128)}.items():
        stages[name].size = size
    stages["described"].size = SIZE
    stages["reranked"].update(inputs={**stages["reranked"].inputs, "features": "map"}, grid=(6, 14))
    stage.run(stage.config("pipeline", stages=stages), run)
