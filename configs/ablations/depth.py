"""Is deeper better (post, section 5.1): 31, 37 or 67 layers, by one recipe?

python -m whale_jax.main --config=configs/ablations/depth.py:runs/small --workdir=runs/ablations/depth

Not run yet: 9 trainings.
"""

from configs import ablations, networks


def get_config(root="runs/small"):
    """The post's residual networks on aligned heads."""
    changes = {
        f"{layers} layers": {"model.stages": network["stages"], "model.stem_pool": network.get("stem_pool", 0)}
        for layers, network in {31: networks.RESNET31, 37: networks.RESNET37, 67: networks.RESNET67}.items()
    }
    return ablations.ablate(ablations.small(root, model={**networks.RESNET31, "dropout": 0.5}), changes)
