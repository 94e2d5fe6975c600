"""Is a network that grew from a trained one sooner as good as one from scratch (Net2Net; post, section 7.3)?

python -m whale_jax.main --config=configs/ablations/growth.py:runs/crops --workdir=runs/ablations/growth

Not run yet: 16 trainings and the one that half of them begin with. The post's 67 layers are of other stages than its
31, so what grows to 67 here keeps the 31's: blocks are added to all but its first.
"""

from configs import ablations, ensemble

EPOCHS = 16.0
BLOCKS = {"37": (3, 3, 3, 4, 5), "67": (3, 6, 8, 8, 8)}


def get_config(root="runs/crops"):
    """The post's ResNet-31 with half its filters, and what grows from it in half of the others' epochs."""
    begun = ensemble.member(root, "resnet31")
    begun.epochs = EPOCHS / 2
    filters, before = zip(*begun.model.stages, strict=True)
    wider = tuple((round(1.5 * width), depth) for width, depth in begun.model.stages)
    half = {"epochs": EPOCHS / 2, "inputs.weights": "begun"}
    changes = {"31 layers": {}, "31 layers, in two halves": half}
    for layers, blocks in BLOCKS.items():
        stages = {"model.stages": tuple(zip(filters, blocks, strict=True))}
        added = tuple(after - own for after, own in zip(blocks, before, strict=True))
        changes[f"{layers} layers"] = stages
        changes[f"{layers} layers, grown"] = {**stages, **half, "begin": "grown", "model.grown": added}
    changes["half again as wide"] = {"model.stages": wider, "model.stem": widened(begun.model.stem)}
    changes["half again as wide, grown"] = {**changes["half again as wide"], **half, "begin": "grown"}
    base = begun.copy_and_resolve_references()
    base.epochs = EPOCHS
    return ablations.ablate(base, changes, views={"heads": ablations.view(root, "whole", (48, 96)), "begun": begun})


def widened(stem):
    """A stem of as many more filters."""
    return (round(1.5 * stem[0]), *stem[1:])
