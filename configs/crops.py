"""A classifier straight on ready crops of aligned heads: a folder of crops and a table, to submission.csv.

python -m whale_jax.main --config=configs/crops.py --config.data.root=DIR --workdir=runs/crops
"""

from configs import classifier, pipeline
from whale_jax import registry
from whale_jax.programs import stage

CPU = {"view": (96, 192), "size": (80, 160), "preset": "small", "weights": "last"}
GPU = {"view": (144, 288), "size": (128, 256), "preset": "resnet67", "weights": "best"}
PRESETS = {"cpu": CPU, "gpu": GPU}


def get_config(preset="cpu"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    choice = registry.lookup("preset", PRESETS, preset)
    data = {"photos": "photos", "split": "split"}
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}),
        "heads": stage.config("align", inputs={"photos": "photos", "predictions": ""}, size=choice["view"]),
        "classifier": classifier.get_config(choice["preset"], inputs={**data, "view": "heads"}, size=choice["size"]),
        **pipeline.calibrated(data, ["classifier"], choice["weights"]),
        "submission": pipeline.submission(data),
    }
    stages["report"] = pipeline.report(stages, aligned="heads", aligned_classifier="classifier")
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config
