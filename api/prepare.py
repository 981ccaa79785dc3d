"""Make the place ready on first use: folder, secrets, schema of a brand-new database.

A database that already has tables is never changed here: an older schema is
refused with the command that upgrades it, because an upgrade deserves a
decision and a backup.
"""

import os

from sqlalchemy import inspect

from jobs.at_work import require_finished_restore
from jobs.settings import Settings
from polling.errors import SchemaOutdated
from polling.store.engine import Store, open_store
from polling.store.schema import require_current, upgrade

__all__ = ["is_brand_new", "make_data_dir", "open_ready_store"]


def make_data_dir(settings: Settings) -> None:
    """Make the data folder, for its owner only: interviews lie in it."""
    os.makedirs(settings.data_dir, mode=0o700, exist_ok=True)  # noqa: PTH103 (Path.mkdir ignores mode for parents)


def is_brand_new(store: Store) -> bool:
    """Whether the database has no tables at all."""
    return not inspect(store.writer).get_table_names()


def open_ready_store(settings: Settings) -> Store:
    """Open the database, with a schema if it is brand-new.

    Raises
    ------
    SchemaOutdated, SchemaTooNew
        If it has tables of another version.
    RestoreRefused
        If a restore was begun and not finished.
    """
    make_data_dir(settings)
    require_finished_restore(settings)
    store = open_store(settings.store_url, statement_timeout_s=settings.statement_timeout_s)
    try:
        require_current(store)
    except SchemaOutdated:
        if not is_brand_new(store):
            store.close()
            raise
        upgrade(store)
    except Exception:
        store.close()
        raise
    return store
