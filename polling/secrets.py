"""Pepper, pseudonym keys and the other secrets, in one file outside the database and its backups.

The file is TOML, made with mode 0600 when a secret is first needed, changed under a lock and replaced as a whole, so
that two processes cannot make two keys for one survey and a crash cannot leave half a file. A file that its group or
everybody may read is refused: whoever can read it can undo the pseudonyms.

A secret is made only while nothing depends on it. Callers say what does (``used``): once API keys or waves are stored,
a file that lacks their secret is lost, or its path is mistyped, and a new secret would make two strangers of one
respondent. Such a file is refused, and so is one that has another secret under the same name: see
``polling.store.key_checks``. Back it up apart from the database.

=============================  =======================================================================================
secret                         if it is lost for good
=============================  =======================================================================================
pepper                         every API key must be made anew, once the old ones are revoked
disclosure_key                 counts are perturbed anew: two answers about one release may differ
pseudonym_keys.<survey>.v<n>   respondents of old waves cannot be recognised in new ones, nor found for access or
                               erasure; the survey takes no wave until ``hustings privacy rotate-key`` made a newer one
suppression_keys.<survey>      erased respondents cannot be recognised: the survey takes no wave while it is missing
audit_key                      nothing is written until ``hustings audit restart``; what was written before cannot be
                               verified any more, only compared with exports
webhook_key                    no event reaches a webhook: each has to be deleted and created anew
credentials.<name>             sources that need them cannot be read; written by hand
=============================  =======================================================================================

Rotation: a new version of a pseudonym key makes strangers of a survey's old and new respondents on purpose; old
versions stay, so that waves pseudonymised with them can still be searched. The other keys have no versions.
"""

import fcntl
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polling.errors import SecretsError
from polling.secrets_text import render_secrets

__all__ = ["PseudonymKey", "SecretsFile"]

_KEY_BYTES = 32
_SURVEY_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """The key of one survey's pseudonyms."""

    version: int
    """Counts from 1; stored with every wave."""
    secret: bytes = field(repr=False)


class SecretsFile:
    """The secrets of one installation. Reads the file at every call: other processes may add keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"SecretsFile({str(self._path)!r})"

    @property
    def audit_head_path(self) -> Path:
        """Where the head of the audit chain is noted, beside this file and so outside the database."""
        return self._path.with_name(self._path.name + ".audit-head")

    @property
    def suppression_journal_path(self) -> Path:
        """Where the list of erased respondents is noted once more, outside the database."""
        return self._path.with_name(self._path.name + ".erased")

    def pepper(self, *, used: bool = False) -> bytes:
        """Key of the stored hashes of API keys.

        Parameters
        ----------
        used
            False: it is made if the file lacks it. True: hashes made with it are stored.

        Raises
        ------
        SecretsError
            If the file is unsafe, unreadable or damaged, or lacks a secret that is used; likewise for the other
            methods.
        """
        return self._key("pepper", used="the stored API keys" if used else None)

    def disclosure_key(self) -> bytes:
        """Key of the perturbation of counts; made when first needed, in a file that exists: counts come after waves."""
        if not self._path.exists():
            raise self._lost("disclosure_key", "the stored waves")
        return self._key("disclosure_key", used=None)

    def audit_key(self, *, used: bool = False) -> bytes:
        """Key of the audit chain; ``used``: entries made with it are stored."""
        return self._key("audit_key", used="the entries of the audit chain" if used else None)

    def webhook_key(self, *, used: bool = False) -> bytes:
        """Key under which secrets of webhooks are encrypted; ``used``: there are webhooks."""
        return self._key("webhook_key", used="the secrets of webhooks" if used else None)

    def has_audit_key(self) -> bool:
        """Whether the file holds the key of the audit chain; it is not made."""
        return "audit_key" in self._read()

    def suppression_key(self, survey_id: str, *, used: bool = False) -> bytes:
        """Key of a survey's list of erased respondents; ``used``: somebody is on the list."""
        keys = self._read().get("suppression_keys", {})
        if survey_id not in keys:
            self._require_id(survey_id)
            if used:
                raise self._lost(f"suppression_keys.{survey_id}", f"the erasures of '{survey_id}'")
            made = secrets.token_hex(_KEY_BYTES)
            keys = self._change(lambda held: held.setdefault("suppression_keys", {}).setdefault(survey_id, made))[
                "suppression_keys"
            ]
        return self._bytes(keys[survey_id], f"suppression_keys.{survey_id}")

    def credentials(self, name: str) -> Mapping[str, Any]:
        """What an operator wrote under ``[credentials.<name>]``.

        Raises
        ------
        SecretsError
            If there is no such section, or the file is unsafe, unreadable or damaged.
        """
        found = self._read().get("credentials", {}).get(name)
        if not isinstance(found, dict):
            raise SecretsError(
                f"{self._path} has no section [credentials.{name}]. Write it there, or correct the name."
            )
        return found

    def pseudonym_key(self, survey_id: str, *, version: int | None = None, used: int = 0) -> PseudonymKey:
        """A survey's pseudonym key: the newest, or the version asked for.

        Parameters
        ----------
        used
            The newest version with which stored waves were pseudonymised, 0 for none. The file must hold it or a newer
            one; a key is made only if there is neither key nor wave.
        """
        keys = self._pseudonym_keys(self._read(), survey_id)
        if max(keys, default=0) < used:
            lost = self._lost(f"pseudonym_keys.{survey_id}.v{used}", f"the stored waves of '{survey_id}'")
            raise SecretsError(f"{lost} If it is lost for good: `hustings privacy rotate-key {survey_id}`.")
        if version is not None:
            if version not in keys:
                raise SecretsError(
                    f"{self._path} has no version {version} of the pseudonym key of '{survey_id}', "
                    f"only {sorted(keys) or 'none'}. Restore the file from its own backup. If it is lost for good: "
                    f"`hustings privacy rotate-key {survey_id}`."
                )
            return PseudonymKey(version, keys[version])
        if not keys:
            keys = self._pseudonym_keys(
                self._change(lambda held: self._add_version(held, survey_id, only=True)), survey_id
            )
        newest = max(keys)
        return PseudonymKey(newest, keys[newest])

    def pseudonym_versions(self, survey_id: str) -> tuple[int, ...]:
        """The versions of a survey's pseudonym key that the file holds, in order."""
        return tuple(sorted(self._pseudonym_keys(self._read(), survey_id)))

    def rotate_pseudonym_key(self, survey_id: str, *, above: int = 0) -> PseudonymKey:
        """Add a version of a survey's key. Old versions stay: old waves were pseudonymised with them.

        Parameters
        ----------
        above
            A version that was used, and may be lost: another key must not get its number.
        """
        keys = self._pseudonym_keys(
            self._change(lambda held: self._add_version(held, survey_id, only=False, above=above)), survey_id
        )
        newest = max(keys)
        return PseudonymKey(newest, keys[newest])

    def _key(self, name: str, *, used: str | None) -> bytes:
        held = self._read()
        if name not in held:
            if used:
                raise self._lost(name, used)
            held = self._change(lambda other: other.setdefault(name, secrets.token_hex(_KEY_BYTES)))
        return self._bytes(held[name], name)

    def _lost(self, name: str, used: str) -> SecretsError:
        what = f"has no '{name}'" if self._path.exists() else "does not exist"
        return SecretsError(
            f"The secrets file {self._path} {what}, and {used} were made with it. "
            "Correct the setting secrets_file, or restore the file from its own backup."
        )

    def _add_version(self, held: dict[str, Any], survey_id: str, *, only: bool, above: int = 0) -> None:
        keys = held.setdefault("pseudonym_keys", {}).setdefault(survey_id, {})
        if not (only and keys):  # another process was first
            newest = max((above, *(_version(name) for name in keys)))
            keys[f"v{newest + 1}"] = secrets.token_hex(_KEY_BYTES)

    def _pseudonym_keys(self, held: dict[str, Any], survey_id: str) -> dict[int, bytes]:
        self._require_id(survey_id)
        keys = held.get("pseudonym_keys", {}).get(survey_id, {})
        return {_version(name): self._bytes(text, f"pseudonym_keys.{survey_id}.{name}") for name, text in keys.items()}

    @staticmethod
    def _require_id(survey_id: str) -> None:
        if not _SURVEY_ID.fullmatch(survey_id):
            raise SecretsError(f"'{survey_id}' is no survey id, so it has no keys.")

    def _bytes(self, text: object, name: str) -> bytes:
        try:
            key = bytes.fromhex(str(text))
        except ValueError:
            key = b""
        if len(key) < 16:
            raise SecretsError(f"'{name}' in {self._path} is damaged. Restore the file from its own backup.")
        return key

    def _read(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SecretsError(f"The secrets file {self._path} cannot be read: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & 0o077:
                raise SecretsError(
                    f"The secrets file {self._path} has mode {mode:04o}: others than its owner may use it. "
                    f"Run `chmod 600 {self._path}`, and think about who may have read it."
                )
            content = file.read()
        try:
            held = tomllib.loads(content.decode())
            shaped = all(isinstance(keys, dict) for keys in held.get("pseudonym_keys", {}).values())
            shaped &= all(isinstance(held.get(name, {}), dict) for name in ("suppression_keys", "credentials"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
            shaped = False
        if not shaped:
            # Not chained: the decoder's message may quote a secret.
            raise SecretsError(f"The secrets file {self._path} is damaged. Restore it from its own backup.") from None
        return held

    def _change(self, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Apply a change to the newest content under the lock, replace the file, return its content."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock():
                held = self._read()
                change(held)
                self._replace(render_secrets(held))
        except OSError as error:
            raise SecretsError(f"The secrets file {self._path} cannot be written: {error.strerror}.") from error
        return held

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # A file of its own: the secrets file is replaced, and a lock on the old one would lock nobody out.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path.with_name(self._path.name + ".lock"), flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _replace(self, text: str) -> None:
        # One name, under the lock: what a killed process left of it is overwritten.
        name = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)  # noqa: PTH105 (beside the other calls of the system)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _version(name: str) -> int:
    digits = name.removeprefix("v")
    if not digits.isdecimal():
        raise SecretsError(f"'{name}' is no version of a pseudonym key. Restore the secrets file from its own backup.")
    return int(digits)
