"""A world of noise: photos, a split and a view in which stages find their inputs done."""

import numpy as np
from ml_collections import ConfigDict

from tests.programs.test_stages import photos
from whale_jax.data import images, right_whale, splits
from whale_jax.experiment import dataset, restore
from whale_jax.workflow import json_files, stage

MODEL = {"name": "vgg", "stages": ((4, 1),), "stem": (4, 3, 1), "dropout": 0.0}


class World:
    """A folder in which stages find their inputs done, with photos of noise."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.photos = folder, photos()
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 256, (6, 8, 8, 3), np.uint8)
        self.view = images.View(pictures, np.array([np.diag([0.01, 0.01, 1])] * 6, np.float32))
        self.split = splits.Split(
            np.array([0, 1, 0, 1, -1, -1]), self.photos.label, np.zeros(6, bool), np.arange(6), "h", 2, 0
        )
        for name, result in {"photos": {"digest": "p"}, "split": {"split": "h", "digest": "h"}}.items():
            self.finish(name, result)
        self.finish("view", {"digest": "v"})
        monkeypatch.setattr(dataset, "load", lambda inputs: self.data())
        monkeypatch.setattr(right_whale, "load", lambda folder: self.photos)
        monkeypatch.setattr(images, "load", lambda folder: self.view)
        monkeypatch.setattr(splits, "load", lambda folder, photos: self.split)

    def finish(self, name, result):
        (self.folder / name).mkdir(exist_ok=True)
        json_files.write(self.folder / name / "result.json", result)
        json_files.write(self.folder / name / "config.json", {})

    def data(self):
        return dataset.join(self.photos, self.view, split=self.split)

    def inputs(self, **folders):
        return {name: str(self.folder / name) for name in ("photos", "split", "view")} | folders

    def train(self, name, *, weights="", labels="", program="train", **changes):
        """Runs a training, or a cross-fit, in the folder `name`, with inputs from folders beside it; its result."""
        tiny = {"task": {"name": "classify"}, "model": MODEL, "size": (8, 8), "batch": 2, "epochs": 4.0, "num_evals": 1}
        folders = {"weights": weights} | ({"labels": labels} if labels else {})
        inputs = self.inputs(**{key: str(self.folder / path) if path else "" for key, path in folders.items()})
        return stage.run(stage.config(program, inputs=inputs, **tiny | changes), self.folder / name)

    def parameters(self, name):
        config = ConfigDict(json_files.read(self.folder / name / "config.json"))
        return restore.network(config, self.folder / name, classes=3).state.params
