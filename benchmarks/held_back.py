"""Crops held back from a run, and asked about later: are known whales named, and new ones called new?

    python -m benchmarks.held_back --crops=DIR --deal=FOLDER
    python -m whale_jax.main --config=configs/matching.py:hog --config.data.root=FOLDER/kept --workdir=runs/held
    python -m whale_jax.main --config=configs/identify.py:runs/held --config.data.root=FOLDER/new --workdir=runs/june
    python -m benchmarks.held_back --crops=DIR --answers=runs/june/identified

Held back are all crops of 25 whales, and one crop each of 150 whales that have two more at least.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whale_jax.data import tables
from whale_jax.report import answers

UNKNOWN, RESIGHTED, FEWEST = 25, 150, 3
OLD_WHALES, NEW_WHALES = "of known whales", "of new whales"
COLUMNS = ("crops", "top-1", "top-5", "called new", "p_none, mean")


def main() -> None:
    """Deals the crops out, or prints a table of the answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=Path, required=True, help="ready crops: train.csv and train/")
    parser.add_argument("--deal", type=Path, help="writes kept/ and new/ into this folder")
    parser.add_argument("--answers", type=Path, help="the folder `identified` of the run that was asked")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    whale = {row["Image"]: row["whaleID"] for row in tables.read(arguments.crops / "train.csv", ("Image", "whaleID"))}
    sides = draw(whale, seed=arguments.seed)
    if arguments.deal:
        deal(arguments.crops, arguments.deal, whale=whale, held_back={*sides[OLD_WHALES], *sides[NEW_WHALES]})
    if arguments.answers:
        for line in measure(arguments.answers, whale, sides=sides):
            print(line)


def draw(whale: Mapping[str, str], *, seed: int) -> dict[str, list[str]]:
    """The crops held back by a seed, of crop -> whale: all NEW_WHALES', and one each of OLD_WHALES, which stay."""
    rng, crops = np.random.default_rng(seed), {}
    for crop, name in whale.items():
        crops.setdefault(name, []).append(crop)
    unknown = set(rng.choice(sorted(crops), UNKNOWN, replace=False))
    candidates = [name for name in sorted(crops) if name not in unknown and len(crops[name]) >= FEWEST]
    resights = [str(rng.choice(crops[name])) for name in rng.choice(candidates, RESIGHTED, replace=False)]
    return {OLD_WHALES: resights, NEW_WHALES: [crop for crop, name in whale.items() if name in unknown]}


def deal(crops: Path, folder: Path, *, whale: Mapping[str, str], held_back: set[str]) -> None:
    """Copies crops into two folders, those held back without their names; a folder that is there is an error."""
    for name in ("kept/train", "new"):
        (folder / name).mkdir(parents=True)
    for crop in whale:
        shutil.copy(crops / "train" / crop, folder / ("new" if crop in held_back else "kept/train"))
    rows = [(crop, name) for crop, name in whale.items() if crop not in held_back]
    tables.write(folder / "kept" / "train.csv", ["Image", "whaleID"], rows=rows)


def measure(folder: Path, whale: Mapping[str, str], *, sides: Mapping[str, list[str]]) -> list[str]:
    """A table, a line a side, of what `identify` answered about the crops held back."""
    photos = answers.read(folder).photos
    lines = [f"| held back | {' | '.join(COLUMNS)} |", f"| --- | {' | '.join(['---:'] * len(COLUMNS))} |"]
    for side, crops in sides.items():
        named = [[candidate.whale for candidate in photos[crop].whales] for crop in crops]
        tops = [np.mean([whale[crop] in names[:k] for crop, names in zip(crops, named, strict=True)]) for k in (1, 5)]
        shares = [f"{value:.1%}" if side == OLD_WHALES else "" for value in tops]
        called_new = sum(photos[crop].called_new for crop in crops)
        p_none = np.mean([photos[crop].p_none for crop in crops if photos[crop].whales])  # of those with an answer
        cells = [len(crops), *shares, f"{called_new}, {called_new / len(crops):.1%}", f"{p_none:.3f}"]
        lines.append(f"| {side} | {' | '.join(map(str, cells))} |")
    return lines


if __name__ == "__main__":
    main()
