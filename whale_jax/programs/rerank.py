"""Looks again at the likeliest whales of a search, photo by photo, whatever small shifts lie between two heads."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images, predictions, probabilities, right_whale, splits
from whale_jax.evaluation import metrics
from whale_jax.recognition import patches
from whale_jax.recognition import verifier as verifiers
from whale_jax.recognition.verifier import Verifier
from whale_jax.runtime import errors
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "view": "", "scores": ""},  # scores: of a `retrieve`, or a `fuse`
    "fold": 0,
    "likeliest": 100,  # whales that are looked at for each photo
    "examples": 400,  # photos trained on that teach what each patch says; 0 for the mean of all patches
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes predictions.npz, (N, whales) "scores" of whales by their photos, patch by patch, and verifier.npz.

    A whale that is not among the likeliest has the mean score of those that are: this says nothing of it, so the scores
    are worth most as a member of a `fuse`, beside those that they come from. A photo without scores or a head has NaN.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    view = images.load(Path(config.inputs.view))
    scores = scores_in(config.inputs.scores, photos)
    rows = splits.train_rows(split, config.fold)
    gallery = rows[view.pictured[rows]]
    queries = np.setdiff1d(np.flatnonzero(view.pictured & np.isfinite(scores).all(1)), rows)
    if not len(gallery) or not len(queries):
        raise errors.InputError(f"{config.inputs.view} has no pictures of both named photos and photos that ask")
    valid = np.intersect1d(splits.measured_rows(split, config.fold), queries)
    whales = np.argsort(-scores, axis=1, kind="stable")[:, : config.likeliest]
    named, references = np.concatenate([gallery, valid]), []
    for row in queries:  # photos without a name are compared with those held out as well
        searched = named[: len(gallery)] if photos.label[row] >= 0 else named
        references.append(np.flatnonzero(np.isin(photos.label[searched], whales[row])))
    examples, pairs = verifiers.examples(photos.label[gallery], count=config.examples)
    asking = np.concatenate([gallery[examples], queries])
    evidence = patches.look((view, asking), [(view, named)], references=[*pairs, *references], title=workdir.name)
    count = len(examples)
    verifier = learn(evidence[:count], examples, references=pairs, label=photos.label[gallery])
    verifiers.save(workdir, verifier)
    answers = np.full(scores.shape, np.nan, np.float32)
    for row, place, numbers in zip(queries, references, evidence[count:], strict=True):
        answers[row] = verifier.answer(verifier(numbers), photos.label[named[place]], whales=len(photos.whales))
    predictions.save(workdir, photos, arrays={"scores": answers})
    true = photos.label[valid]
    top = {f"top{k}": float(metrics.top_k(answers[valid], true, k=k).mean()) for k in (1, 5)}
    return {
        "split": split.hash,
        "queries": len(valid),
        "metrics": {**top, "among_likeliest": float((whales[valid] == true[:, None]).any(1).mean())},
    }


def learn(
    evidence: list[np.ndarray], examples: np.ndarray, *, references: list[np.ndarray], label: np.ndarray
) -> Verifier:
    """What n (m, F) arrays of evidence, of (n,) examples and their (m,) references by (G,) label, teach of patches."""
    if not len(examples):
        return verifiers.mean(patches.NUMBERS)
    same = [label[place] == label[row] for row, place in zip(examples, references, strict=True)]
    return verifiers.fit(np.concatenate(evidence), np.concatenate(same))


def scores_in(folder: str, photos: right_whale.Photos) -> np.ndarray:
    """The (N, whales) scores of a search, or probabilities of several together."""
    if (Path(folder) / probabilities.FILE).exists():
        return probabilities.load_source(folder, photos, source="fused")
    return predictions.load(folder, photos, kind="scores")


PROGRAM = Program(DEFAULTS, run)
