"""Optimisers against NumPy, schedules at their ends."""

import jax
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax.runtime import errors, registry
from whale_jax.train import optim

STEPS = 100


def rate(schedule, *, warmup=0.0):
    end = None if schedule == "constant" else 1e-3
    curve = optim.learning_rate(0.1, end, schedule=schedule, warmup=warmup, steps=STEPS)
    return np.array([curve(step) for step in range(0, 2 * STEPS, 10)])


@pytest.mark.parametrize(("schedule", "half"), [("linear", 0.0505), ("cosine", 0.0505), ("constant", 0.1)])
def test_a_schedule_at_its_ends_and_its_half(schedule, half):
    values = rate(schedule)
    end = 0.1 if schedule == "constant" else 1e-3
    assert_allclose(values[[0, 5, 10, 19]], [0.1, half, end, end], rtol=1e-5)
    assert (np.diff(values) <= 1e-9).all()


def test_a_schedule_falls_to_a_hundredth_where_no_end_is_given():
    curve = optim.learning_rate(0.1, None, schedule="linear", warmup=0.0, steps=STEPS)
    assert_allclose(curve(STEPS), 1e-3, rtol=1e-5)


def test_the_end_of_a_rate_that_does_not_fall_is_refused():
    with pytest.raises(errors.InputError, match=r"end_lr is of a schedule that falls: set optimizer\.schedule"):
        optim.optimizer(lr=0.1, end_lr=1e-3, steps=STEPS)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_a_warm_up_starts_at_nothing_and_leaves_the_end_where_it_was(schedule):
    values = rate(schedule, warmup=0.2)
    assert_allclose(values[:3], [0, 0.05, 0.1], atol=1e-7)
    assert_allclose(values[10], 0.1 if schedule == "constant" else 1e-3, rtol=1e-5)


def gradients():
    rng = np.random.default_rng(0)
    return [{"layer": {"kernel": g[:4], "bias": g[4:]}} for g in rng.normal(0, 1, (3, 6)).astype(np.float32)]


PARAMS = {"layer": {"kernel": np.array([1.0, -2, 0.5, 3], np.float32), "bias": np.array([0.1, -0.3], np.float32)}}


def train(**options):
    """Kernel and bias after three steps with learning rates of 0.1, 0.0667 and 0.0333 (linear to 0)."""
    optimizer = optim.optimizer(lr=0.1, end_lr=0.0, schedule="linear", steps=3, **options)
    params, state = PARAMS, optimizer.init(PARAMS)
    for gradient in gradients():
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params["layer"]["kernel"], params["layer"]["bias"]


def reference(direction, *, l2=0.0, weight_decay=0.0, clip=0.0):
    """The same in NumPy; `direction` makes an update of (gradient, memory, step), one memory a parameter."""
    values = {name: value.astype(np.float64) for name, value in PARAMS["layer"].items()}
    memory = {"kernel": {}, "bias": {}}
    for step, gradient in enumerate(gradients()):
        gradient = {name: value.astype(np.float64) for name, value in gradient["layer"].items()}
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        for name, value in values.items():
            g = gradient[name] * (clip / norm if clip and norm > clip else 1)
            kernel = name == "kernel"
            update = direction(g + kernel * 2 * l2 * value, memory[name], step + 1) + kernel * weight_decay * value
            values[name] = value - 0.1 * (1 - step / 3) * update
    return values["kernel"], values["bias"]


def adam(g, memory, step):
    memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
    return memory["m"] / (1 - 0.9**step) / (np.sqrt(memory["v"] / (1 - 0.999**step)) + 1e-8)


def nesterov(g, memory, step):
    memory["velocity"] = 0.9 * memory.get("velocity", 0) + g
    return g + 0.9 * memory["velocity"]


@pytest.mark.parametrize("options", [{}, {"l2": 0.05}, {"weight_decay": 0.05}, {"clip": 0.7, "l2": 0.01}])
@pytest.mark.parametrize("direction", [adam, nesterov])
def test_three_steps_are_those_of_a_reference(direction, options):
    for values, expected in zip(
        train(name=direction.__name__, **options), reference(direction, **options), strict=True
    ):
        assert_allclose(values, expected, rtol=2e-5, atol=1e-6)


def test_kernels_are_the_weights_of_convolutions_and_dense_layers():
    params = {"a": {"kernel": 0, "bias": 0}, "b": {"c": {"scale": 0, "kernel": 0}}}
    assert optim.kernels(params) == {"a": {"kernel": True, "bias": False}, "b": {"c": {"scale": False, "kernel": True}}}


def test_the_rate_is_read_from_the_state_so_a_step_is_compiled_once():
    optimizer = optim.optimizer(lr=0.1, schedule="cosine", steps=3)
    update = jax.jit(optimizer.update)
    state = optimizer.init(PARAMS)
    for gradient in gradients():
        _, state = update(gradient, state, PARAMS)
    assert update._cache_size() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "adm"}, "did you mean adam"),
        ({"schedule": "cosin"}, "did you mean cosine"),
    ],
)
def test_a_wrong_name_is_an_input_error(options, message):
    with pytest.raises(errors.InputError, match=message):
        optim.optimizer(lr=0.1, steps=3, **options)


@pytest.mark.parametrize("name", sorted(optim.RULES))
def test_every_optimiser_comes_nearer_to_the_least(name):
    optimizer = optim.optimizer(name=name, lr=0.1, schedule="cosine", weight_decay=0.01, steps=50)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.tree.map(lambda x: 2 * x, params), state, params)
        return (optax.apply_updates(params, updates), state), optax.tree.norm(params)

    params = jax.tree.map(lambda leaf: leaf.reshape(2, -1), PARAMS)
    _, norms = jax.lax.scan(step, (params, optimizer.init(params)), None, length=50)
    assert norms[-1] < norms[0]


def one_step(params, **options):
    optimizer = optim.optimizer(**{"name": "sgd", "lr": 0.5, "steps": 1} | options)
    return optimizer.update(params, optimizer.init(params), params)


@pytest.mark.parametrize("name", ["adam", "adamw", "novograd"])
def test_weight_decay_shrinks_kernels_and_kernels_alone(name):
    params = {"layer": {"kernel": np.ones((2, 2), np.float32), "bias": np.ones(2, np.float32)}}
    plain, decayed = (one_step(params, name=name, weight_decay=decay)[0]["layer"] for decay in (0.0, 0.1))
    assert_allclose(decayed["kernel"] - plain["kernel"], -0.05, rtol=1e-5)
    assert_array_equal(decayed["bias"], plain["bias"])


def test_an_argument_of_optax_is_passed_on():
    values = train(name="adam", b1=0.0, b2=0.0, eps=1.0)
    expected = reference(lambda g, memory, step: g / (np.abs(g) + 1))
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-5), values, expected)


NETWORK = {
    "localizer": {"Dense_0": {"kernel": np.ones(3, np.float32), "bias": np.ones(3, np.float32)}},
    "classifier": {"Dense_0": {"kernel": np.ones(3, np.float32)}},
}


def test_a_group_has_a_rate_and_a_decay_of_its_own_and_the_first_that_matches_decides():
    groups = (("localizer/.*/kernel", {"lr": 0.1, "weight_decay": 0.5}), ("localizer/.*", {"lr": 0.01}))
    updates, _ = one_step(NETWORK, groups=groups, weight_decay=0.2)
    assert_allclose(updates["localizer"]["Dense_0"]["kernel"], -0.5 * 0.1 * (1 + 0.2 * 0.5), rtol=1e-6)
    assert_allclose(updates["localizer"]["Dense_0"]["bias"], -0.5 * 0.01, rtol=1e-6)
    assert_allclose(updates["classifier"]["Dense_0"]["kernel"], -0.5 * 1.2, rtol=1e-6)


def test_a_group_that_changes_nothing_changes_nothing():
    options = {"name": "adam", "lr": 0.1, "weight_decay": 0.1, "clip": 1.0, "l2": 0.1, "warmup": 0.5, "steps": 4}
    plain, grouped = (one_step(NETWORK, groups=groups, **options)[0] for groups in ((), ((".*/bias", {}),)))
    jax.tree.map(assert_array_equal, plain, grouped)


def test_what_is_frozen_stays_has_no_moments_and_is_left_out_of_the_norm():
    groups = (("localizer/.*", {"frozen": True}),)
    updates, state = one_step(NETWORK, name="nesterov", momentum=0.0, groups=groups, clip=1.0, l2=0.1)
    assert not any(leaf.any() for leaf in jax.tree.leaves(updates["localizer"]))
    assert_allclose(updates["classifier"]["Dense_0"]["kernel"], -0.5 * (1 / np.sqrt(3) + 0.2), rtol=1e-6)
    moments = [leaf for leaf in jax.tree.leaves(state) if leaf.shape == (3,)]
    assert len(moments) == 1


def test_modules_are_frozen_where_all_of_their_parameters_are():
    def modules(*patterns):
        return optim.frozen_modules([(pattern, {"frozen": True}) for pattern in patterns], NETWORK)

    assert modules("localizer/.*") == {("localizer",), ("localizer", "Dense_0")}
    assert modules("localizer/.*/kernel") == set()
    assert modules(".*/kernel") == {("classifier",), ("classifier", "Dense_0")}
    assert () in modules(".*")
    assert optim.frozen_modules([("localizer/.*", {"lr": 0.0})], NETWORK) == set()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([("localiser/.*", {})], "matches no parameter: the nearest are localizer/"),
        ([("localizer", {"frozen": True})], "matches no parameter: the nearest are localizer/"),
        ([("localizer/.*", {}), (".*/bias", {})], "'.*/bias' .* is in an earlier group"),
        ([("localizer/.*", {"rate": 1})], "unknown option of the group 'localizer/.*' .*'rate'"),
        ([("localizer/(", {})], "missing \\)"),
        ([("localizer/.*", {"lr": 0.1}), ("localizer/.*", {"lr": 2.0})], "twice: join their options"),
        ([("localizer/.*", 0.1)], "write "),
        ("localizer/.*", "write "),
    ],
)
def test_a_group_that_cannot_be_meant_is_an_input_error(groups, message):
    with pytest.raises(errors.InputError, match=message):
        one_step(NETWORK, groups=groups)


def test_a_config_shows_what_every_optimiser_has_and_takes_what_its_own_has():
    table, spec = optim.OPTIMIZERS, {"name": "adam", "lr": 0.1}
    assert registry.complete("optimizer", table, spec) == spec | {
        "schedule": "constant",
        "warmup": 0.0,
        "l2": 0.0,
        "weight_decay": 0.0,
        "clip": 0.0,
        "groups": (),
    }
    registry.build("optimizer", table, {**spec, "b1": 0.5}, steps=1)
    with pytest.raises(errors.InputError, match="unknown key of optimizer 'adam' 'betas1'"):
        registry.build("optimizer", table, {**spec, "betas1": 0.5}, steps=1)
    with pytest.raises(errors.InputError, match="unknown key of optimizer 'adam' 'momentum'"):
        optim.optimizer(lr=0.1, momentum=0.9, steps=1)
