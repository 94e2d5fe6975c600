"""The command itself, in a process of its own, which a browser talks to, and which is killed between two decisions."""

import contextlib
import json
import signal
import subprocess
import sys

import pytest

from tests.processes import ROOT, free_port
from tests.review import windows
from tests.review.test_browser import expect
from whale_jax.data import annotations, decisions
from whale_jax.review.session import LOG
from whale_jax.workflow import json_files

pytestmark = pytest.mark.slow


def hear():
    """Ctrl-C reaches a process whatever its parents ignore, as those that a shell runs in the background do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def review(june, workdir, port):
    """The command in a process, until the block ends; yields the process when it says that the page is open."""
    command = [sys.executable, "-m", "whale_jax.main", f"--config=configs/review.py:{june}", f"--workdir={workdir}"]
    command += [f"--config.port={port}", "--config.reviewer=Ann"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
    try:
        assert any(f"http://127.0.0.1:{port}/" in line for line in process.stderr)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_server_that_is_killed_loses_nothing_and_a_window_goes_on(browser, june, tmp_path):
    new, identified = june
    workdir, port = tmp_path / "review", free_port()
    with review(identified.folder.parent, workdir, port) as process:
        window = windows.open_window(browser, f"http://127.0.0.1:{port}/")
        window.press("1")
        expect(window.find("#count")).to_have_text("1 of 6 decided")
        process.send_signal(signal.SIGKILL)
        process.wait()
        window.press("1")
        expect(window.find("#alert")).to_be_visible()
        expect(window.find("#count")).to_have_text("1 of 6 decided")
    with review(identified.folder.parent, workdir, port) as process:
        expect(window.find("#alert")).to_contain_text("answers again")
        expect(window.find("#count")).to_have_text("1 of 6 decided")
        window.press("u")
        expect(window.find("#count")).to_have_text("2 of 6 decided")
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert process.returncode == 0
    events = [json.loads(line) for line in (workdir / LOG).read_text().splitlines()]
    assert [event["kind"] for event in events] == ["whale", "unusable"]
    assert json_files.read(workdir / "result.json")["decided"] == 2
    (new / decisions.FILE).write_bytes((workdir / decisions.FILE).read_bytes())
    names = {photo.name: photo.whale for photo in annotations.read(new).photos}
    assert names[events[0]["image"]] == events[0]["whale"]
    assert sum(map(bool, names.values())) == 1
    window.page.context.close()


def test_a_second_command_in_its_folder_is_refused_and_a_third_goes_on(june, tmp_path):
    workdir, port = tmp_path / "review", free_port()
    folder = june[1].folder.parent
    with review(folder, workdir, port):
        command = [sys.executable, "-m", "whale_jax.main", f"--config=configs/review.py:{folder}"]
        second = subprocess.run(
            [*command, f"--workdir={workdir}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert "another run is at work" in second.stderr
    with review(folder, workdir, free_port()) as process:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.returncode == 75
