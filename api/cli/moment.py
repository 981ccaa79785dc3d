"""A moment as an option of a command: ISO 8601, in UTC where it names no other zone."""

from datetime import UTC, datetime

import click

__all__ = ["moment"]


class _Moment(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            when = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is no time such as 2026-11-23T12:00 or 2026-11-23T12:00+01:00", param, ctx)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


moment = _Moment()
