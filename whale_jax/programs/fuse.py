"""One answer from members of any kind: networks, searches by their features or by local descriptors, other answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import probabilities, right_whale, splits
from whale_jax.evaluation import calibration, fusion
from whale_jax.evaluation.probabilities import score
from whale_jax.recognition import members as recognition
from whale_jax.report import tables
from whale_jax.runtime import errors, progress, registry
from whale_jax.workflow.program import Program

DEFAULTS = {
    # And, by any other name, the members: logits of an `extract` or a `crossfit`, scores of a `retrieve` or a `rerank`,
    # or probabilities, each of whose sources is a member.
    "inputs": {"photos": "", "split": ""},
    "fold": 0,
    "method": "weights",  # of the answer "fused"; all are measured
    "num_subfolds": 5,  # that the photos held out are cut into: what answers one is fitted on the others
}
FUSED = "fused"
RESERVED = (FUSED, probabilities.PHOTO, probabilities.WHALE, *fusion.METHODS)


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes probabilities.npz into workdir, of the members fused and of each by itself, calibrated; and table.md.

    Photos validated on have no part in the fit of their own answers, and bursts stay in one subfold; all others are
    answered by a fit on all of these. Photos that were trained on have no answer: a network has learned them by heart.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    if len(photos.whales) < 2:
        raise errors.InputError(
            "the photos name one whale or none: name two at least, or there is nothing to choose from"
        )
    split = splits.load(Path(config.inputs.split), photos)
    members = recognition.load(config, photos)
    scores = np.stack(list(members.values()), axis=1).astype(np.float32)
    rows = np.setdiff1d(np.flatnonzero(fusion.scored(scores)), splits.train_rows(split, config.fold))
    fit, facts = recognition.held_out(config, scores, photos=photos, split=split)
    if len(np.unique(facts["group"])) < 2:
        raise errors.InputError(f"{len(fit)} photos held out have scores: too few to fit on some and look at others")
    answers, valid = {}, splits.measured_rows(split, config.fold)
    with progress.bar(len(members) + len(fusion.METHODS), title=workdir.name, unit="fits") as bar:
        for name, method in fusion.METHODS.items():
            answers[name] = answer(method, scores, fit=fit, rows=rows, **facts)
            bar.update()
        for i, name in enumerate(members):
            answers[name] = answer(fusion.fit_weights, scores[:, i : i + 1], fit=fit, rows=rows, **facts)
            bar.update()
    sources = {FUSED: answers[config.method], **{name: answers[name] for name in members}}
    probabilities.save(workdir, photos, arrays=sources)
    metrics = {name: score(p[valid], photos.label[valid]) for name, p in (sources | answers).items()}
    tables.publish(workdir, table(metrics, members=list(members), photos=len(valid)))
    return {
        "split": split.hash,
        "weights": weights(scores[fit], list(members), label=facts["label"], prior=facts["prior"]),
        "metrics": metrics,
        "train_metrics": {},
        "validated_on": len(valid),
    }


def table(metrics: dict[str, dict[str, float]], *, members: list[str], photos: int) -> str:
    """The metrics of each member by itself and of each way to fuse them, as a table in Markdown."""
    rows = [{"name": name, **metrics[name]} for name in members]
    rows += [{"name": f"all, by {name}", **metrics[name]} for name in fusion.METHODS]
    return tables.markdown("fused, on validation", [{**row, "validated_on": photos} for row in rows])


def answer(method: Callable, scores: np.ndarray, **fit: Any) -> np.ndarray:
    """(N, whales) probabilities by a way to fuse (N, members, whales) scores; NaN where no member scores a photo.

    `method` is one of `fusion.METHODS`; `fit` says what it is fitted on and answers, see `calibration.answer`.
    """
    p = calibration.answer(fusion.calibrated(method), scores, **fit)
    p[~fusion.scored(scores)] = np.nan
    return p


def weights(scores: np.ndarray, names: list[str], *, label: np.ndarray, prior: np.ndarray) -> dict[str, float]:
    """The weight of each member's log probabilities, where 1 is that of a member by itself; 0 if it adds nothing.

    (n, members, whales) scores and (n,) labels are of the photos held out.
    """
    fused = fusion.fit_weights(scores, label, prior=prior).weight
    alone = [fusion.fit_weights(scores[:, i : i + 1], label, prior=prior).weight[0] for i in range(len(names))]
    return {name: float(a / max(b, 1e-12)) for name, a, b in zip(names, fused, alone, strict=True)}


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown method, or a member by a name that means something else."""
    registry.lookup("way to fuse", fusion.METHODS, config.method)
    for name in config.inputs:
        if name in RESERVED:
            raise errors.InputError(f"inputs.{name}: a member needs another name, for {name!r} is an answer of all")


PROGRAM = Program(DEFAULTS, run, check=check, revisit=tables.reprint)
