"""``hustings key``: who may call the HTTP interface."""

from datetime import datetime, timedelta

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["key"]

ROLES = ("pollster", "reader", "analyst", "dpo", "monitor", "admin")


@click.group(short_help="Create, list, rotate or revoke API keys.")
def key() -> None:
    """A key has a role, the survey that it may see, and an expiry; a pollster's key also the pollster it speaks for."""


@key.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@click.option("--survey", "survey_id", help="The only survey it may see. Default: every survey.")
@click.option("--pollster", help="The pollster a pollster's key speaks for.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Days until it expires. Default: never.")
@click.option("--label", default="", help="A note on who has it.")
@as_json
@click.pass_obj
def create(
    runtime: Runtime,
    *,
    role: str,
    survey_id: str | None,
    pollster: str | None,
    days: int | None,
    label: str,
    json_: bool,
) -> None:
    """Make a key and print it: once, because only its keyed hash is stored."""
    from api.keys import create_key
    from jobs.ledger import cli_actor

    expires_at = runtime.now() + timedelta(days=days) if days else None
    text, record = create_key(
        runtime.store,
        runtime.secrets,
        role=role,
        survey_id=survey_id,
        pollster=pollster,
        expires_at=expires_at,
        label=label,
        actor=cli_actor(),
        now=runtime.now(),
    )
    if json_:
        print_json(
            {
                "key": text,
                "prefix": record.prefix,
                "role": role,
                "survey": survey_id,
                "pollster": pollster,
                "expires_at": expires_at,
            }
        )
        return
    click.echo(text)
    click.echo("This is the only time that the key is shown.", err=True)


@key.command("list")
@click.option("--survey", "survey_id", help="Only keys of this survey.")
@as_json
@click.pass_obj
def list_(runtime: Runtime, survey_id: str | None, json_: bool) -> None:
    """List keys by prefix, usable or not; the keys themselves are not stored."""
    from polling.store import keys

    with runtime.store.read() as session:
        found = keys.list_keys(session, survey_id)
    now = runtime.now()
    if json_:
        hidden = ("id", "key_hash")
        rows = [{name: getattr(one, name) for name in one.__dataclass_fields__ if name not in hidden} for one in found]
        print_json({"keys": rows})
        return
    print_table(
        ("prefix", "role", "survey", "pollster", "state", "expires", "last used", "label"),
        [
            (
                one.prefix,
                one.role,
                one.survey_id or "every",
                one.pollster,
                one.state(now),
                _day(one.expires_at),
                _day(one.last_used_at),
                one.label,
            )
            for one in found
        ],
    )


@key.command()
@click.argument("prefix")
@click.option(
    "--overlap-hours",
    type=click.FloatRange(0, 720),
    default=24,
    show_default=True,
    help="Hours for which the old key stays valid.",
)
@as_json
@click.pass_obj
def rotate(runtime: Runtime, *, prefix: str, overlap_hours: float, json_: bool) -> None:
    """Make a key that takes another's place, and print it: once. The old one stays valid for the overlap."""
    from api.keys import rotate_key
    from jobs.ledger import cli_actor

    text, new, old = rotate_key(
        runtime.store,
        runtime.secrets,
        prefix,
        overlap=timedelta(hours=overlap_hours),
        actor=cli_actor(),
        now=runtime.now(),
    )
    if json_:
        about = {"prefix": new.prefix, "expires_at": new.expires_at, "replaces": prefix}
        print_json({"key": text, **about, "replaced_valid_until": old.expires_at})
        return
    click.echo(text)
    click.echo("This is the only time that the key is shown.", err=True)
    click.echo(f"Key {prefix} stays valid until {old.expires_at:%Y-%m-%d %H:%M} UTC.", err=True)


@key.command()
@click.argument("prefix")
@click.pass_obj
def revoke(runtime: Runtime, prefix: str) -> None:
    """Make the key with this visible prefix unusable, at once and for good."""
    from api.keys import revoke_key
    from jobs.ledger import cli_actor

    record = revoke_key(runtime.store, runtime.secrets, prefix, actor=cli_actor(), now=runtime.now())
    click.echo(f"Key {prefix} ({record.role}) is revoked since {record.revoked_at:%Y-%m-%d %H:%M} UTC.")


def _day(when: datetime | None) -> str:
    return "never" if when is None else f"{when:%Y-%m-%d}"
