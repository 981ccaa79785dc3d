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
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from sqlalchemy.orm import Session

from api.errors import EstimateRefused, IntervalOutOfRange, NoReleaseYet, UnknownChoice
from api.payloads import AreaEstimate, EstimatesPayload, WithheldGroup
from api.release_cache import LoadedRelease, ReleaseCache
from jobs.settings import Settings
from mrp.poststratify import AreaDraws
from mrp.summary import summarise
from polling.errors import QuestionNotFound, ReleaseNotFound
from polling.store import queue, releases, surveys
from polling.store.records import QuestionStateRecord, ReleaseRecord

__all__ = ["EstimateQuery", "Served", "answer_query", "entity_tag", "find_served", "levels_of"]

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


@dataclass(frozen=True, slots=True)
class Served:
    """The release that answers, and how stale it is."""

    release: ReleaseRecord
    state: QuestionStateRecord
    stale_since: datetime | None
    stale_reason: str | None


def find_served(session: Session, survey_id: str, question_id: str, release_id: str | None = None) -> Served:
    """Find the release that answers: the current one, or the one asked for.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    ReleaseNotFound
        If the question has no release of this id.
    NoReleaseYet
        If nothing is published for the question.
    """
    try:
        state = releases.question_state(session, survey_id, question_id)
    except QuestionNotFound:
        # The survey itself says more: that it does not exist, or what it asks.
        surveys.get_survey(session, survey_id).bundle.declaration.question(question_id)
        raise
    if release_id is None:
        if state.release_id is None:
            raise NoReleaseYet(_why_none(session, survey_id, question_id))
        return Served(releases.get_release(session, state.release_id), state, state.stale_since, state.stale_reason)
    release = releases.get_release(session, release_id)
    if (release.survey_id, release.question_id) != (survey_id, question_id):
        raise ReleaseNotFound(f"'{release_id}'")
    if release.id == state.release_id:
        return Served(release, state, state.stale_since, state.stale_reason)
    later = releases.list_releases(session, survey_id, question_id)
    successor = min((one for one in later if one.number > release.number), key=lambda one: one.number)
    return Served(release, state, successor.published_at, f"Release {successor.number} replaced it.")


def entity_tag(served: Served, query: EstimateQuery, settings: Settings) -> str:
    """A strong validator: the same for the same answer, other for any other."""
    basis = (
        1,  # version of this form of the answer
        served.release.id,
        served.state.version,
        served.stale_since,
        query,
        settings.min_people,
        settings.min_interviews,
    )
    return f'"{hashlib.sha256(repr(basis).encode()).hexdigest()[:32]}"'


def answer_query(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> EstimatesPayload:
    """Compute every estimate that was asked for.

    Raises
    ------
    UnknownChoice
        If the level, a district, a demographic or the option does not exist; it names those that do.
    IntervalOutOfRange
        If the interval is not in (0, 1).
    EstimateRefused
        If districts are named together with another level.
    """
    if not 0 < query.interval < 1:
        raise IntervalOutOfRange(query.interval)
    loaded = cache.load(served.release.id)
    level, area_column = _level(query, loaded)
    option = _one_of("option", query.option or loaded.question.options[0], loaded.question.options)
    for name in query.by:
        _one_of("demographic", name, loaded.electorate.demographics)
    if len(set(query.by)) < len(query.by):
        raise EstimateRefused(f"by names a demographic twice: {', '.join(query.by)}.")
    by = (area_column, *query.by) if area_column else query.by
    areas = _chosen(loaded.areas(by), query, area_column)
    if option != loaded.question.options[0]:
        areas = replace(areas, draws=1 - areas.draws)
    estimates, withheld = _rows(loaded, areas, query, area_column, settings)
    if area_column == loaded.electorate.district and not query.by:
        withheld += _without_people(loaded, areas, query)
    release = served.release
    return EstimatesPayload(
        survey=release.survey_id,
        question=release.question_id,
        text=loaded.question.text,
        option=option,
        level=level,
        by=list(query.by),
        interval=query.interval,
        release_id=release.id,
        release_number=release.number,
        published_at=release.published_at,
        data_through=release.data_through,
        stale_since=served.stale_since,
        stale_reason=served.stale_reason,
        engine=release.engine,
        survey_version=release.survey_version,
        estimates=estimates,
        withheld=withheld,
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


def _one_of(what: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise UnknownChoice(what, value, allowed)
    return value


def _chosen(areas: AreaDraws, query: EstimateQuery, area_column: str | None) -> AreaDraws:
    if not query.districts or area_column is None:
        return areas
    kept = areas.areas.with_row_index("column").filter(pl.col(area_column).is_in(query.districts))
    return replace(areas, areas=kept.drop("column"), draws=areas.draws[:, kept["column"].to_numpy()])


def _rows(
    loaded: LoadedRelease, areas: AreaDraws, query: EstimateQuery, area_column: str | None, settings: Settings
) -> tuple[list[AreaEstimate], list[WithheldGroup]]:
    if areas.areas.is_empty():
        return [], []
    by = [*([area_column] if area_column else []), *query.by]
    interviews = _interviews(loaded.counts, by)
    names = _area_names(loaded, area_column)
    estimates: list[AreaEstimate] = []
    withheld: list[WithheldGroup] = []
    for row in summarise(areas, interval=query.interval).iter_rows(named=True):
        area = row[area_column] if area_column else "all"
        groups = {name: row[name] for name in query.by}
        if row["n_people"] < settings.min_people:
            reason = f"Fewer than {settings.min_people} people in the frame."
            withheld.append(WithheldGroup(area, names[area], groups, reason))
            continue
        n_shown = interviews.get(tuple(row[name] for name in by))
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
    return estimates, withheld


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


def _without_people(loaded: LoadedRelease, areas: AreaDraws, query: EstimateQuery) -> list[WithheldGroup]:
    answered = set(areas.areas[loaded.electorate.district].to_list())
    names = _area_names(loaded, loaded.electorate.district)
    wanted = query.districts or loaded.electorate.codes
    return [
        WithheldGroup(code, names[code], {}, "Nobody lives there according to the frame.")
        for code in sorted(set(wanted) - answered)
    ]


def _why_none(session: Session, survey_id: str, question_id: str) -> str:
    mine = queue.list_jobs(session, survey_id=survey_id, question_id=question_id, limit=1)
    begin = f"Question '{question_id}' of survey '{survey_id}' has no release yet."
    if not mine:
        return f"{begin} No wave that asks it was received."
    job = mine[0]
    if job.state == "queued":
        return f"{begin} Its first fit is waiting to start (job {job.id})."
    if job.state == "running":
        return f"{begin} Its first fit is running (job {job.id})."
    return f"{begin} The last fit ended without a release: {job.detail or job.code} (job {job.id})"
