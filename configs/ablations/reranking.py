"""What does each part of re-ranking gain, and which cells of a map say most?

    python -m whale_jax.main --config=configs/ablations/reranking.py:runs/crops --workdir=runs/ablations/reranking

The part after the colon is the folder of a finished pipeline on ready crops. A row is `configs/matching.py` with
another re-ranking, on two folds that no preset's table is measured on. It needs the released weights
(requirements-pretrained.txt).

Two cores, beside other work, 1.2 h: without re-ranking 59 % are named at a log loss of 2.30, by the mean of patches
61 % at 2.12, by patches weighed by a regression 68 % at 1.74, and with cells of a map 71 % at 1.60.
"""

from configs import ablations, matching
from whale_jax.workflow import stage

FOLDS = (1, 2)
PATCHES = {"inputs.features": "", "grid": (), "sides": 1}


def cells(name, grid):
    """Cells of the maps of another search."""
    return {"inputs.features": f"{name}_features", "grid": grid}


CHANGES = {
    "mean of all patches, nothing learned": {**PATCHES, "examples": 0},
    "patches": PATCHES,
    "patches and cells: the recipe": {},
    "30 whales instead of 100": {"num_candidates": 30},
    "learned from 100 photos instead of 400": {"examples": 100},
    "8 x 16 cells of heads of 128 x 256": cells("maps128", (8, 16)),
    "12 x 24 cells of heads of 192 x 384": cells("maps192", (12, 24)),
    "12 x 24 cells of the stage before, heads of 96 x 192": cells("maps96", (12, 24)),
}


def get_config(root="runs/crops"):
    """The answer of each fold without re-ranking and with each change of it, and a comparison."""
    recipe = matching.fused(matching.MAPS, heads=lambda size: ablations.view(root, "whole", size))
    reranked, answer = recipe.pop("reranked"), recipe.pop("fused")
    plain = answer.copy_and_resolve_references()
    plain.inputs.reranked = ""
    shared = [name for name, config in recipe.items() if config.program in ("align", "describe")]
    data, labels = {"photos": f"{root}/photos", "split": f"{root}/split"}, {}
    stages = {name: ablations.placed(recipe[name], data) for name in shared}
    for fold in FOLDS:
        names = data | {name: f"fold{fold}_{name}" for name in recipe if name not in shared}
        stages |= {
            names[name]: ablations.placed(recipe[name], names, fold=fold) for name in recipe if name not in shared
        }
        stages[f"fold{fold}_0_fused"] = ablations.placed(plain, names, fold=fold)
        labels[f"fold{fold}_0_fused"] = "no re-ranking"
        for number, (label, change) in enumerate(CHANGES.items(), start=1):
            changed = reranked.copy_and_resolve_references()
            changed.update_from_flattened_dict(change)
            names["reranked"] = f"fold{fold}_{number}_reranked"
            stages[names["reranked"]] = ablations.placed(changed, names, fold=fold)
            stages[f"fold{fold}_{number}_fused"] = ablations.placed(answer, names, fold=fold)
            labels[f"fold{fold}_{number}_fused"] = label
    compared = {"inputs": {name: name for name in labels}, "labels": labels}
    stages["compare"] = stage.config("compare", **compared, sources=dict.fromkeys(labels, ("fused",)))
    return stage.config("pipeline", stages=stages)
