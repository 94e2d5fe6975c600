"""Memory that a process keeps, in huge pages: a training spends less processor time on asking Linux for it.

Every step takes and frees hundreds of megabytes. By default the C library gives them back to the kernel, which fills
page after page with zeros at the next step. TUNABLES have it keep them, in one pool for all threads, and ask for pages
of 2 MiB. It reads them when a process starts. So a program that wants them starts itself again, once, before it has
imported anything that takes time; this module imports nothing but the standard library.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

VARIABLE, HUGE = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
TUNABLES = {
    HUGE: 1,
    "glibc.malloc.arena_max": 1,  # pools of threads hold at most 64 MiB, and what is larger goes back at once
    "glibc.malloc.mmap_threshold": 1 << 32,  # bytes; what is larger is mapped by itself
    "glibc.malloc.trim_threshold": 1 << 33,  # bytes free at the pool's end, above which they go back
}
MARK = "WHALE_JAX_HUGE_PAGES"  # the C library takes its own variable away from a program with privileges
FIRST_VERSION = (2, 35)  # of glibc that has all of them
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # such as "always [madvise] never"
OFF = re.compile(r"--?(nohuge_pages|huge_pages=(false|f|0))", re.IGNORECASE)  # as absl reads a flag


def arrange(arguments: Sequence[str]) -> None:
    """Starts the running command again with the tunables, where they help, and does not return then.

    The new program has the same process id, arguments, standard streams and folder, so its exit code and signals are
    those of the command. Children inherit the setting.

    Args:
        arguments: of the command; --nohuge_pages among them leaves everything as it is.
    """
    if any(map(OFF.fullmatch, arguments)) or not sys.executable:
        return
    if (environment := changed(os.environ, version=glibc_version())) is None:
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def changed(environment: Mapping[str, str], *, version: tuple[int, ...]) -> dict[str, str] | None:
    """The environment with the tunables; None where the C library has them not, or a person has decided on pages.

    Args:
        environment: of the process. What it says of a tunable stays.
        version: of glibc, see `glibc_version`.
    """
    current = environment.get(VARIABLE, "")
    if version < FIRST_VERSION or MARK in environment or HUGE in current:
        return None
    added = [f"{name}={value}" for name, value in TUNABLES.items() if name not in current]
    return {**environment, VARIABLE: ":".join(filter(None, (current, *added))), MARK: "1"}


def used() -> bool:
    """Whether this process gets huge pages for what it allocates, as far as its environment tells."""
    setting = kernel_setting()
    tunable = re.search(rf"(^|:){re.escape(HUGE)}=0*[12](:|$)", os.environ.get(VARIABLE, ""))
    return setting == "always" or (setting == "madvise" and glibc_version() >= FIRST_VERSION and tunable is not None)


def kernel_setting() -> str:
    """ "always", "madvise" or "never"; "" where the system is another, or hides it."""
    try:
        text = SETTING.read_text(encoding="ascii") if sys.platform == "linux" else ""
    except (OSError, ValueError):
        return ""
    return text.partition("[")[2].partition("]")[0]


def glibc_version() -> tuple[int, ...]:
    """Such as (2, 36); () where the system or the C library is another."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return tuple(map(int, version.split("."))) if name == "glibc" else ()
    except (AttributeError, ValueError, OSError):
        return ()
