"""Is a network that grew from a trained one sooner as good as one from scratch (Net2Net; post, section 7.3)?

python -m whale_jax.main --config=configs/ablations/growth.py:runs/crops --workdir=runs/ablations/growth

12 trainings, and the two that half of them begin with: 31 min with --config.processes=2. 31 layers take 4.4 min to
their loss. 67 that grew take 3.0, after the smaller network's 2.5; 67 from scratch are far from it after 7.4.

A network that grew has half the epochs, after the other half of the smaller one. Its time does not count the smaller
one's. The post's 67 layers are of other stages than its 31, so what grows to 67 here keeps the 31's: blocks are added
to all but its first.
"""

from configs import ablations, ensemble

EPOCHS = 16.0
BLOCKS = {"37": (3, 3, 3, 4, 5), "67": (3, 6, 8, 8, 8)}


def get_config(root="runs/crops"):
    """The post's ResNet-31 with half its filters, and what grows from it in half of the others' epochs."""
    base = ensemble.member(root, "resnet31")
    base.update(epochs=EPOCHS, num_evals=int(EPOCHS))
    halves = {"epochs": EPOCHS / 2, "num_evals": int(EPOCHS / 2)}
    begun = base.copy_and_resolve_references()
    begun.update(halves)
    filters, before = zip(*base.model.stages, strict=True)
    half = {**halves, "inputs.weights": "begun"}
    changes = {"31 layers": {}, "31 layers, in two halves": half}
    for layers, blocks in BLOCKS.items():
        stages = {"model.stages": tuple(zip(filters, blocks, strict=True))}
        added = tuple(after - own for after, own in zip(blocks, before, strict=True))
        changes[f"{layers} layers"] = stages
        changes[f"{layers} layers, grown"] = {**stages, **half, "init": "grown", "model.grown": added}
    views = {"heads": ablations.view(root, "whole", (48, 96))}
    return ablations.ablate(base, changes, views=views, first={"begun": begun}, reach="31 layers")
