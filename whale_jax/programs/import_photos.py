"""Checks a folder of photos with their annotations, and packages it once for all later stages."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import annotations, cells, gallery_folder, right_whale, shards
from whale_jax.data.catalogue import Catalogue
from whale_jax.data.formats import tabular
from whale_jax.data.rows import Settings
from whale_jax.runtime import errors, storage
from whale_jax.workflow import renamed, stage
from whale_jax.workflow.program import Program

READING = {**Settings()._asdict(), "columns": dict.fromkeys(tabular.COLUMNS, "")}  # see rows.Settings
DEFAULTS = {
    **READING,
    "root": "",  # a folder in one of the layouts of data/formats
    "gallery": "",  # a second folder, of labelled photos: they are imported too, with names that begin with "gallery/"
    "gallery_format": "",  # of that folder, as `format` is of root; all else that is said of tables holds for both
    "inputs": {"drawn": "", "imported": ""},  # or the stage that drew them, or one that imported the same photos
    "withheld_fraction": 0.0,  # share of the labels that are withheld, to measure the worth of photos without a label
    "skip_unreadable": False,  # leave photos out that cannot be decoded, instead of refusing them all
    "beam": "",  # options of Apache Beam, whose workers read the photos then: "--runner=DirectRunner"
    "outside": 0.02,  # how far annotations may reach over a photo's edge, as a fraction of its longer side
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes the dataset into workdir; returns its counts, the photos that were left out, and its digest."""
    catalogue = read(config)
    if pieces := shards.folders(workdir, len(catalogue.photos)):
        datasets = [(part_of(catalogue, rows), folder) for rows, folder in pieces]
        skipped = right_whale.join(catalogue, workdir, shards=datasets)
        shards.remove(workdir)
    else:
        skipped = build(config, catalogue, folder=workdir)
    for problem in skipped:
        logging.warning("left out: %s", problem)
    for line in catalogue.notes:
        logging.info("%s", line)
    for line in catalogue.warnings:
        logging.warning("%s", line)
    photos = right_whale.load(workdir)
    if formulas := cells.formulas([*photos.whales, *photos.name.tolist()]):
        advice = "are written into CSVs as they are, and a spreadsheet takes them for formulas: open CSVs as text"
        logging.warning("names that begin with =, +, - or @, such as %r, %s", formulas[0], advice)
    counts = {"gallery": int(gallery_folder.gallery_rows(photos).sum())} if catalogue.gallery else {}
    return {
        "photos": len(photos.name),
        "whales": len(photos.whales),
        "labelled": int((photos.label >= 0).sum()),
        "with_points": int(np.isfinite(photos.points).all((1, 2)).sum()),
        "with_box": int(np.isfinite(photos.box).all(1).sum()),
        **counts,
        "unused_annotations": catalogue.unused,
        "skipped": list(skipped),
        "digest": photos.digest,
    }


def shard(config: ConfigDict, workdir: Path, piece: shards.Shard) -> None:
    """Packages one shard of the photos, for `run` to put together."""
    catalogue = read(config)
    members = part_of(catalogue, piece.rows(len(catalogue.photos)))
    if members.photos:
        build(config, members, folder=piece.folder(workdir))


def part_of(catalogue: Catalogue, rows: slice) -> Catalogue:
    """The catalogue of some of its photos."""
    return catalogue._replace(photos=catalogue.photos[rows])


def settings_of(config: ConfigDict) -> ConfigDict:
    """The config; one that names an earlier import reads the same folders in the same way, but for what it changes."""
    if not config.inputs.imported:
        return config
    earlier = stage.complete(renamed.read_config(Path(config.inputs.imported) / "config.json"))
    plain, defaults = json.loads(config.to_json_best_effort()), json.loads(json.dumps(DEFAULTS))
    columns = {key: column for key, column in plain["columns"].items() if column}
    changes = {key: value for key, value in plain.items() if value != defaults.get(key)}
    changes |= {"columns": {**earlier["columns"], **columns}, "inputs": earlier["inputs"]}
    return settings_of(ConfigDict({**earlier, **changes}))


def build(config: ConfigDict, catalogue: Catalogue, *, folder: Path) -> tuple[str, ...]:
    """Packages the photos into a folder; returns those that were left out, each with the reason."""
    options = {key: settings_of(config)[key] for key in ("skip_unreadable", "outside")}
    return right_whale.build(catalogue, folder, **options, by_beam=config.beam)


def read(config: ConfigDict) -> Catalogue:
    """The photos, those of the gallery included, without the names that are withheld.

    Drawn photos that have changed since raise InputError.
    """
    if config.inputs.drawn:
        storage.verify(Path(config.inputs.drawn))
    root, *galleries = find(config)
    reading = settings_of(config)
    settings = Settings.read(reading)
    try:
        catalogue = annotations.read(root, settings)
        for folder in galleries:
            gallery = gallery_folder.read(folder, settings._replace(format=reading.gallery_format))
            catalogue = gallery_folder.join(catalogue, gallery)
    except errors.InputError as error:  # which names the keys of a config that only reads
        raise errors.InputError(str(error).replace("--config.", "--config.stages.photos.")) from error
    return withhold(catalogue, config.withheld_fraction)


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Warns where photos or tables have changed since they were imported; they are not imported again."""
    folders = find(config)
    if not all(folder.is_dir() for folder in folders):
        return
    try:
        catalogue = read(config)
        same = right_whale.unchanged(catalogue, workdir)
        names = right_whale.rewritten(catalogue, workdir, since=(workdir / "config.json").stat().st_mtime)
    except errors.InputError:
        same, names = False, []
    if not same or names:
        examples = f": {len(names):,} photos, such as {names[0]}, have other pixels" if names else ""
        advice = "choose another --workdir to use it as it is now"
        names = " or ".join(map(str, folders))
        logging.warning("%s has changed since it was imported%s: %s", names, examples, advice)


def withhold(catalogue: Catalogue, share: float) -> Catalogue:
    """The catalogue without that share of its labels, drawn at random. Each whale keeps one."""
    photos = list(catalogue.photos)
    named = [i for i, photo in enumerate(photos) if photo.whale]
    labels, excess = Counter(photos[i].whale for i in named), round(share * len(named))
    for i in np.random.default_rng(0).permutation(named).tolist():
        if excess > 0 and labels[whale := photos[i].whale] > 1:
            photos[i], labels[whale], excess = photos[i]._replace(whale=""), labels[whale] - 1, excess - 1
    return catalogue._replace(photos=tuple(photos))


def find(config: ConfigDict) -> list[Path]:
    """The folder of photos, and that of the gallery where there is one."""
    config = settings_of(config)
    if not (config.root or config.inputs.drawn):
        raise errors.InputError("no photos to import: name the folder that holds them by --config.data.root=DIR")
    return [Path(config.root or Path(config.inputs.drawn) / "pod"), *([Path(config.gallery)] if config.gallery else [])]


PROGRAM = Program(DEFAULTS, run, revisit=revisit, shard=shard)
