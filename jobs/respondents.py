"""Notice that the interviews of a wave were received before in another form.

Equal bytes are found by their hash. The same interviews with another
delimiter, as Parquet, or with one line more have other bytes; their respondents
are the same. A panel interviews the same people again, at another time; a
questionnaire may be sent in parts, with other questions. So a wave repeats
another of the same pollster if

    the fieldwork of the two overlaps, both answer one question, and
    at least ``REPEATED`` of its respondents are among those of the other.

Pseudonyms are compared, within one version of their key. At most ``MOST``
waves are looked at, those received last.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl
from sqlalchemy.orm import Session

from polling.declaration import SurveyDeclaration
from polling.errors import WaveConflict
from polling.payload import count_shared
from polling.store import waves
from polling.store.wave_records import WITHDRAWN, WaveRecord

__all__ = ["MOST", "REPEATED", "n_shared", "refuse_repeated"]

REPEATED = 0.9
MOST = 100


def refuse_repeated(
    session: Session,
    declaration: SurveyDeclaration,
    pseudonyms: pl.Series,
    *,
    pollster: str,
    reference: str,
    content_sha256: str,
    questions: tuple[str, ...],
    fieldwork: tuple[date, date],
    key_version: int,
    after: int,
) -> int:
    """Refuse a wave most of whose respondents were received before in one other wave.

    Parameters
    ----------
    pseudonyms
        The respondents of the wave; none where the survey declares no id, and then nothing can be told.
    content_sha256
        Of the file; a wave of the same bytes is refused elsewhere.
    after
        Only waves that changed after this step of the data history are looked at: the others were before.

    Returns
    -------
    int
        The last step that was there, for the next call.

    Raises
    ------
    WaveConflict
        Naming the other wave, and no respondent.
    """
    known = waves.list_waves(session, declaration.id, pollster)
    seen = max((wave.changed for wave in known), default=after)
    column = declaration.columns_of(pollster).get("respondent")
    if column is None or pseudonyms.is_empty():
        return seen
    alike = [
        wave
        for wave in known
        if wave.changed > after
        and wave.reference != reference
        and wave.content_sha256 != content_sha256
        and wave.state != WITHDRAWN
        and wave.key_version == key_version
        and set(wave.questions) & set(questions)
        and _overlap(wave, fieldwork)
    ]
    looked_at = alike[-MOST:]
    shared = n_shared(session, looked_at, pseudonyms, column)
    for wave, n in reversed(list(zip(looked_at, shared, strict=True))):
        if (share := n / len(pseudonyms)) >= REPEATED:
            raise WaveConflict(
                reference,
                f"{share:.0%} of its respondents are in '{wave.reference}' too, whose fieldwork "
                f"({wave.fieldwork_start} to {wave.fieldwork_end}) overlaps. Their answers would count twice. Send "
                "only interviews that were not sent before, under ids that no other respondent has.",
                existing_reference=wave.reference,
            )
    return seen


def n_shared(session: Session, others: Sequence[WaveRecord], pseudonyms: pl.Series, column: str) -> list[int]:
    """How many of some respondents each of other waves has."""
    payloads: dict[str, list[bytes]] = {wave.id: [] for wave in others}
    for part in waves.load_parts_of(session, others):
        if part.payload is not None:
            payloads[part.wave.id].append(part.payload)
    return count_shared(list(payloads.values()), column, pseudonyms)


def _overlap(wave: WaveRecord, fieldwork: tuple[date, date]) -> bool:
    if wave.fieldwork_start is None or wave.fieldwork_end is None:
        return False
    start, end = fieldwork
    return wave.fieldwork_start <= end and start <= wave.fieldwork_end
