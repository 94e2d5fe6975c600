"""A run that stays open: asked about one photo at a time, with points that a person has just moved."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images, predictions, render
from whale_jax.data.right_whale import Photos
from whale_jax.experiment import dataset, prediction, restore
from whale_jax.experiment.build import Network
from whale_jax.recognition import descriptors, members, views
from whale_jax.recognition import query as queries
from whale_jax.recognition.query import Run, Source
from whale_jax.runtime import progress
from whale_jax.workflow import finished_runs, program
from whale_jax.workflow.finished_runs import Stage


class Recogniser:
    """Answers by the run's own members; what they have fitted, and its networks, stay in memory.

    Attributes:
        source: n photos that the run has been asked about, as its stages left them.
        run: the run, and the gallery of that time.
    """

    def __init__(self, folders: Mapping[str, str]):
        """Opens a run; nothing is fitted yet.

        Args:
            folders: the inputs of an `identify`: of a finished `fuse` of the run as "fused", and of the same stages of
                the photos as the run has, by their names there.
        """
        self.source = queries.of_folders(folders)
        self.run: Run = queries.open_run(Path(folders["fused"]), self.source)
        self._folders, self._networks, self._lock = folders, {}, threading.Lock()

    def ask(self, row: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Asks about the head between two points; from the second time on it takes about a second.

        Args:
            row: of the photo.
            points: (2, 2) bonnet and blowhead, in pixels of the photo.

        Returns:
            (whales,) probabilities, if the whale is one of the run's, and (whales,) photos as in `Query.nearest`.
        """
        with self._lock, progress.silence():  # a fit takes all cores anyway
            source = self._moved(row, points)
            query = queries.begin(self.run, source, rows=np.array([0]))
            p = members.ask(self.run.answer, query)
            return p[0], query.nearest[0]

    def cut(self, row: int, points: np.ndarray, *, folder: str) -> images.View:
        """The (1, height, width, 3) view in a folder of the photos' stages, cut around (2, 2) points in pixels."""
        config = ConfigDict(program.complete(finished_runs.read(folder).config))
        if config.frame != "head":  # the points have no say in it
            view = images.load(Path(folder))
            return images.View(view.images[[row]], view.matrices[[row]])
        config.inputs.predictions = ""
        photos = photo_with(self.source.photos, row, points=points)
        matrices, size = views.matrices_of(config, photos), tuple(config.size)
        return images.View(render.pictures([photos.jpeg(0)], photos.size, matrices=matrices, size=size), matrices)

    def _moved(self, row: int, points: np.ndarray) -> Source:
        """What the stages make of one photo with other points."""
        photos, cache = photo_with(self.source.photos, row, points=points), {}

        def view(folder: str) -> images.View:
            name = Path(folder).name
            if name not in cache:
                cache[name] = self.cut(row, points, folder=self._folders[name])
            return cache[name]

        def load(folder: str, kind: str) -> np.ndarray:
            name = Path(folder).name
            if name not in cache:
                stage = finished_runs.read(self._folders[name])
                cache[name] = self._predict(stage, photos, view=view(stage.config["inputs"]["view"]))
            if kind not in cache[name]:
                return predictions.load(self._folders[name], self.source.photos, kind=kind)[[row]]
            return cache[name][kind]

        return Source(photos, load, view)

    def _predict(self, stage: Stage, photos: Photos, *, view: images.View) -> prediction.Predictions:
        """What a stage that describes heads says of the one in a view."""
        config = ConfigDict(stage.config)
        if config.program == "describe":
            return {"features": descriptors.describe(config, view, rows=slice(0, 1), title="")}
        data = dataset.join(photos._replace(whales=()), view, split=None)
        network = self._network(stage)
        arrays = prediction.predict(network, data, rows=np.array([0]), batch=1)[1]
        if config.layer:
            arrays["features"] = arrays["features"].astype(np.float16)
        return arrays

    def _network(self, stage: Stage) -> Network:
        """The network of an `extract`, read once."""
        if stage.folder not in self._networks:
            config = stage.config
            folder = Path(config["inputs"]["network"])
            training = {**finished_runs.read(folder).config, "batch": 1}
            training["size"] = tuple(config["size"]) or training["size"]
            best = restore.WEIGHTS[config["weights"]]
            classes = len(self.run.photos.whales)
            self._networks[stage.folder] = restore.network(
                training, folder, classes=classes, best=best, layer=config["layer"]
            )
        return self._networks[stage.folder]


def photo_with(photos: Photos, row: int, *, points: np.ndarray) -> Photos:
    """One of N photos alone, without a name, and with (2, 2) points in pixels."""
    arrays = {name: getattr(photos, name)[[row]] for name in ("name", "whale", "box", "encounter", "size")}
    label, points = np.full(1, -1, np.int32), np.asarray(points, np.float32)[None]
    return photos._replace(**arrays, label=label, points=points, jpeg=lambda _: photos.jpeg(row), sample=(), file=None)
