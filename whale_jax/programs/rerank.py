"""Looks again at the likeliest whales of a search, photo by photo, whatever small shifts lie between two heads."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images, predictions, probabilities, right_whale, splits
from whale_jax.evaluation import metrics, phase
from whale_jax.runtime import errors, progress, threads
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "view": "", "scores": ""},  # scores: of a `retrieve`, or a `fuse`
    "fold": 0,
    "likeliest": 30,  # whales that are looked at for each photo
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: (N, whales) "scores" by phase correlation with each whale's most similar photo.

    A whale that is not among the likeliest has the mean score of those that are: this says nothing of it, so the scores
    are worth most as a member of a `fuse`, beside those that they come from. A photo without scores or a head has NaN.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    view = images.load(Path(config.inputs.view))
    scores = load(config.inputs.scores, photos)
    rows = splits.train_rows(split, config.fold)
    gallery = rows[view.pictured[rows]]
    queries = np.setdiff1d(np.flatnonzero(view.pictured & np.isfinite(scores).all(1)), rows)
    if not len(gallery) or not len(queries):
        raise errors.InputError(f"{config.inputs.view} has no pictures of both named photos and photos that ask")
    valid = np.intersect1d(splits.measured_rows(split, config.fold), queries)
    whales = np.argsort(-scores, axis=1, kind="stable")[:, : config.likeliest]
    references = []
    for row in queries:  # photos without a name are compared with those held out as well
        named = gallery if photos.label[row] >= 0 else np.concatenate([gallery, valid])
        references.append(named[np.isin(photos.label[named], whales[row])])
    likenesses = look((view, queries), (view, references), title=workdir.name)
    answers = np.full(scores.shape, np.nan, np.float32)
    for row, photo, likeness in zip(queries, references, likenesses, strict=True):
        answers[row] = answer(likeness, photos.label[photo], whales=len(photos.whales))
    predictions.save(workdir, photos, arrays={"scores": answers})
    true = photos.label[valid]
    top = {f"top{k}": float(metrics.top_k(answers[valid], true, k=k).mean()) for k in (1, 5)}
    return {
        "split": split.hash,
        "queries": len(valid),
        "metrics": {**top, "among_likeliest": float((whales[valid] == true[:, None]).any(1).mean())},
    }


def load(folder: str, photos: right_whale.Photos) -> np.ndarray:
    """The (N, whales) scores of a search, or probabilities of several together."""
    if (Path(folder) / probabilities.FILE).exists():
        return probabilities.load_source(folder, photos, source="fused")
    return predictions.load(folder, photos, kind="scores")


def look(
    query: tuple[images.View, np.ndarray], gallery: tuple[images.View, list[np.ndarray]], *, title: str
) -> list[np.ndarray]:
    """How alike each photo that asks is to each of its references, see `compare`.

    Args:
        query: a view, and (n,) rows of it.
        gallery: a view, which may be the same, and n arrays of (m,) rows of it.
        title: of the progress bar.
    """
    (query_view, queries), (view, references) = query, gallery
    rows = np.unique(np.concatenate(references))
    pictures = np.concatenate([outlines(view, rows), outlines(query_view, queries)])
    places = [np.searchsorted(rows, photo) for photo in references]
    return compare(pictures, len(rows) + np.arange(len(queries)), references=places, title=title)


def compare(pictures: np.ndarray, queries: np.ndarray, *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """How alike each query is to each of its own references: the mean over patches of their correlations.

    It goes through all photos patch by patch, which takes little memory: the phases of all patches are twenty times as
    large as their pictures.

    Args:
        pictures: (M, height, width) outlines of heads.
        queries: (n,) rows of them.
        references: n arrays of (m,) rows of them.
        title: of the progress bar.
    """
    patches = phase.patches(pictures.shape[1:])
    likenesses = [np.zeros(len(photo), np.float32) for photo in references]
    with progress.bar(len(patches) * len(queries), title=title, unit="patches") as bar:
        for patch in patches:
            phases = phase.spectra(pictures[:, *patch])
            for likeness, row, photo in zip(likenesses, queries, references, strict=True):
                likeness += phase.correlation(phases[row], phases[photo]) / len(patches)
                bar.update()
    return likenesses


def outlines(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of (n,) rows of a view."""
    if not len(rows):
        return np.zeros((0, *phase.SIZE), np.float32)
    blocks = np.array_split(rows, -(-len(rows) // 64))
    return np.concatenate(list(threads.ahead(lambda block: outline(view, block), blocks)))


def outline(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of a few rows."""
    return phase.outlines(np.stack([images.grey(view.images[row], phase.SIZE) for row in rows]))


def answer(likeness: np.ndarray, label: np.ndarray, *, whales: int) -> np.ndarray:
    """(whales,) scores by (m,) likenesses to photos of (m,) labels: a whale's is the highest; all others' the mean."""
    scores = np.full(whales, -np.inf, np.float32)
    np.maximum.at(scores, label, likeness)
    compared = np.isfinite(scores)
    return np.where(compared, scores, scores[compared].mean() if compared.any() else 0)


PROGRAM = Program(DEFAULTS, run)
