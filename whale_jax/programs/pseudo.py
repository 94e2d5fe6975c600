"""Labels for photos that nobody named, where a classifier, or a search for photos alike, is sure enough."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions, probabilities, right_whale, splits, tables
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": ""},  # of a `stack`, a `calibrate` or a `blend`
    "fold": 0,
    "source": "stack",  # which of the probabilities
    "threshold": 0.9,  # least probability of the likeliest whale
    "share": 1.0,  # of the photos without a label, the surest, at most
    "soft": False,  # learn all probabilities, or the likeliest whale as if it were certain
}
MAKERS = ("stack", "calibrate", "blend")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes labels.csv - photo, whale, probability, where it comes from - and the same for trainings to learn from.

    How right such labels are is measured on the photos held out, each answered by what was fitted on others. Of a
    second round it says too much: its network has learned from the guesses of the first what it is asked about.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    folder = Path(config.inputs.probabilities)
    made = finished_runs.read(folder)
    if made.result["program"] not in MAKERS:
        maker = made.result["program"]
        raise errors.InputError(f"{folder} was made by {maker!r}: labels are guessed by {', '.join(MAKERS)}")
    p = probabilities.load_source(folder, photos, source=config.source)
    surest = np.nan_to_num(p, nan=-1).max(1)
    asked = np.flatnonzero((photos.label < 0) & (surest >= 0))
    most = round(config.share * len(asked))
    order = asked[np.argsort(-surest[asked], kind="stable")[:most]]
    rows = np.sort(order[surest[order] >= config.threshold])
    least = surest[rows].min(initial=1) if most < len(asked) else config.threshold
    whale, target = p[rows].argmax(1), np.full(p.shape, np.nan, np.float32)
    target[rows] = p[rows] if config.soft else np.eye(p.shape[1])[whale]
    predictions.save(workdir, photos, arrays={"target": target})
    origin = f"{folder.name}/{config.source} {made.result['digest']}"
    lines = ((photos.name[i], photos.whales[w], f"{p[i, w]:.4f}", origin) for i, w in zip(rows, whale, strict=True))
    tables.write(workdir / "labels.csv", ["Image", "whaleID", "probability", "from"], lines)
    valid = splits.measured_rows(split, config.fold)
    alike = valid[surest[valid] >= least]
    return {
        "split": split.hash,
        "labels": len(rows),
        "least_probability": float(surest[rows].min(initial=1)),
        "without_label": len(asked),
        "whales": len(np.unique(whale)),
        "held_out_labels": len(alike),
        "held_out_right": float((p[alike].argmax(1) == photos.label[alike]).mean()) if len(alike) else None,
    }


PROGRAM = Program(DEFAULTS, run)
