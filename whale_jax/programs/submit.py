"""submission.csv: a probability for every whale on every photo that is asked about, as the competition had it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import probabilities, right_whale, splits, tables
from whale_jax.evaluation import caveats
from whale_jax.programs import stack
from whale_jax.runtime import errors, registry
from whale_jax.workflow import finished_runs
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": ""},
    "fold": 0,
    "source": "best",  # whichever has the least log loss on the photos validated on; or one by its name
    "floor": 1e-4,  # the least probability, where nothing is calibrated; `calibrate` fits one, a share of the prior
}
SOURCES = ("best", "network", "stack", "neighbours", "blend")
LIKELIEST = 5  # whales named for each photo in the table for people


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes submission.csv and, for people, likeliest.csv into workdir.

    Rows and columns are those of the sample submission; without one, all unlabelled photos and all whales by name.
    The metrics are of photos validated on, each answered by what was fitted on others; of the best of several sources,
    they flatter by as much as that choice does.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    made = finished_runs.read(config.inputs.probabilities)
    floor = 0.0 if made.result["program"] == "calibrate" else config.floor
    choices = probabilities.load(made.folder, photos)
    if config.source not in ("best", *choices):
        raise errors.unknown("source of probabilities", config.source, ["best", *choices])
    sources = list(choices) if config.source == "best" else [config.source]
    rows_of_fold = splits.measured_rows if len(sources) > 1 else splits.valid_rows
    metrics = scores(choices, sources, photos.label, rows_of_fold(split, config.fold), floor=floor)
    source = min(metrics, key=lambda name: metrics[name].get("log_loss", 0))
    asked = photos.asked or tuple(photos.name[photos.label < 0].tolist())
    answers = rows_of(asked, photos, choices[source])
    unseen = [name for name, p in zip(asked, answers, strict=True) if not np.isfinite(p).all()]
    if unseen:
        logging.warning("nothing is known of %d photos, such as %s: any whale is as likely", len(unseen), unseen[0])
    rows = dict(zip(asked, stack.finish(answers, floor), strict=True))
    cells = ([name, *(f"{value:.6g}" for value in p)] for name, p in rows.items())
    tables.write(workdir / "submission.csv", ["Image", *photos.whales], cells)
    columns = [
        f"{what}_{i + 1}" for i in range(min(LIKELIEST, len(photos.whales))) for what in ("whale", "probability")
    ]
    tables.write(workdir / "likeliest.csv", ["Image", *columns], ([n, *likeliest(p, photos)] for n, p in rows.items()))
    return {
        "split": split.hash,
        "source": source,
        "chosen_from": sources,
        "floor": floor,
        "rows": len(asked),
        "unseen": unseen,
        "metrics": metrics[source],
        "caveats": caveats.of_names(source, metrics[source]["log_loss"], whales=len(photos.whales))
        if metrics[source]
        else [],
    }


def scores(
    probabilities: Mapping[str, np.ndarray],
    sources: Sequence[str],
    label: np.ndarray,
    rows: np.ndarray,
    *,
    floor: float,
) -> dict[str, dict[str, float]]:
    """Log loss and top-k of each source over `rows`, of (N, whales) probabilities and (N,) labels; {} without rows."""
    if not len(rows):
        return {name: {} for name in sources}
    return {name: stack.score(probabilities[name][rows], label[rows], floor=floor) for name in sources}


def likeliest(p: np.ndarray, photos: right_whale.Photos) -> list[str]:
    """The likeliest whales by (whales,) probabilities, each followed by its own."""
    return [cell for i in np.argsort(-p, kind="stable")[:LIKELIEST] for cell in (photos.whales[i], f"{p[i]:.4f}")]


def rows_of(asked: Sequence[str], photos: right_whale.Photos, probabilities: np.ndarray) -> np.ndarray:
    """(asked, whales) of (N, whales) probabilities; NaN for a photo that was left out when they were imported."""
    row = {name: i for i, name in enumerate(photos.name.tolist())}
    nothing = np.full((1, len(photos.whales)), np.nan)
    return np.concatenate([probabilities, nothing])[[row.get(name, -1) for name in asked]]


def check(config: ConfigDict) -> None:
    """Raises InputError for a source that no stack has."""
    if not config.source.startswith("features"):
        registry.lookup("source of probabilities", dict.fromkeys(SOURCES), config.source)


PROGRAM = Program(DEFAULTS, run, check=check)
