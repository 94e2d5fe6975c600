"""Names whales by the photos that are most like them: no class is learned, so a catalogue may grow."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax import errors, metrics, retrieval
from whale_jax.data import predictions, right_whale, splits, tables

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "features": ""},  # features: of an `extract`, of any network
    "fold": 0,  # its photos are the queries, all others the gallery
    "few": 3,  # whales with at most so many labelled photos are measured by themselves too
    "likeliest": 5,  # photos of the gallery that are named for each query and each photo without a name
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes neighbours.csv into workdir, and measures nearest neighbours and prototypes on the photos held out."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features, label = predictions.load(config.inputs.features, "features", photos), photos.label
    usable = np.isfinite(features).all(1)
    gallery, queries = catalogue(photos, split, config.fold, usable)
    asked = np.concatenate([queries, np.flatnonzero(usable & (label < 0))])
    cosines, places = retrieval.nearest(features[asked], features[gallery], min(config.likeliest, len(gallery)))
    rows = (
        [photos.name[i], *(cell for j, c in zip(near, cosine, strict=True) for cell in entry(photos, gallery[j], c))]
        for i, near, cosine in zip(asked, places, cosines, strict=True)
    )
    columns = [f"{what}_{i + 1}" for i in range(places.shape[1]) for what in ("photo", "whale", "cosine")]
    tables.write(workdir / "neighbours.csv", ["Image", *columns], rows)
    whales = len(photos.whales)
    found = retrieval.score(features[queries], features[gallery], label[queries], label[gallery], whales=whales)
    rare = of_rare_whales(queries, photos, few=config.few)
    if len(rare):
        scores = retrieval.by_photo(features[rare], features[gallery], label[gallery], whales)
        found["few_top1"] = float(metrics.top_k(scores, label[rare], 1).mean())
    strangers = splits.stranger_rows(split)
    if len(strangers := strangers[usable[strangers]]):
        for name, way in (("", retrieval.by_photo), ("prototype_", retrieval.by_prototype)):
            scores = [
                way(features[rows], features[gallery], label[gallery], whales).max(1) for rows in (queries, strangers)
            ]
            told = retrieval.rejection(*scores, split.group[queries], label[strangers])
            found |= {name + key: value for key, value in told.items()}
    return {
        "split": split.hash,
        "gallery": len(gallery),
        "queries": len(queries),
        "queries_of_few": len(rare),
        "of_strangers": len(strangers),
        "metrics": found,
    }


def of_rare_whales(rows: np.ndarray, photos: right_whale.Photos, *, few: int) -> np.ndarray:
    """Those labelled rows whose whale has at most `few` labelled photos."""
    count = np.bincount(photos.label[photos.label >= 0], minlength=len(photos.whales))
    return rows[count[photos.label[rows]] <= few]


def catalogue(
    photos: right_whale.Photos, split: splits.Split, fold: int, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Usable rows of the gallery and of the queries; a query whose whale the gallery lacks raises InputError."""
    gallery, queries = (rows[usable[rows]] for rows in (splits.train_rows(split, fold), splits.valid_rows(split, fold)))
    lost = queries[~np.isin(photos.label[queries], photos.label[gallery])]
    if len(lost):
        one = lost[0]
        what = f"{len(lost)} photos, such as {photos.name[one]} of {photos.whales[photos.label[one]]}"
        raise errors.InputError(
            f"{what}, ask for whales of which the gallery has no photo: import or annotate more photos of them"
        )
    if not len(queries):
        raise errors.InputError(f"fold {fold} holds no photo out to ask the gallery about: choose another fold")
    return gallery, queries


def entry(photos: right_whale.Photos, row: int, cosine: float) -> tuple[str, str, str]:
    """A photo of the gallery as neighbours.csv names it."""
    return photos.name[row], photos.whales[photos.label[row]], f"{cosine:.4f}"
