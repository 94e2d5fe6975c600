"""Re-ranking the likeliest whales of a search, by a run that is asked about photos it has never seen."""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.evaluation.probabilities import likeliest
from whale_jax.recognition import evidence
from whale_jax.recognition import verifier as verifiers
from whale_jax.recognition.evidence import Heads
from whale_jax.recognition.maps import Cells
from whale_jax.recognition.query import Query, Run
from whale_jax.recognition.verifier import Verifier
from whale_jax.workflow import program
from whale_jax.workflow.finished_runs import Stage


class Reranker(NamedTuple):
    """A finished `rerank`, and the r heads with a name that it compares.

    Attributes:
        heads: r of them, those of the gallery last.
        label: (r,) their whales.
        photo: (r,) their photos, see `Query.nearest`.
        cells: what makes maps of features; None without a network.
        verifier: what evidence tells.
    """

    heads: Heads
    label: np.ndarray
    photo: np.ndarray
    cells: Cells | None
    verifier: Verifier


def answer(stage: Stage, query: Query, *, scores: np.ndarray) -> np.ndarray:
    """(n, whales) scores by the photos of the likeliest whales, of which `query.nearest` then has the most alike.

    Args:
        stage: a finished `rerank`.
        query: the photos that are asked about.
        scores: (n, whales) of the search whose likeliest whales are ranked again.
    """
    config = completed(stage)
    source = evidence.read(config, query.source)
    answered = source.usable & np.isfinite(scores).all(1)
    queries = query.rows[answered[query.rows]]
    answers = np.full(scores.shape, np.nan, np.float32)
    if not len(queries):
        return answers
    reranker = query.run.fitted(stage, reopen)
    whales = likeliest(scores[queries], config.num_candidates)
    places = [np.flatnonzero(np.isin(reranker.label, row)) for row in whales]
    asking = source.heads(queries, cells=reranker.cells)
    numbers = evidence.compare(asking, reranker.heads, references=places, title=stage.folder.name)
    for row, place, pairs in zip(queries, places, numbers, strict=True):
        odds = reranker.verifier(pairs)
        place, odds = place[order := np.argsort(odds)], odds[order]
        query.nearest[row, reranker.label[place]] = reranker.photo[place]  # of each whale the last, which is most alike
        answers[row] = reranker.verifier.answer(odds, reranker.label[place], whales=scores.shape[1])
    return answers


def reopen(stage: Stage, run: Run) -> Reranker:
    """What a finished `rerank` learned, and the run's heads with a name; those of a gallery join them."""
    config = completed(stage)
    source = evidence.read(config, run.source)
    usable = source.usable
    searched, measured = splits.train_rows(run.split, config.fold), splits.measured_rows(run.split, config.fold)
    searched, measured = searched[usable[searched]], measured[usable[measured]]
    cells = source.fit_cells(config, rows=searched)
    rows = np.concatenate([searched, measured])
    groups = [source.heads(rows, cells=cells)]
    label, photo = [run.photos.label[rows]], [rows]
    if references := run.references:
        source = evidence.read(config, references.source)
        usable = source.usable[references.rows]
        rows = references.rows[usable]
        groups.append(source.heads(rows, cells=cells))
        label.append(references.label[usable])
        photo.append(len(run.photos.name) + rows)
    verifier = verifiers.reopen(stage.folder)
    return Reranker(evidence.join(groups), np.concatenate(label), np.concatenate(photo), cells, verifier)


def completed(stage: Stage) -> ConfigDict:
    """The config of a stage, with today's defaults for what an older run did not know."""
    return ConfigDict(program.complete(stage.config))
