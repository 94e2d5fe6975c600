import json
import re
from pathlib import Path

import pytest

from configs import ablations
from configs import compare as compare_config
from whale_jax.report import recipes
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files, stage


def finished_run(folder, *, dropout, seed, loss, program="train", split="s"):
    config = {
        "program": program,
        "seed": seed,
        "batch": 32,
        "model": {"name": "resnet", "dropout": dropout},
        "inputs": {"view": "v"},
    }
    result = {"program": program, "split": split, "digest": folder.name, "seconds": 60.0, "trained_on": 64}
    result["training"] = {"seconds": 60.0, "images_per_second": 9.0, "best_step": 4}
    folder.mkdir(parents=True)
    rows = [{"step": step, "valid/log_loss": loss + 4 / step} for step in (2, 4)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    json_files.write(folder / "config.json", config)
    json_files.write(folder / "result.json", result | {"metrics": {"log_loss": loss, "top1": 0.25, "loss": 1.0}})
    return str(folder)


@pytest.fixture
def folders(tmp_path):
    recipes = [(0.0, 0, 5.0), (0.5, 0, 4.0), (0.0, 1, 5.2), (0.5, 1, 4.4)]
    return [
        finished_run(tmp_path / f"run{i}", dropout=rate, seed=seed, loss=loss)
        for i, (rate, seed, loss) in enumerate(recipes)
    ]


def compared(folders, workdir):
    return stage.run(compare_config.get_config(",".join(folders)), workdir)


def lines_of(result):
    """The lines of a comparison's table, without the notes under it."""
    return [line for line in result["table"].splitlines() if line.startswith("|")]


def test_a_row_is_a_recipe_with_mean_and_deviation_over_its_seeds(folders, tmp_path):
    table = lines_of(compared(folders, tmp_path / "out"))
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == ["train", "runs", "log loss", "top-1", "time"]
    assert [line.split("|")[1].strip() for line in table[2:]] == ["model.dropout=0.0", "model.dropout=0.5"]
    assert "5.100 ± 0.141" in table[2]  # the sample's deviation: 0.2 / sqrt(2)
    assert "4.200 ± 0.283" in table[3]
    written = (tmp_path / "out" / "table.md").read_text()
    assert written.splitlines()[:4] == table
    assert written.splitlines()[-1].startswith("- the weights are those that were best on these very photos")
    assert json.loads((tmp_path / "out" / "table.json").read_text())[0]["log_loss"][0] == pytest.approx(5.1)
    assert (tmp_path / "out" / "table.png").stat().st_size > 5000
    assert (tmp_path / "out" / "curves.png").stat().st_size > 5000


def test_runs_of_a_sweep_that_are_not_there_are_told_under_the_table(folders, tmp_path):
    sweep = tmp_path / "sweep"
    finished = finished_run(sweep / "000_lr=0.1", dropout=0.0, seed=0, loss=4.0)
    lines = [
        {"name": name, "config": "c.py", "overrides": {}} for name in (Path(finished).name, "001_lr=0.5", "002_lr=1")
    ]
    (sweep / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (sweep / "001_lr=0.5.exit").write_text("2\n")
    (sweep / "001_lr=0.5.log").write_text("much\nwhale_jax: the loss at step 3 is nan\n")
    text = compared([str(sweep)], tmp_path / "out")["table"]
    assert "4.000" in text
    assert "- not there: 001_lr=0.5: failed: whale_jax: the loss at step 3 is nan\n" in text
    assert text.endswith("- not there: 002_lr=1: missing")


def test_trainings_are_timed_to_the_loss_that_a_row_has_at_its_end(folders, tmp_path):
    config = compare_config.get_config(",".join(folders))
    config.labels = dict(zip(config.inputs, ["without", "with"] * 2, strict=True))
    config.target_row = "with"  # 4.4 by the worse of its seeds, which all come below at step 4
    for folder in map(Path, folders):
        rows = [{"step": step, "valid/log_loss": 5.0 - step / 4} for step in (2, 4)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = json_files.read(Path(stage.run(config, tmp_path / "out") and tmp_path / "out") / "table.json")
    assert [row["reached"][0] for row in rows] == [pytest.approx(4 * 32 / 9.0)] * 2  # steps of 32 at 9 images a second
    config.target_row = "wiht"
    with pytest.raises(errors.InputError, match="unknown target row 'wiht': did you mean with"):
        stage.run(config, tmp_path / "wrong")
    config.target_row, config.metrics = "with", ("top_1",)
    with pytest.raises(errors.InputError, match="metric, which no run has measured, 'top_1': did you mean top1"):
        stage.run(config, tmp_path / "wrong")


def test_the_last_weights_are_compared_where_they_are_asked_for(folders, tmp_path):
    for folder in map(Path, folders):
        last = {"log_loss": 6.0, "calibrated": 3.5, "top1": 0.5}
        json_files.write(folder / "result.json", {**json_files.read(folder / "result.json"), "last": last})
    config = compare_config.get_config(",".join(folders))
    config.weights = "last"
    table = lines_of(stage.run(config, tmp_path / "out"))
    assert [cell.strip() for cell in table[0].strip("|").split("|")][2:5] == ["log loss", "calibrated", "top-1"]
    assert [cell.strip() for cell in table[2].split("|")][3:6] == ["6.000 ± 0.000", "3.500 ± 0.000", "50.0% ± 0.0%"]


def test_what_only_some_recipes_have_measured_leaves_the_others_cells_empty(folders, tmp_path):
    for folder in (folders[0], folders[1], folders[3]):  # of the first recipe, one run only
        result = json_files.read(Path(folder) / "result.json")
        json_files.write(Path(folder) / "result.json", {**result, "metrics": {**result["metrics"], "map": 0.5}})
    table = lines_of(compared(folders, tmp_path / "out"))
    cells = [line.split("|")[5].strip(" -:") for line in table]
    assert cells == ["mAP", "", "", "0.500 ± 0.000"]


def test_a_run_from_before_a_key_was_there_is_of_its_default(folders, tmp_path):
    for folder in folders[2:]:
        config = json_files.read(Path(folder) / "config.json")
        json_files.write(Path(folder) / "config.json", {**config, "init": "exact", "images_per_class": 1})
    table = lines_of(compared(folders, tmp_path / "out"))
    assert [line.split("|")[1:3] for line in table[2:]] == [
        [" model.dropout=0.0 ", "    2 "],
        [" model.dropout=0.5 ", "    2 "],
    ]


def test_a_pipeline_has_nothing_to_compare(folders, tmp_path):
    json_files.write(
        Path(folders[0]) / "result.json", {"program": "pipeline", "split": "s", "digest": "d", "seconds": 1.0}
    )
    with pytest.raises(errors.InputError, match="run0 has measured nothing that could be compared"):
        compared(folders, tmp_path / "out")


def test_a_recipe_goes_by_its_label(folders, tmp_path):
    config = compare_config.get_config(",".join(folders))
    config.labels = {"run1": "half", "run3": "half"}
    table = lines_of(stage.run(config, tmp_path / "out"))
    assert [line.split("|")[1].strip() for line in table[2:]] == ["model.dropout=0.0", "half"]


def test_labels_and_seeds_that_would_hide_a_run_are_refused(folders, tmp_path):
    config = compare_config.get_config(",".join(folders))
    config.labels = {f"run{i}": "alike" for i in range(4)}
    with pytest.raises(errors.InputError, match="two recipes are labelled 'alike'"):
        stage.run(config, tmp_path / "out")
    config.labels = {"rum0": "alike"}
    with pytest.raises(errors.InputError, match="did you mean run0"):
        stage.check(config)
    again = finished_run(tmp_path / "again", dropout=0.5, seed=0, loss=3.0)
    with pytest.raises(errors.InputError, match="runs of one recipe and one seed"):
        compared([*folders, again], tmp_path / "other")


def test_curves_are_a_line_a_run_and_a_colour_a_recipe(folders):
    groups = recipes.group([finished_runs.read(folder) for folder in folders])
    [[panel]] = recipes.panels(groups, ["log_loss", "top1"], weights="best")  # top-1 was not measured while training
    minutes = [step * 32 / 9 / 60 for step in (2, 4)]  # 32 examples a step, 9 images/s
    assert [line.x for line in panel.lines] == [pytest.approx(minutes)] * 4
    assert [line.y for line in panel.lines] == [(7, 6), (7.2, 6.2), (6, 5), (6.4, 5.4)]
    assert len({line.colour for line in panel.lines}) == 2


def test_runs_of_several_folds_stand_side_by_side(folders, tmp_path):
    for fold, folder in enumerate(folders):
        result = json_files.read(Path(folder) / "result.json")
        json_files.write(Path(folder) / "result.json", {**result, "fold": fold})
    assert compared(folders, tmp_path / "out")["fold"] is None


def test_one_run_has_no_deviation(folders, tmp_path):
    assert "±" not in compared(folders[:2], tmp_path / "out")["table"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"split": "other"}, "2 different splits"), ({"program": "crossfit"}, "one program, not of crossfit, train")],
)
def test_runs_that_cannot_be_compared(folders, tmp_path, changes, message):
    other = finished_run(tmp_path / "other", dropout=0.8, seed=0, loss=3.0, **changes)
    with pytest.raises(errors.InputError, match=message):
        compared([*folders, other], tmp_path / "out")


def test_a_run_that_is_missing_is_named(folders, tmp_path):
    with pytest.raises(errors.InputError, match="nowhere holds no finished stage"):
        compared([*folders, str(tmp_path / "nowhere")], tmp_path / "out")


def test_a_calibration_has_a_row_for_each_source(tmp_path):
    for i, method in enumerate(("temperature", "dirichlet")):
        folder = tmp_path / method
        folder.mkdir()
        values = {"before": {"log_loss": 5.0, "top1": 0.1}, "after": {"log_loss": 4.0 - i, "top1": 0.1}}
        config = {"program": "calibrate", "method": method, "inputs": {"probabilities": "a/stack"}}
        result = {"program": "calibrate", "split": "s", "digest": method, "seconds": 1.0}
        learned = {"stack": {"log_loss": 0.01}, "network": {"log_loss": 0.5}}
        result |= {"metrics": {"stack": values, "network": values}, "train_metrics": learned}
        json_files.write(folder / "config.json", config)
        json_files.write(folder / "result.json", result)
    folders = [str(tmp_path / "temperature"), str(tmp_path / "dirichlet")]
    table = lines_of(compared(folders, tmp_path / "out"))
    heads = [cell.strip() for cell in table[0].strip("|").split("|")]
    assert heads[2:5] == ["log loss", "calibrated", "on training photos"]
    [row] = [line for line in table if "answer=stack method=dirichlet" in line]
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["5.000", "3.000", "0.010"]
    config = compare_config.get_config(",".join(folders))
    first, second = config.inputs
    config.sources = {first: ("network",), second: ("stack",)}
    table = lines_of(stage.run(config, tmp_path / "some"))[2:]
    assert ["answer=stack" in line for line in table] == [False, True]
    config.sources = {first: ("stak",)}
    with pytest.raises(errors.InputError, match=r"unknown source of probabilities in .*did you mean stack"):
        stage.run(config, tmp_path / "wrong")


def test_what_networks_said_goes_by_how_they_were_trained(tmp_path):
    searches = []
    for i, (rate, seed) in enumerate([(0.0, 0), (0.5, 0), (0.0, 1), (0.5, 1)]):
        network = finished_run(tmp_path / f"net{i}", dropout=rate, seed=seed, loss=4.0)
        for name, program, inputs in [
            ("features", "extract", {"network": network}),
            ("search", "retrieve", {"features": str(tmp_path / f"features{i}"), "photos": "p", "split": "s"}),
        ]:
            folder = tmp_path / f"{name}{i}"
            folder.mkdir()
            json_files.write(folder / "config.json", {"program": program, "inputs": inputs})
            result = {"program": program, "split": "s", "digest": folder.name, "seconds": 1.0}
            json_files.write(folder / "result.json", result | {"metrics": {"top1": rate + seed / 10}})
        searches.append(str(folder))
    table = lines_of(compared(searches, tmp_path / "out"))
    assert [[cell.strip() for cell in line.split("|")[1:4]] for line in table[2:]] == [
        ["features.network.model.dropout=0.0", "2", "5.0% ± 7.1%"],
        ["features.network.model.dropout=0.5", "2", "55.0% ± 7.1%"],
    ]
    with pytest.raises(errors.InputError, match="runs of one recipe and one seed"):
        stage.run(compare_config.get_config(",".join([*searches, searches[0]])), tmp_path / "twice")


def test_what_some_begin_with_is_made_for_every_seed_and_does_not_part_them(tmp_path):
    runs = []
    for seed in (0, 1):
        start = finished_run(tmp_path / f"seed{seed}_begun", dropout=0.1, seed=seed, loss=6.0)
        for name, weights in (("scratch", ""), ("begun", start)):
            folder = finished_run(tmp_path / f"seed{seed}_{name}_own", dropout=0.0, seed=seed, loss=4.0)
            config = json_files.read(Path(folder) / "config.json")
            config["inputs"]["weights"] = weights
            json_files.write(Path(folder) / "config.json", config)
            runs.append(folder)
    table = lines_of(compared(runs, tmp_path / "out"))[2:]
    assert [line.split("|")[2].strip() for line in table] == ["2", "2"]
    assert re.match(r"\| inputs.weights= +\|", table[0])
    assert re.match(r"\| weights=train [0-9a-f]{6} +\|", table[1])  # its whole config would be no name
    for seed in (0, 1):  # and of two programs, each of which goes back to a network of that seed
        network = finished_run(tmp_path / f"seed{seed}_first", dropout=0.1, seed=seed, loss=6.0)
        for run, program in zip(runs[2 * seed : 2 * seed + 2], ("extract", "retrieve"), strict=True):
            folder = tmp_path / f"seed{seed}_{program}"
            folder.mkdir()
            json_files.write(folder / "config.json", {"program": program, "inputs": {"network": network}})
            config = json_files.read(Path(run) / "config.json") | {"inputs": {"view": "v", "labels": str(folder)}}
            json_files.write(Path(run) / "config.json", config)
    table = lines_of(compared(runs, tmp_path / "two"))[2:]
    assert [line.split("|")[2].strip() for line in table] == ["2", "2"]
    training = stage.config("train", seed=9)
    stages = ablations.ablate(
        training,
        {"a": {}, "b": {"inputs.weights": "start"}, "after a": {"inputs.weights": "a"}},
        first={"start": training},
        seeds=(3, 4),
    ).stages
    assert [stages[f"seed{seed}_02_after_a"].inputs.weights for seed in (3, 4)] == ["seed3_00_a", "seed4_00_a"]
    assert [stages[f"seed{seed}_01_b"].inputs.weights for seed in (3, 4)] == ["seed3_start", "seed4_start"]
    assert {name: run.seed for name, run in stages.items() if name.endswith("start")} == {
        "seed3_start": 3, "seed4_start": 4
    }  # fmt: skip
