"""``hustings wave withdraw | restore | let-through | undo | history``: what becomes of a wave."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from api.cli.moment import moment
from api.cli.output import as_json, fieldwork, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from jobs.wave_life import ChangedWaves

__all__ = ["history", "let_through", "restore", "undo", "withdraw"]

survey_argument = click.argument("survey_id", metavar="SURVEY")
wave_argument = click.argument("wave", metavar="WAVE")
pollster_option = click.option("--pollster", help="Whose wave it is, where several pollsters use the reference.")
reason_option = click.option("--reason", required=True, help="Why; shown beside the estimates that it restates.")


@click.command()
@survey_argument
@wave_argument
@pollster_option
@reason_option
@as_json
@click.pass_obj
def withdraw(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, reason: str, json_: bool) -> None:
    """Count a wave (id or reference) no more; its interviews are kept, and it can be restored."""
    from jobs import wave_life
    from jobs.ledger import cli_actor

    changed = wave_life.withdraw(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        wave=wave,
        pollster=pollster,
        reason=reason,
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


@click.command()
@survey_argument
@wave_argument
@pollster_option
@reason_option
@as_json
@click.pass_obj
def restore(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, reason: str, json_: bool) -> None:
    """Let a withdrawn wave stand again as it stood."""
    from jobs import wave_life
    from jobs.ledger import cli_actor

    changed = wave_life.restore(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        wave=wave,
        pollster=pollster,
        reason=reason,
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


@click.command("let-through")
@survey_argument
@wave_argument
@click.option("--version", type=int, help="The version that was looked at. Default: the one that waits.")
@reason_option
@as_json
@click.pass_obj
def let_through(runtime: Runtime, *, survey_id: str, wave: str, version: int | None, reason: str, json_: bool) -> None:
    """Count a delivery that was held because it went over a quality limit."""
    from jobs import wave_life
    from jobs.ledger import cli_actor

    changed = wave_life.let_through(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        wave=wave,
        version=version,
        reason=reason,
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


@click.command()
@survey_argument
@click.argument("waves", metavar="[WAVE]...", nargs=-1)
@click.option("--since", type=moment, metavar="TIME", help="Undo everything delivered then or later (UTC).")
@click.option("--pollster", help="Of this pollster alone.")
@click.option("--key", "prefix", help="With --since: delivered with the key of this prefix alone.")
@reason_option
@as_json
@click.pass_obj
def undo(
    runtime: Runtime,
    *,
    survey_id: str,
    waves: tuple[str, ...],
    since: datetime | None,
    pollster: str | None,
    prefix: str | None,
    reason: str,
    json_: bool,
) -> None:
    """Undo deliveries, all or none: the newest of each WAVE, or all since a moment of a pollster or key.

    A first delivery is withdrawn, a correction gives way to the version before it.
    """
    from jobs import wave_life
    from jobs.ledger import cli_actor, key_actor

    if (since is None) == (not waves):
        raise click.UsageError("Name waves, or give --since: one of the two.")
    if since is not None and pollster is None and prefix is None:
        raise click.UsageError("With --since, say whose deliveries: --pollster or --key.")
    if since is None and prefix is not None:
        raise click.UsageError("--key goes with --since.")
    changed = wave_life.undo(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        names=waves,
        since=since,
        pollster=pollster,
        delivered_by=None if prefix is None else key_actor(prefix),
        reason=reason,
        now=runtime.now(),
        actor=cli_actor(),
    )
    _tell(changed, json_=json_)


@click.command()
@survey_argument
@wave_argument
@pollster_option
@as_json
@click.pass_obj
def history(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, json_: bool) -> None:
    """Show every delivery of a wave, and everything that happened to it."""
    from polling.store import waves
    from polling.store.wave_events import list_events

    with runtime.store.read() as session:
        found = waves.get_wave(session, survey_id, wave, pollster=pollster)
        versions = waves.list_versions(session, found.id)
        events = list_events(session, found.id)
    if json_:
        print_json({"wave": found, "versions": versions, "events": events})
        return
    print_table(
        ("version", "interviews", "fieldwork", "received (UTC)", "by", "reason"),
        [
            (
                one.version,
                f"{one.n_interviews:,}",
                fieldwork(one, closes_on=found.closes_on),
                one.received_at,
                one.received_by,
                one.reason,
            )
            for one in versions
        ],
        title=f"{found.reference} of {found.pollster}",
    )
    print_table(
        ("at (UTC)", "what", "by", "then", "version", "waits", "reason"),
        [
            (
                one.at,
                one.kind,
                one.actor,
                one.after.state,
                one.after.version,
                "" if one.after.waiting is None else one.after.waiting,
                one.reason,
            )
            for one in events
        ],
    )


def _tell(changed: "ChangedWaves", *, json_: bool) -> None:
    if json_:
        print_json(changed)
        return
    for one in changed.changed:
        click.echo(f"{one.reference} of {one.pollster}: {one.state}, version {one.version}.")
    for one in changed.unchanged:
        click.echo(f"{one.reference} of {one.pollster}: {one.state}, version {one.version}, as it was.")
    if not changed.changed and not changed.unchanged:
        click.echo("There is nothing to undo.")
    for job in changed.jobs:
        click.echo(f"  refit of {job.question_id}: {job.state} (job {job.id})")
