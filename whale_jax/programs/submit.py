"""submission.csv: a probability of every whale for every photo of the sample submission, as in the competition."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import groups, probabilities, right_whale, splits, tables
from whale_jax.evaluation import caveats
from whale_jax.evaluation.probabilities import likeliest, normalise, of_groups, score
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": ""},
    "fold": 0,
    "source": "best",  # the one with the least log loss on the photos validated on; or one by its name
    "encounters": False,  # whether the photos of an encounter that the table names show one whale, and get one answer
    "floor": 1e-4,  # the least probability; `calibrate` and `fuse` have fitted one, a share of the prior
}
CALIBRATED = ("calibrate", "fuse")  # programs that write calibrated probabilities
LIKELIEST = 5  # whales named for each photo in the table for people


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes submission.csv and, for people, likeliest.csv into workdir.

    Rows and columns are those of the sample submission; without one, all unlabelled photos and all whales by name.
    The metrics are of the photos validated on, whose probabilities were fitted on others; photos without a name join no
    answer that is measured, since those of a search know the photos validated on. Where the best of several sources is
    taken, the metrics flatter by as much as that choice does.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    stage = finished_runs.read(config.inputs.probabilities)
    floor = 0.0 if stage.result["program"] in CALIBRATED else config.floor
    arrays = probabilities.load(stage.folder, photos)
    if config.source not in ("best", *arrays):
        raise errors.unknown("source of probabilities", config.source, ["best", *arrays])
    sources = list(arrays) if config.source == "best" else [config.source]
    rows_of_fold = splits.measured_rows if len(sources) > 1 else splits.valid_rows
    valid = rows_of_fold(split, config.fold)
    label = photos.label[valid]
    measured = written = arrays
    if config.encounters:
        encounter = encounters(photos)
        rows = np.setdiff1d(np.arange(len(encounter)), splits.train_rows(split, config.fold))
        measured, written = (
            {name: of_encounters(arrays[name], encounter, rows=side) for name in sources} for side in (valid, rows)
        )
    metrics = {name: score(measured[name][valid], label, floor=floor) if len(valid) else {} for name in sources}
    source = min(metrics, key=lambda name: metrics[name].get("log_loss", 0))
    names = photos.sample or tuple(photos.name[photos.label < 0].tolist())
    answers = rows_of(names, photos, p=with_names(written[source], photos))
    unseen = [name for name, p in zip(names, answers, strict=True) if not np.isfinite(p).all()]
    if unseen:
        logging.warning(
            "%d photos have no answer, such as %s: every whale gets the same probability", len(unseen), unseen[0]
        )
    write(workdir, photos, rows=dict(zip(names, normalise(answers, floor=floor), strict=True)))
    return {
        "split": split.hash,
        "source": source,
        "chosen_from": sources,
        "floor": floor,
        "rows": len(names),
        "unseen": unseen,
        "metrics": metrics[source],
        "caveats": caveats.of_names(source, metrics[source]["log_loss"], whales=len(photos.whales))
        if metrics[source]
        else [],
    }


def with_names(p: np.ndarray, photos: right_whale.Photos) -> np.ndarray:
    """(N, whales) probabilities; a photo without an answer that has a name, such as one that a person gave, gets it."""
    rows = np.flatnonzero(~np.isfinite(p).all(1) & (photos.label >= 0))
    answers = p.copy()
    answers[rows] = np.eye(p.shape[1])[photos.label[rows]]
    return answers


def encounters(photos: right_whale.Photos) -> np.ndarray:
    """(N,) int, the encounter of each photo; photos none of which names its own raise InputError."""
    if not (photos.encounter != "").any():
        raise errors.InputError(
            "config.encounters: no photo names its encounter; add the column to the table of photos"
        )
    return groups.of_one_whale(photos)


def of_encounters(p: np.ndarray, encounter: np.ndarray, *, rows: np.ndarray) -> np.ndarray:
    """(N, whales) probabilities, with one answer for those of (n,) rows that are of one encounter, by (N,) numbers."""
    answers = p.copy()
    answers[rows] = of_groups(p[rows], encounter[rows])
    return answers


def write(workdir: Path, photos: right_whale.Photos, *, rows: Mapping[str, np.ndarray]) -> None:
    """Writes submission.csv and likeliest.csv from the (whales,) probabilities of each photo, by its name."""
    cells = ([name, *(f"{value:.6g}" for value in p)] for name, p in rows.items())
    tables.write(workdir / "submission.csv", ["Image", *photos.whales], rows=cells)
    count = min(LIKELIEST, len(photos.whales))
    columns = [f"{kind}_{i + 1}" for i in range(count) for kind in ("whale", "probability")]
    cells = ([name, *cells_of(p, photos)] for name, p in rows.items())
    tables.write(workdir / "likeliest.csv", ["Image", *columns], rows=cells)


def cells_of(p: np.ndarray, photos: right_whale.Photos) -> list[str]:
    """The likeliest whales by (whales,) probabilities, each followed by its own."""
    return [cell for i in likeliest(p, LIKELIEST) for cell in (photos.whales[i], f"{p[i]:.4f}")]


def rows_of(names: Sequence[str], photos: right_whale.Photos, *, p: np.ndarray) -> np.ndarray:
    """(n, whales) of the (N, whales) probabilities `p`, for n names; NaN for a photo that the import left out."""
    row = {name: i for i, name in enumerate(photos.name.tolist())}
    unknown = np.full((1, len(photos.whales)), np.nan)
    return np.concatenate([p, unknown])[[row.get(name, -1) for name in names]]


PROGRAM = Program(DEFAULTS, run)
