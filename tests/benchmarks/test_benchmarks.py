"""Every benchmark runs, in its smallest form, and prints a rate."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import held_back, networks, scaling

ROOT = Path(__file__).parents[2]
SMALLEST = {
    "augment": "--batch=4 --size=32 --repeat=1 --devices=2",
    "embedding": "--steps=1 --repeat=1 --gallery=1000",
    "import_photos": "--photos=4 --rounds=1",
    "inference": "--photos=64 --repeat=1",
    "loop": "--size=32 --batch=8 --steps=2 --repeat=1",
    "networks": "--networks=crops --rounds=1 --seconds=0",
    "views": "--limit=8 --size=32",
}
LIBRARIES = {"noise"}
LONG = {"held_back", "hog", "peers", "scaling"}  # they need a finished run, PyTorch, or compile the post's networks


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs(name):
    command = [sys.executable, "-m", f"benchmarks.{name}", *SMALLEST[name].split()]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr
    assert re.search(r"\d", output.stdout)


@pytest.mark.parametrize("name", sorted(LONG - {"peers"}))
def test_a_benchmark_that_takes_long_can_be_asked_what_it_is(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name="__main__")
    assert not ended.value.code
    assert "usage" in capsys.readouterr().out


def test_crops_held_back_are_all_of_new_whales_and_one_each_of_whales_that_stay():
    whale = {f"{i}.jpg": f"w{i // 4 if i < 1000 else i}" for i in range(1100)}  # four crops each of 250, and one of 100
    sides = held_back.draw(whale, seed=3)
    new = {whale[crop] for crop in sides[held_back.NEW_WHALES]}
    assert len(new) == 25
    assert {crop for crop in whale if whale[crop] in new} == set(sides[held_back.NEW_WHALES])
    stay = [whale[crop] for crop in sides[held_back.OLD_WHALES]]
    assert len(set(stay)) == len(stay) == 150
    assert not new & {*stay}
    assert all(int(name[1:]) < 250 for name in stay)  # the others would be in no training
    assert sides != held_back.draw(whale, seed=4)


def test_a_rate_is_that_of_the_median_or_the_best_round_and_costs_are_an_image():
    rounds = [(0.5, 0.8, 64.0), (0.25, 0.4, 32.0), (1.0, 1.2, 96.0)]
    assert networks.summary({"train": rounds}, batch=32) == {
        "train": 64.0,
        "train_best": 128.0,
        "train_cpu_ms": 25.0,
        "train_faults": 2,
    }


def test_every_benchmark_is_in_the_table():
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert names == {*SMALLEST, *LIBRARIES, *LONG}


def test_bytes_of_collectives_are_read_from_what_xla_prints():
    text = """
      %a = (f32[3,3]{1,0}, bf16[8]{0}) all-reduce(%x, %y), replica_groups={}
      %b = f32[] all-gather-start(%z)
      %c = f32[4]{0} add(%x, %y)
    """
    assert scaling.collectives(text) == [("all-reduce", 4 * 9 + 2 * 8), ("all-gather", 4)]


def test_a_step_on_paper_takes_its_work_and_both_links():
    link = scaling.Link(bandwidth=1e9, latency=0.0)
    alone = scaling.seconds(scaling.RATE, 0.0, reduced=[8_000], count=1, link=link)
    assert alone == 1.0
    two_hosts = scaling.seconds(scaling.RATE, 0.0, reduced=[8_000], count=16, link=link)
    inside = 2 * 3 * scaling.NVLINK.latency + 2 * 7 / 8 * 8_000 / scaling.NVLINK.bandwidth
    assert two_hosts == pytest.approx(1 + inside + 2 * 1 / 2 * 1_000 / 1e9, rel=1e-9)
