"""Does the classifier name more whales together with the nearest photos (post, section 7.1)?

    python -m whale_jax.main --config=configs/blend.py:runs/ablations/embedding --workdir=runs/blend

Log loss 4.70, top-1 12.1 % of the calibrated classifier. Together with the nearest photos by another network's features
4.19 to 4.30 and 17 to 18 %; by its own features 4.60 and 13.9 %. Two seeds, one minute.

Nothing is trained: the part after the colon is a finished run of configs/ablations/embedding.py. The weights of
classifier and neighbours are fitted on photos of other groups than those they are measured on.
"""

from configs.ablations import embedding
from whale_jax.workflow import finished_runs, stage

FEATURES = (  # rows of the embeddings
    "classifier",
    "triplets, all",
    "multi-similarity",
    "triplets, semi-hard, after the classifier",
)


def get_config(root="runs/ablations/embedding"):
    """For each seed, the calibrated classifier, and its blend with neighbours by the features of several networks."""
    embeddings = embedding.get_config().stages
    split = finished_runs.read(f"{root}/split")
    data = {"photos": split.config["inputs"]["photos"], "split": str(split.folder)}
    stages, labels, sources = {}, {}, {}
    for search, label in embeddings.compare.labels.items():
        if label not in FEATURES:
            continue
        seed, features = search.partition("_")[0], f"{root}/{embeddings[search].inputs.features}"
        if label == "classifier":
            stages[f"{seed}_stack"] = stage.config("stack", inputs={**data, "features": features})
            stack = {**data, "probabilities": f"{seed}_stack"}
            stages[f"{seed}_classifier"] = stage.config("calibrate", inputs=stack)
        inputs = {**data, "probabilities": f"{seed}_classifier", "features": features}
        stages[search] = stage.config("blend", inputs=inputs)
        labels[search] = f"features of {label}"
        sources[search] = ("network", "neighbours", "blend") if label == "classifier" else ("neighbours", "blend")
    compared = {"inputs": {name: name for name in labels}, "labels": labels, "sources": sources}
    stages["compare"] = stage.config("compare", **compared)
    return stage.config("pipeline", stages=stages)
