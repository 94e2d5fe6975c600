"""Presets of ready crops: what they are made of, and what goes without released weights."""

from configs import classifier, crops, matching


def test_no_preset_of_crops_is_hidden_by_one_of_a_classifier():
    """Both are names of one table, and a single network once took the place of a night's ten."""
    several = {"cpu": 2, "cpu_hog": 2, "evening": 4, "night": 10, "gpu": 2, "networks": 4, "cpu_long": 8}
    for preset, count in several.items():
        stages = crops.get_config(preset).stages
        assert sum(config.program == "train" and config.epochs > 0 for config in stages.values()) == count
    assert not several.keys() & classifier.PRESETS


def test_what_goes_without_released_weights_asks_for_none():
    for config in (crops.get_config("cpu_hog"), matching.get_config("hog")):
        assert not [stage for stage in config.stages.values() if stage.get("pretrained")]
        assert config.stages.reranked.inputs.features == ""
    assert crops.get_config("cpu").stages.imagenet.pretrained == "imagenet"
