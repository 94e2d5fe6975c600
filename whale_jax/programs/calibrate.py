"""Calibrates probabilities on the photos validated on, and says by cross-fitting what that gains on others."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import probabilities, right_whale, splits
from whale_jax.evaluation import calibration, caveats
from whale_jax.programs import stack
from whale_jax.report import charts, figures
from whale_jax.runtime import errors, registry
from whale_jax.workflow import provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": ""},
    "fold": 0,
    "method": "temperature",  # and a share of the prior; or "dirichlet" after those
    "num_subfolds": 5,  # that the photos validated on are cut into, for the cross-fit, if there are as many groups
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz, every source calibrated, and reliability.png; returns both before and after.

    What a source would gain on new photos is measured on each part of those validated on by a calibration fitted on the
    others; bursts stay in one part. Those photos are written as they were measured, so that whatever a later stage
    measures on them is of a calibration that has not seen them. The others' is fitted on all.
    """
    fit = registry.lookup("way to calibrate", calibration.METHODS, config.method)
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    valid = splits.measured_rows(split, config.fold)
    label = photos.label[valid]
    prior = splits.prior(photos, split, config.fold)
    group = split.group[valid]
    if len(np.unique(group)) < 2:
        raise errors.InputError(
            f"{len(valid)} photos are validated on: too few to calibrate on some and look at others"
        )
    written, found, drawn = {}, {}, {}
    for name, given in probabilities.load(config.inputs.probabilities, photos).items():
        p = stack.finish(given, 0.0)
        after = calibration.cross_fit(fit, p[valid], label, prior, group=group, num_subfolds=config.num_subfolds)
        whole = fit(p[valid], label, prior)
        calibrated = whole(p)
        calibrated[valid] = after
        written[name] = np.where(np.isfinite(given), calibrated, np.nan)
        found[name] = {"temperature": whole.temperature, "prior": whole.weight}
        for kind, own in (("before", p[valid]), ("after", after)):
            found[name][kind] = stack.score(own, label) | {"ece": calibration.expected_error(own, label)}
            drawn[f"{name}, {kind}"] = calibration.reliability(own, label)
    probabilities.save(workdir, photos, arrays=written)
    figures.save(workdir / "reliability.png", charts.reliability_diagram, drawn)
    made = provenance.read(Path(config.inputs.probabilities))
    return {
        "split": split.hash,
        "metrics": found,
        "train_metrics": made["train_metrics"],
        "validated_on": len(valid),
        "caveats": [
            caveat
            for name, metrics in found.items()
            for caveat in caveats.of_names(
                name, metrics["after"]["log_loss"], whales=len(photos.whales), prior=metrics["prior"]
            )
        ],
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for a way to calibrate that there is not."""
    registry.lookup("way to calibrate", calibration.METHODS, config.method)


PROGRAM = Program(DEFAULTS, run, check=check)
