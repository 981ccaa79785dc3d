"""The bodies of erasure and access, every field described."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.payloads import SurveyId
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
    removed_at: Annotated[datetime, Meta(description="When the interviews were removed.")]
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
    finished_at: Annotated[datetime | None, Meta(description="When nothing was left in the database; null: not yet.")]
    not_searched: Annotated[list[str], Meta(description="What could not be searched, and why; usually empty.")]
    text: Annotated[str, Meta(description="The same in words.")]
    url: Annotated[str, Meta(description="Where the receipt is.")]


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
            "url": f"/v1/surveys/{record.survey_id}/erasures/{record.case_number}",
        },
        ErasurePayload,
    )
    return msgspec.structs.replace(payload, text=_in_words(payload))


def _in_words(receipt: ErasurePayload) -> str:
    waves = f"{receipt.n_waves} wave{'' if receipt.n_waves == 1 else 's'}"
    if receipt.n_interviews or receipt.n_set_aside:
        removed = (
            f"{receipt.n_interviews:,} interviews and {receipt.n_set_aside:,} rows set aside in {waves} were removed."
        )
    else:
        removed = "Nothing was found that could be removed."
    sentences = [
        f"Case {receipt.case_number}: erasure of a respondent from survey {receipt.survey}.",
        f"It was asked for on {receipt.requested_at:%Y-%m-%d}.",
        removed,
        "Interviews of this respondent are not stored again.",
    ]
    if receipt.bytes_freed_at is None:
        sentences.append("The bytes on the disk are about to be freed.")
    if receipt.draws_deleted_by is not None:
        sentences.append(
            f"{receipt.n_fits} fits rest on them until a refit; their draws are deleted then, at the latest on "
            f"{receipt.draws_deleted_by:%Y-%m-%d}."
        )
    if receipt.backups_deleted_by is not None:
        sentences.append(f"Backups from before are deleted by {receipt.backups_deleted_by:%Y-%m-%d}.")
    if receipt.finished_at is not None:
        sentences.append(f"Nothing is left in the database since {receipt.finished_at:%Y-%m-%d}.")
    return " ".join([*sentences, *receipt.not_searched])
