"""Decide who is on new photos: a page in the browser, for the answers of a finished configs/identify.py.

    python -m whale_jax.main --config=configs/review.py:runs/june --workdir=runs/june/review

It prints an address on this machine. Every decision is on disk before the next photo shows; Ctrl-C ends the page, and
the same command goes on. decisions.csv, laid among the photos, is read by every config as names and points.
"""

from pathlib import Path

from whale_jax.workflow import stage


def get_config(run="runs/june"):
    """The config; `run` is the folder of a finished identify, or of a pipeline that ends with one."""
    return stage.config("review", inputs={"identified": str(Path(run) / "identified")})
