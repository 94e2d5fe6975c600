"""What are photos without a label worth (post, section 7.4)? Pre-training on all photos, and pseudo-labels.

    python -m whale_jax.main --config=configs/ablations/unlabelled.py:runs/crops --workdir=runs/ablations/unlabelled

14 trainings, and four that come before those of each seed: 64 min with --config.processes=2. Log loss, calibrated:
labelled photos alone 5.08, twice as long 4.92, with soft pseudo-labels 4.91, with hard ones 4.99 to 5.05, after SimCLR
5.21.

The competition had three photos without a label for two with one; here as many labels are withheld, and the surest half
of those photos gets a pseudo-label. A row with more photos takes more steps, since each row has as many passes over its
own photos; hence the row that is trained twice as long. No row sees colour, as SimCLR must not.
"""

from configs import ablations, embedding
from configs.stages import DATA, calibrated, cut
from whale_jax.workflow import stage

UNLABELLED = 0.55  # share of the labels to withhold: with the photos to name, three in five are without
PLAN = {"epochs": 32.0, "num_evals": 4}


def get_config(root="runs/crops"):
    """The small classifier of ready crops: by itself, after SimCLR, and with pseudo-labels from several sources."""
    base = grey(ablations.small(root, **PLAN))
    changes = {
        "labelled photos alone": {},
        "labelled photos alone, twice as long": {"epochs": 2 * base.epochs},
        "pre-trained by SimCLR on all photos": {"inputs.weights": "alike", "init": "partial"},
        "pseudo-labels of a classifier": {"inputs.labels": "once_labels"},
        "pseudo-labels of a classifier, soft": {"inputs.labels": "once_soft"},
        "pseudo-labels of a classifier, second round": {"inputs.labels": "twice_labels"},
        "pseudo-labels of neighbours": {"inputs.labels": "blended_labels"},
    }
    views = {
        "photos": stage.config("import_photos", inputs={"imported": f"{root}/photos"}, withheld_fraction=UNLABELLED),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none"),
        "heads": cut("whole", (48, 96)),
    }
    return ablations.ablate(base, changes, views=views, first=sources(root, base))


def sources(root, base):
    """The networks and pseudo-labels that rows begin with: SimCLR, a classifier, its neighbours, a second round."""
    plan = {key: embedding.SIMCLR[key] for key in ("epochs", "num_evals")}
    second = base.copy_and_resolve_references()
    second.inputs.labels = "once_labels"
    return {
        "alike": grey(ablations.small(root, "simclr", module=embedding, **plan)),
        "once": base,
        **calibrated(["once"], "last", prefix="once_"),
        "once_labels": pseudo("once_calibrated", source="stack"),
        "once_soft": pseudo("once_calibrated", source="stack", soft=True),
        "embedded": grey(ablations.small(root, "multi_similarity", module=embedding, **PLAN)),
        "embedded_features": stage.config("extract", inputs={"network": "embedded"}, weights="last"),
        "blended": stage.config(
            "blend", inputs={**DATA, "probabilities": "once_stack", "features": "embedded_features"}
        ),
        "blended_calibrated": stage.config("calibrate", inputs={**DATA, "probabilities": "blended"}),
        "blended_labels": pseudo("blended_calibrated", source="neighbours"),
        "twice": second,
        **calibrated(["twice"], "last", prefix="twice_"),
        "twice_labels": pseudo("twice_calibrated", source="stack"),
    }


def grey(config):
    """A training without colour, on the photos some of whose labels are withheld."""
    config.inputs.update(DATA)
    config.task.colour = False
    return config


def pseudo(probabilities, *, source, **changes):
    """Labels for the surest half of the photos without one, whatever their probability: as many in every row."""
    inputs = {**DATA, "probabilities": probabilities}
    return stage.config("pseudo", inputs=inputs, source=source, threshold=0.0, share=0.5, **changes)
