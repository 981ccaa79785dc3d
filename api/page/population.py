"""Whom a page is about: the populations to choose from, and what is thought among those that it is not about."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from api.answer_payloads import AreaEstimate, AreaMean, MeansPayload
from api.errors import EstimateRefused, NoReleaseYet
from api.misreport import TRUTH, of_reports
from api.page import words
from api.page.addresses import question_address
from api.page.asking import Asking
from polling.population import EVERYBODY

__all__ = ["Choice", "Other", "others_of", "populations_to_choose", "truly"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A population that a page can be about."""

    people: str
    address: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Other:
    """What is thought among a population that the page is not about."""

    said: str
    warnings: list[str]
    """What is to be known of who belongs to it, as its own answers say."""


def populations_to_choose(asking: Asking, *more: str, also: Mapping[str, Any]) -> list[Choice]:
    """The populations that this page could be about; none where there is no choice.

    Parameters
    ----------
    more
        The path of the page after the question.
    also
        What else its address says.
    """
    release, declared = asking.served.release, asking.served.populations
    people = {EVERYBODY: asking.loaded.declaration.universe, **{one.id: one.people for one in declared.declared}}
    here = asking.population or declared.default
    names = [name for name in declared.names if _is_told(asking, name)]
    if len(names) < 2:
        return []
    return [
        Choice(
            words.capital(people[name]),
            question_address(
                release.survey_id,
                release.question_id,
                *more,
                **also,
                population=None if name == declared.default else name,
                release=asking.release_id,
            ),
            is_here=name == here,
        )
        for name in names
    ]


def others_of(asking: Asking) -> list[Other]:
    """What is thought among the populations that the page is not about, with what is to be known of each."""
    populations, numeric = asking.served.populations, asking.loaded.question.kind == "numeric"
    here = asking.population or populations.default
    told = []
    for name in populations.names:
        if name == here or not _is_told(asking, name):
            continue
        try:
            answer = asking.means(population=name) if numeric else asking.every_option(population=name)
        except EstimateRefused:  # the releases that tell it do not know everybody whom this one is about
            continue
        rows = answer.means if isinstance(answer, MeansPayload) else answer.estimates
        said = f"Among {answer.population.people}: {', '.join(map(_said, rows))}."
        known = {*asking.loaded.verdict.warnings, *asking.served.concerns, *asking.served.data_notes}
        told.append(Other(said, [one for one in (*answer.warnings, *answer.data_notes) if one not in known]))
    return told


def truly(asking: Asking) -> list[Other]:
    """What people did, in a sentence, where its estimates are of reports that are wrong at declared rates."""
    if not of_reports(asking.loaded):
        return []
    rows: list[AreaEstimate] = []
    for option in asking.loaded.question.options:
        # Where the base counts more than answers, the rest of it is not the other option alone.
        with suppress(EstimateRefused):
            rows += asking.estimates(option=option, estimand=TRUTH).estimates
    begin = "What people did, turned back from what they report as far as the declared rates are right"
    return [Other(f"{begin}: {', '.join(map(_said, rows))}.", [])] if rows else []


def _is_told(asking: Asking, name: str) -> bool:
    """Whether something tells who belongs to a population."""
    try:
        asking.served.populations.chain(name)
    except (EstimateRefused, NoReleaseYet):
        return False
    return True


def _said(row: AreaEstimate | AreaMean) -> str:
    option = "" if isinstance(row, AreaMean) else f"{row.option} "
    return f"{option}{words.value(row)}{f' ({within})' if (within := words.in_interval(row)) else ''}"
