"""The report says what the stages measured."""

import math

import matplotlib
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from tests.programs.runs import NAMING, WHALES, inputs, put
from whale_jax.evaluation import caveats
from whale_jax.programs import report
from whale_jax.report import approaches, tables
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files

SETTINGS = dict(matplotlib.rcParams)


def make(run, workdir, *names):
    workdir.mkdir(exist_ok=True)
    result = report.run(ConfigDict({"inputs": inputs(run, *names)}), workdir)
    return result, json_files.read(workdir / "table.json")


@pytest.fixture(scope="module")
def whole(run_folder):
    """A report without pictures, which take most of its time."""
    workdir = run_folder / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw", lambda *_: [])
        return *make(run_folder, workdir), workdir


def test_table_says_what_was_measured(whole, run_folder):
    result, table, workdir = whole
    assert result["table"] == (workdir / "table.md").read_text().strip()
    guess, *approaches = table["classifier, on validation"]
    assert guess["log_loss"] == pytest.approx(math.log(WHALES))
    assert [row["name"] for row in approaches] == ["naive: whole photo", "boxed head", "aligned head"]
    expected = {**NAMING, "train_seconds": 20.0, "images_per_second": 64.0, "validated_on": 16, "steps": 40}
    for row in approaches:
        assert {key: row[key] for key in expected} == expected
    assert (
        "| naive: whole photo        |    1.250 | 60.0% (39-82%) | 90.0% (64-97%) |     16 | 48x96 |    40 |     20 s |"
        "       64 |" in (result["table"].splitlines())
    )
    first, second, third = table["points, out of fold (head lengths)"]
    assert second["point_error"] == pytest.approx(first["point_error"] / 10, rel=1e-4)
    assert third["point_error"] == pytest.approx(first["point_error"] / 20, rel=1e-4)
    assert "train_seconds" in second
    assert "train_seconds" not in third
    *outcome, fused, submission = table["probabilities, on validation"]
    assert [row["name"].partition(":")[0] for row in outcome] == ["naive"] * 2 + ["boxed"] * 2 + ["aligned"] * 2
    assert [(row["log_loss"], row["calibrated"], row["top1"]) for row in outcome[-2:]] == [
        (1.5, 1.25, 0.6),
        (1.5, 1.25, 0.625),
    ]
    assert fused == {
        "name": "aligned: networks and searches",
        "calibrated": NAMING["log_loss"],
        **{key: NAMING[key] for key in ("top1", "top5")},
        "validated_on": 16,
    }
    assert submission["name"] == "in submission.csv, 661 photos: logistic regression on features"


def test_every_stage_is_timed_once(whole):
    """Stages that only other stages name count too; of one that was resumed, all of its training counts."""
    *rows, total, clock = whole[1]["stage"]
    seconds = {row["name"]: row["seconds"] for row in rows}
    assert seconds.keys() == {*report.STAGES, "features", "stack"}
    assert len(rows) == len(seconds)
    assert seconds["aligner"] == 40  # of training, though its last run took one second
    assert seconds["features"] == 1
    assert total["name"] == "sum of the stages"
    assert total["seconds"] == pytest.approx(sum(seconds.values()))
    assert clock["name"] == "by the clock"
    # All but the import, which is a real one, ended at noon, at once.
    assert clock["seconds"] == pytest.approx(40 + seconds["photos"])


def stage_of(seconds, ended):
    return finished_runs.Stage(None, {}, {"seconds": seconds, "ended": f"2026-01-01T12:00:{ended:06.3f}+00:00"})


def test_the_clock_counts_a_second_once_and_no_pause():
    stages = [stage_of(10, 20.0), stage_of(5, 18.5), stage_of(10, 25.0), stage_of(1.5, 50.25)]
    assert finished_runs.wall_clock(stages) == pytest.approx(15 + 1.5)


def test_stages_of_another_run_are_not_timed(run_folder, tmp_path):
    put(tmp_path / "run" / "photos", "import_photos", whales=WHALES)
    put(tmp_path / "run" / "third", "predict", ["photos"], {"frame": "whole"}, metrics={})
    config = json_files.read(tmp_path / "run" / "third" / "config.json")
    config["inputs"]["network"] = str(run_folder / "refined")
    json_files.write(tmp_path / "run" / "third" / "config.json", config)
    stages = {"third": finished_runs.read(tmp_path / "run" / "third")}
    rows = approaches.time_table(stages, tmp_path / "run" / "report")["stage"]
    assert [row["name"] for row in rows] == ["photos", "third", "sum of the stages", "by the clock"]
    assert approaches.time_table(stages, tmp_path / "elsewhere" / "report") == {}


def test_a_report_that_was_made_is_printed_again(whole, run_folder, capsys):
    result, _, workdir = whole
    report.PROGRAM.revisit(ConfigDict(), workdir)
    assert capsys.readouterr().out.strip() == result["table"]


def test_what_must_be_known_of_a_result_stands_under_the_tables(run_folder, tmp_path):
    folder = run_folder / "calibrated"
    result = json_files.read(folder / "result.json")
    json_files.write(folder / "result.json", {**result, "caveats": ["stack: worth nothing"]})
    try:
        text = make(run_folder, tmp_path, "calibrated", "photos")[0]["table"]
    finally:
        json_files.write(folder / "result.json", result)
    assert "\n\n- calibrated: stack: worth nothing\n\nMade on" in text
    assert caveats.IN_SAMPLE not in text  # nothing was chosen on the photos of a calibration


def test_what_was_chosen_on_the_photos_measured_is_told(run_folder, tmp_path):
    text = make(run_folder, tmp_path, "naive_classifier", "photos")[0]["table"]
    assert f"|\n\n- classifier: {caveats.IN_SAMPLE}\n" in text


def test_a_share_of_few_photos_has_its_interval_and_one_of_many_has_none():
    assert tables.cell("top1", 6 / 14, photos=14) == "42.9% (21-67%)"
    assert tables.cell("pck@0.05", 0.5, photos=199) == "50.0% (43-57%)"
    for photos in (None, 200, 5000):
        assert tables.cell("top1", 6 / 14, photos=photos) == "42.9%"
    assert tables.cell("top1", (0.4, 0.1), photos=14) == "40.0% ± 10.0%"
    assert tables.cell("log_loss", 1.0, photos=14) == "1.000"


@pytest.mark.slow
def test_pictures_are_whole_and_do_not_change(run_folder, tmp_path):
    result, again = (make(run_folder, tmp_path / name)[0] for name in ("first", "again"))
    assert dict(matplotlib.rcParams) == SETTINGS
    names = ["curves_classifiers", "curves_localizer", "curves_aligner", "iou", "point_error"]
    names += ["points_aligner", "points_refined"]
    assert result["pictures"] == [
        f"{name}.png" for name in [*names, "points_third", "aligned_heads", "boxed_heads", "likeliest"]
    ]
    for name in again["pictures"]:
        with Image.open(tmp_path / "first" / name) as picture:
            assert 600 < picture.width < 2200
            assert 300 < picture.height < 2200
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_few_stages(run_folder, tmp_path):
    """A classifier on ready crops has no localizer, no aligner and no second stage."""
    result, table = make(run_folder, tmp_path, "photos", "split", "aligned", "aligned_classifier", "calibrated")
    assert result["pictures"] == ["curves_classifiers.png", "aligned_heads.png"]
    assert list(table) == ["classifier, on validation", "probabilities, on validation"]
    result, table = make(run_folder, tmp_path / "less", "calibrated")
    assert result["pictures"] == []
    assert "classifier, on validation" not in table


def test_several_networks_have_a_row_each_and_one_for_their_average(run_folder, tmp_path):
    folder = run_folder / "calibrated"
    result = json_files.read(folder / "result.json")
    network = result["metrics"]["network"]
    json_files.write(
        folder / "result.json", {**result, "metrics": {**result["metrics"], "features": network, "features1": network}}
    )
    _, table = make(run_folder, tmp_path, "calibrated")
    assert [row["name"] for row in table["probabilities, on validation"]] == [
        "aligned: network 1",
        "aligned: network 2",
        "aligned: average of 2 networks",
        "aligned: logistic regression on features",
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "nothing to report"),
        ({"alligner": "aligner"}, "unknown input of report 'alligner': did you mean aligner"),
        ({"aligner": "localiser"}, "localiser holds no finished stage"),
        ({"calibrated": "stack"}, "stack was made by the program 'stack', and this wants one made by calibrate"),
        ({"photos": "photos", "aligner": "localizer"}, "localizer has not measured point_error_median, .* task"),
        ({"aligner": "aligner"}, "inputs.photos is empty, and the pictures of aligner need"),
    ],
)
def test_wrong_inputs(run_folder, tmp_path, names, message):
    with pytest.raises(errors.InputError, match=message):
        report.run(ConfigDict({"inputs": {name: str(run_folder / path) for name, path in names.items()}}), tmp_path)
    assert not (tmp_path / "table.md").exists()


def test_damaged_stages(tmp_path):
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(errors.InputError, match=r"result.json cannot be read .* run its stage again"):
        finished_runs.read(tmp_path)
