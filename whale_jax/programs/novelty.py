"""None of these: scores of whether a photo's whale is in the catalogue, and a threshold whose error is stated.

What has to be measured needs whales that no training has seen, those that `unknown_fraction` of a split keeps out. The
threshold does not: it comes from photos of known whales that were held out, so it can be had of any finished run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import gallery, predictions, probabilities, right_whale, splits, tables
from whale_jax.data.right_whale import Photos
from whale_jax.evaluation import novelty, open_set, retrieval, verdicts, whitening
from whale_jax.evaluation.verdicts import Judged
from whale_jax.report import charts, figures
from whale_jax.report import tables as report
from whale_jax.runtime import errors, registry
from whale_jax.workflow.program import Program

DEFAULTS = {
    # And any number of members, under any name: stages that write probabilities, logits, features, or scores.
    "inputs": {"photos": "", "split": ""},
    "fold": 0,
    "sources": {},  # name of a member -> which of its probabilities; else its first
    "transforms": {},  # name of a member -> what is done to its features, as in `retrieve`: "centre" or "whiten"
    "score": "",  # that decides, such as "network: energy"; "" is all together
    "error": 0.05,  # the largest share of photos of known whales that may be called new
    "prior": 0.1,  # the share of photos whose whale is assumed to be new
    "cohort": 200,  # photos of other whales by which a cosine is judged
    "num_subfolds": 5,  # that whales are dealt to: what is fitted for the photos of some is fitted on the others
    "photos_per_encounter": 2,  # photos of a whale that are judged together, where no table names encounters
    "draws": 200,  # samples of whales, for the intervals
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes novelty.csv, table.md and novelty.png: of photos held out, of unknown whales, and without a name.

    Each photo with a name is judged by fits on photos of other whales. Without unknown whales nothing but the error is
    measured, and the probability of "none of these" is 1 less the conformal p-value.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    members = read(config, photos)
    judged, searched = choose(config, photos, split=split, members=members)
    answers = ask(config, members, label=photos.label, judged=judged.rows, searched=searched)
    answers = verdicts.together(answers)
    scores = verdicts.score(answers, judged)
    if config.score and config.score not in scores:
        raise errors.unknown("score", config.score, scores)
    chosen = config.score or list(scores)[-1]
    p_new, is_new = verdicts.decide(scores[chosen], judged, error=config.error, prior=config.prior)
    write(workdir, photos, judged=judged, columns=(scores[chosen], p_new, is_new))
    enrolled, count = judged.enrolled, len(judged.enrolled)
    metrics, levels = {"called_new": float(is_new[:count][enrolled].mean())}, {}
    if not enrolled.all():
        encounter = open_set.encounters(
            photos.encounter[judged.rows[:count]], judged.whale, size=config.photos_per_encounter
        )
        truth = {"whales": np.unique(photos.label[searched]), "draws": config.draws}
        levels["photos"] = verdicts.measure(answers, judged, scores=scores, **truth)
        means, pooled = verdicts.pool(answers, judged, encounter=encounter)
        if verdicts.measurable(pooled):
            levels["encounters"] = verdicts.measure(means, pooled, scores=verdicts.score(means, pooled), **truth)
        metrics |= levels["photos"][chosen] | {"unknown_called_new": float(is_new[:count][~enrolled].mean())}
    report.publish(workdir, describe(levels, metrics, chosen=chosen, error=config.error))
    threshold = open_set.threshold(scores[chosen][:count][enrolled], error=config.error)
    sides = {name: (values[:count][enrolled], values[:count][~enrolled]) for name, values in scores.items()}
    figures.save(workdir / "novelty.png", charts.novelty, sides, chosen=chosen, threshold=threshold)
    return {
        "split": split.hash,
        "score": chosen,
        "threshold": threshold if np.isfinite(threshold) else None,
        "stated_error": config.error,
        "p_new": "1 - conformal p-value" if enrolled.all() else f"Bayes, prior {config.prior:g}",
        "of_known": int(enrolled.sum()),
        "of_unknown": int((~enrolled).sum()),
        "unlabelled": len(judged.rows) - count,
        "metrics": metrics,
        "scores": levels,
        "caveats": caveats(judged.subfold[enrolled], error=config.error),
    }


def caveats(subfold: np.ndarray, *, error: float) -> list[str]:
    """That known photos, of (n,) subfolds, are too few for so small an error: those of one are judged by the others."""
    fewest = len(subfold) - np.bincount(subfold).max()
    sides = (len(subfold), "known", "nothing is"), (fewest, "other known", "some photos are never")
    for count, kind, consequence in sides:
        if not np.isfinite(open_set.threshold(np.zeros(count), error=error)):
            few = f"{count} photos of {kind} whales are too few for an error of at most {error:.0%}"
            return [f"{few}: {consequence} called new"]
    return []


def read(config: ConfigDict, photos: Photos) -> dict[str, dict[str, np.ndarray]]:
    """name -> kind -> (N, ...) of each member: "probabilities", or "logits", "features" and "scores" that it has."""
    members = {}
    for name, path in config.inputs.items():
        if name in DEFAULTS["inputs"] or not path:
            continue
        if (Path(path) / probabilities.FILE).exists():
            sources = probabilities.load(path, photos)
            source = config.sources.get(name, next(iter(sources)))
            if source not in sources:
                raise errors.unknown(f"source of probabilities of {name}", source, sources)
            members[name] = {"probabilities": sources[source]}
        else:
            kinds = [kind for kind in ("logits", "features", "scores") if kind in predictions.kinds(path)]
            members[name] = {kind: predictions.load(path, photos, kind=kind) for kind in kinds}
        if not members[name]:
            raise errors.InputError(f"inputs.{name}: {path} has no probabilities, logits, features or scores")
    return members


def choose(
    config: ConfigDict, photos: Photos, *, split: splits.Split, members: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[Judged, np.ndarray]:
    """The photos that every member has an answer for, and (G,) rows of those that are searched.

    Too few whales on a side, or unknown ones without any answer, raise InputError.
    """
    usable, answered = np.ones((2, len(photos.name)), bool)
    for arrays in members.values():
        for kind, array in arrays.items():
            finite = np.isfinite(array).all(1)
            answered &= finite
            usable &= finite | (kind != "features")
    candidates = gallery.select(photos, split, fold=config.fold, usable=usable)
    unknown = splits.unknown_rows(split)
    *sides, unlabelled = (rows[answered[rows]] for rows in (candidates.queries, unknown, candidates.unlabelled))
    counts = [len(np.unique(photos.label[rows])) for rows in sides]
    for side, count in zip(("known", "unknown"), counts, strict=True):
        if count < 2 and (side == "known" or len(unknown)):
            raise errors.InputError(
                f"of {count} {side} whales there is a photo that all of {', '.join(members)} have an answer for: "
                "novelty is measured and fitted on two whales at least"
            )
    named = np.concatenate(sides)
    whale, enrolled = photos.label[named], np.arange(len(named)) < len(sides[0])
    subfold = novelty.subfolds(whale, enrolled, count=min(config.num_subfolds, *filter(None, counts)))
    return Judged(np.concatenate([named, unlabelled]), enrolled, whale, subfold), candidates.rows


def ask(
    config: ConfigDict,
    members: Mapping[str, Mapping[str, np.ndarray]],
    *,
    label: np.ndarray,
    judged: np.ndarray,
    searched: np.ndarray,
) -> dict[tuple[str, str], np.ndarray]:
    """(member, kind of `novelty.SCORES`) -> (n, whales) answers for the (n,) rows judged.

    Only whales of the (G,) rows searched, by the (N,) labels of all, have a column, in order of their labels: a network
    also has an output for whales that it was never shown.
    """
    whales, number = np.unique(label[searched], return_inverse=True)
    names, answers = {"label": number, "whales": len(whales)}, {}
    for member, arrays in members.items():
        for kind, array in arrays.items():
            if kind == "features":
                fitted = whitening.TRANSFORMS[config.transforms.get(member, "")](array[searched], label[searched])
                queries = fitted.transform(array[judged])
                answers[member, "cosine"] = retrieval.by_photo(fitted.vectors, **names)(queries)
                answers[member, "cohort"] = novelty.by_cohort(queries, fitted.vectors, **names, size=config.cohort)
            elif kind == "probabilities":
                answers[member, kind] = np.log(np.maximum(array[judged][:, whales], 1e-12))
            else:
                answers[member, "cosine" if kind == "scores" else kind] = array[judged][:, whales]
    return answers


def describe(
    levels: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, float], *, chosen: str, error: float
) -> str:
    """A table of scores for photos and for encounters, and a line on what the threshold was to do and what it did."""
    blocks = []
    for level, measured in levels.items():
        rows = [{"name": name, **values} for name, values in measured.items()]
        for row in rows:
            row |= {key: "{:.2f}-{:.2f}".format(*row[key]) for key in row if key.endswith("_interval")}
        blocks.append(report.markdown(f"known or new, {level}", rows))
    line = (
        f"By {chosen}, at most {error:.0%} of the photos of known whales are to be called new: {{called_new:.1%}} are"
    )
    line += ", and {unknown_called_new:.1%} of those of unknown whales." if levels else "."
    return "\n\n".join([*blocks, line.format(**metrics)])


def write(workdir: Path, photos: Photos, *, judged: Judged, columns: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Writes novelty.csv of (n,) scores, probabilities and verdicts; "known" is empty where the photo has no name."""
    sides = np.full(len(judged.rows), "", "U3")
    sides[: len(judged.enrolled)] = np.where(judged.enrolled, "yes", "no")
    cells = zip(photos.name[judged.rows], sides, *columns, strict=True)
    lines = ([name, side, f"{s:.6g}", f"{p:.4f}", str(int(new))] for name, side, s, p, new in cells)
    tables.write(workdir / "novelty.csv", ["Image", "known", "score", "p_new", "is_new"], rows=lines)


def check(config: ConfigDict) -> None:
    """Raises InputError where there is no member, or a source or a transform is of none or unknown."""
    members = [name for name, path in config.inputs.items() if name not in DEFAULTS["inputs"] and path]
    if not members:
        raise errors.InputError("nothing to judge by: set inputs.NAME to the folder of an extract, a stack ...")
    for name in (*config.sources, *config.transforms):
        if name not in members:
            raise errors.unknown("member", name, members)
    for name in config.transforms.values():
        registry.lookup("transform", whitening.TRANSFORMS, name)


PROGRAM = Program(DEFAULTS, run, check=check, revisit=report.reprint)
