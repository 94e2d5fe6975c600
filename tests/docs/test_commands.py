"""Every command in the documents can be given: its config, preset and keys exist, and so do the files that it names."""

import functools
import importlib.util
import itertools
import re
import shlex
from collections.abc import Mapping

import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags

from tests.docs import pages
from tests.docs.pages import ROOT
from whale_jax.workflow import overview, program

FLAG = re.compile(r"--config(?:\.([\w.]+))?(?:=(.*))?", re.DOTALL)
CONFIG = re.compile(r"configs/[\w/]+\.py:[\w/.,]+")
FILE = re.compile(r"(?:whale_jax|configs|tests|launch|docs|benchmarks|tools)/[\w./-]*\w\.\w+")
ANY = ("...", "configs/NAME.py:PRESET")  # what a reader fills in
EXAMPLES = (
    "classifier.py",
    "aligner.py",
    "demo.py",
    "crops.py",
    "stn.py",
    "catalogue.py",
)  # among them they have every key


def load(config: str, keys: Mapping[str, str]) -> ConfigDict:
    """A config as the command line makes it; a key that it lacks raises."""
    arguments = ["main", f"--config={ROOT}/{config}", *(f"--config.{key}={value}" for key, value in keys.items())]
    values = flags.FlagValues()
    flag = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=arguments, lock_config=True)
    values(arguments)
    assert flag.value.program
    return flag.value


def read(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The configs that a command names, and the keys that it sets; --set and --grid of a sweep set some too."""
    matches = [match for word in words for part in shlex.split(word) if (match := FLAG.fullmatch(part))]
    paths = [value for key, value in (match.groups() for match in matches) if not key and value not in (*ANY, None)]
    keys = {match[1]: match[2] or "" for match in matches if match[1]}
    for option, setting in itertools.pairwise(words):
        if option in ("--set", "--grid"):
            key, _, value = setting.partition("=")
            keys[key] = value.split(",")[0]
    return paths, keys


COMMANDS = [(pages.name(page), *read(words)) for page in pages.PAGES for words in pages.commands(page)]
CONFIGS = {f"{page}: {path} {' '.join(keys)}": (path, keys) for page, paths, keys in COMMANDS for path in paths}
CONFIGS |= {f"{pages.name(page)}: {path}": (path, {}) for page in pages.PAGES for path in pages.coded(page, CONFIG)}
KEYS = sorted({(page, key) for page, paths, keys in COMMANDS if not paths for key in keys if "KEY" not in key})


@functools.cache
def known_keys() -> set[str]:
    """The keys of the example configs with the keys above them, also with NAME in place of a stage's name."""
    keys = {key for name in EXAMPLES for key in overview.paths(load(f"configs/{name}", {}))}
    return keys | {re.sub(r"^stages\.[^.]+\.", "stages.NAME.", key) for key in keys}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with finished runs, as far as a config that continues from one looks at it."""
    path = tmp_path_factory.mktemp("finished")
    for name, stage in load("configs/pipeline.py:small", {}).stages.items():
        for run in ("small", "mine", "crops", "ablations/embedding"):
            folder = path / "runs" / run / name
            folder.mkdir(parents=True)
            (folder / "config.json").write_text(stage.to_json_best_effort())
            (folder / "result.json").write_text('{"digest": "", "length": 0.1}')
    return path


@pytest.mark.parametrize("command", CONFIGS)
def test_configs_presets_and_keys_exist(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load(*CONFIGS[command]).program in program.names()


@pytest.mark.parametrize(("page", "key"), KEYS)
def test_keys_without_a_config_exist_in_one(page, key):
    assert key in known_keys()


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_modules_and_files_exist(page):
    modules = re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8"))
    absent = [module for module in modules if module != "pip" and not importlib.util.find_spec(module)]
    old = pages.name(page) == "CHANGELOG.md"  # which also names files that are no more
    absent += [path for path in pages.coded(page, FILE) if not old and not (ROOT / path).exists()]
    assert not absent


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("configs/demo.py:demmo", {}),
        ("configs/dema.py", {}),
        ("configs/demo.py", {"stages.photos.fold": "1"}),
        ("configs/classifier.py:small", {"epohcs": "1"}),
    ],
)
def test_a_config_preset_or_key_that_does_not_exist_is_noticed(path, keys):
    with pytest.raises((Exception, SystemExit)):
        load(path, keys)


def test_commands_are_found():
    assert len(CONFIGS) > 30
    assert any(keys for _, keys in CONFIGS.values())
    assert KEYS
