"""The schema: made by migrations, checked at the door, upgraded safely."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

import polling.store.schema as schema
from polling.errors import SchemaOutdated, SchemaTooNew, UpgradeFailed
from polling.store.engine import Store
from polling.store.tables import Base

type Open = Callable[[str], Store]


def test_the_migrations_make_what_the_mapped_classes_say(store: Store):
    with store.writer.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_make_the_same_sqlite_text_as_the_mapped_classes(sqlite_store: Store, tmp_path: Path):
    """Alembic compares neither CHECK constraints nor the condition of a partial index."""
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    Base.metadata.create_all(other)

    def statements(engine: Engine) -> dict[str, list[str]]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
        # The order of constraints inside a table means nothing, nor where an added column stands.
        lines = {
            name: sorted(part.strip(" \t,)") for line in sql.splitlines() for part in line.split(", "))
            for name, sql in rows
        }
        lines = {name: [line for line in parts if line] for name, parts in lines.items()}
        return {name: parts for name, parts in lines.items() if not name.startswith(("alembic", "sqlite"))}

    migrated, declared = statements(sqlite_store.writer), statements(other)
    other.dispose()
    assert migrated == declared
    assert "state = 'queued'" in "".join(migrated["uq_job_queued"])


def test_the_listed_revisions_are_those_of_the_migrations():
    scripts = ScriptDirectory(str(schema._MIGRATIONS))
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == schema.REVISIONS


def test_a_database_without_schema_is_refused_and_the_remedy_named(empty_url: str, open_stores: Open):
    with pytest.raises(SchemaOutdated, match=r"has no schema yet.*hustings db upgrade"):
        schema.require_current(open_stores(empty_url))


def test_upgrading_twice_does_nothing_the_second_time(empty_url: str, open_stores: Open):
    store = open_stores(empty_url)
    assert schema.upgrade(store) is True
    assert schema.upgrade(store) is False
    schema.require_current(store)


def test_two_upgrades_at_once_leave_one_schema(empty_url: str, open_stores: Open):
    stores = [open_stores(empty_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        # One of them at least did it; PostgreSQL's others may have waited for the lock and found it done.
        assert any(threads.map(schema.upgrade, stores))
    schema.require_current(stores[0])


def test_a_newer_schema_is_refused_by_check_and_by_upgrade(store: Store):
    set_revision(store, "9999")
    for door in (schema.require_current, schema.upgrade):
        with pytest.raises(SchemaTooNew, match=rf"9999.*{schema.REVISIONS[-1]}.*newer version"):
            door(store)


def test_an_older_schema_is_refused_until_it_is_upgraded(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9000"))
    with pytest.raises(SchemaOutdated, match=r"has schema \d+, this version needs 9000.*hustings db upgrade"):
        schema.require_current(store)


class TestUpgradeThatFails:
    """An upgrade to an imagined next schema, which breaks off half-way."""

    @pytest.fixture(autouse=True)
    def _next_schema(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9000"))

    def test_leaves_the_database_as_it_was(self, store: Store, monkeypatch: pytest.MonkeyPatch):
        def broken(config: object, target: str) -> None:
            config.attributes["connection"].execute(text("DROP TABLE clock_run"))
            raise RuntimeError("power cut")

        monkeypatch.setattr(command, "upgrade", broken)
        with pytest.raises(UpgradeFailed, match="power cut"):
            schema.upgrade(store)

        assert schema.current_revision(store) == schema.REVISIONS[-2]
        with store.read() as session:
            assert session.execute(text("SELECT * FROM clock_run")).all() == []

    def test_is_restored_from_the_copy_even_if_a_migration_committed(
        self, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(config: object, target: str) -> None:
            connection = config.attributes["connection"].connection
            connection.execute("DROP TABLE clock_run")
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            raise RuntimeError("power cut")

        monkeypatch.setattr(command, "upgrade", broken)
        with pytest.raises(UpgradeFailed, match="as it was before: power cut"):
            schema.upgrade(sqlite_store)

        with sqlite_store.read() as session:
            assert session.execute(text("SELECT * FROM clock_run")).all() == []
        assert [path.name for path in sqlite_store.path.parent.glob("*before*")] == []

    def test_is_copied_for_the_owner_only_and_the_copy_is_removed_on_success(
        self, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
    ):
        seen: list[int] = []
        copy = sqlite_store.path.with_name("hustings.db.before-9000")

        def works(config: object, target: str) -> None:
            seen.append(stat.S_IMODE(copy.stat().st_mode))
            config.attributes["connection"].execute(text("UPDATE alembic_version SET version_num = '9000'"))

        monkeypatch.setattr(command, "upgrade", works)
        copy.write_bytes(b"left by an upgrade that was killed")

        assert schema.upgrade(sqlite_store) is True
        assert seen == [0o600]
        assert not copy.exists()


def set_revision(store: Store, revision: str) -> None:
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
