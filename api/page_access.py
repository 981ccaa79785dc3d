"""Who may open which page of the web: whoever signed in with a key that may call what the page shows, or anybody if the
survey is public, who then sees what a reader sees.

A survey that is neither public nor in the key's scope is answered like one that does not exist: by asking a visitor to
sign in, by 404 to whoever has.
"""

from collections.abc import Collection

from litestar.concurrency import sync_to_thread

from api.callers import Connection, Principal
from api.errors import KeyMissing, RoleRefused
from api.services import Services
from api.sessions import Signed, find_session, secret_of
from polling.errors import SurveyNotFound

__all__ = ["VISITOR", "admit_to_page", "signed_in"]

VISITOR = "reader"
"""The role of whoever looks at a public survey without a key."""
_SIGNED = "hustings.signed"


async def admit_to_page(connection: Connection, services: Services, roles: Collection[str]) -> Principal:
    """Whom the page is shown to.

    Raises
    ------
    KeyMissing
        If signing in would help.
    TooManyRequests
        If the key, or the address of a visitor, asks too often.
    SurveyNotFound, RoleRefused
        If the key is for another survey, or may not see this.
    """
    survey_id = connection.path_params.get("survey_id")
    signed, is_public = await sync_to_thread(_look, services, secret_of(connection, "session"), survey_id)
    if signed is None:
        client = connection.scope.get("client")
        address = client[0] if client else ""
        services.strangers.take(address)
        if survey_id is not None and not (is_public and VISITOR in roles):
            raise KeyMissing
        return _visitor(survey_id, address)
    connection.scope[_SIGNED] = signed  # type: ignore[literal-required]
    principal = signed.principal
    connection.scope["rate_limit"] = services.limits.take(principal.key_id)  # type: ignore[typeddict-unknown-key]
    services.uses.note(principal.key_id, services.now())
    is_seen = survey_id is None or principal.may_see(survey_id)
    if is_seen and principal.role in roles:
        return principal
    if is_public and VISITOR in roles:
        return _visitor(survey_id, principal.prefix)
    if not is_seen:
        raise SurveyNotFound(str(survey_id))
    raise RoleRefused(principal.role, roles)


def signed_in(connection: Connection) -> Signed | None:
    """Who signed in, if the guard of a page found somebody."""
    found = connection.scope.get(_SIGNED)
    assert found is None or isinstance(found, Signed)
    return found


def _look(services: Services, secret: str | None, survey_id: str | None) -> tuple[Signed | None, bool]:
    signed = find_session(services, secret, services.now()) if secret else None
    # Looked up for every survey alike, so that how long it takes does not tell which there are.
    return signed, survey_id in services.memory.find_public()


def _visitor(survey_id: str | None, name: str) -> Principal:
    # A name that no key has: streams are counted by it.
    return Principal(key_id="", role=VISITOR, survey_id=survey_id, pollster=None, prefix=f"@{name}")
