"""What is known of one district: estimate, rank, chance to lead, groups within it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from api.answer_head import groups_head
from api.answer_payloads import AreaRank
from api.chances import PreparedRanks, RankQuery, answer_ranks, prepare_ranks
from api.district_payloads import DistrictProfile, ProfilePayload
from api.errors import DistrictNotFound, EstimateRefused
from api.estimates import answer_rows
from api.group_query import EstimateQuery, Prepared, load_release, prepare_query
from api.labels import DISTRICT, Merges, merges_districts
from api.release_cache import ReleaseCache
from api.served import Served
from jobs.settings import Settings
from mrp.chances import above, leads

__all__ = ["PreparedProfile", "ProfileQuery", "answer_profile", "prepare_profile"]

MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class ProfileQuery(EstimateQuery):
    """Whose profile is asked."""

    district: str = ""

    @property
    def is_chance(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PreparedProfile:
    """A district whose groups are found."""

    district: str
    ranks: PreparedRanks
    """Of the district among all."""
    groups: tuple[Prepared, ...]
    """The breakdowns within it."""

    @property
    def is_large(self) -> bool:
        """Whether the answer takes much time or memory."""
        return self.ranks.is_large


def prepare_profile(cache: ReleaseCache, served: Served, query: ProfileQuery, settings: Settings) -> PreparedProfile:
    """Understand the query.

    Raises
    ------
    DistrictNotFound
        If the survey has no such district.
    EstimateRefused
        As `prepare_query`; or if a level or districts are named besides.
    """
    if query.level not in (None, DISTRICT) or query.districts:
        raise EstimateRefused("The district is named already. Leave level and districts out.")
    electorate = load_release(cache, served, settings).electorate
    if merges_districts(query.merge, electorate):
        raise EstimateRefused(
            "The district is named already. Leave merged districts out, or ask for them at level=district."
        )
    if query.district not in electorate.codes:
        raise DistrictNotFound(query.district, electorate.codes)
    shared = {name: getattr(query, name) for name in EstimateQuery.__dataclass_fields__}
    shared |= {"level": DISTRICT, "districts": (query.district,)}
    breakdowns = (query.by,) if query.by else tuple((name,) for name in electorate.demographics)
    return PreparedProfile(
        query.district,
        prepare_ranks(cache, served, replace(RankQuery(**shared), by=(), merge=()), settings),
        tuple(
            prepare_query(cache, served, replace(RankQuery(**shared), by=by, merge=merges), settings)
            for by, merges in zip(breakdowns, _divided(query, breakdowns), strict=True)
        ),
    )


def answer_profile(profile: PreparedProfile, settings: Settings) -> ProfilePayload:
    """The profile of a district; without numbers if it is too small to be answered."""
    prepared = profile.ranks.prepared
    head = groups_head(prepared, settings)
    within = [groups_head(one, settings) for one in profile.groups]
    head["by"] = [name for one in within for name in one["by"]]
    head["merge"] = {column: names for one in within for column, names in one["merge"].items()}
    head["withheld"] = [*head["withheld"], *(group for one in within for group in one["withheld"])]
    electorate = prepared.loaded.electorate
    row = next(row for row in electorate.districts.iter_rows(named=True) if row["code"] == profile.district)
    ranked = answer_ranks(profile.ranks, settings).ranks
    return ProfilePayload(
        **head,
        code=profile.district,
        name=row["name"],
        parents={parent: row[parent] for parent in electorate.parents},
        district=DistrictProfile(**_fields(ranked[0]), **_chance_to_lead(prepared)) if ranked else None,
        groups=[row for one in profile.groups for row in answer_rows(one, settings)],
    )


def _divided(query: EstimateQuery, breakdowns: tuple[tuple[str, ...], ...]) -> list[Merges]:
    """What is merged in each breakdown; what belongs to none is left to the first, which refuses it."""
    named = {name for by in breakdowns for name in by}
    return [
        tuple(one for one in query.merge if one.column in by or (one.column not in named and first))
        for first, by in zip((True, *(False for _ in breakdowns)), breakdowns, strict=False)
    ]


def _fields(rank: AreaRank) -> dict[str, Any]:
    return {name: getattr(rank, name) for name in rank.__struct_fields__}


def _chance_to_lead(prepared: Prepared) -> dict[str, Any]:
    """Of the only group that is answered; none of a mean, beside which nothing else stands."""
    if prepared.is_of_means:
        return {"p_lead": None, "p_lead_mc_error": None}
    rows = np.flatnonzero(prepared.answered)
    if len(prepared.loaded.question.options) == 2:
        (first,) = above(prepared.draws(rows), MAJORITY)
    else:
        (first,) = leads(prepared.competing(rows))[prepared.option]
    return {"p_lead": first.value, "p_lead_mc_error": first.mc_error}
