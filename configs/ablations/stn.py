"""Can a spatial transformer learn where to look, and is it better than aligner, then classifier (post, section 7.2)?

python -m whale_jax.main --config=configs/ablations/stn.py:runs/small --workdir=runs/ablations/stn

Not run yet: 33 trainings, and the localizer that some begin with. The picture is the head's box with some sea around,
at any heading; what the localizer cuts out of it has as many pixels as the aligned heads of the first row.
"""

from typing import Any

from configs import ablations
from configs import stn as transformers

SEEDS = (0, 1, 2)
PLAN = {"epochs": 16.0, "evaluations": 4}


def get_config(root="runs/small"):
    """The small classifier on heads that the aligner turned, and behind a localizer that learns with it."""
    inputs = ablations.inputs(root, f"{root}/boxed")
    located = transformers.get_config("localizer", inputs=inputs, **PLAN)
    joint = transformers.get_config("joint", inputs=inputs, **PLAN)

    def row(preset: str = "joint", **changes: Any):
        config = transformers.get_config(preset, inputs=inputs, **PLAN)
        config.update_from_flattened_dict(changes)
        return config

    taught = {"inputs.weights": "located"}
    changes = {
        "aligner, then classifier": ablations.small(root, "small", view="turned"),
        "by names alone": row("unsupervised"),
        "by names alone, held near the identity": row("unsupervised", **{"task.drift": 0.1}),
        "supervised by the matrix": {},
        "supervised by the points that it maps": {"task.objective": "points"},
        "supervised, by score maps": row("points"),
        "localizer first, then both at a tenth of its rate": row("joint_slow", **taught),
        "supervised, a tenth of the gradient through": {"model.through": 0.1},
        "half of the points": {"task.annotated": 0.5},
        "a tenth of the points": {"task.annotated": 0.1},
        "one in a hundred points": {"task.annotated": 0.01},
    }
    stages = {"turned": ablations.view(root, "head", (48, 96), "third"), "located": located}
    return ablations.ablate(joint, changes, seeds=SEEDS, views=stages)
