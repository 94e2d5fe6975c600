"""Looks again at the likeliest whales of a search, photo by photo, whatever small shift lies between two heads."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images, predictions, right_whale, splits
from whale_jax.evaluation import metrics, phase
from whale_jax.runtime import errors, progress, threads
from whale_jax.workflow.program import Program

SIZE = (64, 128)  # (height, width) of the heads that are compared
DEFAULTS = {
    "inputs": {"photos": "", "split": "", "view": "", "scores": ""},  # scores: of a `retrieve`
    "fold": 0,
    "likeliest": 50,  # whales that are looked at for each photo
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: (N, whales) "scores" by phase correlation with each whale's most similar photo.

    A whale that is not among the likeliest has the mean score of those that are: this says nothing of it, so the scores
    are worth most as a member of a `fuse`, beside those that they come from. A photo without scores or a head has NaN.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    view = images.load(Path(config.inputs.view))
    scores = predictions.load(config.inputs.scores, photos, kind="scores")
    rows = splits.train_rows(split, config.fold)
    gallery = rows[view.pictured[rows]]
    queries = np.setdiff1d(np.flatnonzero(view.pictured & np.isfinite(scores).all(1)), rows)
    if not len(gallery) or not len(queries):
        raise errors.InputError(f"{config.inputs.view} has no pictures of both named photos and photos that ask")
    valid = np.intersect1d(splits.measured_rows(split, config.fold), queries)
    # Photos without a name are compared with those held out as well, which come next for that reason.
    rows = np.concatenate([gallery, valid, np.setdiff1d(queries, valid)])
    heads = phases(view, rows, title=workdir.name)
    place = dict(zip(rows.tolist(), range(len(rows)), strict=True))

    def look(row: int) -> np.ndarray:
        count = len(gallery) + len(valid) * bool(photos.label[row] < 0)
        searched = {"gallery": heads[:count], "label": photos.label[rows[:count]]}
        return compare(heads[place[row]], scores[row], **searched, most=config.likeliest)

    answers = np.full(scores.shape, np.nan, np.float32)
    with progress.bar(len(queries), title=workdir.name, unit="photos") as bar:
        for row, answer in zip(queries, threads.ahead(look, queries.tolist()), strict=True):
            answers[row] = answer
            bar.update()
    predictions.save(workdir, photos, arrays={"scores": answers})
    true = photos.label[valid]
    order = np.argsort(-scores[valid], axis=1)[:, : config.likeliest]
    top = {f"top{k}": float(metrics.top_k(answers[valid], true, k=k).mean()) for k in (1, 5)}
    return {
        "split": split.hash,
        "queries": len(valid),
        "metrics": {**top, "among_likeliest": float((order == true[:, None]).any(1).mean())},
    }


def phases(view: images.View, rows: np.ndarray, *, title: str) -> np.ndarray:
    """(n, height, width // 2 + 1) phases of the pictures of (n,) rows."""

    def transform(block: np.ndarray) -> np.ndarray:
        return phase.spectra(np.stack([images.grey(view.images[row], SIZE) for row in block]))

    blocks = np.array_split(rows, max(1, len(rows) // 64))
    with progress.bar(len(rows), title=f"{title}: heads", unit="photos") as bar:
        spectra = []
        for block in threads.ahead(transform, blocks):
            spectra.append(block)
            bar.update(len(block))
    return np.concatenate(spectra)


def compare(query: np.ndarray, scores: np.ndarray, *, gallery: np.ndarray, label: np.ndarray, most: int) -> np.ndarray:
    """(whales,) scores of one photo by its phases, those of the (m, ...) gallery and its (m,) labels.

    The `most` whales that (whales,) `scores` hold likeliest are looked at; all others get the mean score of these.
    """
    whales = np.argsort(-scores, kind="stable")[:most]
    rows = np.flatnonzero(np.isin(label, whales))
    answer = np.full(len(scores), -np.inf, np.float32)
    if len(rows):
        np.maximum.at(answer, label[rows], phase.correlation(query, gallery[rows], size=SIZE))
    compared = np.isfinite(answer)
    return np.where(compared, answer, answer[compared].mean() if compared.any() else 0)


PROGRAM = Program(DEFAULTS, run)
