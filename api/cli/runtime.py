"""What commands share: settings, store and secrets, opened when first needed and closed at the end."""

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.settings import Settings
    from polling.secrets import SecretsFile
    from polling.store.engine import Store

__all__ = ["Runtime"]


class Runtime:
    """The object that click passes to every command."""

    def __init__(self, settings_file: Path | None) -> None:
        self.settings_file = settings_file

    def __enter__(self) -> "Runtime":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()

    @cached_property
    def settings(self) -> "Settings":
        """The settings in force."""
        from jobs.settings import load_settings

        return load_settings(self.settings_file)

    @cached_property
    def store(self) -> "Store":
        """The open database: made if there is none, refused if it is of another version."""
        from api.prepare import open_ready_store

        return open_ready_store(self.settings)

    @cached_property
    def secrets(self) -> "SecretsFile":
        """The secrets file, made when first needed."""
        from polling.secrets import SecretsFile

        return SecretsFile(self.settings.secrets_file)

    @staticmethod
    def now() -> "datetime":
        """The time, aware and UTC."""
        from datetime import UTC, datetime

        return datetime.now(UTC)
