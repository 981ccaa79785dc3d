"""Raw, weighted and MRP shares of the same groups, side by side.

Raw and weighted shares are those of the interviews in the period that is looked at, or in all where the model has none;
from perturbed counts, and only of groups with ``min_interviews`` shown interviews. Their intervals have the noise of
the counts in them beside chance (``mrp.perturbed_shares``), so that an estimate is never called apart from a raw share
for that noise alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from api.answer_head import groups_head
from api.answer_payloads import ShareEstimate
from api.breakdown import pieces
from api.estimates import share_fields
from api.group_facts import group_facts, in_groups
from api.group_query import EstimateQuery, Prepared
from api.interval_ends import interval_ends
from api.methods_payloads import AreaMethods, MethodsPayload, SampleShare, WeightingPayload
from api.methods_words import Composition, find_compositions, sentence_of
from api.raked_sample import RakedSample
from api.standing import stands_in
from jobs.settings import Settings
from mrp.categorical.counts import count_name
from mrp.perturbed_shares import perturbed_shares
from polling.disclosure import ANSWER_NOISE_VARIANCE, COUNT_NOISE_VARIANCE, OPTION_NOISE_VARIANCE

__all__ = ["MethodsQuery", "answer_methods"]

METHODS = {"raw": "unweighted", "weighted": "weight"}
"""Method -> the column of weights."""


@dataclass(frozen=True, slots=True)
class MethodsQuery(EstimateQuery):
    """Of which groups the methods are compared."""


type Group = tuple[object, ...]
type Shares = Mapping[Group, SampleShare]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of one group."""

    names: Mapping[str, Any]
    counted: Mapping[str, Any]
    raw: SampleShare | None
    weighted: SampleShare | None
    mrp: ShareEstimate

    @property
    def is_apart(self) -> bool:
        # Both may be nothing: then rounding must not call them apart.
        slack = 1e-9
        return self.raw is not None and not self.raw.low - slack <= self.mrp.share <= self.raw.high + slack


def answer_methods(prepared: Prepared, settings: Settings) -> MethodsPayload:
    """Compute the shares of every group by every method, where the option stands."""
    prepared = prepared.where_it_stands()
    sample = prepared.loaded.raked(prepared.period, settings.min_interviews)
    groups = _groups(prepared)
    told = list(_told(prepared, sample, groups, settings))
    apart = [one.is_apart for one in told]
    why = find_compositions(prepared, sample, groups, apart, settings) if sample else [None] * len(told)
    return MethodsPayload(
        **groups_head(prepared, settings),
        weighting=_weighting(sample, settings),
        methods=[_row(one, because, prepared, settings) for one, because in zip(told, why, strict=True)],
    )


def _groups(prepared: Prepared) -> list[Group]:
    """The groups that are answered, by the labels of the breakdown."""
    answered = prepared.breakdown.groups.filter(prepared.answered.tolist())
    return [tuple(row[:-1]) for row in answered.iter_rows()]


def _told(prepared: Prepared, sample: RakedSample | None, groups: list[Group], settings: Settings) -> Iterator[_Told]:
    raw, weighted = (_sample_shares(prepared, sample, column, settings) for column in METHODS.values())
    facts, done = group_facts(prepared, settings, period=prepared.period), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        some = facts[done : done + rows.size]
        of_mrp = share_fields(prepared.draws(rows), some, prepared.query)
        for group, one, share in zip(groups[done : done + rows.size], some, of_mrp, strict=True):
            yield _Told(one.names, one.counted, raw.get(group), weighted.get(group), ShareEstimate(**share))
        done += rows.size


def _sample_shares(prepared: Prepared, sample: RakedSample | None, column: str, settings: Settings) -> Shares:
    """Shares of the groups with enough shown interviews."""
    if sample is None:
        return {}
    query = prepared.query
    cells, named = in_groups(prepared, sample.cells)
    is_one = "y" in cells.columns
    answers = cells["y" if is_one else count_name(prepared.option)]
    # Where the option does not stand its shown counts are nothing but noise.
    stands = pl.Series(stands_in(prepared.loaded.design, cells, prepared.option))
    cells = cells.drop("weight", strict=False).with_columns(
        weight=cells[column], y=answers * stands, noisy_y=cells["noisy"] * stands
    )
    tables = [
        perturbed_shares(
            cells,
            by=tuple(named),
            count_noise=COUNT_NOISE_VARIANCE,
            answer_noise=ANSWER_NOISE_VARIANCE if is_one else OPTION_NOISE_VARIANCE,
            interval=interval,
        )
        for interval in query.intervals
    ]
    found = {}
    for rows in zip(*(table.iter_rows(named=True) for table in tables), strict=True):
        row = rows[0]
        if row["n_interviews"] >= max(1, settings.min_interviews):
            ends = [_ends(one["low"], one["high"], prepared) for one in rows]
            found[tuple(row[name] for name in named)] = SampleShare(
                share=1 - row["share"] if prepared.is_complement else row["share"],
                low=ends[0][0],
                high=ends[0][1],
                intervals=interval_ends(query.intervals, ends),
                n_effective=row["n_effective"],
                design_effect=row["design_effect"],
            )
    return found


def _ends(low: float, high: float, prepared: Prepared) -> tuple[float, float]:
    return (1 - high, 1 - low) if prepared.is_complement else (low, high)


def _row(told: _Told, why: Composition | None, prepared: Prepared, settings: Settings) -> AreaMethods:
    raw, weighted, mrp = told.raw, told.weighted, told.mrp
    shares = None if raw is None or weighted is None else (raw.share, weighted.share, mrp.share)
    return AreaMethods(
        **told.names,
        **told.counted,
        raw=raw,
        weighted=weighted,
        mrp=mrp,
        raw_minus_mrp=raw.share - mrp.share if raw else None,
        weighted_minus_mrp=weighted.share - mrp.share if weighted else None,
        apart=told.is_apart if raw else None,
        sentence=sentence_of(
            shares,
            why,
            is_apart=told.is_apart,
            option=prepared.option,
            min_interviews=settings.min_interviews,
        ),
    )


def _weighting(sample: RakedSample | None, settings: Settings) -> WeightingPayload:
    if sample is None or sample.n_interviews < settings.min_interviews:
        return WeightingPayload([], False, None, None, None)
    largest = float(sample.weights.weight.max())
    return WeightingPayload(
        raked_to=list(sample.weights.margins),
        converged=sample.weights.converged,
        design_effect=round(sample.design_effect, 2),
        n_effective=sample.n_interviews / round(sample.design_effect, 2),
        largest_weight=float(f"{largest:.2g}"),
    )
