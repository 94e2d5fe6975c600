"""Imports go one way, files are touched where they may be, and TensorFlow stays out."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "whale_jax").rglob("*.py"))

# A room of whale_jax may import the rooms of the lines above its own, and itself; nothing beside it.
ORDER = [
    {"runtime"},
    {"geometry", "losses"},
    {"augment", "frames", "evaluation"},
    {"models", "data", "tasks"},
    {"train", "workflow"},
    {"experiment", "report"},
    {"recognition"},
    {"review"},
    {"programs"},
    {"main", "api"},
]
# launch may import whale_jax; configs may import those; benchmarks may import all of them.
HOUSE = [{"whale_jax"}, {"launch"}, {"configs"}, {"benchmarks"}]
FILES = (
    "whale_jax/runtime/pages.py",
    "whale_jax/runtime/storage.py",
    "whale_jax/data/",
    "whale_jax/train/checkpoint.py",
    "whale_jax/train/integrity.py",
    "whale_jax/train/pretrained.py",
    "whale_jax/train/state_dict.py",
    "whale_jax/train/log.py",
    "whale_jax/workflow/",
    "whale_jax/experiment/",
    "whale_jax/report/",
    "whale_jax/recognition/",
    "whale_jax/review/",
    "whale_jax/programs/",
)
TOUCHING = {
    "open",
    "mkdir",
    "unlink",
    "rmdir",
    "rename",
    "touch",
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
}
TOUCHING |= {"glob", "rglob", "iterdir", "exists", "is_file", "is_dir", "savez", "memmap", "open_memmap"}
FOREIGN = {"tensorflow", "torch", "keras", "clu"}


def room(path: Path) -> str:
    """ "train" of whale_jax/train/loop.py, "losses" of whale_jax/losses.py, "" of the package itself."""
    return "" if path.name == "__init__.py" and len(path.parts) == 2 else Path(path.parts[1]).stem


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_room_has_its_place():
    assert {room(path) for path in MODULES} - {""} == set().union(*ORDER)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_one_way(path):
    rank = next((i for i, rooms in enumerate(ORDER) if room(path) in rooms), 0)
    allowed = set().union({room(path)}, *ORDER[:rank])
    for name in imports(path):
        package, *rest = name.split(".")
        assert package not in FOREIGN | {"configs", "tests", "benchmarks"}, f"{path} imports {name}"
        if package == "whale_jax":
            assert rest[0] in allowed, f"{path} imports {name}: {room(path)} may import {sorted(allowed)}"


@pytest.mark.parametrize("folder", ["launch", "configs", "benchmarks"])
def test_what_is_around_the_package_imports_one_way_too(folder):
    rank = next(i for i, folders in enumerate(HOUSE) if folder in folders)
    beyond = set().union(*HOUSE[rank:], {"tests"}) - {folder}
    for path in (ROOT / folder).rglob("*.py"):
        packages = {name.partition(".")[0] for name in imports(path.relative_to(ROOT))}
        assert not packages & beyond, path


@pytest.mark.parametrize("path", [path for path in MODULES if not str(path).startswith(FILES)], ids=str)
def test_only_data_checkpoints_logs_and_programs_touch_files(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert name not in TOUCHING, f"{path}:{node.lineno} calls {name}"
    assert not {name.split(".")[0] for name in imports(path)} & {"shutil", "tempfile", "zipfile", "csv", "PIL"}


def test_every_folder_of_modules_is_a_package():
    assert not [str(path.parent) for path in MODULES if not (ROOT / path.parent / "__init__.py").exists()]


def test_no_tensorflow_or_torch_is_installed_with_the_requirements():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    waiting, needed = {name_of(line) for line in lines if line.strip() and not line.startswith(("#", "-"))}, set()
    while waiting:
        needed.add(name := waiting.pop())
        try:
            dependencies = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        waiting |= {name_of(line) for line in dependencies if "extra ==" not in line} - needed
    assert {"jax", "numpy", "scipy"} <= needed  # named there, and needed by those
    assert not needed & (FOREIGN | {"tensorflow-cpu", "tf-nightly"})


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement.strip())[0].lower().replace("_", "-")


@pytest.mark.slow
def test_no_tensorflow_or_torch_comes_in_with_any_module():
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    program = f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\n"
    program += f"print(sorted({FOREIGN} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.stdout.strip() == "[]", process.stdout + process.stderr
