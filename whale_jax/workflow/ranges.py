"""The range of every number in a config, by its key, which means the same in every program, task, model and optimiser.

A key that means something else in one program stands here with the program before it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from whale_jax.runtime import errors


class Range(NamedTuple):
    """The numbers that a key allows. Where it has several, such as the sides of a picture, the range is of each.

    Attributes:
        low, high: the least and the largest.
        above, below: whether `low`, or `high`, is itself excluded.
        whole: whether only integers are allowed.
        count: the number of numbers; 0 for any.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    count: int = 0

    def __contains__(self, number: float) -> bool:
        if not math.isfinite(number) or (self.whole and not isinstance(number, int)):
            return False
        return (number > self.low if self.above else number >= self.low) and (
            number < self.high if self.below else number <= self.high
        )

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a finite number" if self.low == -math.inf else ""
        least = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        if math.isfinite(self.high):
            start = f"above {self.low:g}, up to" if self.above else f"from {self.low:g} to"
            least = f"{start} {'below ' if self.below else ''}{self.high:.10g}"
        bounds = least if math.isfinite(self.low) else ""
        number = ", ".join(filter(None, (kind, bounds)))
        return f"two numbers, height and width, each {number}" if self.count == 2 else number


ANY, POSITIVE, NOT_NEGATIVE = Range(), Range(0, above=True), Range(0)
COUNT, NUMBER = Range(1, whole=True), Range(0, whole=True)  # at least one, and none or more
SHARE, PART = Range(0, 1), Range(0, 1, below=True)  # a share that may be all, and one that may not
SIDES = Range(1, 65_535, whole=True, count=2)  # those that a JPEG can have
PARTS = Range(2, whole=True)  # the number of parts into which something is cut

RANGES = {
    # Trainings.
    "seed": Range(0, 2**32 - 1, whole=True),
    "fold": Range(-1, whole=True),
    "epochs": Range(0, 1e6),
    "size": SIDES,
    **dict.fromkeys(("batch", "accumulate", "num_evals", "log_every", "shards", "images_per_class"), COUNT),
    **dict.fromkeys(("subfold", "num_subfolds", "patience", "num_train_eval", "devices"), NUMBER),
    **{f"{name}.num_subfolds": PARTS for name in ("crossfit", "calibrate", "blend", "fuse", "novelty")},
    # Optimisers.
    **dict.fromkeys(("warmup", "momentum", "ema"), PART),
    # A rate of 0 leaves the weights as they are, and measures them.
    **dict.fromkeys(("lr", "end_lr", "l2", "weight_decay", "clip", "eps", "eps_root"), NOT_NEGATIVE),
    **dict.fromkeys(("b1", "b2", "b3", "decay", "rho", "beta"), PART),
    "train.threshold": ANY,  # of optax's radam
    # Tasks.
    **dict.fromkeys(("smoothing",), PART),
    **dict.fromkeys(("scale", "temperature", "sigma_bins"), POSITIVE),
    **dict.fromkeys(
        ("margin", "least_margin", "rarity", "class_weight", "loc_weight", "identity_weight"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("centers", "dimensions"), COUNT),
    "bins": NUMBER,
    "annotated_fraction": SHARE,
    # Models.
    "crop": SIDES,
    **dict.fromkeys(("stem", "stages", "modules", "depth", "shrink"), COUNT),
    **dict.fromkeys(("stem_pool", "grown", "bottleneck", "strided"), NUMBER),
    **dict.fromkeys(("dropout", "inner_dropout", "drop_path"), PART),
    "localizer_grad_scale": NOT_NEGATIVE,
    # Warps of test-time augmentation.
    "rotate": ANY,
    "shear": Range(-80, 80),
    **dict.fromkeys(("shift_x", "shift_y"), Range(-1, 1)),
    "flip_ud": Range(0, 1, whole=True),
    # Photos, splits and views.
    **dict.fromkeys(("whales", "photos"), COUNT),
    "test": NUMBER,
    "width": Range(64, 65_535, whole=True),
    "withheld_fraction": SHARE,
    **dict.fromkeys(("outside", "gap_minutes"), NOT_NEGATIVE),
    "folds": PARTS,
    "unknown_fraction": PART,
    **dict.fromkeys(("across", "aspect"), POSITIVE),
    **dict.fromkeys(("padding", "steady", "length", "max_length_ratio", "max_point_shift"), NOT_NEGATIVE),
    "ahead": ANY,
    # Probabilities, features and reports.
    "C": POSITIVE,
    "pca": NUMBER,
    "sides": Range(1, 2, whole=True),
    "grid": SIDES,
    "port": Range(0, 65_535, whole=True),
    **dict.fromkeys(("iterations", "num_neighbours", "num_candidates", "gradient_steps", "processes"), COUNT),
    **dict.fromkeys(("rare_max_photos", "max_photos", "examples"), NUMBER),
    **dict.fromkeys(("cohort", "photos_per_encounter", "draws"), COUNT),
    **dict.fromkeys(("error", "prior"), Range(0, 1, above=True, below=True)),
    **dict.fromkeys(("threshold", "share"), SHARE),
    **dict.fromkeys(("side", "step"), Range(0, 1, above=True)),
    "floor": PART,
}


def check(config: Mapping[str, Any] | ConfigDict) -> None:
    """Raises InputError for a number of a program's config that is out of its range, such as NaN.

    The stages of a pipeline are checked by themselves.
    """
    for path, value in values(config):
        numbers = list(flat(value))
        allowed = range_of(config["program"], path)
        if not all(number in allowed for number in numbers) or (numbers and allowed.count not in (0, len(numbers))):
            shown = f"{value:g}" if isinstance(value, float) else value
            finite = "" if "finite" in str(allowed) or all(map(math.isfinite, numbers)) else ", and finite"
            raise errors.InputError(f"config.{path} = {shown} must be {allowed}{finite}")


def range_of(program: str, path: str) -> Range:
    """The range of the key at the end of a path such as "optimizer.lr"; any finite number where it has no entry."""
    key = path.rpartition(".")[2]
    return RANGES.get(f"{program}.{key}", RANGES.get(key, ANY))


def values(config: Mapping[str, Any] | ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of a config's innermost keys, except those of the stages in it."""
    for key, value in config.items():
        if key == "groups":  # of an optimiser, which checks that they are pairs of (pattern, options)
            pairs = (pair for pair in value if isinstance(pair, list | tuple) and isinstance(pair[-1], Mapping))
            for pattern, options in pairs:
                yield from values(options, f"{prefix}{key}.{pattern}.")
        elif not isinstance(value, Mapping | ConfigDict):
            yield f"{prefix}{key}", value
        elif "program" not in value:
            yield from values(value, f"{prefix}{key}.")


def flat(value: Any) -> Iterator[float]:
    """The numbers in a value, which may be one itself."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from flat(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
