"""Keep out at the door who was erased: their interviews are dropped before anything of them is stored, and counted.

The list of erased respondents is read before the slow part of receiving, and once more in the transaction that stores:
an erasure in between is not missed.
"""

from dataclasses import replace

from sqlalchemy.orm import Session

from polling.declaration import SurveyDeclaration
from polling.errors import ErasedMeanwhile, WaveRejected
from polling.faults import FaultLog
from polling.secrets import SecretsFile
from polling.store import suppression
from polling.store.suppression import SuppressionList
from polling.wave_file import ReadWave

__all__ = ["admit", "refuse_erased_meanwhile"]


def admit(
    read: ReadWave, listed: SuppressionList, secrets: SecretsFile, declaration: SurveyDeclaration, *, pollster: str
) -> tuple[ReadWave, int]:
    """A delivery without the interviews of erased respondents, and how many these were, rows set aside included.

    Parameters
    ----------
    read
        With respondents' ids as they came.
    listed
        The survey's list.

    Raises
    ------
    WaveRejected
        If nobody is left.
    SecretsError
        If somebody is on the list and the secrets file lacks its key.
    """
    column = declaration.columns_of(pollster).get("respondent")
    if not listed.n or column is None or column not in read.received.columns:
        return read, 0
    key = secrets.suppression_key(declaration.id, used=True)
    read, n_aside = _without_aside(read, listed, key, column, pollster=pollster)
    kept = ~listed.has_ids(read.received[column], key=key, pollster=pollster)
    n_suppressed = read.n_interviews - int(kept.sum())
    if not n_suppressed:
        return read, n_aside
    if n_suppressed == read.n_interviews:
        faults = FaultLog()
        faults.add("every respondent of it was erased and is not stored again", "Leave them out.", column=column)
        raise WaveRejected(faults.reported(), read.n_interviews, total=faults.total)
    conversion = replace(read.conversion, interviews=read.conversion.interviews.filter(kept))
    left = replace(
        read, received=read.received.filter(kept), n_interviews=read.n_interviews - n_suppressed, conversion=conversion
    )
    return left, n_suppressed + n_aside


def _without_aside(
    read: ReadWave, listed: SuppressionList, key: bytes, column: str, *, pollster: str
) -> tuple[ReadWave, int]:
    """The same without erased respondents among the rows set aside, and how many these were."""
    aside = read.quarantine
    if aside is None:
        return read, 0
    left = aside.filter(~listed.has_ids(aside[column], key=key, pollster=pollster))
    return replace(read, quarantine=left if left.height else None), aside.height - left.height


def refuse_erased_meanwhile(
    session: Session,
    read: ReadWave,
    listed: SuppressionList,
    secrets: SecretsFile,
    declaration: SurveyDeclaration,
    *,
    pollster: str,
) -> None:
    """Refuse to store somebody who was erased since the list was read; the survey is locked.

    Raises
    ------
    ErasedMeanwhile
        If there is one.
    """
    now_listed = suppression.load(session, declaration.id)
    if now_listed != listed and admit(read, now_listed, secrets, declaration, pollster=pollster)[1]:
        raise ErasedMeanwhile
