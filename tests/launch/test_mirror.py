"""A run's folder has a copy from which the run goes on elsewhere."""

import os
import signal
import subprocess
import sys
import uuid

import fsspec
import pytest

from launch.mirror import LIST, Mirror, run
from tests import processes
from whale_jax.runtime import errors


def put(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def bucket(request, tmp_path, monkeypatch):
    """An address for copies: a folder, and a bucket of S3 that moto imitates."""
    if request.param == "file":
        yield f"file://{tmp_path / 'bucket'}"
        return
    s3fs = pytest.importorskip("s3fs", reason="no s3fs here: pip install -r launch/requirements.txt")
    moto = pytest.importorskip("moto.server", reason="no moto here: pip install -r launch/requirements.txt")
    port = processes.free_port()
    server = moto.ThreadedMotoServer(port=port)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # otherwise it would ask the server of an earlier test
    name = f"runs-{uuid.uuid4().hex[:8]}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    yield f"s3://{name}/run"
    server.stop()


def test_another_machine_gets_what_was_sent_and_nothing_half_done(bucket, tmp_path):
    source, copy = tmp_path / "here", tmp_path / "there"
    put(source, config="a", checkpoints__3__state="three", log="1")
    unfinished = {"checkpoints/6.orbax-checkpoint-tmp-1/state": "s", "result.json.tmp": "{"}
    for name, text in unfinished.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    mirror = Mirror(source, bucket)
    assert mirror.send() == 3
    assert mirror.send() == 0
    put(source, checkpoints__6__state="six", log="12")
    (source / "checkpoints" / "3" / "state").unlink()
    assert mirror.send() == 2
    assert Mirror(copy, bucket).fetch() == 3
    assert contents(copy) == {"config": "a", "checkpoints/6/state": "six", "log": "12"}
    fs, root = fsspec.core.url_to_fs(bucket)
    assert not fs.exists(f"{root}/checkpoints/3/state")


def test_a_machine_that_comes_back_gets_what_another_has_done_since(bucket, tmp_path):
    source, copy = tmp_path / "here", tmp_path / "there"
    put(source, log="1", config="a")
    first = Mirror(source, bucket)
    first.send()
    second = Mirror(copy, bucket)
    assert second.fetch() == 2
    assert second.send() == 0  # it has the times of what it fetched
    put(copy, log="123")
    stat = (copy / "log").stat()
    os.utime(copy / "log", ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert second.send() == 1
    again = Mirror(source, bucket)
    assert again.fetch() == 1
    assert again.send() == 0
    assert contents(source) == {"log": "123", "config": "a"}


def test_what_the_list_does_not_name_is_not_taken(bucket, tmp_path):
    """A machine is lost while it sends a step."""
    source, copy = tmp_path / "here", tmp_path / "there"
    put(source, checkpoints__3__state="three")
    Mirror(source, bucket).send()
    fs, root = fsspec.core.url_to_fs(bucket)
    fs.makedirs(f"{root}/checkpoints/6", exist_ok=True)
    fs.pipe_file(f"{root}/checkpoints/6/some", b"half of it")
    Mirror(copy, bucket).fetch()
    assert contents(copy) == {"checkpoints/3/state": "three"}


def test_a_command_is_followed_to_its_end_and_its_code_is_told(tmp_path):
    source, bucket = tmp_path / "here", tmp_path / "bucket"
    put(source, config="yes")
    code = f"import pathlib, sys; pathlib.Path({str(source / 'log')!r}).write_text('done'); sys.exit(75)"
    before = signal.getsignal(signal.SIGTERM)
    assert run(Mirror(source, str(bucket)), [sys.executable, "-c", code], seconds=60) == 75
    assert signal.getsignal(signal.SIGTERM) == before
    assert {name: text for name, text in contents(bucket).items() if name != LIST} == {"config": "yes", "log": "done"}


@pytest.mark.slow
def test_a_signal_reaches_the_command_and_what_it_saves_is_sent(tmp_path):
    source, bucket = tmp_path / "here", tmp_path / "bucket"
    code = (
        "import pathlib, signal, sys\n"
        f"folder = pathlib.Path({str(source)!r})\n"
        "def end(*_):\n    (folder / 'saved').write_text('x'); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "(folder / 'ready').write_text('x')\nprint('ready', flush=True)\nsignal.pause()"
    )
    command = [sys.executable, "-m", "launch.mirror", str(source), str(bucket), "--", sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline().strip() for _ in range(2)] == ["fetched 0 files", "ready"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 75
    assert set(contents(bucket)) == {LIST, "ready", "saved"}


def test_a_network_that_is_away_for_a_while_does_not_end_the_run(tmp_path, monkeypatch, capsys):
    source, bucket = tmp_path / "here", tmp_path / "bucket"
    put(source, config="yes")
    mirror, times = Mirror(source, str(bucket)), []

    def send(send=mirror.send):
        times.append(1)
        if len(times) < 3:
            raise ConnectionError("no route")
        return send()

    monkeypatch.setattr(mirror, "send", send)
    assert run(mirror, [sys.executable, "-c", ""], seconds=0.1) == 0
    assert len(times) >= 3
    assert set(contents(bucket)) == {LIST, "config"}
    assert "not sent, ConnectionError: no route" in capsys.readouterr().err


def test_a_list_that_was_not_written_is_written_the_next_time(tmp_path, monkeypatch):
    source, bucket = tmp_path / "here", tmp_path / "bucket"
    put(source, result="yes")
    mirror = Mirror(source, str(bucket))

    def refuse(files):
        raise ConnectionError("no route")

    with monkeypatch.context() as network:
        network.setattr(mirror, "_write", refuse)
        with pytest.raises(ConnectionError):
            mirror.send()
    assert mirror.send() == 1
    assert Mirror(tmp_path / "there", str(bucket)).fetch() == 1


def test_a_bucket_that_may_not_be_written_is_found_before_the_run(bucket, tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(errors.InputError, match=r"file.*may this machine write there"):
        Mirror(tmp_path, str(tmp_path / "file"))
    if bucket.startswith("s3://"):
        with pytest.raises(errors.InputError, match=r"s3://nobodys/run: .*may this machine write there"):
            Mirror(tmp_path, "s3://nobodys/run")
    with pytest.raises(errors.InputError, match=r"nowhere://.*library"):
        Mirror(tmp_path, "nowhere://bucket/run")
