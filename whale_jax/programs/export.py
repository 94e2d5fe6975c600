"""A catalogue for other tools: photos and tables that `annotations.read` understands, written in another layout."""

from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import annotations, columns, exports
from whale_jax.data.rows import Settings
from whale_jax.programs import catalogue as catalogues
from whale_jax.programs import import_photos
from whale_jax.report import tables as report
from whale_jax.runtime import errors, registry
from whale_jax.workflow import provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    **import_photos.READING,
    "data": {"root": ""},
    "layout": "csv",  # one of exports.LAYOUTS
    "species": "Eubalaena glacialis",  # for Wildbook
    "occasion": "day",  # what a column of capture histories stands for, one of exports.OCCASIONS
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes the layout into workdir, and prints a summary. Returns counts, notes, and lines to look into."""
    if not config.data.root:
        raise errors.InputError("no photos to export: set --config.data.root to the folder that holds them")
    catalogue = annotations.read(config.data.root, Settings.read(config), absent=config.layout != "folders")
    path, remarks = exports.LAYOUTS[config.layout](catalogue, workdir, config=config)
    counts, warnings = catalogues.count(catalogue), [*catalogue.warnings, *remarks]
    report.publish(workdir, f"{catalogues.summary(catalogue, counts, warnings=warnings)}\nwritten to {path}")
    facts = {"layout": config.layout, "source": columns.source(catalogue)}
    return {**counts, **facts, "notes": list(catalogue.notes), "warnings": warnings}


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Prints the summary again, and warns where the folder has changed since: files of an export are not replaced."""
    report.reprint(config, workdir)
    earlier = provenance.read(workdir).get("source")
    if not earlier or not Path(config.data.root).is_dir():
        return
    try:
        catalogue = annotations.read(config.data.root, Settings.read(config), absent=config.layout != "folders")
        same = columns.source(catalogue) == earlier
    except errors.InputError:
        same = False
    if not same:
        logging.warning("%s has changed since: choose another --workdir to export it anew", config.data.root)


def check_config(config: ConfigDict) -> None:
    """Raises InputError for a word that is no choice."""
    Settings.read(config)
    registry.lookup("layout", exports.LAYOUTS, config.layout)
    registry.lookup("occasion", dict.fromkeys(exports.OCCASIONS), config.occasion)
    if len(config.species.split()) != 2:
        raise errors.InputError(f"species = {config.species!r}: give genus and epithet, as in Eubalaena glacialis")


PROGRAM = Program(DEFAULTS, run, check=check_config, revisit=revisit)
