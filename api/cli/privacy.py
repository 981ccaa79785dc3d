"""``hustings privacy``: erase a respondent, give out what is stored of one, purge what is kept long enough."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from jobs.retention import Purged

__all__ = ["privacy"]

respondent_option = click.option(
    "--respondent",
    help="The respondent's id, as the pollster sends it. Default: it is read from standard input, so that no list of "
    "processes and no history of the shell has it.",
)
pollster_option = click.option(
    "--pollster", help="Whose id it is; pollsters may number their respondents alike. Default: any pollster's."
)


@click.group(short_help="Erase a respondent, export what is stored of one, purge interviews.")
def privacy() -> None:
    """What a data protection officer has to do."""


@privacy.command()
@click.argument("survey_id", metavar="SURVEY")
@respondent_option
@pollster_option
@as_json
@click.pass_obj
def erase(runtime: Runtime, survey_id: str, *, respondent: str | None, pollster: str | None, json_: bool) -> None:
    """Remove a respondent from every version of every wave, for good, and print the receipt."""
    from api.privacy_payloads import describe_erasure
    from jobs.erasure import erase as carry_out
    from jobs.erasure import free
    from jobs.ledger import cli_actor
    from polling.errors import BytesHeld
    from polling.store.erasure import get_case

    record = carry_out(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        respondent=_respondent(respondent),
        pollster=pollster,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if record.done_at is None:
        try:
            free(runtime.store, now=runtime.now())
        except BytesHeld as error:  # a worker does it
            click.echo(str(error), err=True)
    with runtime.store.read() as session:
        receipt = describe_erasure(get_case(session, survey_id, record.case_number))
    if json_:
        print_json(receipt)
    else:
        click.echo(receipt.text)


@privacy.command("cases")
@click.argument("survey_id", metavar="SURVEY")
@as_json
@click.pass_obj
def cases(runtime: Runtime, survey_id: str, json_: bool) -> None:
    """List the erasures of a survey."""
    from api.privacy_payloads import describe_erasure
    from polling.store import surveys
    from polling.store.erasure import list_cases

    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = [describe_erasure(one) for one in list_cases(session, survey_id)]
    if json_:
        print_json({"survey": survey_id, "erasures": found})
        return
    print_table(
        ("case", "asked for (UTC)", "waves", "interviews", "finished (UTC)"),
        [(one.case_number, one.requested_at, one.n_waves, one.n_interviews, one.finished_at) for one in found],
    )


@privacy.command()
@click.argument("survey_id", metavar="SURVEY")
@respondent_option
@pollster_option
@click.option("--csv", "csv_", is_flag=True, help="One line per answer instead of JSON.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, readable by its owner only. Default: print.",
)
@click.pass_obj
def access(
    runtime: Runtime,
    survey_id: str,
    *,
    respondent: str | None,
    pollster: str | None,
    csv_: bool,
    output: Path | None,
) -> None:
    """Give out everything that is stored of a respondent. That it was read is recorded."""
    import msgspec

    from jobs.access import as_csv, read_respondent
    from jobs.ledger import cli_actor

    export = read_respondent(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        respondent=_respondent(respondent),
        pollster=pollster,
        now=runtime.now(),
        actor=cli_actor(),
    )
    text = as_csv(export) if csv_ else msgspec.json.format(msgspec.json.encode(export), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.touch(mode=0o600)
        output.write_text(text, encoding="utf-8")
        click.echo(f"{len(export.interviews)} interviews written to {output}.", err=True)


@privacy.command()
@click.argument("survey_id", metavar="SURVEY")
@click.option("--yes", is_flag=True, help="Purge although more than a tenth of a wave's interviews will be left out.")
@as_json
@click.pass_obj
def purge(runtime: Runtime, survey_id: str, *, yes: bool, json_: bool) -> None:
    """Reduce to counts per cell the waves whose retention is over, now instead of by the clock.

    Interviews in cells that are too small are left out for good: how many is said first. The clock purges by itself
    within the hour after a retention has ended, and does not ask.
    """
    from jobs.erasure import free
    from jobs.ledger import cli_actor
    from jobs.retention import preview
    from jobs.retention import purge as carry_out
    from polling.errors import BytesHeld

    with runtime.store.read() as session:
        expected = preview(session, survey_id, now=runtime.now())
    _warn(expected, yes=yes, asks=not json_ and sys.stdin.isatty())
    waves, n_interviews, n_left = 0, 0, 1
    while n_left:
        with runtime.store.write() as session:
            done = carry_out(session, runtime.secrets, survey_id, now=runtime.now(), actor=cli_actor())
        waves, n_interviews, n_left = waves + len(done.waves), n_interviews + done.n_interviews, done.n_left
    if waves:
        try:
            free(runtime.store, now=runtime.now())
        except BytesHeld as error:  # a worker does it
            click.echo(str(error), err=True)
    if json_:
        left_out = [
            {"wave": one.reference, "pollster": one.pollster, "question": one.question_id}
            | {"n_interviews": one.n_interviews, "n_left_out": one.n_left_out}
            for one in expected.losses
        ]
        print_json({"survey": survey_id, "n_waves": waves, "n_interviews": n_interviews, "left_out": left_out})
    else:
        told = "1 wave" if waves == 1 else f"{waves} waves"
        click.echo(f"{told} with {n_interviews:,} interviews were reduced to counts per cell.")


@privacy.command("rotate-key")
@click.argument("survey_id", metavar="SURVEY")
@click.option("--reason", required=True, help="Why; it is in the audit chain.")
@as_json
@click.pass_obj
def rotate_key(runtime: Runtime, survey_id: str, *, reason: str, json_: bool) -> None:
    """Make a new version of a survey's pseudonym key, by choice or after the old one was lost for good.

    Old versions stay in the secrets file; keep its copies. Respondents cannot be recognised across versions.
    """
    from jobs.ledger import cli_actor
    from jobs.pseudonym_key import rotate_key as carry_out

    if not reason.strip():
        raise click.UsageError("Give a reason: it is all that others will know of it.")
    done = carry_out(
        runtime.store, runtime.secrets, survey_id=survey_id, reason=reason, now=runtime.now(), actor=cli_actor()
    )
    if json_:
        print_json({"survey": survey_id, "version": done.version, "lost": done.lost, "meaning": done.meaning})
    else:
        click.echo(f"{done.meaning} Make a copy of the secrets file now.")


def _warn(expected: "Purged", *, yes: bool, asks: bool) -> None:
    """Say what will be left out, per question and of which waves much; stop where nobody wants that."""
    for question_id in dict.fromkeys(one.question_id for one in expected.losses):
        mine = [one for one in expected.losses if one.question_id == question_id]
        n, n_out = sum(one.n_interviews for one in mine), sum(one.n_left_out for one in mine)
        click.echo(
            f"{question_id}: {n_out:,} of {n:,} interviews ({n_out / max(1, n):.0%}) will be left out, in cells of "
            f"fewer than {mine[0].min_cell}.",
            err=True,
        )
    if not (large := [one for one in expected.losses if one.is_large]):
        return
    worst = max(large, key=lambda one: one.share)
    click.echo(
        f"Of wave {worst.reference} of {worst.pollster} {worst.share:.0%} of the interviews go, and with the next "
        "refit out of the estimates. End [time] window_days before the retention, if that is not wanted.",
        err=True,
    )
    if not yes and not (asks and click.confirm("Purge all the same?", err=True)):
        click.echo("Nothing was purged. With --yes it is; the clock does it in any case.", err=True)
        raise click.exceptions.Exit(1)


def _respondent(given: str | None) -> str:
    text = given if given is not None else sys.stdin.readline().rstrip("\r\n")
    if not text.strip():
        raise click.UsageError("No respondent was named: give --respondent, or the id on standard input.")
    return text
