"""Names whales by the photos that are most like them: no class is learned, so a catalogue may grow."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery as galleries
from whale_jax.data import predictions, right_whale, splits, tables
from whale_jax.data.gallery import Gallery
from whale_jax.evaluation import metrics, novelty, retrieval, whitening
from whale_jax.recognition import search
from whale_jax.runtime import registry
from whale_jax.workflow.program import Program

DEFAULTS = {
    # features: of an `extract`, of any network, or of a `describe`. More of them, features2, features3 ..., are
    # searched together: the cosine of two photos is then the mean of their cosines by each.
    "inputs": {"photos": "", "split": "", "features": ""},
    "fold": 0,  # its photos are the queries, all others the gallery
    "sides": 1,  # or 2 where features are those of a photo and then of its mirror image, as task.mirrored has them
    "transform": "",  # of features, by the gallery: "centre" takes their mean off, "whiten" whitens within whales
    "whale_score": "photo",  # the way to name a whale whose scores are written; or "prototype" or "joint"
    "rare_max_photos": 3,  # whales with at most so many photos in the gallery are measured by themselves too
    "num_neighbours": 5,  # photos of the gallery that are named for each query and each photo without a name
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes neighbours.csv, predictions.npz and transforms.npz, and measures each way to name a whale on the queries.

    The ways are the nearest photo, prototypes, and both ("joint_..."). The answers of a classifier, where the
    features come with its logits, are measured beside them as "class_...". In predictions.npz are the (N, whales)
    scores of one way for all photos that are not searched themselves; those of photos without a name are by all photos
    that have one, the queries among them. Its vectors, and the transforms, are kept for photos that others ask about.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    blocks = search.load(config, photos)
    usable = search.usable(blocks)
    gallery = galleries.select(photos, split, fold=config.fold, usable=usable)
    transforms, features = search.fit(config, blocks, photos=photos, gallery=gallery, usable=usable)
    search.save(workdir, transforms)
    write_neighbours(workdir, photos, features=features, gallery=gallery, count=config.num_neighbours)
    unknown = splits.unknown_rows(split)
    unknown = unknown[usable[unknown]]
    few = galleries.rare(photos.label, gallery, most=config.rare_max_photos)
    label, group = photos.label[gallery.queries], split.group[gallery.queries]
    measured = retrieval.likeness(
        features[gallery.queries],
        features[gallery.rows],
        query_label=label,
        label=photos.label[gallery.rows],
    )
    functions = search.ways(config, photos, features=features, rows=gallery.rows)
    scores = np.full((len(photos.name), len(photos.whales)), np.nan, np.float32)
    rows = np.setdiff1d(np.flatnonzero(usable), np.concatenate([gallery.rows, gallery.unlabelled]))
    scores[rows] = functions[config.whale_score](rows)
    if len(gallery.unlabelled):  # nobody learns from their answers: they may know the photos held out as well
        all_named = search.ways(config, photos, features=features, rows=gallery.named)
        scores[gallery.unlabelled] = all_named[config.whale_score](gallery.unlabelled)
    predictions.save(workdir, photos, arrays={"scores": scores, "vectors": np.float16(features)})
    for name, score in functions.items():
        prefix, answers = "" if name == "photo" else f"{name}_", score(gallery.queries)
        measured |= retrieval.cmc(answers, label, prefix=prefix)
        if few.any():
            measured[f"{prefix}few_top1"] = float(metrics.top_k(answers[few], label[few], k=1).mean())
        if len(unknown):
            groups = {"group": group, "unknown_group": photos.label[unknown]}
            rejection = novelty.rejection(answers.max(1), score(unknown).max(1), **groups)
            measured |= {prefix + key: value for key, value in rejection.items()}
    return {
        "split": split.hash,
        "gallery": len(gallery.rows),
        "queries": len(gallery.queries),
        "queries_of_few": int(few.sum()),
        "of_unknown": len(unknown),
        "metrics": measured,
    }


def write_neighbours(
    workdir: Path, photos: right_whale.Photos, *, features: np.ndarray, gallery: Gallery, count: int
) -> None:
    """Writes the nearest `count` photos of the gallery for each query and each unlabelled photo into neighbours.csv.

    (N, D) features are of all photos.
    """
    count = min(count, len(gallery.rows))
    rows = np.concatenate([gallery.queries, gallery.unlabelled])
    cosines, places = retrieval.nearest(features[rows], features[gallery.rows], k=count)
    columns = [f"{name}_{i + 1}" for i in range(count) for name in ("photo", "whale", "cosine")]
    lines = []
    for row, neighbours, similarities in zip(rows, gallery.rows[places], cosines, strict=True):
        cells = [photos.name[row]]
        for neighbour, cosine in zip(neighbours, similarities, strict=True):
            cells += [photos.name[neighbour], photos.whales[photos.label[neighbour]], f"{cosine:.4f}"]
        lines.append(cells)
    tables.write(workdir / "neighbours.csv", ["Image", *columns], rows=lines)


def check(config: ConfigDict) -> None:
    """Raises InputError for a transform or a way to name a whale that there is not."""
    registry.lookup("transform", whitening.TRANSFORMS, config.transform)
    registry.lookup("way to name a whale", search.WAYS, config.whale_score)


PROGRAM = Program(DEFAULTS, run, check=check)
