"""The files below a prefix of an S3-compatible bucket."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from jobs.errors import FileRefused, SourceUnreachable
from jobs.settings import Settings
from jobs.source_hosts import checked_address
from jobs.source_offer import MAX_OFFERED, Fetched, Offered, is_wanted, sidecar_names
from polling.sidecar import MAX_SIDECAR
from polling.source import Source

__all__ = ["Bucket"]

_SECRETS = ("access_key_id", "secret_access_key", "session_token")


class Bucket:
    """A prefix of a bucket; objects appear whole or not at all, so nothing has to settle."""

    settles = False

    def __init__(self, source: Source, settings: Settings, *, credentials: Mapping[str, Any]) -> None:
        self._source = source
        self._settings = settings
        self._credentials = credentials
        self._prefix = source.prefix.strip("/") + "/" if source.prefix.strip("/") else ""

    def look(self) -> list[Offered]:
        """See ``jobs.source_offer.Place``."""
        import obstore

        objects: dict[str, Any] = {}
        try:
            for chunk in obstore.list(self._store(), prefix=self._prefix or None):
                for one in chunk:
                    name = one["path"].removeprefix(self._prefix)
                    if "/" not in name:
                        objects[name] = one
                if len(objects) > 2 * MAX_OFFERED:
                    break
        except Exception as error:  # the library's errors share no base but this
            raise self._unreachable(error) from None
        return [self._seen(name, objects) for name in sorted(objects) if is_wanted(name, self._source)][:MAX_OFFERED]

    def fetch(self, offered: Offered) -> Fetched | None:
        """See ``jobs.source_offer.Place``."""
        content = self._read(offered.name, self._settings.max_upload_mb * 1_000_000)
        sidecar = self._read(offered.sidecar, MAX_SIDECAR) if offered.sidecar else None
        return Fetched(content, sidecar)

    def _seen(self, name: str, objects: Mapping[str, Any]) -> Offered:
        sidecar = next((one for one in sidecar_names(name) if one in objects), None)
        both = [objects[one] for one in (name, sidecar) if one is not None]
        return Offered(name, "/".join(f"{one['e_tag']}:{one['size']}:{one['last_modified']}" for one in both), sidecar)

    def _read(self, name: str, most: int) -> bytes:
        import obstore

        try:
            reply = obstore.get(self._store(), self._prefix + name)
            size = reply.meta["size"]
            if size > most:
                raise FileRefused(f"'{name}' has {size:,} bytes, and {most:,} are the most.")
            content = bytearray()
            for part in reply.stream():
                content += part
                if len(content) > most:
                    raise FileRefused(f"'{name}' has more than {most:,} bytes, the most.")
        except FileRefused:
            raise
        except Exception as error:
            raise self._unreachable(error) from None
        return bytes(content)

    def _store(self) -> Any:
        from obstore.store import S3Store

        config: dict[str, Any] = {name: str(self._credentials[name]) for name in _SECRETS if name in self._credentials}
        if not config:
            config["skip_signature"] = True
        config["region"] = self._source.region or "us-east-1"
        endpoint = self._source.endpoint
        if endpoint:
            parts = urlsplit(endpoint)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            checked_address(parts.hostname or "", port, self._settings)
            config["endpoint"] = endpoint
        timeout = timedelta(seconds=self._settings.source_timeout_s)
        return S3Store(
            self._source.bucket,
            config=cast("Any", config),
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": timeout},
            retry_config={"max_retries": 1, "retry_timeout": timeout},
        )

    def _unreachable(self, error: Exception) -> SourceUnreachable:
        # The message quotes the request, not its signature; the first line is enough.
        if isinstance(error, SourceUnreachable):
            return error
        said = (str(error).splitlines() or [""])[0][:200]
        return SourceUnreachable(f"The bucket {self._source.bucket} cannot be read: {type(error).__name__}: {said}")
