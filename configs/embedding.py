"""Embeddings (post, section 7.1): networks that name a whale by the photos most like it, on aligned heads.

    --config=configs/embedding.py:multi_similarity    pairs mined in batches with up to 4 photos of a whale
    --config=configs/embedding.py:contrastive, :batch_all, :batch_hard, :semi_hard    other losses, same batches
    --config=configs/embedding.py:arcface             angles to a prototype of each whale, with a margin
    --config=configs/embedding.py:arcface_rare        two prototypes a whale, and a larger margin for rare whales
    --config=configs/embedding.py:simclr              no labels: two views of a photo are alike, those of two photos not
    --config=configs/embedding.py:post, :simclr_post  the post's ResNet-67 on 256 x 256 pixels, for a GPU (not run)

Set inputs.photos, inputs.split and inputs.view to the folders of those stages. To begin with a trained classifier, set
inputs.weights to its folder and init to "partial". `extract` and `retrieve` then search the photos of the other folds
for those of the fold held out. configs/ablations/embedding.py and unlabelled.py compare the presets, with figures.
"""

from configs import classifier, post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

# All but the task is the recipe of the classifier on crops, with several photos of a whale in a batch.
PAIRS = {**classifier.CROPS, "images_per_class": 4}
TASK = {"name": "embed", "augmentation": classifier.LIGHT, "colour": True}

ARCFACE = {
    **classifier.CROPS,
    "task": {"name": "arcface", "augmentation": classifier.LIGHT, "colour": True},
    "model": {**classifier.CROPS["model"], "head": "cosine"},
}
# Views of one head differ in all but the whale: in how it lies, in light, and in what is hidden. They show no colour,
# because the views of a photo share their water.
SIMCLR = {
    **classifier.CROPS,
    "task": {
        "name": "simclr",
        "augmentation": "rotate(15)|scale(0.8,1.25)|translate(0.08)|shear(6)|gamma(0.5,2)|erase(0.3)",
        "colour": False,
    },
    "batch": 128,
    "epochs": 30.0,
    "num_evals": 6,
    "num_train_eval": 400,
}
LARGE = {"model": post.RESNET67["model"], "size": (256, 256), "epochs": 500.0, "num_evals": 100}

PRESETS = {
    "multi_similarity": {**PAIRS, "task": {**TASK, "loss": "multi_similarity", "margin": 0.1}},
    "contrastive": {**PAIRS, "task": {**TASK, "loss": "contrastive", "margin": 1.0}},
    "batch_all": {**PAIRS, "task": {**TASK, "loss": "batch_all", "margin": 0.2}},
    "batch_hard": {**PAIRS, "task": {**TASK, "loss": "batch_hard", "margin": 0.2}},
    "semi_hard": {**PAIRS, "task": {**TASK, "loss": "semi_hard", "margin": 0.2}},
    "arcface": ARCFACE,
    "arcface_rare": {**ARCFACE, "task": {**ARCFACE["task"], "rarity": 0.25, "centers": 2, "margin": 0.5}},
    "simclr": SIMCLR,
    "post": {**PAIRS, "task": {**TASK, "loss": "semi_hard", "margin": 0.2}, **LARGE},
    "simclr_post": {**SIMCLR, **LARGE},
}


def get_config(preset="multi_similarity", **changes):
    """The embedding's config; `changes` are keys that the preset leaves open, or has otherwise."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
