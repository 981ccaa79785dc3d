"""Give a survey a new version of its pseudonym key: by choice, or because the old one is lost for good.

Old versions stay in the secrets file, so that waves pseudonymised with them can be searched for access and erasure.
Respondents are recognised within a version only: repeated interviews, and the overlap of two waves, are not noticed
across a rotation. Where a version is lost, nobody can be found in what is stored with it until that is purged.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from jobs import ledger
from polling.secrets import SecretsFile
from polling.store import audit, erasure, waves
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.wave_events import lock_survey
from polling.store.wave_records import OPEN

__all__ = ["ROTATED", "RotatedKey", "accepted_losses", "rotate_key"]

ROTATED = "pseudonym-key-rotated"
"""The entry in the audit chain."""


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """What a rotation did and means."""

    version: int
    lost: tuple[int, ...]
    """Earlier versions that interviews are stored with and the secrets file lacks."""
    stuck: tuple[str, ...]
    """References of open waves that cannot take batches any more: their key is lost, and a wave has one key."""

    @property
    def meaning(self) -> str:
        """What it means, in sentences."""
        said = [f"New interviews are stored under version {self.version}."]
        if self.lost:
            versions = ", ".join(map(str, self.lost))
            plural = "s" if len(self.lost) > 1 else ""
            said.append(
                f"Version{plural} {versions} lost: interviews stored under it cannot be searched for access or "
                "erasure, until they are purged or the key is found in a copy of the secrets file and put back."
            )
        said.append(
            "Respondents cannot be recognised across the versions: who is interviewed again, or sent twice, counts as "
            "somebody else. Who was erased stays out."
        )
        if self.stuck:
            said.append(f"Open waves that take no more batches: {', '.join(self.stuck)}. Close them and open new ones.")
        return " ".join(said)


def rotate_key(
    store: Store, secrets: SecretsFile, *, survey_id: str, reason: str, now: datetime, actor: str
) -> RotatedKey:
    """Make a new version of a survey's key, in the secrets file, and note it in the audit chain.

    Raises
    ------
    SurveyNotFound
        If there is no such survey.
    SecretsError
        If the secrets file cannot be read or written.
    """
    with store.write() as session:
        lock_survey(session, survey_id)
        ledger.audit_key(session, secrets)  # before the file is changed: without it the entry could not be written
        key = secrets.rotate_pseudonym_key(survey_id, above=waves.key_version_used(session, survey_id))
        ledger.bind_pseudonym_key(session, survey_id, key, now=now)
        held = set(secrets.pseudonym_versions(survey_id))
        lost = tuple(sorted(erasure.key_versions(session, survey_id) - held))
        stuck = tuple(
            wave.reference
            for wave in waves.list_waves(session, survey_id)
            if wave.state == OPEN and wave.key_version in lost
        )
        detail: dict[str, Json] = {"version": key.version, "lost": list(lost), "reason": reason}
        ledger.record(session, secrets, actor=actor, action=ROTATED, survey_id=survey_id, detail=detail, now=now)
    return RotatedKey(key.version, lost, stuck)


def accepted_losses(session: Session, survey_id: str) -> frozenset[int]:
    """Versions of a survey's key after whose loss somebody went on, with a reason."""
    found: set[int] = set()
    for entry in audit.read_entries(session, survey_id=survey_id, action=ROTATED):
        lost = entry.detail.get("lost") if isinstance(entry.detail, dict) else None
        found.update(one for one in lost or () if isinstance(one, int))
    return frozenset(found)
