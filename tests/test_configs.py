"""Every config builds, and every network in one makes a training step."""

import importlib
import inspect
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from tests.models.test_contract import TINY_EFFICIENTNET
from whale_jax.experiment import build, dataset
from whale_jax.models import efficientnet
from whale_jax.programs import crossfit, pipeline
from whale_jax.runtime import errors
from whale_jax.train import state as states
from whale_jax.workflow import json_files, program, stage

FILES = sorted(path.stem for path in (Path(__file__).parents[1] / "configs").glob("*.py"))
MODULES = {name: importlib.import_module(f"configs.{name}") for name in FILES if name != "__init__"}
CLASSES = 447


def presets(module) -> list[str]:
    """The presets of a config file: those that it lists when it is asked for one that it lacks."""
    if "preset" not in inspect.signature(getattr(module, "get_config", presets)).parameters:
        return []
    with pytest.raises(errors.InputError) as caught:
        module.get_config("no such preset")
    return str(caught.value).rpartition("the choices are ")[2].split(", ")


CHOICES = [(name, preset) for name, module in MODULES.items() for preset in presets(module)]


def get(name, preset):
    return MODULES[name].get_config(preset)


# Keys of a training that no step sees.
UNSEEN = ("inputs", "epochs", "seed", "num_evals", "num_train_eval", "patience")


def networks():
    """Name -> config of every network that is trained somewhere, each different one once."""
    unique = {}
    for choice in CHOICES:
        config = get(*choice)
        for name, network in config.get("stages", {"": config}).items():
            if network.program in ("train", "crossfit"):
                training = crossfit.subfold_config(network, 0) if network.program == "crossfit" else network
                values = {key: value for key, value in training.to_dict().items() if key not in UNSEEN}
                unique.setdefault(json.dumps(values, default=list), (":".join([*choice, name]), training))
    return dict(unique.values())


NETWORKS = networks()


def demo_first(names):
    """Names of networks as parameters: those that no demo trains are slow."""
    return [name if ":demo" in name else pytest.param(name, marks=pytest.mark.slow) for name in names]


def shrunk(config: ConfigDict) -> ConfigDict:
    """The same task, kind of network and optimiser, on 32 x 32 pixels with two stages of a few filters."""
    small = config.copy_and_resolve_references()
    small.update(batch=4, devices=1)
    if small.model.name == "inception":
        small.update(size=(80, 80), model={**small.model.to_dict(), "modules": (("A", 8),)})
    elif small.model.name == "stn":
        small.update(size=(32, 32))
        for part in (small.model.localizer, small.model.classifier):
            part.update(stages=((8, 1), (8, 1)), stem=(8, *part.get("stem", (8, 7, 2))[1:]))
        for part in (small.model, small.task):
            part.crop = (16, 32)
    elif small.model.name == "efficientnet":  # whose stages are the variant's
        small.update(size=(32, 32))
        small.model.variant = "tiny"
    else:
        small.update(size=(32, 32))
        small.model.update(stages=((8, 1), (8, 1)), stem=(8, *small.model.get("stem", (8, 7, 2))[1:]))
        if "grown" in small.model:
            small.model.grown = (0, 1)
    return small


def recipe(config: ConfigDict) -> str:
    """What makes a compiled step differ in kind."""
    small = shrunk(config)
    task, optimizer = small.task, small.optimizer
    kinds = (task.name, bool(task.get("bins")), task.get("move"), optimizer.name, optimizer.get("schedule"))
    return str((kinds, sorted(small.model.items())))


def abstract_create(model, optimizer, *, seed, size):
    """What states.create returns, as shapes only."""
    return jax.eval_shape(lambda: states.init(model, optimizer, seed=np.uint32(seed), size=size))


def shape(leaf):
    return leaf.shape, leaf.dtype


def make_batch(config: ConfigDict):
    """A batch as the loader makes it: views a little larger than the network's input, a head in each."""
    count, (height, width) = config.batch, config.size
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (count, height + 8, width + 8, 3), np.uint8),
        "view": np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
        "index": np.arange(count, dtype=np.int32),
        "label": rng.integers(0, 5, count).astype(np.int32),
        "photos": np.full(count, 3, np.float32),
        "points": np.tile(np.float32([[width / 2, height / 2], [width / 2 + 4, height / 2]]), (count, 1, 1)),
        "box": np.tile(np.float32([width / 3, height / 3, width / 3, height / 3]), (count, 1)),
        "mask": np.ones(count, np.float32),
    }


@pytest.mark.parametrize(("name", "preset"), CHOICES)
def test_every_config_builds(name, preset):
    config = get(name, preset)
    assert json.loads(config.to_json_best_effort())["program"] in program.names()
    assert get(name, preset).to_dict() == config.to_dict()
    assert_ordered(config.get("stages", {}))


def assert_ordered(stages, elsewhere="nowhere"):
    """Every stage has the keys of its program, and takes stages of the pipeline, or of the folder `elsewhere`."""
    order = pipeline.order(stages)
    for later, config in stages.items():
        assert set(config) == {"program", *program.find(config.program).defaults}
        for earlier in config.get("inputs", {}).values():
            if earlier and not earlier.startswith(elsewhere):
                assert earlier in stages, f"{later} waits for {earlier}"
                assert order.index(earlier) < order.index(later)


def seen_by(stages):
    """(name, config, size of its view) of every network whose view a stage of the pipeline cuts."""
    trained = [(name, config, config.inputs.view) for name, config in stages.items() if "task" in config]
    return [(name, config, stages[view].size) for name, config, view in trained if view in stages]


@pytest.mark.parametrize(("name", "preset"), CHOICES)
def test_no_network_passes_over_pixels_of_its_view(name, preset):
    for network, config, view in seen_by(get(name, preset).get("stages", {})):
        dataset.expect_sharp(view, training=config, tta=config.get("tta"))
        assert min(np.divide(view, config.size)) >= 1, f"{network} enlarges its view"


def test_a_view_with_too_many_pixels_is_refused_with_a_size_that_is_not(tmp_path):
    config = get("demo", "smoke")
    config.stages.naive.size = (161, 160)
    with pytest.raises(errors.InputError, match=r"stage naive_classifier: a view of 161 x 160 .* at most 144 x 143"):
        stage.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config.stages.naive.size = (144, 143)
    pipeline.check(config)


@pytest.mark.parametrize("name", ["locate", "adapt"])
def test_configs_that_go_on_from_a_finished_run(name, tmp_path):
    finished = MODULES["pipeline"].get_config("small").stages
    for stage_name in finished:
        (tmp_path / stage_name).mkdir()
        json_files.write(tmp_path / stage_name / "config.json", json.loads(finished[stage_name].to_json_best_effort()))
        json_files.write(tmp_path / stage_name / "result.json", {})
    config = MODULES[name].get_config(str(tmp_path))
    assert_ordered(config.stages, elsewhere=str(tmp_path))
    assert pipeline.order(config.stages)[-1] == "report"
    shown = config.stages.report.inputs
    assert [shown[key] for key in ("photos", "aligner", "refined", "third", "aligned")] == (
        ["photos", "first", "second", "third", "aligned"]
    )
    for stage_name in ("whole", "window", "third_window", "aligned"):  # of the same sizes
        assert tuple(config.stages[stage_name].size) == finished[stage_name].size
    pipeline.check(config)


@pytest.mark.parametrize(("name", "preset"), dict(CHOICES).items())
def test_a_misspelt_preset_has_a_close_match(name, preset):
    with pytest.raises(errors.InputError, match=f"did you mean .*{preset}"):
        get(name, f"{preset}x")


@pytest.mark.slow
@pytest.mark.parametrize("name", demo_first(NETWORKS))
def test_every_network_takes_a_step_at_its_own_size(name, monkeypatch):
    """Traces the step, and computes nothing."""
    monkeypatch.setattr(states, "create", abstract_create)
    config = NETWORKS[name]
    network = build.network(build.recipe(config, classes=CLASSES), steps=10)
    batch = jax.tree.map(lambda v: jax.ShapeDtypeStruct(v.shape, v.dtype), make_batch(config))
    state, metrics = jax.eval_shape(network.train, network.state, batch)
    assert jax.tree.map(shape, state) == jax.tree.map(shape, network.state)
    assert metrics["loss"][0].shape == ()


@pytest.mark.parametrize("name", demo_first({recipe(config): name for name, config in NETWORKS.items()}.values()))
def test_every_recipe_learns_when_it_is_shrunk(name, monkeypatch):
    monkeypatch.setattr(states, "create", abstract_create)  # an initialisation takes as long to compile as a step
    if variant := efficientnet.VARIANTS.get(NETWORKS[name].model.get("variant")):
        tiny_variant = variant._replace(stages=TINY_EFFICIENTNET.stages, stem=8, top=16)
        monkeypatch.setitem(efficientnet.VARIANTS, "tiny", tiny_variant)
    config = shrunk(NETWORKS[name])
    network = build.network(build.recipe(config, classes=5), steps=10)
    rng = np.random.default_rng(0)
    first = jax.tree.map(
        lambda v: (v.dtype.kind == "f") * rng.uniform(0.01, 0.1, v.shape).astype(v.dtype), network.state
    )
    state = network.parallel.put_state(first)
    for _ in range(2):  # a warm-up's first step has a learning rate of 0
        state, metrics = network.train(state, network.parallel.put_batch(make_batch(config)))
    assert np.isfinite(metrics["loss"][0])
    assert metrics["loss"][1] > 0
    changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), first.params, jax.device_get(state.params))
    assert all(jax.tree.leaves(changed))


def tiny(**changes):
    return stage.config("train", size=(8, 8), batch=4, model={"name": "vgg", "stages": ((4, 1),)}, **changes)


def test_the_configs_optimizer_is_the_one_that_runs(monkeypatch):
    monkeypatch.setattr(states, "create", abstract_create)
    adam, nesterov = (
        build.network(build.recipe(tiny(optimizer={"name": n, "lr": 0.1}))).state for n in ("adam", "nesterov")
    )
    assert len(jax.tree.leaves(adam.opt_state)) > 2 * len(jax.tree.leaves(adam.params)) - 1
    assert len(jax.tree.leaves(nesterov.opt_state)) < 2 * len(jax.tree.leaves(nesterov.params))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", {"name": "vg", "stages": ()}, "unknown model 'vg': did you mean vgg"),
        ("model", {"name": "vgg", "stage": ()}, "unknown key of model 'vgg' 'stage': did you mean stages"),
        ("model", {"name": "vgg", "stages": ((4, 1),), "head": "averge"}, "did you mean average"),
        ("task", {"name": "clasify"}, "unknown task 'clasify': did you mean classify"),
        ("task", {"name": "classify", "augmentation": "rotat(3)"}, "did you mean rotate"),
        ("optimizer", {"name": "adamm", "lr": 0.1}, "unknown optimizer 'adamm': did you mean adam"),
        ("optimizer", {"name": "adam", "lr": 0.1, "schedule": "linar"}, "did you mean linear"),
        ("precision", "bfloat", "did you mean bfloat16"),
        ("parallel", "pmp", "did you mean pmap"),
        ("batch", 0, "config.batch = 0 must be a whole number, 1 or more"),
        ("devices", 3, r"4 photos at once \(config.batch / config.accumulate\) do not divide over config.devices = 3"),
        ("accumulate", 3, "config.batch = 4 has no config.accumulate = 3 parts"),
        ("accumulate", 0, "config.accumulate = 0 must be a whole number, 1 or more"),
        ("devices", 9, "asks for 9 devices, but there are 4"),
    ],
)
def test_a_wrong_name_or_number_is_an_input_error_before_any_compile(key, value, message):
    config = tiny()
    with config.unlocked():
        config[key] = ConfigDict(value) if isinstance(value, dict) else value
    with pytest.raises(errors.InputError, match=message):
        stage.check(config)


def test_as_many_devices_are_used_as_the_batch_divides_over():
    assert [build.parallel("jit", batch=batch).devices for batch in (1, 2, 3, 4, 6)] == [1, 2, 3, 4, 3]


def test_an_unknown_key_of_a_program_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean epochs"):
        stage.config("train", epohcs=3)


def test_a_wrong_name_in_a_later_stage_is_found_before_the_first_stage_runs(tmp_path):
    config = get("demo", "smoke")
    config.stages.aligned_classifier.model.name = "resnett"
    with pytest.raises(errors.InputError, match=r"stage aligned_classifier: .*did you mean resnet"):
        stage.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
