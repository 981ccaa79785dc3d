"""Say how raw, weighted and MRP shares or means differ, and whom the sample has too many or too few of.

In a group where the raw number and the estimate are apart, every column that the group does not fix is asked how much
it could explain: sum over its levels of (share of the sample - share of the people) times the estimate of the level.
The one that explains most of the difference is named, with the level that does most of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from api.group_facts import in_groups
from api.group_query import Prepared
from api.raked_sample import RakedSample
from jobs.settings import Settings
from mrp.grouping import cells_of

__all__ = ["Composition", "find_compositions", "sentence_of"]

LEAST = 0.2
"""Part of the difference that a column has to explain to be named."""


@dataclass(frozen=True, slots=True)
class Composition:
    """The level of a column that moves a raw share most."""

    column: str
    level: str
    sample_share: float
    frame_share: float
    is_told: bool
    """Whether enough are interviewed at this level for its share of the sample to be told."""
    moves: float
    """By how much the column could move the raw share."""
    is_above: bool
    """Whether the level chooses the option more often than the others, or has a higher mean."""


def find_compositions(
    prepared: Prepared,
    sample: RakedSample,
    groups: Sequence[tuple[object, ...]],
    apart: Sequence[bool],
    settings: Settings,
) -> list[Composition | None]:
    """What explains the raw shares that are apart from the estimates, group by group; None for the others.

    Parameters
    ----------
    groups
        Labels of the groups that are answered.
    apart
        Which of them are to be explained.
    """
    found: list[Composition | None] = [None] * len(groups)
    if not any(apart):
        return found
    wanted = {group: i for i, (group, is_apart) in enumerate(zip(groups, apart, strict=True)) if is_apart}
    cells, named = in_groups(prepared, sample.cells)
    electorate = prepared.loaded.electorate
    frame = cells_of(electorate, (*electorate.cell_columns, *electorate.parents), {})
    people, people_named = in_groups(prepared, frame)
    best: dict[int, Composition] = {}
    for column in _free_columns(prepared):
        opinion = _opinion(prepared, column)
        inside = _by_level(cells, named, column, "n")
        outside = _by_level(people, people_named, column, "n_people")
        for group, i in wanted.items():
            if group in inside and group in outside:
                one = _explain(column, inside[group], outside[group], opinion, settings)
                if one is not None and (i not in best or abs(one.moves) > abs(best[i].moves)):
                    best[i] = one
    for i, one in best.items():
        found[i] = one
    return found


def sentence_of(
    numbers: tuple[float, float, float] | None,
    why: Composition | None,
    *,
    is_apart: bool,
    option: str,
    min_interviews: int,
    unit: str = "",
) -> str:
    """How the methods differ in one group.

    Parameters
    ----------
    numbers
        Raw, weighted and MRP; None where the first two are not told.
    why
        What explains it, if the sample's composition does.
    option
        Whose share it is; empty of a mean.
    unit
        Of a mean, where it has a name.
    """
    if numbers is None:
        return f"Fewer than {min_interviews} interviews are shown: the model's estimate stands alone."
    raw, weighted, mrp = numbers
    what = "share" if option else "mean"
    if not is_apart:
        return f"The raw {what} and the estimate agree within chance and the noise of what is shown."
    size = _size(raw - mrp, option, unit)
    said = [f"The raw {what} is {size} {'above' if raw > mrp else 'below'} the estimate."]
    if why is not None and why.moves * (raw - mrp) > 0 and abs(why.moves) >= LEAST * abs(raw - mrp):
        said.append(_because(why, option))
    if abs(weighted - mrp) < abs(raw - mrp):
        said.append(f"Weighting leaves {_size(weighted - mrp, option, unit)} of it.")
    else:
        said.append(
            "Weighting does not bring it nearer: the rest is chance in few interviews, or what the model takes from "
            "places and people alike."
        )
    return " ".join(said)


def _size(difference: float, option: str, unit: str) -> str:
    if option:
        return f"{abs(100 * difference):.1f} points"
    return " ".join(filter(None, (f"{abs(difference):,.3g}", unit)))


def _because(why: Composition, option: str) -> str:
    many = "many" if why.sample_share > why.frame_share else "few"
    counted = f", {why.sample_share:.0%} against {why.frame_share:.0%} of the people" if why.is_told else ""
    more = "more" if why.is_above else "less"
    who = f"Among those interviewed are too {many} of {why.column} {why.level!r}{counted}"
    if not option:
        return f"{who}, whose mean is {'above' if why.is_above else 'below'} that of others."
    return f"{who}, who choose {option!r} {more} often than others."


def _free_columns(prepared: Prepared) -> list[str]:
    """Demographics, and the larger areas or else districts, that differ within the groups."""
    electorate = prepared.loaded.electorate
    fixed = {*prepared.breakdown.by, *prepared.breakdown.grouping.where}
    areas = [*electorate.parents] or [electorate.district]
    if prepared.area_column is not None or fixed & {electorate.district, *electorate.parents}:
        areas = []
    return [column for column in (*electorate.demographics, *areas) if column not in fixed]


def _opinion(prepared: Prepared, column: str) -> dict[str, float]:
    """Estimates of the levels of a column, everywhere together."""
    areas = prepared.areas((column,))
    return dict(zip(areas.areas[column].to_list(), areas.draws.mean(axis=0).tolist(), strict=True))


def _by_level(
    cells: pl.DataFrame, named: Sequence[str], column: str, what: str
) -> dict[tuple[object, ...], dict[str, float]]:
    """Group -> level -> how many."""
    found: dict[tuple[object, ...], dict[str, float]] = {}
    for *group, level, n in (
        cells.group_by([*named, pl.col(column).alias("level:")]).agg(pl.col(what).sum()).iter_rows()
    ):
        found.setdefault(tuple(group), {})[level] = float(n)
    return found


def _explain(
    column: str, n: dict[str, float], people: dict[str, float], opinion: dict[str, float], settings: Settings
) -> Composition | None:
    levels = [level for level in people if level in opinion]
    f = np.array([people[level] for level in levels])
    s = np.array([n.get(level, 0.0) for level in levels])
    if len(levels) < 2 or not s.sum() > 0 or not f.sum() > 0:
        return None
    f, s = f / f.sum(), s / s.sum()
    p = np.array([opinion[level] for level in levels])
    moves = (s - f) * (p - f @ p)
    total = float(moves.sum())
    worst = int(np.argmax(moves * np.sign(total)))
    return Composition(
        column=column,
        level=levels[worst],
        sample_share=float(s[worst]),
        frame_share=float(f[worst]),
        is_told=n.get(levels[worst], 0.0) >= settings.min_interviews,
        moves=total,
        is_above=bool(p[worst] > f @ p),
    )
