"""Huge pages are asked for once, where they help, and never against a person's word."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from whale_jax.runtime import pages

ROOT = Path(__file__).parents[2]
TUNABLES = [f"{name}={value}" for name, value in pages.TUNABLES.items()]
CHANGED = {"GLIBC_TUNABLES": ":".join(TUNABLES), pages.MARK: "1"}


def test_the_tunables_stand_beside_what_a_person_has_set():
    assert pages.changed({}, version=(2, 36)) == CHANGED
    assert pages.changed({"HOME": "/home/x"}, version=(2, 36)) == {"HOME": "/home/x", **CHANGED}
    environment = {"GLIBC_TUNABLES": "glibc.malloc.arena_max=3:glibc.pthread.rseq=0"}
    after = pages.changed(environment, version=(2, 36))["GLIBC_TUNABLES"].split(":")
    rest = [tunable for tunable in TUNABLES if "arena_max" not in tunable]
    assert sorted(after) == sorted(["glibc.malloc.arena_max=3", "glibc.pthread.rseq=0", *rest])


@pytest.mark.parametrize(
    ("environment", "version"),
    [
        (CHANGED, (2, 36)),
        ({pages.MARK: "1"}, (2, 36)),  # the C library has taken its variable away
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, (2, 36)),
        ({}, (2, 34)),
        ({}, ()),
    ],
)
def test_nothing_changes_where_it_does_not_help_or_a_person_has_decided(environment, version):
    assert pages.changed(environment, version=version) is None


@pytest.mark.parametrize("argument", ["--nohuge_pages", "-nohuge_pages", "--huge_pages=false", "--huge_pages=0"])
def test_the_flag_leaves_the_process_as_it_is(argument, monkeypatch):
    monkeypatch.setattr(pages, "changed", lambda *_, **__: CHANGED)
    starts = []
    monkeypatch.setattr(os, "execve", lambda *command: starts.append(command))
    pages.arrange(["--config=x", argument])
    assert not starts
    pages.arrange(["--config=x"])
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("setting", "tunables", "expected"),
    [
        ("always", "", True),
        ("never", "glibc.malloc.hugetlb=1", False),
        ("madvise", "", False),
        ("madvise", "glibc.malloc.check=1:glibc.malloc.hugetlb=1", True),
        ("madvise", "glibc.malloc.hugetlb=0", False),
    ],
)
def test_a_process_knows_what_it_has(setting, tunables, expected, monkeypatch):
    monkeypatch.setattr(pages, "kernel_setting", lambda: setting)
    monkeypatch.setattr(pages, "glibc_version", lambda: (2, 36))
    monkeypatch.setenv("GLIBC_TUNABLES", tunables)
    assert pages.used() == expected


AGAIN = """
import os, signal, sys
from whale_jax.runtime import pages
pages.glibc_version = lambda: (2, 36)  # whatever the machine has
print("begins", os.getpid(), flush=True)
pages.arrange(sys.argv[1:])
print(os.environ["GLIBC_TUNABLES"], sys.argv[1:], sys.flags.utf8_mode, sys.warnoptions, sys.stdin.read())
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(7)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="programs start again on Linux alone")
@pytest.mark.parametrize(("ending", "code"), [("leaves", 7), ("killed", -signal.SIGKILL)])
def test_the_command_starts_again_once_with_its_options_arguments_and_streams(ending, code):
    environment = {key: value for key, value in os.environ.items() if key not in CHANGED}
    command = [sys.executable, "-X", "utf8=1", "-W", "ignore", "-c", AGAIN, ending, "two words"]
    child = subprocess.run(
        command, cwd=ROOT, env=environment, input="typed", capture_output=True, text=True, check=False, timeout=60
    )
    first, second, last = child.stdout.splitlines()
    assert first == second  # the same process
    assert first.startswith("begins ")
    assert last == f"{CHANGED['GLIBC_TUNABLES']} ['{ending}', 'two words'] 1 ['ignore'] typed"
    assert child.returncode == code, child.stderr


def test_this_machine_is_read():
    assert pages.kernel_setting() in ("always", "madvise", "never", "")
    assert all(isinstance(part, int) for part in pages.glibc_version())
