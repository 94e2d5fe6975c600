"""The members of a run's answer, and the answer itself, asked about photos that the run has never seen.

Networks answer by their logits, searches by the photos of the run that have a name, with what was fitted there. New
photos take no part in any fit. Labelled photos of a gallery join those that are searched, and their whales the answer.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery, predictions, probabilities, right_whale, splits
from whale_jax.evaluation import calibration, fusion
from whale_jax.recognition import reranking, search
from whale_jax.recognition.query import Query, Run
from whale_jax.runtime import errors, progress
from whale_jax.workflow.finished_runs import Stage

PARTS, FEWEST = 8, 8  # the most parts that photos are answered in, and the fewest photos of a part


class Fusion(NamedTuple):
    """A run's `fuse`, fitted on the photos that the run held out.

    Attributes:
        answer: (m, members, whales) scores -> (m, whales) probabilities.
        folders: of the members.
        scores: (n, members, whales) of the photos held out.
        facts: their label and group, and the prior and num_subfolds, of `calibration.cross_fit`.
    """

    answer: fusion.Calibrated
    folders: list[str]
    scores: np.ndarray
    facts: dict[str, Any]


def load(config: ConfigDict, photos: right_whale.Photos) -> dict[str, np.ndarray]:
    """The (N, whales) scores of each member of a `fuse`, by its name. A folder that has none raises InputError."""
    members = {}
    for name, folder in config.inputs.items():
        if name in ("photos", "split") or not folder:
            continue
        if (Path(folder) / probabilities.FILE).exists():
            for source, p in probabilities.load(folder, photos).items():
                members[f"{name}_{source}"] = np.log(np.maximum(p, 1e-12))
            continue
        kinds = [kind for kind in ("scores", "logits") if kind in predictions.kinds(folder)]
        if not kinds:
            raise errors.InputError(
                f"{folder} scores no whales: name an `extract`, `crossfit`, `retrieve` or `rerank`, or probabilities"
            )
        members[name] = predictions.load(folder, photos, kind=kinds[0])
    if not members:
        raise errors.InputError("there is nothing to fuse: name members in config.inputs, beside photos and split")
    for name, scores in members.items():
        if scores.shape != (len(photos.name), len(photos.whales)):
            raise errors.InputError(
                f"{config.inputs.get(name, name)} scores {scores.shape[1]} whales, not those of the photos"
            )
    return members


def ask(stage: Stage, query: Query) -> np.ndarray:
    """(n, whales) scores of the query's photos by a finished stage of the run, NaN of a photo that it cannot answer.

    A stage of another kind than `extract`, `retrieve`, `rerank` and `fuse` raises InputError.
    """
    program = stage.config["program"]
    if program not in MEMBERS:
        raise errors.InputError(f"{stage.folder} is a {program!r}, which answers no other photos than its own")
    if stage.folder not in query.answers:  # a search is asked for its likeliest whales, and for its own sake
        query.answers[stage.folder] = MEMBERS[program](stage, query)
    return query.answers[stage.folder]


def ask_searches(stage: Stage, query: Query) -> None:
    """Asks the networks and searches of a `fuse` about all photos: it takes little longer than to ask about one."""
    for folder in query.run.fitted(stage, fit_fusion).folders:
        if (member := query.run.stage(folder)).config["program"] != "rerank":
            ask(member, query)


def ask_in_parts(stage: Stage, query: Query) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(m,) rows of some of the query's photos, and their (m, whales) probabilities by a `fuse`, part after part."""
    size = max(FEWEST, -(-len(query.rows) // PARTS))
    for start in range(0, len(query.rows), size):
        rows = query.rows[start : start + size]
        with progress.silence():  # who asks shows how many parts are left
            scores = ask(stage, query._replace(rows=rows, answers={**query.answers}))[rows]
        yield rows, scores


def by_network(stage: Stage, query: Query) -> np.ndarray:
    """(n, whales) logits of a network, of the stage of its features. Of whales it does not know they are the mean."""
    logits = query.source.load(str(stage.folder), "logits")[query.rows]
    scores = np.full((len(query.source.photos.name), len(query.run.whales)), np.nan, np.float32)
    scores[query.rows] = logits.mean(1, keepdims=True)  # which says nothing for or against a whale
    scores[query.rows, : logits.shape[1]] = logits
    return scores


def by_search(stage: Stage, query: Query) -> np.ndarray:
    """(n, whales) scores of a search among the run's photos with a name, by the transform that was fitted there."""
    score = query.run.fitted(stage, fit_search)
    blocks = [query.source.load(folder, "features")[query.rows] for folder in search.folders(ConfigDict(stage.config))]
    usable = search.usable(blocks)
    scores = np.full((len(query.source.photos.name), len(query.run.whales)), np.nan, np.float32)
    scores[query.rows[usable]] = score([block[usable] for block in blocks])
    return scores


def fit_search(stage: Stage, run: Run) -> Callable[[list[np.ndarray]], np.ndarray]:
    """What takes (n, D) blocks of features to (n, whales) scores: the stage's search of all photos with a name."""
    config = ConfigDict(stage.config)
    transforms, vectors = search.reopen(stage.folder, config, photos=run.photos)
    named = gallery.select(run.photos, run.split, fold=config.fold, usable=search.usable([vectors])).named
    vectors, labels = [vectors[named]], [run.photos.label[named]]
    if references := run.references:
        blocks = [references.source.load(folder, "features")[references.rows] for folder in search.folders(config)]
        usable = search.usable(blocks)
        vectors.append(np.float16(transforms([block[usable] for block in blocks])))
        labels.append(references.label[usable])
    searched, names = np.concatenate(vectors), {"label": np.concatenate(labels), "whales": len(run.whales)}
    score = search.WAYS[config.whale_score](searched, **names)
    return lambda blocks: score(transforms(blocks))


def by_reranking(stage: Stage, query: Query) -> np.ndarray:
    """(n, whales) scores of the likeliest whales ranked again, by photos that have a name."""
    return reranking.answer(stage, query, scores=ask(query.run.stage(stage.config["inputs"]["scores"]), query))


def by_fusion(stage: Stage, query: Query) -> np.ndarray:
    """(n, whales) probabilities by all members together, fitted on the photos that the run held out, as for its own."""
    fitted = query.run.fitted(stage, fit_fusion)
    scores = np.stack([ask(query.run.stage(folder), query) for folder in fitted.folders], axis=1)
    p = fitted.answer(scores.astype(np.float32))
    p[~fusion.scored(scores)] = np.nan
    return p


def fit_fusion(stage: Stage, run: Run) -> Fusion:
    """The answer of a run's `fuse`, which knows the gallery's whales besides."""
    config = ConfigDict(stage.config)
    members = load(config, run.photos)
    folders = {name: config.inputs[name] for name in members if name in config.inputs}
    if absent := members.keys() - folders:
        raise errors.InputError(f"{stage.folder} fuses probabilities, {', '.join(absent)}: other photos have none")
    scores = np.stack(list(members.values()), axis=1).astype(np.float32)
    rows, facts = held_out(config, scores, photos=run.photos, split=run.split)
    method = fusion.calibrated(fusion.METHODS[config.method])
    answer = method(scores[rows], facts["label"], prior=facts["prior"])
    if count := len(run.whales) - len(run.photos.whales):
        if config.method != "weights":
            raise errors.InputError(f"{stage.folder} fuses by {config.method!r}: no other whale can join its answer")
        answer = answer.enlarged(count)
    return Fusion(answer, list(folders.values()), scores[rows], facts)


def held_out(
    config: ConfigDict, scores: np.ndarray, *, photos: right_whale.Photos, split: splits.Split
) -> tuple[np.ndarray, dict[str, Any]]:
    """(n,) rows that a `fuse` of (N, members, whales) scores is fitted on, and their facts, see `Fusion`."""
    rows = splits.measured_rows(split, config.fold)
    rows = rows[fusion.scored(scores[rows])]
    prior = splits.prior(photos, split, fold=config.fold)
    return rows, {
        "label": photos.label[rows],
        "prior": prior,
        "group": split.group[rows],
        "num_subfolds": config.num_subfolds,
    }


def without_whales(run: Run) -> np.ndarray:
    """(n, whales - 1) answers about the photos that a run held out if their whales were not there.

    Each is by a fit on other groups, as the answers about them are. See `fusion.Calibrated.without_whale`.
    """
    fitted = run.fitted(run.answer, fit_fusion)
    method, ask = fusion.METHODS[run.answer.config["method"]], fusion.Calibrated.without_whale
    return calibration.cross_fit(fusion.calibrated(method), fitted.scores, **fitted.facts, ask=ask)


MEMBERS: dict[str, Callable[[Stage, Query], np.ndarray]] = {
    "extract": by_network,
    "retrieve": by_search,
    "rerank": by_reranking,
    "fuse": by_fusion,
}
