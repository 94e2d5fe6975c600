"""Serves the page on which a person decides who is on new photos, until the person ends it."""

import getpass
from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import decisions
from whale_jax.review import server
from whale_jax.review.session import Session
from whale_jax.workflow import finished_runs
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"identified": ""},  # a finished `identify`
    "port": 8765,  # of the page, on this machine alone; 0 takes one that is free
    "reviewer": "",  # the person's name; "" is that of the user
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Keeps every decision in workdir/decisions.jsonl, and writes decisions.csv after each; Ctrl-C ends the page."""
    identified = finished_runs.read_in_run(Path(config.inputs.identified))
    session = Session(identified, workdir, reviewer=config.reviewer or user())
    try:
        server.serve(session, port=config.port, opened=lambda url: announce(url, session))
    except KeyboardInterrupt:
        logging.info("the page is closed; the same command opens it again")
    finally:
        session.close()
    kinds = [history.decision["kind"] for history in session.histories.values() if history.decision]
    counts = {kind: kinds.count(kind) for kind in server.KINDS}
    logging.info("%d of %d photos are decided: %s", len(kinds), len(session.order), workdir / decisions.FILE)
    return {"photos": len(session.order), "decided": len(kinds), **counts}


def user() -> str:
    """The name of whoever runs this; "" where the system has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def announce(url: str, session: Session) -> None:
    """Says where the page is, and how it ends."""
    count = len(session.order)
    logging.info("%d photos to decide on: open %s in a browser on this machine. Ctrl-C ends the page.", count, url)


PROGRAM = Program(DEFAULTS, run, any_fold=True, interactive=True)
