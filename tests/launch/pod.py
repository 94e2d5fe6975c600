"""A whole pipeline that takes seconds: two networks find the heads of drawn whales, and a third one names them.

--config=tests/launch/pod.py          all stages; :20 trains the last network for twenty epochs
--config=tests/launch/pod.py:member   the last network alone
--config=tests/launch/pod.py:photos   the import alone
"""

from whale_jax.workflow import stage

TINY = {
    "model": {"name": "vgg", "stages": ((4, 1), (8, 1)), "stem": (4, 3, 1), "dropout": 0.5},
    "optimizer": {"name": "adam", "lr": 0.003},
    "size": (24, 24),
    "batch": 8,
    "num_evals": 2,
    "log_every": 3,
}
NAMED = {"photos": "photos", "split": "split", "view": "head"}  # inputs of the third network


def get_config(epochs="4"):
    """The pipeline's config, or that of a stage of it."""
    if epochs == "member":
        return named({}, 4.0)
    if epochs == "photos":
        return stage.config("import_photos")
    data = {"photos": "photos", "split": "split"}
    stages = {
        "drawn": stage.config("draw", whales=4, photos=40, test=4, width=128),
        "photos": stage.config("import_photos", inputs={"drawn": "drawn"}),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none", folds=3),
        "whole": stage.config("align", inputs={"photos": "photos", "predictions": ""}, frame="whole", size=(28, 28)),
        "box": stage.config(
            "crossfit",
            inputs={**data, "view": "whole"},
            **TINY,
            epochs=2.0,
            task={"name": "bbox", "augmentation": "rotate(10)|flip_ud"},
        ),
        "head": stage.config("align", inputs={"photos": "photos", "predictions": "box"}, frame="box", size=(28, 28)),
        "named": named(NAMED, float(epochs)),
    }
    return stage.config("pipeline", stages=stages)


def named(inputs, epochs):
    """The network that tells whales apart."""
    task = {"name": "classify", "augmentation": "rotate(180)|gamma(0.8,1.2)"}
    return stage.config("train", inputs=inputs, **TINY, epochs=epochs, task=task)
