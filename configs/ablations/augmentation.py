"""How heavy an augmentation do aligned heads need (post, section 4.3: "minimal")?

python -m whale_jax.main --config=configs/ablations/augmentation.py:runs/small --workdir=runs/ablations/augmentation

Not run yet: 15 trainings.
"""

from configs import ablations, classifier

UPRIGHT = "|".join(step for step in classifier.MINIMAL.split("|") if not step.startswith("rotate"))


def get_config(root="runs/small"):
    """The small classifier on aligned heads: nothing, light, minimal, minimal without rotation, heavy."""
    specs = ("", classifier.LIGHT, classifier.MINIMAL, UPRIGHT, classifier.HEAVY)
    return ablations.ablate(ablations.small(root), [{"task.augmentation": spec} for spec in specs])
