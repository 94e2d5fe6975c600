"""What Beam's workers import is what this process does, to the byte; with `-m cluster`, where Beam is installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.data.catalogues import jpeg
from whale_jax.data import annotations, beam, right_whale
from whale_jax.runtime import errors

RUNNERS = [
    "--runner=DirectRunner",
    "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing",
]


@pytest.fixture
def root(tmp_path):
    """A folder of photos, of which one cannot be read and one has points."""
    folder = tmp_path / "root" / "imgs"
    folder.mkdir(parents=True)
    for i in range(11):
        (folder / f"w_{i}.jpg").write_bytes(jpeg(i, size=(30 + i, 40)))
    (folder / "w_3.jpg").write_bytes(b"no picture")
    rows = [
        "Image,whaleID,bonnet_x,bonnet_y,blowhead_x,blowhead_y",
        "w_4.jpg,whale_1,20,12,10,12",
        "w_5.jpg,whale_2,,,,",
    ]
    (folder.parent / "whales.csv").write_text("\n".join(rows))
    return folder.parent


@pytest.mark.cluster
@pytest.mark.parametrize("options", RUNNERS)
def test_beam_imports_the_same_dataset(root, tmp_path, options):
    pytest.importorskip("apache_beam")
    catalogue = annotations.read(root)
    skipped = right_whale.build(catalogue, tmp_path / "here", skip_unreadable=True)
    other = right_whale.build(catalogue, tmp_path / "beam", skip_unreadable=True, by_beam=options)
    assert skipped == other != ()
    expected, dataset = (right_whale.load(tmp_path / name) for name in ("here", "beam"))
    for name, expected_value, value in zip(expected._fields, expected, dataset, strict=True):
        if name != "jpeg":
            np.testing.assert_array_equal(value, expected_value)
    assert [dataset.jpeg(row) for row in range(10)] == [expected.jpeg(row) for row in range(10)]
    assert [path.name for path in (tmp_path / "beam").glob("*/*")] == ["1.0.0"]


@pytest.mark.cluster
def test_what_beam_cannot_read_is_named(root, tmp_path):
    pytest.importorskip("apache_beam")
    with pytest.raises(errors.InputError, match=r"w_3.jpg cannot be decoded .*skip_unreadable=True"):
        right_whale.build(annotations.read(root), tmp_path / "out", by_beam=RUNNERS[0])
    for path in (root / "imgs").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(errors.InputError, match=r"no photo of .*root can be decoded"):
        right_whale.build(annotations.read(root), tmp_path / "out", by_beam=RUNNERS[0], skip_unreadable=True)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.cluster
def test_beams_workers_share_no_zip(root, tmp_path):
    pytest.importorskip("apache_beam")
    with zipfile.ZipFile(root / "imgs.zip", "w") as archive:
        for path in sorted((root / "imgs").iterdir()):
            archive.write(path)
            path.unlink()
    (root / "imgs").rmdir()
    with pytest.raises(errors.InputError, match="Beam's workers cannot share a zip file: unpack it"):
        right_whale.build(annotations.read(root), tmp_path / "out", by_beam=RUNNERS[0])


@pytest.mark.cluster
def test_beam_does_without_tensorflow(root, tmp_path):
    pytest.importorskip("apache_beam")
    program = f"""
import sys
from whale_jax.data import annotations, right_whale
every = annotations.read({str(root)!r})
right_whale.build(every, {str(tmp_path / "out")!r}, skip_unreadable=True, by_beam={RUNNERS[0]!r})
assert not {{"tensorflow", "jax"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_without_beam_a_person_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    with pytest.raises(errors.InputError, match=r"config.beam needs Apache Beam .*pip install apache-beam"):
        beam.options("--runner=DirectRunner")
