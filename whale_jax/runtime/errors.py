"""Exceptions whose messages are for the person who started the program, not for a programmer."""

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN = 20  # lines of a list of differences


class InputError(Exception):
    """Something that the person gave is wrong. The message names the file, the row and what to do.

    `main` prints it without a traceback and exits with code 2.
    """


class PreemptedError(BaseException):
    """The process was asked to end. Its state is saved, as far as it is of use.

    `main` exits with `preemption.EXIT`. It is no Exception: code that catches every Exception must not swallow it.
    """


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Turns the various exceptions of libraries, where the disk of `folder` is full, into InputError."""
    try:
        yield
    except Exception as error:
        if not any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            raise
        raise InputError(f"no space left for {folder}: make room, or choose a folder on another disk") from error


def unknown(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """The error for a name that is not among the choices; it names the close matches first.

    Args:
        kind: what the name stands for, such as "model".
        name: the unknown name.
        choices: the names that exist.
    """
    choices = sorted(choices)
    close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return InputError(f"unknown {kind} {name!r}: {hint}the choices are {', '.join(choices)}")


def differences(existing: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Lines "- name value" of the existing and "+ name value" of the expected, for all names whose values differ."""
    names = [name for name in {**existing, **expected} if existing.get(name) != expected.get(name)]
    sides = (("-", existing), ("+", expected))
    return [f"{sign} {name} {side[name]}" for name in names for sign, side in sides if name in side]


def listed(message: str, lines: Sequence[str]) -> str:
    """A message, under it as many lines as a person reads, and the number of the others."""
    rest = [f"... and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return "\n".join([message, *lines[:SHOWN], *rest])
