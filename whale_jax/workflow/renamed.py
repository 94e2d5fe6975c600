"""Words of version 0.1 that have another name now: each is still read, for one release, with a warning."""

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from whale_jax.workflow import json_files

KEYS = {
    "begin": "init",
    "evaluations": "num_evals",
    "monitor": "num_train_eval",
    "together": "images_per_class",
    "strangers": "unknown_fraction",
    "part": "subfold",
    "parts": "num_subfolds",
    "warps": "tta",
    "bell": "sigma_bins",
    "naming": "class_weight",
    "locating": "loc_weight",
    "drift": "identity_weight",
    "through": "localizer_grad_scale",
    "objective": "loss",
}
# (program, or name of a task or model) and key -> another name than the same word has elsewhere.
OF_OWNER = {
    ("stn", "objective"): "loc_loss",  # whose loss it was is the localizer's
    ("stn", "annotated"): "annotated_fraction",
    ("retrieve", "likeliest"): "num_neighbours",
    ("retrieve", "few"): "rare_max_photos",
    ("blend", "few"): "rare_max_photos",
    ("stack", "on"): "input_kind",
    ("tta", "most"): "max_photos",
    ("import_photos", "unnamed"): "withheld_fraction",
    ("compare", "reach"): "target_row",
    ("inception", "between"): "inner_dropout",
}
# Programs, tasks and models that KEYS are of; "None" does not say what it is. Those of others may have such words.
OWNERS = {"None", "train", "crossfit", "tta", "split", "novelty", "fuse", "calibrate", "blend", "stack"} | {
    *("classify", "arcface", "embed", "simclr", "bbox", "keypoints", "stn"),
    *("vgg", "resnet", "inception", "efficientnet"),
}
FLAGS = {key: name for (_, key), name in reversed(OF_OWNER.items())} | KEYS  # whose owner a command line does not say
VALUES = {("init", "fitting"): "partial", ("program", "warps"): "tta", ("loss", "squared"): "squared_error"}
OPTIMIZER = "optimizer"  # its `part` was of the network, not of the data, see `_optimizer`
SUBFOLD, PART = "subfold", "part"  # what the folders of a cross-fit's networks are called, and were
NAMES = ("stages", "inputs", "grids")  # below these, the first level is of names that the config chose, not of keys


def read_config(path: Path) -> dict[str, Any] | None:
    """The config.json at `path` in today's words; None where there is no file, InputError where it is damaged."""
    config = json_files.read(path)
    return None if config is None else current(config)


def current(config: Mapping[str, Any], *, warn: bool = False) -> dict[str, Any]:
    """A config, or a part of one, in today's words.

    Args:
        config: nested mappings; whatever is in today's words already stays as it is.
        warn: whether to say, on the terminal, which words are old.
    """
    renamed, owner = {}, str(config.get("program", config.get("name")))
    owner = VALUES.get(("program", owner), owner)
    for key, value in config.items():
        name = _rename(key, owner=owner, warn=warn)
        if isinstance(value, Mapping) and key in NAMES:
            value = {
                label: current(section, warn=warn) if isinstance(section, Mapping) else section
                for label, section in value.items()
            }
        elif isinstance(value, Mapping):
            value = _optimizer(value, warn=warn) if key == OPTIMIZER else current(value, warn=warn)
        elif isinstance(value, str):
            value = VALUES.get((name, value), value)
        renamed[name] = value
    return renamed


def current_flag(argument: str) -> str:
    """A flag such as --config.task.naming=1 in today's words, with a warning; any other argument as it is."""
    flag, equals, value = argument.partition("=")
    path, dot, key = flag.rpartition(".")
    if not flag.startswith(("--config.", "-config.")) or key not in FLAGS or path.endswith(OPTIMIZER):
        return argument
    name = FLAGS[key]
    _warn(key, name)
    return f"{path}{dot}{name}{equals}{VALUES.get((name, value), value)}"


def subfold_folder(crossfit: Path, subfold: int) -> Path:
    """The folder of a cross-fit's network that holds out a subfold; version 0.1 called it a part."""
    earlier = crossfit / f"{PART}{subfold}"
    return earlier if earlier.is_dir() else crossfit / f"{SUBFOLD}{subfold}"


def subfold_folders(folder: Path) -> list[Path]:
    """The folders of a cross-fit's networks, in order of subfold; none where it is no cross-fit."""
    folders = [*folder.glob(f"{SUBFOLD}*"), *folder.glob(f"{PART}*")]
    return sorted(folders, key=lambda path: int(path.name.lstrip(string.ascii_letters)))


def _optimizer(spec: Mapping[str, Any], *, warn: bool) -> dict[str, Any]:
    """An optimiser of version 0.1, whose rate for one part of the network is a group now; any other as it is."""
    if "part" not in spec:
        return dict(spec)
    part, rate = spec["part"], spec.get("part_rate", 1.0)
    if warn:
        logging.warning("config keys 'optimizer.part' and 'optimizer.part_rate' are optimizer.groups now")
    dropped = ("part", "part_rate", *(["momentum"] if spec.get("name") == "adam" else []))  # which never used it
    groups = [[f"{part}/.*", {"lr": rate} if rate else {"frozen": True}]] if part else []
    return {**{key: value for key, value in spec.items() if key not in dropped}, "groups": groups}


def _rename(key: str, *, owner: str, warn: bool) -> str:
    name = OF_OWNER.get((owner, key), KEYS.get(key, key) if owner in OWNERS else key)
    if warn and name != key:
        _warn(key, name)
    return name


def _warn(key: str, name: str) -> None:
    logging.warning("config key %r is called %r now; the old name will not be read in the next release", key, name)
