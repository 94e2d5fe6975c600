"""What holds back over-fitting in a training of 90 epochs, which 16 epochs cannot say? A change a row.

python -m whale_jax.main --config=configs/ablations/overfitting.py:runs/crops --workdir=runs/ablations/overfitting

12 trainings of about 17 min on one core; the first three of seed 0 were run. Log loss, calibrated, 3.04 by the
recipe and with ten times the weight decay, 3.79 with random erasing.
"""

from configs import ablations, classifier, post

DECAY = classifier.SMALL["optimizer"]["weight_decay"]
CHANGES = {
    "the recipe": {},
    "random erasing": {"task.augmentation": f"{classifier.LIGHT}|erase(0.4)"},
    "ten times the weight decay": {"optimizer.weight_decay": 10 * DECAY},
    "wider augmentation": {"task.augmentation": post.MINIMAL},
    "label smoothing 0.1": {"task.smoothing": 0.1},
    "dropout 0.2": {"model.dropout": 0.2},
}


def get_config(root="runs/crops"):
    """The small classifier of ready crops as long as its preset trains, on a quarter of its pixels."""
    base = ablations.small(root, dropout=0.5, epochs=90.0, num_evals=9)
    return ablations.ablate(base, CHANGES, views={"heads": ablations.view(root, "whole", (48, 96))})
