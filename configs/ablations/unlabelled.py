"""What are photos worth that nobody named (post, section 7.4)? Pre-training on all, and labels that were guessed.

python -m whale_jax.main --config=configs/ablations/unlabelled.py:runs/crops --workdir=runs/ablations/unlabelled

Not run yet: 12 trainings, after the pre-training and two that guess.
"""

from configs import ablations
from whale_jax.programs import stage

# Views of one head differ in all that is not the whale: how it lies, light, and what is hidden. No colour: one photo's
# views share its water.
VIEWS = "rotate(15)|scale(0.8,1.25)|translate(0.08)|shear(6)|gamma(0.5,2)|brightness(0.2)|erase(0.3)"


def get_config(root="runs/crops"):
    """The small classifier of ready crops: by itself, after SimCLR, and with labels from several sources."""
    data = {"photos": f"{root}/photos", "split": f"{root}/split"}
    base = ablations.small(root)
    alike = ablations.small(root, epochs=60.0, evaluations=6, batch=128, monitor=400)
    alike.task = stage.config("train", task={"name": "simclr", "augmentation": VIEWS, "colour": False}).task
    stages = {"heads": ablations.view(root, "whole", (48, 96)), "alike": alike, "first": base}
    stages |= answers(data, "first")
    stages["first_labels"] = guess(data, "first_calibrated", "stack")
    stages["first_soft"] = guess(data, "first_calibrated", "stack", soft=True)
    stages["first_blend"] = stage.config(
        "blend", inputs={**data, "probabilities": "first_stack", "features": "first_features"}
    )
    stages["first_found"] = stage.config("calibrate", inputs={**data, "probabilities": "first_blend"})
    stages["first_neighbours"] = guess(data, "first_found", "neighbours")
    stages["second"] = base.copy_and_resolve_references()
    stages["second"].inputs.labels = "first_labels"
    stages |= answers(data, "second")
    stages["second_labels"] = guess(data, "second_calibrated", "stack")
    changes = {
        "labelled photos alone": {},
        "begun by SimCLR on all photos": {"inputs.weights": "alike", "begin": "fitting"},
        "labels of a classifier": {"inputs.labels": "first_labels"},
        "the same, soft": {"inputs.labels": "first_soft"},
        "labels of a classifier, second round": {"inputs.labels": "second_labels"},
        "labels of neighbours": {"inputs.labels": "first_neighbours"},
    }
    return ablations.ablate(base, changes, views=stages)


def answers(data, network):
    """What a network says of every photo, calibrated on those held out."""
    return {
        f"{network}_features": stage.config("extract", inputs={"network": network}, weights="last"),
        f"{network}_stack": stage.config("stack", inputs={**data, "features": f"{network}_features"}),
        f"{network}_calibrated": stage.config("calibrate", inputs={**data, "probabilities": f"{network}_stack"}),
    }


def guess(data, probabilities, source, **changes):
    """Labels for photos without one where a whale's probability is a third: so short a training is seldom surer."""
    inputs = {**data, "probabilities": probabilities}
    return stage.config("pseudo", inputs=inputs, source=source, threshold=1 / 3, **changes)
