"""Raw, weighted and MRP shares or means of the same groups, side by side.

Raw and weighted ones are those of the interviews in the period that is looked at, or in all where the model has none;
from perturbed counts and sums, and only of groups with ``min_interviews`` shown interviews; see `api.sample_numbers`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.answer_head import groups_head
from api.answer_payloads import Number
from api.breakdown import pieces
from api.estimates import number_fields
from api.group_facts import group_facts
from api.group_query import EstimateQuery, Prepared
from api.measures import value_of
from api.methods_payloads import AreaMethods, MethodsPayload, SampleNumber, WeightingPayload
from api.methods_words import Composition, find_compositions, sentence_of
from api.raked_sample import RakedSample
from api.sample_numbers import sample_numbers, why_no_means
from jobs.settings import Settings

__all__ = ["MethodsQuery", "answer_methods"]

METHODS = {"raw": "unweighted", "weighted": "weight"}
"""Method -> the column of weights."""


@dataclass(frozen=True, slots=True)
class MethodsQuery(EstimateQuery):
    """Of which groups the methods are compared."""


type Group = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of one group."""

    names: Mapping[str, Any]
    counted: Mapping[str, Any]
    raw: SampleNumber | None
    weighted: SampleNumber | None
    mrp: Number

    @property
    def is_apart(self) -> bool:
        """Whether they differ by more than both intervals allow, which are squared and added at the ends that face."""
        raw, mrp = self.raw, self.mrp
        if raw is None or mrp.low is None or mrp.high is None:
            return False
        difference = value_of(raw) - value_of(mrp)
        ends = (value_of(raw) - raw.low, mrp.high - value_of(mrp))
        if difference < 0:
            ends = (raw.high - value_of(raw), value_of(mrp) - mrp.low)
        # Both may be nothing: then rounding must not call them apart.
        return abs(difference) > math.hypot(*ends) + 1e-9


def answer_methods(prepared: Prepared, settings: Settings) -> MethodsPayload:
    """Compute the shares or means of every group by every method, where the option stands."""
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
    facts, done = group_facts(prepared, settings, period=prepared.period), 0
    for rows in pieces(prepared.loaded, prepared.answered):
        some, found = facts[done : done + rows.size], prepared.measured(rows)
        raw, weighted = (
            {} if sample is None else sample_numbers(prepared, sample, found, column, settings)
            for column in METHODS.values()
        )
        of_mrp = number_fields(found, some, prepared.query)
        for group, one, number in zip(groups[done : done + rows.size], some, of_mrp, strict=True):
            yield _Told(one.names, one.counted, raw.get(group), weighted.get(group), Number(**number))
        done += rows.size


def _row(told: _Told, why: Composition | None, prepared: Prepared, settings: Settings) -> AreaMethods:
    raw, weighted, mrp = told.raw, told.weighted, told.mrp
    numbers = None if raw is None or weighted is None else (value_of(raw), value_of(weighted), value_of(mrp))
    return AreaMethods(
        **told.names,
        **told.counted,
        raw=raw,
        weighted=weighted,
        mrp=mrp,
        raw_minus_mrp=value_of(raw) - value_of(mrp) if raw else None,
        weighted_minus_mrp=value_of(weighted) - value_of(mrp) if weighted else None,
        apart=told.is_apart if raw else None,
        sentence=why_no_means(prepared)
        or sentence_of(
            numbers,
            why,
            is_apart=told.is_apart,
            option=prepared.option,
            unit=prepared.unit,
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
