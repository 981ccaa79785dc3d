"""Send a request until it is answered, within bounds, and read the answer into its type.

429 and 503 are tried again after what ``Retry-After`` says, and so is a connection that broke, where the request may be
repeated: a GET, or a POST with an ``Idempotency-Key``. Together the pauses last at most ``patience_s``. An answer with
an ``ETag`` is remembered, and asked for with ``If-None-Match``.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

__all__ = ["Problem", "Transport", "Unreachable"]

TRY_AGAIN = (429, 503)
MOST_KEPT = 256
"""Answers that are remembered."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Problem(Exception):
    """The service refused, and says why.

    Attributes
    ----------
    type
        A slug that does not change; see "Problems" in the README.
    parameter, allowed, nearest
        What was wrong with the request, what would have been accepted, and the nearest to what was sent; or None.
    faults
        What is wrong with an upload: file, row, column, value, reason, remedy.
    """

    def __init__(self, status: int, about: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(about.get("type", "unknown"))
        self.title = str(about.get("title", "The request failed"))
        self.detail = str(about.get("detail", ""))
        self.parameter: str | None = about.get("parameter")
        self.allowed: list[str] | None = about.get("allowed")
        self.nearest: str | None = about.get("nearest")
        self.faults: list[dict[str, Any]] = about.get("faults") or []
        self.request_id: str | None = about.get("request_id")
        super().__init__(f"{status} {self.type}: {self.detail or self.title}")


class Unreachable(Exception):
    """No answer came, or none that could be waited for."""


class Transport:
    """One service, called with one key.

    Parameters
    ----------
    url
        Where the service is, without ``/v1``.
    timeout_s
        For one attempt, seconds.
    patience_s
        For all pauses between the attempts at one request together, seconds; 0: never try again.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float, patience_s: float) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}", "User-Agent": "hustings-client"},
            timeout=timeout_s,
        )
        self._kept: OrderedDict[str, tuple[str, bytes]] = OrderedDict()

    def close(self) -> None:
        self._client.close()

    def get[T](self, path: str, kind: type[T], params: Mapping[str, Any] | None = None) -> T:
        """Read something; raises `Problem` and `Unreachable`."""
        request = self._client.build_request("GET", path, params=dict(params or {}))
        place = str(request.url)
        tag, kept = self._kept.get(place, (None, b""))
        if tag is not None:
            request.headers["If-None-Match"] = tag
        reply = self._answered(request, repeatable=True)
        if reply.status_code == 304:
            self._kept.move_to_end(place)
            return msgspec.json.decode(kept, type=kind)
        if (new := reply.headers.get("etag")) is not None:
            self._kept[place] = (new, reply.content)
            self._kept.move_to_end(place)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return msgspec.json.decode(reply.content, type=kind)

    def post[T](self, path: str, kind: type[T], *, idempotency_key: str | None = None, **content: Any) -> T:
        """Do something; repeated after a broken connection only under an Idempotency-Key."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        request = self._client.build_request("POST", path, headers=headers, **content)
        request.read()  # so that it can be sent again
        return msgspec.json.decode(self._answered(request, repeatable=idempotency_key is not None).content, type=kind)

    @contextmanager
    def stream(self, path: str, headers: Mapping[str, str], *, silence_s: float) -> Iterator[httpx.Response]:
        """An answer that is read as it comes; broken when nothing comes for so long."""
        timeout = httpx.Timeout(self._timeout_s, read=silence_s)
        request = self._client.build_request("GET", path, headers=dict(headers), timeout=timeout)
        reply = self._answered(request, repeatable=True, stream=True)
        try:
            yield reply
        finally:
            reply.close()

    def _answered(self, request: httpx.Request, *, repeatable: bool, stream: bool = False) -> httpx.Response:
        waited, pause = 0.0, FIRST_PAUSE_S
        while True:
            broken: httpx.TransportError | None = None
            reply: httpx.Response | None = None
            try:
                reply = self._client.send(request, stream=stream)
            except httpx.TransportError as error:
                broken = error
            if reply is not None and (reply.status_code < 400):
                return reply
            again_after = pause
            if reply is not None:
                problem = _problem(reply)
                in_flight = problem.type == "request-in-flight"
                if reply.status_code not in TRY_AGAIN and not in_flight:
                    raise problem
                again_after = _retry_after(reply, pause)
            elif not repeatable:
                raise Unreachable(f"{self.url} did not answer: {type(broken).__name__}.") from broken
            if waited + again_after > self._patience_s:
                if reply is not None:
                    raise problem
                raise Unreachable(f"{self.url} did not answer: {type(broken).__name__}.") from broken
            time.sleep(again_after)
            waited += again_after
            pause = min(2 * pause, LONGEST_PAUSE_S)


def _problem(reply: httpx.Response) -> Problem:
    try:
        about = msgspec.json.decode(reply.read())
    except msgspec.MsgspecError:
        about = None
    reply.close()
    return Problem(reply.status_code, about if isinstance(about, dict) else {})


def _retry_after(reply: httpx.Response, otherwise: float) -> float:
    """Seconds; the service never sends a date."""
    try:
        return max(float(reply.headers["retry-after"]), 0.0)
    except (KeyError, ValueError):
        return otherwise
