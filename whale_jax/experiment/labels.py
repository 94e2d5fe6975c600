"""Guessed labels, learned beside those that are known."""

from typing import NamedTuple

import numpy as np

from whale_jax.data import groups, predictions, right_whale, splits
from whale_jax.experiment.dataset import Data
from whale_jax.runtime import errors


class Labels(NamedTuple):
    """What a training learns.

    Attributes:
        photos: N photos, with guessed labels where there are any.
        rows: that are trained on.
        target: (N, whales) probabilities of each whale; None where no label was guessed.
    """

    photos: right_whale.Photos
    rows: np.ndarray
    target: np.ndarray | None


def with_guesses(data: Data, rows: np.ndarray, *, folder: str, fold: int, soft: bool) -> Labels:
    """The labels that the photos have, and those that the program `pseudo` guessed for others.

    A guess is left out where the photo is of a group or sighting that is held out, or its picture looks like one.

    Args:
        data: photos, split and view.
        rows: (n,), with a label, that are trained on.
        folder: of the guesses.
        fold: that is held out.
        soft: whether the task learns from probabilities.

    Raises:
        InputError: guesses of no photo that may be trained on, or soft ones for a task that cannot learn them.
    """
    guess = predictions.load(folder, data.photos, kind="target")
    mask = np.isfinite(guess).all(1) & data.view.pictured & (data.photos.label < 0)
    valid = splits.valid_rows(data.split, fold)
    sightings = np.setdiff1d(data.photos.encounter[valid], [""])
    mask &= ~splits.held_out(data.split, fold) & ~np.isin(data.photos.encounter, sightings)
    candidates = np.flatnonzero(mask)
    mask[candidates] = ~groups.look_like_any(data.view.images[candidates], data.view.images[valid])
    if not mask.any():
        raise errors.InputError(f"{folder} guesses the label of no photo that may be trained on: lower its threshold")
    if not soft and (guess[mask].max(1) < 1).any():
        raise errors.InputError(f"{folder} is soft, which the task cannot learn: guess again with soft = False")
    label = np.where(mask, np.nan_to_num(guess).argmax(1), data.photos.label)
    target = np.where(mask[:, None], guess, np.eye(guess.shape[1])[label] * (label >= 0)[:, None])
    rows = np.union1d(rows, np.flatnonzero(mask))
    return Labels(data.photos._replace(label=label), rows, target.astype(np.float32))
