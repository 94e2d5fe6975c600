"""Can a spatial transformer learn where to look, and is it better than aligner, then classifier (post, section 7.2)?

    python -m whale_jax.main --config=configs/ablations/stn.py:runs/small --workdir=runs/ablations/stn

24 trainings, a localizer for each seed that some of them begin with, and the networks that find box and points. The
picture is a square around the predicted box, with some sea, at any heading, or the whole photo. What the localizer cuts
out of it has as many pixels as the aligned heads of the first row, and all rows have one classifier. The split deals
out photos, not sightings, so that networks name more of them.

Two cores that did other work as well, 98 min: aligner, then classifier names 18.5 %, the localizer first 10 to 11 %,
both at once 4.6 %, whale labels alone 1 %.
"""

from typing import Any

from configs import ablations, aligner, classifier, localizer
from configs import stn as transformers
from whale_jax.workflow import stage

PLAN = {"epochs": 12.0, "num_evals": 4}
FROZEN = {"optimizer.groups": (("localizer/.*", {"frozen": True}),)}
PRETRAINED = {"inputs.weights": "located"}


def get_config(root="runs/small"):
    """The small classifier on heads that an aligner turned, and behind a localizer that learns with it."""
    data = {"photos": f"{root}/photos", "split": "split"}

    def row(preset: str = "joint", view: str = "around", **changes: Any):
        config = transformers.get_config(preset, inputs={**data, "view": view}, **PLAN)
        config.model.classifier.head = "dense"
        config.update_from_flattened_dict(changes)
        return config

    aligned = ablations.small(root, "small", view="turned")
    aligned.inputs.split, aligned.model.head = "split", "dense"
    aligned.task.augmentation = classifier.LIGHT
    aligned.epochs, aligned.batch, aligned.optimizer.lr = PLAN["epochs"], row().batch, row().optimizer.lr
    changes = {
        "aligner, then classifier": aligned,
        "frozen at the picture's middle": row("unsupervised", **FROZEN),
        "supervised by whale labels alone": row("unsupervised"),
        "supervised by the matrix": row("matrix"),
        "supervised by score maps": {},
        "localizer first, then the classifier alone": row("joint", **PRETRAINED, **FROZEN),
        "localizer first, then both, its rate a tenth": row("joint_slow", **PRETRAINED),
        "half of the points": {"task.annotated_fraction": 0.5},
        "a tenth of the points": {"task.annotated_fraction": 0.1},
        "a hundredth of the points": {"task.annotated_fraction": 0.01},
        "whole photo: supervised by whale labels alone": row("unsupervised", "whole"),
        "whole photo: supervised by score maps": row("joint", "whole"),
    }
    points = aligner.get_config("small", inputs={**data, "view": "around"}, size=(112, 112))
    points.task.bins = 56
    views = {
        "split": stage.config("split", inputs={"photos": data["photos"]}, group="none"),
        "whole": ablations.view(root, "whole", (144, 144)),
        "box": localizer.get_config("small", inputs={**data, "view": "whole"}),
        "around": ablations.view(root, "box", (128, 128), "box", padding=0.25, square=True),
        "points": points,
        "turned": ablations.view(root, "head", (48, 96), "points"),
    }
    return ablations.ablate(row(), changes, views=views, first={"located": row("localizer")})
