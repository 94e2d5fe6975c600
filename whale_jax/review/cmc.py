"""How many candidates must a person look at before they call a whale new? The CMC as a curve, and in sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from whale_jax.evaluation import caveats, reliability
from whale_jax.evaluation.reliability import Reliability

MOST = 20  # candidates on the curve
MARKED = {1, 2, 3, 5, 10, MOST}  # of them, those whose value is in a table beside it
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Curve(NamedTuple):
    """What validation says of looking at candidates.

    Attributes:
        shares: of validation photos whose whale is among the first k, for k = 1, 2 ...
        marks: k, as text -> the text of its share, for some of them.
        sentences: what the curve says.
    """

    shares: Sequence[float]
    marks: dict[str, str]
    sentences: Sequence[str]


def curve(trust: Reliability | None, shown: int, *, whales: int) -> Curve | None:
    """The curve of a run, or None where there is no validation, or too little of it.

    Args:
        trust: the run's.
        shown: candidates of a photo that a person is shown.
        whales: number of those that the run knows; who looks at all of them misses none, which says nothing.
    """
    if trust is None or len(trust.rank) < reliability.FEWEST or not shown or whales < 2:
        return None
    shares = reliability.cmc(trust, most=max(MOST, shown))[: whales - 1]
    counts = [k for k in sorted({1, 5, shown}) if k <= len(shares)]
    sentences = [hits(shares, counts, photos=len(trust.rank)), misses(shares, shown)]
    if len(trust.rank) < caveats.FEW:
        low, high = caveats.interval(shares[0], len(trust.rank))
        sentences.append(
            f"The photos are few: the first share could as well be anything from {100 * low:.0f} to {100 * high:.0f} %."
        )
    shares = shares[:MOST]
    marked = MARKED if len(shares) >= 5 else {1, len(shares)}
    return Curve(shares, {str(k): percent(shares[k - 1]) for k in sorted(marked) if k <= len(shares)}, sentences)


def hits(shares: Sequence[float], counts: Sequence[int], *, photos: int) -> str:
    """How often the right whale is among the first candidates, for each of `counts`, of which the first is 1."""
    parts = [f"came first for {percent(shares[0])}"]
    parts += [f"was among the first {number(k)} for {percent(shares[k - 1])}" for k in counts[1:]]
    text = ", ".join(parts[:-1]) + ", and " + parts[-1] if len(parts) > 1 else parts[0]
    return f"On {photos:,} validation photos of known whales, the right whale {text}."


def misses(shares: Sequence[float], shown: int) -> str:
    """What a whale may be that is not among the candidates shown."""
    if shown > len(shares):
        return "Every photo is shown with all whales that the run knows: a whale that is none of them is new."
    whale = "A whale that is not " + ("the one shown" if shown == 1 else f"among the {number(shown)} shown")
    share = 1 - shares[shown - 1]
    if share <= 0:
        return f"{whale} is new, as far as these photos can tell: none was missed."
    if share < 0.005:
        return f"{whale} is new, or one of the few that are missed, less than 1 %."
    return f"{whale} is new, or one of the {100 - round(100 * shares[shown - 1])} % that are missed."


def percent(share: float) -> str:
    """A share in whole percent; one that is neither nothing nor all is not called so."""
    if 0 < share < 0.005:
        return "less than 1 %"
    return "more than 99 %" if 0.995 < share < 1 else f"{round(100 * share)} %"


def number(count: int) -> str:
    """A count in words, up to ten."""
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"
