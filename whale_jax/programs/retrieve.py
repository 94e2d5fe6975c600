"""Names whales by the photos that are most like them: no class is learned, so a catalogue may grow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery, predictions, right_whale, splits, tables
from whale_jax.data.gallery import Gallery
from whale_jax.evaluation import metrics, retrieval
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "features": ""},  # features: of an `extract`, of any network
    "fold": 0,  # its photos are the queries, all others the gallery
    "few": 3,  # whales with at most so many photos in the gallery are measured by themselves too
    "likeliest": 5,  # photos of the gallery that are named for each query and each photo without a name
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes neighbours.csv into workdir, and measures nearest neighbours and prototypes on the photos held out.

    The answers of a classifier, where the features come with its logits, are measured beside them as "class_...".
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features = predictions.load(config.inputs.features, photos, kind="features")
    usable = np.isfinite(features).all(1)
    catalogue = gallery.select(photos, split, fold=config.fold, usable=usable)
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
    for prefix, score in ways(config, photos, features=features, catalogue=catalogue).items():
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


def ways(
    config: ConfigDict, photos: right_whale.Photos, *, features: np.ndarray, catalogue: Gallery
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Each way to name a whale: prefix of its metrics -> function from rows to (rows, whales) scores.

    (N, D) features are of all photos. A score is high where a whale is likely.
    """
    searched = features[catalogue.rows]
    names = {"label": photos.label[catalogue.rows], "whales": len(photos.whales)}
    functions = {
        "": lambda rows: retrieval.by_photo(features[rows], searched, **names),
        "prototype_": lambda rows: retrieval.by_prototype(features[rows], searched, **names),
    }
    if "logits" in predictions.kinds(config.inputs.features):
        p = np.asarray(jax.nn.softmax(predictions.load(config.inputs.features, photos, kind="logits")))
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


PROGRAM = Program(DEFAULTS, run)
