"""Where a classifier looks, photo by photo, and how much of that is the head (post, section 4.1)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax import geometry, tasks
from whale_jax.data import loader, splits
from whale_jax.evaluation import attribution
from whale_jax.experiment import restore
from whale_jax.experiment.build import Network
from whale_jax.experiment.dataset import Data
from whale_jax.report import figures, heads, sheets
from whale_jax.report.sheets import Saliency
from whale_jax.runtime import errors, progress, registry
from whale_jax.train import loop
from whale_jax.workflow import finished_runs, provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"network": ""},
    "seed": 0,
    "weights": "last",  # or "best", which are those of the first epochs where over-confidence hides what is learned
    "photos": 32,  # drawn from those validated on that have a head box
    "side": 0.2,  # of the box that is slid over the picture, as a share of its sides
    "step": 0.1,  # from one place to the next, likewise
    "gradient_steps": 16,
    "batch": 64,
}
SHOWN = 6  # photos in the picture


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes saliency.png into workdir; returns the shares of saliency, and of the picture, inside the head box."""
    folder = Path(config.inputs.network)
    made = finished_runs.read(folder).config
    if made["program"] != "train" or not tasks.build(made["task"], size=made["size"]).names_whales:
        raise errors.InputError(f"{folder} names no whales: saliency wants a network that does")
    network, data, holdout = restore.reopen(folder, batch=config.batch, best=restore.WEIGHTS[config.weights])
    rows = choose(config, data, holdout.fold)
    gradients = gradient_map(network, data, steps=config.gradient_steps)
    boxes = attribution.windows(data.view.images.shape[1:3], side=config.side, step=config.step)
    looked = []
    with progress.bar(len(rows), what=workdir.name, unit="photos") as bar:
        for row in rows:
            looked.append(look(network, data, row, boxes=boxes, gradients=gradients, batch=config.batch))
            bar.update()
    aspects = heads.true_aspect(data.view)[rows[:SHOWN]]
    title = f"Where {folder.name} looks"
    figures.save(workdir / "saliency.png", sheets.saliency_sheet, looked[:SHOWN], aspects, title=title)
    inside = {
        "occlusion_inside": [attribution.share_inside(one.occlusion, one.box) for one in looked],
        "gradients_inside": [attribution.share_inside(abs(one.gradients), one.box) for one in looked],
        "box_area": [attribution.share_inside(np.ones(one.image.shape[:2]), one.box) for one in looked],
    }
    return {
        "split": data.split.hash,
        "photos": len(rows),
        "device": provenance.device(network.parallel.devices),
        "names": data.photos.name[rows].tolist(),
        "metrics": {name: float(np.nanmean(values)) for name, values in inside.items()},
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for weights that there are not."""
    registry.lookup("weights", restore.WEIGHTS, config.weights)


def choose(config: ConfigDict, data: Data, fold: int) -> np.ndarray:
    """Rows of photos validated on that have a head box and a view, in an order that the seed draws."""
    rows = splits.measured_rows(data.split, fold)
    usable = np.isfinite(data.photos.box).all(1) & data.view.pictured
    rows = rows[usable[rows]]
    if not len(rows):
        raise errors.InputError("no photo that is validated on has a head box: import boxes first")
    return np.random.default_rng(config.seed).permutation(rows)[: config.photos]


def look(network: Network, data: Data, row: int, *, boxes, gradients, batch: int) -> Saliency:
    """Hides one part of a photo after the other; what is left goes through the same compiled step as any evaluation."""
    image = np.array(data.view.images[row])
    batches = hidden(data, row, np.concatenate([np.zeros((1, 4), int), boxes]), batch)
    _, found = loop.evaluate(network.evaluate, network.state, batches, parallel=network.parallel)
    p = np.asarray(jax.nn.softmax(found["logits"]))[:, data.photos.label[row]]
    return Saliency(
        image=image,
        box=np.asarray(geometry.move_box(data.view.matrices[row], data.photos.box[row])),
        occlusion=attribution.occlusion(p[0] - p[1:], boxes, size=image.shape[:2]),
        gradients=gradients(row),
        title=f"{data.photos.name[row]}: {p[0]:.2%}",
    )


def hidden(data: Data, row: int, boxes: np.ndarray, batch: int) -> Iterator[dict[str, np.ndarray]]:
    """Padded batches of one photo, each time with another box hidden."""
    for one in loader.evaluation(data.examples, np.repeat(row, len(boxes)), batch=batch):
        some, boxes = boxes[:batch], boxes[batch:]
        padded = np.resize(some, (batch, 4))
        one["image"] = np.array([attribution.hide(*pair) for pair in zip(one["image"], padded, strict=True)])
        yield one


def gradient_map(network: Network, data: Data, *, steps: int) -> Callable[[int], np.ndarray]:
    """row -> (h, w) integrated gradients of the true whale's log probability, at the resolution of the view."""
    state = jax.device_get(network.state)
    variables = {"params": state.params, "batch_stats": state.batch_stats}

    @jax.jit
    def compute(variables, batch):
        ready = network.task.prepare(jax.random.key(0), batch, False)

        def log_probability(images):
            outputs = network.model.apply(variables, images, train=False)
            logits = network.task.predict(outputs, ready)["logits"]
            return jax.nn.log_softmax(logits)[:, batch["label"][0]]

        found = attribution.integrated_gradients(log_probability, ready["image"][0], steps=steps)
        back = geometry.invert(geometry.resize(data.view.images.shape[1:3], network.size))
        return geometry.warp(found[..., None], back, data.view.images.shape[1:3])[..., 0]

    return lambda row: np.asarray(compute(variables, data.examples[np.array([row])]))


PROGRAM = Program(DEFAULTS, run, check=check)
