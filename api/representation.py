"""Report on the representation of a release: sample against frame, how sure and how right estimates are by group."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace
from sqlalchemy.orm import Session

from api.answer_head import groups_head
from api.group_query import EstimateQuery, Prepared, prepare_of_everybody
from api.known_shares import KnownShares, known_shares
from api.misreport import of_reports
from api.release_cache import LoadedRelease, ReleaseCache
from api.representation_payloads import ColumnAccuracy, LevelBalance, RepresentationPayload, WidthSpread
from api.representation_words import sentences_of
from api.sample_balance import balance_sample
from api.served import Served
from jobs.settings import Settings
from mrp.representation import interval_widths
from polling.disclosure import DisclosureRules
from polling.store.records import ReleaseRecord

__all__ = [
    "PreparedRepresentation",
    "RepresentationQuery",
    "answer_representation",
    "ask_for_representation",
    "prepare_representation",
]


@dataclass(frozen=True, slots=True)
class RepresentationQuery(EstimateQuery):
    """Of which option or mean, and at which probability, intervals are measured; everything else stays as it is."""

    known: KnownShares | None = None
    """What happened, where it is known by now."""


@dataclass(frozen=True, slots=True)
class PreparedRepresentation:
    """A release whose representation is asked for."""

    prepared: Prepared
    known: KnownShares | None

    @property
    def is_large(self) -> bool:
        """Whether the answer takes seconds."""
        return not self.prepared.loaded.keeps(self.prepared.loaded.electorate.districts.height)


def ask_for_representation(session: Session, release: ReleaseRecord, **query: Any) -> RepresentationQuery:
    """The query about a release, with what is known to have happened; ``query`` are fields of `RepresentationQuery`."""
    return RepresentationQuery(**query, known=known_shares(session, release.survey_id, release.question_id))


def prepare_representation(
    cache: ReleaseCache, served: Served, query: RepresentationQuery, settings: Settings
) -> PreparedRepresentation:
    """Understand the query; raises as `api.group_query.prepare_of_everybody`."""
    return PreparedRepresentation(prepare_of_everybody(cache, served, query, settings), query.known)


def answer_representation(asked: PreparedRepresentation, settings: Settings) -> RepresentationPayload:
    """The report."""
    prepared, loaded = asked.prepared, asked.prepared.loaded
    rules = DisclosureRules(settings.min_people, settings.min_interviews)
    balance = balance_sample(loaded.counts, loaded.electorate, rules, universe=loaded.declaration.universe)
    # A result is of what people did, and is not compared with estimates of what they report.
    known = None if of_reports(loaded) else asked.known
    levels = list(_with_estimates(balance.levels, prepared, rules, known))
    spread = _spread(levels, loaded)
    accuracy = list(_accuracy(levels, known)) if known else []
    head = groups_head(prepared, settings) | {"by": list(loaded.electorate.demographics)}
    interval = prepared.query.interval
    return RepresentationPayload(
        **head,
        summary=sentences_of(
            balance,
            levels,
            rules=rules,
            spread=spread,
            accuracy=accuracy,
            interval=interval,
            is_of_means=prepared.is_of_means,
            unit=prepared.unit,
        ),
        sample=balance.sample,
        columns=list(balance.columns),
        missing=balance.missing,
        district_widths=spread,
        accuracy=accuracy,
        levels=levels,
    )


def _with_estimates(
    levels: Sequence[LevelBalance], prepared: Prepared, rules: DisclosureRules, known: KnownShares | None
) -> Iterator[LevelBalance]:
    """The levels with how sure their estimates are, where they have enough people, and how right."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for column in dict.fromkeys(one.column for one in levels):
        areas = prepared.areas((column,))
        kept = (areas.areas["n_people"] >= rules.min_people).to_numpy()
        if kept.any():
            chosen = dataclasses.replace(areas, areas=areas.areas.filter(kept.tolist()), draws=areas.draws[:, kept])
            table = interval_widths(chosen, interval=prepared.query.interval)
            found |= {(column, row[column]): row for row in table.iter_rows(named=True)}
    of = prepared.loaded.question.options[0] if prepared.is_complement else prepared.option
    shares = known.by_level(of, is_complement=prepared.is_complement) if known and of else {}
    sd = "mean_sd" if prepared.is_of_means else "share_sd"
    for one in levels:
        row, share = found.get((one.column, one.level)), shares.get((one.column, one.level))
        if row is None:
            yield one
            continue
        is_known = share is not None
        yield replace(
            one,
            **{sd: row["sd"]},
            width=row["width"],
            width_ratio=row["width_ratio"],
            known_share=share,
            error=row["share"] - share if is_known else None,
            held=row["low"] <= share <= row["high"] if is_known else None,
        )


def _spread(levels: Sequence[LevelBalance], loaded: LoadedRelease) -> WidthSpread | None:
    district = loaded.electorate.district
    widths = [one.width for one in levels if one.column == district and one.width is not None]
    if not widths:
        return None
    return WidthSpread(len(widths), *map(float, np.quantile(widths, [0, 0.25, 0.5, 0.75, 1])))


def _accuracy(levels: Sequence[LevelBalance], known: KnownShares) -> Iterator[ColumnAccuracy]:
    for column in dict.fromkeys(one.column for one in levels):
        compared = [one for one in levels if one.column == column and one.error is not None]
        if compared:
            errors = np.array([one.error for one in compared])
            yield ColumnAccuracy(
                column=column,
                refers_to=known.refers_to,
                n_levels=len(compared),
                mean_error=float(errors.mean()),
                mean_absolute_error=float(np.abs(errors).mean()),
                coverage=float(np.mean([bool(one.held) for one in compared])),
            )
