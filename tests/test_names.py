"""Names say what they hold: no variable, argument, attribute, function, class, module or config key is a pronoun.

`python -m tests.test_names FILE...` lists the offenders of some files, and of all files without an argument.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("whale_jax", "configs", "launch", "benchmarks", "tools", "tests", "docs")

# Words that point at a thing without saying which: nowhere in a name.
PRONOUNS = re.findall(
    r"\w+",
    """it its this that these those them they us mine ours theirs own others everybody everyone everything everywhere
    nobody nothing somebody someone something anybody anyone anything another both whose who whom which what whatever
    where when why how here there more""",
)
# Words that say what happened to a thing and not what it is: not as a whole name.
PARTICIPLES = re.findall(
    r"\w+",
    """one every many some such found known said asked told apart wanted taken made given done seen kept left looked
    looked_at begun dealt held gone""",
)


def offences(path: Path) -> list[tuple[int, str]]:
    """Line and name of each binding in a file whose name is a pronoun or a participle."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = sorted({(line, name) for line, name in bindings(tree) if offends(name)})
    sides = {name for _, name in bindings(tree)} & {"right", "top"}
    names = [(line, name) for line, name in names if not (name == "left" and sides)]
    return ([(0, path.stem)] if offends(path.stem) else []) + names


def offends(name: str) -> bool:
    """Whether a name is a pronoun or a participle, or has a pronoun among its words."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_").split("_")
    return "_".join(words) in PARTICIPLES or any(word in PRONOUNS for word in words)


def bindings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of all that a module defines: what others define, such as `jnp.where`, is theirs to name."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.FunctionDef(name=name) if name.startswith("test_"):  # the name of a test is a sentence
                pass
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield line, name
            case ast.alias(asname=str(name)) | ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield line, name
            case ast.Call(func=ast.Name(id="dict" | "ConfigDict"), keywords=keywords):
                yield from ((line, keyword.arg) for keyword in keywords if keyword.arg)
            case ast.Dict(keys=keys):
                yield from ((line, key.value) for key in keys if isinstance(key, ast.Constant) and word(key.value))
            case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Store()) if word(key):
                yield line, key


def word(value: object) -> bool:
    """Whether a key of a mapping is written like a name."""
    return isinstance(value, str) and value.isidentifier()


def files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_what_they_hold(path):
    assert not offences(path)


BINDINGS = """
found = 1
_NOTHING = 1
all_of_them = 1
x.others = 2
for this in y: pass
with x as it: pass
import x as them
lambda one: 1
[z for known in y]
def f(own): pass
def f(**more): pass
class Mine: pass
dict(how=1)
{'what': 1}
c['when'] = 1
"""


@pytest.mark.parametrize("code", BINDINGS.strip().splitlines())
def test_a_pronoun_is_noticed_in_every_kind_of_binding(code):
    assert [name for _, name in bindings(ast.parse(code)) if offends(name)]


@pytest.mark.parametrize("code", ["jnp.where(a, b, c)", "one_hot = 1", "other = 1", "x = {'a b that': 1}"])
def test_terms_and_the_names_of_libraries_are_free(code):
    assert not [name for _, name in bindings(ast.parse(code)) if offends(name)]


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or files()):
        if lines := offences(path):
            print(f"{path}: " + " ".join(f"{line}:{name}" for line, name in lines))
