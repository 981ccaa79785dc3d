"""Flags of what interviews say: duplicates, speeders, straight lines, impossible combinations.

Duplicates. An interview repeats another that equals it in everything that was recorded. With few questions that happens
by chance. Within a cell (same district and demographics) of ``m`` interviews, if answers ``k`` come with the share
``q[k]`` that they have in the whole wave, the expected number of repetitions is

    m - sum_k (1 - (1 - r q[k])^m) / r,

``r`` being the chance that the rest, weight and date, is equal too: as if there were ``1/r`` values of it, equally
frequent. Weights often follow from the cell, and a district may be interviewed in a day; so ``r`` is the share with an
equal rest among the pairs of a cell whose answers *differ*, which no copy is. The value is the share of repetitions
beyond the sum of this over cells.

References
----------
Kuriakose and Robbins (2016), "Don't get duped: fraud through duplication in public opinion surveys", Statistical
Journal of the IAOS 32(3), 283-291; Simmons et al. (2016) on chance in such matches.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from polling.declaration import SurveyDeclaration
from polling.quality.flag import LEAST_INTERVIEWS, Flag, flag, percents

__all__ = ["answer_flags"]

MOST_COMPARED = 200_000
"""Among more interviews chance repeats nearly everything, and comparing them takes longer than reading them."""


def answer_flags(interviews: pl.DataFrame, declaration: SurveyDeclaration, *, asked: Sequence[str]) -> list[Flag]:
    """Flags of the answers of a wave.

    Parameters
    ----------
    interviews
        See ``polling.codebook.Conversion.interviews``.
    asked
        Ids of the questions that the wave asked.

    Returns
    -------
    list
        One flag for each check that is declared and can be made; none of fewer than 50 interviews.
    """
    if interviews.height < LEAST_INTERVIEWS:
        return []
    found = [
        _duplicates(interviews, declaration, asked),
        _speeders(interviews, declaration),
        _impossible(interviews, declaration),
    ]
    return [one for one in found if one is not None] + _straight_lines(interviews, declaration, asked)


def _duplicates(interviews: pl.DataFrame, declaration: SurveyDeclaration, asked: Sequence[str]) -> Flag | None:
    limit = declaration.quality.duplicates
    if limit is None or not asked or interviews.height > MOST_COMPARED:
        return None
    n = interviews.height
    answers = [name for question in asked for name in (question, f"{question}:status")]
    answers += ["timing"] if "timing" in interviews.columns else []
    everything = interviews.drop("row", "excluded")
    repeated = n - everything.n_unique()
    by_chance = _chance_repetitions(interviews, declaration.cell_columns, answers)
    measured = max(0.0, (repeated - by_chance) / n)
    share, most = percents(measured, limit)
    words = (
        f"{repeated:,} of {n:,} interviews equal an earlier one in every column; {by_chance:,.0f} would by chance. "
        f"The rest are {share} of the wave, the limit is {most}."
    )
    return flag("duplicates", measured, limit, words)


def _chance_repetitions(interviews: pl.DataFrame, cell: Sequence[str], answers: Sequence[str]) -> float:
    """Repetitions to be expected within cells if answers do not depend on the cell."""
    n = interviews.height
    sizes = interviews.group_by(cell).len()["len"].value_counts()
    # Answers that equally many gave have the same share, and there are few different numbers.
    shares = interviews.group_by(answers).len()["len"].value_counts()
    share, n_patterns = shares["len"].to_numpy() / n, shares["count"].to_numpy()
    m, n_cells = sizes["len"].to_numpy(), sizes["count"].to_numpy()
    equal_rest = _equal_rest(interviews, cell, answers)
    missed = np.minimum(equal_rest * share, 1 - 1e-12)
    distinct = (n_patterns * -np.expm1(m[:, None] * np.log1p(-missed))).sum(axis=1) / equal_rest
    return float((n_cells * np.maximum(0.0, m - distinct)).sum())


def _equal_rest(interviews: pl.DataFrame, cell: Sequence[str], answers: Sequence[str]) -> float:
    """Share with equal weight and date among pairs of a cell with different answers; 1 without such pairs."""
    rest = ("weight", "date")
    different = _n_pairs(interviews, cell) - _n_pairs(interviews, (*cell, *answers))
    alike = _n_pairs(interviews, (*cell, *rest)) - _n_pairs(interviews, (*cell, *rest, *answers))
    return (alike + 1) / (different + 1)


def _n_pairs(interviews: pl.DataFrame, by: Sequence[str]) -> float:
    m = interviews.group_by(by).len()["len"].cast(pl.Float64)
    return float((m * (m - 1) / 2).sum())


def _speeders(interviews: pl.DataFrame, declaration: SurveyDeclaration) -> Flag | None:
    quality = declaration.quality
    if quality.speeders is None or "timing" not in interviews.columns:
        return None
    seconds = interviews["timing"].drop_nulls()
    if len(seconds) < LEAST_INTERVIEWS:
        return None
    median = float(np.median(seconds.to_numpy()))
    least = max(quality.fast_share * median, quality.fast_seconds or 0.0)
    n_fast = int((seconds < least).sum())
    measured = n_fast / len(seconds)
    share, most = percents(measured, quality.speeders)
    words = (
        f"{n_fast:,} of {len(seconds):,} interviews took less than {least:,.0f} seconds (the median is {median:,.0f}): "
        f"{share}, the limit is {most}."
    )
    return flag("speeders", measured, quality.speeders, words)


def _straight_lines(interviews: pl.DataFrame, declaration: SurveyDeclaration, asked: Sequence[str]) -> list[Flag]:
    limit = declaration.quality.straight_lining
    found: list[Flag] = []
    for name, ids in declaration.quality.batteries.items():
        if limit is None or not set(ids) <= set(asked):
            continue
        complete = interviews.select(ids).drop_nulls()
        if complete.height < LEAST_INTERVIEWS:
            continue
        same = pl.all_horizontal(pl.col(one) == pl.col(ids[0]) for one in ids[1:])
        n_same = complete.filter(same).height
        measured = n_same / complete.height
        options = declaration.question(ids[0]).options
        shares = np.array([[(complete[one] == option).mean() for option in options] for one in ids], dtype=float)
        share, most = percents(measured, limit)
        words = (
            f"{n_same:,} of {complete.height:,} interviews gave the same answer to all {len(ids)} questions of "
            f"'{name}': {share}, the limit is {most}; of unrelated answers it would be "
            f"{shares.prod(axis=0).sum():.1%}."
        )
        found.append(flag("straight_lining", measured, limit, words, about=name))
    return found


def _impossible(interviews: pl.DataFrame, declaration: SurveyDeclaration) -> Flag | None:
    quality = declaration.quality
    if quality.impossible_share is None or not quality.impossible:
        return None
    each = [
        interviews.select(
            pl.all_horizontal(pl.col(name) == level for name, level in combination).fill_null(value=False)
        )
        .to_series()
        .alias(str(place))
        for place, combination in enumerate(quality.impossible)
    ]
    together = pl.DataFrame(each)
    n = together.select(pl.any_horizontal(pl.all()).sum()).item()
    measured = n / interviews.height
    worst = max(range(len(each)), key=lambda place: int(each[place].sum()))
    written = " and ".join(f"{name} = '{level}'" for name, level in quality.impossible[worst])
    mainly = f", most of them {written} ({int(each[worst].sum()):,})" if n else ""
    share, most = percents(measured, quality.impossible_share)
    words = (
        f"{n:,} of {interviews.height:,} interviews have a combination declared impossible{mainly}: {share}, the "
        f"limit is {most}."
    )
    return flag("impossible", measured, quality.impossible_share, words)
