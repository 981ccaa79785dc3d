"""Administrative acts are recorded; the command line verifies, shows and exports the record and tells what is wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from api.cli import cli
from fixtures import write_demo
from jobs import ledger
from polling.errors import SecretsError
from polling.secrets import SecretsFile
from polling.store.engine import Store, open_store

type Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    place = {"HUSTINGS_DATA_DIR": f"{tmp_path}/data", "HUSTINGS_SECRETS_FILE": f"{tmp_path}/secrets.toml"}

    def run_one(*arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(one) for one in arguments], env=place)
        assert result.exit_code == code, result.output + repr(result.exception)
        assert "Traceback" not in result.output
        return result

    return run_one


@pytest.fixture
def chain(run: Run, tmp_path: Path) -> Path:
    """Three keys, one of them revoked: four entries. The database file."""
    for _ in range(2):
        run("key", "create", "--role", "reader")
    prefix = json.loads(run("key", "create", "--role", "pollster", "--pollster", "Polly", "--json").output)["prefix"]
    run("key", "revoke", prefix)
    return tmp_path / "data" / "hustings.sqlite3"


def tamper(database: Path, *statements: str) -> None:
    store = open_store(f"sqlite:///{database}")
    with store.write() as session:
        for name in ("audit_entry_no_update", "audit_entry_no_delete"):
            session.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
        for statement in statements:
            session.execute(text(statement))
    store.close()


def test_administrative_acts_are_recorded_with_their_actor_and_no_secret(run: Run, chain: Path, tmp_path: Path):
    assert "4 entries, in order" in run("audit", "verify").output
    run("survey", "add", write_demo(tmp_path / "town").path)

    entries = json.loads(run("audit", "show", "--json").output)["entries"]

    assert [one["action"] for one in entries] == [*["key-created"] * 3, "key-revoked", "survey-added"]
    assert all(one["actor"].startswith("cli:") for one in entries)
    assert entries[4]["survey_id"] == "demo"
    assert entries[3]["subject"] == entries[2]["subject"]
    assert "hust_" not in json.dumps(entries)
    assert json.loads(run("audit", "show", "--action", "audit-read", "--json").output)["entries"][0]["id"] == 6


def test_the_export_has_every_entry_and_the_head(run: Run, chain: Path):
    lines = [json.loads(line) for line in run("audit", "export").output.splitlines()]
    assert [line.get("id") for line in lines[:-1]] == [1, 2, 3, 4]
    assert lines[-1]["head"] == {"id": 4, "mac": lines[-2]["mac"]}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit_entry SET actor = 'cli:nobody' WHERE id = 2", "changed: entry 2"),
        ("UPDATE audit_entry SET detail = NULL WHERE id = 3", "changed: entry 3"),
        ("DELETE FROM audit_entry WHERE id = 2", "missing: entry 2"),
    ],
)
def test_tampering_is_found_and_named(run: Run, chain: Path, statement: str, told: str):
    tamper(chain, statement)
    output = run("audit", "verify", code=1).output
    assert told in output
    assert "NOT in order" in output


def test_a_cut_tail_is_found_by_the_head_beside_the_secrets_file(run: Run, chain: Path, tmp_path: Path):
    elsewhere = run("audit", "head").output.strip()
    tamper(
        chain,
        "DELETE FROM audit_entry WHERE id > 2",
        "UPDATE audit_head SET id = 2, mac = (SELECT mac FROM audit_entry WHERE id = 2)",
    )
    assert "truncated: entry 3" in run("audit", "verify", code=1).output

    (tmp_path / "secrets.toml.audit-head").unlink()
    assert "a cut end would not be found" in run("audit", "verify").output
    assert "truncated: entry 3" in run("audit", "verify", "--head", elsewhere, code=1).output
    run("audit", "verify", "--head", "nonsense", code=2)


def test_an_older_copy_of_the_database_is_found(run: Run, chain: Path, tmp_path: Path):
    store = open_store(f"sqlite:///{chain}")
    with store.writer.connect() as connection:
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    older = chain.read_bytes()
    run("key", "create", "--role", "reader")
    for other in chain.parent.glob(f"{chain.name}-*"):
        other.unlink()
    chain.write_bytes(older)

    assert "truncated: entry 5" in run("audit", "verify", code=1).output
    run("key", "create", "--role", "reader")
    run("key", "create", "--role", "reader")
    assert "truncated: entry 5" in run("audit", "verify", code=1).output


def test_a_head_that_lags_after_a_crash_is_no_alarm_nor_is_a_torn_line(run: Run, chain: Path, tmp_path: Path):
    file = tmp_path / "secrets.toml.audit-head"
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    file.write_text("\n".join([*lines[:2], lines[2][:30]]))
    assert "in order" in run("audit", "verify").output
    run("key", "create", "--role", "reader")
    assert re.match(r"5 [0-9a-f]{64} ", file.read_text().splitlines()[-1])
    assert "in order" in run("audit", "verify").output


def test_the_head_file_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_store: Store):
    from datetime import UTC, datetime

    import polling.audit_head as module
    from polling.store.audit import AuditHeadRecord

    monkeypatch.setattr(module, "MAX_BYTES", 2000)
    monkeypatch.setattr(module, "KEPT_LINES", 5)
    file = module.HeadFile(tmp_path / "head")
    for number in range(1, 100):
        file.note(AuditHeadRecord(number, f"{number:064x}"), now=datetime(2026, 1, 1, tzinfo=UTC))

    assert file.path.stat().st_size < 3000
    newest = file.newest(b"k" * 32)
    assert newest is not None
    assert newest.id == 99


def test_without_its_key_nothing_is_written_until_the_chain_is_restarted(run: Run, chain: Path, tmp_path: Path):
    secrets = tmp_path / "secrets.toml"
    run("audit", "restart", "--reason", "none", code=1)  # it is not lost
    lines = [line for line in secrets.read_text().splitlines() if not line.startswith("audit_key")]
    secrets.write_text("\n".join(lines))

    for arguments in (("key", "create", "--role", "reader"), ("audit", "verify")):
        assert "has no 'audit_key'" in run(*arguments, code=3).output
    assert len(run("key", "list", "--json").output.split('"prefix"')) == 4

    run("audit", "restart", "--reason", "disk lost")
    run("key", "create", "--role", "reader")
    output = run("audit", "verify").output
    assert "The first 4 were written with a key that was lost" in output
    assert "6 entries, in order" in output
    tamper(chain, "UPDATE audit_entry SET actor = 'x' WHERE id = 6")
    assert "changed: entry 6" in run("audit", "verify", code=1).output


@pytest.mark.parametrize("name", ["audit_key", "pepper"])
def test_another_key_under_the_same_name_is_noticed(run: Run, chain: Path, tmp_path: Path, name: str):
    secrets = tmp_path / "secrets.toml"
    old, new = (rf'^{name} = "(.)', lambda found: f'{name} = "{"0" if found[1] != "0" else "1"}')
    secrets.write_text(re.sub(old, new, secrets.read_text(), flags=re.M))
    secrets.chmod(0o600)

    output = run("key", "create", "--role", "reader", code=3).output
    assert f"'{name}' in the secrets file is not the key that was used so far" in output


def test_another_pseudonym_or_suppression_key_is_noticed_and_a_rotated_one_is_not(store: Store, tmp_path: Path):
    from datetime import UTC, datetime

    now: Any = datetime(2026, 1, 1, tzinfo=UTC)
    secrets = SecretsFile(tmp_path / "secrets.toml")
    key, listed = secrets.pseudonym_key("town"), secrets.suppression_key("town")
    for _ in range(2):
        with store.write() as session:
            ledger.bind_pseudonym_key(session, "town", key, now=now)
            ledger.bind_suppression_key(session, "town", listed, now=now)
    with store.write() as session:
        ledger.bind_pseudonym_key(session, "town", secrets.rotate_pseudonym_key("town"), now=now)

    other = SecretsFile(tmp_path / "other.toml")
    with pytest.raises(SecretsError, match=r"pseudonym_keys\.town\.v1.*not the key"), store.write() as session:
        ledger.bind_pseudonym_key(session, "town", other.pseudonym_key("town"), now=now)
    with pytest.raises(SecretsError, match=r"suppression_keys\.town.*not the key"), store.write() as session:
        ledger.bind_suppression_key(session, "town", other.suppression_key("town"), now=now)
