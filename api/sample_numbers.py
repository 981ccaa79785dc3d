"""Shares and means of those interviewed, raw or weighted, as they may be told: from counts and sums with noise in them.

Their intervals have the noise in them beside chance (`mrp.perturbed_shares`, `mrp.perturbed_means`). The mean of scores
follows from the counts of the options, that of numbers from sums that are told within a declared range alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from api.group_facts import in_groups
from api.group_query import Prepared
from api.interval_ends import interval_ends
from api.measured import Measured
from api.measures import bounds_of, scores_of
from api.methods_payloads import SampleNumber
from api.raked_sample import RakedSample
from api.standing import stands_in
from jobs.settings import Settings
from mrp.categorical.counts import count_name
from mrp.perturbed_means import perturbed_means
from mrp.perturbed_shares import perturbed_shares
from polling.declaration import Question
from polling.disclosure import ANSWER_NOISE_VARIANCE, COUNT_NOISE_VARIANCE, OPTION_NOISE_VARIANCE
from polling.perturbed_totals import TOTAL, total_noise_variance

__all__ = ["sample_numbers", "why_no_means"]

type Group = tuple[object, ...]


def sample_numbers(
    prepared: Prepared, sample: RakedSample, found: Measured, column: str, settings: Settings
) -> Mapping[Group, SampleNumber]:
    """Shares or means of the groups with enough shown interviews, by the labels of the breakdown.

    Parameters
    ----------
    found
        What is estimated of the groups: of means it has the variance of one answer.
    column
        Of ``sample.cells``: what an interview weighs.
    """
    if why_no_means(prepared):
        return {}
    cells, named = in_groups(prepared, sample.cells)
    cells = cells.with_columns(used=cells[column]).drop("weight", strict=False).rename({"used": "weight"})
    by = tuple(named)
    tables = _means(prepared, cells, by, found) if prepared.is_of_means else _shares(prepared, cells, by)
    told = {}
    for rows in zip(*tables, strict=True):
        row = rows[0]
        if row["n_interviews"] >= max(1, settings.min_interviews):
            ends = [(one["low"], one["high"]) for one in rows]
            told[tuple(row[name] for name in named)] = SampleNumber(
                share=row.get("share"),
                mean=row.get("mean"),
                low=ends[0][0],
                high=ends[0][1],
                intervals=interval_ends(prepared.query.intervals, ends),
                n_effective=row["n_effective"],
                design_effect=row["design_effect"],
            )
    return told


def why_no_means(prepared: Prepared) -> str:
    """Why means of those interviewed cannot be told; empty if they can, or shares are answered."""
    question = prepared.loaded.question
    if not prepared.is_of_means or question.kind != "numeric" or TOTAL in prepared.loaded.counts.columns:
        return ""
    if question.range is None:
        return (
            f"Raw means of {question.id} are not told: it declares no range, so that a single answer could be read "
            "from a sum. The model's estimate stands alone."
        )
    return (
        f"Raw means of {question.id} are not told: its model counts weighted answers, which no noise would hide. The "
        "model's estimate stands alone."
    )


def _shares(prepared: Prepared, cells: pl.DataFrame, by: tuple[str, ...]) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of each interval."""
    is_one = "y" in cells.columns
    # Where the option does not stand its shown counts are nothing but noise.
    stands = pl.Series(stands_in(prepared.loaded.design, cells, prepared.option))
    answers = cells["y" if is_one else count_name(prepared.option)] * stands
    for interval in prepared.query.intervals:
        table = perturbed_shares(
            cells.with_columns(answers.alias("y"), noisy_y=cells["noisy"] * stands),
            by=by,
            count_noise=COUNT_NOISE_VARIANCE,
            answer_noise=ANSWER_NOISE_VARIANCE if is_one else OPTION_NOISE_VARIANCE,
            interval=interval,
        )
        if prepared.is_complement:
            table = table.with_columns(share=1 - pl.col("share"), low=1 - pl.col("high"), high=1 - pl.col("low"))
        yield table.iter_rows(named=True)


def _means(
    prepared: Prepared, cells: pl.DataFrame, by: tuple[str, ...], found: Measured
) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of each interval."""
    question = prepared.loaded.question
    within = bounds_of(question)
    labels = found.areas.areas.drop("n_people")
    variances = labels.rename(dict(zip(labels.columns, by, strict=True))).with_columns(
        pl.Series("answer_variance", found.answer_variance, dtype=pl.Float64)
    )
    total, noise = _totals(question, within)
    for interval in prepared.query.intervals:
        yield perturbed_means(
            cells.with_columns(total.alias(TOTAL)),
            variances,
            by=by,
            within=within,
            count_noise=COUNT_NOISE_VARIANCE,
            total_noise=noise,
            interval=interval,
        ).iter_rows(named=True)


def _totals(question: Question, within: tuple[float, float]) -> tuple[pl.Expr, float]:
    """The sum of the answers of a cell about the middle of their range, and the variance of the noise in it."""
    if question.kind == "numeric":
        return pl.col(TOTAL), total_noise_variance(within)
    middle = sum(within) / 2
    away = [score - middle for score in scores_of(question)]
    counted = [pl.col(count_name(option)) for option in question.options]
    total = pl.sum_horizontal(one * count for one, count in zip(away, counted, strict=True))
    return total, OPTION_NOISE_VARIANCE * sum(one**2 for one in away)
