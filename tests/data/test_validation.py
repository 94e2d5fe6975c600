"""validation.csv is read as it was written, and what is wrong with it is said."""

import numpy as np
import pytest

from whale_jax.data import validation
from whale_jax.evaluation.reliability import Reliability
from whale_jax.runtime import errors


def test_reliability_is_read_as_it_was_written(tmp_path):
    case = Reliability(np.array([0.25, 0.999999, 1]), np.array([447, 1, 2]))
    validation.write(tmp_path / validation.FILE, ["a, b.jpg", "ü.jpg", "c"], reliability=case)
    again = validation.read(tmp_path / validation.FILE)
    assert again.probability.tolist() == case.probability.tolist()
    assert again.rank.tolist() == case.rank.tolist()
    lines = (tmp_path / validation.FILE).read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["Image,probability,rank", '"a, b.jpg",0.250000,447']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Image,probability\na,0.5\n", "has no column rank: delete"),
        ("Image,probability,rank\na,half,1\n", r"validation.csv cannot be read \(ValueError: .*'half'\)"),
        (None, "is not there"),
    ],
)
def test_a_damaged_file_is_named(text, message, tmp_path):
    if text is not None:
        (tmp_path / validation.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(errors.InputError, match=message):
        validation.read(tmp_path / validation.FILE)
