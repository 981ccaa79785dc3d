"""Keys of a survey, for its admins: list, create, rotate, revoke. Keys of every survey are made on the command line."""

from datetime import datetime, timedelta

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.auth import Principal
from api.errors import UnknownChoice
from api.key_payloads import CreateKeyBody, KeyList, KeyPayload, NewKeyPayload, RotateKeyBody
from api.keys import create_key, revoke_key, rotate_key
from api.problems import documented
from api.services import Services
from api.strict import refuse_nul
from polling.keys import Role
from polling.store import keys as stored_keys
from polling.store import surveys
from polling.store.records import ApiKeyRecord

__all__ = ["keys_routes"]

KEYS = "/v1/surveys/{survey_id:str}/keys"


@get(
    KEYS,
    operation_id="listKeys",
    summary="A survey's keys",
    tags=["keys"],
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def list_keys(survey_id: FromPath[str], services: NamedDependency[Services]) -> KeyList:
    """Every key of the survey, usable or not, by its visible prefix."""
    with services.store.read() as session:
        surveys.newest_version(session, survey_id)
        found = stored_keys.list_keys(session, survey_id)
    return KeyList(survey_id, [_told(one, services.now()) for one in found])


@post(
    KEYS,
    operation_id="createKey",
    summary="Make a key",
    tags=["keys"],
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 415, 422),
)
def create(
    survey_id: FromPath[str],
    data: JSONBody[CreateKeyBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> NewKeyPayload:
    """A key for this survey alone. Its text is in this answer and nowhere else."""
    if data.role not in set(Role):
        raise UnknownChoice("role", data.role, [str(role) for role in Role], parameter="role")
    now = services.now()
    text, record = create_key(
        services.store,
        services.secrets,
        role=data.role,
        survey_id=survey_id,
        pollster=None if data.pollster is None else refuse_nul(data.pollster, "pollster"),
        expires_at=now + timedelta(days=data.days) if data.days else None,
        label=refuse_nul(data.label, "label"),
        actor=principal.actor,
        now=now,
    )
    return NewKeyPayload(text, _told(record, now), None)


@post(
    KEYS + "/{prefix:str}/rotate",
    operation_id="rotateKey",
    summary="Replace a key",
    tags=["keys"],
    json=True,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404, 409, 415),
)
def rotate(
    survey_id: FromPath[str],
    prefix: FromPath[str],
    data: JSONBody[RotateKeyBody],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> NewKeyPayload:
    """A new key that may do the same; the old one stays valid for the overlap. A key is rotated once: then the new one.

    A key that expires gets a successor that lives as long as it did.
    """
    now = services.now()
    text, new, old = rotate_key(
        services.store,
        services.secrets,
        prefix,
        overlap=timedelta(hours=data.overlap_hours),
        survey_id=survey_id,
        actor=principal.actor,
        now=now,
    )
    return NewKeyPayload(text, _told(new, now), _told(old, now))


@post(
    KEYS + "/{prefix:str}/revoke",
    operation_id="revokeKey",
    summary="Revoke a key",
    tags=["keys"],
    status_code=200,
    sync_to_thread=True,
    responses=documented(400, 401, 403, 404),
)
def revoke(
    survey_id: FromPath[str],
    prefix: FromPath[str],
    principal: NamedDependency[Principal],
    services: NamedDependency[Services],
) -> KeyPayload:
    """It is not accepted any more, at once and for good. Revoking it again changes nothing."""
    record = revoke_key(
        services.store, services.secrets, prefix, survey_id=survey_id, actor=principal.actor, now=services.now()
    )
    return _told(record, services.now())


def _told(record: ApiKeyRecord, now: datetime) -> KeyPayload:
    return KeyPayload(
        prefix=record.prefix,
        role=record.role,
        pollster=record.pollster,
        label=record.label,
        state=record.state(now),
        created_at=record.created_at,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        replaces=record.replaces,
        last_used_at=record.last_used_at,
    )


keys_routes = Router("/", route_handlers=[list_keys, create, rotate, revoke])
