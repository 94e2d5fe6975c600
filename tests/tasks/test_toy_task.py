"""A task, a loss and a metric that are defined here run through every program by one call each, with no other edit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiment.world import World
from whale_jax import losses, tasks
from whale_jax.data import predictions
from whale_jax.evaluation import metrics
from whale_jax.runtime import errors
from whale_jax.tasks import inputs
from whale_jax.tasks.task import Task
from whale_jax.workflow import json_files, stage


def head_length(*, size, unit: float = 100.0) -> Task:
    """The task of telling the head's length in pixels of the photo, in multiples of a unit."""

    def prepare(key, batch, train):
        batch = inputs.prepare(key, batch, train, augmentation=inputs.parse(""), size=size)
        length = jnp.linalg.norm(batch["points"][:, 0] - batch["points"][:, 1], axis=-1)
        finite = jnp.isfinite(length)
        return {**batch, "target": jnp.where(finite, length, 0), "weight": batch["mask"] * finite}

    def predict(outputs, batch):
        return {"length": unit * outputs[0][:, 0]}

    def loss(outputs, batch):
        return jnp.square(outputs[0][:, 0] - batch["target"] / unit)

    def measure(outputs, batch):
        return {"error": metrics.masked(abs(predict(outputs, batch)["length"] - batch["target"]), batch["weight"])}

    def score(predictions, photos, *, rows):
        length = np.linalg.norm(photos.points[rows, 0] - photos.points[rows, 1], axis=-1)
        return {"error": float(abs(predictions["length"][rows] - length).mean())}

    return Task(1, prepare, loss, measure, predict, best="error", annotation="points", score=score)


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


@pytest.fixture
def toy(monkeypatch):
    """Undoes what a test registers."""
    for table in (tasks.TASKS, losses.LOSSES, metrics.METRICS):
        monkeypatch.setitem(table, "toy", None)  # so that it is removed afterwards
        del table["toy"]


def lines(world, folder, **changes):
    """The table in which the runs of a program are compared, line by line and cell by cell."""
    config = stage.config("compare", inputs={"a": str(world.folder / folder)}, **changes)
    table = stage.run(config, world.folder / f"compare_{folder}")["table"]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]


@pytest.mark.slow
def test_a_toy_task_is_trained_predicted_measured_and_reported(world, toy):
    tasks.register("toy", head_length)
    task = {"task": {"name": "toy"}, "optimizer": {"name": "adam", "lr": 0.1}}
    result = world.train("network", **task)
    assert (result["trained_on"], result["validated_on"]) == (2, 2)
    assert result["metrics"]["error"] > 0
    assert json_files.read(world.folder / "network" / "config.json")["task"] == {"name": "toy", "unit": 100.0}
    extract = stage.config("extract", inputs={"network": str(world.folder / "network")})
    stage.run(extract, world.folder / "features")
    assert np.isfinite(predictions.load(world.folder / "features", world.photos, kind="length")).all()

    crossed = world.train("crossed", program="crossfit", **task)
    length = np.linalg.norm(world.photos.points[:, 0] - world.photos.points[:, 1], axis=-1)
    predicted = predictions.load(world.folder / "crossed", world.photos, kind="length")
    assert crossed["metrics"]["error"] == pytest.approx(abs(predicted - length).mean(), rel=1e-5)
    inputs = {name: path for name, path in world.inputs().items() if name != "split"}
    apply = stage.config("predict", inputs={**inputs, "network": str(world.folder / "crossed")})
    assert stage.run(apply, world.folder / "applied")["metrics"] == pytest.approx(crossed["metrics"])
    [heading, _, row] = lines(world, "crossed", metrics=("error",))
    assert row[heading.index("error")] == f"{crossed['metrics']['error']:.3f}"


def test_a_toy_task_checks_its_own_photos_and_config_before_anything_is_compiled(world, toy):
    def refuse(message, *_, **__):
        raise errors.InputError(message)

    def refusing(*, size) -> Task:
        return head_length(size=size)._replace(check=partial(refuse, "no photo of a calf"))

    tasks.register("toy", refusing)
    with pytest.raises(errors.InputError, match="no photo of a calf"):
        world.train("network", task={"name": "toy"})
    assert not (world.folder / "network").exists()
    with pytest.raises(ValueError, match="'toy' is registered already"):
        tasks.register("toy", head_length)
    with pytest.raises(errors.InputError, match="unknown key of task 'toy' 'unit'"):
        world.train("network", task={"name": "toy", "unit": 3.0})


def test_a_toy_loss_is_the_one_that_is_learned(world, toy):
    losses.register("toy", lambda logits, label: 2.5 + 0 * logits[:, 0])
    still = world.train("network", task={"name": "classify", "loss": "toy"}, num_train_eval=2)
    assert still["metrics"]["loss"] == 2.5
    rows = (world.folder / "network" / "metrics.jsonl").read_text(encoding="utf-8")
    assert '"train/loss": 2.5' in rows
    with pytest.raises(errors.InputError, match="the loss 'toy' reads logits, label, and here it is given prediction"):
        world.train("points", task={"name": "keypoints", "loss": "toy"})


@pytest.mark.slow
def test_a_toy_metric_is_measured_and_reported(world, toy):
    metrics.register("toy", lambda logits, label: label + 0.0)
    task = {"name": "classify", "metrics": ("log_loss", "toy")}
    result = world.train("network", task=task)
    valid = np.flatnonzero(world.split.fold == 0)
    assert result["metrics"]["toy"] == result["last"]["toy"] == world.photos.label[valid].mean()
    assert "top1" not in result["metrics"]
    crossed = world.train("crossed", program="crossfit", task=task, fold=-1)
    scored = np.isfinite(predictions.load(world.folder / "crossed", world.photos, kind="logits")).all(1)
    assert crossed["metrics"]["toy"] == pytest.approx(world.photos.label[scored & (world.photos.label >= 0)].mean())
    [heading, _, row] = lines(world, "network", metrics=("toy",))
    assert row[heading.index("toy")].startswith(f"{result['metrics']['toy']:.3f}")
    with pytest.raises(errors.InputError, match="lacks 'log_loss', which chooses the best checkpoint"):
        world.train("best", task={"name": "classify", "metrics": ("toy",)})
    with pytest.raises(errors.InputError, match="the metric 'toy' reads logits, label, and here it is given points"):
        world.train("points", task={"name": "keypoints", "metrics": ("point_error", "toy")})


def test_the_tasks_that_are_there_keep_their_names():
    assert {"classify", "arcface", "stn", "embed", "simclr", "bbox", "keypoints"} <= tasks.TASKS.keys()
    assert jax.tree.all({name: callable(task) for name, task in tasks.TASKS.items()})
