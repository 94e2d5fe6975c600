"""Do embeddings name a whale better than a classifier does, and which (post, section 7.1)? A loss a row.

python -m whale_jax.main --config=configs/ablations/embedding.py:runs/crops --workdir=runs/ablations/embedding

22 trainings: about an hour, in parts, with --config.processes=2. Nearest photo, top-1 and top-5: by the classifier 12.6
and 27 %, twice as long 15.3 and 30 %, triplets, all 11.1 and 29 %, semi-hard after the classifier 15.9 and 36 %. The
hardest collapse.

Bursts are kept on one side, or the nearest photo would be one of the same minute; a third of the photos asks, and a
tenth of the whales is kept out, to be told from those that are known. Rare whales have at most three photos in the
gallery.
"""

from configs import ablations
from configs import embedding as embeddings
from whale_jax.workflow import stage

PLAN = {"epochs": 32.0, "num_evals": 4}
ROWS = {  # what the table calls each preset of configs/embedding.py
    "contrastive": "contrastive",
    "triplets, all": "batch_all",
    "triplets, hardest": "batch_hard",
    "triplets, semi-hard": "semi_hard",
    "multi-similarity": "multi_similarity",
    "ArcFace": "arcface",
    "ArcFace, margin by rarity": "arcface_rare",
}
WARM = {"triplets, hardest, after the classifier": "batch_hard", "triplets, semi-hard, after it": "semi_hard"}


def get_config(root="runs/crops"):
    """The small classifier of ready crops, and the same network with each loss, as long."""
    photos = f"{root}/photos"

    def row(*preset, **more):
        config = ablations.small(root, *preset, **more, **PLAN)
        config.inputs.split = "split"
        return config

    def after(preset):
        config = row(preset, of=embeddings)
        config.inputs.weights, config.init = "classifier", "partial"
        return config

    def search(features):
        return stage.config("retrieve", inputs={"photos": photos, "split": "split", "features": features})

    return ablations.ablate(
        row(),
        {
            "classifier": {},
            **{label: row(preset, of=embeddings) for label, preset in ROWS.items()},
            **{label: after(preset) for label, preset in WARM.items()},
            "classifier, twice as long": {"epochs": 2 * PLAN["epochs"]},
        },
        views={
            "split": stage.config("split", inputs={"photos": photos}, folds=3, group="head", unknown_fraction=0.1),
            "heads": ablations.view(root, "whole", (48, 96)),
        },
        ask=[
            ("features", lambda name: stage.config("extract", inputs={"network": name}, weights="last")),
            ("search", search),
        ],
    )
