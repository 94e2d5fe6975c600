"""Names whales by the photos that are most like them: no class is learned, so a catalogue may grow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions, right_whale, splits, tables
from whale_jax.evaluation import metrics, retrieval
from whale_jax.runtime import errors
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "features": ""},  # features: of an `extract`, of any network
    "fold": 0,  # its photos are the queries, all others the gallery
    "few": 3,  # whales with at most so many photos in the gallery are measured by themselves too
    "likeliest": 5,  # photos of the gallery that are named for each query and each photo without a name
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes neighbours.csv into workdir, and measures nearest neighbours and prototypes on the photos held out.

    A classifier's own answer, where its logits are there, is measured beside them as "class_...".
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features, label = predictions.load(config.inputs.features, photos, kind="features"), photos.label
    usable = np.isfinite(features).all(1)
    gallery, queries = catalogue(photos, split, config.fold, usable)
    asked = np.concatenate([queries, np.flatnonzero(usable & (label < 0))])
    write_neighbours(workdir, photos, features, asked, gallery, count=min(config.likeliest, len(gallery)))
    found = retrieval.likeness(features[queries], features[gallery], label[queries], label[gallery])
    few, strangers = rare(label, queries, gallery, few=config.few), splits.stranger_rows(split)
    strangers = strangers[usable[strangers]]
    for name, way in ways(config, photos, features, gallery).items():
        scores = way(queries)
        found |= retrieval.named(scores, label[queries], name)
        if few.any():
            found[f"{name}few_top1"] = float(metrics.top_k(scores[few], label[queries[few]], 1).mean())
        if len(strangers):
            told = retrieval.rejection(scores.max(1), way(strangers).max(1), split.group[queries], label[strangers])
            found |= {name + key: value for key, value in told.items()}
    return {
        "split": split.hash,
        "gallery": len(gallery),
        "queries": len(queries),
        "queries_of_few": int(few.sum()),
        "of_strangers": len(strangers),
        "metrics": found,
    }


def ways(
    config: ConfigDict, photos: right_whale.Photos, features: np.ndarray, gallery: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Each way to name a whale, a function from rows to (rows, whales) scores: high where a whale is likely."""
    known = features[gallery], photos.label[gallery], len(photos.whales)
    found = {
        "": lambda rows: retrieval.by_photo(features[rows], *known),
        "prototype_": lambda rows: retrieval.by_prototype(features[rows], *known),
    }
    if "logits" in predictions.kinds(config.inputs.features):
        p = np.asarray(jax.nn.softmax(predictions.load(config.inputs.features, photos, kind="logits")))
        found["class_"] = lambda rows: p[rows]
    return found


def write_neighbours(
    workdir: Path, photos: right_whale.Photos, features: np.ndarray, asked: np.ndarray, gallery: np.ndarray, *, count
) -> None:
    """Writes the nearest `count` photos of the gallery, for each row that is asked about, into neighbours.csv."""
    cosines, places = retrieval.nearest(features[asked], features[gallery], count)
    rows = (
        [photos.name[i], *(cell for j, c in zip(near, cosine, strict=True) for cell in entry(photos, gallery[j], c))]
        for i, near, cosine in zip(asked, places, cosines, strict=True)
    )
    columns = [f"{what}_{i + 1}" for i in range(count) for what in ("photo", "whale", "cosine")]
    tables.write(workdir / "neighbours.csv", ["Image", *columns], rows)


def rare(label: np.ndarray, rows: np.ndarray, gallery: np.ndarray, *, few: int) -> np.ndarray:
    """(rows,) bool, whether the whale of each has at most `few` photos in the gallery; (N,) `label` of every photo."""
    return np.bincount(label[gallery], minlength=label.max() + 1)[label[rows]] <= few


def catalogue(
    photos: right_whale.Photos, split: splits.Split, fold: int, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Usable rows of the gallery and of the queries; a query whose whale the gallery lacks raises InputError."""
    rows = splits.train_rows(split, fold), splits.measured_rows(split, fold)
    gallery, queries = (some[usable[some]] for some in rows)
    lost = queries[~np.isin(photos.label[queries], photos.label[gallery])]
    if len(lost):
        one = lost[0]
        what = f"{len(lost)} photos, such as {photos.name[one]} of {photos.whales[photos.label[one]]}"
        raise errors.InputError(
            f"{what}, ask for whales of which the gallery has no photo: import or annotate more photos of them"
        )
    if not len(queries):
        raise errors.InputError(f"config.fold = {fold} holds out no photo with features to ask the gallery about")
    return gallery, queries


def entry(photos: right_whale.Photos, row: int, cosine: float) -> tuple[str, str, str]:
    """A photo of the gallery as neighbours.csv names it."""
    return photos.name[row], photos.whales[photos.label[row]], f"{cosine:.4f}"


PROGRAM = Program(DEFAULTS, run)
