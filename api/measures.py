"""What is asked of a question: the share of an option, of several, or the mean of its answers; and in which unit.

A mean is that of answers that are numbers, or of the scores of ordered options: 1, 2, 3 ... unless others are declared.
Shares have no unit: they are from 0 to 1, and their differences are told in points.
"""

import math
from typing import Any, Final

from api.errors import EstimateRefused
from api.labels import one_of
from polling.declaration import Question

__all__ = [
    "MEAN",
    "MEASURES",
    "SHARE",
    "bounds_of",
    "find_measure",
    "find_option",
    "is_complement",
    "measure_fields",
    "refuse_means",
    "require_threshold",
    "scores_of",
    "unit_of",
    "value_of",
]

SHARE: Final = "share"
MEAN: Final = "mean"
MEASURES: Final = (SHARE, MEAN)
"""What the parameter ``measure`` may say."""

MAJORITY: Final = 0.5


def find_measure(measure: str | None, option: str | None, question: Question) -> tuple[str, ...]:
    """The option whose share is asked for, or none if it is the mean.

    Parameters
    ----------
    measure
        One of `MEASURES`; None: the mean of numbers, of all other questions a share.

    Raises
    ------
    UnknownChoice
        If there is no such measure, or the question has no such option.
    EstimateRefused
        If the question has no mean, an option is named beside it, or the share is not estimated.
    """
    if measure is not None:
        one_of("measure", measure, MEASURES)
    if measure == SHARE or (measure is None and question.kind != "numeric"):
        return (find_option(option, question),)
    if option is not None and question.options:
        one_of("option", option, question.options)
    if question.kind not in ("numeric", "ordinal"):
        raise EstimateRefused(
            f"Question {question.id} is {question.kind}: it has shares of its options and no mean. Ask for its "
            "/estimates (`hustings estimates`), and elsewhere leave measure=mean out."
        )
    if option is not None:
        raise EstimateRefused(f"A mean is of all answers to {question.id}. Leave option out.")
    return ()


def find_option(option: str | None, question: Question) -> str:
    """The option asked for, or the first.

    Raises
    ------
    UnknownChoice
        If the question has no such option.
    EstimateRefused
        If its share is not estimated, or answers are numbers.
    """
    if not question.options:
        raise EstimateRefused(
            f"Question {question.id} is answered with numbers: it has no options, and no shares of them. Ask for its "
            "/means (`hustings ask means`)."
        )
    first = question.options[0]
    option = one_of("option", option or first, question.options)
    if question.kind == "binary" and option != first and question.base != ("answered",):
        silent = " and ".join(status for status in question.base if status != "answered")
        raise EstimateRefused(
            f"Only the share of '{first}' is estimated: the base counts {silent} too, so that the rest "
            f"of it is not '{option}' alone."
        )
    return option


def is_complement(option: str, question: Question) -> bool:
    """Whether an option is the one of two whose share is not modelled, but what is left."""
    return question.kind == "binary" and option != question.options[0]


def scores_of(question: Question) -> tuple[float, ...]:
    """What each option counts as in a mean; none of numbers."""
    return tuple(map(float, question.scores or range(1, len(question.options) + 1)))


def bounds_of(question: Question) -> tuple[float, float]:
    """The least and the largest mean that there can be; infinite where no range of numbers is declared."""
    if question.kind == "numeric":
        return question.range or (-math.inf, math.inf)
    return min(scores_of(question)), max(scores_of(question))


def unit_of(question: Question) -> str:
    """What a mean is counted in: "minutes", "points on the scale 1 to 5"; empty where no unit is declared."""
    if question.kind == "numeric":
        return question.unit or ""
    low, high = (f"{end:g}".replace("-", "−") for end in bounds_of(question))
    return f"points on the scale {low} to {high}"


def value_of(row: Any) -> float:
    """The number of a row of an answer: its share, or its mean."""
    mean: float | None = getattr(row, "mean", None)
    share: float | None = getattr(row, "share", None)
    value = share if mean is None else mean
    assert value is not None, "a row has a share or a mean"
    return value


def measure_fields(question: Question, *, is_mean: bool) -> dict[str, Any]:
    """What an answer says of its numbers: the fields of `api.answer_payloads.GroupsHead`."""
    scores = zip(question.options, scores_of(question), strict=True) if is_mean and question.options else ()
    return {
        "measure": MEAN if is_mean else SHARE,
        "unit": (unit_of(question) or None) if is_mean else None,
        "scores": dict(scores),
    }


def refuse_means(measure: str | None, what: str) -> None:
    """Refuse a mean where ``what`` is told of shares alone.

    Raises
    ------
    EstimateRefused
        If it is asked for.
    UnknownChoice
        If there is no such measure.
    """
    if measure is not None and one_of("measure", measure, MEASURES) != SHARE:
        raise EstimateRefused(
            f"{what} are of shares of options. Leave measure={measure} out, or ask for /means (`hustings ask means`)."
        )


def require_threshold(threshold: float | None, question: Question, *, is_mean: bool) -> float:
    """The threshold that is asked for; of shares a half if none is.

    Raises
    ------
    EstimateRefused
        If a share is not from 0 to 1, or a mean beyond what answers can be or not named at all.
    """
    if not is_mean:
        threshold = MAJORITY if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise EstimateRefused(f"threshold must be a share from 0 to 1, such as 0.5 for 50%; got {threshold:g}.")
        return threshold
    low, high = bounds_of(question)
    unit = unit_of(question)
    inside = f" from {low:g} to {high:g}" if math.isfinite(high - low) else ""
    wanted = f"a number{' of ' if unit else ''}{unit}{inside}" if question.kind == "numeric" else f"a score{inside}"
    if threshold is None:
        raise EstimateRefused(f"A mean has no threshold of its own. Name {wanted} in threshold.")
    if not (math.isfinite(threshold) and low <= threshold <= high):
        raise EstimateRefused(f"threshold must be {wanted}, as answers to {question.id} are; got {threshold:g}.")
    return threshold
