"""Do photos that are alike tell what the classifier did not (post, section 7.1)? One answer of both.

python -m whale_jax.main --config=configs/blend.py:runs/ablations/embedding --workdir=runs/ablations/blend

Log loss 4.71, top-1 11.7 % of the classifier, calibrated; with photos that are alike by another network's features 4.19
to 4.33, 16 to 18 %; by its own 4.61, 13.3 %. Two seeds, one minute.

Nothing is trained: the part after the colon is a finished run of configs/ablations/embedding.py, whose networks are
asked. The weights of the two are fitted on photos of other sightings than the one that they answer for.
"""

from configs.ablations import embedding
from whale_jax.workflow import stage

ALIKE = ("classifier", "triplets, all", "multi-similarity", "triplets, semi-hard, after it")  # by whose features


def get_config(root="runs/ablations/embedding"):
    """Each seed's classifier, calibrated, and its answer together with neighbours by several networks' features."""
    asked = embedding.get_config().stages
    data = {"photos": asked.split.inputs.photos, "split": f"{root}/split"}
    stages, labels, sources = {}, {}, {}
    for search, label in asked.compare.labels.items():
        if label not in ALIKE:
            continue
        seed, features = search.partition("_")[0], f"{root}/{asked[search].inputs.features}"
        if label == "classifier":
            stages[f"{seed}_stack"] = stage.config("stack", inputs={**data, "features": features})
            said = {**data, "probabilities": f"{seed}_stack"}
            stages[f"{seed}_classifier"] = stage.config("calibrate", inputs=said)
        both = {**data, "probabilities": f"{seed}_classifier", "features": features}
        stages[search] = stage.config("blend", inputs=both)
        labels[search] = f"features of {label}"
        sources[search] = ("network", "neighbours", "blend") if label == "classifier" else ("neighbours", "blend")
    compared = {"inputs": {name: name for name in labels}, "labels": labels, "sources": sources}
    stages["compare"] = stage.config("compare", **compared)
    return stage.config("pipeline", stages=stages)
