"""Embeddings: whales named by the photos most like them (post, section 7.1), on heads that are aligned already.

    --config=configs/embedding.py:multi_similarity    pairs mined in batches with up to 4 photos of a whale
    --config=configs/embedding.py:contrastive, :batch_all, :batch_hard, :semi_hard    other losses, same batches
    --config=configs/embedding.py:arcface             angles to a prototype a whale, with a margin
    --config=configs/embedding.py:arcface_rare        two prototypes a whale, and less of a margin the more photos
    --config=configs/embedding.py:simclr              no names: two views of a photo are alike, and of two photos not
    --config=configs/embedding.py:post, :simclr_post  the post's ResNet-67 on 256 x 256 pixels, for a GPU

configs/ablations/embedding.py and unlabelled.py run them side by side; the post's size was not run. Set inputs.photos,
inputs.split and inputs.view to the folders of those stages, and for a warm start inputs.weights to a trained classifier
and init to "partial". `extract` and `retrieve` then ask the photos of other folds about those of the fold held out.
"""

from typing import Any

from configs import classifier, post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

BASE = {**classifier.CROPS, "images_per_class": 4}

# Views of one head differ in all that is not the whale: how it lies, light, and what is hidden. No colour: one photo's
# views share its water.
VIEWS = "rotate(15)|scale(0.8,1.25)|translate(0.08)|shear(6)|gamma(0.5,2)|erase(0.3)"
SIMCLR = {
    **classifier.CROPS,
    "task": {"name": "simclr", "augmentation": VIEWS, "colour": False},
    "batch": 128,
    "epochs": 30.0,
    "num_evals": 6,
    "num_train_eval": 400,
}
LARGE = {"model": post.RESNET67["model"], "size": (256, 256), "epochs": 500.0, "num_evals": 100}


def mined(loss: str, margin: float, **changes: Any) -> dict[str, Any]:
    """The classifier of crops with 128 numbers in place of its whales, by a loss of whale_jax.losses."""
    task = {**BASE["task"], "name": "embed", "loss": loss, "margin": margin}
    return {**BASE, "task": task, **changes}


def arcface(**changes: Any) -> dict[str, Any]:
    """The classifier of crops with angles for logits."""
    head = {"model": {**BASE["model"], "head": "cosine"}, "images_per_class": 1}
    return {**BASE, **head, "task": {**BASE["task"], "name": "arcface", **changes}}


PRESETS = {
    "multi_similarity": mined("multi_similarity", 0.1),
    "contrastive": mined("contrastive", 1.0),
    "batch_all": mined("batch_all", 0.2),
    "batch_hard": mined("batch_hard", 0.2),
    "semi_hard": mined("semi_hard", 0.2),
    "arcface": arcface(),
    "arcface_rare": arcface(rarity=0.25, centers=2, margin=0.5),
    "simclr": SIMCLR,
    "post": mined("semi_hard", 0.2, **LARGE),
    "simclr_post": {**SIMCLR, **LARGE},
}


def get_config(preset="multi_similarity", **changes):
    """The embedding's config."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
