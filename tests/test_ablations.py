"""Every ablation trains what its table compares, each row with every seed."""

import importlib
import json
import re
from pathlib import Path

import pytest

from configs import ablations, blend, ensemble
from configs.ablations import embedding, reranking
from whale_jax.experiment import build
from whale_jax.models import growth
from whale_jax.programs import pipeline
from whale_jax.workflow import json_files

FILES = {path.stem for path in Path(ablations.__file__).parent.glob("[!_]*.py")}
TRAININGS = sorted(FILES - {"reranking"})


@pytest.fixture(scope="module", autouse=True)
def shapes():
    """Networks that differ in nothing but their training have the same shapes, which take long to trace."""
    trace, traced = build.shapes, {}

    def lookup(recipe):
        key = repr((recipe.model, recipe.size))
        if key not in traced:
            traced[key] = trace(recipe)
        return traced[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "shapes", lookup)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "depth" else pytest.mark.slow) for n in TRAININGS])
def test_an_ablation_of_trainings_is_a_pipeline_that_ends_in_the_comparison(name):
    config = importlib.import_module(f"configs.ablations.{name}").get_config("runs/some")
    pipeline.check(config)
    names = pipeline.order(config.stages)
    assert names[-1] == "compare"
    compared = set(config.stages.compare.inputs.values())
    assert set(config.stages.compare.labels) == compared
    trainings = [config.stages[name] for name in names if re.match(r"seed\d_\d\d_", name)]
    trainings = [training for training in trainings if training.program == "train"]
    assert len(compared) == len(trainings)
    recipes = {
        re.sub(r"seed\d_", "", json.dumps(training.to_dict() | {"seed": 0}, default=list)) for training in trainings
    }
    seeds = {training.seed for training in trainings}
    assert len(seeds) >= len(ablations.SEEDS)
    assert len(recipes) * len(seeds) == len(trainings)
    for training in trainings:
        if training.init == "grown":
            parent = config.stages[training.inputs.weights]
            growth.check(*(build.model(config.model, outputs=1) for config in (parent, training)))
    assert used(config.stages) == set(names)


def test_every_reranking_is_compared_on_every_fold_by_stages_that_hold_it_out():
    config = reranking.get_config("runs/some")
    pipeline.check(config)
    names = pipeline.order(config.stages)
    assert names[-1] == "compare"
    labels = [*config.stages.compare.labels.values()]
    assert labels == len(reranking.FOLDS) * ["no re-ranking", *reranking.CHANGES]
    for name in config.stages.compare.inputs:
        makers = [config.stages[stage] for stage in ancestors(name, config.stages)]
        assert {stage.fold for stage in makers if "fold" in stage} == {config.stages[name].fold}
        assert config.stages[name].fold in reranking.FOLDS
    assert used(config.stages) == set(names)


def used(stages):
    """The stages that the comparisons wait for: that no view is cut, and nothing is trained, for nothing."""
    return set().union(*(ancestors(name, stages) for name in stages if stages[name].program == "compare"))


def ancestors(name, stages):
    """The stage and those that it waits for, directly or through others."""
    inputs = {source for source in stages[name].inputs.values() if source in stages}
    return {name}.union(*(ancestors(source, stages) for source in inputs))


def test_the_classifier_of_each_seed_is_blended_with_neighbours_of_the_same_seed(tmp_path):
    embeddings = embedding.get_config("elsewhere").stages
    (tmp_path / "split").mkdir()
    json_files.write(tmp_path / "split" / "config.json", json.loads(embeddings.split.to_json_best_effort()))
    json_files.write(tmp_path / "split" / "result.json", {})
    config = blend.get_config(str(tmp_path))
    pipeline.check(config)
    blends = {name: blended for name, blended in config.stages.items() if blended.program == "blend"}
    assert set(blends) == set(config.stages.compare.labels) == set(config.stages.compare.sources)
    assert len(blends) == len(blend.FEATURES) * len(ablations.SEEDS)
    for name, blended in blends.items():
        seed = name.partition("_")[0]
        assert blended.inputs.features.startswith(f"{tmp_path}/{seed}_")
        assert Path(blended.inputs.features).name in embeddings
        stack = config.stages[config.stages[blended.inputs.probabilities].inputs.probabilities]
        assert stack.inputs.features == f"{tmp_path}/{seed}_00_classifier_features"
        assert (blended.inputs.photos, blended.inputs.split) == ("elsewhere/photos", f"{tmp_path}/split")


@pytest.mark.slow
def test_every_member_of_the_ensemble_predicts_its_training_photos_and_unseen_photos():
    config = ensemble.get_config("runs/some")
    pipeline.check(config)
    assert pipeline.order(config.stages)[-1] in ("compare", "submission")
    for name, (suffix, *_) in ensemble.STACKS.items():
        inputs = config.stages[f"{name}_stack"].inputs
        features = [source for key, source in inputs.items() if key.startswith("features_")]
        assert sorted(features) == sorted(f"{member}_{suffix}" for member in ensemble.MEMBERS)
    for member in ensemble.MEMBERS:
        trained, unseen = config.stages[member], config.stages[f"{member}_unseen"]
        for key in ("model", "task", "optimizer", "epochs"):
            assert trained[key] == unseen[key]
        assert (trained.fold, unseen.fold, unseen.num_subfolds, unseen.weights) == (0, 0, 2, "last")
