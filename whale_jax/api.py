"""A finished run in a notebook: points, aligned heads, names and embeddings of other photos, as arrays.

    import whale_jax

    run = whale_jax.load("runs/demo")
    photos = whale_jax.photos("DIR")
    points = run.points(photos)
    heads = run.align(photos, points)
    names = run.name(heads)
    vectors = run.embed(heads)

Every step is what the run's own stages do: the same functions cut the views and apply the networks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import annotations, images, probabilities, right_whale, splits
from whale_jax.data.right_whale import Photos
from whale_jax.evaluation import calibration
from whale_jax.evaluation.probabilities import likeliest, normalise
from whale_jax.experiment import apply, dataset
from whale_jax.experiment.prediction import Predictions
from whale_jax.recognition import points, views
from whale_jax.runtime import errors, registry
from whale_jax.workflow import finished_runs, folders, program
from whale_jax.workflow.finished_runs import Stage


class Heads(NamedTuple):
    """Aligned heads.

    Attributes:
        photos: N photos.
        view: their heads, and the matrices from photo pixels to pixels of the heads.
    """

    photos: Photos
    view: images.View

    @property
    def images(self) -> np.ndarray:
        """(N, height, width, 3) uint8, black where a head was not found."""
        return self.view.images


class Names(NamedTuple):
    """Which whale is on each photo.

    Attributes:
        whales: W whales, the columns.
        probabilities: (N, W), NaN where a head was not found or the network was trained on the photo.
    """

    whales: Sequence[str]
    probabilities: np.ndarray

    def likeliest(self, count: int = 5) -> list[list[tuple[str, float]]]:
        """For each photo, up to `count` whales with their probabilities, the likeliest first; none where unknown."""
        order = likeliest(self.probabilities, count)
        return [
            [(self.whales[i], float(p[i])) for i in row if np.isfinite(p[i])]
            for p, row in zip(self.probabilities, order, strict=True)
        ]


class Run:
    """A finished pipeline, such as that of configs/pipeline.py, whose stages are known by their names there."""

    def __init__(self, folder: str | Path, *, batch: int = 32):
        """Opens a run.

        Args:
            folder: of the pipeline.
            batch: photos that go through a network at once.

        Raises:
            InputError: a folder that holds no pipeline.
        """
        self.folder, self.batch = Path(folder), batch
        if finished_runs.read(folder).result["program"] != "pipeline":
            raise errors.InputError(f"{folder} holds no run of a pipeline: name the --workdir of one")

    def points(self, photos: Photos) -> np.ndarray:
        """(N, 2, 2) bonnet and blowhead as (x, y) in pixels of each photo; NaN where there is no answer.

        Photos that the run was trained on are answered by the networks that have not seen them.
        """
        source = self.stage("aligned").config["inputs"]["predictions"]
        if not source:
            raise errors.InputError(f"{self.folder} finds no points: its heads were aligned by annotations")
        return self._predict(source, photos)["points"]

    def align(self, photos: Photos, points: np.ndarray) -> Heads:
        """The heads, turned and cut out as the run's own were.

        Args:
            photos: N photos.
            points: (N, 2, 2) bonnet and blowhead as (x, y) in pixels of each photo; NaN gives no head.
        """
        return Heads(photos, _cut(self.stage("aligned"), photos._replace(points=np.asarray(points, np.float32))))

    def name(self, heads: Heads, *, network: str = "aligned_classifier", calibrated: str = "calibrated") -> Names:
        """Names by a network of the run, calibrated on the photos that the run held out.

        Args:
            heads: N heads.
            network: the stage that trained it.
            calibrated: the stage that calibrated it; "" takes the network's own probabilities.
        """
        training = self.training(network)
        if not (whales := apply.whales_of(training)):
            raise errors.InputError(f"{training.folder} names no whales: name a classifier, as network=")
        photos = right_whale.unlabelled(heads.photos)
        data = dataset.join(photos, heads.view, split=apply.split_of(training, heads.photos))
        p = np.asarray(jax.nn.softmax(apply.predict(training, data, batch=self.batch)["logits"]), np.float64)
        if calibrated:
            calibrate = self._calibration(calibrated, training.folder)
            p = np.where(np.isfinite(p), calibrate(normalise(p)), np.nan)
        return Names(whales, p)

    def embed(self, heads: Heads, *, network: str = "aligned_classifier") -> np.ndarray:
        """(N, F) features of heads by a network of the run, for a search; NaN where a head was not found.

        Photos that it was trained on have features too.
        """
        data = dataset.join(right_whale.unlabelled(heads.photos), heads.view, split=None)
        arrays = apply.predict(self.training(network), data, batch=self.batch)
        return arrays["features"]

    def training(self, name: str) -> Stage:
        """The stage that trained a network. Its "weights" are those that the run's other stages took, best or last."""
        training = self.stage(name)
        weights = finished_runs.weights(training, finished_runs.read_all(self.folder))
        return training._replace(config={**training.config, "weights": weights})

    def stage(self, name: str | Path) -> Stage:
        """A finished stage of the run by its name or folder; its inputs are looked for in the run's folder first.

        Raises:
            InputError: a stage that is missing, unfinished or damaged.
        """
        return finished_runs.read_within(self.folder, name)

    def _predict(self, name: str, photos: Photos) -> Predictions:
        """Predictions as the stage `name` made them, a cross-fit or one that applied its networks, for other photos."""
        stage = self.stage(name)
        training = self.stage(stage.config["inputs"]["network"]) if "network" in stage.config["inputs"] else stage
        view, photos = self._view(stage.config["inputs"]["view"], photos), right_whale.unlabelled(photos)
        data = dataset.join(photos, view, split=apply.split_of(training, photos))
        return apply.predict(training, data, batch=self.batch)

    def _view(self, name: str, photos: Photos) -> images.View:
        """The view of the stage `name`, cut out of other photos, where need be by predictions for those."""
        stage = self.stage(name)
        if source := stage.config["inputs"]["predictions"]:
            arrays = self._predict(source, photos)
            photos = photos._replace(**{kind: arrays[kind] for kind in ("points", "box") if kind in arrays})
        return _cut(stage, photos)

    def _calibration(self, name: str, network: Path) -> calibration.Calibration:
        """The calibration of the probabilities of the network in a folder, fitted as by the stage `name`."""
        stage = self.stage(name)
        inputs, fold = stage.config["inputs"], stage.config["fold"]
        photos = right_whale.load(Path(inputs["photos"]))
        split = splits.load(Path(inputs["split"]), photos)
        rows = splits.measured_rows(split, fold)
        answers = probabilities.load(inputs["probabilities"], photos)
        source = self._source(stage, network)
        source = source if source in answers else "network"  # of a single network; of several it is their average
        p = normalise(registry.lookup("source of probabilities", answers, source))[rows]
        fit = calibration.METHODS[stage.config["method"]]
        return fit(p, photos.label[rows], prior=splits.prior(photos, split, fold=fold))

    def _source(self, calibrated: Stage, network: Path) -> str:
        """What the answers that were calibrated call those of the network in a folder, where it is one of several."""
        stack = self.stage(calibrated.config["inputs"]["probabilities"])
        members = {key: path for key, path in stack.config["inputs"].items() if key.startswith("features") and path}
        networks = {key: self.stage(path).config["inputs"].get("network") for key, path in members.items()}
        sources = {self.stage(path).folder: key for key, path in networks.items() if path}
        if sources and network not in sources:
            names = ", ".join(folder.name for folder in sources)
            advice = f"it did {names}: name the stage that did, as calibrated=, or leave that empty"
            raise errors.InputError(f"{calibrated.folder} did not calibrate {network.name}; {advice}")
        return sources.get(network, "network")


def load(folder: str | Path, *, batch: int = 32) -> Run:
    """Opens a finished run, see `Run`."""
    return Run(folder, batch=batch)


def photos(root: str | Path, *, skip_unreadable: bool = False) -> Photos:
    """The photos in a folder, with the annotations in the tables beside them.

    Args:
        root: a folder in one of the layouts of data/formats; a folder of photos alone is one.
        skip_unreadable: leaves photos out that cannot be decoded.

    Raises:
        InputError: no photos, photos that cannot be read, or annotations that make no sense.
    """
    folder = folders.scratch("photos")
    right_whale.build(annotations.read(Path(root)), folder, skip_unreadable=skip_unreadable)
    return right_whale.load(folder)


def _cut(stage: Stage, photos: Photos) -> images.View:
    """The view that an `align` stage cuts, out of photos whose points and boxes stand for its predictions."""
    config = ConfigDict(program.complete({**stage.config, "inputs": {"predictions": ""}}))
    config.length = config.length or points.usual_length(stage)  # heads are of the size of the run's
    matrices = views.matrices_of(config, photos)
    return images.save(folders.scratch(stage.folder.name), photos, matrices=matrices, size=tuple(config.size))
