"""Catalogues of small photos, without a folder."""

import io

import numpy as np
from PIL import Image

from whale_jax.data.catalogue import Catalogue, Photo

SIZE = (24, 32)  # height, width


def jpeg(seed, *, size=SIZE, **options):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def catalogue(root, files, *, points=None, box=None):
    """Photos with the given contents; even ones are labelled, and the first is annotated."""
    photos = []
    for i, (name, data) in enumerate(sorted(files.items())):
        unknown = i > 0
        places = {"whale": f"train.csv line {i + 2}", "bonnet": "points1.json entry 1", "box": "boxes.csv line 9"}
        photo = Photo(
            name=name,
            whale="" if i % 2 else f"whale_{i % 4}",
            points=np.full((2, 2), np.nan, np.float32) if unknown or points is None else np.float32(points),
            box=np.full(4, np.nan, np.float32) if unknown or box is None else np.float32(box),
            encounter="" if unknown else "May",
            file_size=len(data),
            places=places | {"blowhead": "points2.json entry 1"},
        )
        photos.append(photo)
    return Catalogue(root, tuple(photos), ("whale_2", "whale_0"), files.__getitem__, 0)
