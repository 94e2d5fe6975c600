"""From answers for each whale of a catalogue to verdicts, "new" or not, and to measures, by photo and by encounter."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from whale_jax.evaluation import novelty, open_set

Answers = Mapping[tuple[str, str], np.ndarray]  # (member, kind of novelty.SCORES) -> (n, whales)


class Judged(NamedTuple):
    """The photos that are judged: known ones, those of unknown whales, and those without a name, in this order.

    Attributes:
        rows: (n,) rows of the photos.
        enrolled: (m,) bool, of the first m, whether their whale is one of the catalogue.
        whale: (m,) int their whales.
        subfold: (m,) int, see `novelty.subfolds`.
    """

    rows: np.ndarray
    enrolled: np.ndarray
    whale: np.ndarray
    subfold: np.ndarray


def together(answers: Answers) -> Answers:
    """The answers, and "together" the mean of those of a kind that can be added where there are several.

    (n, whales) likenesses by cohorts have one unit, and so have logits, but for a number a row that means nothing.
    """
    kinds = {
        "cohort": [answer for (_, kind), answer in answers.items() if kind == "cohort"],
        "probabilities": classifiers(answers),
    }
    return {**answers, **{("together", kind): np.mean(side, axis=0) for kind, side in kinds.items() if len(side) > 1}}


def classifiers(answers: Answers) -> list[np.ndarray]:
    """The (n, whales) answers that are logits or logarithms of probabilities."""
    return [answer for (_, kind), answer in answers.items() if kind in ("logits", "probabilities")]


def score(answers: Answers, judged: Judged) -> dict[str, np.ndarray]:
    """name -> (n,) score: every one that each answer allows, the agreement of members, and all together."""
    scores = {
        f"{member}: {name}": function(answer)
        for (member, kind), answer in answers.items()
        for name, function in novelty.SCORES[kind].items()
    }
    members = classifiers({key: answer for key, answer in answers.items() if key[0] != "together"})
    if len(members) > 1:
        scores["agreement of members"] = novelty.agreement(np.stack(members))
    return scores | novelty.join(scores, judged.enrolled, subfold=judged.subfold)


def decide(values: np.ndarray, judged: Judged, *, error: float, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """(n,) probabilities that the whale is new, and (n,) bool whether it is called new, by (n,) scores.

    A photo with a name is judged by those of other whales, one without by all of them.
    """
    enrolled, named = judged.enrolled, values[: len(judged.enrolled)]
    p_new, is_new = np.empty(len(values)), np.empty(len(values), bool)
    subfold = np.concatenate([judged.subfold, np.full(len(values) - len(enrolled), -1)])
    for i in np.unique(subfold):
        inside, fitted = subfold == i, judged.subfold != i
        calibration = named[fitted & enrolled]
        is_new[inside] = values[inside] < open_set.threshold(calibration, error=error)
        if enrolled.all():
            p_new[inside] = 1 - open_set.p_value(values[inside], calibration)
        else:
            posterior = open_set.fit_posterior(calibration, named[fitted & ~enrolled], prior=prior)
            p_new[inside] = posterior(values[inside])
    return p_new, is_new


def pool(answers: Answers, judged: Judged, *, encounter: np.ndarray) -> tuple[Answers, Judged]:
    """The answers, and what is judged, by encounters in place of photos.

    Args:
        answers: (n, whales) each.
        judged: n photos.
        encounter: (m,) int of those with a name; -1 of a photo that is left out, as those without a name are.
    """
    inside = np.flatnonzero(encounter >= 0)
    first = inside[np.unique(encounter[inside], return_index=True)[1]]
    means = {key: open_set.pool(answer[inside], encounter[inside]) for key, answer in answers.items()}
    return means, Judged(*(column[first] for column in judged))


def measurable(judged: Judged) -> bool:
    """Whether known and unknown whales are both there in two subfolds or more, so that a fit has both of both."""
    return all(len(np.unique(judged.subfold[side])) > 1 for side in (judged.enrolled, ~judged.enrolled))


def measure(
    answers: Answers, judged: Judged, *, scores: Mapping[str, np.ndarray], whales: np.ndarray, draws: int
) -> dict[str, dict[str, Any]]:
    """name of a score -> its measures, see `open_set.measure`.

    Args:
        answers, judged, scores: as for `score`, and what it returned.
        whales: (whales,) int, those of the answers' columns.
        draws: bootstrap samples for the intervals.
    """
    count, measured = len(judged.enrolled), {}
    names = {f"{member}: {name}": (member, kind) for member, kind in answers for name in novelty.SCORES[kind]}
    for name, values in scores.items():
        right = whales[answers[names[name]][:count].argmax(1)] == judged.whale if name in names else None
        measured[name] = open_set.measure(values[:count], judged.enrolled, whale=judged.whale, right=right, draws=draws)
    return measured
