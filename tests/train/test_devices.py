"""What more devices change: nothing but who computes what. In processes of their own, which have eight of them."""

import sys

import jax
import numpy as np
import pytest

from benchmarks import scaling
from tests import processes
from tests.train import test_step
from tests.train.test_compile import SIZE, Rows
from whale_jax.models import MODELS
from whale_jax.tasks.classify import classify
from whale_jax.train import optim
from whale_jax.train import state as states
from whale_jax.train.parallel import parallel
from whale_jax.train.step import make_train_step

ON_EIGHT = """
import jax
jax.config.update("jax_num_cpu_devices", 8)
from tests.train import test_devices
test_devices.{function}(*{arguments})
"""
STAGES = ((4, 1), (8, 1))


def on_eight(function, *arguments):
    """Calls a function of this module where there are eight devices; how that ended."""
    code = ON_EIGHT.format(function=function.__name__, arguments=arguments)
    [ended] = processes.commands([[sys.executable, "-c", code]])
    return ended


def same_training(name, atol):
    """Twenty steps with batch norm, dropout and augmentation leave the same parameters, to the rounding of sums.

    In a residual network they are apart by 7e-7 until, at step 12, a rectifier's input falls on the other side of 0.
    """
    single, metrics = test_step.train(name, "jit", 1, steps=20)
    for mode, devices in [("jit", 2), ("pmap", 4), ("jit", 8), ("pmap", 8)]:
        other, other_metrics = test_step.train(name, mode, devices, steps=20)
        test_step.assert_same((single.params, single.batch_stats), (other.params, other.batch_stats), atol=atol)
        test_step.assert_same(metrics, other_metrics, atol=1e-3)


def exchanged(name, mode, devices):
    """What devices tell each other in a training step, and parameters and statistics of its network."""
    task = classify(size=SIZE, classes=2, augmentation="rotate(10)|gamma(0.8,1.2)")
    model = MODELS[name](outputs=2, stem=(4, 3, 1), stages=STAGES)
    optimizer = optim.optimizer(lr=0.01, steps=8)
    devices_used, state = parallel(mode, devices), states.create(model, optimizer, seed=0, size=SIZE)
    batch = devices_used.put_batch(Rows()[np.arange(8)])
    step = (
        devices_used.train(make_train_step(model, task, optimizer=optimizer))
        .lower(devices_used.put_state(state), batch)
        .compile()
    )
    return scaling.collectives(step.as_text()), states.parameter_count(state), jax.tree.leaves(state.batch_stats)


def sums_alone(name, mode):
    """Of every layer of batch norm once forwards and once backwards, with the gradients that are there by then."""
    two, parameters, norms = exchanged(name, mode, 2)
    eight, *_ = exchanged(name, mode, 8)
    assert two == eight
    assert {kind for kind, _ in two} == {"all-reduce"}
    layers, channels = len(norms) // 2, sum(leaf.size for leaf in norms) // 2
    assert len(two) <= 2 * layers + 1
    least = 4 * (parameters + 2 * channels)  # gradients, and of each channel the mean and the mean square
    assert least <= sum(size for _, size in two) <= least + 4 * (2 * channels + 10)


@pytest.mark.cluster
@pytest.mark.parametrize(("name", "atol"), [("vgg", 1e-5), ("resnet", 5e-4)])
def test_one_to_eight_devices_give_the_same_training(name, atol):
    ended = on_eight(same_training, name, atol)
    assert not ended.returncode, ended.stdout[-5000:]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_as_many_devices_give_the_same_training_bit_for_bit(mode):
    first, second = (test_step.train("vgg", mode, 2, steps=5) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(first), jax.device_get(second))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_two_devices_give_the_training_of_one_to_rounding(mode):
    single, two = (test_step.train("vgg", *options, steps=5)[0] for options in (("jit", 1), (mode, 2)))
    test_step.assert_same((single.params, single.batch_stats), (two.params, two.batch_stats), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode"), [("vgg", "pmap"), ("resnet", "jit")])
def test_devices_tell_each_other_sums_of_gradients_metrics_and_norms_and_nothing_else(name, mode):
    ended = on_eight(sums_alone, name, mode)
    assert not ended.returncode, ended.stdout[-5000:]


def test_what_xla_prints_is_read():
    text = """
    %all-reduce.1 = (f32[3,3]{1,0}, /*index=1*/bf16[4]{0}, f32[]) all-reduce(%a, %b, %c), channel_id=1
    ROOT %gathered = f32[8,2]{1,0} all-gather-start(f32[4,2]{1,0} %x), dimensions={0}
    %sum = f32[4]{0} add(f32[4]{0} %p, f32[4]{0} %all-reduce.7)
    """
    assert scaling.collectives(text) == [("all-reduce", 48), ("all-gather", 64)]


def test_more_devices_never_cost_less_and_a_slow_link_costs_more():
    sizes, fast, slow = [4_000_000, 400, 400], *scaling.LINKS.values()
    steps = [scaling.seconds(1e12, 1e9, reduced=sizes, count=count, link=fast) for count in scaling.COUNTS]
    assert steps == sorted(steps)
    assert scaling.seconds(1e12, 1e9, reduced=sizes, count=64, link=slow) > steps[-1]
    assert steps[0] == pytest.approx(max(1e12 / scaling.RATE, 1e9 / scaling.MEMORY))
