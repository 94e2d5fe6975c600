"""Do embeddings name a whale better than a classifier does, and which do (post, section 7.1)? A loss a row.

    python -m whale_jax.main --config=configs/ablations/embedding.py:runs/crops --workdir=runs/ablations/embedding

22 trainings: 71 min with --config.processes=2, beside other work. Nearest photo, top-1 and top-5: by the classifier
12.9 and 28 %, twice as long 14.9 and 30 %, triplets, all 11.1 and 29 %, semi-hard after the classifier 14.6 and 34 %.
The hardest triplets collapse.

Bursts stay on one side of the split, or the nearest photo would be one of the same minute. A third of the photos asks,
and a tenth of the whales is in no gallery, to measure how well they are told from the known ones. Rare whales have at
most three photos in the gallery.
"""

from configs import ablations
from configs import embedding as embeddings
from whale_jax.workflow import stage

PLAN = {"epochs": 32.0, "num_evals": 4}
ROWS = {  # label in the table -> preset of configs/embedding.py
    "contrastive": "contrastive",
    "triplets, all": "batch_all",
    "triplets, hardest": "batch_hard",
    "triplets, semi-hard": "semi_hard",
    "multi-similarity": "multi_similarity",
    "ArcFace": "arcface",
    "ArcFace, margin by rarity": "arcface_rare",
}
AFTER_CLASSIFIER = {
    "triplets, hardest, after the classifier": "batch_hard",
    "triplets, semi-hard, after the classifier": "semi_hard",
}


def get_config(root="runs/crops"):
    """The small classifier of ready crops, and the same network with each loss, for as many epochs."""
    photos = f"{root}/photos"

    def row(*preset, **changes):
        config = ablations.small(root, *preset, **changes, **PLAN)
        config.inputs.split = "split"
        return config

    def after_classifier(preset):
        config = row(preset, module=embeddings)
        config.inputs.weights, config.init = "classifier", "partial"
        return config

    changes = {
        "classifier": {},
        **{label: row(preset, module=embeddings) for label, preset in ROWS.items()},
        **{label: after_classifier(preset) for label, preset in AFTER_CLASSIFIER.items()},
        "classifier, twice as long": {"epochs": 2 * PLAN["epochs"]},
    }
    views = {
        "split": stage.config("split", inputs={"photos": photos}, folds=3, group="head", unknown_fraction=0.1),
        "heads": ablations.view(root, "whole", (48, 96)),
    }
    return ablations.ablate(row(), changes, views=views, then=ablations.search(photos=photos, split="split"))
