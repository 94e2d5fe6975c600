"""What are photos worth that nobody named (post, section 7.4)? Pre-training on all, and labels that were guessed.

python -m whale_jax.main --config=configs/ablations/unlabelled.py:runs/crops --workdir=runs/ablations/unlabelled

14 trainings, and four that come before those of each seed: 64 min with --config.processes=2. Log loss, calibrated:
named photos alone 5.07, twice as long 4.92, with soft labels 4.90, with hard ones 4.96 to 5.03, after SimCLR 5.19.

The competition had three photos without a name for two with one; here as many names are withheld, and the surest half
of the others is guessed. A row with more photos takes more steps, as each has as many passes over its own; hence the
row that is trained twice as long. No row sees colour, as SimCLR must not.
"""

from configs import ablations, embedding
from whale_jax.workflow import stage

UNNAMED = 0.55  # share of the names that are withheld: with the photos to name, three in five are without
PLAN = {"epochs": 32.0, "num_evals": 4}
DATA = {"photos": "photos", "split": "split"}


def get_config(root="runs/crops"):
    """The small classifier of ready crops: by itself, after SimCLR, and with labels from several sources."""
    views = {
        "photos": stage.config("import_photos", inputs={"imported": f"{root}/photos"}, unnamed=UNNAMED),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none"),
        "heads": stage.config("align", inputs={"photos": "photos"}, size=(48, 96)),
    }
    base = here(ablations.small(root, **PLAN))
    kept = {key: embedding.SIMCLR[key] for key in ("epochs", "num_evals")}
    alike = here(ablations.small(root, "simclr", of=embedding, **kept))
    first = {"alike": alike, "once": base, **answers("once")}
    first["once_labels"] = guess("once_calibrated", "stack")
    first["once_soft"] = guess("once_calibrated", "stack", soft=True)
    first["embedded"] = here(ablations.small(root, "multi_similarity", of=embedding, **PLAN))
    first["embedded_features"] = stage.config("extract", inputs={"network": "embedded"}, weights="last")
    both = {**DATA, "probabilities": "once_stack", "features": "embedded_features"}
    first["found"] = stage.config("blend", inputs=both)
    first["found_calibrated"] = stage.config("calibrate", inputs={**DATA, "probabilities": "found"})
    first["found_labels"] = guess("found_calibrated", "neighbours")
    first["twice"] = base.copy_and_resolve_references()
    first["twice"].inputs.labels = "once_labels"
    first |= answers("twice")
    first["twice_labels"] = guess("twice_calibrated", "stack")
    changes = {
        "named photos alone": {},
        "named photos alone, twice as long": {"epochs": 2 * base.epochs},
        "begun by SimCLR on all photos": {"inputs.weights": "alike", "init": "partial"},
        "labels of a classifier": {"inputs.labels": "once_labels"},
        "the same, soft": {"inputs.labels": "once_soft"},
        "labels of a classifier, second round": {"inputs.labels": "twice_labels"},
        "labels of neighbours": {"inputs.labels": "found_labels"},
    }
    return ablations.ablate(base, changes, views=views, first=first)


def here(config):
    """A training on the photos whose names are withheld, without colour."""
    config.inputs.update(DATA)
    config.task.colour = False
    return config


def answers(network):
    """What a network says of every photo, calibrated on those held out."""
    return {
        f"{network}_features": stage.config("extract", inputs={"network": network}, weights="last"),
        f"{network}_stack": stage.config("stack", inputs={**DATA, "features": f"{network}_features"}),
        f"{network}_calibrated": stage.config("calibrate", inputs={**DATA, "probabilities": f"{network}_stack"}),
    }


def guess(probabilities, source, **changes):
    """Labels for the surest half of the photos without one, whatever their probability: as many in every row."""
    inputs = {**DATA, "probabilities": probabilities}
    return stage.config("pseudo", inputs=inputs, source=source, threshold=0.0, share=0.5, **changes)
