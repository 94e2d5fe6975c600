"""Who is on photos that a finished run has never seen? Its answer, without training.

The run's members answer as they answer its own photos without a name: networks by their logits, searches by the photos
of the run that have a name, with what was fitted there. New photos take no part in any fit.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery, groups, images, predictions, probabilities, right_whale, splits, tables
from whale_jax.data.right_whale import Photos
from whale_jax.data.splits import Split
from whale_jax.evaluation import fusion, open_set
from whale_jax.evaluation.probabilities import of_groups
from whale_jax.programs import fuse, rerank, retrieve
from whale_jax.report import identify_page
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage
from whale_jax.workflow.program import Program

DEFAULTS = {
    # photos: those that nobody has named; fused: a finished `fuse` of a run. And, by the names that they have in the
    # run, stages of the new photos: features, and the view that is compared patch by patch.
    "inputs": {"photos": "", "fused": ""},
    "likeliest": 5,  # candidates of a photo
    "error": 0.05,  # the largest share of photos of known whales that may be called new
    "prior": 0.1,  # the share of photos whose whale is assumed to be new
}
COLUMNS = ("rank", "whaleID", "probability", "nearest", "p_none", "is_none", "note")
UNANSWERED = [*[""] * (len(COLUMNS) - 1), "no head was found"]


class Run(NamedTuple):
    """A finished run that is asked.

    Attributes:
        root: its folder.
        photos: N photos of the run.
        split: theirs.
        new: n other photos.
        folders: name of a stage in the run -> the folder of the same of the new photos.
        nearest: (n, whales) row of the run's photo of each whale that is most alike patch by patch; -1 where none was
            compared.
        answers: folder of a stage of the run -> its scores of the new photos, once it has been asked.
    """

    root: Path
    photos: Photos
    split: Split
    new: Photos
    folders: Mapping[str, str]
    nearest: np.ndarray
    answers: dict[Path, np.ndarray]

    def load(self, folder: str, kind: str) -> np.ndarray:
        """(n, ...) predictions of the new photos, in place of those in a folder of the run."""
        return predictions.load(self.folder(folder), self.new, kind=kind)

    def stage(self, folder: str) -> Stage:
        """The finished stage in a folder of the run, wherever the run lies by now."""
        return finished_runs.read_within(self.root, folder)

    def folder(self, folder: str) -> str:
        """The folder of the new photos that stands for a folder of the run; InputError where there is none."""
        if not (path := self.folders.get(Path(folder).name)):
            raise errors.InputError(f"inputs.{Path(folder).name} is empty: name the same of the new photos")
        return path


class Judge(NamedTuple):
    """What tells photos of whales that the run does not know, fitted on photos that it held out.

    Attributes:
        threshold: a photo whose `confidence` is at most this is called new.
        posterior: (n,) confidences -> (n,) probabilities that the whale is none of the run's.
    """

    threshold: float
    posterior: Callable[[np.ndarray], np.ndarray]


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes candidates.csv, a row for each candidate of each photo, encounters.csv, and report.html to look at."""
    fused = Path(config.inputs.fused)
    stage = finished_runs.read_within(fused.parent, fused.name)
    photos = right_whale.load(Path(stage.config["inputs"]["photos"]))
    split = splits.load(Path(stage.config["inputs"]["split"]), photos)
    new = right_whale.load(Path(config.inputs.photos))
    nearest = np.full((len(new.name), len(photos.whales)), -1, np.int32)
    p = ask(stage, Run(fused.parent, photos, split, new, config.inputs, nearest=nearest, answers={}))
    judge = fit_judge(stage, photos, split=split, error=config.error, prior=config.prior)
    group = groups.by_encounter(new)
    first = np.unique(group, return_index=True)[1]
    pooled, all_rows = of_groups(p, group)[first], np.arange(len(p))
    levels = {
        "candidates.csv": (all_rows, ("Image", "encounter"), p),
        "encounters.csv": (first, ("encounter", "Image"), pooled),
    }
    for name, (rows, columns, answer) in levels.items():
        lines = candidates(answer, photos, nearest=nearest[rows], judge=judge, likeliest=config.likeliest)
        cells = [{"Image": new.name, "encounter": new.encounter}[column][rows] for column in columns]
        table = (
            [*map(str, pair), *line]
            for pair, block in zip(zip(*cells, strict=True), lines, strict=True)
            for line in block
        )
        tables.write(workdir / name, (*columns, *COLUMNS), rows=table)
    heads = identify_page.find_heads(stage, config.inputs)
    identify_page.write(workdir, new, photos=photos, heads=heads, run=fused.parent.name, error=config.error)
    answered = np.isfinite(p).all(1)
    return {
        "photos": len(new.name),
        "answered": int(answered.sum()),
        "without": new.name[~answered].tolist()[:20],
        "called_new": int((confidence(p[answered]) <= judge.threshold).sum()),
        "threshold": judge.threshold if np.isfinite(judge.threshold) else None,
        "stated_error": config.error,
    }


def ask(stage: Stage, run: Run) -> np.ndarray:
    """(n, whales) scores of the new photos by a finished stage of the run, NaN of a photo that it cannot answer.

    A stage of another kind than `extract`, `retrieve`, `rerank` and `fuse` raises InputError.
    """
    program = stage.config["program"]
    if program not in MEMBERS:
        raise errors.InputError(f"{stage.folder} is a {program!r}, which answers no other photos than its own")
    if stage.folder not in run.answers:  # a search is asked for its likeliest whales, and for its own sake
        run.answers[stage.folder] = MEMBERS[program](stage, run)
    return run.answers[stage.folder]


def by_network(stage: Stage, run: Run) -> np.ndarray:
    """(n, whales) logits of a network, of the stage of its features."""
    return run.load(stage.folder, "logits")


def by_search(stage: Stage, run: Run) -> np.ndarray:
    """(n, whales) scores of a search among the run's photos with a name, by the transform that was fitted there."""
    config, count = ConfigDict(stage.config), len(run.photos.name)
    blocks = [
        np.concatenate([predictions.load(folder, run.photos, kind="features"), run.load(folder, "features")])
        for folder in retrieve.folders(config)
    ]
    usable = np.all([np.isfinite(block).all(1) for block in blocks], axis=0)
    catalogue = gallery.select(run.photos, run.split, fold=config.fold, usable=usable[:count])
    features = retrieve.combine(blocks, run.photos, catalogue=catalogue, usable=usable, config=config)
    score = retrieve.ways(config, run.photos, features=features, rows=catalogue.named)[retrieve.PREFIXES[config.by]]
    scores = np.full((len(usable) - count, len(run.photos.whales)), np.nan, np.float32)
    rows = np.flatnonzero(usable[count:])
    scores[rows] = score(count + rows)
    return scores


def by_patches(stage: Stage, run: Run) -> np.ndarray:
    """(n, whales) scores of a second look at the likeliest whales, against the run's photos that have a name."""
    config = ConfigDict(stage.config)
    views = images.load(Path(config.inputs.view)), images.load(Path(run.folder(config.inputs.view)))
    scores = ask(run.stage(config.inputs.scores), run)
    queries = np.flatnonzero(views[1].pictured & np.isfinite(scores).all(1))
    if not len(queries):
        return scores
    sides = splits.train_rows(run.split, config.fold), splits.measured_rows(run.split, config.fold)
    named = np.concatenate([rows[views[0].pictured[rows]] for rows in sides])
    label = run.photos.label[named]
    whales = np.argsort(-scores[queries], axis=1, kind="stable")[:, : config.likeliest]
    references = [named[np.isin(label, row)] for row in whales]
    likenesses = rerank.look((views[1], queries), (views[0], references), title=stage.folder.name)
    answers = np.full(scores.shape, np.nan, np.float32)
    for row, photo, likeness in zip(queries, references, likenesses, strict=True):
        photo, likeness = photo[order := np.argsort(likeness)], likeness[order]
        run.nearest[row, run.photos.label[photo]] = photo  # of each whale the last, which is most alike
        answers[row] = rerank.answer(likeness, run.photos.label[photo], whales=scores.shape[1])
    return answers


def by_fusion(stage: Stage, run: Run) -> np.ndarray:
    """(n, whales) probabilities by all members together, fitted on the photos that the run held out, as for its own."""
    config = ConfigDict(stage.config)
    members = fuse.load(config, run.photos)
    folders = {name: config.inputs[name] for name in members if name in config.inputs}
    if absent := members.keys() - folders:
        raise errors.InputError(f"{stage.folder} fuses probabilities, {', '.join(absent)}: no other photo has them")
    answers = np.stack([ask(run.stage(folder), run) for folder in folders.values()], axis=1)
    scores = np.stack(list(members.values()), axis=1).astype(np.float32)
    fit = splits.measured_rows(run.split, config.fold)
    fit = fit[fusion.scored(scores[fit])]
    prior = splits.prior(run.photos, run.split, fold=config.fold)
    answer = fusion.calibrated(fusion.METHODS[config.method])(scores[fit], run.photos.label[fit], prior=prior)
    p = answer(answers.astype(np.float32))
    p[~fusion.scored(answers)] = np.nan
    return p


MEMBERS = {"extract": by_network, "retrieve": by_search, "rerank": by_patches, "fuse": by_fusion}


def confidence(p: np.ndarray) -> np.ndarray:
    """(n,) logarithm of the likeliest whale's probability, of (n, whales)."""
    return np.log(np.maximum(p.max(1), 1e-12))


def fit_judge(stage: Stage, photos: Photos, *, split: Split, error: float, prior: float) -> Judge:
    """The judge of a fused answer, by the photos that it held out, which are answered by fits on other groups.

    No unknown whale is needed: without the column of its whale, a photo looks as one of a whale that is not there.
    """
    p = probabilities.load_source(str(stage.folder), photos, source=fuse.FUSED)
    rows = splits.measured_rows(split, stage.config["fold"])
    rows = rows[np.isfinite(p[rows]).all(1)]
    p, label = p[rows], photos.label[rows]
    rest = np.delete(p.ravel(), np.arange(len(p)) * p.shape[1] + label).reshape(len(p), -1)
    rest /= np.maximum(rest.sum(1, keepdims=True), 1e-12)
    posterior = open_set.fit_posterior(confidence(p), confidence(rest), prior=prior)
    return Judge(open_set.threshold(confidence(p), error=error), posterior)


def candidates(
    p: np.ndarray, photos: Photos, *, nearest: np.ndarray, judge: Judge, likeliest: int
) -> list[list[list[str]]]:
    """The cells of COLUMNS for each candidate of each of n answers, the likeliest first; UNANSWERED for no answer.

    Args:
        p: (n, whales) probabilities, if the whale is one of the run's.
        photos: of the run.
        nearest: (n, whales) row of the photo to show of each whale, -1 for none.
        judge: of whether it is.
        likeliest: number of candidates.
    """
    lines = []
    names = np.append(photos.name, "")
    for row, example in zip(p, nearest, strict=True):
        if not np.isfinite(row).all():
            lines.append([UNANSWERED])
            continue
        sure = confidence(row[None])
        none = float(judge.posterior(sure)[0])
        order = np.argsort(-row, kind="stable")[:likeliest]
        verdict = f"{none:.4f}", str(int(sure[0] <= judge.threshold)), ""
        lines.append(
            [
                [str(rank), photos.whales[i], f"{(1 - none) * row[i]:.4f}", str(names[example[i]]), *verdict]
                for rank, i in enumerate(order, start=1)
            ]
        )
    return lines


PROGRAM = Program(DEFAULTS, run, any_fold=True)
