"""Whatever happens to the files of a finished run: the same result or a message, no traceback and no other result."""

import random
import shutil

import numpy as np
import pytest
from scipy import special

from whale_jax.data import images, predictions, probabilities, right_whale
from whale_jax.runtime import errors, storage
from whale_jax.workflow import folders, json_files, provenance, stage

MUTATIONS = 25
READ = ("photos", "split", "view", "features", "probabilities")  # what `use` opens


def finished(folder, name, **result):
    """Finishes a stage that was written by hand."""
    result = {"program": name, "digest": name, "split": None, "seconds": 1.0, "device": "none", **result}
    json_files.write(folder / name / "config.json", {"program": name})
    json_files.write(folder / name / storage.RESULT, provenance.seal(result, folder / name))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run up to the features of its photos."""
    run = tmp_path_factory.mktemp("run")
    photos = {"photos": str(run / "photos")}
    stage.run(stage.config("draw", whales=4, photos=24, test=3, width=96), run / "drawn")
    imported = stage.config("import_photos", inputs={"drawn": str(run / "drawn"), "imported": ""})
    stage.run(imported, run / "photos")
    stage.run(stage.config("split", inputs=photos, folds=2, group="none"), run / "split")
    stage.run(stage.config("align", inputs=photos, frame="head", size=(8, 16)), run / "view")
    data, rng = right_whale.load(run / "photos"), np.random.default_rng(0)
    values = rng.normal(size=(len(data.name), len(data.whales))).astype(np.float32)
    for name in ("features", "probabilities"):
        (run / name).mkdir()
    predictions.save(run / "features", data, arrays={"features": values})
    probabilities.save(run / "probabilities", data, arrays={"network": special.softmax(values, axis=1)})
    finished(run, "features")
    finished(run, "probabilities")
    return run


def use(run, out):
    """What later stages make of a run: the submission, the neighbours, a view, and the pictures of the first one."""
    inputs = {"photos": str(run / "photos"), "split": str(run / "split")}
    of = {"submit": ("probabilities", "submission.csv"), "retrieve": ("features", "neighbours.csv")}
    for program, (kind, _) in of.items():
        stage.run(stage.config(program, inputs=inputs | {kind: str(run / kind)}), out / program)
    photos = {"photos": str(run / "photos"), "predictions": ""}
    stage.run(stage.config("align", inputs=photos, frame="whole", size=(8, 12)), out / "whole")
    views = images.load(out / "whole").images, images.load(run / "view").images
    tables = [(out / program / table).read_bytes() for program, (_, table) in of.items()]
    return *tables, *(np.array(view).tobytes() for view in views)


def mutated(content, draw):
    """A file with a bit flipped, bytes zeroed, rows in another order, its end cut off, or nothing."""
    place = draw.randrange(max(1, len(content)))
    kind = draw.choice(("bit", "zeros", "swap", "cut", "empty"))
    if kind == "bit" and content:
        return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]
    if kind == "zeros":
        return content[:place] + bytes(len(content[place : place + 64])) + content[place + 64 :]
    if kind == "swap":
        return content[place:] + content[:place]
    return content[:place] if kind == "cut" else b""


def outcome(run, out):
    """The result of a run that was damaged, or the message."""
    try:
        return use(run, out)
    except errors.InputError as error:
        return str(error)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def attack(run, out, *, mutations, seed):
    """Damages one file after the other; how often the result was the same, and how often there was a message."""
    draw, whole = random.Random(seed), outcome(run, out)
    assert isinstance(whole, tuple), whole
    paths = [path for name in READ for path in sorted((run / name).rglob("*")) if path.is_file()]
    paths = [path for path in paths if path.name != folders.LOCK]
    counts = {"same": 0, "message": 0}
    for _ in range(mutations):
        path = draw.choice(paths)
        content = path.read_bytes()
        path.write_bytes(mutated(content, draw))
        try:
            ended = outcome(run, out)
        finally:
            path.write_bytes(content)
        if isinstance(ended, str):
            assert str(run) in ended, f"{path}: {ended}"
            counts["message"] += 1
        else:
            assert ended == whole, f"{path} was damaged, and the result is another"
            counts["same"] += 1
    assert outcome(run, out) == whole
    return counts


@pytest.mark.slow
def test_damage_is_a_message_or_changes_nothing(source, tmp_path):
    counts = attack(source, tmp_path / "out", mutations=MUTATIONS, seed=0)
    assert min(counts.values()) > MUTATIONS // 10


def test_the_rows_of_predictions_in_another_order_are_refused(source, tmp_path):
    path = source / "features" / "predictions.npz"
    content = path.read_bytes()
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    storage.savez(path, **{name: a if name == "photo" else a[::-1] for name, a in arrays.items()})
    try:
        with pytest.raises(errors.InputError, match=rf"{path} has changed since its stage wrote it: delete .*features"):
            use(source, tmp_path)
    finally:
        path.write_bytes(content)


def test_a_damaged_jpeg_is_refused_and_the_others_are_read(source):
    photos = right_whale.load(source / "photos")
    [path] = (source / "photos").rglob("*array_record*")
    content, jpeg = path.read_bytes(), photos.jpeg(3)
    place = content.index(jpeg) + len(jpeg) // 2
    path.write_bytes(content[:place] + bytes(9) + content[place + 9 :])
    try:
        damaged = right_whale.load(source / "photos")
        with pytest.raises(
            errors.InputError, match=rf"photos/.*/{photos.name[3]} cannot be read .*: delete .*photos and"
        ):
            damaged.jpeg(3)
        assert damaged.jpeg(4) == photos.jpeg(4)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("name", ["result.json", "config.json", "splits.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 5000])
def test_a_damaged_json_file_names_itself(source, tmp_path, name, content):
    shutil.copytree(source, run := tmp_path / "run")
    (run / "split" / name).write_bytes(content)

    def again():
        config = stage.config("split", inputs={"photos": str(source / "photos")}, folds=2, group="none")
        stage.run(config, run / "split")
        use(run, tmp_path / "out")

    with pytest.raises(errors.InputError, match=rf"split/{name}.*split"):
        again()


def test_a_digit_in_a_result_is_noticed(source, tmp_path):
    shutil.copytree(source, run := tmp_path / "run")
    path = run / "split" / "result.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"labelled": 2', '"labelled": 3'), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    with pytest.raises(errors.InputError, match=rf"{path} has changed since its stage wrote it: delete .*split and"):
        provenance.read(run / "split")


def test_a_run_may_be_moved(source, tmp_path):
    shutil.copytree(source, tmp_path / "elsewhere")
    assert use(tmp_path / "elsewhere", tmp_path / "out") == use(source, tmp_path / "other")


def test_a_run_from_before_there_were_checksums_is_read_with_one_warning(source, tmp_path, caplog, monkeypatch):
    shutil.copytree(source, run := tmp_path / "old")
    for path in run.rglob("result.json"):
        result = json_files.read(path)
        json_files.write(
            path, {key: value for key, value in result.items() if key not in ("files", "checksum", "code")}
        )
    monkeypatch.setattr(provenance, "_warned", set())
    assert use(run, tmp_path / "out") == use(source, tmp_path / "other")
    assert [record.message for record in caplog.records if "before results had checksums" in record.message]
    assert sum("before results had checksums" in record.message for record in caplog.records) == 1


def test_a_drawn_photo_that_changed_is_not_imported(source, tmp_path):
    shutil.copytree(source / "drawn", tmp_path / "drawn")
    photo = sorted((tmp_path / "drawn" / "pod" / "imgs").iterdir())[3]
    photo.write_bytes(photo.read_bytes()[::-1])
    config = stage.config("import_photos", inputs={"drawn": str(tmp_path / "drawn"), "imported": ""})
    with pytest.raises(errors.InputError, match=rf"{photo} has changed since its stage wrote it: delete .*drawn and"):
        stage.run(config, tmp_path / "photos")
    assert not (tmp_path / "photos").exists()
