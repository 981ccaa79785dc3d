"""Small answers to draw: shares and intervals that a test can look up."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from api.answer_payloads import AreaMean, EstimatesPayload, IntervalEnds, MeansPayload, PopulationPayload, TwoIntervals
from api.leading import AreaLeader, LeadersPayload
from api.payloads import ConfirmationPayload

HEAD: dict[str, Any] = {
    "survey": "town",
    "question": "bypass",
    "text": "Should the town build the bypass?",
    "population": PopulationPayload("everybody", "Adults of the town", 1000.0, 1000.0, 1000.0, []),
    "option": "yes",
    "base": ["answered"],
    "weights": "ignored",
    "interval": 0.9,
    "release_id": "r1",
    "release_number": 1,
    "published_at": datetime(2026, 3, 2, 12, tzinfo=UTC),
    "data_through": date(2026, 3, 1),
    "stale_since": None,
    "stale_reason": None,
    "engine": "laplace",
    "survey_version": 1,
    "warnings": [],
    "data_notes": [],
    "estimand": None,
    "of_reports": False,
    "confirmation": ConfirmationPayload("none", None, "It was not asked."),
    "measure": "share",
    "unit": None,
    "scores": {},
    "uncertainty": "model",
    "uncertainty_meaning": "None is declared.",
    "systematic_error": None,
    "period": None,
    "level": "district",
    "by": [],
    "where": {},
    "merge": {},
    "withheld": [],
    "next_cursor": None,
}
"""The fields of an answer by areas and groups."""


def share_fields(share: float, low: float, high: float, *, flags: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a share; the interval of one half is half as wide."""
    inner = IntervalEnds(0.5, share - (share - low) / 2, share + (high - share) / 2)
    return {
        "share": share,
        "low": low,
        "high": high,
        "intervals": [IntervalEnds(0.9, low, high), inner],
        "sd": (high - low) / 3.29,
        "mc_error": 0.001,
        "n_people": 1000.0,
        "n_interviews": 100,
        "n_effective": 90.0,
        "n_equivalent": 200.0,
        "n_equivalent_mc_error": 1.0,
        "pooling": 0.5,
        "pooling_mc_error": 0.01,
        "flags": list(flags),
        "part_standing": 1.0,
    }


def number_fields(share: float, low: float, high: float, *, flags: Sequence[str] = ()) -> dict[str, Any]:
    """The same where a mean may stand instead."""
    return {"mean": None} | share_fields(share, low, high, flags=flags)


def mean_fields(mean: float, low: float, high: float, *, flags: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a mean where a share may stand instead."""
    return share_fields(mean, low, high, flags=flags) | {"share": None, "mean": mean}


def estimate(
    area: str,
    share: float,
    low: float,
    high: float,
    *,
    name: str | None = None,
    groups: dict[str, str] | None = None,
    flags: Sequence[str] = (),
    option: str = "yes",
    total: tuple[float, float] | None = None,
) -> TwoIntervals:
    """One row, with or without a second interval."""
    fields = share_fields(share, low, high, flags=flags) | second_fields(total)
    return TwoIntervals(area=area, area_name=name or area, groups=groups or {}, option=option, **fields)


def second_fields(total: tuple[float, float] | None) -> dict[str, Any]:
    """The fields of the interval with the systematic error."""
    low, high = total or (None, None)
    ends = None if total is None else [IntervalEnds(0.9, *total)]
    sd = None if total is None else (total[1] - total[0]) / 3.29
    return {"total_low": low, "total_high": high, "total_intervals": ends, "total_sd": sd}


def answer(rows: Sequence[TwoIntervals], **head: Any) -> EstimatesPayload:
    """An answer with these rows."""
    return EstimatesPayload(**{**HEAD, **head}, estimates=list(rows))


def leader(area: str, option: str, p: float, *, name: str = "", flags: tuple[str, ...] = ()) -> AreaLeader:
    """Which option leads in one area."""
    fields = share_fields(0.5, 0.4, 0.6, flags=flags)
    return AreaLeader(area=area, area_name=name or area, groups={}, option=option, p_leads=p, second="Town", **fields)


def leaders(*rows: AreaLeader, **head: Any) -> LeadersPayload:
    """An answer with these."""
    return LeadersPayload(**{**HEAD, "option": None, **head}, leaders=list(rows))


def mean(area: str, value: float, low: float, high: float, **about: Any) -> AreaMean:
    """The mean of one area."""
    kept = {name: one for name, one in mean_fields(value, low, high).items() if name not in ("share", "part_standing")}
    kept["intervals"] = [IntervalEnds(0.9, low, high)]
    named = {"area_name": area, "groups": {}} | about
    return AreaMean(area=area, **named, **kept, **second_fields(None))


def means(*rows: AreaMean, unit: str | None = "minutes", scores: dict[str, float] | None = None) -> MeansPayload:
    """An answer with these."""
    head = {**HEAD, "option": None, "measure": "mean", "unit": unit, "scores": scores or {}}
    return MeansPayload(**head, means=list(rows))
