"""The post's last step (section 6): six networks, and three ways to make one answer of them.

    python -m whale_jax.main --config=configs/ensemble.py:runs/crops --workdir=runs/ensemble

18 trainings, 12 of them on half of the photos: 60 min on one core with other work beside it. On 385 crops held out, one
seed, log loss calibrated by a temperature: regression on features of the networks' own photos 3.80 (top-1 26.8 %), on
logits of photos not seen 4.44, plain averages 4.49, the best network 4.45. Dirichlet's matrix makes all of them worse.

The part after the colon is the folder of a finished pipeline, on ready crops. In the table at the end,
`own_stack` is a logistic regression on features of the networks' own training photos, as the post did; `unseen_stack`
is one on logits of photos that each network had not seen; and the source `network` is the plain average of
probabilities. All are calibrated on the fold held out, by a temperature, or by Dirichlet's matrix after it.
"""

from configs import ablations, classifier, networks
from whale_jax.programs import stage

# The six of section 6 with half their filters, by one recipe, on small pictures: what two CPU cores can train.
MEMBERS = ("vgg19_128", "vgg19_192a", "vgg19_192b", "resnet31", "resnet37", "resnet67")


def get_config(root="runs/crops"):
    """Networks trained on all but fold 0, and in two parts; stacks, calibrations, and their comparison."""
    data = {"photos": f"{root}/photos", "split": f"{root}/split"}
    stages = {"heads": ablations.view(root, "whole", (48, 96))}
    for name in MEMBERS:
        own = member(root, name)
        stages[name] = own
        stages[f"{name}_features"] = stage.config("extract", inputs={"network": name}, weights="last")
        parts = {key: own[key] for key in own if key not in ("program", "fold", "part", "parts")}
        stages[f"{name}_unseen"] = stage.config("crossfit", **parts, fold=0)
    for way, last, on in (("own", "features", "features"), ("unseen", "unseen", "logits")):
        features = {f"features_{name}": f"{name}_{last}" for name in MEMBERS}
        stages[f"{way}_stack"] = stage.config("stack", inputs={**data, **features}, on=on)
        for method in ("temperature", "dirichlet"):
            inputs = {**data, "probabilities": f"{way}_stack"}
            stages[f"{way}_{method}"] = stage.config("calibrate", inputs=inputs, method=method)
    calibrated = [f"{way}_{method}" for way in ("own", "unseen") for method in ("temperature", "dirichlet")]
    labels = {name: name.replace("_", " photos, ") for name in calibrated}
    stages["compare"] = stage.config("compare", inputs={name: name for name in calibrated}, labels=labels)
    stages["submission"] = stage.config("submit", inputs={**data, "probabilities": "own_temperature"})
    return stage.config("pipeline", stages=stages)


def member(root, name):
    """A network of the post with half its filters, by the recipe of the ablations."""
    config = ablations.small(root)
    model = networks.thinner(classifier.RECIPES[name][0])
    config.model = stage.config("train", model={**model, "dropout": 0.0}).model
    return config
