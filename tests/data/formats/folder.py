"""Folders of small photos with the files of other people beside them."""

import json

import numpy as np
from PIL import Image

from tests.data.folders import write_csv
from whale_jax.data import annotations
from whale_jax.data.rows import Settings

SIZE = (320, 200)  # width, height


def photo(path, *, size=SIZE, **options):
    """Writes a picture of noise, of a (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(0, 255, (SIZE[1] // 4, SIZE[0] // 4, 3), np.uint8)
    Image.fromarray(pixels).resize(size).save(path, **options)
    return path


def photos(root, *names):
    for name in names:
        photo(root / name, format="HEIF" if name.lower().endswith("heic") else None)


def table(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, rows)


def dump(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def read(root, **settings):
    """The catalogue of a folder, by what a person says of it."""
    return annotations.read(root, Settings(**settings))


def named(catalogue):
    """(file, whale) of each row."""
    return [(entry.file, entry.whale) for entry in catalogue.photos]
