"""Ranks the likeliest whales of a search again, photo by photo, whatever small shifts lie between two heads."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.evaluation import retrieval
from whale_jax.evaluation.probabilities import likeliest
from whale_jax.recognition import evidence
from whale_jax.recognition import query as queries
from whale_jax.recognition import verifier as verifiers
from whale_jax.recognition.evidence import Heads
from whale_jax.recognition.verifier import Verifier
from whale_jax.runtime import errors
from whale_jax.workflow.program import Program

DEFAULTS = {
    # scores: of a `retrieve`, or a `fuse`; features: of an `extract` of a layer, whose maps are compared too
    "inputs": {"photos": "", "split": "", "view": "", "scores": "", "features": ""},
    "fold": 0,
    "grid": (),  # (rows, columns) of the map
    "sides": 1,  # or 2 where features are those of a photo and then of its mirror image
    "num_candidates": 100,  # of each photo, the likeliest whales, which are ranked again
    "examples": 400,  # photos trained on that teach what each part of a head says; 0 for the mean of all patches
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes predictions.npz, (N, whales) "scores" of whales by the evidence of their photos, and verifier.npz.

    A whale that is not among the likeliest has the mean score of those that are: this says nothing of it, so the scores
    are worth most as a member of a `fuse`, beside those that they come from. A photo without scores or a head has NaN.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    source = evidence.read(config, queries.source(photos))
    scores, usable = scores_in(config.inputs.scores, photos), source.usable
    rows = splits.train_rows(split, config.fold)
    gallery = rows[usable[rows]]
    query_rows = np.setdiff1d(np.flatnonzero(usable & np.isfinite(scores).all(1)), rows)
    valid = np.intersect1d(splits.measured_rows(split, config.fold), query_rows)
    if not len(gallery) or not len(valid):
        sources = " and ".join(filter(None, [config.inputs.scores, config.inputs.features]))
        raise errors.InputError(
            f"{config.inputs.view} has no pictures of both photos trained on and photos held out that {sources} know"
        )
    whales = likeliest(scores, config.num_candidates)
    named, references = np.concatenate([gallery, valid]), []
    for row in query_rows:  # photos without a name are compared with those held out as well
        compared = named[: len(gallery)] if photos.label[row] >= 0 else named
        references.append(np.flatnonzero(np.isin(photos.label[compared], whales[row])))
    cells = source.fit_cells(config, rows=gallery)
    heads = source.heads(named, cells=cells)
    searched = heads.select(np.arange(len(gallery)))
    verifier = learn(searched, photos.label[gallery], count=config.examples, title=f"{workdir.name}, known")
    verifiers.save(workdir, verifier)
    numbers = evidence.compare(source.heads(query_rows, cells=cells), heads, references=references, title=workdir.name)
    answers = np.full(scores.shape, np.nan, np.float32)
    for row, place, pairs in zip(query_rows, references, numbers, strict=True):
        answers[row] = verifier.answer(verifier(pairs), photos.label[named[place]], whales=len(photos.whales))
    predictions.save(workdir, photos, arrays={"scores": answers})
    true = photos.label[valid]
    return {
        "split": split.hash,
        "queries": len(valid),
        "metrics": {
            **retrieval.cmc(answers[valid], true),
            "among_likeliest": float((whales[valid] == true[:, None]).any(1).mean()),
        },
    }


def learn(heads: Heads, label: np.ndarray, *, count: int, title: str) -> Verifier:
    """What at most `count` of n heads, of (n,) whales, teach when they are compared with the rest."""
    rows, references = verifiers.examples(label, count=count)
    if not len(rows):
        return evidence.PLAIN
    numbers = evidence.compare(heads.select(rows), heads, references=references, title=title)
    same = [label[place] == label[row] for row, place in zip(rows, references, strict=True)]
    return verifiers.fit(np.concatenate(numbers), np.concatenate(same), otherwise=evidence.PLAIN)


def scores_in(folder: str, photos: right_whale.Photos) -> np.ndarray:
    """The (N, whales) scores of a search, or probabilities of several together."""
    if (Path(folder) / probabilities.FILE).exists():
        return probabilities.load_source(folder, photos, source="fused")
    return predictions.load(folder, photos, kind="scores")


def check(config: ConfigDict) -> None:
    """Raises InputError for features of a map of unknown rows and columns."""
    if config.inputs.features and not config.grid:
        raise errors.InputError("inputs.features are of a map: name its rows and columns as config.grid")


PROGRAM = Program(DEFAULTS, run, check=check)
