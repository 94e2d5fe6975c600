"""The post's last step (section 6): six networks, and several ways to combine them into one answer.

    python -m whale_jax.main --config=configs/ensemble.py:runs/crops --workdir=runs/ensemble --config.processes=2

18 trainings, 12 of them on half of the photos: one to two hours of one core with other work beside it. On 385 crops
held out, one seed, log loss calibrated: regression on features of the training photos 3.95 (top-1 26.8 %), with C = 10
as the post 3.91 (6.47 before calibration), on logits of unseen photos 4.47, the plain average 4.52, the best network
4.49.

The part after the colon is the folder of a finished pipeline on ready crops; `:runs/crops,post` trains the six by the
post's recipes and at its size (not run: needs a GPU). In the table, "training photos" is a logistic regression on
features of the photos that the networks were trained on, as the post did; "unseen photos" is one on logits of photos
that the network had not seen; `network` is the plain average of probabilities. All are calibrated on the fold held out.
"""

from configs import ablations, classifier, crops, post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

MEMBERS = ("vgg19_128", "vgg19_192a", "vgg19_192b", "resnet31", "resnet37", "resnet67")  # of section 6

# name of the stack -> (suffix of the stages it is fitted on, changes in it, label in the table)
STACKS = {
    "training": ("features", {}, "training photos"),
    "post": ("features", {"C": (10.0,)}, "training photos, C = 10 as the post"),
    "components": ("features", {"pca": 128}, "training photos, 128 principal components"),
    "unseen": ("unseen", {"input_kind": "logits"}, "unseen photos"),
}


def get_config(arguments="runs/crops"):
    """Networks trained on all but fold 0, and cross-fitted in two subfolds; stacks, calibrations and a comparison."""
    root, _, size = arguments.partition(",")
    make, weights = registry.lookup("size", SIZES, size)
    data = {"photos": f"{root}/photos", "split": f"{root}/split"}
    stages = {}
    for name in MEMBERS:
        network = stages[name] = make(root, name)
        stages["heads"] = ablations.view(root, "whole", crops.view_size(network.size, network.task.augmentation))
        stages[f"{name}_features"] = stage.config("extract", inputs={"network": name}, weights=weights)
        recipe = {key: network[key] for key in network if key not in ("program", "fold", "subfold", "num_subfolds")}
        stages[f"{name}_unseen"] = stage.config("crossfit", **recipe, fold=0)
    for name, (suffix, changes, _) in STACKS.items():
        features = {f"features_{member}": f"{member}_{suffix}" for member in MEMBERS}
        stages[f"{name}_stack"] = stage.config("stack", inputs={**data, **features}, **changes)
        stages[f"{name}_temperature"] = calibrated(data, name, method="temperature")
    stages["training_dirichlet"] = calibrated(data, "training", method="dirichlet")
    labels = {f"{name}_temperature": label for name, (*_, label) in STACKS.items()}
    labels |= {"training_dirichlet": "training photos, Dirichlet calibration"}
    sources = dict.fromkeys(labels, ("stack",)) | {"unseen_temperature": ("stack", "network")}
    del sources["training_temperature"]  # the table shows each network beside this stack
    stages["compare"] = stage.config("compare", inputs={name: name for name in labels}, labels=labels, sources=sources)
    stages["submission"] = stage.config("submit", inputs={**data, "probabilities": "training_temperature"})
    return stage.config("pipeline", stages=stages)


def calibrated(data, name, *, method):
    """The probabilities of a stack, calibrated on the fold held out."""
    return stage.config("calibrate", inputs={**data, "probabilities": f"{name}_stack"}, method=method)


def small(root, name):
    """A network of the post with half its filters, by the recipe of the ablations: what two CPU cores can train."""
    return ablations.small(root, model=post.half_width(post.CLASSIFIERS[name]["model"]))


def full(root, name):
    """A network of the post by its recipe."""
    return classifier.get_config(name, inputs=ablations.inputs(root, "heads"))


SIZES = {"": (small, "last"), "post": (full, "best")}
