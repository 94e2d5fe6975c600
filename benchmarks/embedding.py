"""The cost of a step of pairs and triplets, of a spatial transformer's sampler, and of a search in a large gallery.

    python -m benchmarks.embedding [--steps=20] [--repeat=5] [--gallery=1000000]

The bars are 10 % more than the classifier's step with the same batch, and 15 % of the transformer's step. Every round
times each of them once; on a shared machine the median counts.

Galleries are of a million narrow features, and of 100,000 wide ones, as identify searches a gallery.
docs/performance.md has the figures.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import noise
from configs import classifier, embedding, stn
from whale_jax import geometry, losses
from whale_jax.data import loader
from whale_jax.evaluation import retrieval
from whale_jax.experiment import build

WHALES, PHOTOS, QUERIES, DIMENSIONS, WIDE = 447, 512, 1000, 128, 4096


def main() -> None:
    """Prints ms a step and its ratio, and queries a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="steps a round")
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    parser.add_argument("--gallery", type=int, default=1_000_000, help="photos to search in")
    flags = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    work = {"classifier": stepping(classifier.get_config("crops"))}
    work |= {loss.__name__: stepping(embedding.get_config(loss.__name__)) for loss in losses.PAIRWISE}
    work |= {"transformer": stepping(stn.get_config("joint")), "its sampler": sampling(stn.get_config("joint"))}
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(flags.repeat + 1):  # the first compiles
        for name, step in work.items():
            began = time.perf_counter()
            for _ in range(flags.steps if turn else 1):
                result = step()
            jax.block_until_ready(result)
            if turn:
                times[name].append((time.perf_counter() - began) / flags.steps)
    for name, values in times.items():
        base = "transformer" if name == "its sampler" else "classifier"
        ratio = statistics.median(a / b for a, b in zip(values, times[base], strict=True))
        print(f"{name:>16} {1e3 * statistics.median(values):7.1f} ms   {100 * ratio:6.1f} % of the {base}'s step")
    search(flags.gallery)
    score_whales(flags.gallery // 10)


def stepping(config) -> Callable:
    """A training step on a batch that lies on the devices already, as a function without arguments."""
    network = build.network(build.recipe(config, classes=WHALES))
    size = tuple(side * 6 // 5 for side in config.size)
    data = noise.photos(PHOTOS, size, whales=WHALES // 4)
    sampling = {"label": data.photos.label, "images_per_class": config.images_per_class}
    batch = loader.training(data.examples, np.arange(PHOTOS), batch=config.batch, seed=0, **sampling)(0)
    batch["points"] += np.array([[size[1] / 2, size[0] / 2], [size[1] / 3, size[0] / 2]])
    state, batch = network.parallel.put_state(network.state), network.parallel.put_batch(batch)

    def step():
        nonlocal state
        state, metrics = network.train(state, batch)
        return metrics

    return step


def sampling(config) -> Callable:
    """The sampler alone, forwards and backwards, on the devices of the step."""
    devices = build.recipe(config, classes=WHALES).parallel
    crop, (height, width) = tuple(config.model.crop), config.size
    matrix = np.array(
        geometry.denormalise(jnp.array([-0.6, 0.2, -0.2, -0.6, 0.1, 0.1]), crop=crop, size=(height, width))
    )
    batch = {
        "image": np.random.default_rng(0).normal(size=(config.batch, height, width, 3)).astype(np.float32),
        "matrix": np.tile(matrix, (config.batch, 1, 1)),
        "cotangent": np.random.default_rng(1).normal(size=(config.batch, *crop, 3)).astype(np.float32),
    }

    def back(state, batch):
        def sample(matrix):
            return jax.vmap(lambda image, m: geometry.pull(image, m, size=crop))(batch["image"], matrix)

        crops, pullback = jax.vjp(sample, batch["matrix"])
        return {"sum": (jnp.float32(0), jnp.float32(1))}, {"crop": crops, "slope": pullback(batch["cotangent"])[0]}

    run, batch = devices.evaluate(back), devices.put_batch(batch)
    return lambda: run((), batch)


def search(photos: int) -> None:
    """Prints how many queries per second find their five nearest photos."""
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((photos, DIMENSIONS), np.float32)
    queries = gallery[:QUERIES] + 0.1 * rng.standard_normal((min(QUERIES, photos), DIMENSIONS), np.float32)
    retrieval.nearest(queries, gallery[:100_000], k=5)  # compiles
    began = time.perf_counter()
    _, rows = retrieval.nearest(queries, gallery, k=5)
    seconds = time.perf_counter() - began
    right = (rows[:, 0] == np.arange(len(queries))).mean()
    print(
        f"five nearest of {photos:,} x {DIMENSIONS}: {len(queries) / seconds:,.0f} queries/s, {right:.0%} found again"
    )


def score_whales(photos: int) -> None:
    """Prints how many queries per second are scored against all whales of a gallery of whitened features, as identify.

    It never holds the cosines of all queries and all photos, nor a copy of the gallery.
    """
    rng = np.random.default_rng(0)
    gallery = np.concatenate([rng.standard_normal((block, WIDE), np.float32) for block in shares(photos)])
    queries, label = gallery[:QUERIES] + 0.1, np.arange(photos) % WHALES
    began = time.perf_counter()
    scores = retrieval.by_photo_and_prototype(gallery, label=label, whales=WHALES)(queries)
    seconds, right = time.perf_counter() - began, (scores.argmax(1) == label[: len(queries)]).mean()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rate = f"{len(queries) / seconds:,.0f} queries/s, {right:.0%} named"
    print(f"whales of {photos:,} x {WIDE}: {rate}, {most:.1f} GiB at most")


def shares(photos: int) -> list[int]:
    """A number of photos in blocks of 10,000, at most."""
    return [10_000] * (photos // 10_000) + [photos % 10_000]


if __name__ == "__main__":
    main()
