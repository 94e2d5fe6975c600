"""Calibrates probabilities on the photos validated on, and measures by cross-fitting the gain on others."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import probabilities, right_whale, splits
from whale_jax.evaluation import calibration, caveats
from whale_jax.evaluation.probabilities import normalise, score
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

    The gain of a source on new photos is measured on each subfold of those validated on, by a calibration fitted on the
    others; bursts stay in one subfold. For those photos the cross-fitted answers are written, so that no later
    stage measures a calibration on the photos that it was fitted on. That of all other photos is fitted on all.
    """
    fit = calibration.METHODS[config.method]
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    valid = splits.measured_rows(split, config.fold)
    label, group = photos.label[valid], split.group[valid]
    prior = splits.prior(photos, split, fold=config.fold)
    if len(np.unique(group)) < 2:
        raise errors.InputError(
            f"{len(valid)} photos are validated on: too few to calibrate on some and look at others"
        )
    calibrated, metrics, panels = {}, {}, {}
    for source, array in probabilities.load(config.inputs.probabilities, photos).items():
        p = normalise(array)
        cross = {"label": label, "prior": prior, "group": group, "num_subfolds": config.num_subfolds}
        after = calibration.cross_fit(fit, p[valid], **cross)
        fitted = fit(p[valid], label, prior=prior)
        answers = fitted(p)
        answers[valid] = after
        calibrated[source] = np.where(np.isfinite(array), answers, np.nan)
        metrics[source] = {"temperature": fitted.temperature, "prior": fitted.weight}
        for kind, side in (("before", p[valid]), ("after", after)):
            metrics[source][kind] = score(side, label) | {"ece": calibration.expected_error(side, label)}
            panels[f"{source}, {kind}"] = calibration.reliability(side, label)
    probabilities.save(workdir, photos, arrays=calibrated)
    figures.save(workdir / "reliability.png", charts.reliability_diagram, panels)
    return {
        "split": split.hash,
        "metrics": metrics,
        "train_metrics": provenance.read(Path(config.inputs.probabilities))["train_metrics"],
        "validated_on": len(valid),
        "caveats": caveats_of(metrics, whales=len(photos.whales)),
    }


def caveats_of(metrics: dict[str, dict[str, Any]], *, whales: int) -> list[str]:
    """What a reader must know of each source before they believe its metrics."""
    return [
        line
        for source, values in metrics.items()
        for line in caveats.of_names(source, values["after"]["log_loss"], whales=whales, prior=values["prior"])
    ]


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown way to calibrate."""
    registry.lookup("way to calibrate", calibration.METHODS, config.method)


PROGRAM = Program(DEFAULTS, run, check=check)
