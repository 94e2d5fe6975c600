"""Every ablation trains what its table compares, each row with every seed."""

import importlib
import json
import re
from pathlib import Path

import pytest

from configs import ablations, blend, ensemble
from configs.ablations import embedding
from whale_jax.experiment import build
from whale_jax.models import growth
from whale_jax.programs import pipeline

FILES = sorted(path.stem for path in Path(ablations.__file__).parent.glob("[!_]*.py"))


@pytest.mark.parametrize("name", FILES)
def test_an_ablation_is_a_pipeline_that_ends_in_the_comparison(name):
    config = importlib.import_module(f"configs.ablations.{name}").get_config("runs/some")
    pipeline.check(config)
    names = pipeline.order(config.stages)
    assert names[-1] == "compare"
    compared = set(config.stages.compare.inputs.values())
    assert set(config.stages.compare.labels) == compared
    trained = [name for name in names if re.match(r"seed\d_\d\d_", name) and config.stages[name].program == "train"]
    assert len(compared) == len(trained)
    whole = [json.dumps(config.stages[name].to_dict() | {"seed": 0}, default=list) for name in trained]
    recipes = {re.sub(r"seed\d_", "", one) for one in whole}
    seeds = {config.stages[name].seed for name in trained}
    assert len(seeds) >= len(ablations.SEEDS)
    assert len(recipes) * len(seeds) == len(trained)
    for name in trained:
        if config.stages[name].init == "grown":
            there = config.stages[config.stages[name].inputs.weights]
            growth.check(*(build.model(one.model, outputs=1) for one in (there, config.stages[name])))
    needed, asked = set(), ["compare"]
    while asked:  # no view is cut, and nothing is trained, for nothing
        needed.add(name := asked.pop())
        asked += [other for other in config.stages[name].inputs.values() if other in names]
    assert needed == set(names)


def test_each_seeds_classifier_is_blended_with_its_own_seeds_neighbours():
    config, made = blend.get_config("runs/some"), embedding.get_config("runs/some").stages
    pipeline.check(config)
    blends = {name: own for name, own in config.stages.items() if own.program == "blend"}
    assert set(blends) == set(config.stages.compare.labels) == set(config.stages.compare.sources)
    assert len(blends) == len(blend.ALIKE) * len(ablations.SEEDS)
    for name, own in blends.items():
        seed = name.partition("_")[0]
        assert own.inputs.features.startswith(f"runs/some/{seed}_")
        assert Path(own.inputs.features).name in made
        stack = config.stages[config.stages[own.inputs.probabilities].inputs.probabilities]
        assert stack.inputs.features == f"runs/some/{seed}_00_classifier_features"


def test_every_network_of_the_ensemble_is_asked_about_photos_it_has_seen_and_has_not():
    config = ensemble.get_config("runs/some")
    pipeline.check(config)
    assert pipeline.order(config.stages)[-1] in ("compare", "submission")
    for way, (folder, *_) in ensemble.STACKS.items():
        given = [name for key, name in config.stages[f"{way}_stack"].inputs.items() if key.startswith("features_")]
        assert sorted(given) == sorted(f"{name}_{folder}" for name in ensemble.MEMBERS)
    for name in ensemble.MEMBERS:
        own, unseen = config.stages[name], config.stages[f"{name}_unseen"]
        assert (own.model, own.task, own.optimizer, own.epochs) == (
            unseen.model, unseen.task, unseen.optimizer, unseen.epochs
        )  # fmt: skip
        assert (own.fold, unseen.fold, unseen.num_subfolds, unseen.weights) == (0, 0, 2, "last")
