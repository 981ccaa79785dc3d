"""Understand a question about areas and groups: which there are, which are asked for, which may be answered.

What may be said about small groups is decided here and in ``api.group_facts``, and only there: a group with fewer than
``min_people`` people in the frame is not answered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from api.breakdown import Breakdown, draws_of, find_breakdown
from api.errors import EstimateRefused, IntervalOutOfRange, TooManyGroups
from api.estimands import means_of
from api.labels import DISTRICT, Labels, Merges, find_labels, find_merges, merges_districts, one_of
from api.measured import Measured, measured, option_of
from api.measures import MEAN, MEASURES, find_measure, find_option, is_complement, refuse_means, scores_of, unit_of
from api.misreport import refuse_truth, with_truth
from api.release_cache import LoadedRelease, ReleaseCache
from api.served import Served
from api.standing import part_standing
from jobs.draws import why_gone
from jobs.settings import Settings
from mrp.design import Design
from mrp.grouping import Grouping
from mrp.poststratification import AreaDraws
from polling.errors import DrawsNotFound
from polling.population import EVERYBODY

__all__ = [
    "EstimateQuery",
    "MeansQuery",
    "Prepared",
    "find_period",
    "levels_of",
    "load_among",
    "load_release",
    "prepare_estimates",
    "prepare_means",
    "prepare_of_everybody",
    "prepare_query",
    "with_uncertainty",
]

NATION = "nation"
UNCERTAINTIES = ("model", "total")


@dataclass(frozen=True, slots=True)
class EstimateQuery:
    """What was asked, as it was asked."""

    level: str | None = None
    """nation, a parent level, or district. None: district if districts are named or merged, else nation."""
    districts: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    where: Labels = ()
    """Who is counted. Empty: everybody."""
    merge: Merges = ()
    """Levels, of a demographic in ``by`` or of the areas, that are taken together."""
    intervals: tuple[float, ...] = (0.9,)
    """Probabilities of the central intervals, at least one."""
    option: str | None = None
    """None: the first option; in estimates of several options, all of them."""
    measure: str | None = None
    """share or mean, see `api.measures`. None: the mean of numbers, else a share."""
    period: str | None = None
    """None: the last that the model has, if it has any."""
    population: str | None = None
    """Whom the answer is about. None: the question's own population, or everybody."""
    uncertainty: str | None = None
    """model or total. None: total in answers that give one probability, where a systematic error is declared."""
    estimand: str | None = None
    """reports or truth, of questions whose reports are wrong at declared rates. None: reports."""

    @property
    def is_chance(self) -> bool:
        """Whether the answer is one probability, or what follows from it, and not an interval beside another."""
        return False

    @property
    def interval(self) -> float:
        """The first of the intervals, which words speak of."""
        return self.intervals[0]

    @property
    def further(self) -> tuple[float, ...]:
        """The other intervals."""
        return self.intervals[1:]


@dataclass(frozen=True, slots=True)
class MeansQuery(EstimateQuery):
    """Of which groups means are asked."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query whose every word is understood, and the groups that it asks for; no draws are made yet."""

    served: Served
    query: EstimateQuery
    loaded: LoadedRelease
    level: str
    area_column: str | None
    options: tuple[str, ...]
    """Whose shares are answered; none for means."""
    period: str | None
    """The period that is looked at; None if the model has none."""
    breakdown: Breakdown
    wanted: NDArray[np.bool_]
    """Which groups of the breakdown were asked for, shape (group,)."""
    answered: NDArray[np.bool_]
    """Which of them have enough people, and are to be told of the option, shape (group,)."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.loaded.keeps(int(self.answered.sum()))

    @property
    def option(self) -> str:
        """The option whose share is answered, the first of them; empty for means."""
        return self.options[0] if self.options else ""

    @property
    def is_of_means(self) -> bool:
        """Whether means are answered and no shares."""
        return not self.options

    @property
    def unit(self) -> str:
        """What means are counted in; empty for shares, and where no unit is declared."""
        return unit_of(self.loaded.question) if self.is_of_means else ""

    @property
    def is_complement(self) -> bool:
        """Whether the share is that of the other option of a binary question."""
        return is_complement(self.option, self.loaded.question)

    def measured(self, rows: NDArray[np.int64]) -> Measured:
        """What is asked of some groups of the breakdown, ascending; as many at a time as `api.breakdown.pieces` has."""
        return measured(self.loaded, self.breakdown, rows, self.option, period=self.period)

    def part_standing(self, option: str) -> NDArray[np.float64]:
        """Part of the people of each group of the breakdown who live where an option stands, shape (group,)."""
        return part_standing(self.loaded.design, self.breakdown, option)

    def where_it_stands(self) -> "Prepared":
        """The same without the groups in which the option does not stand: they are not compared with others."""
        return replace(self, answered=self.answered & (self.part_standing(self.option) > 0))

    @property
    def with_error(self) -> "Prepared | None":
        """The same of draws that have the systematic error; None where none is declared, or these have it."""
        loaded = self.loaded.with_error
        return None if loaded is None else replace(self, loaded=loaded)

    def draws(self, rows: NDArray[np.int64]) -> AreaDraws:
        """Its draws alone."""
        return self.measured(rows).areas

    def draws_by_option(self, rows: NDArray[np.int64]) -> tuple[AreaDraws, ...]:
        """The shares of each of ``options``, joint draws."""
        drawn = draws_of(self.loaded, self.breakdown, rows, period=self.period)
        return tuple(option_of(drawn, self.loaded.question, option) for option in self.options)

    def competing(self, rows: NDArray[np.int64]) -> dict[str, AreaDraws]:
        """Draws of every option, the one that is answered first: joint draws, which sum to one over options."""
        drawn = draws_of(self.loaded, self.breakdown, rows, period=self.period)
        others = (option for option in self.loaded.question.options if option != self.option)
        return {option: option_of(drawn, self.loaded.question, option) for option in (self.option, *others)}

    def areas(self, by: tuple[str, ...]) -> AreaDraws:
        """Draws for every area of another breakdown, as they are kept."""
        drawn, question = self.loaded.told(self.loaded.drawn(by)), self.loaded.question
        return option_of(drawn, question, self.option) if self.options else means_of(drawn, scores_of(question))


def prepare_query(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> Prepared:
    """Understand a query of the share of one option, or of a mean, and find its groups.

    Raises
    ------
    UnknownChoice
        If the level, a district, a demographic, a label, the period, the option or the measure does not exist; it names
        those that do.
    IntervalOutOfRange
        If an interval is not in (0, 1).
    TooManyGroups
        If there are more groups than the setting ``max_groups`` allows.
    EstimateRefused
        If districts are named together with another level, or a demographic is named twice, or levels cannot be merged
        (see `api.labels.find_merges`), or a period is named and the model has none, or the question has no such share
        or mean (see `api.measures.find_measure`).
    NoReleaseYet
        If nothing tells yet who belongs to the population.
    DrawsNotFound
        If the draws of the release are not kept any more.
    """
    loaded = load_among(cache, served, query, settings)
    return _prepare(loaded, served, query, settings, options=find_measure(query.measure, query.option, loaded.question))


def prepare_of_everybody(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> Prepared:
    """The same of what is compared with interviews: those are of everybody; raises as `prepare_query`."""
    if query.population not in (None, EVERYBODY):
        raise EstimateRefused(
            "Interviews are of everybody who was asked, and are not compared with estimates about a part of them. "
            f"Leave population out, or ask for {EVERYBODY}."
        )
    refuse_truth(
        query.estimand, "Interviews are of what people report, and are not compared with estimates of what they did."
    )
    return prepare_query(cache, served, replace(query, population=EVERYBODY), settings)


def prepare_estimates(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> Prepared:
    """The same of the shares of all options, where there are several and none is named."""
    loaded = load_among(cache, served, query, settings)
    refuse_means(query.measure, "Estimates")
    first = find_option(query.option, loaded.question)
    is_one = query.option is not None or loaded.question.kind == "binary"
    return _prepare(loaded, served, query, settings, options=(first,) if is_one else loaded.question.options)


def prepare_means(cache: ReleaseCache, served: Served, query: MeansQuery, settings: Settings) -> Prepared:
    """The same of means: of answers that are numbers, or of the scores of ordered options."""
    if query.measure not in (None, MEAN):
        one_of("measure", query.measure, MEASURES)
        raise EstimateRefused(f"Means are no shares. Leave measure={query.measure} out, or ask for /estimates.")
    loaded = load_among(cache, served, query, settings)
    # Whatever else is wrong with the query is said first: it would be wrong of any question.
    prepared = _prepare(loaded, served, query, settings, options=())
    find_measure(MEAN, query.option, loaded.question)
    return prepared


def _prepare(
    loaded: LoadedRelease, served: Served, query: EstimateQuery, settings: Settings, *, options: tuple[str, ...]
) -> Prepared:
    loaded = _with_uncertainty(with_truth(loaded, query.estimand), query)
    if wrong := [f"{interval:g}" for interval in query.intervals if not 0 < interval < 1]:
        raise IntervalOutOfRange(wrong)
    level, area_column = _level(query, loaded)
    period = find_period(query.period, loaded.design.common)
    for name in query.by:
        one_of("demographic", name, loaded.electorate.demographics)
    if len(set(query.by)) < len(query.by):
        raise EstimateRefused(f"by names a demographic twice: {', '.join(query.by)}.")
    where = find_labels(query.where, loaded.electorate)
    columns = (area_column, *query.by) if area_column else query.by
    merge = find_merges(query.merge, loaded.electorate, columns)
    breakdown = find_breakdown(loaded, Grouping(columns, dict(where), merge))
    groups = breakdown.groups
    wanted = np.ones(groups.height, dtype=np.bool_)
    if query.districts and area_column is not None:
        _require_districts(query.districts, loaded.electorate.codes, merge.get(area_column, {}))
        wanted = groups[area_column].is_in(query.districts).to_numpy()
    if (n_wanted := int(wanted.sum())) > settings.max_groups:
        raise TooManyGroups(n_wanted, settings.max_groups)
    answered = wanted & (groups["n_people"].to_numpy() >= settings.min_people)
    return Prepared(served, query, loaded, level, area_column, options, period, breakdown, wanted, answered)


def load_release(cache: ReleaseCache, served: Served, settings: Settings) -> LoadedRelease:
    """A release with its draws.

    Raises
    ------
    DrawsNotFound
        If they are not kept any more; it says why.
    """
    if not served.release.has_draws:
        cache.forget_gone()
        erased = served.release.contains_erased_at is not None
        because = "they contained the answers of somebody who was erased" if erased else why_gone(settings)
        raise DrawsNotFound(served.release.fit_id, "draws", because)
    return cache.load(served.release.id)


def _with_uncertainty(loaded: LoadedRelease, query: EstimateQuery) -> LoadedRelease:
    """The release with the draws that answer."""
    if query.uncertainty is not None:
        one_of("uncertainty", query.uncertainty, UNCERTAINTIES)
        if not query.is_chance and query.uncertainty == "total":
            raise EstimateRefused(
                "uncertainty chooses between two sets of draws where one probability is given: ranks, chances, "
                "differences of groups, districts, seats and whom to ask. Here leave it out; estimates give both "
                "intervals."
            )
    if query.uncertainty is None and query.is_chance and loaded.with_error is not None:
        return loaded.with_error
    return with_uncertainty(loaded, query.uncertainty or "model")


def with_uncertainty(loaded: LoadedRelease, uncertainty: str) -> LoadedRelease:
    """The release with its first draws (model), or with those that have the systematic error (total).

    Raises
    ------
    UnknownChoice
        If there is no such uncertainty.
    EstimateRefused
        If no systematic error is declared.
    """
    if one_of("uncertainty", uncertainty, UNCERTAINTIES) == "model":
        return loaded
    if loaded.with_error is None:
        raise EstimateRefused(
            f"No systematic error is declared for question {loaded.question.id}, or its release is older. Leave "
            "uncertainty out, or declare [systematic_error] in the survey."
        )
    return loaded.with_error


def load_among(cache: ReleaseCache, served: Served, query: EstimateQuery, settings: Settings) -> LoadedRelease:
    """A release with its draws, about the population that is asked for.

    Raises
    ------
    DrawsNotFound
        As `load_release`.
    UnknownChoice, EstimateRefused, NoReleaseYet
        If there is no such population, or nothing tells who belongs to it; see `api.populations.Populations.chain`.
    """
    loaded = load_release(cache, served, settings)
    chain = served.populations.chain(query.population)
    if not chain:
        return loaded
    told_by = [one.release.id for one in served.populations.told_by(chain)]
    return cache.load_among(loaded, chain, told_by)


def levels_of(parents: Iterable[str]) -> tuple[str, ...]:
    """The levels at which a survey answers, from the whole to the district."""
    return (NATION, *parents, DISTRICT)


def find_period(period: str | None, design: Design) -> str | None:
    """The period asked for, or that of the design; None if the model has none.

    Raises
    ------
    EstimateRefused
        If a period is named and the model has none.
    UnknownChoice
        If the model does not have it.
    """
    grid = design.observed.get("period", ())
    if period is None:
        return design.period
    if not grid:
        raise EstimateRefused(
            f"The model {design.formula!r} has no term of period: it pools its waves, and its estimate is for all of "
            "them. Leave the period out."
        )
    return one_of("period", period, grid)


def _level(query: EstimateQuery, loaded: LoadedRelease) -> tuple[str, str | None]:
    """The level, and the column of its areas."""
    electorate = loaded.electorate
    of_districts = query.districts or merges_districts(query.merge, electorate)
    level = query.level or (DISTRICT if of_districts else NATION)
    if level == electorate.district and level not in electorate.parents:
        level = DISTRICT
    one_of("level", level, levels_of(electorate.parents))
    if query.districts and level != DISTRICT:
        raise EstimateRefused(f"districts can be chosen with level={DISTRICT} only, not with level={level}.")
    return level, {NATION: None, DISTRICT: electorate.district}.get(level, level)


def _require_districts(named: Iterable[str], codes: tuple[str, ...], merged: Mapping[str, tuple[str, ...]]) -> None:
    inside = {code: name for name, members in merged.items() for code in members}
    for code in named:
        if code in inside:
            raise EstimateRefused(
                f"District {code!r} is merged into {inside[code]!r}: name that in districts, or leave {code!r} out of "
                "merge."
            )
        one_of("district", code, (*(one for one in codes if one not in inside), *merged))
