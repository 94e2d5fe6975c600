"""Where a classifier looks, photo by photo, and how much of that is the head (post, section 4.1)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax import geometry
from whale_jax.data import loader, splits
from whale_jax.evaluation import attribution
from whale_jax.experiment import build, restore
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
    "weights": "last",  # or "best", which are often of the first epochs: later, over-confidence hides the gain
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
    training = finished_runs.read(folder).config
    if training["program"] != "train" or not build.task_of(training).names_whales:
        raise errors.InputError(f"{folder} names no whales: saliency wants a network that does")
    network, data, holdout = restore.reopen(folder, batch=config.batch, best=restore.WEIGHTS[config.weights])
    rows = choose(config, data, fold=holdout.fold)
    gradients = gradient_map(network, data, steps=config.gradient_steps)
    boxes = attribution.windows(data.view.images.shape[1:3], side=config.side, step=config.step)
    maps = [
        explain(network, data, row=row, boxes=boxes, gradients=gradients, batch=config.batch)
        for row in progress.bar(len(rows), title=workdir.name, unit="photos", items=rows)
    ]
    aspects = heads.true_aspect(data.view)[rows[:SHOWN]]
    title = f"Where {folder.name} looks"
    figures.save(workdir / "saliency.png", sheets.saliency_sheet, maps[:SHOWN], aspects, title=title)
    inside = {
        "occlusion_inside": [attribution.share_inside(saliency.occlusion, saliency.box) for saliency in maps],
        "gradients_inside": [attribution.share_inside(abs(saliency.gradients), saliency.box) for saliency in maps],
        "box_area": [attribution.share_inside(np.ones(saliency.image.shape[:2]), saliency.box) for saliency in maps],
    }
    return {
        "split": data.split.hash,
        "photos": len(rows),
        "device": provenance.device(network.parallel.devices),
        "names": data.photos.name[rows].tolist(),
        "metrics": {name: float(np.nanmean(values)) for name, values in inside.items()},
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for unknown weights, and for steps that leave gaps between the boxes."""
    registry.lookup("weights", restore.WEIGHTS, config.weights)
    if config.step > config.side:
        message = "the boxes that hide the picture would leave gaps: make step no longer than side"
        raise errors.InputError(f"config.step = {config.step:g}, config.side = {config.side:g}: {message}")


def choose(config: ConfigDict, data: Data, *, fold: int) -> np.ndarray:
    """(n,) rows of photos validated on that have a head box and a view, in an order that the seed draws."""
    rows = splits.measured_rows(data.split, fold)
    usable = np.isfinite(data.photos.box).all(1) & data.view.pictured
    rows = rows[usable[rows]]
    if not len(rows):
        raise errors.InputError("no photo that is validated on has a head box: import boxes first")
    return np.random.default_rng(config.seed).permutation(rows)[: config.photos]


def explain(network: Network, data: Data, *, row: int, boxes, gradients, batch: int) -> Saliency:
    """The saliency of a photo, by the probability of its whale while each of the (M, 4) `boxes`, in pixels, is hidden.

    The network runs by the same compiled step as in any evaluation. `gradients` is a function of the row.
    """
    image = np.array(data.view.images[row])
    batches = hidden(data, row, boxes=np.concatenate([np.zeros((1, 4), int), boxes]), batch=batch)
    _, predictions = loop.evaluate(network.evaluate, network.state, batches=batches, parallel=network.parallel)
    p = np.asarray(jax.nn.softmax(predictions["logits"]))[:, data.photos.label[row]]
    return Saliency(
        image=image,
        box=np.asarray(geometry.move_box(data.view.matrices[row], data.photos.box[row])),
        occlusion=attribution.occlusion(p[0] - p[1:], boxes, size=image.shape[:2]),
        gradients=gradients(row),
        title=f"{data.photos.name[row]}: {p[0]:.2%}",
    )


def hidden(data: Data, row: int, *, boxes: np.ndarray, batch: int) -> Iterator[dict[str, np.ndarray]]:
    """Padded batches of one photo, in which each of the (M, 4) boxes, in pixels, is hidden in turn."""
    for examples in loader.evaluation(data.examples, np.repeat(row, len(boxes)), batch=batch):
        chunk, boxes = boxes[:batch], boxes[batch:]
        pairs = zip(examples["image"], np.resize(chunk, (batch, 4)), strict=True)
        yield {**examples, "image": np.array([attribution.hide(image, box) for image, box in pairs])}


def gradient_map(network: Network, data: Data, *, steps: int) -> Callable[[int], np.ndarray]:
    """row -> (h, w) integrated gradients of the true whale's log probability, at the resolution of the view."""
    state = jax.device_get(network.state)
    variables = jax.device_put({"params": state.params, "batch_stats": state.batch_stats}, jax.local_devices()[0])
    prepared = jax.eval_shape(lambda batch: network.task.prepare(jax.random.key(0), batch, False), data.examples[[0]])
    if len(prepared["image"]) > 1:
        raise errors.InputError("the network sees a photo and its mirror image: explain one without task.mirrored")

    @jax.jit
    def compute(variables, batch):
        ready = network.task.prepare(jax.random.key(0), batch, False)

        def log_probability(images):
            outputs = network.model.apply(variables, images, train=False)
            logits = network.task.predict(outputs, ready)["logits"]
            return jax.nn.log_softmax(logits)[:, batch["label"][0]]

        gradients = attribution.integrated_gradients(log_probability, ready["image"][0], steps=steps)
        back = geometry.invert(geometry.resize(data.view.images.shape[1:3], network.size))
        return geometry.warp(gradients[..., None], back, size=data.view.images.shape[1:3])[..., 0]

    return lambda row: np.asarray(compute(variables, data.examples[np.array([row])]))


PROGRAM = Program(DEFAULTS, run, check=check)
