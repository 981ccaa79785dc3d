"""Estimates of what people report of themselves, or of what they did: labelled, chosen by ``estimand``, never mixed.

Of a question whose reports are wrong at declared rates ([questions.<id>.known_totals] reported) a release has draws of
reported shares. ``estimand=truth`` turns them back, see `mrp.misreport`; without it answers are of reports, as draws
are. The rates are those that the fit noted, whatever the survey declares by now.
"""

from dataclasses import replace
from typing import Final

from api.errors import EstimateRefused
from api.labels import one_of
from api.release_cache import LoadedRelease
from jobs.misreport import declared_misreport
from polling.store.records import FitRecord

__all__ = ["REPORTS", "TRUTH", "of_reports", "refuse_truth", "told_of", "with_truth", "words_of"]

REPORTS: Final = "reports"
TRUTH: Final = "truth"
_CHOICES: Final = (REPORTS, TRUTH)


def of_reports(loaded: LoadedRelease) -> bool:
    """Whether its estimates are of what people report, which is wrong at declared rates."""
    return told_of(loaded) == REPORTS


def told_of(loaded: LoadedRelease) -> str | None:
    """What its estimates are of: reports or truth; None where the two are one as far as anybody has said."""
    if loaded.misreport is not None:
        return TRUTH
    return None if declared_misreport(loaded.fit) is None else REPORTS


def with_truth(loaded: LoadedRelease, asked: str | None) -> LoadedRelease:
    """The release whose estimates are of what is asked for.

    Raises
    ------
    UnknownChoice
        If that is neither.
    EstimateRefused
        If the truth is asked of a question whose reports are not declared to be wrong.
    """
    if asked is None or one_of("estimand", asked, _CHOICES) == REPORTS:
        return loaded
    misreport = declared_misreport(loaded.fit)
    if misreport is None:
        raise EstimateRefused(
            f"Release {loaded.release.number} of question {loaded.question.id} knows of no reports that are wrong: "
            "what is reported and what is true are one in it. Leave estimand out, or declare how often reports are "
            f"right, [questions.{loaded.question.id}.known_totals] reported."
        )
    with_error = loaded.with_error and replace(loaded.with_error, misreport=misreport)
    return replace(loaded, misreport=misreport, with_error=with_error)


def refuse_truth(asked: str | None, why: str) -> None:
    """Refuse ``estimand=truth`` by an `EstimateRefused`, where an answer is of reports, or the same of both."""
    if asked is not None and one_of("estimand", asked, _CHOICES) == TRUTH:
        raise EstimateRefused(f"{why} Leave estimand out, or ask for {REPORTS}.")


def words_of(fit: FitRecord, *, of: str | None = REPORTS) -> list[str]:
    """What estimates of a fit are of, in a sentence or two; nothing where reports are not declared to be wrong."""
    misreport = declared_misreport(fit)
    if misreport is None:
        return []
    rates = (
        f"{100 * misreport.sensitivity:.3g}% of those who did it say so, and {100 * misreport.specificity:.3g}% of "
        "the others say that they did not"
    )
    if of == TRUTH:
        told = (
            "Estimates are of what people did, turned back from what they report, as far as the declared rates are "
            f"right: {rates}. An error of the rates is in no interval; one that polls share, where it is declared, is "
            f"of reports, and of what people did {1 / misreport.slope:.3g} times as large. Draws that would be below 0 "
            "or above 1 are put there; a row of which more than 1% were has the flag cut-to-possible."
        )
    else:
        told = (
            f"Estimates are of what people report of themselves, not of what they did: {rates}. They meet what then "
            "would be reported of the known totals. Asked with estimand=truth they are of what people did."
        )
    return [told]
