"""Sensitive reads leave a trace, or show nothing; which ones they are is decided for every read."""

from typing import Any

import pytest

from api.app import handlers_of
from api.auth import PAGES, PUBLIC, ROLES, operation_id
from api.reads import PLAIN, SENSITIVE
from jobs import ledger
from polling.errors import SecretsError
from polling.store import audit
from polling.store.audit import AuditRecord
from tests.api.test_auth import call
from tests.api.world import SURVEY, World


def entries(world: World) -> list[AuditRecord]:
    with world.store.read() as session:
        return list(audit.read_entries(session))


def ask(world: World, operation: str) -> tuple[Any, list[AuditRecord]]:
    """Call it as an admin; the answer, and what the audit chain has of it."""
    world.push()
    world.work()
    headers = world.bearer("admin")
    call(world, "listWaves", headers)  # finds what is named in paths
    before = len(entries(world))
    reply = call(world, operation, headers)
    return reply, entries(world)[before:]


def test_every_read_is_declared_as_sensitive_or_plain(world: World):
    found = {operation_id(one) for one in handlers_of(world.app) if "GET" in one.http_methods}  # type: ignore[attr-defined]
    reads = found - PUBLIC - PAGES.keys()

    assert reads - SENSITIVE.keys() - PLAIN == set(), "decide in api.reads whether it is sensitive"
    assert PLAIN - reads == set(), "there is no such read"
    assert SENSITIVE.keys() - ROLES.keys() == set(), "there is no such operation"
    assert PLAIN & SENSITIVE.keys() == set()
    assert set(PAGES.values()) <= PLAIN, "a page that shows a sensitive read has to leave its entry"


@pytest.mark.parametrize("operation", SENSITIVE)
def test_a_sensitive_read_is_in_the_audit_chain(world: World, operation: str):
    reply, noted = ask(world, operation)

    assert reply.status_code == 200, reply.text
    (entry,) = [one for one in noted if one.action == SENSITIVE[operation]]
    assert (entry.survey_id, entry.actor) == (SURVEY, f"key:{world.keys['admin'].split('_')[1]}")


@pytest.mark.parametrize("operation", SENSITIVE)
def test_what_cannot_be_noted_is_not_shown(world: World, operation: str, monkeypatch: pytest.MonkeyPatch):
    real = ledger.record

    def record(*args: Any, action: str, **about: Any) -> Any:
        if action == SENSITIVE[operation]:
            raise SecretsError("The secrets file has no 'audit_key'.")
        return real(*args, action=action, **about)

    monkeypatch.setattr(ledger, "record", record)
    reply, noted = ask(world, operation)

    assert (reply.status_code, reply.json()["type"]) == (503, "secrets-unusable")
    assert [one for one in noted if one.action == SENSITIVE[operation]] == []
