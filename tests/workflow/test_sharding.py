"""A run whose photos are read in shards, by processes that know nothing of each other, is the run of one process."""

import shutil

import filelock
import numpy as np
import pytest

from whale_jax.data import images, right_whale
from whale_jax.data.shards import Shard
from whale_jax.runtime import errors
from whale_jax.workflow import folders, json_files, stage


def config(**changes):
    """A drawn pod, imported, and two views of it."""
    photos = {"photos": "photos", "predictions": ""}
    stages = {
        "drawn": stage.config("draw", whales=3, photos=9, test=2, width=96),
        "photos": stage.config("import_photos", inputs={"drawn": "drawn", "imported": ""}, **changes),
        "whole": stage.config("align", inputs=photos, frame="whole", size=(20, 30)),
        "heads": stage.config("align", inputs=photos, frame="head", size=(16, 32)),
    }
    return stage.config("pipeline", stages=stages)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of one process, and its result."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, stage.run(config(), folder)


@pytest.fixture
def drawn(whole, tmp_path, monkeypatch):
    """The folder of a run that has come as far as the photos, and that does not wait long for others."""
    shutil.copytree(whole[0] / "drawn", tmp_path / "run" / "drawn")
    path = tmp_path / "run" / "drawn" / "result.json"  # without checksums: tests replace photos
    json_files.write(
        path, {key: value for key, value in json_files.read(path).items() if key not in ("files", "checksum")}
    )
    monkeypatch.setattr(folders, "PATIENCE", 0.1)
    return tmp_path / "run"


def shard(folder, text, **changes):
    stage.run_shard(config(**changes), folder, shard=Shard.read(text))


def photo(folder, number):
    return folder / "drawn" / "pod" / "imgs" / f"w_{number}.jpg"


def assert_same(run, whole):
    """Of a run whose import and views are there, all is as in the other."""
    for name in ("whole", "heads"):
        np.testing.assert_array_equal(images.load(run / name).images, images.load(whole[0] / name).images)
    assert right_whale.load(run / "photos").digest == right_whale.load(whole[0] / "photos").digest
    assert stage.run(config(), run)["digest"] == whole[1]["digest"]
    assert not list(run.rglob("shards"))


@pytest.mark.parametrize("number", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 16))])
def test_in_shards_it_is_the_same(whole, drawn, number):
    for i in reversed(range(number)):
        assert not (drawn / "photos" / "result.json").exists()
        shard(drawn, f"{i}/{number}")
    assert (drawn / "photos" / "result.json").exists()  # the last has put them together
    for i in range(number):
        shard(drawn, f"{i}/{number}")
    assert_same(drawn, whole)
    shard(drawn, "0/2")  # there is nothing left to do


def test_the_run_does_the_shards_that_are_missing(whole, drawn):
    shard(drawn, "1/3")
    files = [path for path in (drawn / "photos" / "shards").rglob("*") if path.is_file()]
    assert {path.relative_to(drawn / "photos" / "shards").parts[0] for path in files} == {"1_of_3"}
    stage.run(config(), drawn)
    assert_same(drawn, whole)
    assert len(list((drawn / "photos" / "right_whale").rglob("*array_record*"))) == 3


def test_a_run_that_was_dealt_out_into_one_shard_and_cut_off_goes_on(whole, drawn):
    Shard(0, 1).folder(drawn / "photos").mkdir(parents=True)
    stage.run(config(), drawn)
    assert_same(drawn, whole)


def test_a_shard_that_is_done_is_kept(drawn):
    shard(drawn, "1/2")
    before = {path: path.stat().st_mtime_ns for path in (drawn / "photos" / "shards" / "1_of_2").rglob("*.*record*")}
    shard(drawn, "1/2")
    photo(drawn, 0).write_bytes(b"no picture")  # of the other shard
    for again in (lambda: shard(drawn, "0/2"), lambda: stage.run(config(), drawn)):
        with pytest.raises(errors.InputError, match=r"(?s)w_0.jpg cannot be decoded.*delete .*photos first"):
            again()
    assert before
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_shards_of_photos_that_have_changed_since_are_refused(drawn):
    shard(drawn, "0/2")
    shutil.copy(photo(drawn, 0), photo(drawn, 0).with_name("a_new_one.jpg"))
    with pytest.raises(errors.InputError, match=r"0_of_2 holds other photos than are there now: delete .*shards"):
        stage.run(config(), drawn)


def test_another_number_of_shards_is_refused(drawn):
    shard(drawn, "1/2")
    with pytest.raises(errors.InputError, match=r"divided into 2 shards, not 3: go on with these, or delete .*shards"):
        shard(drawn, "1/3")


def test_a_shard_that_another_process_is_at_is_left_to_it(drawn):
    shard(drawn, "0/2")
    (drawn / "photos" / "shards" / "1_of_2").mkdir()
    with filelock.FileLock(drawn / "photos" / "shards" / "1_of_2" / folders.LOCK):
        with pytest.raises(errors.InputError, match=r"1_of_2: another run is at work in it"):
            shard(drawn, "1/2")
        with pytest.raises(errors.InputError, match=r"1_of_2: another run is at work in it"):
            stage.run(config(), drawn)
    assert stage.run(config(), drawn)


def test_no_shard_is_begun_while_a_run_is_at_all_of_them(drawn):
    (drawn / "photos").mkdir()
    busy = pytest.raises(errors.InputError, match=r"photos: another run is at work in it")
    with filelock.FileLock(drawn / "photos" / folders.LOCK), busy:
        shard(drawn, "1/2")
    assert not (drawn / "photos" / "shards").exists()


def test_a_mistake_leaves_nothing_that_another_config_would_meet(drawn):
    photo(drawn, 0).write_bytes(b"no picture")
    with pytest.raises(errors.InputError, match=r"w_0.jpg cannot be decoded .*skip_unreadable=True"):
        shard(drawn, "0/2")
    assert {path.name for path in (drawn / "photos").iterdir()} == {folders.LOCK}
    for text in ("0/2", "1/2"):
        shard(drawn, text, skip_unreadable=True)
    assert len(right_whale.load(drawn / "photos").name) == 10


def test_what_is_not_made_of_every_photo_has_no_shards(whole, drawn, tmp_path):
    with pytest.raises(errors.InputError, match=r"program 'draw' is not done in shards: run it without --shard"):
        stage.run_shard(config().stages.drawn, tmp_path / "drawn", shard=Shard(0, 2))
    assert not (tmp_path / "drawn").exists()
    with pytest.raises(errors.InputError, match=r"next is drawn, not done in shards: run .* without --shard"):
        shard(tmp_path / "new", "0/3")
