"""Can a spatial transformer learn where to look, and is it better than aligner, then classifier (post, section 7.2)?

python -m whale_jax.main --config=configs/ablations/stn.py:runs/small --workdir=runs/ablations/stn

Not run yet: 51 trainings, and the localizer of each seed that some begin with. The picture is a square around the box
of the head with some sea, at any heading, or the whole photo; what the localizer cuts out of it has as many pixels as
the aligned heads of the first row. One that "looks ahead" is never trained: it shows the picture's middle.
"""

from typing import Any

from configs import ablations
from configs import stn as transformers

SEEDS = (0, 1, 2)
PLAN = {"epochs": 16.0, "evaluations": 4}
FROZEN = {"optimizer.part": "localizer", "optimizer.part_rate": 0.0}


def get_config(root="runs/small"):
    """The small classifier on heads that the aligner turned, and behind a localizer that learns with it."""

    def row(preset: str = "joint", view: str = "around", **changes: Any):
        config = transformers.get_config(preset, inputs=ablations.inputs(root, view), **PLAN)
        config.update_from_flattened_dict(changes)
        return config

    whole, taught = f"{root}/whole", {"inputs.weights": "located"}
    changes = {
        "aligner, then classifier": ablations.small(root, "small", view="turned"),
        "looks ahead": row("unsupervised", **FROZEN),
        "by names alone": row("unsupervised"),
        "by names alone, held near the identity": row("unsupervised", **{"task.drift": 0.1}),
        "supervised by the matrix": {},
        "supervised by the points that it maps": {"task.objective": "points"},
        "supervised, by score maps": row("points"),
        "localizer first, then naming alone": row("joint", **taught, **FROZEN),
        "localizer first, then both": row("joint", **taught),
        "localizer first, then both at a tenth of its rate": row("joint_slow", **taught),
        "supervised, a tenth of the gradient through": {"model.through": 0.1},
        "half of the points": {"task.annotated": 0.5},
        "a tenth of the points": {"task.annotated": 0.1},
        "one in a hundred points": {"task.annotated": 0.01},
        "whole photo: looks ahead": row("unsupervised", whole, **FROZEN),
        "whole photo: by names alone": row("unsupervised", whole),
        "whole photo: supervised by the matrix": row("joint", whole),
    }
    views = {
        "turned": ablations.view(root, "head", (48, 96), "third"),
        "around": ablations.view(root, "box", (128, 128), "localizer_refined", padding=0.1, square=True),
    }
    return ablations.ablate(row(), changes, seeds=SEEDS, views=views, first={"located": row("localizer")})
