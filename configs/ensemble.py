"""The post's last step (section 6): six networks, and three ways to make one answer of them.

    python -m whale_jax.main --config=configs/ensemble.py:runs/crops --workdir=runs/ensemble

18 trainings, 12 of them on half of the photos: 60 min on one core with other work beside it. On 385 crops held out, one
seed, log loss calibrated: regression on features of the networks' own photos 3.88 (top-1 25.7 %), with C = 10 as the
post 3.93 (7.41 before it is calibrated), on logits of photos not seen 4.51, the plain average 4.49, the best network
4.45.

The part after the colon is the folder of a finished pipeline, on ready crops; `:runs/crops,post` trains the six by the
post's recipes and at its size (not run: needs a GPU). In the table at the end, `stack` of own photos is a logistic
regression on features of the networks' training photos, as the post did; of unseen photos, one on logits of photos that
each network had not seen; and `network` is the plain average of probabilities. All are calibrated on the fold held out.
"""

from configs import ablations, classifier, crops, post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

MEMBERS = ("vgg19_128", "vgg19_192a", "vgg19_192b", "resnet31", "resnet37", "resnet67")  # of section 6

# What a stack is fitted on, what else is changed in it, and what the table calls it.
STACKS = {
    "own": ("features", {}, "own photos"),
    "post": ("features", {"C": (10.0,)}, "own photos, C = 10 as the post"),
    "components": ("features", {"pca": 128}, "own photos, 128 principal components"),
    "unseen": ("unseen", {"on": "logits"}, "unseen photos"),
}


def get_config(arguments="runs/crops"):
    """Networks trained on all but fold 0, and in two parts; stacks, calibrations, and their comparison."""
    root, _, size = arguments.partition(",")
    make, weights = registry.lookup("size", SIZES, size)
    data = {"photos": f"{root}/photos", "split": f"{root}/split"}
    stages = {}
    for name in MEMBERS:
        own = stages[name] = make(root, name)
        stages["heads"] = ablations.view(root, "whole", crops.larger(own.size, own.task.augmentation))
        stages[f"{name}_features"] = stage.config("extract", inputs={"network": name}, weights=weights)
        parts = {key: own[key] for key in own if key not in ("program", "fold", "subfold", "num_subfolds")}
        stages[f"{name}_unseen"] = stage.config("crossfit", **parts, fold=0)
    for name, (last, changes, _) in STACKS.items():
        features = {f"features_{member}": f"{member}_{last}" for member in MEMBERS}
        stages[f"{name}_stack"] = stage.config("stack", inputs={**data, **features}, **changes)
        stages[f"{name}_temperature"] = calibrated(data, name, "temperature")
    stages["own_dirichlet"] = calibrated(data, "own", "dirichlet")
    labels = {f"{name}_temperature": label for name, (*_, label) in STACKS.items()}
    labels["own_dirichlet"] = "own photos, Dirichlet calibration"
    sources = dict.fromkeys(labels, ("stack",)) | {"unseen_temperature": ("stack", "network")}
    del sources["own_temperature"]  # of which each network is shown too
    stages["compare"] = stage.config("compare", inputs={name: name for name in labels}, labels=labels, sources=sources)
    stages["submission"] = stage.config("submit", inputs={**data, "probabilities": "own_temperature"})
    return stage.config("pipeline", stages=stages)


def calibrated(data, name, method):
    """What a stack says, calibrated on the fold held out."""
    return stage.config("calibrate", inputs={**data, "probabilities": f"{name}_stack"}, method=method)


def member(root, name):
    """A network of the post with half its filters, by the recipe of the ablations: what two CPU cores can train."""
    config = ablations.small(root)
    model = post.half_width(post.CLASSIFIERS[name]["model"])
    config.model = stage.config("train", model={**model, "dropout": 0.0}).model
    return config


def full(root, name):
    """A network of the post by its recipe."""
    return classifier.get_config(name, inputs=ablations.inputs(root, "heads"))


SIZES = {"": (member, "last"), "post": (full, "best")}
