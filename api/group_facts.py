"""What is said of a group beside its estimate: its names, its people, how many were interviewed; and who is withheld.

An interview count is given only from ``min_interviews`` on, from counts perturbed once per release and cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from api.answer_payloads import WithheldGroup
from api.group_query import Prepared
from api.shown_counts import PERIOD
from api.standing import DOES_NOT_STAND, STANDS_IN_PART, flags_of, reason
from jobs.settings import Settings

__all__ = ["GroupFacts", "group_facts", "group_names", "in_groups", "shown_interviews", "withheld_groups"]


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What is known of one group without a draw."""

    names: Mapping[str, Any]
    """Area, its name and the levels of the group, as fields of a payload."""
    n_people: float
    n_interviews: int | None
    n_effective: float | None
    """Interviews after weighting; 0 where it is told that there are none; None where their number is not told."""
    flags: tuple[str, ...]
    part_standing: float = 1.0
    """Part of its people who live where the option stands that is told of."""

    @property
    def stands(self) -> bool:
        """Whether the option can be chosen by anybody in it; else its share is no estimate."""
        return self.part_standing > 0

    def of_option(self, part_standing: float) -> "GroupFacts":
        """The same of an option that stands in this part of the people."""
        flags = tuple(one for one in self.flags if one not in (DOES_NOT_STAND, STANDS_IN_PART))
        return replace(self, part_standing=part_standing, flags=(*flags, *flags_of(part_standing)))

    @property
    def counted(self) -> dict[str, Any]:
        """How many there are, as fields of a payload."""
        return {"n_people": self.n_people, "n_interviews": self.n_interviews, "flags": list(self.flags)}


def group_facts(prepared: Prepared, settings: Settings, *, period: str | None = None) -> list[GroupFacts]:
    """Facts of the groups that are answered, in order; of the option, if there is one.

    Parameters
    ----------
    period
        Of which interviews are counted; None: those of every period of the fit.
    """
    interviews = _sums(*shown_interviews(prepared, period))
    # That nobody was interviewed is said of whole areas only, and of a period of the whole: of a small group it would
    # be about one person.
    is_whole = not prepared.query.by and not prepared.breakdown.grouping.where
    is_whole = is_whole and (period is None or prepared.area_column is None)
    facts = []
    answered = prepared.breakdown.groups.filter(pl.Series(prepared.answered))
    parts = prepared.part_standing(prepared.option)[prepared.answered].tolist()
    named = group_names(prepared, prepared.answered)
    for names, row, part in zip(named, answered.iter_rows(named=True), parts, strict=True):
        n_shown = interviews.get(tuple(row[name] for name in prepared.breakdown.by))
        told = _told(n_shown, is_whole=is_whole, design_effect=prepared.loaded.design_effect, settings=settings)
        facts.append(GroupFacts(names, row["n_people"], *told).of_option(part))
    return facts


def group_names(prepared: Prepared, which: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Area, its name and the levels of some groups of the breakdown, shape (group,), as fields of a payload."""
    names = _area_names(prepared)
    named = []
    for row in prepared.breakdown.groups.filter(pl.Series(which)).iter_rows(named=True):
        area = row[prepared.area_column] if prepared.area_column else "all"
        groups = {name: row[name] for name in prepared.query.by}
        named.append({"area": area, "area_name": names[area], "groups": groups})
    return named


def withheld_groups(prepared: Prepared, settings: Settings) -> list[WithheldGroup]:
    """The groups that were asked for and are not answered."""
    few = prepared.breakdown.groups["n_people"].to_numpy() < settings.min_people
    small = group_names(prepared, prepared.wanted & few)
    elsewhere = group_names(prepared, prepared.wanted & ~few & ~prepared.answered)
    return [
        *(WithheldGroup(**names, reason=f"Fewer than {settings.min_people} people in the frame.") for names in small),
        *(WithheldGroup(**names, reason=reason(prepared.option)) for names in elsewhere),
        *_without_people(prepared),
    ]


def _told(
    n_shown: int | None, *, is_whole: bool, design_effect: float, settings: Settings
) -> tuple[int | None, float | None, tuple[str, ...]]:
    """What of the interviews of a group may be told: their number, the effective one, and what to say instead."""
    if n_shown is not None and n_shown >= settings.min_interviews:
        return n_shown, n_shown / design_effect, ()
    if n_shown is None and is_whole:
        return None, 0.0, ("no-interviews",)
    return None, None, ("few-interviews",)


def shown_interviews(prepared: Prepared, period: str | None = None) -> tuple[pl.DataFrame, list[str]]:
    """Perturbed counts of the people of a breakdown by cell, of one period or all; and the columns that name the group.

    Sums by group may be told, from ``min_interviews`` on.
    """
    counts = prepared.loaded.counts
    return in_groups(prepared, counts if period is None else counts.filter(pl.col(PERIOD) == period))


def in_groups(prepared: Prepared, counts: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The cells of the people of a breakdown, as they are told, and the columns that name the group of each."""
    for column, levels in prepared.breakdown.grouping.where.items():
        counts = counts.filter(pl.col(column).is_in(levels))
    merge = prepared.breakdown.grouping.merge
    # Beside the columns themselves: whoever looks at a cell wants its levels, not what they are called together.
    called = [
        pl.col(column).replace(_new_names(merge.get(column, {}))).alias(f"group:{column}")
        for column in prepared.breakdown.by
    ]
    return counts.with_columns(called), [one.meta.output_name() for one in called]


def _sums(counts: pl.DataFrame, by: Sequence[str]) -> dict[tuple[object, ...], int]:
    """Group -> perturbed interviews; a group without any interview is not there."""
    if not by:
        return {(): int(counts["n"].sum())} if counts.height else {}
    grouped = counts.group_by(list(by)).agg(pl.col("n").sum())
    return {tuple(row[:-1]): int(row[-1]) for row in grouped.iter_rows()}


def _new_names(names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Of each merged level, what it is called together with others."""
    return {level: name for name, levels in names.items() for level in levels}


def _area_names(prepared: Prepared) -> dict[str, str]:
    loaded, area_column = prepared.loaded, prepared.area_column
    if area_column is None:
        return {"all": loaded.among.population.people if loaded.among else loaded.declaration.universe}
    merged = {name: name for name in prepared.breakdown.grouping.merge.get(area_column, {})}
    if area_column == loaded.electorate.district:
        districts = loaded.electorate.districts
        return dict(zip(districts["code"].to_list(), districts["name"].to_list(), strict=True)) | merged
    return {name: name for name in loaded.electorate.levels(area_column)} | merged


def _without_people(prepared: Prepared) -> list[WithheldGroup]:
    """The districts asked for of which the frame has nobody."""
    electorate = prepared.loaded.electorate
    if prepared.area_column != electorate.district or prepared.query.by or prepared.breakdown.grouping.where:
        return []
    populated = set(prepared.breakdown.groups[electorate.district].to_list())
    names = _area_names(prepared)
    merged = _new_names(prepared.breakdown.grouping.merge.get(electorate.district, {}))
    wanted = {merged.get(code, code) for code in prepared.query.districts or electorate.codes}
    return [
        WithheldGroup(code, names[code], {}, "Nobody lives there according to the frame.")
        for code in sorted(wanted - populated)
    ]
