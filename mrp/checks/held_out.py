r"""What the rest says of one pollster, or of one part of the country: fits without it, and its interviews beside them.

*A pollster.* Its interviews are compared with the prediction of a fit to all others' as a new wave is compared with a
release (`mrp.surprise`): total, slope and cells, with the error that polls have beside sampling. So a house effect that
is usual is no alarm, whether or not the model has one. What the nation's estimate would be without it says how much
rests on it.

*A part of the country.* The districts of one parent area are predicted from the others: by what predictors,
demographics and the spread between districts say of a district in which nobody was asked. Interviews beyond the
predictive interval say that this spread is too small, or that the area is another country. The noise of the answers is
in the interval.

Groups are many: chances are multiplied by their number (Bonferroni).

References
----------
Shirani-Mehr, Rothschild, Goel and Gelman (2018), "Disentangling bias and variance in election polls", JASA 113(522):
the error of a poll. Roberts et al. (2017), "Cross-validation strategies for data with temporal, spatial, hierarchical,
or phylogenetic structure", Ecography 40, 913-929: why groups are left out as groups.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from mrp.checks.concerns import Concern, worst_first
from mrp.checks.margins import Margin, with_parents
from mrp.checks.of_kinds import predictive_by_estimand
from mrp.checks.predictive import GroupCheck
from mrp.checks.told import told_size
from mrp.electorate import Electorate
from mrp.grouping import Grouping
from mrp.heed import Heed, nobody
from mrp.latents import LatentDraws
from mrp.outcomes.designs import AnyDesign, draws_many
from mrp.outcomes.surprises import surprises
from mrp.surprise import Measure

__all__ = [
    "HeldOutArea",
    "HeldOutPollster",
    "area_concerns",
    "area_held_out",
    "largest_first",
    "pollster_concerns",
    "pollster_held_out",
    "without",
]

FALSE_ALARM = 0.01
"""Chance that any pollster, or any area, is named in a survey that is as the model says, at most."""
LARGE_SHIFT = 2.5
"""A pollster without which the nation's estimate moves by so many of its posterior standard deviations is named."""


@dataclass(frozen=True, slots=True)
class HeldOutPollster:
    """One pollster beside what the others predict. Of exact counts: not to be shown as it is."""

    pollster: str
    n: int
    total: Measure
    """Share that gave the option, or mean: observed, and as the others predict it."""
    chance: float
    """Of total, slope and cells together being as far off; of several options of any of them being so."""
    worst: str
    """The measure that is farthest off: ``total``, ``slope`` or ``cells``."""
    shift: float
    """National estimate with its interviews minus without them."""
    shift_sds: float
    """The same in posterior standard deviations of the fit with all."""
    option: str | None = None
    """Of several."""


@dataclass(frozen=True, slots=True)
class HeldOutArea:
    """The interviews of one area beside what the rest of the country predicts. Of exact counts."""

    area: str
    group: GroupCheck
    """All of the area."""
    covered: float
    """Share of its districts with enough interviews whose share is in the predictive interval; NaN if there is none."""
    option: str | None = None
    """Of several."""


def without(counts: pl.DataFrame, electorate: Electorate, column: str, level: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Counts without a level of a column or parent area, and those of that level."""
    own = with_parents(counts, electorate)[column] == level
    return counts.filter(~own.fill_null(value=False)), counts.filter(own.fill_null(value=False))


def largest_first(counts: pl.DataFrame, electorate: Electorate, column: str, *, least: int) -> tuple[str, ...]:
    """Levels of a column with so many interviews and more, those with the most first."""
    sums = with_parents(counts, electorate).drop_nulls(column).group_by(column).agg(pl.col("n").sum())
    kept = sums.filter(pl.col("n") >= least).sort(["n", column], descending=[True, False])
    return tuple(kept[column].cast(pl.String).to_list())


def pollster_held_out(
    whole: tuple[LatentDraws, AnyDesign],
    rest: tuple[LatentDraws, AnyDesign],
    electorate: Electorate,
    own: pl.DataFrame,
    *,
    pollster: str,
    seed: int,
    heed: Heed = nobody,
) -> tuple[HeldOutPollster, ...]:
    """Compare a pollster with the others.

    Parameters
    ----------
    whole, rest
        Draws and design of the fit of all interviews, and of one without the pollster's.
    own
        Counts of the pollster.
    seed
        Of the errors of polls.
    heed
        Called now and then; see `mrp.heed`.

    Returns
    -------
    tuple
        One, or of several options one of each where the fit of the others knows its cells.
    """
    found = surprises(*rest, own, seed=seed)
    nations = [draws_many(*one, electorate, (Grouping(),), heed=heed)[0] for one in (whole, rest)]
    compared = []
    for name, one in found.items():
        if not one.measures:
            continue
        draws = [nation.of(name).draws[:, 0] for nation in nations]
        shift = float(draws[0].mean() - draws[1].mean())
        compared.append(
            HeldOutPollster(
                pollster=pollster,
                n=one.n_interviews,
                total=one.measures[0],
                chance=min(1.0, one.chance * len(found)),
                worst=min(one.measures, key=lambda measure: measure.chance).name,
                shift=shift,
                shift_sds=shift / max(float(draws[0].std()), 1e-9),
                option=name if len(found) > 1 else None,
            )
        )
    return tuple(compared)


def area_held_out(
    rest: tuple[LatentDraws, AnyDesign],
    electorate: Electorate,
    own: pl.DataFrame,
    *,
    area: str,
    least: int = 30,
    heed: Heed = nobody,
) -> tuple[HeldOutArea, ...]:
    """Compare an area with what the rest of the country predicts of it.

    Parameters
    ----------
    rest
        Draws and design of a fit without the area's interviews.
    own
        Counts of the area. Periods, pollsters and modes that only it has are not known to the fit: such rows are left
        out.
    heed
        Called now and then; see `mrp.heed`.

    Returns
    -------
    tuple
        One, or of several options one of each where it stands; none if nothing is left. Means are in the unit of
        `mrp.checks.of_means`.
    """
    latents, design = rest
    known = own.filter(pl.Series(design.covers(own)))
    if known.is_empty() or not known["n"].sum() > 0:
        return ()
    margins = (Margin(()), Margin((electorate.district,)))
    found = predictive_by_estimand(latents, design, electorate, known, margins, heed=heed)
    compared = []
    for name, (everybody, districts) in found.items():
        if not everybody.groups:
            continue
        inside = [one.low <= one.observed <= one.high for one in districts.groups if one.n >= least]
        covered = sum(inside) / len(inside) if inside else math.nan
        option = name if len(found) > 1 else None
        compared.append(HeldOutArea(area, everybody.groups[0], covered, option))
    return tuple(compared)


def pollster_concerns(
    found: Sequence[HeldOutPollster], *, size: Callable[[float], str] | None = None
) -> tuple[Concern, ...]:
    """Name the pollsters whom the others contradict, and those on whom much rests.

    Parameters
    ----------
    size
        Says how large a difference is, without its sign; default: in points of a share.
    """
    concerns = []
    n_pollsters = len({one.pollster for one in found})
    for one in found:
        chance = one.chance * n_pollsters
        difference = told_size(one.total.z, one.total.sd)
        whose = f"Pollster {one.pollster}'s interviews"
        told = _points(difference, size)
        look = f"hold pollster {one.pollster}'s waves back and look at them"
        if chance < FALSE_ALARM:
            what = {
                "total": f"are {told} than those of the others say, and more than polls usually differ",
                "slope": "order groups in another way than those of the others; options or levels may be exchanged",
                "cells": "scatter more over groups than those of the others say",
            }[one.worst]
            words = (_of_option(one.option, f"{whose} {what}."), look)
            concerns.append(_concern("pollster", one.pollster, difference, chance, words))
        elif abs(one.shift_sds) >= LARGE_SHIFT:
            what = "share" if size is None else "mean"
            sentence = (
                f"Much rests on pollster {one.pollster}: without its interviews the national {what} would be "
                f"{_points(-one.shift, size)}."
            )
            words = (_of_option(one.option, sentence), look)
            concerns.append(_concern("pollster", one.pollster, one.shift, 0.1, words))
    return worst_first(concerns)


def area_concerns(
    found: Sequence[HeldOutArea], column: str, *, size: Callable[[float], str] | None = None
) -> tuple[Concern, ...]:
    """Name the areas that the rest of the country says something else of.

    Parameters
    ----------
    size
        As for `pollster_concerns`.
    """
    concerns = []
    for one in found:
        chance = math.exp(min(0.0, one.group.log_chance + math.log(len(found))))
        difference = told_size(one.group.z, one.group.sd)
        if chance < FALSE_ALARM:
            sentence = (
                f"Interviews of {column} {one.area} are {_points(difference, size)} than the rest of the country "
                "predicts, outside chance: districts with few interviews may be as far off."
            )
            advice = f"add a predictor of districts, or (1|{column}), to the model"
            words = (_of_option(one.option, sentence), advice)
            concerns.append(_concern(column, one.area, difference, chance, words))
    return worst_first(concerns)


def _concern(column: str, level: str, size: float, chance: float, words: tuple[str, str]) -> Concern:
    return Concern(
        kind="held-out",
        severity="notable",
        columns=(column,),
        levels=(level,),
        size=round(size, 2),
        strength=float(max(1, min(6, round(-math.log10(max(chance, 1e-9)))))),
        sentence=words[0],
        advice=words[1],
    )


def _of_option(option: str | None, sentence: str) -> str:
    return sentence if option is None else f"{option}: {sentence}"


def _points(difference: float, size: Callable[[float], str] | None) -> str:
    points = max(1, round(100 * abs(difference)))
    told = f"{points} point{'s' if points != 1 else ''}" if size is None else size(abs(difference))
    return f"{told} {'higher' if difference > 0 else 'lower'}"
