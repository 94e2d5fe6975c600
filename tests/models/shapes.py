"""What the tests of networks share: a network from a config, and its shapes without computing anything."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax.models import MODELS

CLASSES = 447
TINY = {"stages": ((4, 1), (8, 1)), "stem": (4, 3, 1)}


def make(config, **changes):
    config = {**config, **changes}
    return MODELS[config.pop("name")](**config)


def abstract(model, size=256):
    """Shapes of output, intermediates and variables, without computing anything."""
    image = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    (y, out), variables = jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), image)
    return y, out, variables


def drawn(model, size=16, count=4):
    """Random pictures and variables, averages and variances of normalisation among them."""
    rng = np.random.default_rng(0)
    _, _, variables = abstract(model, size)
    return rng.normal(size=(count, size, size, 3)), jax.tree.map(lambda v: rng.uniform(0.1, 0.3, v.shape), variables)


def sides(out):
    return {name: value.shape[1:] for name, value in out.items() if value.ndim == 4}


def count(variables):
    return sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))


def by_stage(variables, part, *lengths):
    """Parameters of each stage, which is so many of the `part`s of a network, such as "ConvNorm" or "Block"."""
    sizes = iter(count({"params": variables["params"][f"{part}_{i}"]}) for i in range(sum(lengths)))
    return [sum(next(sizes) for _ in range(length)) for length in lengths]


def kernels(variables):
    """Shapes of the convolutions' filters."""
    return [leaf.shape for leaf in jax.tree.leaves(variables["params"]) if leaf.ndim == 4]


def convolutions(variables):
    """Number of convolutions larger than 1x1."""
    return sum(shape[:2] != (1, 1) for shape in kernels(variables))
