"""The exceptions that are for whoever started the program, not for the programmer."""

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN = 20  # lines of a list of differences


class InputError(Exception):
    """Something the person gave is wrong: which file, which row, what to do.

    `main` prints the message without a traceback and exits with code 2.
    """


class PreemptedError(BaseException):
    """The process was asked to end; what it had is saved, as far as it is of use.

    `main` exits with `preemption.EXIT`. No mistake, so nothing that catches every Exception is to swallow it.
    """


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turns what libraries raise, each its own kind, where the disk of `folder` is full, into InputError."""
    try:
        yield
    except Exception as error:
        if not any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            raise
        raise InputError(f"no space left for {folder}: make room, or choose a folder on another disk") from error


def unknown(what: str, name: str, choices: Iterable[str]) -> InputError:
    """The error for a name that is not among the choices, with the close matches first."""
    choices = sorted(choices)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return InputError(f"unknown {what} {name!r}: {hint}the choices are {', '.join(choices)}")


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Lines "- name value" of what is there and "+ name value" of what is wanted, where they are not the same."""
    differ = [name for name in {**there, **wanted} if there.get(name) != wanted.get(name)]
    return [
        f"{sign} {name} {side[name]}" for name in differ for sign, side in (("-", there), ("+", wanted)) if name in side
    ]


def first(lines: Sequence[str]) -> list[str]:
    """As many lines as a person reads, and how many more there are."""
    more = [f"... and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
