"""Matching in the background: heads whose points a person has moved are named again, one after the other."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import logging

from whale_jax.evaluation import judge, reliability
from whale_jax.evaluation.judge import Judge
from whale_jax.evaluation.probabilities import likeliest
from whale_jax.evaluation.reliability import Reliability
from whale_jax.recognition import members
from whale_jax.recognition.live import Recogniser
from whale_jax.recognition.points import NO_HEAD
from whale_jax.review.contents import LISTED
from whale_jax.runtime.threads import Pool

Answer = Mapping[str, Any]  # in JSON, with the keys of NO_ANSWER
NO_ANSWER = {"candidates": [], "p_none": None, "called_new": False, "words": "", "note": ""}


class Matcher:
    """Answers about moved points, in a thread; what it fits stays in memory, from the first answer on."""

    def __init__(self, recogniser: Recogniser, *, error: float, prior: float):
        """Makes ready for questions.

        Args:
            recogniser: that is asked.
            error, prior: as for `judge.fit`.
        """
        self._recogniser, self._prepared = recogniser, False
        self._limits = {"error": error, "prior": prior}
        self._pool = Pool(1, "matching")

    def prepare(self, row: int, points: np.ndarray) -> None:
        """Fits what the first answer would wait for, by (2, 2) points in pixels; where that is done, does nothing."""
        if not self._prepared:
            self._prepared = True
            self.ask(row, points, then=lambda answer: None)

    def ask(self, row: int, points: np.ndarray, *, then: Callable[[Answer], None]) -> None:
        """Has the head between (2, 2) points, in pixels, named; `then` gets the answer, in another thread."""
        self._pool.submit(self._work, row, points, then)

    def close(self) -> None:
        """Waits for the head that is at work, and drops the rest."""
        if self._pool.drop():
            logging.info("a head is being matched: the command ends when that is done")
        self._pool.close()

    def _work(self, row: int, points: np.ndarray, then: Callable[[Answer], None]) -> None:
        try:
            then(self.answer(row, points))
        except Exception as error:  # the person goes on without this answer, and is told
            logging.exception("matching failed")
            then({**NO_ANSWER, "note": f"no answer: {type(error).__name__}: {error}"})

    @functools.cached_property
    def _trust(self) -> tuple[Judge, Reliability]:
        """What the run's validation says of answers."""
        run = self._recogniser.run
        _, p, label = run.validation()
        return judge.fit(p, members.without_whales(run), **self._limits), reliability.measure(p, label)

    def answer(self, row: int, points: np.ndarray) -> Answer:
        """The answer about the head between (2, 2) points, in pixels of its photo."""
        p, nearest = self._recogniser.ask(row, points)
        if not np.isfinite(p).all():
            return {**NO_ANSWER, "note": NO_HEAD}
        judged, trust = self._trust
        [none], [new] = judged.verdicts(p[None])
        candidates = [
            {
                "whale": self._recogniser.run.whales[i],
                "probability": round(float((1 - none) * p[i]), 4),
                "reference": int(nearest[i]) if nearest[i] >= 0 else None,
            }
            for i in likeliest(p, LISTED)
        ]
        return {
            "candidates": candidates,
            "p_none": round(float(none), 4),
            "called_new": bool(new),
            "words": reliability.words(trust, float(p.max())),
            "note": "",
        }
