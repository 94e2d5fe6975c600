"""A finished run answers photos that it has never seen as it answers its own photos without a name."""

import csv
import itertools
import re
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from absl import logging
from PIL import Image

from configs import identify
from tests.data.folders import write_csv
from tests.data.test_splits import as_photos
from tests.finished_run import PHOTOS, UNNAMED, WHALES, finish, head, write_crops
from whale_jax.data import probabilities, right_whale
from whale_jax.evaluation.judge import Judge
from whale_jax.programs import identify as program
from whale_jax.recognition import live, members
from whale_jax.recognition.points import no_head_notes
from whale_jax.review.session import Session
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, stage

OF_FILES = ("files", "checksum")  # what a result says of files, and of itself


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of crops, and that of a run on them."""
    root, run = tmp_path_factory.mktemp("crops"), tmp_path_factory.mktemp("run")
    finish(root, run)
    return root, run


def answers(path, key):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row for row in rows if row[key] == name] for name in {row[key]: None for row in rows}}


class June(NamedTuple):
    """The folder of the answers, and what was logged."""

    folder: Path
    messages: list[str]


@pytest.fixture(scope="module")
def june(finished, tmp_path_factory):
    """The run's unnamed crops, called as named ones of it are, asked in three parts; no crop, and half a file."""
    root, run = finished
    new, folder, messages = tmp_path_factory.mktemp("new"), tmp_path_factory.mktemp("june"), []
    for i in range(UNNAMED):
        shutil.copy(root / f"{WHALES * PHOTOS + i:02d}.png", new / f"{i:02d}.png")
    Image.new("RGB", (400, 100)).save(new / "wide.png")
    (new / "half.png").write_bytes((root / "41.png").read_bytes()[:200])
    config = identify.get_config(str(run))
    config.data.root = str(new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "FEWEST", 2)
        patch.setattr(time, "monotonic", itertools.count(step=100).__next__)
        patch.setattr(logging, "info", lambda text, *values: messages.append(text % values if values else text))
        stage.run(config, folder)
    return June(folder / "identified", messages)


def test_other_photos_are_answered_as_the_runs_own(finished, june):
    _, run = finished
    photos = right_whale.load(run / "photos")
    p = probabilities.load_source(str(run / "fused"), photos, source="fused")
    rows = answers(june.folder / "candidates.csv", "Image")
    for i in range(UNNAMED):
        expected = p[photos.name.tolist().index(f"{WHALES * PHOTOS + i:02d}.png")]
        best = rows[f"{i:02d}.png"][0]
        assert best["whaleID"] == photos.whales[expected.argmax()]
        probability = float(best["probability"]) / (1 - float(best["p_none"]))
        assert probability == pytest.approx(expected.max(), abs=2e-3)
        assert [int(row["rank"]) for row in rows[f"{i:02d}.png"]] == [1, 2, 3, 4, 5]
        assert all(photos.whale[photos.name == row["nearest"]] == row["whaleID"] for row in rows[f"{i:02d}.png"])


def test_a_photo_that_is_no_crop_and_one_that_cannot_be_read_have_no_name_and_stop_nobody(june):
    rows = answers(june.folder / "candidates.csv", "Image")
    assert [*rows] == [*(f"{i:02d}.png" for i in range(UNNAMED)), "wide.png"]
    assert all(rows[f"{i:02d}.png"][0]["whaleID"] for i in range(UNNAMED))
    assert not rows["wide.png"][0]["whaleID"]
    assert rows["wide.png"][0]["note"].startswith("no crop of a head as the run's are (400 x 100 pixels")
    [left_out] = finished_runs.read(june.folder).result["left_out"]
    assert left_out.startswith("half.png")


def test_a_line_a_photo_says_who_it_is_and_how_much_time_is_left(june):
    """Six photos of a whale each, in three parts, and one that is no head."""
    lines = [message for message in june.messages if re.match(r"\[\d/7\] ", message)]
    names = [f"{i:02d}.png" for i in range(UNNAMED)]
    assert [line.split(":")[0] for line in lines] == [
        f"[{i}/7] {name}" for i, name in enumerate(["wide.png", *names], start=1)
    ]
    rows = answers(june.folder / "candidates.csv", "Image")
    for line, name in zip(lines[1:], names, strict=True):
        assert f"{name}: {rows[name][0]['whaleID']} {100 * float(rows[name][0]['probability']):.0f} %" in line
    times = [re.search(r"\((.*) left\)", line) for line in lines]
    assert [match and match[1] for match in times] == [None, "3.3 min", "3.3 min", "1.7 min", "1.7 min", None, None]


def test_a_run_that_stays_open_answers_one_photo_as_all_of_them(june):
    recogniser = live.Recogniser(finished_runs.read(june.folder).config["inputs"])
    rows = answers(june.folder / "candidates.csv", "Image")
    for row in (1, 4):
        p, nearest = recogniser.ask(row, np.zeros((2, 2)))  # crops have no points
        [best, *_] = rows[recogniser.source.photos.name[row]]
        assert recogniser.run.whales[p.argmax()] == best["whaleID"]
        assert p.max() * (1 - float(best["p_none"])) == pytest.approx(float(best["probability"]), abs=1e-3)
        assert recogniser.run.photos.name[nearest[p.argmax()]] == best["nearest"]


def test_ready_crops_have_no_points_to_move_in_a_review(june, tmp_path):
    review = Session(finished_runs.read(june.folder), tmp_path, reviewer="Ann")
    state = review.state()
    assert state["ready_crops"]
    for entry in state["photos"]:
        assert entry["points"] is None
        for candidate in entry["candidates"]:  # the run's photo, though a new one has its name
            assert review.run.photos.whale[candidate["reference"]] == candidate["whale"]
    with pytest.raises(errors.InputError, match="ready crops"):
        review.move(0, points=[[1.0, 1.0], [20.0, 1.0]], reviewer="", based_on=0)
    [answer] = review.decide(0, kind="whale", whale="w0", reviewer="", based_on=0)["photos"]
    assert answer["decision"]["whale"] == "w0"
    review.close()


def test_an_encounter_is_answered_together_and_a_whale_of_no_photo_is_doubted(finished, tmp_path):
    _, run = finished
    (tmp_path / "new").mkdir()
    rows = [["Image", "encounter"]]
    for i, whale in enumerate([2, 2, 77]):  # the last is of nobody that the run knows
        Image.fromarray(head(whale, 60 + i)).save(tmp_path / "new" / f"{i}.png")
        rows.append([f"{i}.png", "pair" if i < 2 else "alone"])
    write_csv(tmp_path / "new" / "sightings.csv", rows)
    config = identify.get_config(str(run))
    config.data.root = str(tmp_path / "new")
    stage.run(config, tmp_path / "june")
    photos = answers(tmp_path / "june" / "identified" / "candidates.csv", "Image")
    pooled = answers(tmp_path / "june" / "identified" / "encounters.csv", "encounter")
    assert photos["0.png"][0]["whaleID"] == photos["1.png"][0]["whaleID"] == pooled["pair"][0]["whaleID"] == "w2"
    assert float(pooled["pair"][0]["probability"]) >= min(float(photos[f"{i}.png"][0]["probability"]) for i in (0, 1))
    assert float(photos["2.png"][0]["p_none"]) > float(photos["0.png"][0]["p_none"])


def test_what_a_run_lacks_is_said(finished, tmp_path):
    _, run = finished
    config = identify.get_config(str(run))
    del config.stages.identified.inputs["hog96"]
    (tmp_path / "new").mkdir()
    Image.fromarray(head(1, 99)).save(tmp_path / "new" / "a.png")
    config.data.root = str(tmp_path / "new")
    with pytest.raises(errors.InputError, match=r"inputs.hog96 is empty: name the same of the new photos"):
        stage.run(config, tmp_path / "june")


def test_a_candidate_is_as_likely_as_its_whale_and_that_the_run_knows_it():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25], [np.nan] * 3])
    judged = Judge(np.log(0.6), 0.05, lambda sure: np.full(len(sure), 0.25))
    nearest = np.array([["c.jpg", "", "a.jpg"]] * 3)
    facts = {"nearest": nearest, "judged": judged, "count": 2}
    first, second, third = program.candidates(p, ("a", "b", "c"), sure=p, **facts)
    assert first[0] == ["1", "a", "0.5250", "c.jpg", "0.2500", "0", "0.6000", "0.05", ""]
    assert first[1][:5] == ["2", "b", "0.1500", "", "0.2500"]
    assert second[0][5] == "1"
    assert not third
    doubtful, *_ = program.candidates(p, ("a", "b", "c"), sure=np.sqrt(p) / np.sqrt(p).sum(1, keepdims=True), **facts)
    assert doubtful[0] == ["1", "a", "0.5250", "c.jpg", "0.2500", "1", "0.6000", "0.05", ""]


def test_an_encounter_is_shown_beside_the_whales_of_its_first_photo_that_was_compared():
    nearest = np.array([[-1, -1, 4], [7, -1, 5], [-1, -1, -1], [8, 9, 6]])
    shown = program.of_encounters(nearest, np.array([3, 3, 1, 3]))
    np.testing.assert_array_equal(shown, [[-1, -1, -1], [7, 9, 4]])
    assert program.of_encounters(nearest[:0], np.zeros(0, int)).shape == (0, 3)


def test_a_head_of_implausible_size_or_at_no_steady_place_is_none():
    points = np.zeros((4, 2, 2), np.float32)
    points[:, 0, 0] = 10, 12, 60, np.nan
    photos = as_photos(np.zeros(4, int))._replace(size=np.full((4, 2), 100, np.int32))
    limits = {"usual": 0.1, "shifts": np.array([0.3, 0.1, 0.4, np.nan]), "max_point_shift": 0.25}
    unsteady = "no head was found (the networks do not agree where: 0.3 head lengths apart)"
    size = "no head was found (implausible size: 6 times the usual length)"
    assert [*no_head_notes(points, photos, max_length_ratio=2.5, **limits)] == [unsteady, "", size, "no head was found"]
    assert [*no_head_notes(points, photos, max_length_ratio=0, **{**limits, "max_point_shift": 0})] == [
        *[""] * 3,
        "no head was found",
    ]


def test_a_run_that_was_moved_answers_as_before_and_none_is_asked_for_by_its_folder(finished, june, tmp_path):
    root, run = finished
    (tmp_path / "new").mkdir()
    shutil.copy(root / "40.png", tmp_path / "new" / "a.png")
    tables = []
    for folder in (run, tmp_path / "moved"):
        config = identify.get_config(str(folder))
        config.data.root = str(tmp_path / "new")
        stage.run(config, tmp_path / f"june_{folder.name}")
        tables.append((tmp_path / f"june_{folder.name}" / "identified" / "candidates.csv").read_text())
        if folder == run:
            shutil.copytree(run, tmp_path / "moved")
            run.rename(tmp_path / "away")
    (tmp_path / "away").rename(run)
    assert tables[0] == tables[1]
    [[best, *_]] = answers(tmp_path / f"june_{run.name}" / "identified" / "candidates.csv", "Image").values()
    same = answers(june.folder / "candidates.csv", "Image")["00.png"][0]  # asked in a part of its own
    assert best["whaleID"] == same["whaleID"]
    assert float(best["probability"]) == pytest.approx(float(same["probability"]), abs=2e-3)
    with pytest.raises(errors.InputError, match=r"there is no folder .*nowhere: name that of a finished run"):
        identify.get_config(str(tmp_path / "nowhere"))


def test_photos_of_which_none_has_a_head_are_all_without_a_name(finished, tmp_path):
    _, run = finished
    (tmp_path / "new").mkdir()
    Image.new("RGB", (400, 100)).save(tmp_path / "new" / "b.png")
    config = identify.get_config(str(run))
    config.data.root = str(tmp_path / "new")
    stage.run(config, tmp_path / "june")
    result = finished_runs.read(tmp_path / "june" / "identified").result
    assert (result["photos"], result["answered"], result["called_new"]) == (1, 0, 0)
    assert [
        row[0]["whaleID"] for row in answers(tmp_path / "june" / "identified" / "candidates.csv", "Image").values()
    ] == [""]


def test_a_whale_of_the_gallery_is_named_though_the_run_never_saw_it(finished, tmp_path, caplog):
    """Whale 9 joins by four photos; the run's own whales keep their names. A photo that is no crop is told of."""
    _, run = finished
    for folder, whales, start in (("new", [9, 9, 2, 3], 300), ("gallery", [9, 9, 9, 9, 1], 400)):
        (tmp_path / folder).mkdir()
        rows = write_crops(tmp_path / folder, whales, start=start, named=folder == "gallery")
        write_csv(tmp_path / folder / "whales.csv", rows)
    with (tmp_path / "gallery" / "whales.csv").open("a", encoding="utf-8") as file:
        file.write("tall.png,w1,\n")
    Image.new("RGB", (40, 100)).save(tmp_path / "gallery" / "tall.png")
    config = identify.get_config(str(run))
    config.data.root, config.gallery = str(tmp_path / "new"), str(tmp_path / "gallery")
    stage.run(config, tmp_path / "june")
    [line] = [line for line in caplog.messages if "may show no head" in line]
    assert "no head: 1, such as gallery/tall.png (no crop" in line
    rows = answers(tmp_path / "june" / "identified" / "candidates.csv", "Image")
    assert [*rows] == ["300.png", "301.png", "302.png", "303.png"]
    assert [row[0]["whaleID"] for row in rows.values()] == ["w9", "w9", "w2", "w3"]
    assert all(row[0]["nearest"].startswith("gallery/40") for name, row in rows.items() if name < "302")
    page = (tmp_path / "june" / "identified" / "report.html").read_text(encoding="utf-8")
    assert f'"summary": "it knows {WHALES} whales; 6 photos of a gallery added 1 whale"' in page
    for name in ("300.png", "301.png"):
        nearest = re.escape(rows[name][0]["nearest"])
        [number] = {*re.findall(rf'{{"reference": (\d+), "name": "{nearest}"}}', page)}
        assert f'"/reference/{number}.jpg": "data:image/webp' in page
    assert finished_runs.read(tmp_path / "june" / "identified").result["gallery"] == 6


def test_photos_in_a_folder_called_as_a_gallery_are_not_taken_for_one(finished, tmp_path):
    (tmp_path / "new" / "gallery").mkdir(parents=True)
    write_crops(tmp_path / "new" / "gallery", [1, 2], start=300, named=False)
    config = identify.get_config(str(finished[1]))
    config.data.root = str(tmp_path / "new")
    with pytest.raises(errors.InputError, match="photos in a folder 'gallery', which would be taken for those of"):
        stage.run(config, tmp_path / "june")
