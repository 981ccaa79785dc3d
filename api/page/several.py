"""What pages show of a question with several options: all of them, which leads where, one of them by choice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.answer_payloads import AreaEstimate, AreaNumber, EstimatesPayload
from api.charts import Chart
from api.labels import one_of
from api.leading import LeadersPayload
from api.measures import MEAN
from api.page.asking import Asking
from api.page.figures import groups_figure, leaders_figure, map_figure, toplines_figure
from api.page.movement import movement_of
from api.served import Served

__all__ = ["OptionsRow", "by_option", "choices_of", "chosen", "map_of", "several_of", "whole_by_option"]

CLOSEST: Final = 5
"""Districts that are named."""
PARENTS: Final = 2
"""Levels of larger areas that are shown."""


@dataclass(frozen=True, slots=True)
class OptionsRow:
    """The shares of all options in one area or group."""

    area: str
    area_name: str
    groups: dict[str, str]
    shares: dict[str, AreaEstimate | AreaNumber]
    """By option."""

    @property
    def any(self) -> AreaEstimate | AreaNumber:
        """One of them, for what they have in common: interviews and flags."""
        return next(iter(self.shares.values()))


def by_option(rows: Iterable[AreaEstimate | AreaNumber]) -> list[OptionsRow]:
    """Estimates of all options, a row for each area or group, in their order."""
    found: dict[tuple[str, ...], OptionsRow] = {}
    for row in rows:
        key = (row.area, *row.groups.values())
        found.setdefault(key, OptionsRow(row.area, row.area_name, row.groups, {})).shares[row.option or ""] = row
    return list(found.values())


def chosen(asking: Asking, option: str | None) -> str | None:
    """The option that an address names; None if it names none.

    Raises
    ------
    UnknownChoice
        If the question has no such option.
    """
    return one_of("option", option, asking.loaded.question.options) if option else None


def choices_of(asking: Asking) -> list[tuple[str, str]]:
    """What a map can show, and how it is called: the empty choice first."""
    first = "mean score" if asking.loaded.question.kind == "ordinal" else "which leads"
    return [("", first), *((option, option) for option in asking.loaded.question.options)]


def whole_by_option(asking: Asking) -> list[EstimatesPayload]:
    """The share of everybody for each option."""
    return [asking.estimates(option=option) for option in asking.loaded.question.options]


def map_of(asking: Asking, option: str | None, leaders: LeadersPayload, *, linked: bool = True) -> Chart | None:
    """The map of one option, else of what leads, or of the scores of ordered options."""
    if option is not None:
        districts = asking.estimates(level="district", option=option)
        return map_figure(asking, districts, districts.estimates, linked=linked)
    if asking.loaded.question.kind == "ordinal":
        means = asking.means(level="district")
        return map_figure(asking, means, means.means, linked=linked)
    return leaders_figure(asking, leaders, linked=linked)


def several_of(asking: Asking, earlier: Served | None, option: str | None, *, linked: bool = True) -> dict[str, Any]:
    """What the first screen, and the report, say of opinion."""
    question = asking.loaded.question
    is_scale = question.kind == "ordinal"
    option = chosen(asking, option)
    answers = whole_by_option(asking)
    toplines = [(row.option, row) for answer in answers for row in answer.estimates]
    whole = asking.leaders().leaders
    leaders = asking.leaders(level="district")
    shown = option or (whole[0].option if whole else question.options[0])
    demographics = asking.loaded.declaration.demographics
    of_shown = [asking.estimates(by=(one.name,), option=shown) for one in demographics]
    everybody = dict(toplines).get(shown)
    return {
        "answer": answers[0],
        "options": question.options,
        "option": option,
        "choices": choices_of(asking),
        # The points of a scale stay in their order, competitors stand by their size.
        "toplines": toplines if is_scale else sorted(toplines, key=lambda one: -one[1].share),
        "leader": whole[0] if whole else None,
        "is_scale": is_scale,
        "score": asking.means() if is_scale else None,
        "score_movement": movement_of(asking, earlier, measure=MEAN) if is_scale else None,
        "movements": [(name, movement_of(asking, earlier, option=name)) for name in question.options],
        "leaders": leaders,
        "shares": {one.area: one.shares for one in by_option(asking.every_option(level="district").estimates)},
        "closest": sorted(leaders.leaders, key=lambda row: (row.p_leads, row.area))[:CLOSEST],
        "parents": _tables(asking, [{"level": one} for one in asking.loaded.electorate.parents[:PARENTS]]),
        "groups": _tables(asking, [{"by": (one.name,)} for one in demographics]),
        "shown": shown,
        "charts": {
            "toplines": toplines_figure(answers),
            "map": map_of(asking, option, leaders, linked=linked),
            "groups": groups_figure(
                of_shown[0],
                [row for of in of_shown for row in of.estimates],
                reference=everybody.share if everybody else None,
                title=f"Share of “{shown}” in groups",
            )
            if of_shown
            else None,
        },
    }


def _tables(asking: Asking, queries: Sequence[dict[str, Any]]) -> list[tuple[str, list[OptionsRow], list[Any]]]:
    """Name of a breakdown, its rows, and what is withheld of it."""
    found = []
    for query in queries:
        answer = asking.every_option(**query)
        found.append((query.get("level") or query["by"][0], by_option(answer.estimates), answer.withheld))
    return found
