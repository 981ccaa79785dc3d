"""Make an API key: the text is returned once, the store keeps its keyed hash."""

from datetime import datetime

from polling.keys import KeyScope, Role, hash_key, new_key
from polling.secrets import SecretsFile
from polling.store import keys as stored_keys
from polling.store.engine import Store
from polling.store.records import ApiKeyRecord

__all__ = ["create_key"]


def create_key(
    store: Store,
    secrets: SecretsFile,
    *,
    role: str,
    survey_id: str | None,
    pollster: str | None = None,
    expires_at: datetime | None = None,
    label: str = "",
    now: datetime,
) -> tuple[str, ApiKeyRecord]:
    """Make a key and store its hash.

    Returns
    -------
    tuple
        The key's text, which cannot be had again, and its record.

    Raises
    ------
    KeyRefused
        If role, survey and pollster do not go together.
    SurveyNotFound
        If there is no such survey.
    """
    scope = KeyScope(Role(role), survey_id, pollster, expires_at)
    key = new_key()
    with store.write() as session:
        record = stored_keys.add_key(
            session,
            prefix=key.prefix,
            key_hash=hash_key(key.text, secrets.pepper()),
            role=str(scope.role),
            survey_id=survey_id,
            pollster=pollster,
            label=label,
            expires_at=expires_at,
            now=now,
        )
    return key.text, record
