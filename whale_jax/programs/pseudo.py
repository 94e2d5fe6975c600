"""Labels for photos without a name, where a classifier, or a search for similar photos, is sure enough."""

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
SEARCHES = ("retrieve", "rerank", "fuse")  # which compare photos without a name with those held out, too


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes labels.csv - photo, whale, probability, origin - and the same for trainings to learn from.

    The accuracy of such labels is measured on the photos held out, whose probabilities were fitted on others. In a
    second round this accuracy flatters: the network has learned from labels that the first round guessed.
    """
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    folder = Path(config.inputs.probabilities)
    stage = finished_runs.read(folder)
    if (maker := stage.result["program"]) not in MAKERS:
        raise errors.InputError(f"{folder} was made by {maker!r}: labels are guessed by {', '.join(MAKERS)}")
    for source in finished_runs.ancestors([stage]):
        if (program := source.result["program"]) in SEARCHES:
            message = f"{folder} rests on {source.folder}, a {program!r}, which knows the names of the photos held out"
            raise errors.InputError(f"{message}: guess labels by networks, or by `blend`")
    p = probabilities.load_source(folder, photos, source=config.source)
    surest = np.nan_to_num(p, nan=-1).max(1)
    unlabelled = np.flatnonzero((photos.label < 0) & (surest >= 0))
    most = round(config.share * len(unlabelled))
    order = unlabelled[np.argsort(-surest[unlabelled], kind="stable")[:most]]
    rows = np.sort(order[surest[order] >= config.threshold])
    least = surest[rows].min(initial=1) if most < len(unlabelled) else config.threshold
    whale, target = p[rows].argmax(1), np.full(p.shape, np.nan, np.float32)
    target[rows] = p[rows] if config.soft else np.eye(p.shape[1])[whale]
    predictions.save(workdir, photos, arrays={"target": target})
    origin = f"{folder.name}/{config.source} {stage.result['digest']}"
    lines = ((photos.name[i], photos.whales[w], f"{p[i, w]:.4f}", origin) for i, w in zip(rows, whale, strict=True))
    tables.write(workdir / "labels.csv", ["Image", "whaleID", "probability", "from"], rows=lines)
    valid = splits.measured_rows(split, config.fold)
    sure = valid[surest[valid] >= least]
    return {
        "split": split.hash,
        "labels": len(rows),
        "least_probability": float(surest[rows].min(initial=1)),
        "without_label": len(unlabelled),
        "whales": len(np.unique(whale)),
        "held_out_labels": len(sure),
        "held_out_right": float((p[sure].argmax(1) == photos.label[sure]).mean()) if len(sure) else None,
    }


PROGRAM = Program(DEFAULTS, run)
