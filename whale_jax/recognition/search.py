"""Search: whales by the photos that are most alike, in features of several kinds that are transformed and joined."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions, right_whale
from whale_jax.data.gallery import Gallery
from whale_jax.evaluation import retrieval, whitening
from whale_jax.evaluation.whitening import Fitted
from whale_jax.runtime import errors, progress

WAYS = {
    "photo": retrieval.by_photo,
    "prototype": retrieval.by_prototype,
    "joint": retrieval.by_photo_and_prototype,
}
PREFIXES = {"photo": "", "prototype": "prototype_", "joint": "joint_"}  # way to name a whale -> prefix of its metrics


class Transforms(NamedTuple):
    """What makes blocks of features one vector, whose cosine is the mean of the cosines of the blocks, transformed.

    Attributes:
        fitted: the transform of each block, fitted on the gallery.
        sides: of a photo that a block holds beside each other.
    """

    fitted: tuple[Fitted, ...]
    sides: int

    @property
    def vectors(self) -> np.ndarray:
        """(G, K) of the gallery."""
        return np.concatenate([side for fit in self.fitted for side in np.split(fit.vectors, self.sides)], axis=1)

    def __call__(self, blocks: Sequence[np.ndarray]) -> np.ndarray:
        """(n, K) vectors of the (n, D) blocks of other photos."""
        return np.concatenate(
            [
                in_pieces(fit, side)
                for fit, block in zip(self.fitted, blocks, strict=True)
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


def combine(
    blocks: Sequence[np.ndarray],
    photos: right_whale.Photos,
    *,
    catalogue: Gallery,
    usable: np.ndarray,
    config: ConfigDict,
) -> np.ndarray:
    """(N, K) vectors of (N, D) blocks of features, by transforms fitted on the gallery alone; NaN if unusable."""
    transforms = fit(config, [block[catalogue.rows] for block in blocks], label=photos.label[catalogue.rows])
    rest = np.setdiff1d(np.flatnonzero(usable), catalogue.rows)
    features = np.full((len(usable), transforms.vectors.shape[1]), np.nan, np.float32)
    features[catalogue.rows] = transforms.vectors
    features[rest] = transforms([block[rest] for block in blocks])
    return features


def fit(config: ConfigDict, blocks: Sequence[np.ndarray], *, label: np.ndarray) -> Transforms:
    """The config's transform, fitted on (G, D) blocks of features of the gallery, whose (G,) whales are `label`.

    Both sides of a photo, where there are two, are photos of whales of their own. One block without a transform is
    left as it is.
    """
    if len(blocks) == 1 and not config.transform:
        return Transforms((Fitted(np.asarray(blocks[0]), np.asarray),), 1)
    method, sides = whitening.TRANSFORMS[config.transform], config.sides
    label = (label + (label.max() + 1) * np.arange(sides)[:, None]).ravel()
    fitted = []
    with progress.bar(len(blocks), title=f"{config.transform or 'join'} features", unit="inputs") as bar:
        for block in blocks:
            fitted.append(method(np.concatenate(np.split(block, sides, axis=1)), label))
            bar.update()
    return Transforms(tuple(fitted), sides)


def ways(
    config: ConfigDict, photos: right_whale.Photos, *, features: np.ndarray, rows: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Each way to name a whale: prefix of its metrics -> function from rows to (rows, whales) scores.

    (N, D) features are of all photos, and `rows` those that are searched. A score is high where a whale is likely.
    """
    searched, names = features[rows], {"label": photos.label[rows], "whales": len(photos.whales)}

    def by(way: Callable) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: way(features[rows], searched, **names)

    functions = {PREFIXES[name]: by(way) for name, way in WAYS.items()}
    inputs = folders(config)
    if len(inputs) == 1 and "logits" in predictions.kinds(inputs[0]):
        p = np.asarray(jax.nn.softmax(predictions.load(inputs[0], photos, kind="logits")))
        functions["class_"] = lambda rows: p[rows]
    return functions
