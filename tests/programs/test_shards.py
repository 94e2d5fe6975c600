"""A run whose photos are read in shards, by processes that know nothing of each other, is the run of one process."""

import filelock
import numpy as np
import pytest
from ml_collections import ConfigDict

from whale_jax import errors
from whale_jax.data import images, right_whale
from whale_jax.data.shards import Shard
from whale_jax.programs import stage


def config():
    """A drawn pod, imported, and two views of it."""
    photos = {"photos": "photos", "predictions": ""}
    stages = {
        "drawn": stage.config("draw", whales=3, photos=9, test=2, width=96),
        "photos": stage.config("import_photos", inputs={"drawn": "drawn", "imported": ""}),
        "whole": stage.config("align", inputs=photos, frame="whole", size=(20, 30)),
        "heads": stage.config("align", inputs=photos, frame="head", size=(16, 32)),
    }
    return stage.config("pipeline", stages=stages)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of one process, and its result."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, stage.run(config(), folder)


def first(**changes):
    """The run but for the stages from the import on, or as many as wanted of them."""
    some = ConfigDict(config())
    some.stages = {name: config().stages[name] for name in ("drawn", *changes.pop("more", ()))}
    return some


def shard(folder, text):
    stage.run_shard(config(), folder, Shard.read(text))


def test_in_shards_it_is_the_same(whole, tmp_path):
    with pytest.raises(errors.InputError, match=r"next is drawn, not done in shards: run .* without --shard"):
        shard(tmp_path, "0/3")
    stage.run(first(), tmp_path)
    for text in ("2/3", "0/3"):
        shard(tmp_path, text)
    assert {path.name for path in (tmp_path / "photos" / "shards").iterdir()} == {"0_of_3", "2_of_3"}
    assert not (tmp_path / "photos" / "result.json").exists()
    stage.run(first(more=["photos"]), tmp_path)  # does the shard that is missing
    for text in ("0/2", "1/2"):
        shard(tmp_path, text)
    made = {name: tmp_path / name / "shards" / "1_of_2" / "images.npy" for name in ("whole", "heads")}
    assert all(path.exists() for path in made.values())
    result, folder = stage.run(config(), tmp_path), whole[0]
    assert result["digest"] == whole[1]["digest"]
    for name in made:
        np.testing.assert_array_equal(images.load(tmp_path / name).images, images.load(folder / name).images)
    assert right_whale.load(tmp_path / "photos").digest == right_whale.load(folder / "photos").digest
    assert not list(tmp_path.rglob("shards"))
    shard(tmp_path, "0/2")  # nothing is left to be done


def test_a_shard_that_is_done_is_kept(tmp_path):
    stage.run(first(), tmp_path)
    shard(tmp_path, "1/2")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "photos" / "shards" / "1_of_2").rglob("*.*record*")}
    shard(tmp_path, "1/2")
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_number_of_shards_is_refused(tmp_path):
    stage.run(first(), tmp_path)
    shard(tmp_path, "1/2")
    with pytest.raises(
        errors.InputError, match=r"dealt out into 2 shards, not 3: go on with these, or delete .*shards"
    ):
        shard(tmp_path, "1/3")


def test_a_shard_that_another_process_is_at_is_left_to_it(tmp_path):
    stage.run(first(), tmp_path)
    shard(tmp_path, "0/2")
    (tmp_path / "photos" / "shards" / "1_of_2").mkdir()
    with filelock.FileLock(tmp_path / "photos" / "shards" / "1_of_2" / stage.LOCK):
        with pytest.raises(errors.InputError, match=r"1_of_2: another run is at work in it"):
            shard(tmp_path, "1/2")
        with pytest.raises(errors.InputError, match=r"1_of_2: another run is at work in it"):
            stage.run(config(), tmp_path)
    assert stage.run(config(), tmp_path)


def test_a_mistake_leaves_nothing(tmp_path):
    stage.run(first(), tmp_path)
    (tmp_path / "drawn" / "pod" / "imgs" / "w_0.jpg").write_bytes(b"no picture")
    with pytest.raises(errors.InputError, match=r"w_0.jpg cannot be decoded"):
        shard(tmp_path, "0/2")
    assert not list((tmp_path / "photos").glob("*"))


def test_what_is_not_made_of_every_photo_has_no_shards(whole, tmp_path):
    with pytest.raises(errors.InputError, match=r"program 'draw' is not done in shards: run it without --shard"):
        stage.run_shard(config().stages.drawn, tmp_path / "drawn", Shard(0, 2))
    assert not (tmp_path / "drawn").exists()
