"""Do embeddings name a whale better than a classifier does, and which (post, section 7.1)? A loss a row.

python -m whale_jax.main --config=configs/ablations/embedding.py:runs/crops --workdir=runs/ablations/embedding

Not run yet: 24 trainings. The nearest photo's whale is the answer, the classifier's by its features.
"""

from configs import ablations
from configs import embedding as embeddings
from whale_jax.programs import stage

SEEDS = (0, 1, 2)
ROWS = {
    "contrastive": "contrastive",
    "triplets, all": "batch_all",
    "triplets, hardest": "batch_hard",
    "triplets, semi-hard": "semi_hard",
    "multi-similarity": "multi_similarity",
    "ArcFace": "arcface",
    "ArcFace, margin by rarity": "arcface_rare",
}


def get_config(root="runs/crops"):
    """The small classifier of ready crops, and the same network with each loss, as long."""
    there = {"photos": f"{root}/photos", "split": f"{root}/split"}
    changes = {label: ablations.small(root, preset, of=embeddings) for label, preset in ROWS.items()}
    return ablations.ablate(
        ablations.small(root),
        {"classifier": {}, **changes},
        seeds=SEEDS,
        views={"heads": ablations.view(root, "whole", (48, 96))},
        ask=[
            ("features", lambda name: stage.config("extract", inputs={"network": name}, weights="last")),
            ("search", lambda name: stage.config("retrieve", inputs={**there, "features": name})),
        ],
    )
