"""Words of version 0.1 are read, with a warning where a person wrote them."""

import json
import logging

from whale_jax.workflow import renamed, stage

OLD = {
    "program": "train",
    "begin": "fitting",
    "evaluations": 4,
    "parts": 2,
    "part": 1,
    "task": {"name": "stn", "naming": 0.5, "drift": 0.1},
    "model": {"name": "stn", "through": 0.2},
    "inputs": {"warps": "folder"},
}
NEW = {
    "program": "train",
    "init": "partial",
    "num_evals": 4,
    "num_subfolds": 2,
    "subfold": 1,
    "task": {"name": "stn", "class_weight": 0.5, "identity_weight": 0.1},
    "model": {"name": "stn", "localizer_grad_scale": 0.2},
    "inputs": {"warps": "folder"},
}


def test_every_key_of_a_config_is_read_in_todays_words():
    assert renamed.current(OLD) == NEW
    assert renamed.current(NEW) == NEW


def test_a_word_may_have_another_name_with_each_owner():
    for program, name in (("retrieve", "num_neighbours"), ("train", "likeliest")):
        assert renamed.current({"program": program, "likeliest": 3}) == {"program": program, name: 3}
    task = renamed.current({"name": "stn", "annotated": 0.5, "objective": "squared"})
    assert task == {"name": "stn", "annotated_fraction": 0.5, "loc_loss": "squared"}
    assert stage.config("retrieve", likeliest=3).num_neighbours == 3


def test_a_model_or_a_program_of_a_users_own_may_have_such_words():
    for config in ({"program": "mine", "parts": 3}, {"program": "train", "model": {"name": "mine", "parts": 3}}):
        assert renamed.current(config) == config


def test_the_names_of_stages_are_no_keys():
    assert renamed.current({"stages": {"warps": {"together": 2}}}) == {"stages": {"warps": {"images_per_class": 2}}}


def test_a_rate_of_one_part_of_the_network_is_a_group():
    old = {"name": "adam", "lr": 0.1, "momentum": 0.9, "part": "localizer", "part_rate": 0.1}
    new = {"name": "adam", "lr": 0.1, "groups": [["localizer/.*", {"lr": 0.1}]]}
    assert renamed.current({"optimizer": old}) == {"optimizer": new}
    assert renamed.current({"optimizer": new}) == {"optimizer": new}
    frozen, plain = ({**old, "name": "nesterov", **changes} for changes in ({"part_rate": 0.0}, {"part": ""}))
    shared = {"name": "nesterov", "lr": 0.1, "momentum": 0.9}
    assert renamed.current({"optimizer": frozen})["optimizer"] == {
        **shared,
        "groups": [["localizer/.*", {"frozen": True}]],
    }
    assert renamed.current({"optimizer": plain})["optimizer"] == {**shared, "groups": []}


def test_config_json_is_read_in_todays_words(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(OLD))
    assert renamed.read_config(tmp_path / "config.json") == NEW
    assert renamed.read_config(tmp_path / "absent.json") is None


def test_a_config_file_with_an_old_key_is_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        config = stage.config("train", evaluations=3)
    assert config.num_evals == 3
    assert "'evaluations' is called 'num_evals' now" in caplog.text


def test_old_flags_are_read_and_no_others_touched():
    assert renamed.current_flag("--config.stages.a.begin=fitting") == "--config.stages.a.init=partial"
    assert renamed.current_flag("--config.task.annotated=0.1") == "--config.task.annotated_fraction=0.1"
    for argument in ("--config.epochs=1", "--workdir=begin=1", "--config=configs/demo.py", "--config.optimizer.part=a"):
        assert renamed.current_flag(argument) == argument
