"""Names whales by the photos that are most like them: no class is learned, so a catalogue may grow."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery, predictions, right_whale, splits, tables
from whale_jax.data.gallery import Gallery
from whale_jax.evaluation import metrics, retrieval, whitening
from whale_jax.evaluation.whitening import Fitted
from whale_jax.runtime import errors, progress, registry
from whale_jax.workflow.program import Program

DEFAULTS = {
    # features: of an `extract`, of any network, or of a `describe`. More of them, features2, features3 ..., are
    # searched together: the cosine of two photos is then the mean of their cosines by each.
    "inputs": {"photos": "", "split": "", "features": ""},
    "fold": 0,  # its photos are the queries, all others the gallery
    "sides": 1,  # or 2 where features are those of a photo and then of its mirror image, as task.mirrored has them
    "transform": "",  # of features, by the gallery: "centre" takes their mean off, "whiten" whitens within whales
    "by": "photo",  # the way to name a whale whose scores are written; or "prototype" or "joint"
    "few": 3,  # whales with at most so many photos in the gallery are measured by themselves too
    "likeliest": 5,  # photos of the gallery that are named for each query and each photo without a name
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


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes neighbours.csv and predictions.npz into workdir, and measures each way to name a whale on the queries.

    The ways are the nearest photo, prototypes, and both ("joint_..."). The answers of a classifier, where the
    features come with its logits, are measured beside them as "class_...". In predictions.npz are the (N, whales)
    scores of one way for all photos that are not searched themselves; those of photos without a name are by all photos
    that have one, the queries among them.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    blocks = load(config, photos)
    usable = np.all([np.isfinite(block).all(1) for block in blocks], axis=0)
    catalogue = gallery.select(photos, split, fold=config.fold, usable=usable)
    features = combine(blocks, photos, catalogue=catalogue, usable=usable, config=config)
    write_neighbours(workdir, photos, features=features, catalogue=catalogue, count=config.likeliest)
    unknown = splits.stranger_rows(split)
    unknown = unknown[usable[unknown]]
    few = gallery.rare(photos.label, catalogue, most=config.few)
    label, group = photos.label[catalogue.queries], split.group[catalogue.queries]
    measured = retrieval.likeness(
        features[catalogue.queries],
        features[catalogue.rows],
        query_label=label,
        label=photos.label[catalogue.rows],
    )
    functions = ways(config, photos, features=features, rows=catalogue.rows)
    scores = np.full((len(photos.name), len(photos.whales)), np.nan, np.float32)
    rows = np.setdiff1d(np.flatnonzero(usable), np.concatenate([catalogue.rows, catalogue.unlabelled]))
    scores[rows] = functions[PREFIXES[config.by]](rows)
    if len(catalogue.unlabelled):  # nobody learns from their answers: they may know the photos held out as well
        all_named = ways(config, photos, features=features, rows=catalogue.named)
        scores[catalogue.unlabelled] = all_named[PREFIXES[config.by]](catalogue.unlabelled)
    predictions.save(workdir, photos, arrays={"scores": scores})
    for prefix, score in functions.items():
        scores = score(catalogue.queries)
        measured |= retrieval.cmc(scores, label, prefix=prefix)
        if few.any():
            measured[f"{prefix}few_top1"] = float(metrics.top_k(scores[few], label[few], k=1).mean())
        if len(unknown):
            groups = {"group": group, "unknown_group": photos.label[unknown]}
            rejection = retrieval.rejection(scores.max(1), score(unknown).max(1), **groups)
            measured |= {prefix + key: value for key, value in rejection.items()}
    return {
        "split": split.hash,
        "gallery": len(catalogue.rows),
        "queries": len(catalogue.queries),
        "queries_of_few": int(few.sum()),
        "of_strangers": len(unknown),
        "metrics": measured,
    }


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
    searched = features[rows]
    names = {"label": photos.label[rows], "whales": len(photos.whales)}
    functions = {
        "": lambda rows: retrieval.by_photo(features[rows], searched, **names),
        "prototype_": lambda rows: retrieval.by_prototype(features[rows], searched, **names),
        "joint_": lambda rows: retrieval.by_photo_and_prototype(features[rows], searched, **names),
    }
    inputs = folders(config)
    if len(inputs) == 1 and "logits" in predictions.kinds(inputs[0]):
        p = np.asarray(jax.nn.softmax(predictions.load(inputs[0], photos, kind="logits")))
        functions["class_"] = lambda rows: p[rows]
    return functions


def write_neighbours(
    workdir: Path, photos: right_whale.Photos, *, features: np.ndarray, catalogue: Gallery, count: int
) -> None:
    """Writes the nearest `count` photos of the gallery for each query and each unlabelled photo into neighbours.csv.

    (N, D) features are of all photos.
    """
    count = min(count, len(catalogue.rows))
    rows = np.concatenate([catalogue.queries, catalogue.unlabelled])
    cosines, places = retrieval.nearest(features[rows], features[catalogue.rows], k=count)
    columns = [f"{name}_{i + 1}" for i in range(count) for name in ("photo", "whale", "cosine")]
    lines = []
    for row, neighbours, similarities in zip(rows, catalogue.rows[places], cosines, strict=True):
        cells = [photos.name[row]]
        for neighbour, cosine in zip(neighbours, similarities, strict=True):
            cells += [photos.name[neighbour], photos.whales[photos.label[neighbour]], f"{cosine:.4f}"]
        lines.append(cells)
    tables.write(workdir / "neighbours.csv", ["Image", *columns], rows=lines)


def check(config: ConfigDict) -> None:
    """Raises InputError for a transform or a way to name a whale that there is not."""
    registry.lookup("transform", whitening.TRANSFORMS, config.transform)
    registry.lookup("way to name a whale", PREFIXES, config.by)


PROGRAM = Program(DEFAULTS, run, check=check)
