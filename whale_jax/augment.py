"""A spec string -> one affine matrix and photometric operations.

A spec is `name(arguments)|name(arguments)`, done in the order written, as big_vision writes its
preprocessing. Each operation takes an optional `p`, the probability that it is done (1; 0.5 for the
flips), and `geometric(p=...)` and `photometric(p=...)` are that of a group as a whole. Lau's:

    aligner     geometric(p=0.5)|scale(0.75,1.25)|translate(0.1875)|rotate(180)
    classifier  flip_lr|flip_ud|scale(0.5,1.5)|translate(0.25)|shear(5.73)|rotate(30)|gamma(0.8,1.2,p=0.5)

All geometric operations and the resize to the network's input make one matrix, so pixels are resampled
once; the caller moves points and boxes by the same matrix (`geometry.move_points`, `move_box`,
`move_box_by_mask`). An operation's draw depends on the example's key and the operation's name: adding
one to a spec leaves what the others draw as it was.
"""

import inspect
import re
import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp

from whale_jax import geometry
from whale_jax.geometry import Size
from whale_jax.runtime.errors import InputError, unknown


class Operation(NamedTuple):
    """One operation of a spec: its name, its arguments in order and the probability that it is done."""

    name: str
    arguments: tuple[float, ...]
    p: float


class Group(NamedTuple):
    """Operations in the order they are done, and the probability that any of them is."""

    operations: tuple[Operation, ...] = ()
    p: float = 1.0


class Augmentation(NamedTuple):
    """A parsed spec: hashable, so it may be a static argument of a jitted function."""

    geometric: Group = Group()
    photometric: Group = Group()


# Geometric operations: (key, size of the output, arguments) -> (3, 3) matrix about the origin.


def rotate(key, size, degrees):
    """Turns by up to `degrees` either way."""
    return geometry.rotation(jnp.deg2rad(_either_way(key, degrees)))


def scale(key, size, low, high):
    """Enlarges by a factor between `low` and `high`."""
    factor = jax.random.uniform(key, minval=low, maxval=high)
    return geometry.scaling(factor, factor)


def translate(key, size, fraction):
    """Shifts by up to `fraction` of the output's width in x, of its height in y."""
    x, y = _either_way(key, fraction, (2,))
    return geometry.translation(x * size[1], y * size[0])


def shear(key, size, slant):
    """Slants the y axis by up to `slant` degrees either way."""
    return geometry.shear(jnp.deg2rad(_either_way(key, slant)))


def flip_lr(key, size):
    """Mirrors left and right."""
    return geometry.scaling(-1, 1)


def flip_ud(key, size):
    """Mirrors up and down."""
    return geometry.scaling(1, -1)


# Photometric operations: (key, (height, width, channels) image in 0..1, arguments) -> image; clipped afterwards.


def brightness(key, image, fraction):
    """Adds up to `fraction` of the full range either way."""
    return image + _either_way(key, fraction)


def contrast(key, image, low, high):
    """Multiplies what differs from mid-grey by a factor between `low` and `high`."""
    # Not about the image's mean: that takes a second pass over the pixels, and half the speed.
    return 0.5 + (image - 0.5) * jax.random.uniform(key, minval=low, maxval=high)


def gamma(key, image, low, high):
    """Raises to a power between `low` and `high`."""
    exponent = jax.random.uniform(key, minval=low, maxval=high)
    return jnp.exp(exponent * jnp.log(jnp.maximum(image, 1e-12)))  # ** is several times slower on a CPU


def erase(key, image, fraction):
    """Greys a rectangle of up to `fraction` of the area (random erasing: Zhong et al., arXiv:1708.04896)."""
    area, slimness, y, x = jax.random.uniform(key, (4,))
    side, ratio = jnp.sqrt(fraction * area), 3.3 ** (slimness - 0.5)  # the paper's aspects, 0.3 to 3.3
    height, width = jnp.minimum(side * ratio, 1), jnp.minimum(side / ratio, 1)
    rows = _between(image.shape[0], y * (1 - height), height)
    columns = _between(image.shape[1], x * (1 - width), width)
    return image + (0.5 - image) * (rows[:, None] * columns)[..., None]


def _between(pixels, start, length):
    """(pixels,) of 1 where a pixel's middle lies in `length` of the whole from `start` on, else 0."""
    middle = (jnp.arange(pixels) + 0.5) / pixels
    return ((middle >= start) & (middle < start + length)).astype(jnp.float32)


def _either_way(key, limit, shape=()):
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)


GEOMETRIC = {f.__name__: f for f in (rotate, scale, translate, shear, flip_lr, flip_ud)}
PHOTOMETRIC = {f.__name__: f for f in (brightness, contrast, gamma, erase)}
OPERATIONS = GEOMETRIC | PHOTOMETRIC
CHANCE = {"flip_lr": 0.5, "flip_ud": 0.5}  # p where a spec does not say
LIMITS = {"degrees": 180, "slant": 80, "fraction": 1, "p": 1}  # largest value of an argument, by its name


def parse(spec: str) -> Augmentation:
    """The augmentation that a spec string means; "" is none.

    Raises:
        InputError: for what cannot be read, an unknown operation or argument (with the close matches), a
            value out of range, or an operation written twice.
    """
    steps = [_read(piece) for piece in spec.split("|") if piece.strip()]
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name!r} is written twice in augmentation {spec!r}: keep one of them")
    p = {step.name: step.p for step in steps}
    return Augmentation(
        Group(tuple(step for step in steps if step.name in GEOMETRIC), p.get("geometric", 1.0)),
        Group(tuple(step for step in steps if step.name in PHOTOMETRIC), p.get("photometric", 1.0)),
    )


def _read(piece: str) -> Operation:
    """One `name(1, 2, key=3)` of a spec."""
    parts = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", piece)
    try:
        name, pairs = parts[1], [pair.rpartition("=") for pair in (parts[2] or "").split(",") if pair.strip()]
        values = [float(value) for key, _, value in pairs if not key]
        named = {key.strip(): float(value) for key, _, value in pairs if key}
    except (TypeError, ValueError):
        raise InputError(f"cannot read {piece!r} of an augmentation: write name or name(1, 2, p=0.5)") from None
    if name not in {*OPERATIONS, "geometric", "photometric"}:
        raise unknown("augmentation", name, [*OPERATIONS, "geometric", "photometric"])
    return _check(name, values, named)


def _check(name: str, values: list[float], named: dict[str, float]) -> Operation:
    """Matches the arguments of an operation with its signature and checks their ranges."""
    accepted = list(inspect.signature(OPERATIONS[name]).parameters)[2:] if name in OPERATIONS else []
    for key in named:
        if key not in [*accepted, "p"]:
            raise unknown(f"argument of augmentation {name!r}", key, [*accepted, "p"])
    arguments = dict(zip(accepted, values, strict=False)) | named
    if len(arguments) != len(values) + len(named) or not arguments.keys() >= set(accepted):
        usage = ", ".join([*accepted, f"p={CHANCE.get(name, 1)}"])
        raise InputError(f"augmentation {name!r} got the wrong number of arguments: write {name}({usage})")
    for key, limit in LIMITS.items():
        if not 0 <= arguments.get(key, 0) <= limit:
            raise InputError(f"{key} of augmentation {name!r} is {arguments[key]:g}: it must be within 0 and {limit}")
    if "low" in arguments and not 0 < arguments["low"] <= arguments["high"] < float("inf"):
        raise InputError(
            f"augmentation {name!r} needs 0 < low <= high, not {arguments['low']:g}, {arguments['high']:g}"
        )
    return Operation(name, tuple(arguments[key] for key in accepted), arguments.get("p", CHANCE.get(name, 1.0)))


def matrix(augmentation: Augmentation, key: jax.Array | None, *, source_size: Size, target_size: Size) -> jax.Array:
    """(3, 3) matrix from source to target pixels: the resize, then the operations about the target's centre.

    Args:
        augmentation: what `parse` returned.
        key: of this example; None where nothing is drawn.
        source_size: (height, width) of the image.
        target_size: (height, width) of the result.
    """
    resize = geometry.resize(source_size, target_size)
    operations, p = augmentation.geometric
    if not operations:
        return resize
    steps = [_perhaps(step, key, target_size, jnp.eye(3)) for step in operations]
    moved = geometry.about(geometry.compose(*steps), geometry.middle(target_size))
    return geometry.compose(resize, _choose(_happens(key, "geometric", p), moved, jnp.eye(3)))


def least_scale(augmentation: Augmentation) -> float:
    """The factor by which the augmentation shrinks at most; 1 where it does not."""
    factors = [operation.arguments[0] for operation in augmentation.geometric.operations if operation.name == "scale"]
    return min([1.0, *factors])


def photometric(augmentation: Augmentation, key: jax.Array | None, *, image: jax.Array) -> jax.Array:
    """A (height, width, channels) image in 0..1 after the photometric operations, in 0..1 again."""
    operations, p = augmentation.photometric
    if not operations:
        return image
    changed = image
    for step in operations:
        changed = jnp.clip(_perhaps(step, key, changed, changed), 0, 1)
    return _choose(_happens(key, "photometric", p), changed, image)


def _perhaps(step: Operation, key: jax.Array, subject: Size | jax.Array, unchanged: jax.Array) -> jax.Array:
    """The operation on its subject with probability p, else `unchanged`."""
    changed = OPERATIONS[step.name](_key(key, step.name), subject, *step.arguments)
    return _choose(_happens(key, step.name, step.p), changed, unchanged)


def _happens(key: jax.Array, name: str, p: float) -> jax.Array:
    # Where it is certain nothing is drawn, which takes 40 % off the time that XLA compiles a long spec.
    return jnp.array(True) if p == 1 else jax.random.bernoulli(_key(key, f"p of {name}"), p)


def _key(key: jax.Array, name: str) -> jax.Array:
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _choose(happens: jax.Array, changed: jax.Array, unchanged: jax.Array) -> jax.Array:
    # Exact, as one weight is 1 and the other 0. A select in one loop with the warp halves its speed on a CPU.
    return changed * happens + unchanged * (1 - happens)


def augment(
    augmentation: Augmentation, key: jax.Array | None, *, image: jax.Array, size: Size
) -> tuple[jax.Array, jax.Array]:
    """One example, augmented and resized in a single resampling; the plain resize where nothing is drawn.

    Args:
        augmentation: what `parse` returned.
        key: of this example; None where nothing is drawn.
        image: (height, width, channels) uint8.
        size: (height, width) of the result.

    Returns:
        (*size, channels) float32 in 0..1, and the (3, 3) matrix that moves the image's points and boxes.
    """
    moved = matrix(augmentation, key, source_size=image.shape[:2], target_size=size)
    return photometric(augmentation, key, image=geometry.warp(image, moved, size=size) / 255), moved


def augment_batch(
    augmentation: Augmentation, keys: jax.Array | None, *, images: jax.Array, size: Size
) -> tuple[jax.Array, jax.Array]:
    """`augment` on (B, height, width, channels) with a key an example; returns images and (B, 3, 3) matrices."""
    return jax.vmap(lambda key, image: augment(augmentation, key, image=image, size=size))(keys, images)
