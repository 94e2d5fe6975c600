"""Draws a pod of whales into workdir/pod, in the competition's own layout."""

from pathlib import Path

from ml_collections import ConfigDict

from whale_jax.data import synthetic
from whale_jax.workflow.program import Program

DEFAULTS = {"seed": 0, "whales": 24, "photos": 320, "test": 60, "width": 768}


def run(config: ConfigDict, workdir: Path) -> dict[str, int]:
    """Draws the pod, or finds it there; returns the numbers of photos, test photos, whales, singles and bursts."""
    return synthetic.draw(workdir / "pod", **{name: config[name] for name in DEFAULTS})


PROGRAM = Program(DEFAULTS, run)
