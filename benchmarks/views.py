"""Views rendered a second, against Pillow's draft decoding alone (target: 60 % of it).

    python -m benchmarks.views [--folder=photos/imgs] [--limit=300] [--size=256]

Without a folder, the photos are noise of 3072x2048 pixels, as large as the competition's. Both sides read the same
bytes from memory with one thread a core. On a shared machine, trust the processor time.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from whale_jax import geometry
from whale_jax.data import render as rendering
from whale_jax.data.right_whale import Photos


def main() -> None:
    """Prints a line a kind of view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    if arguments.folder:
        files = [path.read_bytes() for path in sorted(arguments.folder.glob("*.jpg"))[: arguments.limit]]
    else:
        files = drawn(8) * (arguments.limit // 8)
    photos, size = as_photos(files), (arguments.size, arguments.size)
    print(f"{len(files)} photos of {photos.size[0, 1]}x{photos.size[0, 0]}, {os.cpu_count()} cores, views of {size}")
    for name, matrices in (("whole photo", whole(photos, size)), ("aligned head", heads(photos, size))):
        plan = rendering._plan(photos.size, matrices, size=size)
        shrunk = np.rint(photos.size[:, ::-1] * plan.scale).astype(int).tolist()
        alone, alone_cpu = cost(lambda shrunk=shrunk: draft(files, shrunk))
        rendered, rendered_cpu = cost(lambda matrices=matrices: render(photos, matrices, size))
        rates = f"draft alone {len(files) / alone:.0f} photos/s, rendered {len(files) / rendered:.0f} views/s"
        print(f"{name:12s}: {rates}: {alone / rendered:.0%} (by processor time {alone_cpu / rendered_cpu:.0%})")


def cost(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock and of all processors, each the best of three runs after one that compiles."""
    work()
    runs = []
    for _ in range(3):
        clock, processors = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - clock, time.process_time() - processors))
    return tuple(min(column) for column in zip(*runs, strict=True))


def draft(files: list[bytes], shrunk: list[tuple[int, int]]) -> None:
    """Pillow alone: the least decoding that is as large as each photo must be."""

    def decode(jpeg: bytes, size: tuple[int, int]) -> None:
        image = Image.open(io.BytesIO(jpeg))
        image.draft(None, size)
        image.load()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode, files, shrunk))


def render(photos: Photos, matrices: np.ndarray, size: geometry.Size) -> None:
    """Renders the views into a file that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        rendering.write(photos, matrices, size=size, path=Path(folder) / "images.npy")


def whole(photos: Photos, size: geometry.Size) -> np.ndarray:
    """Photos squashed to `size`."""
    return np.asarray(geometry.resize(photos.size.T, size))


def heads(photos: Photos, size: geometry.Size) -> np.ndarray:
    """A head of 8 % of the photo's width in the middle of each photo, at any heading."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, len(photos.name))
    width = photos.size[:, 1]
    middle = np.stack([width / 2, photos.size[:, 0] / 2], axis=-1)
    arm = (0.04 * width * np.stack([np.cos(angle), np.sin(angle)])).T
    points = np.stack([middle + arm, middle - arm], axis=1)
    target = np.array([[0.8 * size[1], size[0] / 2], [0.3 * size[1], size[0] / 2]])
    return np.asarray(geometry.fit_similarity(points.astype(np.float32), target.astype(np.float32)))


def drawn(count: int) -> list[bytes]:
    """Pictures of smooth noise, 3072x2048."""
    files = []
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(0, 256, (128, 192, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize((3072, 2048), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def as_photos(files: list[bytes]) -> Photos:
    """The files as a dataset without labels."""
    count = len(files)
    size = np.array([Image.open(io.BytesIO(file)).size[::-1] for file in files], np.int32)
    unknown = np.full(count, "")
    points, box = np.full((count, 2, 2), np.nan, np.float32), np.full((count, 4), np.nan, np.float32)
    name, label = np.array([f"w_{i}.jpg" for i in range(count)]), np.full(count, -1, np.int32)
    return Photos(name, unknown, label, points, box, unknown, size, (), "", files.__getitem__)


if __name__ == "__main__":
    main()
