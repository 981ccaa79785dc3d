"""What answers say of the error that polls share: which of the two uncertainties their numbers have, and what it is."""

from typing import Any

from api.answer_payloads import SystematicErrorPayload
from api.release_cache import LoadedRelease

__all__ = ["CANCELS", "NOT_INCLUDED", "how_shown", "meaning", "systematic_error", "uncertainty_head"]

NOT_INCLUDED = (
    "Intervals and chances hold what the interviews and the model leave open. Error that all polls share, and no model "
    "can see, is not included: none is declared."
)
CANCELS = (
    "Differences of periods and of releases hold what the interviews and the model leave open. The error that polls "
    "share is on both sides, and is taken to cancel."
)


def systematic_error(loaded: LoadedRelease) -> SystematicErrorPayload | None:
    """What was declared of the release's fit; None if nothing was."""
    inputs: Any = loaded.fit.inputs
    declared = inputs.get("systematic_error")
    if declared is None:
        return None
    return SystematicErrorPayload(**declared, meaning=meaning(declared))


def uncertainty_head(loaded: LoadedRelease, *, two_intervals: bool = False) -> dict[str, Any]:
    """The fields of `api.answer_payloads.AnswerHead` about it.

    Parameters
    ----------
    two_intervals
        Whether rows have the second interval beside the first.
    """
    declared = systematic_error(loaded)
    if declared is None:
        words = NOT_INCLUDED
    elif loaded.uncertainty == "total":
        words = f"Every number is of draws with the systematic error. {declared.meaning}"
    elif two_intervals:
        words = (
            "low and high hold what the interviews and the model leave open, total_low and total_high the systematic "
            f"error besides. {declared.meaning}"
        )
    else:
        words = (
            "Intervals and chances hold what the interviews and the model leave open, and not the systematic error "
            "that is declared."
        )
    return {"uncertainty": loaded.uncertainty, "uncertainty_meaning": words, "systematic_error": declared}


def how_shown(loaded: LoadedRelease) -> str:
    """How pages and reports show it, and what it is; empty where none is declared."""
    declared = systematic_error(loaded)
    if declared is None:
        return ""
    return (
        "Where there are two intervals, the one in brackets, and lighter in charts, has the error that polls share "
        "besides; maps are coloured by the other one. Chances, ranks, seats and whom to ask have that error too, and "
        f"changes and comparisons of methods have not. {declared.meaning}"
    )


def meaning(declared: dict[str, Any]) -> str:
    """The scale of a systematic error in words, with where it comes from."""
    sd, correlation = declared["national_sd"], declared["correlation"]
    alike = "all districts err alike" if correlation == 1 else f"districts err with a correlation of {correlation:g}"
    return (
        f"Polls are taken to miss the nation's share of an option that has one half by {100 * sd:.3g} points (standard "
        f"deviation), and {alike}; basis: {declared['basis'].rstrip('.')}."
    )
