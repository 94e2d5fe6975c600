"""What a reader must know before they believe a result: answers that are worth nothing, and shares of few photos."""

import math

from scipy import stats

FEW = 200  # photos: of fewer, a share has its interval beside it
ONLY_PRIOR = 0.95  # share of the prior in calibrated probabilities from which nothing else is left
LOST = 0.25  # head lengths of median error from which most crops miss the head
# Of trainings whose best weights are measured: the other figures of a run are of photos that nothing was fitted on.
IN_SAMPLE = (
    "the weights are those that were best on these very photos, so their figures flatter by as much as that does"
)


def of_names(source: str, log_loss: float, *, whales: int, prior: float = 0.0) -> list[str]:
    """Caveats of probabilities of so many whales.

    Args:
        source: their name.
        log_loss: on photos that nothing was fitted on.
        whales: their number.
        prior: share of the prior that a calibration fitted.
    """
    uniform, lines = math.log(whales), []
    if not log_loss < uniform:
        lines.append(
            f"{source}: a log loss of {log_loss:.3f}, no better than {uniform:.3f} of all whales equally likely"
        )
    if prior > ONLY_PRIOR:
        lines.append(f"{source}: the answer is only how often each whale was photographed ({prior:.0%} prior)")
    return lines


def of_points(error: float) -> list[str]:
    """Caveats of points with that median error, in head lengths."""
    return [f"a median error of {error:.2f} head lengths: most crops will show sea"] if not error < LOST else []


def without_pretrained(model: str, *, remedy: str) -> str:
    """The caveat of a training of a model that wanted ImageNet's weights where they are not installed."""
    cost = "clearly fewer whales will be named"
    return (
        f"{model!r} begins from nothing, since ImageNet's weights are not installed; {cost}: {remedy}, and train anew"
    )


def interval(share: float, photos: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a share of so many photos."""
    bounds = stats.binomtest(round(share * photos), photos).proportion_ci(method="wilson")
    return float(bounds.low), float(bounds.high)
