"""A finished run that is asked, and the photos that it is asked about."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from whale_jax.data import images, predictions, probabilities, right_whale, splits
from whale_jax.data.gallery_folder import gallery_rows
from whale_jax.data.right_whale import Photos
from whale_jax.data.splits import Split
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage


class Source(NamedTuple):
    """What the stages of a run make of other photos.

    Attributes:
        photos: n of them.
        load: (folder of a stage of the run, kind) -> (n, ...) predictions of these photos, in place of those there.
        view: folder of a view of the run -> that view of these photos.
    """

    photos: Photos
    load: Callable[[str, str], np.ndarray]
    view: Callable[[str], images.View]


class References(NamedTuple):
    """The photos of a gallery: (g,) rows of a source, and (g,) int whales, indices into those of a `Run`."""

    source: Source
    rows: np.ndarray
    label: np.ndarray


class Run(NamedTuple):
    """A finished run that is asked.

    Attributes:
        answer: its stage whose answer counts, a `fuse`.
        photos: N photos of the run.
        split: theirs.
        whales: those of the run, and after them those that only the gallery has.
        fits: folder of a stage -> what was fitted there, once a query has asked for it.
        references: the gallery; None without one.
    """

    answer: Stage
    photos: Photos
    split: Split
    whales: tuple[str, ...]
    fits: dict[Path, Any]
    references: References | None = None

    def stage(self, folder: str | Path) -> Stage:
        """The finished stage in a folder of the run, wherever the run lies by now."""
        return finished_runs.read_within(self.answer.folder.parent, folder)

    @property
    def source(self) -> Source:
        """What the run's stages made of its own photos."""
        return source(self.photos, lambda folder: str(self.stage(folder).folder))

    def fitted(self, stage: Stage, fit: Callable[[Stage, "Run"], Any]) -> Any:
        """What `fit` makes of a stage, once."""
        if stage.folder not in self.fits:
            self.fits[stage.folder] = fit(stage, self)
        return self.fits[stage.folder]

    def validation(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n photos that the run held out: (n,) rows, (n, whales) probabilities by fits on others, (n,) whales."""
        p = probabilities.load_source(str(self.answer.folder), self.photos, source="fused")
        rows = splits.measured_rows(self.split, self.answer.config["fold"])
        rows = rows[np.isfinite(p[rows]).all(1)]
        return rows, p[rows], self.photos.label[rows]


class Query(NamedTuple):
    """Photos that a run is asked about.

    Attributes:
        run: that is asked.
        source: of n photos.
        rows: (m,) those to answer.
        nearest: (n, whales) int32, of each whale the photo that is most alike patch by patch: its row in the run, or N
            and its row in the gallery's source; -1 where none was compared.
        answers: folder of a stage of the run -> its scores of these photos, once it has been asked.
    """

    run: Run
    source: Source
    rows: np.ndarray
    nearest: np.ndarray
    answers: dict[Path, np.ndarray]


def open_run(fused: Path, source: Source) -> Run:
    """The run whose answer is the stage in the folder `fused`, and the gallery among the photos of `source`.

    Args:
        fused: a finished `fuse`.
        source: new photos, and those of a gallery.
    """
    answer = finished_runs.read_in_run(fused)
    photos = right_whale.load(Path(answer.config["inputs"]["photos"]))
    split = splits.load(Path(answer.config["inputs"]["split"]), photos)
    run = Run(answer, photos, split, photos.whales, fits={})
    new = source.photos
    rows = np.flatnonzero(gallery_rows(new) & (new.label >= 0))
    if not len(rows):
        return run
    joining = sorted({*new.whale[rows].tolist()} - {*photos.whales})
    whales = (*photos.whales, *joining)
    number = {name: i for i, name in enumerate(whales)}
    label = np.array([number[name] for name in new.whale[rows].tolist()], np.int32)
    return run._replace(whales=whales, references=References(source, rows, label))


def of_folders(folders: Mapping[str, str]) -> Source:
    """The source of finished stages.

    Args:
        folders: name of a stage in the run -> the folder of the same of the new photos; "photos" is their import.

    Raises:
        InputError: no gallery was imported, and photos have names as if one was.
    """
    photos = right_whale.load(Path(folders["photos"]))
    if gallery_rows(photos).any() and not finished_runs.read(folders["photos"]).result.get("gallery"):
        message = "has photos in a folder 'gallery', which would be taken for those of --config.gallery"
        raise errors.InputError(f"{folders['photos']} {message}: rename this folder, and import into another --workdir")

    def place(folder: str) -> str:
        if not (path := folders.get(Path(folder).name)):
            raise errors.InputError(f"inputs.{Path(folder).name} is empty: name the same of the new photos")
        return path

    return source(photos, place)


def source(photos: Photos, place: Callable[[str], str] = str) -> Source:
    """The source of photos whose predictions and views lie where `place` says, by the folder of a run's stage."""
    return Source(
        photos,
        lambda folder, kind: predictions.load(place(folder), photos, kind=kind),
        lambda folder: images.load(Path(place(folder))),
    )


def begin(run: Run, source: Source, *, rows: np.ndarray) -> Query:
    """A query about (m,) rows of a source, which no member has answered yet."""
    return Query(run, source, rows, np.full((len(source.photos.name), len(run.whales)), -1, np.int32), {})


def head_view(answer: Stage, folders: Mapping[str, str]) -> Stage:
    """The stage of a run that cut the heads which its answer compares: those of its `rerank`, else the largest.

    Heads that were cut on the way there, around points that are not final, are others.

    Args:
        answer: the stage that is asked.
        folders: name of a stage in the run -> the folder of the same of new photos; other stages are left out.
    """
    run = answer.folder.parent
    stages = finished_runs.ancestors([answer], run=run)
    for stage in stages:
        if stage.config["program"] == "rerank" and Path(stage.config["inputs"]["view"]).name in folders:
            return finished_runs.read_within(run, stage.config["inputs"]["view"])
    cut = [stage for stage in stages if stage.config["program"] == "align" and stage.folder.name in folders]
    return max(cut, key=lambda stage: stage.config["size"][1])
