"""Put together how close the releases of a question came to what happened, from the scores that are stored."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy.orm import Session

from api.labels import DISTRICT, one_of
from api.record_payloads import (
    CalibrationRow,
    ScoreRow,
    TrackRecordPayload,
    TransformRow,
    UnscoredRelease,
    result_payload,
)
from mrp.calibration import binomial_band
from mrp.proper_scores import PIT_BINS
from mrp.scoring import COVERAGE_LEVELS
from polling.disclosure import rounded_count
from polling.known_result import NATION
from polling.store import known_results, releases, scores, surveys
from polling.store.scores import ScoreRecord

__all__ = ["ALL", "LAST", "MODEL", "MODEL_WITH_ERROR", "OWN", "track_record"]

MODEL: Final = "mrp"
MODEL_WITH_ERROR: Final = "mrp_with_systematic_error"
OWN: Final = (MODEL, MODEL_WITH_ERROR)
"""Methods that are the estimates and no baseline: with the interval of the model, and with that which has the error
that polls share besides."""
ALL, LAST = "all", "last"
WAITING: Final = "It is not scored yet: the job waits or runs."
TOGETHER: Final = (
    "Areas of one election are wrong together, and releases of one survey share interviews: the binomial bands, which "
    "take areas for independent, are narrower than chance is."
)
DERIVED: Final = (
    "Where nobody told what happened at a level, such as the nation, it is the mean of the districts over their people "
    "in the frame, as the estimates are weighted; it is called derived."
)
PERTURBED: Final = (
    "Raw shares, and methods made of them, rest on counts that are perturbed for disclosure control: where areas have "
    "few interviews they look worse than they were."
)
TWO: Final = (
    "Where a systematic error is declared, estimates are scored with it beside those of the model alone, and the two "
    "are never pooled. A release that was scored without it keeps the scores that it has."
)
TURNED_BACK: Final = (
    "Reports of this question are wrong at declared rates: its estimates are scored as what people did, turned back "
    "from what they report. Raw shares, and methods made of them, are of reports."
)
AFTER: Final = "Interviews of some releases ended after the day of the result; their lead time is negative."

type Scored = tuple[ScoreRecord, dict[str, Any]]
"""A release with the scores of one method at one level."""


def track_record(session: Session, survey_id: str, question_id: str, *, level: str | None = None) -> TrackRecordPayload:
    """The track record of a question.

    Parameters
    ----------
    level
        Only this one: ``nation``, ``district``, or a column of larger areas. None: all.

    Raises
    ------
    SurveyNotFound, QuestionNotFound
        If either does not exist.
    UnknownChoice
        If there is no such level.
    """
    bundle = surveys.get_survey(session, survey_id).bundle
    question = bundle.declaration.question(question_id)
    district = bundle.declaration.geography.district
    if level is not None:
        one_of("level", level, (NATION, *bundle.parents, DISTRICT))
    results = known_results.current_results(session, survey_id, question_id)
    records = scores.list_scores(session, survey_id, question_id)
    scored: list[Scored] = [
        (record, {**row, "level": DISTRICT if row["level"] == district else row["level"]})
        for record in records
        for row in record.scores or ()
    ]
    scored = [one for one in scored if level in (None, one[1]["level"])]
    of_model = [one for one in scored if one[1]["method"] == MODEL]
    of_methods = {method: [one for one in scored if one[1]["method"] == method] for method in OWN}
    scopes = [
        (of, method, some)
        for method, own in of_methods.items()
        for of, some in ((ALL, own), (LAST, _of_last(own, records)))
    ]
    numbers = {one.id: one.number for one in releases.list_releases(session, survey_id, question_id)}
    waiting = [
        UnscoredRelease(result_id, release_id, numbers[release_id], WAITING)
        for release_id, result_id in scores.unscored(session, survey_id, question_id)
    ]
    never = [
        UnscoredRelease(one.result_id, one.release_id, one.number, one.unscored) for one in records if one.unscored
    ]
    return TrackRecordPayload(
        survey=survey_id,
        question=question_id,
        text=question.text,
        option=next(iter(question.options), None),
        results=[result_payload(one) for one in results],
        scores=[_score_row(*one, first=question.options[0]) for one in scored],
        calibration=[row for scope in scopes for row in _calibration(*scope)],
        transforms=[row for scope in scopes for row in _transforms(*scope)],
        unscored=[*never, *waiting],
        notes=_notes(
            of_model,
            perturbed=any(row["perturbed"] for _, row in scored),
            are_two=bool(of_methods[MODEL_WITH_ERROR]),
        ),
    )


def _of_last(scored: Sequence[Scored], records: Sequence[ScoreRecord]) -> list[Scored]:
    """Of each result the last release that had no later interviews; if all had, the last one."""
    last: dict[str, str] = {}
    compared = [one for one in records if one.scores is not None]  # in the order of their numbers
    in_time = [one for one in compared if one.lead_days is None or one.lead_days >= 0]
    for record in (*compared, *in_time):
        last[record.result_id] = record.release_id
    return [one for one in scored if last.get(one[0].result_id) == one[0].release_id]


def _score_row(record: ScoreRecord, row: dict[str, Any], *, first: str) -> ScoreRow:
    numbers = ("rmse", "mae", "bias", "correlation", "interval_score", "mean_width", "crps", "brier", "log_score")
    return ScoreRow(
        result_id=record.result_id,
        date=record.refers_to,
        release_id=record.release_id,
        release_number=record.number,
        published_at=record.published_at,
        data_through=record.data_through,
        lead_days=record.lead_days,
        engine=record.engine,
        n_interviews=rounded_count(record.n_interviews),
        method=row["method"],
        option=row.get("option", first),
        level=row["level"],
        by=row["by"],
        derived=row["derived"],
        n_areas=row["n_areas"],
        n_calls=row["n_calls"],
        n_right_calls=row["n_right_calls"],
        **{name: row[name] for name in numbers},
        **{f"coverage_{round(100 * float(nominal))}": row["coverage"][nominal] for nominal in COVERAGE_LEVELS},
    )


def _calibration(of: str, method: str, scored: Iterable[Scored]) -> list[CalibrationRow]:
    rows = []
    for (level, by), some in _by_level(scored):
        n_intervals, n_areas = sum(row["n_areas"] for _, row in some), _n_areas(some)
        for nominal in COVERAGE_LEVELS:
            covered = sum(round(row["coverage"][nominal] * row["n_areas"]) for _, row in some)
            low, high = binomial_band(float(nominal), n_areas)
            observed = covered / n_intervals
            at = (of, method, level, list(by))
            rows.append(CalibrationRow(*at, float(nominal), observed, n_intervals, n_areas, low, high))
    return rows


def _transforms(of: str, method: str, scored: Iterable[Scored]) -> list[TransformRow]:
    rows = []
    for (level, by), some in _by_level(scored):
        counts = [sum(row["pit"][part] for _, row in some) for part in range(PIT_BINS)]
        expected = sum(counts) / PIT_BINS
        rows += [
            TransformRow(of, method, level, list(by), part / PIT_BINS, (part + 1) / PIT_BINS, n, expected)
            for part, n in enumerate(counts)
        ]
    return rows


def _by_level(scored: Iterable[Scored]) -> list[tuple[tuple[str, tuple[str, ...]], list[Scored]]]:
    def key(one: Scored) -> tuple[str, tuple[str, ...]]:
        return one[1]["level"], tuple(one[1]["by"])

    return [(at, list(some)) for at, some in groupby(sorted(scored, key=key), key)]


def _n_areas(scored: Iterable[Scored]) -> int:
    """Areas of every result, each once however many releases were compared with it."""
    of_result: dict[str, int] = {}
    for record, row in scored:
        of_result[record.result_id] = max(of_result.get(record.result_id, 0), row["n_areas"])
    return sum(of_result.values())


def _notes(of_model: Sequence[Scored], *, perturbed: bool, are_two: bool) -> list[str]:
    notes = [TOGETHER] if of_model else []
    if are_two:
        notes.append(TWO)
    if any(row.get("estimand") == "truth" for _, row in of_model):
        notes.append(TURNED_BACK)
    if any(row["derived"] for _, row in of_model):
        notes.append(DERIVED)
    if perturbed:
        notes.append(PERTURBED)
    if any(record.lead_days is not None and record.lead_days < 0 for record, _ in of_model):
        notes.append(AFTER)
    return notes
