"""The bodies about waves that the HTTP interface sends and takes, every field described."""

from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.payloads import JobLink, NextCursor, SurveyId

__all__ = [
    "ChangedWavesPayload",
    "CloseBody",
    "LetThroughBody",
    "OpenBody",
    "QuarantinePayload",
    "QuarantineReason",
    "QuarantinedRow",
    "ReasonBody",
    "ReceivedBatchPayload",
    "ReceivedWavePayload",
    "SourceFilePayload",
    "SourceList",
    "SourcePayload",
    "UndoBody",
    "WaveEventPayload",
    "WaveHistory",
    "WaveList",
    "WavePayload",
    "WaveVersionPayload",
]

Reason = Annotated[str, Meta(description="Why; shown beside the estimates it restates.", min_length=1, max_length=1000)]


class WavePayload(msgspec.Struct, frozen=True):
    """A wave as it stands."""

    id: Annotated[str, Meta(description="The wave's id.")]
    survey: SurveyId
    survey_version: Annotated[int, Meta(description="The version of the survey that was in force.")]
    pollster: Annotated[str, Meta(description="Who sent it.")]
    reference: Annotated[str, Meta(description="The pollster's own name for the wave.")]
    state: Annotated[
        str, Meta(description="open, accepted, held (waits for an analyst) or withdrawn; the first two are counted.")
    ]
    version: Annotated[
        int, Meta(description="The delivery that the other fields tell of: 1, 2, ...; 0 while it is open and empty.")
    ]
    closes_on: Annotated[date | None, Meta(description="Last day of a wave that takes batches, or null.")]
    waiting: Annotated[int | None, Meta(description="A newer version that waits for an analyst, or null.")]
    n_interviews: Annotated[int, Meta(description="Interviews in it, without those set aside.")]
    n_quarantined: Annotated[int, Meta(description="Rows set aside.")]
    n_without_consent: Annotated[int, Meta(description="Interviews without consent, which were not kept.")]
    questions: Annotated[list[str], Meta(description="The questions that it asked.")]
    fieldwork_start: Annotated[date | None, Meta(description="First day of interviewing.")]
    fieldwork_end: Annotated[date | None, Meta(description="Last day of interviewing.")]
    facts: Annotated[
        dict[str, Any],
        Meta(description="mode, sponsor, sample_source, universe, language, wording: the wave's, or the survey's."),
    ]
    flags: Annotated[list[Any], Meta(description="What the quality checks noticed.")]
    received_at: Annotated[datetime, Meta(description="When this version was received.")]
    reason: Annotated[str | None, Meta(description="Why this version corrects the one before, or null.")]
    content_sha256: Annotated[str, Meta(description="SHA-256 of the file as sent.")]
    url: Annotated[str, Meta(description="Where it is.")]
    history_url: Annotated[str, Meta(description="Where its versions and events are.")]


class ReceivedWavePayload(msgspec.Struct, frozen=True):
    """What the service did with an uploaded wave."""

    wave_id: Annotated[str, Meta(description="The wave's id.")]
    reference: Annotated[str, Meta(description="The pollster's own name for the wave.")]
    pollster: Annotated[str, Meta(description="Who sent it.")]
    state: Annotated[str, Meta(description="accepted, or held: then it waits for an analyst.")]
    version: Annotated[int, Meta(description="1, or more for a wave that was corrected.")]
    waiting: Annotated[int | None, Meta(description="The version that waits for an analyst, or null.")]
    n_interviews: Annotated[int, Meta(description="Interviews in the file.")]
    n_quarantined: Annotated[int, Meta(description="Rows set aside, as the survey's policy has it; see quarantine.")]
    faults: Annotated[list[dict[str, Any]], Meta(description="What is wrong with the rows set aside; when stored.")]
    n_faults: Annotated[int, Meta(description="How many faults these are.")]
    flags: Annotated[list[Any], Meta(description="Quality limits that it exceeds; then it waits for an analyst.")]
    n_without_consent: Annotated[int, Meta(description="Interviews without consent, which were not kept.")]
    n_suppressed: Annotated[
        int, Meta(description="Interviews of erased respondents, which were not kept; told when it is received first.")
    ]
    created: Annotated[bool, Meta(description="False if this file was received before; nothing was stored again.")]
    first_of_pollster: Annotated[
        bool, Meta(description="True for the first wave of this pollster: check that the name is not misspelt.")
    ]
    jobs: Annotated[list[JobLink], Meta(description="The refits that this wave waits for.")]


class ReceivedBatchPayload(msgspec.Struct, frozen=True):
    """What the service did with a batch of an open wave."""

    wave_id: Annotated[str, Meta(description="The wave's id.")]
    reference: Annotated[str, Meta(description="The pollster's own name for the wave.")]
    state: Annotated[str, Meta(description="open, or accepted once it was closed.")]
    number: Annotated[int, Meta(description="The batch.")]
    n_interviews: Annotated[int, Meta(description="Interviews in the batch.")]
    n_interviews_of_wave: Annotated[
        int, Meta(description="Interviews of the wave that count: this batch is among them unless it waits.")
    ]
    waiting: Annotated[
        int | None, Meta(description="The version of the wave that waits for an analyst, this batch in it, or null.")
    ]
    flags: Annotated[
        list[Any],
        Meta(description="Quality limits that the wave exceeds with this batch; when stored."),
    ]
    created: Annotated[bool, Meta(description="False if this batch was received before; nothing was stored again.")]
    first_of_pollster: Annotated[
        bool, Meta(description="True for the first wave of this pollster: check that the name is not misspelt.")
    ]
    jobs: Annotated[list[JobLink], Meta(description="The refits that this batch waits for.")]


class WaveList(msgspec.Struct, frozen=True):
    """Waves in order of arrival."""

    survey: SurveyId
    as_of: Annotated[datetime | None, Meta(description="The moment at which they stood so; null for now.")]
    waves: list[WavePayload]
    next_cursor: NextCursor


class WaveVersionPayload(msgspec.Struct, frozen=True):
    """One delivery of a wave."""

    version: Annotated[int, Meta(description="1, 2, ...")]
    n_interviews: Annotated[int, Meta(description="Interviews in it.")]
    questions: Annotated[list[str], Meta(description="The questions that it asked.")]
    fieldwork_start: Annotated[date | None, Meta(description="First day of interviewing.")]
    fieldwork_end: Annotated[date | None, Meta(description="Last day of interviewing.")]
    facts: Annotated[dict[str, Any], Meta(description="The facts that came with it.")]
    received_at: Annotated[datetime, Meta(description="When it was received.")]
    reason: Annotated[str | None, Meta(description="Why it corrects the one before, or null.")]
    content_sha256: Annotated[str, Meta(description="SHA-256 of the file as sent.")]


class WaveEventPayload(msgspec.Struct, frozen=True):
    """Something that happened to a wave, and how the wave stood afterwards."""

    sequence: Annotated[int, Meta(description="Step of the survey's data history.")]
    kind: Annotated[
        str, Meta(description="received, replaced, withdrawn, restored, held, let-through, opened, batch, closed, ...")
    ]
    at: Annotated[datetime, Meta(description="When.")]
    actor: Annotated[str, Meta(description="Who did it.")]
    reason: Annotated[str | None, Meta(description="Why, or null.")]
    version: Annotated[int, Meta(description="The version that stood then.")]
    state: Annotated[str, Meta(description="open, accepted, held or withdrawn.")]
    waiting: Annotated[int | None, Meta(description="The version that waited for an analyst, or null.")]


class WaveHistory(msgspec.Struct, frozen=True):
    """Everything that was delivered of a wave, and everything that happened to it."""

    wave: WavePayload
    versions: list[WaveVersionPayload]
    events: list[WaveEventPayload]


class ChangedWavesPayload(msgspec.Struct, frozen=True):
    """What became of the waves that were named or found."""

    survey: SurveyId
    changed: Annotated[list[WavePayload], Meta(description="As they stand now.")]
    unchanged: Annotated[list[WavePayload], Meta(description="Those that stood so already.")]
    jobs: Annotated[list[JobLink], Meta(description="The refits that were asked for.")]


class QuarantineReason(msgspec.Struct, frozen=True):
    """A reason and how often it is given."""

    reason: Annotated[str, Meta(description="Column, and what is wrong in it.")]
    n_rows: Annotated[int, Meta(description="Rows with this reason.")]


class QuarantinedRow(msgspec.Struct, frozen=True):
    """A row that was set aside, without its content."""

    row: Annotated[int, Meta(description="Row of the file, with the header as row 1.")]
    reasons: Annotated[str, Meta(description="What is wrong with it; several with semicolons between them.")]


class QuarantinePayload(msgspec.Struct, frozen=True):
    """What is set aside of a wave."""

    wave_id: Annotated[str, Meta(description="The wave's id.")]
    version: Annotated[
        int, Meta(description="The delivery: the one that waits for an analyst, or the one that stands.")
    ]
    n_quarantined: Annotated[int, Meta(description="Rows set aside.")]
    reasons: list[QuarantineReason]
    rows: list[QuarantinedRow]
    download_url: Annotated[str, Meta(description="Where the rows are, as CSV.")]


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a wave is withdrawn or restored."""

    reason: Reason


class OpenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wave that takes batches of interviews while fieldwork lasts."""

    reference: Annotated[str, Meta(description="Your own name for the wave.", min_length=1, max_length=200)]
    fieldwork_start: Annotated[date, Meta(description="First day of interviewing.")]
    closes_on: Annotated[
        date | None, Meta(description="Last day (UTC) on which it takes batches. Default: until it is closed.")
    ] = None
    pollster: Annotated[str | None, Meta(description="Who sends it. Default: the pollster of the key.")] = None
    facts: Annotated[
        dict[str, Any] | None,
        Meta(description='mode, sponsor, sample_source, universe, language, wording ({"<question id>": "<text>"}).'),
    ] = None


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing has to be said to close a wave."""


class LetThroughBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a held delivery is counted, and which one was looked at."""

    reason: Reason
    version: Annotated[int | None, Meta(description="The version that was looked at. Default: what waits.")] = None


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries are undone: the newest of each wave named, or everything since a moment."""

    reason: Reason
    waves: Annotated[list[str], Meta(description="Ids or references.", max_length=1000)] | None = None
    since: Annotated[datetime | None, Meta(description="Instead: everything delivered then or later.")] = None
    pollster: Annotated[str | None, Meta(description="Of this pollster alone. Default: the key's.")] = None
    delivered_by: Annotated[
        str | None, Meta(description="With since: what this key delivered, by its prefix, alone.")
    ] = None


class SourceFilePayload(msgspec.Struct, frozen=True):
    """A file that a source offered."""

    name: Annotated[str, Meta(description="Its name.")]
    outcome: Annotated[
        str,
        Meta(
            description="taken, rejected (faulty), conflict (contradicts what is stored), refused (not read), waiting."
        ),
    ]
    detail: Annotated[str | None, Meta(description="Why: the faults, or the conflict.")]
    wave_id: Annotated[str | None, Meta(description="The wave it became.")]
    at: Annotated[datetime, Meta(description="When.")]


class SourcePayload(msgspec.Struct, frozen=True):
    """A place that is looked at on schedule."""

    name: Annotated[str, Meta(description="Its name in the survey.")]
    kind: Annotated[str, Meta(description="folder, https or s3.")]
    pollster: Annotated[str, Meta(description="Whose interviews its files are.")]
    every: Annotated[int, Meta(description="Minutes between two looks.")]
    checked_at: Annotated[datetime | None, Meta(description="When it was last looked at.")]
    outcome: Annotated[str | None, Meta(description="read, unreachable or unusable; null before the first look.")]
    files: Annotated[list[SourceFilePayload], Meta(description="The last 100, newest first.")]


class SourceList(msgspec.Struct, frozen=True):
    """The sources of a survey."""

    survey: SurveyId
    sources: list[SourcePayload]
