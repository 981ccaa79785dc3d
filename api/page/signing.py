"""Sign in with a key, and out again.

A form is taken only from a page of this server: the browser says where it comes from (``Sec-Fetch-Site``, or
``Origin``), and the form has the token that was written for this very browser (``api.sessions``). Attempts count for
their address like requests without a key. The key is in the body of one request, and nowhere in what is answered or
logged.
"""

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect

from api.callers import Connection, authenticate
from api.charts import warm
from api.errors import KeyMissing, KeyNotAccepted
from api.page.addresses import local_address
from api.page.render import Shown, html, part
from api.services import Services
from api.sessions import (
    LASTS,
    cookie_of,
    end_session,
    find_session,
    form_token,
    is_form_token,
    new_form_secret,
    open_session,
    secret_of,
)

__all__ = ["sign_in", "sign_in_form", "sign_in_page", "sign_out"]

FORM_LASTS_S: Final = 24 * 3600
NOT_FROM_HERE: Final = "This form does not come from a page of this server, or is too old. Go back and load it again"
NOT_ACCEPTED: Final = "This key is not accepted. Check that it was copied whole, from its first to its last character."


@get("/sign-in", operation_id="signInPage", include_in_schema=False, sync_to_thread=True)
def sign_in_form(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    next: Annotated[str | None, QueryParameter()] = None,  # noqa: A002 (the name of the parameter)
) -> Response[Any]:
    """The form, or on to where somebody wanted to go who has signed in."""
    warm()  # who signs in looks at charts next
    secret = secret_of(request, "session")
    if secret and find_session(services, secret, services.now()):
        return Redirect(local_address(next), status_code=303)
    return sign_in_page(request, following=next)


@post("/sign-in", operation_id="signIn", include_in_schema=False, sync_to_thread=True, status_code=303)
def sign_in(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: URLEncodedBody[dict[str, Any]]
) -> Response[Any]:
    """Exchange a key for a session."""
    client = request.scope.get("client")
    services.strangers.take(client[0] if client else "")
    require_own_form(request, data, "form")
    following = local_address(_text(data, "next"))
    now = services.now()
    try:
        principal = authenticate(services, f"Bearer {_text(data, 'key')}", now=now)
    except KeyMissing:
        return sign_in_page(request, status=401, following=following, refused="Enter a key.")
    except KeyNotAccepted:
        return sign_in_page(request, status=401, following=following, refused=NOT_ACCEPTED)
    services.uses.note(principal.key_id, now)
    if (before := secret_of(request, "session")) is not None:
        end_session(services, before)
    secret, expires_at = open_session(services, principal, now)
    lasts_s = min(int((expires_at - now).total_seconds()), int(LASTS.total_seconds()))
    cookies = [cookie_of(request, "session", secret, max_age_s=lasts_s), cookie_of(request, "form", None)]
    return Redirect(following, status_code=303, cookies=cookies)


@post("/sign-out", operation_id="signOut", include_in_schema=False, sync_to_thread=True, status_code=303)
def sign_out(
    request: Request[Any, Any, Any], services: NamedDependency[Services], data: URLEncodedBody[dict[str, Any]]
) -> Response[Any]:
    """End the session."""
    secret = secret_of(request, "session")
    if secret is not None:
        require_own_form(request, data, "session")
        end_session(services, secret)
    cookies = [cookie_of(request, "session", None)]
    # What the browser has kept of pages goes with the session; it takes this over https alone.
    headers = {"Clear-Site-Data": '"cache"'} if request.scope["scheme"] == "https" else {}
    return Redirect("/", status_code=303, cookies=cookies, headers=headers)


def sign_in_page(
    request: Connection, *, status: int = 200, following: str | None = None, refused: str | None = None
) -> Response[str]:
    """The page with the form."""
    secret = secret_of(request, "form")
    cookies = []
    if secret is None:
        secret = new_form_secret()
        cookies.append(cookie_of(request, "form", secret, max_age_s=FORM_LASTS_S))
    if following is None and request.scope["path"] not in ("/sign-in", "/sign-out"):
        query = request.scope.get("query_string", b"").decode("latin-1")
        following = request.scope["path"] + (f"?{query}" if query else "")
    main = part("sign_in.html", token=form_token(secret), following=local_address(following), refused=refused)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return html(request, Shown("Sign in", main), status=status, headers=headers, cookies=cookies)


def require_own_form(request: Connection, form: dict[str, Any], kind: str) -> None:
    """Make sure that a form was sent from a page of this server.

    Raises
    ------
    PermissionDeniedException
        If it was not.
    """
    if not (_is_from_here(request) and is_form_token(secret_of(request, kind), form.get("token"))):
        raise PermissionDeniedException(NOT_FROM_HERE)


def _is_from_here(request: Connection) -> bool:
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    # Older browsers say the origin alone.
    return request.headers.get("origin") == f"{request.scope['scheme']}://{request.headers.get('host')}"


def _text(form: dict[str, Any], name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""
