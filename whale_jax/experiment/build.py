"""From a config to values, at one door: the task, the model, the optimiser, the devices; and the network they make."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from whale_jax import geometry, tasks
from whale_jax.models import MODELS
from whale_jax.runtime import errors, registry
from whale_jax.tasks import TASKS, Task, inputs
from whale_jax.tasks.task import Batch, Outputs
from whale_jax.train import ema, optim
from whale_jax.train import state as states
from whale_jax.train.parallel import Parallel, parallel
from whale_jax.train.step import make_eval_step, make_train_step

# The keys of a config that name what is built of their rest.
SPECS = {"task": TASKS, "model": MODELS, "optimizer": optim.OPTIMIZERS}
SEE = 'see "Adding to it" in README.md'


class Recipe(NamedTuple):
    """How a network is made, trained and run: what a config names, as values.

    Attributes:
        task: what it learns.
        model: its architecture.
        optimizer: (*, steps) -> the optimiser of a training of so many steps.
        parallel: the devices it runs on.
        size: (height, width) of its input, in pixels.
        seed: of its first weights, and of all that is drawn in training.
        batch: examples a step.
        accumulate, remat, groups: see `train.step.make_train_step`.
        ema: decay of the average of weights, see `train.ema.wrap`; 0 for none.
    """

    task: Task
    model: nn.Module
    optimizer: Callable[..., optax.GradientTransformation]
    parallel: Parallel
    size: geometry.Size
    seed: int
    batch: int
    accumulate: int
    remat: bool
    groups: optim.Groups
    ema: float


class Network(NamedTuple):
    """A network with its compiled steps.

    Attributes:
        task: what it learns.
        model: its architecture.
        size: (height, width) of its input, in pixels.
        parallel: puts states and batches on the devices.
        state: parameters and all else.
        evaluate: compiled step of an evaluation.
        train: compiled step of a training; None of a network that only predicts.
    """

    task: Task
    model: nn.Module
    size: geometry.Size
    parallel: Parallel
    state: states.TrainState
    evaluate: Callable
    train: Callable | None = None


def recipe(config: Mapping[str, Any], *, classes: int = 2) -> Recipe:
    """What a config of a training names, for so many whales.

    Raises:
        InputError: an unknown name or key of the task or the model, or a batch that cannot be dealt out. The optimiser
            is looked at where it is made.
    """
    dtype = registry.lookup("precision", {"float32": jnp.float32, "bfloat16": jnp.bfloat16}, config["precision"])
    task = task_of(config, classes=classes)
    batch, accumulate, optimizer = config["batch"], config["accumulate"], config["optimizer"]
    if batch % accumulate:
        raise errors.InputError(f"config.batch = {batch} has no config.accumulate = {accumulate} parts")
    if task.pairwise and accumulate > 1:
        message = f"the task {config['task']['name']!r} compares the photos of a batch: they must go through at once"
        raise errors.InputError(f"{message}, with config.accumulate = 1")
    return Recipe(
        task=task,
        model=model(config["model"], outputs=task.outputs, dtype=dtype),
        optimizer=partial(registry.build, "optimizer", optim.OPTIMIZERS, optimizer),
        parallel=parallel(config["parallel"], config["devices"], batch=batch // accumulate),
        size=tuple(config["size"]),
        seed=config["seed"],
        batch=batch,
        accumulate=accumulate,
        remat=config["remat"],
        groups=optimizer.get("groups", ()),
        ema=config.get("ema", 0.0),  # as folders from before the key were
    )


def task_of(config: Mapping[str, Any], *, classes: int = 2) -> Task:
    """The task of a training's config, for so many whales, with pictures normalised as the config's model wants."""
    kind = getattr(model(config["model"], outputs=1), "input_normalisation", "picture")
    normalise = registry.lookup("input normalisation", inputs.NORMALISATIONS, kind)
    return tasks.build(config["task"], size=config["size"], classes=classes, normalise=normalise)


def model(spec: Mapping[str, Any], *, outputs: int, dtype: Any = jnp.float32) -> nn.Module:
    """The architecture that a config calls `model`. One that lacks what every network is told raises InputError."""
    name = spec["name"]
    architecture = registry.lookup("model", MODELS, name)
    for message, accepted, required in (
        ("has no attribute", inspect.signature(architecture).parameters, ("outputs", "dtype")),
        ("takes no argument", inspect.signature(architecture.__call__).parameters, ("train",)),
    ):
        if lacking := [argument for argument in required if argument not in accepted]:
            message = f"the model {name!r} {message} {', '.join(lacking)}, which every network needs"
            raise errors.InputError(f"{message}: {SEE}")
    return registry.build("model", MODELS, spec, outputs=outputs, dtype=dtype)


def reading(recipe: Recipe, layer: str) -> Recipe:
    """The recipe of a network whose `features` are those of another layer: (B, F) float32, flattened.

    A map keeps its places that way, and on aligned heads the places are what tells one whale from another.

    Args:
        recipe: of a network that predicts features.
        layer: a key of what its model returns beside the answer, such as "stage3".

    Raises:
        InputError: a layer that the model does not return; a task that predicts no features.
    """
    intermediates = shapes(recipe)[0][1]
    if layer not in intermediates:
        raise errors.unknown("layer", layer, sorted(intermediates))
    task = recipe.task

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        y, out = outputs
        features = out[layer].reshape(len(out[layer]), -1).astype(jnp.float32)
        answer = features if task.pairwise else y  # what is compared in pairs is the answer itself
        predicted = task.predict((answer, {**out, "features": features}), batch)
        if "features" not in predicted:
            raise errors.InputError(f"a network that predicts {', '.join(predicted)} has no features to extract")
        return {"features": predicted["features"]}

    # What nothing asks for is not computed: neither the answer nor the layers that come after this one.
    unmeasured = {"loss": lambda outputs, batch: jnp.zeros_like(batch["weight"]), "metrics": lambda *_: {}}
    return recipe._replace(task=task._replace(predict=predict, **unmeasured))


def expect_outputs(name: str, returned: Any, *, outputs: int) -> None:
    """Raises InputError unless a model returns (y, out) for one picture as tasks read them; shapes will do."""
    y, out = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
    features = out.get("features") if isinstance(out, Mapping) else None
    shaped = getattr(y, "shape", ()) == (1, outputs) and len(getattr(features, "shape", ())) == 2
    if not shaped or any(array.dtype != jnp.float32 for array in (y, features)):
        message = f'(y, out), y of shape (batch, {outputs}) and out["features"] of shape (batch, any), both float32'
        raise errors.InputError(f"the model {name!r} must return {message}: {SEE}")


def shapes(recipe: Recipe) -> tuple[Any, dict[str, Any]]:
    """The shapes of what the model returns for one picture, and of its variables; nothing is compiled."""
    image = jax.ShapeDtypeStruct((1, *recipe.size, 3), jnp.float32)
    return jax.eval_shape(
        lambda key, x: recipe.model.init_with_output(key, x, train=False), jax.random.key(recipe.seed), image
    )


def network(recipe: Recipe, *, steps: int = 1) -> Network:
    """The network of a recipe before the first of so many steps of training."""
    optimizer = recipe.optimizer(steps=steps)
    options = {"accumulate": recipe.accumulate, "remat": recipe.remat, "groups": recipe.groups}
    step = make_train_step(recipe.model, recipe.task, optimizer=optimizer, **options)
    state = states.create(recipe.model, optimizer, seed=recipe.seed, size=recipe.size)
    if recipe.ema:
        step, state = ema.wrap(step, decay=recipe.ema), ema.init(state)
    return predictor(recipe, state)._replace(train=recipe.parallel.train(step))


def predictor(recipe: Recipe, state: states.TrainState) -> Network:
    """The network of a recipe with a state that is there already, for predictions alone."""
    return Network(
        task=recipe.task,
        model=recipe.model,
        size=recipe.size,
        parallel=recipe.parallel,
        state=state,
        evaluate=recipe.parallel.evaluate(make_eval_step(recipe.model, recipe.task)),
    )
