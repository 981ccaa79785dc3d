"""``hustings wave quarantine show | download | release``: rows that were set aside."""

from pathlib import Path

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["quarantine"]

survey_argument = click.argument("survey_id", metavar="SURVEY")
wave_argument = click.argument("wave", metavar="WAVE")
pollster_option = click.option("--pollster", help="Whose wave it is, where several pollsters use the reference.")


@click.group()
def quarantine() -> None:
    """Rows with faults that were set aside, so that the rest of a wave could be counted."""


@quarantine.command()
@survey_argument
@wave_argument
@pollster_option
@as_json
@click.pass_obj
def show(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, json_: bool) -> None:
    """List the rows that are set aside, and why; not what they say."""
    from jobs.quarantine import list_quarantine

    listed = list_quarantine(runtime.store, survey_id=survey_id, wave=wave, pollster=pollster)
    if json_:
        print_json(listed)
        return
    click.echo(f"{listed.wave.reference} of {listed.wave.pollster}: {listed.n_quarantined:,} rows are set aside.")
    if listed.rows:
        print_table(("reason", "rows"), listed.reasons)
        print_table(("row", "reasons"), listed.rows)


@quarantine.command()
@survey_argument
@wave_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pollster_option
@click.pass_obj
def download(runtime: Runtime, *, survey_id: str, wave: str, file: Path, pollster: str | None) -> None:
    """Write the rows to FILE as CSV, respondents as pseudonyms; the read is in the audit chain."""
    from jobs.ledger import cli_actor
    from jobs.quarantine import download as read_rows

    text = read_rows(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        wave=wave,
        pollster=pollster,
        now=runtime.now(),
        actor=cli_actor(),
    )
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    click.echo(f"{file} is written.")


@quarantine.command()
@survey_argument
@wave_argument
@pollster_option
@click.option("--reason", required=True, help="What was mended; shown beside the estimates that it restates.")
@as_json
@click.pass_obj
def release(runtime: Runtime, *, survey_id: str, wave: str, pollster: str | None, reason: str, json_: bool) -> None:
    """Count the rows that pass the newest codebook; the others stay."""
    from jobs.ledger import cli_actor
    from jobs.quarantine import release as count_rows

    changed = count_rows(
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
    if json_:
        print_json(changed)
        return
    for one in changed.changed:
        click.echo(
            f"{one.reference}: {one.n_interviews:,} interviews count, {one.n_quarantined:,} rows stay set aside."
        )
    for one in changed.unchanged:
        click.echo(f"{one.reference}: no row passes yet; mend the codebook with `hustings survey update` first.")
    for job in changed.jobs:
        click.echo(f"  refit of {job.question_id}: {job.state} (job {job.id})")
