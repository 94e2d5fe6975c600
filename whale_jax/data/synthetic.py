"""A pod of drawn right whales, written in the layout of the Kaggle competition: the embedded default."""

import hashlib
import json
import pathlib
import tempfile

import numpy as np

from whale_jax.data import annotations, drawing, tables
from whale_jax.data.drawing import Shot
from whale_jax.runtime import errors, threads

VERSION = 1  # goes up when the drawing changes, so that an older pod is not taken for a new one


def draw(folder: pathlib.Path, *, seed: int, whales: int, photos: int, test: int, width: int) -> dict[str, int]:
    """Draws a pod into `folder`, or finds it there. The same arguments give the same files, byte for byte.

    Besides the competition's files, `truth.csv` tells whale and points of the test photos, and `pod.json` the arguments
    and the bursts (photos of one encounter, seconds apart).

    Args:
        folder: must not exist, be empty, or hold the pod of these very arguments; else InputError.
        seed: decides everything.
        whales: number of individuals; at least two of them have a single train photo.
        photos: number of train photos, two a whale or more.
        test: number of test photos, each an encounter of its own.
        width: of a photo in pixels; its height is two thirds of that.

    Returns:
        The counts: photos, test, whales, singles, bursts.
    """
    folder = pathlib.Path(folder)
    arguments = {"seed": seed, "whales": whales, "photos": photos, "test": test, "width": width, "version": VERSION}
    if whales < 3 or photos < 2 * whales or test < 0 or width < 64:
        raise errors.InputError(f"a pod takes 3 whales, 2 photos a whale and a width of 64 or more, not {arguments}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _reuse(folder, arguments)
    whale_ids, train, tests = roster(seed, whales=whales, photos=photos, test=test)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        root = pathlib.Path(scratch, "pod")
        (root / "imgs").mkdir(parents=True)

        def develop(shot: Shot) -> np.ndarray:
            photo, points = drawing.photograph(seed, shot, width=width)
            photo.save(root / "imgs" / shot.name, quality=90)
            return points

        # Threads: NumPy and Pillow release the lock, and nothing has to be imported again.
        points = list(threads.ahead(develop, train + tests, workers=min(threads.cores(), 16)))
        _write_tables(root, whale_ids, train, tests, points)
        later = {shot.moment for shot in train if shot.name != shot.moment}
        bursts = [[shot.name for shot in train if shot.moment == moment] for moment in sorted(later)]
        singles = int((np.bincount([shot.whale for shot in train]) == 1).sum())
        counts = {"photos": photos, "test": test, "whales": whales, "singles": singles, "bursts": len(bursts)}
        pod = {"arguments": arguments, "counts": counts, "bursts": bursts, "digest": _digest(root)}
        (root / "pod.json").write_text(json.dumps(pod, indent=1), encoding="utf-8")
        root.rename(folder)
    return counts


def roster(seed: int, *, whales: int, photos: int, test: int) -> tuple[list[str], list[Shot], list[Shot]]:
    """Who is photographed when: a long tail with single photos and a few bursts.

    Returns:
        The whaleIDs, and the shots of the train and of the test photos, by name.
    """
    rng = drawing.generator(seed, "roster")
    ids = [f"whale_{n:05d}" for n in sorted(rng.choice(100_000, whales, replace=False))]
    singles = max(2, round(0.08 * whales))
    share = rng.lognormal(0, 0.7, whales - singles)
    spare = photos - singles - 2 * len(share)
    extra = np.floor(share / share.sum() * spare).astype(int)
    extra[np.argsort(-share)[: spare - extra.sum()]] += 1
    counts = rng.permutation(np.concatenate([np.ones(singles, int), 2 + extra]))
    names = [f"w_{n}.jpg" for n in rng.permutation(photos + test)]
    train = []
    for whale, count in enumerate(counts):
        members = names[len(train) : len(train) + count]
        burst = rng.integers(2, 4) if count >= 6 and rng.random() < 0.5 else 1
        train += [Shot(name, whale, members[0] if i < burst else name) for i, name in enumerate(members)]
    whale_of_test = rng.choice(whales, test, p=counts / photos)
    tests = [Shot(name, int(whale), name) for name, whale in zip(names[photos:], whale_of_test, strict=True)]
    return ids, sorted(train), sorted(tests)


def _write_tables(root, ids, train, tests, points) -> None:
    """The annotations of the train photos, the sample submission, and the truth about the test photos."""
    boxes, sloth = [], ([], [])
    for shot, places in zip(train, points, strict=False):
        boxes.append([shot.name, ids[shot.whale], *annotations.around(places[None])[0].round(3)])
        for rows, (x, y) in zip(sloth, places.round(3).tolist(), strict=True):
            annotation = {"class": "point", "x": x, "y": y}
            rows.append({"annotations": [annotation], "class": "image", "filename": shot.name})
    for file, rows in zip(("points1.json", "points2.json"), sloth, strict=True):
        (root / file).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    truth = [[s.name, ids[s.whale], *p.round(3).ravel()] for s, p in zip(tests, points[len(train) :], strict=True)]
    tables.write(root / "train.csv", ["Image", "whaleID"], rows=[[s.name, ids[s.whale]] for s in train])
    columns = ["Image", "whaleID", "x", "y", "width", "height"]
    tables.write(root / "train_with_annotations_vinh.csv", columns, rows=boxes)
    uniform = [f"{1 / len(ids):.6f}"] * len(ids)
    tables.write(root / "sample_submission.csv", ["Image", *ids], rows=[[s.name, *uniform] for s in tests])
    columns = ["Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"]
    tables.write(root / "truth.csv", columns, rows=truth)


def _reuse(folder: pathlib.Path, arguments: dict) -> dict[str, int]:
    """The counts of the pod in `folder`; InputError if it is not whole or not of `arguments`."""
    advice = "delete that folder or name another"
    try:
        pod = json.loads((folder / "pod.json").read_text(encoding="utf-8"))
        drawn, digest, counts = pod["arguments"], pod["digest"], pod["counts"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise errors.InputError(f"{folder}: is not empty and holds no pod: {advice}") from None
    if drawn != arguments:
        raise errors.InputError(f"{folder}: holds the pod of {drawn}, not of {arguments}: {advice}")
    if digest != _digest(folder):
        raise errors.InputError(f"{folder}: its files are not those that were drawn: {advice}")
    return counts


def _digest(root: pathlib.Path) -> str:
    """Hash of names and bytes of all files below `root` but pod.json."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p != root / "pod.json"):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
