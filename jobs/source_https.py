"""A file at an https address, read again only if the server says that it changed."""

import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from jobs.errors import FileRefused, SourceUnreachable
from jobs.settings import Settings
from jobs.source_hosts import checked_address
from jobs.source_offer import Fetched, Offered
from polling.source import Source

__all__ = ["Address"]

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class Address:
    """One file behind an address; ``etag`` and ``last_modified`` are those of the last answer."""

    settles = False

    def __init__(
        self,
        source: Source,
        settings: Settings,
        *,
        credentials: Mapping[str, Any],
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> None:
        self._source = source
        self._settings = settings
        self._credentials = credentials
        self.etag = etag
        self.last_modified = last_modified
        self._content = b""

    def look(self) -> list[Offered]:
        """See ``jobs.source_offer.Place``; none if nothing changed since the last answer."""
        url = self._source.url
        deadline = time.monotonic() + self._settings.source_timeout_s
        # Proxies of the environment would connect to addresses that nobody checked. The certificates that it trusts
        # (SSL_CERT_FILE) are the operator's own.
        trusted = httpx.create_ssl_context(trust_env=True)
        with httpx.Client(trust_env=False, verify=trusted, timeout=self._settings.source_timeout_s) as client:
            for _ in range(MAX_REDIRECTS + 1):
                try:
                    with client.stream(**self._request(url)) as reply:
                        if reply.status_code in _REDIRECTS:
                            url = self._next(url, reply.headers.get("location", ""))
                            continue
                        return self._answered(reply, deadline)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise SourceUnreachable(f"{self._source.url}: {type(error).__name__}.") from None
        raise SourceUnreachable(f"{self._source.url} redirects more than {MAX_REDIRECTS} times.")

    def fetch(self, offered: Offered) -> Fetched | None:
        """See ``jobs.source_offer.Place``."""
        if offered.refused is not None:
            raise FileRefused(offered.refused)
        return Fetched(self._content)

    def _request(self, url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = checked_address(host, port, self._settings)
        # What is compressed on the way would be inflated without a limit.
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", "User-Agent": "hustings"}
        if self.etag:
            headers["If-None-Match"] = self.etag
        if self.last_modified:
            headers["If-Modified-Since"] = self.last_modified
        auth: httpx.BasicAuth | None = None
        if _origin(url) == _origin(self._source.url):  # nobody else's business
            if token := self._credentials.get("token"):
                headers["Authorization"] = f"Bearer {token}"
            elif "user" in self._credentials:
                auth = httpx.BasicAuth(str(self._credentials["user"]), str(self._credentials.get("password", "")))
        return {
            "method": "GET",
            "url": httpx.URL(url).copy_with(host=address),
            "headers": headers,
            "auth": auth,
            "extensions": {"sni_hostname": host},
        }

    def _next(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        insecure = urlsplit(target).scheme != "https"
        # Plain http only where it began with it: on this machine.
        if not location or (insecure and urlsplit(target)[:2] != urlsplit(self._source.url)[:2]):
            raise SourceUnreachable(f"{self._source.url} redirects to an address that is not https.")
        return target

    def _answered(self, reply: httpx.Response, deadline: float) -> list[Offered]:
        if reply.status_code == 304:
            return []
        if reply.status_code != 200:
            raise SourceUnreachable(f"{self._source.url} answered {reply.status_code}.")
        most = self._settings.max_upload_mb * 1_000_000
        name = unquote(PurePosixPath(urlsplit(self._source.url).path).name) or "file"
        parts, size = [], 0
        for part in reply.iter_raw():
            parts.append(part)
            size += len(part)
            if size > most:
                return [Offered(name, "large", refused=f"The file has more than {most:,} bytes, the most.")]
            if time.monotonic() > deadline:
                raise SourceUnreachable(f"{self._source.url} took more than {self._settings.source_timeout_s:g} s.")
        self._content = b"".join(parts)
        self.etag, self.last_modified = reply.headers.get("etag"), reply.headers.get("last-modified")
        return [Offered(name, f"{self.etag}/{self.last_modified}/{size}")]


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url)[:2]
