"""The cost of the training loop beside its compiled step: loading, prefetching, logging, under the transfer guard.

    python -m benchmarks.loop [--size=128] [--batch=32] [--steps=40] [--repeat=5]

The bar is 3 % more than the bare step on a batch that lies on the devices already, and one compilation of each step
function. Every round times both, one after the other; on a shared machine take many short rounds: the median counts.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks import noise
from configs import classifier
from whale_jax.data import loader
from whale_jax.experiment import build
from whale_jax.train import loop

WHALES, PHOTOS = 20, 512


def main() -> None:
    """Prints a line a round, the median ratio and the number of compilations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="side of the network's input, in pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="steps a round")
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    flags = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", os.cpu_count())

    config = classifier.get_config("demo", size=(flags.size, flags.size), batch=flags.batch)
    network = build.network(build.recipe(config, classes=WHALES), steps=flags.steps)
    examples = noise.photos(PHOTOS, (flags.size * 9 // 8,) * 2, whales=WHALES).examples
    batches = loader.training(examples, np.arange(PHOTOS), batch=flags.batch, seed=0)
    state = jax.device_get(network.state)  # every round begins with it: a step uses up the state that it is given
    bare(network, state, batches, 2)  # compiles

    rounds = []
    print(f"{flags.size}x{flags.size}, batch {flags.batch}, {jax.device_count()} devices, {os.cpu_count()} cores")
    for _ in range(flags.repeat):
        alone = bare(network, state, batches, flags.steps)
        looped = fit(network, state, batches, flags.steps, flags.batch)
        rounds.append((alone, looped))
        print(f"bare {1e3 * alone:6.1f} ms/step   loop {1e3 * looped:6.1f} ms/step   {percent(looped, alone)}")
    median = percent(statistics.median(looped / alone for alone, looped in rounds), 1)
    best = percent(*(min(times) for times in reversed(tuple(zip(*rounds, strict=True)))))
    print(f"the loop costs {median} by the median round, {best} by the best of each (the bar is +3 %)")
    for _ in range(2):
        rows = loader.evaluation(examples, np.arange(flags.batch + 1), batch=flags.batch)
        loop.evaluate(network.evaluate, network.parallel.put_state(state), batches=rows, parallel=network.parallel)
    counts = {name: getattr(network, name)._cache_size() for name in ("train", "evaluate")}
    print("compilations: " + ", ".join(f"{name} {count}" for name, count in counts.items()))


def percent(looped: float, alone: float) -> str:
    """How much slower the loop is, such as "+1.1 %"."""
    return f"{100 * (looped / alone - 1):+.1f} %"


def bare(network: build.Network, state, batches, steps: int) -> float:
    """Seconds a step of the compiled function alone."""
    state, batch = network.parallel.put_state(state), network.parallel.put_batch(batches(0))
    jax.block_until_ready((state, batch))
    began = time.perf_counter()
    for _ in range(steps):
        state, metrics = network.train(state, batch)
    jax.block_until_ready((state, metrics))
    return (time.perf_counter() - began) / steps


def fit(network: build.Network, state, batches, steps: int, batch: int) -> float:
    """Seconds a step of the loop, without its checkpoint."""
    plan = loop.Plan(steps, batch, eval_every=steps, log_every=20, patience=0, best="log_loss", maximise=False)
    with tempfile.TemporaryDirectory() as folder:
        _, result = loop.fit(
            state,
            network.train,
            plan=plan,
            parallel=network.parallel,
            training=batches,
            measures={"valid": lambda state: {}},
            workdir=Path(folder),
        )
    return result["seconds"] / steps


if __name__ == "__main__":
    main()
