"""The one exception that is for the person at the keyboard, not for the programmer."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the person gave is wrong: which file, which row, what to do.

    `main` prints the message without a traceback and exits with code 2.
    """


def unknown(what: str, name: str, choices: Iterable[str]) -> InputError:
    """The error for a name that is not among the choices, with the close matches first."""
    choices = sorted(choices)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return InputError(f"unknown {what} {name!r}: {hint}the choices are {', '.join(choices)}")
