"""The text of a cell, of a file's name, of a header: made comparable, checked, shortened for a message.

Unicode has several ways to write one name, and letters that nobody sees. All names are compared in its form NFC, and
without the invisible ones.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable

from whale_jax.runtime.errors import InputError

MOST = 10  # problems reported at once
SHOWN = 60  # characters of a cell in a message
LONGEST = 255  # characters of a name, as of a file: NumPy keeps a column as wide as its longest cell
NO_WHALE = (  # what people write in place of a whale's name, see `key`
    *("unknown", "unk", "unidentified", "unid", "not identified", "undetermined", "unmatched", "no match", "unnamed"),
    *("unlabelled", "unlabeled", "new", "new_whale", "new_individual"),
    *("none", "nil", "null", "na", "nan", "no id", "tbd"),
)
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # half a character of UTF-16 counts as one
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_BLANK = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")  # spaces that look like the one of the keyboard
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_SPOILED = {  # how a spreadsheet writes what it took for a number, a date or a formula
    "a number with decimals": re.compile(r"[+-]?\d+[.,]0+"),
    "a number in powers of ten": re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+"),
    "a date": re.compile(
        rf"\d{{1,2}}-{_MONTH}(-\d{{2,4}})?|{_MONTH}-\d{{2,4}}|\d{{4}}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?"
        r"|\d{1,2}(?P<mark>[/.])\d{1,2}(?P=mark)\d{2,4}",
        re.IGNORECASE,
    ),
    "an error of a formula": re.compile(r"#(REF!|NAME\?|VALUE!|N/A|DIV/0!|NUM!|NULL!|#+)"),
}


def clean(text: str) -> str:
    """A text in the form NFC, without invisible characters and without blanks at its ends."""
    if text.isascii():
        return text.strip()
    return _BLANK.sub(" ", _INVISIBLE.sub("", unicodedata.normalize("NFC", text))).strip()


def printable(text: str) -> str:
    """A text with blanks in place of what no name may hold, such as a line break, and without blanks at its ends."""
    return _CONTROL.sub(" ", text).strip()


def key(text: str) -> str:
    """Letters and digits alone, in lower case: by it, two spellings of one name are recognised."""
    return re.sub(r"[\W_]+", "", text.casefold())


EMPTY = frozenset({"", *map(key, NO_WHALE)})  # keys of cells that say nothing, such as R's NA


def report(problems: list[str]) -> None:
    """Raises one InputError with the first of the problems, if there are any."""
    if problems:
        remainder = [f"and {len(problems) - MOST} more problems"] if len(problems) > MOST else []
        raise InputError("\n".join([*problems[:MOST], *remainder]))


def hint(name: str, choices: Iterable[str]) -> str:
    """The close matches, as a question to put behind a message; "" where there are none."""
    close = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def short(cell: str) -> str:
    """As much of a cell as a message shows, on one line."""
    cell = cell if cell.isprintable() else repr(cell)[1:-1]
    return cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}..."


def examples(names: Iterable[str], *, most: int = 5) -> str:
    """The first of some names, and how many there are in all, for a message."""
    names = list(names)
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(short, names[:most])) + rest


def flaw(text: str) -> str:
    """Why a text cannot be the name of a photo, a whale or an encounter; "" where it can.

    NumPy drops a NUL at the end, and so makes one name of two; an open quote leaves a line break.
    """
    if _CONTROL.search(text):
        return f"{short(text)} has a line break or another control character: remove it; is a quote not closed?"
    if len(text) > LONGEST:
        return f"{short(text)} has {len(text)} characters, and a name at most {LONGEST}"
    return ""


def damage(text: str) -> str:
    """What a spreadsheet seems to have made of a name ("a date"), "" where it seems whole."""
    return next((kind for kind, pattern in _SPOILED.items() if pattern.fullmatch(text)), "")


def formulas(texts: Iterable[str]) -> list[str]:
    """The texts that a spreadsheet takes for formulas, and runs, when it opens a table that has them."""
    return [text for text in texts if text.startswith(("=", "+", "-", "@"))]


def basename(path: str) -> str:
    """The file name in a path of any system: annotation tools write absolute ones."""
    return re.split(r"[\\/]", path)[-1]


def numbers(values: Iterable, place: str, *, problems: list[str]) -> tuple[float, ...]:
    """Finite numbers of a row, with a decimal point or comma; anything else is a problem, and NaN."""
    values = list(values)
    try:
        result = tuple(map(_number, values))
    except (TypeError, ValueError, OverflowError):
        result = (math.nan,)
    if not all(map(math.isfinite, result)):
        texts = ", ".join(short(repr(value)) for value in values)
        problems.append(f"{place}: {texts} are not all numbers; where unknown, leave all of them empty")
        return (math.nan,) * len(values)
    return result


def _number(value: str | float) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    if isinstance(value, str) and value.count(",") == 1 and "." not in value:
        value = value.replace(",", ".")
    return float(value)
