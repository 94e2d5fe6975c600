"""Is a network that grew from a trained one as good sooner than one from scratch (Net2Net; post, section 7.3)?

    python -m whale_jax.main --config=configs/ablations/growth.py:runs/crops --workdir=runs/ablations/growth

12 trainings, and two that half of them begin with: 66 min with --config.processes=2, on a day on which the cores were
half as fast as on others. 31 layers take 9.8 min to their loss. 67 that grew take 5.7, after the smaller network's 5.5;
67 from scratch are far from it after 16.2.

A network that grew trains for half of the epochs, after the smaller one has trained for the other half; its time does
not count the smaller one's. The post's 67 layers have other stages than its 31, so the 67 layers here keep the stages
of the 31: blocks are added to all stages but the first.
"""

from configs import ablations, ensemble

EPOCHS = 16.0
BLOCKS = {31: (3, 3, 3, 3, 3), 37: (3, 3, 3, 4, 5), 67: (3, 6, 8, 8, 8)}  # of each stage


def get_config(root="runs/crops"):
    """The post's ResNet-31 with half its filters, and networks that grow from it in half of the others' epochs."""
    base = ensemble.small(root, "resnet31")
    base.update(epochs=EPOCHS, num_evals=int(EPOCHS))
    half = base.copy_and_resolve_references()
    half.update(epochs=EPOCHS / 2, num_evals=int(EPOCHS / 2))
    second_half = {"epochs": half.epochs, "num_evals": half.num_evals, "inputs.weights": "half"}
    changes = {"31 layers": {}, "31 layers, in two halves": second_half}
    for layers in (37, 67):
        widths = [filters for filters, _ in base.model.stages]
        stages = {"model.stages": tuple(zip(widths, BLOCKS[layers], strict=True))}
        added = tuple(after - before for after, before in zip(BLOCKS[layers], BLOCKS[31], strict=True))
        changes[f"{layers} layers"] = stages
        changes[f"{layers} layers, grown"] = {**stages, **second_half, "init": "grown", "model.grown": added}
    views = {"heads": ablations.view(root, "whole", (48, 96))}
    return ablations.ablate(base, changes, views=views, first={"half": half}, target_row="31 layers")
