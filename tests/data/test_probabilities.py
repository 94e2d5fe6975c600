import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import probabilities
from whale_jax.runtime import errors

P = np.random.default_rng(0).dirichlet(np.ones(3), 6)


@pytest.fixture
def folder(tmp_path):
    probabilities.save(tmp_path, photos(), arrays={"network": P, "stack": P**2})
    return tmp_path


def test_probabilities_come_back_by_source(folder):
    arrays = probabilities.load(folder, photos())
    assert arrays.keys() == {"network", "stack"}
    np.testing.assert_array_equal(arrays["stack"], P**2)
    np.testing.assert_array_equal(probabilities.load_source(folder, photos(), source="network"), P)
    with pytest.raises(errors.InputError, match="unknown source of probabilities 'stak': did you mean stack"):
        probabilities.load_source(folder, photos(), source="stak")


def test_photos_and_whales_must_be_those_of_the_file(folder):
    data = photos()
    renamed = data._replace(name=np.array([*data.name[:-1], "new.jpg"]))
    with pytest.raises(errors.InputError, match=r"other photos than .* \(2 are not in both, such as 5.jpg, new.jpg\)"):
        probabilities.load(folder, renamed)
    with pytest.raises(errors.InputError, match=r"other photos than .* \(another order\)"):
        probabilities.load(folder, data._replace(name=data.name[::-1]))
    with pytest.raises(errors.InputError, match=r"of other whales than .*:\n- w_c 2\n\+ w_d 2$"):
        probabilities.load(folder, data._replace(whales=("w_b", "w_a", "w_d")))
    with pytest.raises(errors.InputError, match="or in another order"):
        probabilities.load(folder, data._replace(whales=data.whales[::-1]))


def test_a_file_from_before_names_were_written_is_read_where_its_shape_is_right(tmp_path):
    np.savez(tmp_path / "probabilities.npz", network=P)
    np.testing.assert_array_equal(probabilities.load(tmp_path, photos())["network"], P)
    with pytest.raises(errors.InputError, match=r"network has the shape \(6, 3\), and 7 photos of 3 whales"):
        probabilities.load(tmp_path, photos(count=7))


@pytest.mark.parametrize("content", [None, b"", b"PK"])
def test_a_missing_or_damaged_file(tmp_path, content):
    if content is not None:
        (tmp_path / "probabilities.npz").write_bytes(content)
    with pytest.raises(errors.InputError, match=r"probabilities.npz (is not there|cannot be read .*): .*run "):
        probabilities.load(tmp_path, photos())
