"""Search: whales by the photos that are most alike, in features of several kinds that are transformed and joined."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions, right_whale
from whale_jax.data.gallery import Gallery
from whale_jax.evaluation import retrieval, whitening
from whale_jax.runtime import errors, progress, storage

WAYS = {
    "photo": retrieval.by_photo,
    "prototype": retrieval.by_prototype,
    "joint": retrieval.by_photo_and_prototype,
}
FILE = "transforms.npz"


class Transforms(NamedTuple):
    """Transforms blocks of features and joins them. The cosine of joined vectors is the mean of their blocks' cosines.

    Attributes:
        blocks: the transform of each, fitted on the gallery.
        sides: of a photo that a block holds beside each other.
    """

    blocks: tuple[whitening.Transform, ...]
    sides: int

    def __call__(self, blocks: Sequence[np.ndarray]) -> np.ndarray:
        """(n, K) vectors of the (n, D) blocks of photos."""
        return np.concatenate(
            [
                in_pieces(transform, side)
                for transform, block in zip(self.blocks, blocks, strict=True)
                for side in np.split(block, self.sides, axis=1)
            ],
            axis=1,
        )


def in_pieces(transform: whitening.Transform, features: np.ndarray) -> np.ndarray:
    """(n, D) features transformed, some at a time: what is between takes as much memory as they do."""
    pieces = np.split(features, range(retrieval.AT_ONCE, len(features), retrieval.AT_ONCE))
    return np.concatenate([transform(piece) for piece in pieces])


def load(config: ConfigDict, photos: right_whale.Photos) -> list[np.ndarray]:
    """The (N, D) features of each input."""
    return [predictions.load(folder, photos, kind="features") for folder in folders(config)]


def folders(config: ConfigDict) -> list[str]:
    """The inputs that hold features; InputError where there is none."""
    paths = [path for name, path in sorted(config.inputs.items()) if name.startswith("features") and path]
    if not paths:
        raise errors.InputError("a search needs features: inputs.features is empty")
    return paths


def usable(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) bool, the photos that have features in all of the (n, D) blocks."""
    return np.all([np.isfinite(block).all(1) for block in blocks], axis=0)


def fit(
    config: ConfigDict,
    blocks: Sequence[np.ndarray],
    *,
    photos: right_whale.Photos,
    gallery: Gallery,
    usable: np.ndarray,
) -> tuple[Transforms, np.ndarray]:
    """The config's transform of (N, D) blocks, fitted on the gallery alone, and (N, K) vectors; NaN if unusable.

    Both sides of a photo, where there are two, are photos of whales of their own.
    """
    method, sides = whitening.TRANSFORMS[config.transform], config.sides
    label = photos.label[gallery.rows]
    label = (label + (label.max() + 1) * np.arange(sides)[:, None]).ravel()
    transforms, searched = [], []
    title = f"{config.transform or 'join'} features"
    for block in progress.bar(len(blocks), title=title, unit="inputs", items=blocks):
        fitted = method(np.concatenate(np.split(block[gallery.rows], sides, axis=1)), label)
        transforms.append(fitted.transform)
        searched += np.split(fitted.vectors, sides)
    transforms, searched = Transforms(tuple(transforms), sides), np.concatenate(searched, axis=1)
    rest = np.setdiff1d(np.flatnonzero(usable), gallery.rows)
    vectors = np.full((len(usable), searched.shape[1]), np.nan, np.float32)
    vectors[gallery.rows] = searched
    vectors[rest] = transforms([block[rest] for block in blocks])
    return transforms, vectors


def save(folder: Path, transforms: Transforms) -> None:
    """Writes transforms.npz, in half of the digits: what is lost moves a cosine by less than 0.0001."""
    arrays = {}
    for i, transform in enumerate(transforms.blocks):
        arrays[f"mean_{i}"] = transform.mean
        if transform.directions is not None:
            arrays[f"directions_{i}"] = np.float16(transform.directions)
    storage.savez(folder / FILE, **arrays)


def reopen(folder: Path, config: ConfigDict, *, photos: right_whale.Photos) -> tuple[Transforms, np.ndarray]:
    """What a finished `retrieve` fitted, and its (N, K) vectors."""
    with storage.reading(folder / FILE) as path, np.load(path) as file:
        arrays = {name: np.float32(file[name]) for name in file.files}
    blocks = [
        whitening.Transform(arrays[f"mean_{i}"], arrays.get(f"directions_{i}")) for i in range(len(folders(config)))
    ]
    return Transforms(tuple(blocks), config.sides), predictions.load(folder, photos, kind="vectors")


def ways(
    config: ConfigDict, photos: right_whale.Photos, *, features: np.ndarray, rows: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Each of WAYS to name a whale, and "class" by a network's logits: a function from rows to (rows, whales) scores.

    (N, D) features are of all photos, and `rows` those that are searched. A score is high where a whale is likely.
    """
    searched, names = features[rows], {"label": photos.label[rows], "whales": len(photos.whales)}

    def by(way: Callable[..., retrieval.Score]) -> Callable[[np.ndarray], np.ndarray]:
        score = way(searched, **names)
        return lambda rows: score(features[rows])

    functions = {name: by(way) for name, way in WAYS.items()}
    inputs = folders(config)
    if len(inputs) == 1 and "logits" in predictions.kinds(inputs[0]):
        p = np.asarray(jax.nn.softmax(predictions.load(inputs[0], photos, kind="logits")))
        functions["class"] = lambda rows: p[rows]
    return functions
