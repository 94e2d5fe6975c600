"""The post's first three approaches side by side, from a folder of photos to submission.csv.

    python -m whale_jax.main --config=configs/pipeline.py:small --config.data.root=DIR --workdir=runs/small

2 CPU cores, `small`, 4,543 composed photos, one seed: 72 min, when 30 whales and not 100 were ranked again. Mean IoU
0.77, median point error 3.3 % of a head length; validation log loss, calibrated: naive 5.96, boxed 5.82, aligned 4.98
(top-1 7.6 %), and with searches of aligned heads (configs/matching.py) 3.01 (top-1 42.7 %, top-5 62.4 % of 447 whales).

One network, with one number of steps and of pixels, names the whale from the whole photo (naive), from the predicted
box (boxed) and from the predicted points (aligned).

`points` finds bonnet and blowhead and names no whale, with three times the epochs; `night` has as many for all but the
localizer; `post` has the post's networks and sizes, for a GPU. These were not run by this state of the code.
"""

from functools import partial

from ml_collections import ConfigDict

from configs import aligner, classifier, localizer, matching, post
from configs.stages import calibrated, cut, network, pipeline, report, submission
from whale_jax.geometry import Size
from whale_jax.runtime import registry
from whale_jax.workflow import stage

# "presets" are of the configs beside this one; (height, width) of views and of networks' inputs.
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
    "searched": matching.FEW,
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
    "presets": {**SMALL["presets"], "aligner": "night", "window": "window_night", "classifier": "long"},
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
    return pipeline(stages(**registry.lookup("preset", PRESETS, preset)))


def stages(
    *,
    whole,
    aligned,
    presets,
    naive=None,
    boxed=None,
    box_window=None,
    window=None,
    networks=(),
    weights="last",
    searched=None,
) -> dict[str, ConfigDict]:
    """Every stage by name; the inputs of a stage are names of other stages.

    Args:
        whole, boxed, aligned: (height, width) of the views; without `boxed`, there is no localizer.
        naive: of whole photos for the naive classifier; without it, the view is `whole`.
        box_window, window: of the views around the first box and points; without them, the finders have one stage.
        networks: (height, width) of the naive, boxed and aligned classifiers' inputs; without them, no whale is named.
        weights: "best" on validation or "last", of the classifiers.
        presets: stage -> preset of the config beside this one that makes it.
        searched: maps of configs/matching.py that are searched, beside HOG, and answer together with the aligned
            classifier; None for no searches.
    """
    head = partial(cut, "head", predictions="third" if window else "aligner")
    outline = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}),
        "whole": cut("whole", whole),
        **points(presets, window=window),
        "aligned": head(aligned),
    }
    if boxed:
        outline |= boxes(presets, window=box_window)
        outline["boxed"] = cut("box", boxed, "localizer_refined" if box_window else "localizer", padding=0.1)
    if naive:
        outline["naive"] = cut("whole", naive)
    for name, size in dict(networks).items():
        outline |= classify(name, presets, view=name if name in outline else "whole", size=size, weights=weights)
    if searched is not None:
        outline |= matching.fused(searched, features=["features"], heads=head)
    if networks:
        outline["submission"] = submission("calibrated" if searched is None else "fused")
    return outline | {"report": report(outline)}


def points(presets: dict[str, str], *, window: Size | None) -> dict[str, ConfigDict]:
    """The aligner: stage 1 on the whole photo; 2 and 3, with one network, in a window that earlier points turn."""
    stages = {"aligner": network(aligner, presets["aligner"], "whole")}
    if window:
        square = {"across": 3.0, "aspect": 1.0, "ahead": 0.0, "steady": 1.33}  # 3 head lengths wide
        stages |= {
            "window": cut("head", window, "aligner", **square),
            "refined": network(aligner, presets["window"], "window"),
            "third_window": cut("head", window, "refined", **square),
            "third": stage.config("predict", inputs={"photos": "photos", "network": "refined", "view": "third_window"}),
        }
    return stages


def boxes(presets: dict[str, str], *, window: Size | None) -> dict[str, ConfigDict]:
    """The localizer: stage 1 on the whole photo, 2 in a window around the box."""
    stages = {"localizer": network(localizer, presets["localizer"], "whole")}
    if window:
        stages |= {
            "box_window": cut("box", window, "localizer", padding=0.6),
            "localizer_refined": network(localizer, presets["box_window"], "box_window"),
        }
    return stages


def classify(approach: str, presets: dict[str, str], *, view: str, size: Size, weights: str) -> dict[str, ConfigDict]:
    """The classifier of an approach, and its calibrated probabilities; the aligned one's go into the submission."""
    is_aligned = approach == "aligned"
    preset = presets["classifier"] if is_aligned else presets.get("unaligned", presets["classifier"])
    config = network(classifier, preset, view, size=size)
    if not is_aligned:  # heavy augmentation, as the post; light where heads are aligned
        config.task.augmentation = post.HEAVY
    name = f"{approach}_classifier"
    return {name: config, **calibrated([name], weights, prefix="" if is_aligned else f"{approach}_")}
