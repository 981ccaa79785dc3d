"""``hustings audit``: who did what, and whether the record of it is whole."""

from typing import IO, TYPE_CHECKING

import click

from api.cli.output import as_json, print_json, print_table, short_time
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from datetime import datetime

    from polling.store.audit import AuditHeadRecord

__all__ = ["audit"]

survey_option = click.option("--survey", "survey_id", help="Only entries about this survey.")
since_option = click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Only entries since then (UTC)."
)


@click.group(short_help="Verify, show or export the record of everything done.")
def audit() -> None:
    """A keyed hash chain over every write, every administrative act and every read of respondent-level data."""


@audit.command()
@click.option("--head", "heads", multiple=True, metavar="ID:CODE", help="A head noted elsewhere; may be repeated.")
@as_json
@click.pass_obj
def verify(runtime: Runtime, heads: tuple[str, ...], json_: bool) -> None:
    """Recompute the chain and compare it with the heads noted outside the database.

    Exit code 1 if an entry was changed or is missing, or if the end was cut off.
    """
    from jobs import ledger
    from polling.audit_head import HeadFile

    also = tuple(_head(text) for text in heads)
    with runtime.store.read() as session:
        report = ledger.verify(session, runtime.secrets, also=also)
    noted = bool(also) or HeadFile(runtime.secrets.audit_head_path).exists()
    if json_:
        print_json({"ok": report.ok, "head_noted_outside": noted, **_members(report)})
    else:
        if report.n_unverifiable:
            lost = f"The first {report.n_unverifiable:,} were written with a key that was lost: not verified."
            click.echo(lost, err=True)
        if report.n_entries and not noted:
            click.echo("No head was noted outside the database: a cut end would not be found.", err=True)
        for problem in report.problems:
            click.echo(f"{problem.kind}: entry {problem.id:,}: {problem.text}.")
        state = "in order" if report.ok else "NOT in order"
        click.echo(f"{report.n_entries:,} entries, {state}.")
    if not report.ok:
        raise click.exceptions.Exit(1)


@audit.command()
@as_json
@click.pass_obj
def head(runtime: Runtime, json_: bool) -> None:
    """Print the head of the chain, to be kept somewhere else: `audit verify --head` compares it."""
    from polling.store import audit as chain

    with runtime.store.read() as session:
        found = chain.head(session)
    if json_:
        print_json({"head": found})
    elif found is None:
        click.echo("Nothing was recorded yet.", err=True)
    else:
        click.echo(f"{found.id}:{found.mac}")


@audit.command()
@survey_option
@click.option("--action", help="Only entries of this action, e.g. erasure.")
@click.option("--actor", help="Only what this actor did, e.g. key:abcdefgh.")
@since_option
@click.option(
    "--last", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most so many, the newest."
)
@as_json
@click.pass_obj
def show(
    runtime: Runtime,
    *,
    survey_id: str | None,
    action: str | None,
    actor: str | None,
    since: "datetime | None",
    last: int,
    json_: bool,
) -> None:
    """Show the newest entries. That they were read is an entry too."""
    from polling.store import audit as chain

    with runtime.store.read() as session:
        found = list(
            chain.read_entries(session, survey_id=survey_id, action=action, actor=actor, since=_utc(since), last=last)
        )
    _record_reading(runtime, survey_id, len(found))
    if json_:
        print_json({"entries": found})
        return
    print_table(
        ("entry", "at", "actor", "action", "survey", "subject", "detail"),
        [(one.id, short_time(one.at), one.actor, one.action, one.survey_id, one.subject, one.detail) for one in found],
    )


@audit.command()
@survey_option
@since_option
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-", help="File to write. Default: print.")
@click.pass_obj
def export(runtime: Runtime, survey_id: str | None, since: "datetime | None", output: IO[str]) -> None:
    """Write the entries as lines of JSON, and the head as the last one. The export is an entry too."""
    import msgspec

    from polling.store import audit as chain

    n = 0
    with runtime.store.read() as session:
        for entry in chain.read_entries(session, survey_id=survey_id, since=_utc(since)):
            output.write(msgspec.json.encode(entry).decode() + "\n")
            n += 1
        output.write(msgspec.json.encode({"head": chain.head(session)}).decode() + "\n")
    _record_reading(runtime, survey_id, n)


@audit.command()
@click.option("--reason", required=True, help="Why the old key cannot be had; it becomes part of the record.")
@click.pass_obj
def restart(runtime: Runtime, reason: str) -> None:
    """Go on with a new key after the audit key was lost for good.

    Nothing is written to the database while the key is missing. What was recorded before can be read and not verified.
    """
    from jobs import ledger

    with runtime.store.write() as session:
        entry = ledger.restart(session, runtime.secrets, actor=ledger.cli_actor(), reason=reason, now=runtime.now())
    click.echo(f"The chain goes on with a new key from entry {entry.id:,}. Back up the secrets file.")


def _record_reading(runtime: Runtime, survey_id: str | None, n: int) -> None:
    from jobs import ledger

    with runtime.store.write() as session:
        ledger.record(
            session,
            runtime.secrets,
            actor=ledger.cli_actor(),
            action="audit-read",
            survey_id=survey_id,
            detail={"n_entries": n},
            now=runtime.now(),
        )


def _members(report: object) -> dict[str, object]:
    return {name: getattr(report, name) for name in ("n_entries", "n_unverifiable", "head", "problems")}


def _utc(when: "datetime | None") -> "datetime | None":
    from datetime import UTC

    return None if when is None else when.replace(tzinfo=UTC)


def _head(text: str) -> "AuditHeadRecord":
    from polling.store.audit import AuditHeadRecord

    number, _, mac = text.partition(":")
    if not number.isdecimal() or len(mac) != 64:
        raise click.BadParameter(f"{text!r} is no head. `hustings audit head` prints one.", param_hint="--head")
    return AuditHeadRecord(int(number), mac)
