"""The keys of a training's config, and what can be wrong with them before any data is read."""

from typing import Any

import jax
from ml_collections import ConfigDict

from whale_jax.experiment import build, init, released
from whale_jax.runtime import errors, hosts, registry

DEFAULTS: dict[str, Any] = {
    # weights: of a training to begin with; labels: of a `pseudo`, for photos without any
    "inputs": {"photos": "", "split": "", "view": "", "weights": "", "labels": ""},
    "init": "exact",  # with weights of this network; "partial": with those that fit; "grown": of a smaller one
    "pretrained": "",  # released weights to begin with: "imagenet", or a .safetensors or .npz file
    "seed": 0,
    "fold": 0,  # validated on, the others trained on; -1 trains on all
    "subfold": 0,  # validated on where the photos are cut into `num_subfolds`, for predictions out of fold
    "num_subfolds": 0,
    "task": {"name": "classify"},
    "model": {"name": "vgg"},
    "size": (128, 128),
    "precision": "float32",
    "optimizer": {"name": "adam", "lr": 1e-3},
    "ema": 0.0,  # decay of the average of weights that is measured and kept in their place, such as 0.99; 0 for none
    "batch": 32,
    "accumulate": 1,  # parts of a batch that does not fit, one after the other
    "remat": False,  # activations within blocks are computed again on the way back: less memory, more work
    "epochs": 10.0,  # 0 to keep the weights that the training begins with
    "num_evals": 10,
    "patience": 0,
    "log_every": 20,
    "shards": 1,  # that photos are dealt out into before each is shuffled for itself: several hosts read only their own
    "images_per_class": 1,  # photos of a whale that follow each other in training: K of the P x K sampling of triplets
    "num_train_eval": 0,  # training photos that are measured at every evaluation too, with dropout and augmentation off
    "bucket": "",  # gs://..., where checkpoints are kept in place of the run's folder
    "parallel": "jit",
    "devices": 0,
}
OF_OTHER_PHOTOS = ("weights",)  # inputs that may be of other photos, and so of another split


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever in the config of a training is wrong in itself; nothing is compiled."""
    registry.lookup("initialisation", dict.fromkeys(init.MODES), config.init)
    if config.init != "exact" and not config.inputs.weights:
        raise errors.InputError(f"config.init = {config.init!r} needs inputs.weights: a training to begin with")
    if config.bucket and not config.bucket.startswith("gs://"):
        message = "is no gs:// address: for others, such as s3://, run this by launch.mirror"
        raise errors.InputError(f"config.bucket = {config.bucket!r} {message}")
    recipe = build.recipe(config)
    released.check(config)
    optimizer = recipe.optimizer(steps=1)
    returned, variables = build.shapes(recipe)
    build.expect_outputs(config.model.name, returned, outputs=recipe.task.outputs)
    jax.eval_shape(optimizer.init, variables["params"])
    _check_batches(config)
    if config.inputs.labels and recipe.task.annotation != "label":
        message = f"the task {config.task.name!r} learns none: leave it out"
        raise errors.InputError(f"inputs.labels names whales, and {message}")
    recipe.task.check_setup(
        config.model, batch=config.batch, images_per_class=config.images_per_class, weights=config.inputs.weights
    )


def _check_batches(config: ConfigDict) -> None:
    """Raises InputError for batches that cannot be dealt out to shards and hosts."""
    if config.batch % config.shards or config.shards % hosts.count() * (config.shards > 1):
        raise errors.InputError(
            f"config.shards = {config.shards} must divide config.batch = {config.batch}, and {hosts.count()} hosts must"
            " divide it: or leave it 1, and every host reads of all photos"
        )
    if config.shards > 1 and config.images_per_class > 1:
        raise errors.InputError(
            "photos of one whale are in several shards: set config.shards or config.images_per_class to 1"
        )
