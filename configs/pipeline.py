"""The post's first three approaches side by side, from a folder of photos to submission.csv.

    python -m whale_jax.main --config=configs/pipeline.py:small --config.data.root=DIR --workdir=runs/small

2 CPU cores, `small`, 4,543 composed photos, one seed: 77 min. Mean IoU 0.76, median point error 3.2 % of a head length;
validation log loss, calibrated: naive 5.96, boxed 5.80, aligned 4.94 (top-1 8.8 %, top-5 22.6 % of 447 whales).

One network, with one number of steps and of pixels, names the whale from the whole photo (naive), from the predicted
box (boxed) and from the predicted points (aligned).

`points` finds bonnet and blowhead and names nobody, with three times the epochs: 38 min, median error 2.5 % of a head
length, mean 4.2 %, 97.8 % within a tenth. `night` has as many for all but the localizer (not run to its end yet), and
`post` is the post's size for a GPU (not run).
"""

from ml_collections import ConfigDict

from configs import aligner, classifier, localizer, post
from whale_jax.runtime import registry
from whale_jax.workflow import program, stage

POST = {
    "whole": (288, 288),  # views are a little larger than a network's input: augmentation resamples once, from them
    "boxed": (288, 288),
    "aligned": (288, 288),  # squashed, as the post did; (288, 576) would be the true aspect
    "networks": {"naive": (256, 256), "boxed": (256, 256), "aligned": (256, 256)},
    "weights": "best",
    "presets": {"localizer": "post", "aligner": "post", "unaligned": "oxford", "classifier": "vgg19_128"},
}
SMALL = {
    "whole": (192, 192),
    "naive": (128, 128),  # of `whole`, a network of 112 pixels would pass over some
    "boxed": (128, 128),
    "box_window": (112, 112),
    "window": (144, 144),
    "aligned": (96, 192),
    "networks": {"naive": (112, 112), "boxed": (112, 112), "aligned": (80, 160)},
    "weights": "last",
    "presets": {
        "localizer": "small",
        "box_window": "window",
        "aligner": "small",
        "window": "window",
        "classifier": "small",
    },
}
NIGHT = {
    **SMALL,
    "presets": {**SMALL["presets"], "aligner": "night", "window": "window_night", "classifier": "night"},
}
POINTS = {
    "whole": SMALL["whole"],
    "window": SMALL["window"],
    "aligned": SMALL["aligned"],
    "presets": {"aligner": "night", "window": "window_night"},
}
PRESETS = {"small": SMALL, "night": NIGHT, "points": POINTS, "post": POST}


def get_config(preset="small") -> ConfigDict:
    """The pipeline's config; data.root is the folder of photos."""
    config = stage.config("pipeline", stages=stages(**registry.lookup("preset", PRESETS, preset)))
    config.stages.photos.root = config.data.get_ref("root")
    return config


def stages(
    *, whole, aligned, presets, naive=None, boxed=None, box_window=None, window=None, networks=(), weights="last"
) -> dict[str, ConfigDict]:
    """Every stage by name; what a stage's inputs name are other stages.

    Args:
        whole, boxed, aligned: (height, width) of the views; without `boxed`, no box is looked for.
        naive: of the whole photos that the naive classifier sees; without it, those of the finders.
        box_window, window: of those around a first answer; without them localizer and aligner look once.
        networks: (height, width) of the naive, boxed and aligned classifiers' inputs; without them, nobody is named.
        weights: of the classifiers, "best" on validation or "last", that are calibrated and make the submission.
        presets: of the config files beside this one.
    """
    photos, data = {"photos": "photos"}, {"photos": "photos", "split": "split"}

    def view(frame, size, predictions="", **changes):
        return stage.config("align", inputs={**photos, "predictions": predictions}, frame=frame, size=size, **changes)

    def network(make, preset, seen, **changes):
        return make.get_config(preset, inputs={**data, "view": seen}, **changes)

    found = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs=photos),
        "whole": view("whole", whole),
        "aligner": network(aligner, presets["aligner"], "whole"),
        "aligned": view("head", aligned, "third" if window else "aligner"),
    }
    if boxed:
        found["localizer"] = network(localizer, presets["localizer"], "whole")
        found["boxed"] = view("box", boxed, "localizer_refined" if box_window else "localizer", padding=0.1)
    if box_window:
        found["box_window"] = view("box", box_window, "localizer", padding=0.6)
        found["localizer_refined"] = network(localizer, presets["box_window"], "box_window")
    if window:  # the second look: a square 3 head lengths wide, turned by the first answer; the third by the second's
        around = {"across": 3.0, "aspect": 1.0, "ahead": 0.0, "steady": 1.33}
        found["window"] = view("head", window, "aligner", **around)
        found["refined"] = network(aligner, presets["window"], "window")
        found["third_window"] = view("head", window, "refined", **around)
        found["third"] = stage.config("predict", inputs={**photos, "network": "refined", "view": "third_window"})
    if naive:
        found["naive"] = view("whole", naive)
    for name, size in dict(networks).items():
        preset = presets["classifier"] if name == "aligned" else presets.get("unaligned", presets["classifier"])
        own = network(classifier, preset, name if name in found else "whole", size=size)
        if name != "aligned":  # heavy augmentation, as the post; light where heads are aligned
            own.task.augmentation = post.HEAVY
        found[f"{name}_classifier"] = own
        found |= calibrated(data, [f"{name}_classifier"], weights, "" if name == "aligned" else f"{name}_")
    if networks:
        found["submission"] = submission(data)
    return found | {"report": report(found)}


def calibrated(data: dict[str, str], classifiers: list[str], weights: str, prefix: str = "") -> dict[str, ConfigDict]:
    """From trained classifiers to probabilities: features, logistic regression on them, calibration."""
    features = {f"{prefix}features{i or ''}": name for i, name in enumerate(classifiers)}
    own = {f"features{i or ''}": name for i, name in enumerate(features)}
    return {
        **{
            name: stage.config("extract", inputs={"network": trained}, weights=weights)
            for name, trained in features.items()
        },
        f"{prefix}stack": stage.config("stack", inputs={**data, **own}),
        f"{prefix}calibrated": stage.config("calibrate", inputs={**data, "probabilities": f"{prefix}stack"}),
    }


def submission(data: dict[str, str]) -> ConfigDict:
    """The stage that writes submission.csv."""
    return stage.config("submit", inputs={**data, "probabilities": "calibrated"})


def report(found: dict[str, ConfigDict], **named: str) -> ConfigDict:
    """The last stage: what the stages found, side by side, and pictures; `named` are those that go by other names."""
    shown = program.find("report").defaults["inputs"]
    return stage.config("report", inputs={name: name if name in found else named.get(name, "") for name in shown})
