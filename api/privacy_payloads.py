"""The bodies of erasure and access, every field described."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.payloads import SurveyId
from jobs.erasure_receipt import unsearched
from polling.store.erasure import ErasureRecord

__all__ = [
    "AccessPayload",
    "ErasureList",
    "ErasurePayload",
    "RespondentBody",
    "StoredInterviewPayload",
    "describe_erasure",
]


class RespondentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a request is about. It is in the body, since addresses are written to logs."""

    respondent: Annotated[
        str, Meta(description="The respondent's id, as the pollster sends it.", min_length=1, max_length=1000)
    ]
    pollster: Annotated[
        str | None,
        Meta(description="Whose id it is; pollsters may number their respondents alike. Default: any pollster's."),
    ] = None


class ErasurePayload(msgspec.Struct, frozen=True):
    """The receipt of an erasure: nothing in it names the respondent."""

    case_number: Annotated[str, Meta(description="Names the case.")]
    survey: SurveyId
    requested_at: Annotated[datetime, Meta(description="When it was asked for first.")]
    removed_at: Annotated[datetime, Meta(description="When the interviews were removed, the first time.")]
    n_waves: Annotated[int, Meta(description="Waves that had interviews of the respondent.")]
    n_interviews: Annotated[int, Meta(description="Interviews removed, in all versions of these waves.")]
    n_set_aside: Annotated[int, Meta(description="Rows removed from quarantine.")]
    n_fits: Annotated[int, Meta(description="Fits that rested on them.")]
    bytes_freed_at: Annotated[
        datetime | None, Meta(description="When the bytes in the database were free; null: not yet.")
    ]
    draws_deleted_by: Annotated[
        datetime | None, Meta(description="The last moment for draws of those fits, if some are left; else null.")
    ]
    backups_deleted_by: Annotated[
        datetime | None, Meta(description="When the last backup from before expires; null: there was none.")
    ]
    finished_at: Annotated[
        datetime | None,
        Meta(
            description="When nothing was left in the database; null: not yet, or interviews are left that cannot be "
            "searched since a key is lost."
        ),
    ]
    not_searched: Annotated[list[str], Meta(description="What could not be searched, and why; usually empty.")]
    text: Annotated[str, Meta(description="The same in words.")]
    url: Annotated[str, Meta(description="Where the receipt is.")]
    removed_again_at: Annotated[
        datetime | None, Meta(description="When more was removed, the last time it was asked for again; else null.")
    ] = None
    draws_again_deleted_by: Annotated[
        datetime | None, Meta(description="The last moment for draws of the fits that rested on that; else null.")
    ] = None


class ErasureList(msgspec.Struct, frozen=True):
    """The erasures of a survey, oldest first."""

    survey: SurveyId
    erasures: list[ErasurePayload]


class StoredInterviewPayload(msgspec.Struct, frozen=True):
    """One interview of a respondent."""

    pollster: Annotated[str, Meta(description="Who sent it.")]
    reference: Annotated[str, Meta(description="The wave.")]
    version: Annotated[int, Meta(description="The delivery of the wave.")]
    state: Annotated[str, Meta(description="How the wave stands: open, accepted, held or withdrawn.")]
    counted: Annotated[bool, Meta(description="Whether it is in the counts.")]
    set_aside: Annotated[bool, Meta(description="Whether it is in quarantine.")]
    received_at: Annotated[datetime, Meta(description="When it arrived.")]
    fieldwork_start: Annotated[date | None, Meta(description="First day of interviewing.")]
    fieldwork_end: Annotated[date | None, Meta(description="Last day of interviewing.")]
    as_received: Annotated[dict[str, Any], Meta(description="Column and what was sent in it.")]
    as_read: Annotated[dict[str, Any], Meta(description="What the survey's codebook makes of it.")]


class AccessPayload(msgspec.Struct, frozen=True):
    """Everything that is stored of a respondent in a survey."""

    survey: SurveyId
    title: Annotated[str, Meta(description="What the survey is called.")]
    respondent: Annotated[str, Meta(description="The id that was asked for.")]
    made_at: Annotated[datetime, Meta(description="When it was read.")]
    interviews: list[StoredInterviewPayload]
    not_searched: Annotated[list[str], Meta(description="What could not be searched, and why; usually empty.")]


def describe_erasure(record: ErasureRecord) -> ErasurePayload:
    """A receipt as it is shown."""
    told: dict[str, Any] = dict(record.receipt)
    payload = msgspec.convert(
        told
        | {
            "case_number": record.case_number,
            "survey": record.survey_id,
            "text": "",
            # Earlier versions told a case as finished that could not search everything.
            **({"finished_at": None} if unsearched(record.receipt) else {}),
            "url": f"/v1/surveys/{record.survey_id}/erasures/{record.case_number}",
        },
        ErasurePayload,
    )
    return msgspec.structs.replace(payload, text=_in_words(payload, lost_keys=bool(unsearched(record.receipt))))


def _in_words(receipt: ErasurePayload, *, lost_keys: bool) -> str:
    again = receipt.removed_again_at is not None
    waves = _n(receipt.n_waves, "wave")
    if receipt.n_interviews or receipt.n_set_aside:
        days = f"{receipt.removed_at:%Y-%m-%d}" + (f" and {receipt.removed_again_at:%Y-%m-%d}" if again else "")
        rows = f"{_n(receipt.n_interviews, 'interview')} and {_n(receipt.n_set_aside, 'row')} set aside"
        removed = [f"{rows} in {waves} were removed on {days}."]
    else:
        removed = ["Nothing was found that could be removed."]
    sentences = [
        f"Case {receipt.case_number}: erasure of a respondent from survey {receipt.survey}.",
        f"It was asked for on {receipt.requested_at:%Y-%m-%d}.",
        *removed,
        "Interviews of this respondent are not stored again.",
    ]
    if receipt.bytes_freed_at is None:
        sentences.append("The bytes on the disk are about to be freed.")
    if receipt.draws_deleted_by is not None:
        sentences.append(
            f"{_n(receipt.n_fits, 'fit')} rested on them; their draws are deleted with the refit, at the latest on "
            f"{receipt.draws_deleted_by:%Y-%m-%d}."
        )
    if receipt.draws_again_deleted_by is not None:
        sentences.append(
            f"Draws that rested on what was removed again are deleted at the latest on "
            f"{receipt.draws_again_deleted_by:%Y-%m-%d}."
        )
    if receipt.backups_deleted_by is not None:
        sentences.append(f"Backups from before are deleted by {receipt.backups_deleted_by:%Y-%m-%d}.")
    if receipt.finished_at is not None:
        sentences.append(f"Nothing is left in the database since {receipt.finished_at:%Y-%m-%d}.")
    if lost_keys:
        sentences.append("The case is not finished: interviews of this respondent may be left where nobody can look.")
    return " ".join([*sentences, *receipt.not_searched])


def _n(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n:,} {what}s"
