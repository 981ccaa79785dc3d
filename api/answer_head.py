"""What every answer from a release says of it."""

from typing import Any

from api.answer_payloads import ReleaseReference
from api.confirmed import describe_confirmation
from api.group_facts import withheld_groups
from api.group_query import Prepared
from api.measures import measure_fields
from api.misreport import of_reports, told_of, words_of
from api.release_cache import LoadedRelease
from api.served import Served
from api.systematic_words import uncertainty_head
from api.whom import doubts_about, notes_of, whom
from jobs.settings import Settings
from polling.store.records import ReleaseRecord

__all__ = ["groups_head", "release_head", "release_reference"]


def release_head(served: Served, loaded: LoadedRelease, *, option: str | None, interval: float) -> dict[str, Any]:
    """The fields of `api.answer_payloads.AnswerHead`."""
    release = served.release
    return {
        "survey": release.survey_id,
        "question": release.question_id,
        "text": loaded.question.text,
        "population": whom(served, loaded, interval=interval),
        "option": option,
        "base": list(loaded.question.base),
        "weights": loaded.question.weights,
        "interval": interval,
        "release_id": release.id,
        "release_number": release.number,
        "published_at": release.published_at,
        "data_through": release.data_through,
        "stale_since": served.stale_since,
        "stale_reason": served.stale_reason,
        "engine": release.engine,
        "survey_version": release.survey_version,
        "warnings": [
            *loaded.verdict.warnings,
            *served.concerns,
            *doubts_about(served, loaded.among),
        ],
        "data_notes": [
            *served.data_notes,
            *words_of(loaded.fit, of=told_of(loaded)),
            *notes_of(served, loaded.among),
        ],
        "estimand": told_of(loaded),
        "of_reports": of_reports(loaded),
        "confirmation": describe_confirmation(release, served.confirmation),
        **uncertainty_head(loaded),
    }


def groups_head(prepared: Prepared, settings: Settings) -> dict[str, Any]:
    """The fields of `api.answer_payloads.GroupsHead`."""
    option = prepared.option if len(prepared.options) == 1 else None
    head = release_head(prepared.served, prepared.loaded, option=option, interval=prepared.query.interval)
    return head | {
        **measure_fields(prepared.loaded.question, is_mean=prepared.is_of_means),
        "period": prepared.period,
        "level": prepared.level,
        "by": list(prepared.query.by),
        "where": {column: list(levels) for column, levels in prepared.breakdown.grouping.where.items()},
        "merge": {
            column: {name: list(levels) for name, levels in names.items()}
            for column, names in prepared.breakdown.grouping.merge.items()
        },
        "withheld": withheld_groups(prepared, settings),
        "next_cursor": None,  # pages are cut out of the whole answer
    }


def release_reference(release: ReleaseRecord) -> ReleaseReference:
    """Which release one is compared with."""
    return ReleaseReference(
        release_id=release.id,
        release_number=release.number,
        published_at=release.published_at,
        data_through=release.data_through,
        engine=release.engine,
        survey_version=release.survey_version,
    )
