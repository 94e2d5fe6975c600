"""The style guide, executed: arguments, their names, docstrings, and the size of files and functions.

`python -m tests.test_style FILE...` lists the faults of some files, and of all files without an argument.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "whale_jax"
FILE_LINES, FUNCTION_LINES = 280, 60

# Functions whose signature a contract fixes may take more than two arguments by position.
SPECS = {"rotate", "scale", "translate", "shear", "brightness", "contrast", "gamma", "erase"}
PAIR_LOSSES = {
    "contrastive",
    "batch_all",
    "batch_hard",
    "semi_hard",
    "multi_similarity",
    "supervised_contrastive",
    "active",
}
CONTRACTS = {
    "whale_jax/augment.py": SPECS,
    "whale_jax/losses.py": PAIR_LOSSES,
    "whale_jax/geometry.py": {"affine"},  # the six numbers of a matrix
    "whale_jax/tasks/*.py": {"prepare", "whales"},  # Task.prepare
    "whale_jax/programs/*.py": {"shard"},  # Program.shard
    "whale_jax/runtime/registry.py": {"lookup", "function", "build", "complete"},  # ("model", MODELS, name): a phrase
    "whale_jax/runtime/errors.py": {"unknown"},  # ("model", name, MODELS)
}
# Names that are not the field's, and the ones that are.
FIELD = {
    "rng_key": "key",
    "prng": "key",
    "prng_key": "key",
    "img": "image",
    "imgs": "images",
    "im": "image",
    "pts": "points",
    "kps": "points",
    "bbox": "box",
    "bboxes": "boxes",
    "sz": "size",
    "cfg": "config",
    "n_classes": "classes",
    "bs": "batch",
}
ARRAYS = {"image", "images", "points", "box", "boxes", "matrix", "matrices", "logits", "mask"}
ARRAY = re.compile(r"jax\.Array|np\.ndarray")
# "(n,)", "(..., 2)", "(height, width, 3)"
SHAPE = re.compile(r"\((\.\.\.|[\w* +-]+),[^()]*\)|\b[Ss]calar")
UNIT = re.compile(r"pixel|fraction|share|0\.\.1")


def faults(path: Path) -> Iterator[tuple[int, str]]:
    """Line and message of all that the style guide has against a file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    if (lines := len(text.splitlines())) > FILE_LINES:
        yield lines, f"the file has more than {FILE_LINES} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= FUNCTION_LINES:
            yield node.lineno, f"{node.name} has more than {FUNCTION_LINES} lines"
    for function, arguments in public_functions(tree) if PACKAGE in path.parents else ():
        for message in faults_of(path, function, arguments):
            yield function.lineno, f"{function.name} {message}"


def public_functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, list[ast.arg]]]:
    """Public functions of a module and public methods of its public classes, and their arguments by position."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, node.args.posonlyargs + node.args.args
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    static = any(ast.unparse(decorator) == "staticmethod" for decorator in method.decorator_list)
                    yield method, (method.args.posonlyargs + method.args.args)[0 if static else 1 :]


def faults_of(path: Path, function: ast.FunctionDef, positional: list[ast.arg]) -> Iterator[str]:
    """What the style guide has against a function."""
    contracts = [names for pattern, names in CONTRACTS.items() if path.match(pattern)]
    if len(positional) > 2 and not any(function.name in names for names in contracts):
        yield "takes by position: " + ", ".join(argument.arg for argument in positional[2:])
    arguments = positional + function.args.kwonlyargs
    kinds = {argument.arg: ast.unparse(argument.annotation) for argument in arguments if argument.annotation}
    for argument in arguments:
        if better := FIELD.get(argument.arg):
            yield f"calls {argument.arg} what the field calls {better}"
    for name, kind in kinds.items():
        if name in ARRAYS and not re.search(r"Array|ndarray|Callable|Sequence|Mapping|dict", kind):
            yield f"takes {name} that is no array but {kind}"
        if (name == "rng") != ("random.Generator" in kind):
            yield f"takes {name}: {kind}; rng is a numpy.random.Generator, a key is JAX's"
    text = ast.get_docstring(function) or ""
    if not text:
        yield "has no docstring"
    arrays = {name for name, kind in kinds.items() if ARRAY.search(kind)}
    returns = ast.unparse(function.returns) if function.returns else ""
    if (arrays or ARRAY.search(returns)) and not SHAPE.search(text):
        yield "gives no shapes"
    if arrays & {"points", "box", "boxes", "position"} and not UNIT.search(text):
        yield "gives no units of its points: pixels, or a share"


def files() -> list[Path]:
    folders = ("whale_jax", "configs", "launch", "benchmarks", "tools", "tests")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_follow_the_style_guide(path):
    assert not list(faults(path))


WRONG = {
    "def f(a, b, c): 'x'": "by position: c",
    "class A:\n    def f(self, a, b, c): 'x'": "by position: c",
    "def f(img): 'x'": "calls image",
    "def f(rng: jax.Array): 'x (n,)'": "rng is a numpy",
    "def f(image: int): 'x'": "no array",
    "def f(x): pass": "no docstring",
    "def f(x: jax.Array): 'A number.'": "no shapes",
    "def f(points: np.ndarray): '(n, 2, 2) points.'": "pixels",
    "def f():\n" + "    0\n" * FUNCTION_LINES: f"more than {FUNCTION_LINES} lines",
    "0\n" * (FILE_LINES + 1): f"more than {FILE_LINES} lines",
}


@pytest.mark.parametrize("code", WRONG, ids=lambda code: WRONG[code])
def test_a_fault_is_noticed(code, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    assert any(WRONG[code] in message for _, message in faults(tmp_path / "code.py"))


def test_contracts_name_functions_that_exist():
    for pattern, names in CONTRACTS.items():
        code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob(pattern))
        assert all(f"def {name}(" in code for name in names), pattern


def test_the_folder_of_programs_holds_nothing_else():
    from whale_jax.workflow import program

    modules = {path.stem for path in (PACKAGE / "programs").glob("*.py")} - {"__init__"}
    assert modules == set(program.names())


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or files()):
        for line, message in faults(path.resolve()):
            print(f"{path}:{line}: {message}")
