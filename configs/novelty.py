"""Is the whale one of the catalogue? Ready crops, with a tenth of the whales kept out of every training.

--config=configs/novelty.py:cpu       the searches and the networks of configs/crops.py:cpu
--config=configs/novelty.py:matching  nothing is trained on whales: configs/matching.py
--config=configs/novelty.py:hog       the same without released weights
--config=configs/novelty.py:runs/mine no pipeline: the answers of a finished run, whose folder stands there

python -m whale_jax.main --config=configs/novelty.py:cpu --config.data.root=DIR --workdir=runs/novelty

2 CPU cores, 4,543 crops, `cpu`, one seed: 52 min. AUROC of known against new whales: 0.80 for a photo, 0.92 for two.
The others were not run.
"""

from pathlib import Path

from configs import crops, matching
from configs.stages import DATA, pipeline
from whale_jax.runtime import registry
from whale_jax.workflow import stage

PRESETS = {"cpu": (crops, "cpu"), "matching": (matching, "all"), "hog": (matching, "hog")}
SEARCHES = ("retrieve", "rerank", "fuse")  # programs that score whales, and are judged beside networks
SCORE = "fused: probability"  # decides; known whales are all that it is fitted on


def get_config(preset="cpu"):
    """The config of a pipeline, whose data.root is a folder of crops stored squashed from 2:1, or of one stage."""
    if "/" in preset:
        return of_run(preset)
    module, name = registry.lookup("preset", PRESETS, preset)
    base = module.get_config(name)
    stages = {name: config for name, config in base.stages.items() if config.program not in ("submit", "report")}
    stages["split"].unknown_fraction = 0.1
    networks = [name for name, config in stages.items() if config.program == "extract" and not config.layer]
    searches = [name for name, config in stages.items() if config.program in SEARCHES and name != "shortlist"]
    inputs = {**DATA, **{name: name for name in [*networks, *searches]}}
    transforms = dict.fromkeys(networks, "centre")
    stages["novelty"] = stage.config("novelty", inputs=inputs, transforms=transforms, score=SCORE)
    return pipeline(stages, processes=base.processes)


def of_run(root):
    """The stage by itself, on what a finished run of crops.py, matching.py or pipeline.py answers."""
    answers = ("fused",) if (Path(root) / "fused").exists() else ("features", "calibrated")
    inputs = {name: f"{root}/{name}" for name in ("photos", "split", *answers)}
    transforms = {name: "centre" for name in answers if name == "features"}
    return stage.config("novelty", inputs=inputs, transforms=transforms, score=SCORE if "fused" in answers else "")
