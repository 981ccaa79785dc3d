"""The sample of a release against its frame, from perturbed counts; no draws are needed.

That nobody was interviewed is told of areas, of which everybody knows whether a poll was there; a level of a
demographic, or a crossing of two, has "few", which may be none. Numbers are given from ``min_interviews`` on.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from api.raked_sample import rake_sample
from api.representation_payloads import ColumnBalance, LevelBalance, MissingPeople, SampleBalance, ThinGroup
from mrp.electorate import Electorate
from mrp.grouping import cells_of
from mrp.representation import balance, chance_dissimilarity, dissimilarity, share_without_interviews
from polling.disclosure import COUNT_NOISE_VARIANCE, DisclosureRules

__all__ = ["Balance", "balance_sample", "column_names"]

MOST_GROUPS = 10
"""Crossings of demographics that are named."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What is told of a sample."""

    sample: SampleBalance
    columns: tuple[ColumnBalance, ...]
    levels: tuple[LevelBalance, ...]
    missing: MissingPeople


def balance_sample(counts: pl.DataFrame, electorate: Electorate, rules: DisclosureRules, *, universe: str) -> Balance:
    """Compare the interviews of a release with the people of its frame.

    Parameters
    ----------
    counts
        As `api.shown_counts.shown_counts` gives them.
    universe
        What everybody together is called.
    """
    n_shown = int(counts["n"].sum())
    is_told = n_shown >= max(1, rules.min_interviews)
    levels: list[LevelBalance] = []
    columns: list[ColumnBalance] = []
    for column in column_names(electorate):
        of_column, index = _levels(column, counts, electorate, rules, universe, is_told=is_told)
        levels += of_column
        n_few = sum(one.standing in ("few", "nobody") for one in of_column)
        columns.append(ColumnBalance(column, len(of_column), n_few, *index))
    sample = _sample(counts, electorate, rules) if is_told else SampleBalance(None, None, None, [], False, None, None)
    return Balance(sample, tuple(columns), tuple(levels), _missing(counts, electorate, rules, levels, universe))


def column_names(electorate: Electorate) -> tuple[str, ...]:
    """Demographics, then parents from the largest areas on, then the district."""
    parents = sorted(electorate.parents, key=lambda one: len(electorate.levels(one)))
    return (*electorate.demographics, *(one for one in parents if one != electorate.district), electorate.district)


def _table(columns: tuple[str, ...], counts: pl.DataFrame, electorate: Electorate) -> pl.DataFrame:
    """People, shown interviews, and for how many occupied cells they stand, by the levels of columns.

    Returns
    -------
    polars.DataFrame
        The columns, ``n_people``, ``n`` and ``noisy``, in the order of the levels; ``found`` where there is a count.
    """
    people = cells_of(electorate, columns, {}).group_by(columns).agg(pl.col("n_people").sum())
    noisy = (pl.col("n") > 0).cast(pl.Int64) + (pl.col("n") == 1).cast(pl.Int64)
    shown = counts.group_by(columns).agg(
        pl.col("n").sum(), noisy.sum().alias("noisy"), found=pl.lit(value=True).first()
    )
    joined = people.join(shown, on=columns, how="left").with_columns(
        pl.col("n", "noisy").fill_null(0), pl.col("found").fill_null(value=False)
    )
    return joined.sort([pl.col(column).cast(pl.Enum(electorate.levels(column))) for column in columns])


def _levels(
    column: str,
    counts: pl.DataFrame,
    electorate: Electorate,
    rules: DisclosureRules,
    universe: str,
    *,
    is_told: bool,
) -> tuple[list[LevelBalance], tuple[float | None, float | None]]:
    """The levels of a column, and its index of dissimilarity with that of chance."""
    table = _table((column,), counts, electorate)
    whole = float(table["n_people"].sum())
    compared = None
    if table["n"].sum() > 0:
        compared = balance(table["n_people"], table["n"], noise=COUNT_NOISE_VARIANCE * table["noisy"].to_numpy())
    is_area = column not in electorate.demographics
    names = _names(column, electorate)
    rows = []
    for i, row in enumerate(table.iter_rows(named=True)):
        n = rules.shown_interviews(row["n"]) if is_told else None
        told = compared.row(i, named=True) if compared is not None and n else None
        nobody = is_area and not row["found"]
        rows.append(
            LevelBalance(
                area=row[column] if is_area else "all",
                area_name=names[row[column]] if is_area else universe,
                groups={} if is_area else {column: row[column]},
                column=column,
                level=row[column],
                n_people=row["n_people"],
                frame_share=row["n_people"] / whole,
                n_interviews=n if told else None,
                sample_share=told["sample_share"] if told else None,
                ratio=told["ratio"] if told else None,
                difference=told["difference"] if told else None,
                difference_sd=told["sd"] if told else None,
                standing=told["standing"] if told else "nobody" if nobody else "few",
                share_sd=None,
                mean_sd=None,
                width=None,
                width_ratio=None,
                known_share=None,
                error=None,
                held=None,
            )
        )
    if compared is None or not is_told:
        return rows, (None, None)
    return rows, (dissimilarity(compared), chance_dissimilarity(compared))


def _sample(counts: pl.DataFrame, electorate: Electorate, rules: DisclosureRules) -> SampleBalance:
    raked = rake_sample(counts, electorate, min_interviews=rules.min_interviews)
    assert raked is not None
    index: tuple[float | None, float | None] = (None, None)
    if electorate.demographics:
        crossed = _table(tuple(electorate.demographics), counts, electorate)
        noise = COUNT_NOISE_VARIANCE * crossed["noisy"].to_numpy()
        compared = balance(crossed["n_people"], crossed["n"], noise=noise)
        index = (dissimilarity(compared), chance_dissimilarity(compared))
    effect = round(raked.design_effect, 2)
    return SampleBalance(
        n_interviews=raked.n_interviews,
        dissimilarity=index[0],
        dissimilarity_by_chance=index[1],
        raked_to=list(raked.weights.margins),
        converged=raked.weights.converged,
        design_effect=effect,
        n_effective=raked.n_interviews / effect,
    )


def _missing(
    counts: pl.DataFrame,
    electorate: Electorate,
    rules: DisclosureRules,
    levels: list[LevelBalance],
    universe: str,
) -> MissingPeople:
    areas = sorted((one for one in levels if one.standing == "nobody"), key=lambda one: -one.n_people)
    groups: list[ThinGroup] = []
    share = None
    if counts["n"].sum() >= max(1, rules.min_interviews):
        cells = _table(electorate.cell_columns, counts, electorate)
        share = round(share_without_interviews(cells["n_people"], cells["n"]), 2)
        groups = _thin_groups(counts, electorate, rules, universe)
    return MissingPeople(
        share_in_cells_without=share,
        areas=[ThinGroup(one.area, one.area_name, {}, one.n_people, one.frame_share) for one in areas],
        groups=sorted(groups, key=lambda one: -one.n_people)[:MOST_GROUPS],
    )


def _thin_groups(
    counts: pl.DataFrame, electorate: Electorate, rules: DisclosureRules, universe: str
) -> list[ThinGroup]:
    """Crossings of two demographics with enough people and too few interviews."""
    demographics = tuple(electorate.demographics)
    if len(demographics) < 2:
        return []
    # The frame has far more cells than the crossing of all demographics.
    crossed = _table(demographics, counts, electorate)
    whole = float(np.sum(crossed["n_people"].to_numpy()))
    few = (pl.col("n") < max(1, rules.min_interviews)) & (pl.col("n_people") >= rules.min_people)
    found = []
    for pair in combinations(demographics, 2):
        sums = crossed.group_by(pair, maintain_order=True).agg(pl.col("n_people", "n").sum()).filter(few)
        found += [
            ThinGroup("all", universe, {name: row[name] for name in pair}, row["n_people"], row["n_people"] / whole)
            for row in sums.iter_rows(named=True)
        ]
    return found


def _names(column: str, electorate: Electorate) -> dict[str, str]:
    if column == electorate.district:
        return dict(zip(electorate.districts["code"].to_list(), electorate.districts["name"].to_list(), strict=True))
    return {level: level for level in electorate.levels(column)}
