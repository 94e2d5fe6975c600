import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import predictions
from whale_jax.runtime import errors


def test_predictions_come_back_and_know_their_photos(tmp_path):
    data = photos()
    predictions.save(tmp_path, data, arrays={"points": data.points})
    assert np.array_equal(predictions.load(tmp_path, data, kind="points"), data.points)
    with pytest.raises(errors.InputError, match="has points, not the box needed here"):
        predictions.load(tmp_path, data, kind="box")
    other = data._replace(name=np.array([*data.name[:-1], "new.jpg"]))
    with pytest.raises(errors.InputError, match=r"other photos than .* \(2 are not in both, such as 5.jpg, new.jpg\)"):
        predictions.load(tmp_path, other, kind="points")


@pytest.mark.parametrize("content", [None, b"", b"PK"])
def test_a_missing_or_damaged_file(tmp_path, content):
    if content is not None:
        (tmp_path / "predictions.npz").write_bytes(content)
    with pytest.raises(errors.InputError, match=r"predictions.npz (is not there|cannot be read .*): .*run "):
        predictions.load(tmp_path, photos(), kind="points")
