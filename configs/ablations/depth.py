"""Is deeper better (post, section 5.1)? 31, 37 and 67 layers by one recipe.

    python -m whale_jax.main --config=configs/ablations/depth.py:runs/crops --workdir=runs/ablations/depth

6 trainings, 44 min of one core beside other work. Log loss, calibrated, 4.70, 4.76 and 4.92 by 31, 37 and 67 layers
(2 seeds, s.d. 0.08, 0.10 and 0.03).
"""

from configs import ablations, ensemble


def get_config(root="runs/crops"):
    """The post's residual networks with half their filters, on ready crops."""
    models = {layers: ensemble.small(root, f"resnet{layers}").model for layers in (31, 37, 67)}
    changes = {
        f"{layers} layers": {"model.stages": model.stages, "model.stem_pool": model.stem_pool}
        for layers, model in models.items()
    }
    base = ensemble.small(root, "resnet31")
    return ablations.ablate(base, changes, views={"heads": ablations.view(root, "whole", (48, 96))})
