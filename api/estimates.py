"""Answer a question about shares from the stored draws of one release.

The share of an area or group is computed per draw and summarised last; the
complement of a binary question's first option is one minus its draws. What may
be said about small groups is decided here and only here: a group with fewer
than ``min_people`` people in the frame is named in ``withheld`` without an
estimate, and an interview count is given only from ``min_interviews`` on, from
counts perturbed once per release and cell.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.breakdown import Breakdown, find_breakdown, summarise_groups
from api.confirmed import describe_confirmation
from api.errors import EstimateRefused, IntervalOutOfRange, TooManyGroups, UnknownChoice
from api.payloads import AreaEstimate, EstimatesPayload, WithheldGroup
from api.release_cache import LoadedRelease, ReleaseCache
from api.served import Served
from jobs.draws import why_gone
from jobs.settings import Settings
from polling.declaration import Question
from polling.errors import DrawsNotFound

__all__ = [
    "EstimateQuery",
    "Prepared",
    "answer_query",
    "entity_tag",
    "levels_of",
    "prepare_query",
]

NATION, DISTRICT = "nation", "district"


@dataclass(frozen=True, slots=True)
class EstimateQuery:
    """What was asked, as it was asked."""

    level: str | None = None
    """nation, a parent level, or district. None: district if districts are named, else nation."""
    districts: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    interval: float = 0.9
    option: str | None = None
    """None: the first option."""


def entity_tag(served: Served, query: EstimateQuery, settings: Settings) -> str:
    """A strong validator: the same for the same answer, other for any other."""
    basis = (
        4,  # version of this form of the answer
        served.release.id,
        served.state.version,
        served.stale_since,
        served.data_notes,
        query,
        settings.min_people,
        settings.min_interviews,
    )
    return f'"{hashlib.sha256(repr(basis).encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query whose every word is understood, and the groups that it asks for; no draws are made yet."""

    served: Served
    query: EstimateQuery
    loaded: LoadedRelease
    level: str
    area_column: str | None
    option: str
    breakdown: Breakdown
    wanted: NDArray[np.bool_]
    """Which groups of the breakdown were asked for, shape (group,)."""
    answered: NDArray[np.bool_]
    """Which of them have enough people, shape (group,)."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.loaded.keeps(int(self.answered.sum()))


def prepare_query(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> Prepared:
    """Understand a query, and find its groups.

    Raises
    ------
    UnknownChoice
        If the level, a district, a demographic or the option does not exist; it names those that do.
    IntervalOutOfRange
        If the interval is not in (0, 1).
    TooManyGroups
        If there are more groups than the setting ``max_groups`` allows.
    EstimateRefused
        If districts are named together with another level, or a demographic is named twice.
    DrawsNotFound
        If the draws of the release are not kept any more.
    """
    if not served.release.has_draws:
        cache.forget_gone()
        erased = served.release.contains_erased_at is not None
        because = "they contained the answers of somebody who was erased" if erased else why_gone(settings)
        raise DrawsNotFound(served.release.fit_id, "draws", because)
    if not 0 < query.interval < 1:
        raise IntervalOutOfRange(query.interval)
    loaded = cache.load(served.release.id)
    level, area_column = _level(query, loaded)
    option = _option(query, loaded.question)
    for name in query.by:
        _one_of("demographic", name, loaded.electorate.demographics)
    if len(set(query.by)) < len(query.by):
        raise EstimateRefused(f"by names a demographic twice: {', '.join(query.by)}.")
    breakdown = find_breakdown(loaded, (area_column, *query.by) if area_column else query.by)
    groups = breakdown.groups
    wanted = np.ones(groups.height, dtype=np.bool_)
    if query.districts and area_column is not None:
        wanted = groups[area_column].is_in(query.districts).to_numpy()
    if (n_wanted := int(wanted.sum())) > settings.max_groups:
        raise TooManyGroups(n_wanted, settings.max_groups)
    answered = wanted & (groups["n_people"].to_numpy() >= settings.min_people)
    return Prepared(served, query, loaded, level, area_column, option, breakdown, wanted, answered)


def answer_query(prepared: Prepared, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for."""
    loaded, query, release = prepared.loaded, prepared.query, prepared.served.release
    return EstimatesPayload(
        survey=release.survey_id,
        question=release.question_id,
        text=loaded.question.text,
        option=prepared.option,
        base=list(loaded.question.base),
        weights=loaded.question.weights,
        level=prepared.level,
        by=list(query.by),
        interval=query.interval,
        release_id=release.id,
        release_number=release.number,
        published_at=release.published_at,
        data_through=release.data_through,
        stale_since=prepared.served.stale_since,
        stale_reason=prepared.served.stale_reason,
        engine=release.engine,
        survey_version=release.survey_version,
        warnings=list(loaded.verdict.warnings),
        data_notes=list(prepared.served.data_notes),
        confirmation=describe_confirmation(release, prepared.served.confirmation),
        estimates=_estimates(prepared, settings),
        withheld=_withheld(prepared, settings),
    )


def levels_of(parents: Iterable[str]) -> tuple[str, ...]:
    """The levels at which a survey answers, from the whole to the district."""
    return (NATION, *parents, DISTRICT)


def _level(query: EstimateQuery, loaded: LoadedRelease) -> tuple[str, str | None]:
    """The level, and the column of its areas."""
    electorate = loaded.electorate
    level = query.level or (DISTRICT if query.districts else NATION)
    if level == electorate.district and level not in electorate.parents:
        level = DISTRICT
    _one_of("level", level, levels_of(electorate.parents))
    if query.districts and level != DISTRICT:
        raise EstimateRefused(f"districts can be chosen with level={DISTRICT} only, not with level={level}.")
    for code in query.districts:
        _one_of("district", code, electorate.codes)
    return level, {NATION: None, DISTRICT: electorate.district}.get(level, level)


def _option(query: EstimateQuery, question: Question) -> str:
    first = question.options[0]
    option = _one_of("option", query.option or first, question.options)
    if option != first and question.base != ("answered",):
        silent = " and ".join(status for status in question.base if status != "answered")
        raise EstimateRefused(
            f"Only the share of '{first}' is estimated: the base counts {silent} too, so that the rest "
            f"of it is not '{option}' alone."
        )
    return option


def _one_of(what: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise UnknownChoice(what, value, allowed)
    return value


def _estimates(prepared: Prepared, settings: Settings) -> list[AreaEstimate]:
    loaded, query = prepared.loaded, prepared.query
    interviews = _interviews(loaded.counts, prepared.breakdown.by)
    names = _area_names(loaded, prepared.area_column)
    summaries = summarise_groups(
        loaded,
        prepared.breakdown,
        prepared.answered,
        interval=query.interval,
        complement=prepared.option != loaded.question.options[0],
    )
    estimates: list[AreaEstimate] = []
    for row in (row for summary in summaries for row in summary.iter_rows(named=True)):
        area, groups = _names_of(prepared, row)
        n_shown = interviews.get(tuple(row[name] for name in prepared.breakdown.by))
        is_shown = n_shown is not None and n_shown >= settings.min_interviews
        # That nobody was interviewed is said of whole areas only: of a small group it would be about one person.
        flag = "no-interviews" if n_shown is None and not query.by else "few-interviews"
        estimates.append(
            AreaEstimate(
                area=area,
                area_name=names[area],
                groups=groups,
                share=row["share"],
                low=row["low"],
                high=row["high"],
                sd=row["sd"],
                mc_error=row["mc_error"],
                n_people=row["n_people"],
                n_interviews=n_shown if is_shown else None,
                flags=[] if is_shown else [flag],
            )
        )
    return estimates


def _withheld(prepared: Prepared, settings: Settings) -> list[WithheldGroup]:
    names = _area_names(prepared.loaded, prepared.area_column)
    reason = f"Fewer than {settings.min_people} people in the frame."
    small = prepared.breakdown.groups.filter(pl.Series(prepared.wanted & ~prepared.answered))
    withheld = []
    for row in small.iter_rows(named=True):
        area, groups = _names_of(prepared, row)
        withheld.append(WithheldGroup(area, names[area], groups, reason))
    return withheld + _without_people(prepared)


def _names_of(prepared: Prepared, row: dict[str, Any]) -> tuple[str, dict[str, str]]:
    area = row[prepared.area_column] if prepared.area_column else "all"
    return area, {name: row[name] for name in prepared.query.by}


def _interviews(counts: pl.DataFrame, by: Sequence[str]) -> dict[tuple[object, ...], int]:
    """Group -> perturbed interviews; a group without any interview is not there."""
    if not by:
        return {(): int(counts["n"].sum())} if counts.height else {}
    grouped = counts.group_by(list(by)).agg(pl.col("n").sum())
    return {tuple(row[:-1]): int(row[-1]) for row in grouped.iter_rows()}


def _area_names(loaded: LoadedRelease, area_column: str | None) -> dict[str, str]:
    if area_column is None:
        return {"all": loaded.declaration.universe}
    if area_column == loaded.electorate.district:
        districts = loaded.electorate.districts
        return dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True))
    return {name: name for name in loaded.electorate.levels(area_column)}


def _without_people(prepared: Prepared) -> list[WithheldGroup]:
    """The districts asked for of which the frame has nobody."""
    electorate = prepared.loaded.electorate
    if prepared.area_column != electorate.district or prepared.query.by:
        return []
    populated = set(prepared.breakdown.groups[electorate.district].to_list())
    names = _area_names(prepared.loaded, electorate.district)
    wanted = prepared.query.districts or electorate.codes
    return [
        WithheldGroup(code, names[code], {}, "Nobody lives there according to the frame.")
        for code in sorted(set(wanted) - populated)
    ]
