"""A stage is done once, knows what it was made from, and refuses what does not belong together."""

import shutil

import filelock
import pytest
from ml_collections import ConfigDict

from tests.workflow.stub import config
from whale_jax.programs import pipeline
from whale_jax.runtime import errors
from whale_jax.workflow import folders, json_files, provenance, stage
from whale_jax.workflow.program import find


def test_a_complete_stage_is_skipped_and_one_that_was_cut_off_goes_on(program, tmp_path):
    with pytest.raises(RuntimeError):
        stage.run(config(value=-1), tmp_path / "cut")
    assert not (tmp_path / "cut" / "result.json").exists()
    first = stage.run(config(), tmp_path / "a")
    assert stage.run(config(), tmp_path / "a") == first
    assert program.runs == 2
    assert {"seconds", "ended", "device", "huge_pages", "versions", "seed", "inputs", "digest", "split"} <= first.keys()


def test_files_outside_are_looked_at_once_by_all_hosts_together(program, tmp_path):
    """The first host alone comes to the result, and the others would wait for it while it asks them."""
    calls = []
    program.change(files=lambda config: {"pretrained": f"sum {calls.append(1) or len(calls)}"})
    first = stage.run(config(), tmp_path / "a")
    assert calls == [1]
    program.change(files=lambda config: {"pretrained": "another sum"})
    assert stage.run(config(), tmp_path / "b")["digest"] != first["digest"]


def test_what_must_be_known_of_a_result_is_said_at_the_stage(program, tmp_path, caplog):
    program.change(run=lambda config, workdir: {"caveats": ["network: worth nothing"]})
    with caplog.at_level("WARNING"):
        assert stage.run(config(), tmp_path / "a")["caveats"] == ["network: worth nothing"]
    assert "a: network: worth nothing" in caplog.messages


def test_two_runs_in_one_folder_are_refused_and_the_first_goes_on(program, tmp_path):
    stage.run(config(), tmp_path / "a")
    with filelock.FileLock(tmp_path / "b" / folders.LOCK):
        with pytest.raises(errors.InputError, match=r"/b: another run is at work in it"):
            stage.run(config(), tmp_path / "b")
        assert stage.run(config(), tmp_path / "a")  # what is done, anybody may read
    assert program.runs == 1
    assert stage.run(config(), tmp_path / "b")


def test_a_folder_of_another_config_is_refused_and_names_the_keys(program, tmp_path):
    stage.run(config(), tmp_path)
    before = (tmp_path / "result.json").read_text()
    with pytest.raises(errors.InputError, match=r"other config \(value differ"):
        stage.run(config(value=2), tmp_path)
    assert (tmp_path / "result.json").read_text() == before


def test_a_program_that_a_person_ends_is_opened_again_by_another_path_to_its_inputs(program, tmp_path, monkeypatch):
    stage.run(config(), tmp_path / "a")
    program.change(interactive=True)
    stage.run(config(tmp_path / "a"), tmp_path / "b")
    monkeypatch.chdir(tmp_path)
    assert stage.run(config("a/"), tmp_path / "b")


def test_a_run_that_was_moved_goes_on_and_other_inputs_are_refused(program, tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    for name, before in (("a", ""), ("b", tmp_path / "old" / "a"), ("c", ""), ("a2", "")):
        stage.run(config(before, value=2 if name == "a2" else 1), tmp_path / "old" / name)
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    assert program.runs == 4
    assert stage.run(config("new/a/"), tmp_path / "new" / "b")
    assert program.runs == 4
    with pytest.raises(errors.InputError, match=r"other config \(inputs differ"):
        stage.run(config("new/c"), tmp_path / "new" / "b")
    (tmp_path / "new" / "a").rename("a1")
    (tmp_path / "new" / "a2").rename(tmp_path / "new" / "a")
    with pytest.raises(errors.InputError, match=r"other inputs \(before differ"):
        stage.run(config("new/a"), tmp_path / "new" / "b")


def test_a_folder_of_photos_may_be_spelled_otherwise(program, tmp_path, monkeypatch):
    program.change(defaults={**find("stub").defaults, "root": ""})
    monkeypatch.chdir(tmp_path)
    first = stage.run(config(root="photos"), tmp_path / "a")
    assert stage.run(config(root=f"{tmp_path}/photos/"), tmp_path / "a") == first
    with pytest.raises(errors.InputError, match=r"other config \(root differ"):
        stage.run(config(root="photos2"), tmp_path / "a")


def test_what_another_process_did_while_this_one_waited_is_not_done_again(program, tmp_path, monkeypatch):
    stage.run(config(), tmp_path / "a")
    monkeypatch.setattr(folders, "sweep", lambda folder: shutil.copytree(tmp_path / "a", folder, dirs_exist_ok=True))
    assert stage.run(config(), tmp_path / "b") == provenance.read(tmp_path / "a")
    assert program.runs == 1


def test_a_folder_that_no_stage_reads_is_refused(program, tmp_path):
    stages = {"a": stage.config("import_photos", root="PHOTOS"), "b": config()}
    stage.check(stage.config("pipeline", stages=stages, data={"root": "PHOTOS"}))
    for flag, keys in {"data.root=OTHER": {"data": {"root": "OTHER"}}, "gallery=PHOTOS": {"gallery": "PHOTOS"}}.items():
        with pytest.raises(errors.InputError, match=f"--config.{flag}: no stage"):
            stage.check(stage.config("pipeline", stages=stages, **keys))


def test_a_folder_from_before_a_key_existed_is_of_the_keys_default(program, tmp_path):
    first = stage.run(config(), tmp_path)
    program.change(defaults={**find("stub").defaults, "newer": 3})
    assert stage.run(config(newer=3), tmp_path) == first
    assert program.runs == 1
    with pytest.raises(errors.InputError, match=r"other config \(newer differ"):
        stage.run(config(newer=4), tmp_path)


def test_a_pipeline_may_grow_and_its_stages_may_not_change(program, tmp_path):
    first = ConfigDict({"program": "pipeline", "processes": 1, "stages": {"a": config()}})
    longer = ConfigDict({"program": "pipeline", "processes": 1, "stages": {"a": config(), "b": config("a")}})
    other = ConfigDict({"program": "pipeline", "processes": 1, "stages": {"a": config(value=2)}})
    stage.run(first, tmp_path)
    assert stage.run(longer, tmp_path)["stages"].keys() == {"a", "b"}
    assert program.runs == 2
    with pytest.raises(errors.InputError, match=r"a belongs to other config \(value differ"):
        stage.run(other, tmp_path)
    assert json_files.read(tmp_path / "config.json")["stages"].keys() == {
        "a",
        "b",
    }  # not overwritten by the refused one
    with pytest.raises(errors.InputError, match=r"belongs to other config \(program differ"):
        stage.run(first, tmp_path / "a")
    with pytest.raises(errors.InputError, match=r"belongs to other config"):
        stage.run(config(), tmp_path)


def test_all_stages_are_looked_at_before_the_first_one_runs(program, tmp_path):
    stage.run(config(), tmp_path / "b")
    with pytest.raises(errors.InputError, match=r"b belongs to other config \(value differ"):
        stage.run(
            ConfigDict({"program": "pipeline", "processes": 1, "stages": {"a": config(), "b": config(value=2)}}),
            tmp_path,
        )
    assert program.runs == 1
    assert not (tmp_path / "a").exists()


def test_a_refused_stage_has_no_claim_on_its_folder(program, tmp_path):
    with pytest.raises(errors.InputError, match="too much"):
        stage.run(config(value=9), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    stage.run(config(), tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "begun").touch()
    with pytest.raises(errors.InputError, match="too much"):
        stage.run(config(value=9), tmp_path / "b")
    with pytest.raises(errors.InputError, match=r"other config \(value differ"):  # there is something to lose
        stage.run(config(), tmp_path / "b")


def test_an_input_that_changed_since_is_refused(program, tmp_path):
    stage.run(config(value=1), tmp_path / "a")
    stage.run(config(tmp_path / "a"), tmp_path / "b")
    result = {**json_files.read(tmp_path / "a" / "result.json"), "digest": "another"}
    json_files.write(tmp_path / "a" / "result.json", provenance.seal(result, tmp_path / "a"))
    with pytest.raises(errors.InputError, match=r"other inputs \(before differ"):
        stage.run(config(tmp_path / "a"), tmp_path / "b")


def test_an_input_that_is_not_finished_is_named(program, tmp_path):
    with pytest.raises(errors.InputError, match="nowhere holds no finished stage"):
        stage.run(config(tmp_path / "nowhere"), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_inputs_of_different_splits_are_refused(program, tmp_path):
    stage.run(config(split="one"), tmp_path / "a")
    stage.run(config(split="two"), tmp_path / "b")
    mixed = ConfigDict({"program": "stub", "inputs": {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}, "value": 1})
    with pytest.raises(errors.InputError, match=r"(?s)2 different splits.*/a: one\n.*/b: two"):
        stage.run(mixed, tmp_path / "c")
    program.change(inputs_of_other_photos=("a",))  # as weights may be, to begin with
    assert stage.run(mixed, tmp_path / "c")["split"] == "two"


def test_what_was_learned_from_is_not_validated_on(program, tmp_path):
    program.change(defaults={**find("stub").defaults, "fold": 0})
    stage.run(config(fold=1), tmp_path / "network")
    with pytest.raises(errors.InputError, match=r"b and what it is made from hold out folds 0 and 1"):
        stage.run(config(tmp_path / "network", fold=0), tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert stage.run(config(tmp_path / "network", fold=1), tmp_path / "b")["fold"] == 1
    program.change(any_fold=True, run=lambda config, workdir: {})  # as runs that are compared
    assert stage.run(config(tmp_path / "network", fold=0), tmp_path / "c")["fold"] is None


def test_unknown_keys_and_programs_come_with_close_matches():
    with pytest.raises(errors.InputError, match="'epoch': did you mean epochs"):
        stage.config("train", epoch=3)
    with pytest.raises(errors.InputError, match="did you mean train"):
        stage.config("trian")


def test_a_pipeline_runs_stages_in_the_order_of_their_inputs(program, tmp_path):
    stages = {"a": config("c"), "b": config("a"), "c": config()}
    assert pipeline.order(ConfigDict(stages)) == ["c", "a", "b"]
    pipeline.run(ConfigDict({"stages": stages, "processes": 1}), tmp_path)
    assert json_files.read(tmp_path / "b" / "config.json")["inputs"]["before"] == str(tmp_path / "a")
    with pytest.raises(errors.InputError, match="wait for each other"):
        pipeline.order(ConfigDict({"a": config("b"), "b": config("a")}))


def test_what_another_host_wrote_is_waited_for_by_its_content(tmp_path, monkeypatch):
    path, looks = tmp_path / "result.json", iter([{"digest": "old"}, {"loss": float("nan")}])
    monkeypatch.setattr(json_files.time, "sleep", lambda seconds: path.write_text(json_files.json.dumps(next(looks))))
    json_files.await_content(path, {"loss": float("nan")})
    assert next(looks, None) is None  # no sooner, and no later
    monkeypatch.setattr(json_files, "LATE", -1.0)
    with pytest.raises(errors.InputError, match="is not what the first host wrote"):
        json_files.await_content(path, {"loss": 1.0})
